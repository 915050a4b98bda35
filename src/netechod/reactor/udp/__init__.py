"""Datagrams: one endpoint per socket takes batches to a service and sends its answers.

| module | contents |
|---|---|
| `endpoint` | the receiving half of a socket: batches, deadlines, drain and close |
| `outbox` | the sending half: queue, budget, waiting for a full kernel |
| `send_queue` | the queue, in portions for one system call each |
| `budget` | the limits of one turn |
| `datagram_io` | the interface between endpoints and sockets |
| `mmsg`, `messages` | batches by recvmmsg(2) and sendmmsg(2), and their arrays |
| `measuring` | datagrams with time of arrival, TTL and traffic class |
| `error_queue` | ICMP errors about our datagrams (IP_RECVERR) |
| `socket_group` | several sockets of one service that share its members |
"""
