"""The end: is everything back where it began, do the counters say what was sent, are the logs in order?"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from scripts.lib.soak.vitals import BUSY, MEMORY_AN_HOUR, MEMORY_SLACK, Vitals

LINE = re.compile(
    r"\[(DEBUG|NORMAL|WARNING|ERROR|FATAL)\]\[\d+\]\[pid:\d+\][^\x00-\x1f\x7f-\x9f\u2028\u2029]*"
)
LEVELS = {"log.txt": ("DEBUG", "NORMAL", "WARNING"), "log.error": ("ERROR", "FATAL")}
DEFECTS = re.compile(r"Traceback|internal error|log call at|Error\(|Exception")
# What the faults bring about; any other ERROR is one.
EXPECTED = re.compile(
    r"dictionary reload failed, \d+ entries stay in use: "
    r"|configuration reload failed, nothing changes: "
    r"|no process to run commands, the next request starts another one: died with status -9"
    r"|accept failed, new connections wait: Too many open files"
    r"|dictionary index is damaged and is put aside: "
    r"|cannot open \S+/log\.txt: No such device or address"
)


class Finding(NamedTuple):
    """One thing that was looked at."""

    what: str
    holds: bool


def of_vitals(before: Vitals, after: Vitals, hours: float, share: float) -> Iterator[Finding]:
    """Nothing has grown since the warm-up."""
    bound = MEMORY_SLACK + MEMORY_AN_HOUR * hours
    grown = after.memory - before.memory
    yield Finding(
        f"memory {mebibytes(before.memory)} -> {mebibytes(after.memory)} MiB, "
        f"growth at most {mebibytes(bound)}",
        grown <= bound,
    )
    if before.descriptors is None or after.descriptors is None:
        yield Finding("descriptors: not looked at, which takes root", True)
    else:
        yield of_descriptors(before.descriptors, after.descriptors)
    yield Finding(f"threads {before.threads} -> {after.threads}", after.threads == before.threads)
    yield Finding(f"children {before.children} -> {after.children}", after.children == before.children)
    yield Finding(f"CPU at rest {share:.1%}, at most {BUSY:.0%}", share <= BUSY)


def of_descriptors(before: Mapping[str, str], after: Mapping[str, str]) -> Finding:
    """As many are open as before."""
    new = sorted(set(after.values()) - set(before.values()))
    text = f"descriptors {len(before)} -> {len(after)}"
    same = len(after) == len(before)
    return Finding(text if same else f"{text}: {', '.join(new)}", same)


def of_counters(status: Mapping[str, Any], total: Counter[str], lost: Mapping[str, int]) -> Iterator[Finding]:
    """The daemon has counted what was sent; `lost` is what the kernel dropped before it, by service."""
    tcp = status["counters"]["echo-tcp"]
    yield equal("connections", accepted=tcp["accepted"], closed=tcp["closed"])
    made, taken = total["connections"], tcp["accepted"] + tcp["refused"]
    yield Finding(
        f"connections: made={made} accepted+refused={taken} accept_errors={tcp['accept_errors']}",
        taken <= made <= taken + tcp["accept_errors"],
    )
    said, heard = total["tcp bytes said"], total["tcp bytes heard"]
    yield Finding(
        f"TCP bytes: said={said} >= in={tcp['bytes_in']} >= out={tcp['bytes_out']} >= heard={heard}",
        said >= tcp["bytes_in"] >= tcp["bytes_out"] >= heard,
    )
    yield equal("nobody is left", connections=status["connections"], members=status["members"], none=0)
    for service in ("echo-udp", "dictionary", "chat", "command"):
        counters = status["counters"][service]
        sent, said = counters["sent"], total[f"{service} said"]
        others = counters["received"] - (said - lost[service])  # loopback is everybody's on this machine
        yield Finding(
            f"{service}: said={said} lost={lost[service]} received={counters['received']}"
            + (f" ({others} from others)" if others else ""),
            others >= 0,
        )
        yield Finding(
            f"{service}: sent={sent} >= heard={total[f'{service} heard']}", sent >= total[f"{service} heard"]
        )
        if service in ("echo-udp", "dictionary"):  # elsewhere a datagram has any number of answers
            dropped = sum(number for name, number in counters.items() if name.startswith("dropped_"))
            failed = counters["send_errors"] + counters["overflowed"]
            yield equal(service, received=counters["received"], **{"sent+dropped": sent + dropped + failed})


def equal(what: str, **numbers: int) -> Finding:
    """Numbers that have to be the same."""
    told = " = ".join(f"{name}={number}" for name, number in numbers.items())
    return Finding(f"{what}: {told}", len(set(numbers.values())) == 1)


def of_logs(directory: Path, stderr: str) -> Iterator[Finding]:
    """Every line has its form and its file; no defect shows, no error that no fault explains."""
    bad: list[str] = []
    count = 0
    for name, levels in LEVELS.items():
        for file in sorted(directory.glob(f"log*/{name}*")):
            for line in file.read_text(encoding="utf-8").splitlines():
                count += 1
                found = LINE.fullmatch(line)
                if not found or found[1] not in levels or is_bad(line):
                    bad.append(f"{file.name}: {line}")
    bad += [f"stderr: {line}" for line in stderr.splitlines() if not LINE.fullmatch(line) or is_bad(line)]
    yield Finding(f"{count} log lines in order" + "".join(f"\n    {line}" for line in bad[:10]), not bad)


def is_bad(line: str) -> bool:
    """Return whether a line shows a defect, or an error that no fault explains."""
    message = line.partition("]")[2].partition("]")[2].partition("]")[2]
    is_error = line.startswith(("[ERROR]", "[FATAL]"))
    return bool(DEFECTS.search(message)) or (is_error and not EXPECTED.match(message))


def mebibytes(size: float) -> str:
    """A size, for people."""
    return f"{size / (1 << 20):.1f}"
