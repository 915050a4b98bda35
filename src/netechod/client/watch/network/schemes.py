"""The network as the watch sees it."""

from collections.abc import Callable

from netechod.client.resolver import Address
from netechod.client.watch.network.connections import Connections
from netechod.client.watch.network.datagrams import EchoDatagrams
from netechod.client.watch.network.names import Resolver
from netechod.client.watch.network.reflections import Reflections
from netechod.client.watch.targets import Target
from netechod.client.watch.watched import Resolved, Transport, Transports, Watched
from netechod.client.watch.watcher import Watcher
from netechod.reactor.loop import Loop


class Schemes:
    """Sends probes by the scheme of each target, and resolves names."""

    def __init__(self, loop: Loop, watcher: Callable[[], Watcher]) -> None:
        datagrams, reflections = EchoDatagrams(loop, watcher), Reflections(loop, watcher)
        self._shared = (datagrams, reflections)
        self._names = Resolver(loop)
        self._by_scheme: dict[str, Transports] = {
            "udp": datagrams,
            "stamp": reflections,
            "tcp": Connections(loop, watcher),
        }

    def open(self, watched: Watched, address: Address) -> Transport:
        """See Transports."""
        return self._by_scheme[watched.target.scheme].open(watched, address)

    def resolve(self, target: Target, resolved: Resolved) -> None:
        """See Network."""
        self._names.resolve(target, resolved)

    def close(self) -> None:
        """Free the descriptors that targets share."""
        for each in self._shared:
            each.close()
