"""The log that several nodes share, as one stream of a Redis or Valkey server.

| module | contents |
|---|---|
| `url` | the address of the servers, as the operator writes it |
| `resp` | the protocol of the server, by hiredis; imported only if there is a bus |
| `replies` | entries and the state of the stream, as replies hold them |
| `dialogue` | one connection: a script of requests and replies, with deadlines |
| `master` | finds the server that takes writes: a list, Sentinel, a redirection of a cluster |
| `pair` | the two connections, made again when they are lost |
| `stream` | the log: writes our entries, and reads those of all nodes |
"""
