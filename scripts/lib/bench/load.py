"""A generator: a program in C that asks one server, checks every answer, and takes orders on its stdin."""

import ctypes
import json
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.lib.bench.contest import Tally
from scripts.lib.bench.server import Address, die_with_parent

CONNECT_LIMIT = 60.0  # seconds that a generator may take until it is ready: a thousand members have to join
PATIENCE = 10.0  # seconds that a window may last beyond its own length


class Generator:
    """One program, and the server that it asks. It runs where the bench runs: on the generator's CPU."""

    def __init__(self, program: Path, address: Address, arguments: Sequence[object]) -> None:
        host, port = address
        self._process = subprocess.Popen(
            [str(program), host, str(port), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,
        )
        clock = ctypes.c_int()
        ctypes.CDLL(None).clock_getcpuclockid(self._process.pid, ctypes.byref(clock))
        self._clock = clock.value
        try:
            self._hear(CONNECT_LIMIT)
        except OSError:
            self.close()
            raise

    def run(self, seconds: float) -> Tally:
        """Ask for so long; everything asked is answered or given up when it returns. Raises OSError."""
        assert self._process.stdin is not None  # noqa: S101 (for the type checker)
        self._process.stdin.write(f"run {seconds}\n")
        self._process.stdin.flush()
        return Tally(**json.loads(self._hear(seconds + PATIENCE)))

    def cpu_seconds(self) -> float:
        """CPU time that it has used."""
        return time.clock_gettime(self._clock)

    def _hear(self, patience: float) -> str:
        """The next line that it says."""
        out, err = self._process.stdout, self._process.stderr
        assert out is not None and err is not None  # noqa: S101, PT018 (for the type checker)
        if not select.select([out], [], [], patience)[0]:
            raise TimeoutError(f"the generator is silent for {patience:g} seconds")
        line = out.readline()
        if not line:
            raise ConnectionError(f"the generator has ended: {err.read().strip()}")
        return line

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
