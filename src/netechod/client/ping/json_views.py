"""The views of a run for programs: JSON, as docs/json/ping.schema.json describes it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from netechod.client.ping.prober import View
from netechod.client.ping.report import About, RunInfo, Samples, record
from netechod.client.ping.stamp.figures import crossing_record
from netechod.client.ping.tally import Event, Tally
from netechod.client.terminal.output import put_json


class JsonView(View):
    """One JSON object at the end."""

    def __init__(self, about: About) -> None:
        self._about = about
        self._samples = Samples()

    def happened(self, event: Event, tally: Tally) -> None:
        """See View."""
        self._samples.note(event)

    def moved(self, address: str) -> None:
        """See View."""
        self._about = self._about._replace(addr=address)

    def end(self, tally: Tally, info: RunInfo) -> None:
        """See View."""
        put_json(record(self._about, tally, info, self._samples))


class JsonLinesView(View):
    """A JSON object for each event, and for each summary."""

    def __init__(self, about: About) -> None:
        self._about = about

    def happened(self, event: Event, tally: Tally) -> None:
        """See View."""
        put_json(
            {
                "type": event.kind.value,
                "time": now(),
                "host": self._about.host,
                "seq": event.number,
                "rtt_ms": None if event.seconds is None else round(event.seconds * 1000, 3),
                "bytes": event.size or None,
                "reordered": event.is_reordered,
                "corrupted_bytes": event.damaged,
                "reason": event.reason or None,
                "by": event.reporter or None,
                **crossing_record(event.crossing),
            }
        )

    def summary_wanted(self, tally: Tally, info: RunInfo) -> None:
        """See View."""
        put_json({"type": "summary", **record(self._about, tally, info, None)})

    def end(self, tally: Tally, info: RunInfo) -> None:
        """See View."""
        self.summary_wanted(tally, info)

    def moved(self, address: str) -> None:
        """See View."""
        self._about = self._about._replace(addr=address)
        put_json({"type": "moved", "time": now(), "host": self._about.host, "addr": address})

    def has_others(self, address: str, others: Sequence[str]) -> None:
        """See View."""
        told = {"host": self._about.host, "addr": address, "others": list(others)}
        put_json({"type": "silent", "time": now(), **told})


def now() -> str:
    """Return the time in UTC (RFC 3339)."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
