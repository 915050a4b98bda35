"""Streams: listening sockets, connections, and the models of serving them.

| module | contents |
|---|---|
| `api` | the interfaces between servers, drivers and connections |
| `server` | one service: accepts, serves, drains, hands over |
| `acceptor`, `accept_queue` | accept connections within the limits |
| `proxied` | connections of load balancers that name their clients |
| `connection` | a connection on the loop whose session only answers |
| `talking`, `turns` | a connection whose session also speaks first, in pieces, or unasked |
| `idle` | close silent connections |
| `models` | the five ways to serve a connection |
| `blocking`, `worker`, `threads`, `processes` | drivers with blocking calls, in threads or processes |
"""
