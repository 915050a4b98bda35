"""The command lines of the three programs. They parse arguments, and open no sockets.

- `netechod`, `netecho` and `netechoctl` each hold the `main` of a program.
- `netecho_commands` and `netecho_ping` define the options of netecho's commands. `netecho_parser`
  holds what these share.
- `parser` is the base of all parsers. `config_options` holds the options of programs that read the
  configuration.
"""
