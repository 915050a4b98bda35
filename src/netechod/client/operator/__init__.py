"""`netechoctl`: the operator's questions to a daemon on this machine. These texts are English only.

- `commands` has one function a command.
- `instances` asks several daemons.
- `control` is the client of the control socket.
- `screens` formats the answers for people.
"""
