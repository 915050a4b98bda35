"""Indexes: given back by a thread, which a test has to wait for; and damaged on purpose."""

import os
import threading
from pathlib import Path


def until_given_back() -> None:
    """Wait until every edition that was closed has given its index back."""
    for thread in threading.enumerate():
        if thread.name == "index":
            thread.join()


def overwrite(file: Path, start: int, data: bytes, *, secretly: bool = False) -> None:
    """Write into a file; `secretly`: as a disk does that loses data, which changes no time."""
    before = file.stat()
    with file.open("r+b") as opened:
        opened.seek(start)
        opened.write(data)
    if secretly:
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
