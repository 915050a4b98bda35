"""A member and its socket: what the one says goes out through the other."""

import os
import socket
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from netechod.client import kernel
from netechod.client.chat.events import Event, Kind
from netechod.client.chat.protocol import Member
from netechod.client.chat.states import OwnName, State
from netechod.client.errors import ClientError
from netechod.client.net import RECEIVE_SIZE, Target
from netechod.services.wire import OFFLINE, display_name

BATCH = 64  # datagrams taken before others get their turn


class ChatSocket:
    """Somebody online. Errors of the socket are events: they tell that the room is out of reach."""

    def __init__(self, sock: socket.socket, target: Target, *, is_patient: bool) -> None:
        """Come online on a connected socket, or raise the OSError that prevents it."""
        self.sock = sock
        self.member = Member(
            _name(sock), target.timeout, target.retries, time.monotonic(), patient=is_patient
        )
        self.heard: list[Event] = []  # in coming online
        kernel.ask_for_times(sock)
        try:
            while self.member.state is State.JOINING:
                self._come_online()
            if self.member.state is State.GONE:
                raise TimeoutError
        except (KeyboardInterrupt, TimeoutError):
            with suppress(OSError):
                sock.send(OFFLINE)  # the room may have taken us in, and its word for that been lost
            raise
        sock.setblocking(False)

    def _come_online(self) -> None:
        """Send what is to be sent, and wait for an answer to it."""
        for datagram in self.member.take_outgoing():
            self.sock.send(datagram)
        try:
            self.sock.settimeout(max(0.001, self.member.deadline - time.monotonic()))
            self.heard += self._hear()
        except TimeoutError:
            self.member.deadline_reached(time.monotonic())
        for event in self.heard:
            if event.kind is Kind.REFUSED:
                raise ClientError(event.text)  # such as a full room: to ask again would not help

    def send(self) -> list[Event]:
        """Send what is to be sent."""
        events: list[Event] = []
        for datagram in self.member.take_outgoing():
            try:
                self.sock.send(datagram)
            except BlockingIOError:
                pass  # the kernel has no room for it: lost, as others are on their way
            except OSError as error:
                events += self._lose_touch(error)
        return events

    def receive(self) -> list[Event]:
        """Hear what has arrived."""
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
        """Take a datagram at the time when it came: a form that paints has us read it later."""
        payload, came, _ = kernel.receive(self.sock, RECEIVE_SIZE)
        return self.member.received(payload, came)

    def look_at_clock(self) -> list[Event]:
        """Do what is due. Before the member tries to return it gets a socket that can."""
        if time.monotonic() < self.member.deadline:
            return []
        if self.member.state is State.AWAY and self._has_moved():
            self._move()
        return self.member.deadline_reached(time.monotonic())

    def _lose_touch(self, error: OSError) -> list[Event]:
        return self.member.unreachable(error.strerror or str(error), time.monotonic())

    def _has_moved(self) -> bool:
        """Whether this machine has another address now, as a laptop has that was carried elsewhere.

        A connected socket keeps the address that it had (udp(7)), and can't send from it any more.
        """
        with socket.socket(self.sock.family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(self.sock.getpeername())
            except OSError:
                return False  # there is no way to the room at all, so far
            return bool(probe.getsockname()[0] != self.sock.getsockname()[0])

    def _move(self) -> None:
        """Go on with another socket, in the place of the one before; the room will see a newcomer."""
        with socket.socket(self.sock.family, socket.SOCK_DGRAM) as fresh:
            fresh.connect(self.sock.getpeername())
            os.dup2(fresh.fileno(), self.sock.fileno(), inheritable=False)
        self.sock.setblocking(False)
        kernel.ask_for_times(self.sock)
        self.member.own_name = OwnName(_name(self.sock))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the socket; a room that has seen no farewell is told at least that we go."""
        with self.sock, suppress(OSError):
            if self.member.state is not State.GONE:
                self.sock.send(OFFLINE)


def _name(sock: socket.socket) -> str:
    return display_name(*sock.getsockname()[:2])
