"""Remote commands.

| module | contents |
|---|---|
| `service` | the service: which key may run what, and the answers |
| `signing` | requests and answers, byte by byte; shared with the client |
| `nonces` | refuses requests that were seen before |
"""
