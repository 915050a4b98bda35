"""The status of the daemon, as a value and in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from netechod.process.dictionary.changes import Changes


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a reload; with an `error` nothing has changed."""

    error: str = ""
    when: float = 0.0  # seconds since the epoch
    seconds: float = 0.0
    dictionary: Changes = field(default_factory=Changes)  # of all dictionaries together
    databases: Mapping[str, Changes] = field(default_factory=dict)  # of each
    skipped: int = 0  # lines of the dictionaries that are no entries
    lost: int = 0  # words that were in use and are none any more
    keys: tuple[str, ...] = ()  # of the configuration, that have changed and hold now
    waiting: tuple[str, ...] = ()  # that have changed and hold after a restart
    troubles: tuple[str, ...] = ()  # what else failed: log files, pidfile or control socket, a sentence each


@dataclass(frozen=True)
class Presence:
    """A member of the chat: seconds since it came online, and since it was heard.

    This node does not know when a member of another node was heard. It is online since we know it.
    """

    name: str
    online: float
    silent: float | None
    node: str = ""  # empty for this one


class Gauge(NamedTuple):
    """A number that rises and falls, for monitoring."""

    name: str  # of the metric, without the prefix netechod_
    help: str
    value: float
    database: str = ""  # the dictionary that it is about, if there is such a number of each


OLDEST = ("connections", "dictionary", "members", "commands")
"""Keys of services that the status has always had: null if the service is off."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """The daemon at one moment."""

    version: str
    pid: int
    uptime: float  # seconds
    config: str  # the file, empty for the defaults
    listeners: Sequence[tuple[str, str]]  # service and address
    counters: Mapping[str, Mapping[str, int]]  # by service
    reports: Mapping[str, Any]  # the services' own keys
    gauges: Sequence[Gauge]
    summaries: Sequence[str]  # the services' parts of the status line
    log_lost: int  # lines that no log file has
    last_reload: Outcome | None
    complaints: Sequence[
        str
    ] = ()  # what the operator should mend: services that are off, a clock that was set back

    def line(self) -> str:
        """One telling line: `systemctl status` shows it."""
        error = self.last_reload.error if self.last_reload else ""
        failed = f"last reload FAILED: {error}" if error else ""
        troubles = self.last_reload.troubles if self.last_reload else ()
        return "; ".join(filter(None, (", ".join(self.summaries), *self.complaints, failed, *troubles)))

    def as_json(self) -> dict[str, Any]:
        """Return the status as an object: the services' own keys beside those of the daemon."""
        return {
            "version": self.version,
            "pid": self.pid,
            "uptime": self.uptime,
            "config": self.config,
            "listeners": self.listeners,
            "counters": self.counters,
            **dict.fromkeys(OLDEST),
            **self.reports,
            "log_lost": self.log_lost,
            "last_reload": None if self.last_reload is None else asdict(self.last_reload),
            "complaints": self.complaints,
        }

    def report(self) -> Iterator[str]:
        """The same with every counter, a line a service."""
        yield f"status up={self.uptime:.0f} {self.line()}"
        for service, counters in self.counters.items():
            yield f"status {service} " + " ".join(f"{name}={count}" for name, count in counters.items())
