"""Reflectors for the tests of the sender: ours, on a socket, with a clock and fates as a test wants them."""

import time
from collections.abc import Callable, Iterable

from support.fake_servers import Address, FakeUdpServer, Replies
from support.recorder import Recorder
from support.stamping import arrived

from netechod.services.stamp.packets import UnfinishedAnswer
from netechod.services.stamp.reflector import Settings, StampReflector

Fate = Callable[[int, Callable[[], bytes]], Iterable[bytes]]
"""What becomes of the probe with this number, from 0; the second argument reflects it."""


def faithful(number: int, reflect: Callable[[], bytes]) -> Iterable[bytes]:
    """Every probe comes back."""
    yield reflect()


class ReflectorServer(FakeUdpServer):
    """A reflector whose clock is `ahead` seconds ahead of ours and claims this error."""

    def __init__(
        self,
        fate: Fate = faithful,
        *,
        settings: Settings | None = None,
        ahead: float = 0.0,
        error: float | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        super().__init__(self._handle, host)
        self._fate = fate
        self._ahead_ns = round(ahead * 1e9)
        self._settings = settings or Settings(trusts=lambda peer: True)
        self._error = error
        self.restart()

    def restart(self) -> None:
        """Forget all sessions."""
        self._reflector = StampReflector(wall_ns=self._wall_ns, clock_error=lambda: self._error)
        self._reflector.configure(self._settings)

    def _wall_ns(self) -> int:
        return time.time_ns() + self._ahead_ns

    def _handle(self, payload: bytes, address: Address) -> Replies:
        number = int.from_bytes(payload[:4], "big")
        return [(reply, address) for reply in self._fate(number, lambda: self._reflect(payload, address))]

    def _reflect(self, payload: bytes, address: Address) -> bytes:
        out = Recorder()
        self._reflector.datagrams_received(
            [(arrived(payload, self._wall_ns(), ttl=250), address)], time.monotonic(), out
        )
        [(_, answer, _)] = out
        assert isinstance(answer, UnfinishedAnswer)
        return answer.completed(self._wall_ns())
