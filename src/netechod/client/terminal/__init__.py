"""Input and output of all clients, for people and for pipes.

- `output` writes results to stdout and errors to stderr.
- `progress` shows how far a long piece of work is.
- `prompt` reads lines from a person, with readline(3).
- `input` reads lines from a descriptor without blocking.
- `text` decodes text, escapes control characters and measures columns. It does no I/O.
"""
