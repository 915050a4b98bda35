"""Counters for monitoring systems, rendered by prometheus-client and served over HTTP.

The library is an extra, so it is imported here alone, and only when somebody asks. Nothing is counted twice:
the numbers are read off the status when they are wanted.
"""

import logging
import platform
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from netechod.errors import ConfigError
from netechod.process.config.schema import Config
from netechod.process.control.status import Status
from netechod.process.listeners import Sockets
from netechod.process.udp_service import build_rules
from netechod.process.unix.rlimits import MAX_SCRAPERS
from netechod.reactor.loop import Loop
from netechod.reactor.tcp.accept_queue import TcpLimits
from netechod.reactor.tcp.api import StreamService
from netechod.reactor.tcp.server import TcpServer
from netechod.services.http import MAX_HEAD, HttpSession, Page

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

MISSING = (
    "metrics need the library prometheus-client: "
    "apt install python3-prometheus-client, or pip install 'netechod[metrics]'"
)
SERVICE = "metrics"
PATH = "/metrics"
PATIENCE = 10.0  # seconds that a connection gets to ask, and to take each part of its answer
OPEN_METRICS = "application/openmetrics-text"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"  # what scrapers take that do not know OpenMetrics

# What each counter is called outside, and what it says (prometheus.io, "Metric and label naming").
COUNTERS = {
    "received": ("datagrams_received", "Datagrams taken from the network."),
    "sent": ("datagrams_sent", "Datagrams given to the network."),
    "receive_errors": ("receive_errors", "Datagrams that the kernel could not deliver."),
    "send_errors": ("send_errors", "Datagrams that the kernel would not send."),
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
    "busy": ("commands_busy", "Requests that came while too many commands ran."),
}

log = logging.getLogger(__name__)

Asked = Callable[[], Status]
"""Where the numbers come from."""


def text_of(status: Status) -> Sequence[str]:
    """The metrics as lines of OpenMetrics text. Raises ConfigError where the library is missing."""
    registry = _registry(lambda: status)
    from prometheus_client.openmetrics.exposition import generate_latest

    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text.decode().splitlines()


class MetricsServer(TcpServer):
    """Serves the metrics over HTTP. Raises ConfigError where the library is missing."""

    def __init__(self, loop: Loop, sockets: Sockets, status: Asked) -> None:
        registry = _registry(status)

        def new_session(wake: object) -> HttpSession:
            return HttpSession(PATH, lambda accept: rendered(registry, accept))

        service = StreamService(SERVICE, new_session, read_size=MAX_HEAD, quiet=True)
        super().__init__(loop, service, sockets.of(SERVICE))
        self._sockets = sockets

    def apply(self, config: Config) -> None:
        """Serve those whom `[access]` admits."""
        admits = build_rules(config, self._sockets).admits
        self.configure(TcpLimits(MAX_SCRAPERS, MAX_SCRAPERS, PATIENCE, idle_at_limit=0.0, admits=admits))


def serve(loop: Loop, sockets: Sockets, config: Config, status: Asked) -> MetricsServer | None:
    """Serve the metrics on the sockets that are there for that, if any."""
    addresses = [address for service, address in sockets.bound if service == SERVICE]
    if not addresses:
        return None
    server = MetricsServer(loop, sockets, status)
    server.apply(config)
    for address in addresses:
        log.info("serving metrics on http://%s%s", address, PATH)
    return server


def rendered(registry: "CollectorRegistry", accept: str) -> Page:
    """Render the metrics in the form that an Accept field asks for."""
    from prometheus_client import exposition
    from prometheus_client.openmetrics import exposition as openmetrics

    kinds = {kind.partition(";")[0].strip().lower() for kind in accept.split(",")}
    if OPEN_METRICS not in kinds:
        return Page(PLAIN, exposition.generate_latest(registry))
    text: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
    return Page(openmetrics.CONTENT_TYPE_LATEST, text)


def _registry(status: Asked) -> "CollectorRegistry":
    try:  # everything that a page takes: later there may be no descriptor to read a module
        from prometheus_client import CollectorRegistry, core, exposition  # noqa: F401
        from prometheus_client.openmetrics import exposition as openmetrics  # noqa: F401
    except ImportError:
        raise ConfigError(f"error: {MISSING}") from None
    registry = CollectorRegistry(auto_describe=False)
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
        yield from _counters(status)


def _gauges(status: Status) -> Iterator[tuple[str, str, float]]:
    yield "uptime_seconds", "Seconds since the start.", status.uptime
    if status.connections is not None:
        yield "connections", "TCP connections open now.", status.connections
    if status.members is not None:
        yield "chat_members", "Members online now.", status.members
    if status.commands is not None:
        yield "commands_running", "Commands that run now.", status.commands
    if status.dictionary is not None:
        yield "dictionary_entries", "Entries of the dictionary in use.", status.dictionary.entries
        yield "dictionary_loaded_timestamp_seconds", "When it was loaded.", status.dictionary.loaded
    failed = status.last_reload is not None and bool(status.last_reload.error)
    yield "config_last_reload_successful", "Whether the last reload, or the start, succeeded.", not failed


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
