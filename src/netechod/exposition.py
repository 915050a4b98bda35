"""Metrics over HTTP, rendered by prometheus-client. For the daemon and for `netecho watch`.

The library is an extra, so it is imported only when somebody asks.
"""

from typing import TYPE_CHECKING

from netechod.services.http import Page

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

MISSING = (
    "metrics need the library prometheus-client: "
    "apt install python3-prometheus-client, or pip install 'netechod[metrics]'"
)
OPEN_METRICS = "application/openmetrics-text"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"  # what scrapers take that do not know OpenMetrics


def new_registry() -> "CollectorRegistry":
    """Return a registry without collectors. Raises ImportError without the library."""
    # Everything that a page takes: later there may be no descriptor to read a module.
    from prometheus_client import CollectorRegistry, core, exposition  # noqa: F401
    from prometheus_client.openmetrics import exposition as openmetrics  # noqa: F401

    return CollectorRegistry(auto_describe=False)


def rendered(registry: "CollectorRegistry", accept: str) -> Page:
    """Render the metrics in the form that an Accept field asks for."""
    from prometheus_client import exposition
    from prometheus_client.openmetrics import exposition as openmetrics

    kinds = {kind.partition(";")[0].strip().lower() for kind in accept.split(",")}
    if OPEN_METRICS not in kinds:
        return Page(PLAIN, exposition.generate_latest(registry))
    text: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
    return Page(openmetrics.CONTENT_TYPE_LATEST, text)
