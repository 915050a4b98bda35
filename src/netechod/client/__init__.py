"""The clients. They know the wire rules of the services (`netechod.services`) and nothing of the daemon.

- `chat`, `ping`, `dictionary`, `echo` and `run_command` are the commands of `netecho`.
  `operator` is `netechoctl`, `health` is `netechod --health`.
- `net` finds a server and connects to it. `terminal` reads and writes for people and pipes.
- `signals` notes signals while a loop runs. `kernel` has the socket options that Python lacks, `i18n` the
  languages, `errors` the error of all clients.

Imports point down this list; pyproject.toml checks it.
"""
