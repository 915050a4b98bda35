"""The languages that `netecho` speaks: the code holds the English texts.

- `translate` has `tr`, which all other rooms call.
- `chinese` holds the Chinese texts, and `chinese_help` those of the command line.
"""
