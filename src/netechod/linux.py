"""Numbers and structures of Linux that Python 3.11's socket module lacks (socket(7), ip(7), ipv6(7))."""

import struct

# linux/asm-generic/socket.h
SO_ATTACH_FILTER = 26
SO_SNDBUFFORCE = 32
SO_RCVBUFFORCE = 33
SO_MEMINFO = 55
MEMINFO_DROPS = 8  # the index of sk_drops in what it returns (linux/sock_diag.h)
SO_TIMESTAMPNS = 35  # also the type of the control message that carries the time
SO_TIMESTAMPING = 37  # the same for times of leaving

# linux/net_tstamp.h: have the kernel's times of leaving reported on the error queue, each with the number of
# its datagram among those that were sent since, and without the datagram itself.
TIMES_OF_LEAVING = 1 << 1 | 1 << 4 | 1 << 7 | 1 << 11  # TX_SOFTWARE, SOFTWARE, OPT_ID, OPT_TSONLY

# linux/in.h
IP_PKTINFO = 8
IP_MTU_DISCOVER = 10
IP_FREEBIND = 15
IP_RECVERR = 11
IP_RECVTTL = 12
PMTUDISC_PROBE = 3  # a value of IP_MTU_DISCOVER: send with DF set and ignore the known path MTU

# linux/in6.h
IPV6_MTU_DISCOVER = 23
IPV6_RECVERR = 25
IPV6_DONTFRAG = 62

# linux/errqueue.h: struct sock_extended_err (errno, origin, type, code, padding, info, data) and its origins.
EXTENDED_ERROR = struct.Struct("@IBBBBII")
ORIGIN_LOCAL = 1
ORIGIN_ICMP = 2
ORIGIN_ICMP6 = 3
ORIGIN_TIMESTAMPING = 4

TIMESPEC = struct.Struct("@ll")
"""struct timespec: seconds and nanoseconds."""
