"""Processes that a test has to see end."""

import os
import select
from pathlib import Path


def alive(pid: int) -> bool:
    """Return whether a process runs. A zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:  # it is gone, or goes while we look
        return False


def until_gone(pid: int) -> None:
    """Wait for the end of a process that is on its way, whoever's child it is."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    select.select([pidfd], [], [])
    os.close(pidfd)
