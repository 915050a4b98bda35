"""The figures of a watch for Prometheus and its like. They are read when somebody asks."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from netechod import __version__
from netechod.client.errors import ClientError
from netechod.client.i18n.translate import tr
from netechod.client.watch.statistics import BUCKETS
from netechod.client.watch.watched import State, Watched
from netechod.exposition import new_registry, rendered
from netechod.services.http import Page, Request

if TYPE_CHECKING:
    from prometheus_client.core import Metric

PATH = "/metrics"
LABELS = ("target", "scheme")
HINT = "apt install python3-prometheus-client; pip install 'netechod[metrics]'"


class Exporter:
    """Renders the figures of all targets."""

    def __init__(self, all_watched: Sequence[Watched]) -> None:
        """Raises ClientError without the library."""
        self._watched = all_watched
        try:
            self._registry = new_registry()
        except ImportError:
            raise ClientError(
                tr("--metrics needs the library prometheus-client"),
                HINT,
            ) from None
        self._registry.register(self)

    def render(self, request: Request) -> Page:
        """Return the figures of this moment."""
        return rendered(self._registry, request.accept)

    def collect(self) -> Iterator["Metric"]:
        """Yield every family with its samples, as prometheus-client wants it."""
        from prometheus_client.core import InfoMetricFamily

        yield InfoMetricFamily("netecho_build", "The program.", {"version": __version__})
        yield self._addresses()
        yield self._histogram()
        yield from self._counters()
        yield self._up()

    def _addresses(self) -> "Metric":
        from prometheus_client.core import GaugeMetricFamily

        labels = (*LABELS, "url", "address")
        family = GaugeMetricFamily("netecho_target", "1 for each target, with its address.", labels=labels)
        for watched in self._watched:
            family.add_metric([*_labels(watched), watched.target.url, watched.where], 1)
        return family

    def _histogram(self) -> "Metric":
        from prometheus_client.core import HistogramMetricFamily

        family = HistogramMetricFamily(
            "netecho_rtt_seconds", "Round trips of answered probes.", labels=LABELS
        )
        bounds = [*map(str, BUCKETS), "+Inf"]
        for watched in self._watched:
            counted = watched.statistics
            buckets = list(zip(bounds, map(float, accumulate(counted.buckets)), strict=True))
            family.add_metric(_labels(watched), buckets, counted.times.sum)
        return family

    def _counters(self) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily

        for name, text in COUNTERS.items():
            family = CounterMetricFamily(f"netecho_probes_{name}", text, labels=LABELS)
            for watched in self._watched:
                family.add_metric(_labels(watched), getattr(watched.statistics, name))
            yield family
        errors = CounterMetricFamily(
            "netecho_errors", "Lost probes by the reason of the loss.", labels=(*LABELS, "reason")
        )
        for watched in self._watched:
            for reason, count in watched.statistics.reasons.items():
                errors.add_metric([*_labels(watched), reason], count)
        yield errors

    def _up(self) -> "Metric":
        from prometheus_client.core import GaugeMetricFamily

        family = GaugeMetricFamily("netecho_up", "Whether the target answers.", labels=LABELS)
        for watched in self._watched:
            family.add_metric(_labels(watched), watched.state is State.UP)
        return family


COUNTERS = {
    "sent": "Probes that were sent.",
    "answered": "Probes that were answered in time.",
    "lost": "Probes that were not answered in time, or could not be delivered.",
    "late": "Lost probes that were answered after all.",
    "duplicates": "Answers that came once more.",
    "corrupted": "Answers whose bytes were not as they were sent.",
}
"""Counters by their name in the statistics, which is part of the metric's name."""


def _labels(watched: Watched) -> list[str]:
    return [watched.target.label, watched.target.scheme]
