"""The socket of a chat member."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from netechod.client.chat.events import Event, Kind
from netechod.client.chat.protocol import Member
from netechod.client.chat.states import OwnName, State
from netechod.client.errors import ClientError
from netechod.client.i18n.translate import reason_text
from netechod.client.kernel import RECEIVE_SIZE, TimedReceiver
from netechod.client.net import Target
from netechod.client.resolver import Address, Resolution
from netechod.services.wire import OFFLINE, display_name

BATCH = 64  # datagrams read in one turn; the keyboard comes after them


class ChatSocket:
    """Drives a member with a socket. Errors of the socket become events: the room is out of reach."""

    def __init__(
        self,
        sock: socket.socket,
        target: Target,
        *,
        is_patient: bool,
        resolve: Callable[[], Resolution] | None = None,
    ) -> None:
        """Come online on a connected socket. Raises OSError, or ClientError when the room refuses us.

        `resolve` begins to resolve the name of the room again. None: it has none.
        """
        self.sock = sock
        self._resolve = resolve
        self._resolution: Resolution | None = None  # since the room is out of reach
        self.member = Member(
            _name(sock), target.timeout, target.retries, time.monotonic(), patient=is_patient
        )
        self.heard: list[Event] = []  # while coming online
        self._receiver = TimedReceiver(sock)
        try:
            while self.member.state is State.JOINING:
                self._come_online()
            if self.member.state is State.GONE:
                raise TimeoutError
        except ClientError:  # the room has not let us in
            raise
        except BaseException:  # a signal, too
            with suppress(OSError):
                sock.send(OFFLINE)  # the room may have let us in, and its confirmation be lost
            raise
        sock.setblocking(False)

    def _come_online(self) -> None:
        """Send what is due, and wait for an answer."""
        for datagram in self.member.take_outgoing():
            self.sock.send(datagram)
        try:
            self.sock.settimeout(max(0.001, self.member.deadline - time.monotonic()))
            self.heard += self._hear()
        except TimeoutError:
            self.member.deadline_reached(time.monotonic())
        for event in self.heard:
            if event.kind is Kind.REFUSED:
                raise ClientError(reason_text(event.text))  # such as a full room: asking again would not help

    def send(self) -> list[Event]:
        """Send what is due; return the events."""
        events: list[Event] = []
        for datagram in self.member.take_outgoing():
            try:
                self.sock.send(datagram)
            except BlockingIOError:
                pass  # the kernel has no room for it: lost, as others are on the way
            except OSError as error:
                events += self._lose_touch(error)
        return events

    def receive(self) -> list[Event]:
        """Read what has arrived; return the events."""
        events: list[Event] = []
        for _ in range(BATCH):
            try:
                events += self._hear()
            except BlockingIOError:
                break
            except OSError as error:
                return events + self._lose_touch(error)
        return events

    def _hear(self) -> list[Event]:
        """Read a datagram, with its time of arrival: a front end that draws delays the reading."""
        payload, came, _ = self._receiver.receive(RECEIVE_SIZE)
        return self.member.received(payload, came)

    def look_at_clock(self) -> list[Event]:
        """Do what is due; return the events. To return from an outage we may need another socket."""
        if time.monotonic() < self.member.deadline:
            return []
        if self.member.state is State.AWAY:
            if (address := self._new_address_of_room()) is not None:
                self._move(*address)
            elif self._has_moved():
                self._move(self.sock.family, self.sock.getpeername())
        return self.member.deadline_reached(time.monotonic())

    def _lose_touch(self, error: OSError) -> list[Event]:
        return self.member.unreachable(error.strerror or str(error), time.monotonic())

    def _has_moved(self) -> bool:
        """Return whether this machine has another address now, as a laptop that was carried elsewhere.

        A connected socket keeps its old address (udp(7)), and cannot send from it any more.
        """
        with socket.socket(self.sock.family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(self.sock.getpeername())
            except OSError:
                return False  # there is no route to the room at all, so far
            return bool(probe.getsockname()[0] != self.sock.getsockname()[0])

    def _new_address_of_room(self) -> Address | None:
        """Return where the room is now, if its name has another address. The name is resolved meanwhile."""
        if self._resolution is None:
            self._resolution = None if self._resolve is None else self._resolve()
            return None
        if not self._resolution.is_finished:
            return None
        resolution, self._resolution = self._resolution, None
        try:
            addresses = resolution.addresses(0.0)
        except (OSError, UnicodeError):
            return None
        here = self.sock.getpeername()[:2]
        return None if here in [address[:2] for _, address in addresses] else addresses[0]

    def _move(self, family: socket.AddressFamily | int, address: Any) -> None:  # noqa: ANN401 (as the family has it)
        """Go on with another socket. The room will see a newcomer."""
        with socket.socket(family, socket.SOCK_DGRAM) as fresh:
            fresh.connect(address)
            os.dup2(fresh.fileno(), self.sock.fileno(), inheritable=False)
        if family != self.sock.family:
            self.sock = socket.socket(fileno=self.sock.detach())  # the descriptor, which others watch, stays
        self.sock.setblocking(False)
        self._receiver = TimedReceiver(self.sock)
        self.member.own_name = OwnName(_name(self.sock))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the socket. Say `offline` once if the room has not confirmed it."""
        with self.sock, suppress(OSError):
            if self.member.state is not State.GONE:
                self.sock.send(OFFLINE)


def _name(sock: socket.socket) -> str:
    return display_name(*sock.getsockname()[:2])
