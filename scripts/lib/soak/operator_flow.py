"""The operator: netechoctl, again and again, while everything else goes on."""

import json
import subprocess
import sys

from scripts.lib.soak.flow import Flow
from scripts.lib.soak.place import CONSTANT, CONSTANT_MEANING, PATIENCE, entries_of, expect

NETECHOCTL = [sys.executable, "-m", "netechod.cli.netechoctl"]


class Operator(Flow):
    """One question of netechoctl a turn, each of a different kind."""

    turns = 0

    def turn(self) -> None:
        """The next one."""
        asks = [self._status, self._members, self._lookup, self._dump, self._metrics]
        asks[self.turns % len(asks)]()
        self.turns += 1

    def _ask(self, *words: str) -> str:
        run = subprocess.run(
            [*NETECHOCTL, "--socket", str(self.place.control.path), *words],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        expect(not run.returncode, f"netechoctl {' '.join(words)}: {run.stderr.strip()}")
        return run.stdout

    def _status(self) -> None:
        status = json.loads(self._ask("status", "--json"))
        expect(status["pid"] == self.place.pid, f"pid {status['pid']} instead of {self.place.pid}")

    def _members(self) -> None:
        for line in self._ask("members", "--json").splitlines():
            expect("--" in json.loads(line)["name"], f"no member: {line}")

    def _lookup(self) -> None:
        told = self._ask("dict", "lookup", CONSTANT)
        expect(told == f"{CONSTANT}\t{CONSTANT_MEANING}\n", f"{CONSTANT} is {told!r}")

    def _dump(self) -> None:
        oldest = self.place.loaded
        counted = len(self._ask("dict", "dump").splitlines())
        right = {entries_of(edition) for edition in range(oldest, self.place.written + 1)}
        expect(counted in right, f"{counted} entries instead of {right}")

    def _metrics(self) -> None:
        text = self._ask("metrics")
        expect(text.endswith("# EOF\n"), "metrics without an end")
