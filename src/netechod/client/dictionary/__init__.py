"""`netecho dict`: words go to the dictionary service, and their meanings come back.

- `run` is the command: it reads the words, and writes the results.
- `lookups` asks for many words at once. The chat's `/dict` uses it, too.
"""
