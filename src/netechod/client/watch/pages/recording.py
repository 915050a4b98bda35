"""Recordings of a watch, as `--record` and `--jsonl` write them, read back."""

import json
from array import array
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from netechod.client.errors import ClientError
from netechod.client.i18n.translate import reason_text, tr
from netechod.client.watch.statistics import Statistics

LOST = -1.0  # stands for the time of a lost probe


class Recorded:
    """A target of a recording. Its samples take 16 bytes each."""

    def __init__(self, label: str, url: str) -> None:
        self.label = label
        self.url = url
        self.state = "waiting"
        self.statistics = Statistics()
        self._times = array("d")
        self._seconds = array("d")

    def add(self, at: float, seconds: float | None, reason: str) -> None:
        """Add the outcome of a probe; `at` is in seconds since the epoch."""
        number = self.statistics.send(at)
        if seconds is None:
            self.statistics.lose(number, reason, at)
        else:
            self.statistics.answer(number, seconds, at)
        self._times.append(at)
        self._seconds.append(LOST if seconds is None else seconds)

    def samples(self) -> list[tuple[float, float | None]]:
        """Return all samples, in the order of their times."""
        pairs = zip(self._times, self._seconds, strict=True)
        return sorted(((at, None if seconds == LOST else seconds) for at, seconds in pairs), key=_time)


def _time(sample: tuple[float, float | None]) -> float:
    return sample[0]


class Recording:
    """The targets of a recording, by label."""

    def __init__(self) -> None:
        self.targets: dict[str, Recorded] = {}
        self.broken: list[int] = []  # the numbers of lines that cannot be read

    @property
    def ended(self) -> float:
        """When the last probe was sent, in seconds since the epoch."""
        return max((it.samples()[-1][0] for it in self.targets.values() if it.statistics.sent), default=0.0)

    def read(self, lines: Iterable[bytes]) -> None:
        """Read the lines. One that cannot be read is noted, and left out."""
        for number, line in enumerate(lines, 1):
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError):
                self.broken.append(number)

    def _take(self, record: Mapping[str, object]) -> None:
        """Take one record. Raises ValueError, KeyError or TypeError for one that is none of ours."""
        kind = record["type"]
        if kind == "begin":
            targets = record["targets"]
            if not isinstance(targets, list):
                raise TypeError
            for target in targets:
                self._target(str(target["target"]), str(target["url"]))
        elif kind in ("answered", "lost"):
            rtt = record["rtt_ms"]
            seconds = float(str(rtt)) / 1000 if kind == "answered" else None
            at = datetime.fromisoformat(str(record["time"])).timestamp()
            self._target(str(record["target"])).add(at, seconds, str(record.get("reason") or ""))
        elif kind in ("up", "down", "back"):
            self._target(str(record["target"])).state = "down" if kind == "down" else "up"

    def _target(self, label: str, url: str = "") -> Recorded:
        if label not in self.targets:
            self.targets[label] = Recorded(label, url)
        return self.targets[label]


def load(path: Path) -> Recording:
    """Read a recording. Raises ClientError."""
    recording = Recording()
    try:
        with path.open("rb") as lines:
            recording.read(lines)
    except OSError as error:
        reason = reason_text(error.strerror or str(error))
        raise ClientError(tr("cannot read {path}: {reason}", path=path, reason=reason)) from None
    if not recording.targets:
        raise ClientError(
            tr("{path} is no recording of a watch", path=path),
            tr("make one: netecho watch --record FILE TARGET"),
        )
    return recording
