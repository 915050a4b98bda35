"""The STAMP reflector as it runs."""

import logging
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from netechod.clock_error import clock_error, clock_refusal
from netechod.process.config.stamp import Stamp
from netechod.process.control.status import Gauge
from netechod.process.service.datagrams import UdpService
from netechod.process.service.running import Context
from netechod.process.service.running import Settings as Given
from netechod.reactor.loop import Loop
from netechod.reactor.udp.measuring import MeasuringDatagramIO
from netechod.services.api import Peer
from netechod.services.stamp.packets import PORT
from netechod.services.stamp.reflector import Settings, StampReflector
from netechod.services.stamp.sessions import Session
from netechod.services.stamp.timestamps import UNKNOWN_ERROR
from netechod.services.wire import unmapped

log = logging.getLogger(__name__)


class ClockWatch:
    """The error of the clock, read once a second at most."""

    def __init__(self, loop: Loop, read: Callable[[], float | None] = clock_error) -> None:
        self._loop = loop
        self._read = read
        self._until = loop.now
        self._error: float | None = None

    def __call__(self) -> float | None:
        """Return it in seconds; None if nobody synchronizes the clock, or we may not know."""
        if self._loop.now >= self._until:
            self._until = self._loop.now + 1
            self._error = self._read()
        return self._error


class Service(UdpService):
    """It answers trusted sources alone, unless it is public or signatures are required."""

    make_io = MeasuringDatagramIO

    def __init__(self, context: Context, socks: Sequence[socket.socket]) -> None:
        self._clock = ClockWatch(context.loop)
        self._ports: set[int] = set()
        address_of = MeasuringDatagramIO.address_of
        self._reflector = StampReflector(wall_ns=time.time_ns, clock_error=self._clock, address_of=address_of)
        super().__init__(context.datagrams, "stamp", socks, self._reflector)
        if self._clock() is None:
            log.warning("stamp tells who measures that this clock is not synchronized: %s", _reason())

    def add(self, socks: Sequence[socket.socket]) -> None:
        """See RunningService."""
        super().add(socks)
        self._ports.update(sock.getsockname()[1] for sock in socks)

    def apply(self, settings: Given) -> None:
        """See RunningService. Reflectors and their senders may both use the port of STAMP."""
        stamp, rules = settings.loaded.config.stamp, settings.rules
        self.admission.configure(
            replace(rules, welcome_ports=frozenset({PORT, *self._ports})),
            trusted_only=not stamp.public and stamp.authentication != "required",
        )
        address_of = MeasuringDatagramIO.address_of
        keys = settings.loaded.stamp_keys
        self._reflector.configure(settings_of(stamp, keys, lambda peer: rules.trusts(address_of(peer)[0])))

    def counters(self) -> Mapping[str, int]:
        """See RunningService."""
        return {**super().counters(), **self._reflector.counters}

    def gauges(self) -> Iterable[Gauge]:
        """See RunningService."""
        yield Gauge("stamp_sessions", "Sessions of the STAMP reflector now.", len(self._reflector.sessions))
        error = self._clock()
        text = "Error of the clock as the STAMP reflector claims it; 16 if nobody synchronizes it."
        yield Gauge("stamp_clock_error_seconds", text, UNKNOWN_ERROR if error is None else error)

    def report(self) -> Mapping[str, Any]:
        """See RunningService."""
        error = self._clock()
        clock = {"synchronized": error is not None, "error_s": error}
        return {"stamp": {"sessions": len(self._reflector.sessions), "clock": clock}}

    def sessions(self) -> Sequence[Mapping[str, Any]]:
        """See RunningService."""
        return [
            _session(*MeasuringDatagramIO.address_of(peer), ssid, session)
            for (peer, ssid), session in self._reflector.sessions.items()
        ]

    def summary(self) -> str:
        """See RunningService."""
        return f"{len(self._reflector.sessions)} STAMP sessions"


def _session(host: str, port: int, ssid: bytes, session: Session) -> dict[str, str | int]:
    """Return a session as JSON has it, with the names of RFC 8913."""
    return {
        "sender-ip": unmapped(host),
        "sender-udp-port": port,
        "ssid": int.from_bytes(ssid, "big"),
        "rcv-packets": session.received,
        "sent-packets": session.sent,
        "last-rcv-seq": session.last_number,
    }


def _reason() -> str:
    """Return why the clock claims nothing."""
    refusal = clock_refusal()
    return f"its state cannot be read ({refusal}; see stamp-clock.conf)" if refusal else "nobody does it"


def settings_of(stamp: Stamp, keys: Mapping[str, bytes], trusts: Callable[[Peer], bool]) -> Settings:
    """Return the reflector's settings, as configured."""
    return Settings(
        stateful=stamp.stateful,
        max_sessions=stamp.max_sessions,
        session_timeout=stamp.session_timeout,
        authentication=stamp.authentication,
        keys=keys,
        copies_dscp=stamp.dscp == "copy",
        trusts=trusts,
    )
