"""The sessions of TCP echo in its mode `identify`, and the identity of this server."""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from netechod.reactor.tcp.api import PendingConnection, Waker
from netechod.services.identify import IdentifySession, Identity
from netechod.services.wire import host_port


def identity() -> Identity:
    """Return the identity of this server: the name of its host, and what its environment adds."""
    return Identity(socket.gethostname(), os.environ)


def sessions(identity: Identity) -> Callable[[Waker], IdentifySession]:
    """Return what makes the session of a connection."""

    def new_session(waker: Waker) -> IdentifySession:
        client, server, proxy = _ends(waker.pending)
        return IdentifySession(partial(identity.answer, client=client, server=server, proxy=proxy))

    return new_session


def _ends(pending: PendingConnection) -> tuple[str, str, str]:
    """Return the addresses of the client, of ours, and of the load balancer; empty if there is none."""
    client = host_port(pending.address, pending.port)
    other = client
    with suppress(OSError):  # the peer has reset the connection already
        other = host_port(*pending.sock.getpeername()[:2])
    return client, host_port(*pending.sock.getsockname()[:2]), "" if other == client else other
