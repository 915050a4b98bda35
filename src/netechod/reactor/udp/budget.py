"""The budget of a turn of the loop: how much one datagram socket may do before all the others have their
turn.

Whatever comes in, a turn costs no more than these counts. What is left waits for the next turn.
"""

BATCH = 64
"""Datagrams received from one socket a turn."""

SEND_LIMIT = 512
"""Datagrams sent from one socket a turn, with those that the kernel refuses."""

ERROR_LIMIT = 64
"""Errors taken a turn from the error queue of one socket."""

TURN_LIMIT = BATCH + SEND_LIMIT + ERROR_LIMIT
"""All of that together: the longest turn of one socket."""

QUEUE_LIMIT = 524_288
"""Datagrams that wait to be sent from one socket, beyond which the oldest are dropped.

It is twice what a batch of messages makes in a room of 4,096. Such copies share their payload: eight bytes
each.
"""

SEND_PATIENCE = 0.05
"""Seconds that answers wait for a kernel that takes none. Then those that have waited so long are dropped."""
