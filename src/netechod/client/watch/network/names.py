"""The names of many targets, resolved a few at a time."""

import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from netechod.client.i18n.translate import reason_text, tr
from netechod.client.resolver import Address, Resolution, is_numeric, resolve
from netechod.client.watch.targets import Target
from netechod.client.watch.watched import Resolved
from netechod.reactor.loop import Loop

MOST = 16  # names that are resolved at the same time: each takes a thread
LOOK = 0.02  # seconds between two looks whether a name is resolved
PATIENCE = 10.0  # seconds after which the name server counts as silent


class _Running(NamedTuple):
    resolution: Resolution
    until: float
    resolved: Resolved


class Resolver:
    """Resolves names without waiting for them."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._queue: deque[tuple[Target, Resolved]] = deque()
        self._running: list[_Running] = []

    def resolve(self, target: Target, resolved: Resolved) -> None:
        """Call `resolved` when the host of a target is resolved: at once if it is an address."""
        if is_numeric(target.host):
            resolved(*_outcome(lambda: resolve(target.host, target.port, target.family, _kind(target), 0.0)))
            return
        self._queue.append((target, resolved))
        if not self._running:
            self._look()

    def _look(self) -> None:
        """See which names are resolved, and begin with others."""
        running, self._running = self._running, []
        for each in running:
            if each.resolution.is_finished or self._loop.now >= each.until:
                each.resolved(*_outcome(lambda each=each: each.resolution.addresses(0.0)))  # type: ignore[misc]
            else:
                self._running.append(each)
        while self._queue and len(self._running) < MOST:
            target, resolved = self._queue.popleft()
            resolution = Resolution(target.host, target.port, target.family, _kind(target))
            self._running.append(_Running(resolution, self._loop.now + PATIENCE, resolved))
        if self._running:
            self._loop.call_at(self._loop.now + LOOK, self._look)


def _kind(target: Target) -> socket.SocketKind:
    return socket.SOCK_STREAM if target.scheme == "tcp" else socket.SOCK_DGRAM


def _outcome(addresses: Callable[[], Sequence[Address]]) -> tuple[Sequence[Address], str]:
    try:
        return addresses(), ""
    except TimeoutError:
        return (), tr("the name server is silent")
    except OSError as error:
        return (), reason_text(error.strerror or str(error))
    except UnicodeError:
        return (), tr("not a host name")
