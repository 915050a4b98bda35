"""Profiles of a trial: kernel and libraries by perf(1), lines of Python by py-spy."""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.lib.bench.contest import HOME, Racer
from scripts.lib.bench.environment import MissingError, python_with
from scripts.lib.bench.stage import Stage
from scripts.lib.bench.trial import Trial

SECONDS = 3.0  # that each of the two looks on
RATE = 997  # samples a second; a prime, so as not to keep step with anything
MOST = 15  # functions that are named
LIBRARIES = 6  # that are
WAITING = "_next_batch ("  # the writer of the log, which looks busy to py-spy while it waits
SAMPLE = re.compile(r"\s*([\d.]+)%\s+(\S+)\s+\[(.)\]\s+(\S+)")  # share, library, k for the kernel, function


def profile(trial: Trial, stage: Stage) -> str:
    """Profile netechod under the load of the trial, and return the profile as text."""
    contestant = trial.enter(stage, HOME)
    with closing(contestant):
        if not isinstance(contestant, Racer):
            return f"{trial.name}: not under load, nothing to see"
        contestant.warm_up()
        parts = [f"{trial.name}: {trial.title}", *_by_perf(contestant), *_by_py_spy(contestant)]
    return "\n".join(parts)


def _watched(racer: Racer, command: Sequence[str]) -> str:
    """Have somebody look on while the load runs; what it says if it fails, else nothing."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as watcher:
        racer.load.run(SECONDS)
        _, said = watcher.communicate()
    return said.strip().rpartition("\n")[2] if watcher.returncode else ""


def _by_perf(racer: Racer) -> Iterator[str]:
    if shutil.which("perf") is None:
        yield "  perf is not installed: no look into the kernel (apt-get install linux-perf)"
        return
    with TemporaryDirectory() as directory:
        data, pid = f"{directory}/perf.data", str(racer.server.pid)
        what = ["-e", "cpu-clock", "-F", str(RATE), "-o", data, "-p", pid]
        if trouble := _watched(racer, ["perf", "record", "-q", *what, "--", "sleep", f"{SECONDS:g}"]):
            yield f"  perf failed: {trouble}"
            return
        command = ["perf", "report", "-i", data, "--stdio", "--sort", "dso,symbol"]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = [match.groups() for match in map(SAMPLE.match, text.splitlines()) if match]
    shares: dict[str, float] = {}
    for share, library, place, _ in found:
        name = "the kernel" if place == "k" else library
        shares[name] = shares.get(name, 0.0) + float(share)
    largest = sorted(shares.items(), key=itemgetter(1), reverse=True)[:LIBRARIES]
    yield "  by library: " + ", ".join(f"{name} {share:.1f} %" for name, share in largest)
    yield from (f"  {share:>6} %  {library}  {name}" for share, library, _, name in found[:MOST])


def _by_py_spy(racer: Racer) -> Iterator[str]:
    try:
        spy = python_with("py-spy").with_name("py-spy")
    except MissingError as error:
        yield f"  no look into Python: {error}"
        return
    with TemporaryDirectory() as directory:
        file = Path(directory, "stacks")
        what = ["--format", "raw", "--rate", str(RATE), "--duration", f"{SECONDS:g}", "-o", str(file)]
        if trouble := _watched(racer, [str(spy), "record", *what, "--pid", str(racer.server.pid)]):
            yield f"  py-spy failed: {trouble}"
            return
        lines = file.read_text(encoding="utf-8").splitlines()
    times: Counter[str] = Counter()
    for line in lines:
        stack, _, samples = line.rpartition(" ")
        if WAITING not in stack:
            times[stack.rpartition(";")[2]] += int(samples)
    yield "  by line of Python, the system calls that it makes included:"
    for where, number in times.most_common(MOST):
        yield f"  {100 * number / times.total():6.2f} %  {where}"
