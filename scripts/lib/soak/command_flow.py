"""Signed commands: run, cut off, timed out, leaving orphans behind; denied, forged and replayed."""

import random
import time
from collections.abc import Collection, Sequence

from netechod.services.command.signing import PART, Part, read_answer, request
from scripts.lib.soak.place import KEY_ID, LONGEST_OUTPUT, SECRET, Place, Wrong, expect
from scripts.lib.soak.udp_flows import UdpFlow


class Commands(UdpFlow):
    """One request a turn; every answer is authentic and complete, and what must not be answered is not."""

    service = "command"
    sources = ("127.0.9.1",)

    def __init__(self, place: Place, rng: random.Random) -> None:
        super().__init__(place, rng)
        self._last = b""  # the last request that was answered

    def turn(self) -> None:
        """One of the kinds."""
        text = "".join(self.rng.choices("ab; $()`'\"\\\n苹", k=self.rng.randrange(60)))
        self.rng.choice(
            [
                lambda: self._answered(("say", text), text.encode()),
                lambda: self._answered(("say", text), text.encode()),
                lambda: self._answered(("flood",), bytes(LONGEST_OUTPUT), {"truncated"}),
                lambda: self._answered(("sleep",), b"", {"timeout"}, 124),
                lambda: self._answered(("orphan",), b"left one behind\n"),
                lambda: self._answered(("nothing", text), None, {"denied"}, 126),
                lambda: self._answered(("say",), None, {"denied"}, 126),
                self._unanswered,
            ]
        )()

    def _answered(
        self, words: Sequence[str], output: bytes | None, flags: Collection[str] = (), status: int = 0
    ) -> None:
        """Ask, and hear this; an output of None is a sentence."""
        payload = self._request(words)
        self.ask(self.socks[0], payload)
        parts = [self._part()]
        while len(parts) < parts[0].parts:
            parts.append(self._part())
        told = b"".join(part.output for part in sorted(parts, key=lambda part: part.number))
        right = bool(told) if output is None else told == output
        expect(right, f"{list(words)} gave {told[:PART]!r}")
        expect(
            (parts[0].flags, parts[0].status) == (frozenset(flags), status),
            f"{list(words)} ended as {parts[0]}",
        )
        self._last = payload

    def _unanswered(self) -> None:
        """Send a forged, an old or a replayed request. The next answer shows that it was not answered."""
        for payload in (
            self._request(("say", "forged"), b"another secret"),
            self._request(("say", "old"), later=-100),
            self._last,
            b"NX1 soak",
        ):
            self.ask(self.socks[0], payload)

    def _request(self, words: Sequence[str], secret: bytes = SECRET, later: int = 0) -> bytes:
        seconds = int(time.clock_gettime(time.CLOCK_REALTIME)) + later
        return request(KEY_ID, secret, seconds, f"{self.rng.getrandbits(96):024x}", words)

    def _part(self) -> Part:
        part = read_answer(self.hear(self.socks[0]), SECRET)
        if part is None:
            raise Wrong("an answer that is not authentic")
        return part
