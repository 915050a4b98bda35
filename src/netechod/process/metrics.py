"""Counters for monitoring systems, as OpenMetrics text: rendered and served by prometheus-client.

Only here is it imported, and only when somebody asks: it is an extra. Nothing is counted twice, the numbers
are read off the status when they are wanted.
"""

import logging
import platform
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from netechod.errors import ConfigError, SocketError
from netechod.process.config_values import Address
from netechod.process.sockets import BIND_FAILED
from netechod.process.status import Status
from netechod.reactor.acceptor import PAUSE
from netechod.reactor.loop import Loop

if TYPE_CHECKING:
    from socketserver import TCPServer

    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

MISSING = (
    "metrics need the library prometheus-client: "
    "apt install python3-prometheus-client, or pip install 'netechod[metrics]'"
)
PATIENCE = 10.0  # seconds that a scrape waits for the loop

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

_never = threading.Event()

Asked = Callable[[], Status]
"""Where the numbers come from."""


def text_of(status: Status) -> Sequence[str]:
    """The metrics as lines of OpenMetrics text. Raises ConfigError where the library is missing."""
    registry = _registry(lambda: status)
    from prometheus_client.openmetrics.exposition import generate_latest

    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text.decode().splitlines()


def serve(addresses: Sequence[Address], loop: Loop, status: Asked) -> None:
    """Serve the metrics over HTTP, in a thread; the loop itself is only asked for the numbers."""
    registry = _registry(lambda: _from_the_loop(loop, status))
    from prometheus_client import start_http_server

    for address in addresses:
        try:
            started = start_http_server(address.port, address.host, registry)
        except OSError as error:
            raise SocketError(f"cannot serve metrics on {address}: {error.strerror}", BIND_FAILED) from None
        port = address.port
        if started:  # before prometheus-client 0.19 it returned nothing
            port = started[0].server_port
            rest_after_errors(started[0])
        log.info("serving metrics on http://%s/metrics", Address(address.host, port))


def rest_after_errors(server: "TCPServer") -> None:
    """Have the server's thread rest when it can accept nobody: without descriptors it would spin."""
    accept = server.get_request

    def get_request() -> tuple[Any, Any]:
        try:
            return accept()
        except OSError:
            _never.wait(PAUSE)
            raise

    server.get_request = get_request  # type: ignore[method-assign]


def _from_the_loop(loop: Loop, status: Asked) -> Status:
    """The status, as of a moment between two turns."""
    future: Future[Status] = Future()
    loop.call_soon_threadsafe(lambda: future.set_result(status()))
    return future.result(PATIENCE)


def _registry(status: Asked) -> "CollectorRegistry":
    try:
        from prometheus_client import CollectorRegistry
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
