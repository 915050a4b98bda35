"""strace(1): the calls that a program makes, and those that are made to fail."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

INJECTED = "(INJECTED)"

_ENTRY = re.compile(r"^(\d+) +(\w+)\((?:\d+<(/[^>]*)>)?")


@dataclass(frozen=True)
class Fault:
    """Calls that fail: which, with what, and when; strace(1) counts them in each process and thread."""

    call: str
    error: str
    when: str
    path: str = ""  # where there is one, only calls that have to do with this file count

    def __str__(self) -> str:
        return f"{self.call} {self.error} when={self.when} {self.path}".rstrip()

    def options(self, home: Path, also: str = "") -> list[str]:
        """The options of strace. Its output is a file in `home`; calls named in `also` are shown as well."""
        limit = [f"--trace-path={home / self.path}"] if self.path else []
        fault = f"--inject={self.call}:error={self.error}:when={self.when}"
        return [f"--trace={self.call},{also}".rstrip(","), fault, *limit]


@dataclass(frozen=True)
class Call:
    """One line of a trace: who began which call, and with what."""

    process: int
    name: str
    file: str  # what the first argument is a descriptor of, if that is a file
    text: str


def started(trace: Path, *options: str) -> list[str]:
    """The words before a program's own that have it traced, all its life, with its pid unchanged."""
    quickly = ["--seccomp-bpf"] if options else []  # what is not to be shown costs nothing
    return ["strace", "-D", "-f", "-qq", "-y", *quickly, f"--output={trace}", *options]


def calls(trace: Path) -> Iterator[Call]:
    """The calls of a trace in the order in which they began."""
    for line in trace.read_text(errors="replace").splitlines():
        if entry := _ENTRY.match(line):
            yield Call(int(entry[1]), entry[2], entry[3] or "", line)


def obstacle() -> str:
    """Why nothing can be traced here; empty when it can."""
    if shutil.which("strace") is None:
        return "strace is missing; as root: apt-get install strace"
    probe = subprocess.run(
        [*started(Path(os.devnull), "--trace=openat"), sys.executable, "-c", ""],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"strace cannot trace here: {probe.stderr.strip()}" if probe.returncode or probe.stderr else ""
