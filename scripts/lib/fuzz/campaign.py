"""One target's run: the worker's arguments, its corpus, and what it tells at its end."""

import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from fuzz.cost import excess, once
from fuzz.growing import FAMILIES
from fuzz.target import Target

HANG = 10  # seconds after which one input counts as a hang
MEMORY_LIMIT = 1024  # MiB
GRACE = 30  # seconds that a worker may take to start and to end
FAILED = "the worker ended with status"


@dataclass(frozen=True)
class Result:
    """The result of fuzzing one target."""

    inputs: int
    seconds: float
    coverage: int  # branches of netechod reached, as the fuzzer counts them
    kept: int  # inputs in the corpus
    slowest: float  # seconds of CPU that one input took
    trouble: str = ""  # what did not hold, on a line
    report: str = ""  # all of it, and how to repeat it


class Campaign:
    """Runs targets, each for the same time, and keeps their inputs."""

    def __init__(self, corpus: Path, seconds: float, runs: float | None) -> None:
        self.corpus = corpus
        self._seconds = round(seconds)
        self._runs = -1 if runs is None else round(runs)

    def run(self, target: Target) -> Result:
        """Fuzz one target to the end of its time, or to what does not hold."""
        home = (self.corpus / target.name).resolve()
        kept, found, slow = home / "corpus", home / "found", home / "slowest"
        for directory in (kept, found, slow):
            directory.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate((*FAMILIES, *target.seeds)):
            (kept / f"seed-{number}").write_bytes(seed)
        before = set(found.iterdir())
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="netechod-fuzz-", dir=_memory()) as scratch:
            arguments = [f"-artifact_prefix={found}/", str(kept)]
            words = Path(scratch, "words")
            words.write_text("".join(map(_entry, (*FAMILIES, *target.words))), encoding="ascii")
            arguments.append(f"-dict={words}")
            said = self._work(target, slow, arguments, scratch)
        seconds = time.monotonic() - begun
        trouble, report = _trouble(said, sorted(set(found.iterdir()) - before), target.name)
        slowest, file = max((once(target, file.read_bytes()), file) for file in slow.iterdir())
        if not trouble and (cost := excess(target, file.read_bytes())):
            trouble = f"FAILS: an input takes {cost:.2f} s of CPU, which its length does not explain"
            report = f"\n{_how_to_repeat(target.name, file)}\n"
        inputs = re.findall(r"^(?:#|stat::number_of_executed_units: )(\d+)", said, re.MULTILINE)
        return Result(
            inputs=max(map(int, inputs), default=0),
            seconds=seconds,
            coverage=max(map(int, re.findall(r" cov: (\d+)", said)), default=0),
            kept=len(list(kept.iterdir())),
            slowest=slowest,
            trouble=trouble,
            report=report,
        )

    def _work(self, target: Target, slow: Path, arguments: list[str], scratch: str) -> str:
        """Run the worker and return its output. The files that its target makes are in `scratch`."""
        limits = [
            f"-max_total_time={self._seconds}",
            f"-runs={self._runs}",
            f"-max_len={target.largest}",
            "-len_control=0",
            f"-timeout={HANG}",
            f"-rss_limit_mb={MEMORY_LIMIT}",
            "-print_final_stats=1",
        ]
        worker = [sys.executable, "-m", "scripts.lib.fuzz.worker", target.name, str(slow)]
        with subprocess.Popen(
            [*worker, *limits, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"TMPDIR": scratch},
        ) as process:
            try:
                output, _ = process.communicate(timeout=self._seconds + HANG + GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                output, _ = process.communicate()
        end = f"\n{FAILED} {process.returncode}\n" if process.returncode else ""
        return output.decode(errors="backslashreplace") + end


def _memory() -> str | None:
    """A file system in memory, where there is one: the targets that use files are ten times as fast there."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 (mkdtemp is what makes names)


def _entry(word: bytes) -> str:
    """A word as libFuzzer's dictionaries have it."""
    return '"{}"\n'.format("".join(f"\\x{byte:02x}" for byte in word))


def _how_to_repeat(name: str, file: Path) -> str:
    return f"repeat it: scripts/fuzz --only {name} --input {file}"


def _trouble(said: str, inputs: list[Path], name: str) -> tuple[str, str]:
    """Return the failure on a line and at length; both are empty if there is none."""
    if FAILED not in said and not inputs:
        return "", ""
    lines = [line for line in said.splitlines() if not line.startswith(("INFO: ", "WARNING: "))]
    start = next((at for at, line in enumerate(lines) if "Uncaught Python exception" in line), 0)
    end = next((at for at, line in enumerate(lines[start:], start) if line.startswith("==")), len(lines))
    shown = lines[start:end] if start else lines[-20:]
    repeat = [_how_to_repeat(name, file) for file in inputs]
    why = next((line for line in reversed(shown) if line.strip()), "")
    return f"FAILS: {why}", "\n".join(["", *shown, *repeat, ""])
