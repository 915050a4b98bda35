"""The Unix process: configuration, files, sockets, the service manager, and the services wired together.

| room or module | contents |
|---|---|
| `start` | a start, from the command line to the running loop, top to bottom |
| `app` | the running daemon: what signals, timers and the service manager talk to |
| `services`, `service/` | the services as they run, one file each |
| `listeners` | their sockets |
| `reload`, `check` | read everything anew; would that work? |
| `initialize` | files of a new installation |
| `config/` | what the operator wrote, checked |
| `dictionary/` | the words, from a file to memory or to an index |
| `command/` | remote commands as they run |
| `control/` | what operators and monitors can ask |
| `log/` | log.txt, log.error, the journal |
| `unix/` | what a daemon owes the system |
"""
