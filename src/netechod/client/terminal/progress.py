"""How far a long piece of work is: one line on a terminal, which goes when the work is done."""

import sys
import time
from types import TracebackType

from netechod.client.terminal.output import is_smart

INTERVAL = 0.2  # seconds between two lines, at least
CLEAR = "\r\x1b[K"  # to the beginning of the line, and erase it (ECMA-48, 8.3.41)


class Progress:
    """Shows progress on stderr if that is a terminal, and takes the line away at the end."""

    def __init__(self) -> None:
        self._next = (
            time.monotonic() + INTERVAL if sys.stderr is not None and is_smart(sys.stderr) else float("inf")
        )
        self._shown = False

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def show(self, what: str, share: float) -> None:
        """Show what is being done, and which share of it, from 0 to 1, is; not too often."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + INTERVAL
        self._shown = True
        self._write(f"{CLEAR}{what} {share:4.0%}")

    def clear(self) -> None:
        """Take the line away, if there is one."""
        if self._shown:
            self._write(CLEAR)
            self._shown = False

    def _write(self, text: str) -> None:
        """Write to the terminal; if it has gone, nobody looks, and the work goes on."""
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            self._next = float("inf")
