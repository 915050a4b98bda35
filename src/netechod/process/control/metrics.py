"""Counters for monitoring systems, read off the status when somebody asks: nothing is counted twice."""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netechod.errors import ConfigError
from netechod.exposition import MISSING, new_registry
from netechod.process.control.status import Status

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

# What each counter is called outside, and what it says (prometheus.io, "Metric and label naming").
COUNTERS = {
    "received": ("datagrams_received", "Datagrams taken from the network."),
    "sent": ("datagrams_sent", "Datagrams given to the network."),
    "receive_errors": ("receive_errors", "Datagrams that the kernel could not deliver."),
    "send_errors": ("send_errors", "Datagrams that the kernel would not send."),
    "kernel_dropped": (
        "kernel_drops",
        "Datagrams that the kernel dropped before the daemon took them: the socket's buffer was full.",
    ),
    "blocked": ("send_blocked", "Times that the kernel took no more datagrams for now."),
    "messages": ("chat_messages", "Messages that were sent to all members."),
    "accepted": ("connections_accepted", "TCP connections accepted."),
    "closed": ("connections_closed", "TCP connections ended."),
    "accept_errors": ("accept_errors", "TCP connections that could not be accepted."),
    "bytes_in": ("received_bytes", "Bytes received over TCP connections that have ended."),
    "bytes_out": ("sent_bytes", "Bytes sent over TCP connections that have ended."),
    "found": ("lookups_found", "Look-ups answered with an entry."),
    "missed": ("lookups_missed", "Look-ups answered with the text for a miss."),
    "ran": ("commands_run", "Commands that have ended."),
    "timed_out": ("commands_timed_out", "Those of them that took too long and were killed."),
    "denied": ("commands_denied", "Requests that their key may not make."),
    "stateless": ("stamp_stateless", "Test packets answered without a session: the table was full."),
    "busy": ("commands_busy", "Requests that came while too many commands ran."),
}

Asked = Callable[[], Status]
"""Where the numbers come from."""


def text_of(status: Status) -> Sequence[str]:
    """The metrics as lines of OpenMetrics text. Raises ConfigError where the library is missing."""
    registry = registry_of(lambda: status)
    from prometheus_client.openmetrics.exposition import generate_latest

    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text.decode().splitlines()


def registry_of(status: Asked) -> "CollectorRegistry":
    """Return a registry that reads the status at each scrape. Raises ConfigError without the library."""
    try:
        registry = new_registry()
    except ImportError:
        raise ConfigError(f"error: {MISSING}") from None
    registry.register(_Collector(status))
    return registry


class _Collector:
    """What prometheus-client asks at every scrape."""

    def __init__(self, status: Asked) -> None:
        self._status = status

    def collect(self) -> Iterator["Metric"]:
        """Every family with its samples."""
        from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

        status = self._status()
        build = {"version": status.version, "python": platform.python_version()}
        yield InfoMetricFamily("netechod_build", "The program.", build)
        for name, help_text, value in _gauges(status):
            yield GaugeMetricFamily(f"netechod_{name}", help_text, value)
        yield from _of_databases(status)
        yield from _counters(status)
        if bus := status.reports.get("bus"):
            yield from _of_bus(bus)


def _gauges(status: Status) -> Iterator[tuple[str, str, float]]:
    yield "uptime_seconds", "Seconds since the start.", status.uptime
    sums: dict[tuple[str, str], float] = {}
    for gauge in (
        gauge for gauge in status.gauges if not gauge.database
    ):  # of several services with the same one, their sum
        key = gauge.name, gauge.help
        sums[key] = sums.get(key, 0) + gauge.value
    for (name, help_text), value in sums.items():
        yield name, help_text, value
    failed = status.last_reload is not None and bool(status.last_reload.error)
    yield "config_last_reload_successful", "Whether the last reload, or the start, succeeded.", not failed


def _of_databases(status: Status) -> Iterator["Metric"]:
    """The gauges that each dictionary has."""
    from prometheus_client.core import GaugeMetricFamily

    families: dict[str, GaugeMetricFamily] = {}
    for gauge in filter(lambda gauge: gauge.database, status.gauges):
        family = families.setdefault(
            gauge.name, GaugeMetricFamily(f"netechod_{gauge.name}", gauge.help, labels=["database"])
        )
        family.add_metric([gauge.database], gauge.value)
    yield from families.values()


def _counters(status: Status) -> Iterator["Metric"]:
    from prometheus_client.core import CounterMetricFamily

    dropped = CounterMetricFamily("netechod_dropped", "What was not answered.", labels=["service", "reason"])
    families = {
        counter: CounterMetricFamily(f"netechod_{name}", help_text, labels=["service"])
        for counter, (name, help_text) in COUNTERS.items()
    }
    for service, counters in status.counters.items():
        for counter, value in counters.items():
            if counter in families:
                families[counter].add_metric([service], value)
            else:
                dropped.add_metric([service, counter.removeprefix("dropped_")], value)
    lost = CounterMetricFamily("netechod_log_lines_lost", "Lines that no log file has.")
    lost.add_metric([], status.log_lost)
    yield from (*families.values(), dropped, lost)


def _of_bus(bus: Mapping[str, Any]) -> Iterator["Metric"]:
    """What has gone over the bus, and what has not."""
    from prometheus_client.core import CounterMetricFamily, SummaryMetricFamily

    counters = bus["counters"]
    lines = counters["lines"]
    for name, help_text, value in (
        ("lines_sent", "Lines of this node that the bus has taken.", lines["sent"]),
        ("lines_received", "Lines of other nodes.", lines["received"]),
        ("duplicates", "Lines of other nodes that came again and were dropped.", lines["duplicates"]),
        ("connects", "Times that the bus became usable.", counters["connects"]),
    ):
        family = CounterMetricFamily(f"netechod_bus_{name}", help_text)
        family.add_metric([], value)
        yield family
    for name, key, help_text in (
        ("lines_missed", "missed", "Lines of other nodes that were not delivered."),
        ("lines_lost", "lost", "Lines of this node that were not sent to the others."),
        ("lines_refused", "refused", "Entries and lines of other nodes that were no good."),
        ("errors", "errors", "Connections and entries that failed."),
    ):
        family = CounterMetricFamily(f"netechod_bus_{name}", help_text, labels=["reason"])
        for reason, count in counters[key].items():
            family.add_metric([reason], count)
        yield family
    yield SummaryMetricFamily(
        "netechod_bus_append_seconds",
        "Seconds until the bus had taken an entry.",
        count_value=counters["appends"],
        sum_value=counters["append_seconds"],
    )
