"""The resources of a process: memory, descriptors, threads, children, and CPU time at rest."""

import os
import re
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

REST = 1.0  # seconds that a daemon is watched at rest
BUSY = 0.05  # share of a CPU that it may use there: its watchdogs and timers, no loop that spins
TICKS = os.sysconf("SC_CLK_TCK")

# How much more there may be at the end than after the warm-up: the allocator never gives back all it had.
MEMORY_SLACK = 8 << 20  # bytes
MEMORY_AN_HOUR = 1 << 20  # bytes more for each hour


@dataclass(frozen=True)
class Vitals:
    """One look at a process."""

    memory: int  # bytes of its own: anonymous and resident (proc_pid_status(5))
    descriptors: Mapping[str, str] | None  # None: we may not see them
    threads: int
    children: int  # and their children

    @classmethod
    def of(cls, pid: int) -> "Vitals":
        """Look at a process."""
        proc = Path("/proc", str(pid))
        found = re.search(
            r"^RssAnon:\s+(\d+) kB", (proc / "status").read_text(encoding="utf-8"), re.MULTILINE
        )
        return cls(
            memory=int(found[1]) * 1024 if found else 0,
            descriptors=_descriptors(proc / "fd"),
            threads=len(list((proc / "task").iterdir())),
            children=len(descendants(pid)),
        )


def descendants(pid: int) -> list[int]:
    """The processes that one has started, and theirs, those included that nobody has waited for."""
    found = []
    with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        for task in Path("/proc", str(pid), "task").iterdir():
            for child in map(int, (task / "children").read_text(encoding="ascii").split()):
                found += [child, *descendants(child)]
    return found


def _descriptors(directory: Path) -> dict[str, str] | None:
    """Return the open descriptors by number, without those that are closed meanwhile.

    Only root may look at those of a daemon that has secrets: it forbids dumps (PR_SET_DUMPABLE, prctl(2)).
    """
    if not os.access(directory, os.R_OK):
        return None
    found = {}
    for fd in directory.iterdir():
        with suppress(FileNotFoundError):
            found[fd.name] = str(fd.readlink())
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used (proc_pid_stat(5))."""
    fields = Path("/proc", str(pid), "stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def busy(pid: int, seconds: float = REST) -> float:
    """The share of a CPU that a process uses during the next seconds."""
    before, begun = cpu_seconds(pid), time.monotonic()
    threading.Event().wait(seconds)
    return (cpu_seconds(pid) - before) / (time.monotonic() - begun)


def dropped_by_the_kernel(port: int) -> int:
    """Datagrams for a port that found its socket's buffer full (proc(5), /proc/net/udp: the last column)."""
    total = 0
    for table in ("udp", "udp6"):
        for line in Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == port:
                total += int(fields[-1])
    return total
