"""The services: what the daemon says. No I/O: bytes, peers and the time come in, answers go to an outbox.

| room or module | contents |
|---|---|
| `api` | the interfaces between services and the reactor |
| `echo` | RFC 862, for datagrams and for streams |
| `dictionary/` | words and their meanings |
| `chat/` | a room whose members read what the others send |
| `command/` | signed requests that run programs |
| `admission/` | who may be answered, how often, and how much |
| `wire` | the text protocols, shared with the clients |
| `http`, `cells` | requests to the metrics page; the width of text on a terminal |
"""
