"""Datagrams: one endpoint per socket takes batches to a service and sends its answers.

| module | contents |
|---|---|
| `endpoint` | the receiving half of a socket: batches, deadlines, the end |
| `outbox` | the sending half: queue, budget, patience with a full kernel |
| `send_queue` | the queue in portions that one system call sends |
| `budget` | the limits of one turn |
| `mmsg` | recvmmsg(2) and sendmmsg(2) |
| `datagram_io` | the seam to the kernel, and one datagram a call |
| `error_queue` | ICMP errors about our datagrams (IP_RECVERR) |
| `socket_group` | several sockets of one service that share its members |
"""
