"""Streams: listening sockets, connections, and the models of serving them.

| module | contents |
|---|---|
| `api` | what servers, models, drivers and connections know of one another |
| `server` | one service: accepts, serves, drains, hands over |
| `acceptor`, `accept_queue` | connections on their way in, and the limits |
| `connection` | a connection on the loop whose session only answers |
| `talking`, `turns` | a connection whose session also speaks first, in pieces, or unasked |
| `idle` | which silent connections are closed |
| `models` | the five ways to serve a connection |
| `blocking`, `worker`, `threads`, `processes` | those with blocking calls: the driver, and who runs it |
| `dialer` | an outgoing connection that is made again when it is lost |
"""
