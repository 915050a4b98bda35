"""The services decide what the daemon says, without I/O: they get bytes, peers and the time, and an outbox.

| room or module | contents |
|---|---|
| `api` | the interfaces between services and the reactor |
| `echo` | RFC 862, for datagrams and for streams |
| `dictionary/` | words and their meanings |
| `dict/` | the same words for DICT clients (RFC 2229) |
| `chat/` | a room whose members read what the others send |
| `command/` | signed requests that run programs |
| `stamp/` | a reflector for measurements of the network (RFC 8762) |
| `admission/` | the rules and limits for answers to each source |
| `wire` | the text protocols, shared with the clients |
| `http`, `cells` | requests to the metrics page; the width of text on a terminal |
"""
