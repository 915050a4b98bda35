"""Waits for what tells nobody when it happens: looks again and again."""

import select
import time
from collections.abc import Callable

PATIENCE = 90.0  # seconds after which what a test waits for is taken to be missing
PAUSE = 0.02  # seconds between two looks


def eventually(holds: Callable[[], object], what: str = "", patience: float = PATIENCE) -> None:
    """Wait until `holds` returns something true."""
    until = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < until, f"still not so: {what or holds}"
        select.select((), (), (), PAUSE)
