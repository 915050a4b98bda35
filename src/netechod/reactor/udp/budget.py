"""The budget of a datagram socket for one turn of the loop. Then all other sockets have their turn.

Under any load, a turn does no more than these counts. The rest waits for the next turn.
"""

BATCH = 64
"""Datagrams received from one socket a turn."""

SEND_LIMIT = 512
"""Datagrams sent from one socket a turn. Those that the kernel refuses count, too."""

ERROR_LIMIT = 64
"""Errors taken a turn from the error queue of one socket."""

TURN_LIMIT = BATCH + SEND_LIMIT + ERROR_LIMIT
"""The sum: the longest turn of one socket."""

QUEUE_LIMIT = 524_288
"""Datagrams that may wait to be sent from one socket. Beyond it the oldest are dropped.

It is twice the number that a batch of messages makes in a room of 4,096 members. Such copies share their
payload, and take eight bytes each.
"""

SEND_PATIENCE = 0.05
"""Seconds that a datagram may wait while the kernel takes none. Then it is dropped."""
