"""Remote commands.

| module | contents |
|---|---|
| `service` | the service: checks requests, has commands run, and answers |
| `signing` | the signed requests and answers, byte by byte; shared with the client |
| `placeholder` | the places of a request's arguments in the argv of a command |
| `nonces` | refuses requests that were seen before |
"""
