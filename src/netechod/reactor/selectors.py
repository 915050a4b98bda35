"""Three ways to wait for many descriptors, with one interface: epoll, poll and select.

The event masks are those of poll(2), which epoll(7) shares. For select(2) they are translated.
"""

import select
from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

READABLE = select.POLLIN
WRITABLE = select.POLLOUT

SelectorName: TypeAlias = Literal["epoll", "poll", "select"]


class Selector(Protocol):
    """Waits for descriptors. It is level-triggered: a descriptor is reported as long as it is ready."""

    @property
    def limit(self) -> int | None:
        """The first descriptor number that cannot be watched (FD_SETSIZE); None for no limit."""
        ...

    def register(self, fd: int, mask: int) -> None:
        """Begin to watch `fd` for the events in `mask`. Raises OSError."""
        ...

    def modify(self, fd: int, mask: int) -> None:
        """Watch `fd` for other events. Raises OSError."""
        ...

    def unregister(self, fd: int) -> None:
        """Stop watching `fd`. Call this before you close it."""
        ...

    def wait(self, timeout: float | None) -> list[tuple[int, int]]:
        """Return the ready descriptors with their masks; none after `timeout` seconds (None: no limit).

        Raises MemoryError.
        """
        ...

    def close(self) -> None:
        """Close the kernel's part of it."""
        ...


class EpollSelector:
    """epoll(7): the cost of a wait grows with the number of ready descriptors, not of watched ones."""

    limit = None

    def __init__(self) -> None:
        epoll = select.epoll()
        self.register = epoll.register
        self.modify = epoll.modify
        self.unregister = epoll.unregister
        self.wait = epoll.poll  # takes seconds, and rounds up to milliseconds
        self.close = epoll.close


class PollSelector:
    """poll(2): descriptors may have any number. The cost of a wait grows with the watched descriptors."""

    limit = None

    def __init__(self) -> None:
        poll = select.poll()
        self.register = poll.register
        self.modify = poll.modify
        self.unregister = poll.unregister
        self._poll = poll.poll

    def wait(self, timeout: float | None) -> list[tuple[int, int]]:
        """See Selector. Python rounds up to poll's milliseconds, so no wait ends too soon."""
        return self._poll(None if timeout is None else timeout * 1000)

    def close(self) -> None:
        """See Selector. poll has no part in the kernel."""


class SelectSelector:
    """select(2): it accepts only descriptors below FD_SETSIZE."""

    limit = 1024

    def __init__(self) -> None:
        self._readable: set[int] = set()
        self._writable: set[int] = set()

    def register(self, fd: int, mask: int) -> None:
        """See Selector."""
        for events, fds in ((READABLE, self._readable), (WRITABLE, self._writable)):
            if mask & events:
                fds.add(fd)
            else:
                fds.discard(fd)

    modify = register

    def unregister(self, fd: int) -> None:
        """See Selector."""
        self._readable.discard(fd)
        self._writable.discard(fd)

    def wait(self, timeout: float | None) -> list[tuple[int, int]]:
        """See Selector."""
        readable, writable, _ = select.select(self._readable, self._writable, (), timeout)
        masks = dict.fromkeys(readable, READABLE)
        for fd in writable:
            masks[fd] = masks.get(fd, 0) | WRITABLE
        return list(masks.items())

    def close(self) -> None:
        """See Selector. select has no part in the kernel."""


SELECTORS: dict[SelectorName, Callable[[], Selector]] = {
    "epoll": EpollSelector,
    "poll": PollSelector,
    "select": SelectSelector,
}
