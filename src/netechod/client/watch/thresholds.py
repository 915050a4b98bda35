"""Thresholds, and the line of a monitoring plugin (Monitoring Plugins Development Guidelines, 2.3 and 2.6).

Programs read this line: it is the same in all languages.
"""

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple


class Status(IntEnum):
    """The outcome of a check: its value is the exit status."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


class Threshold(NamedTuple):
    """The greatest mean round trip and loss that are still all right."""

    seconds: float = math.inf
    percent: float = math.inf  # of the probes

    def is_exceeded(self, seconds: float | None, percent: float) -> bool:
        """Return whether a mean time, None without an answer, or a loss is beyond it."""
        return percent > self.percent or (seconds is not None and seconds > self.seconds)


class Limits(NamedTuple):
    """The thresholds of a target."""

    warning: Threshold = Threshold()
    critical: Threshold = Threshold()

    def with_warning(self, text: str) -> "Limits":
        """Return them with another threshold for a warning. Raises ValueError."""
        return self._replace(warning=threshold(text))

    def with_critical(self, text: str) -> "Limits":
        """Return them with another critical threshold. Raises ValueError."""
        return self._replace(critical=threshold(text))

    def status(self, seconds: float | None, percent: float) -> Status:
        """Return the status of a mean time and a loss. Without any answer it is critical."""
        if percent >= 100 or self.critical.is_exceeded(seconds, percent):
            return Status.CRITICAL
        return Status.WARNING if self.warning.is_exceeded(seconds, percent) else Status.OK


def threshold(text: str) -> Threshold:
    """Parse `TIME`, `LOSS%` or both. A time is in milliseconds, or has its unit. Raises ValueError.

    >>> threshold("50ms,5%"), threshold("0.2s")
    (Threshold(seconds=0.05, percent=5.0), Threshold(seconds=0.2, percent=inf))
    """
    made = Threshold()
    parts = text.split(",")
    if len(parts) > 2:
        raise ValueError
    for part in parts:
        if part.endswith("%"):
            made = made._replace(percent=_number(part[:-1]))
        elif part.endswith("s") and not part.endswith("ms"):
            made = made._replace(seconds=_number(part[:-1]))
        else:
            made = made._replace(seconds=_number(part.removesuffix("ms")) / 1000)
    if len(parts) == 2 and math.inf in made:
        raise ValueError
    return made


def _number(text: str) -> float:
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError
    return value


class Finding(NamedTuple):
    """The outcome for one target."""

    label: str
    status: Status
    seconds: float | None  # the mean round trip; None without an answer
    percent: float  # of the probes that were lost
    limits: Limits
    trouble: str = ""  # why it could not be probed at all


def plugin_line(findings: Sequence[Finding]) -> tuple[Status, str]:
    """Return the status of all, and the line of a plugin: a sentence, and the figures behind a bar."""
    worst = max(findings, key=lambda it: (_gravity(it.status), it.percent, it.seconds or 0.0))
    bad = sum(finding.status is not Status.OK for finding in findings)
    if len(findings) == 1:
        said = _told(worst)
    elif bad:
        said = f"{bad} of {len(findings)} targets, worst {_told(worst)}"
    else:
        said = f"{len(findings)} targets, slowest {_told(worst)}"
    data = " ".join(_data(finding) for finding in findings)
    return worst.status, f"NETECHO {worst.status.name} - {said.replace('|', '/')} | {data}"


def _gravity(status: Status) -> int:
    """Return the rank of a status: what is critical comes before what is unknown."""
    return (Status.OK, Status.WARNING, Status.UNKNOWN, Status.CRITICAL).index(status)


def _told(finding: Finding) -> str:
    if finding.trouble:
        return f"{finding.label}: {finding.trouble}"
    loss = f"loss {finding.percent:.0f} %"
    if finding.seconds is None:
        return f"{finding.label}: {loss}"
    return f"{finding.label}: {finding.seconds * 1000:.3f} ms, {loss}"


def _data(finding: Finding) -> str:
    """Return 'label'=value[UOM];warn;crit;min;max for the time and for the loss."""
    name = finding.label.replace("'", "").replace("=", "_")
    warning, critical = finding.limits
    time = "U" if finding.seconds is None else f"{finding.seconds * 1000:.3f}ms"
    bounds = (_bound(warning.seconds * 1000), _bound(critical.seconds * 1000))
    shares = (_bound(warning.percent), _bound(critical.percent))
    loss = f"{finding.percent:.4g}%"
    return f"'{name} rta'={time};{';'.join(bounds)};0 '{name} loss'={loss};{';'.join(shares)};0;100"


def _bound(value: float) -> str:
    return "" if value == math.inf else f"{value:.6g}"
