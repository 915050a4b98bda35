"""The status of the daemon, as a value and in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from netechod.process.dictionary.changes import Changes


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a reload; with an `error` nothing has changed."""

    error: str = ""
    when: float = 0.0  # seconds since the epoch
    seconds: float = 0.0
    dictionary: Changes = field(default_factory=Changes)
    keys: tuple[str, ...] = ()  # of the configuration, that have changed and hold now
    waiting: tuple[str, ...] = ()  # that have changed and hold after a restart


@dataclass(frozen=True, kw_only=True)
class DictionaryStatus:
    """The edition in use."""

    file: str
    entries: int
    skipped: int
    sha256: str
    store: str  # where the words are: "memory", or "index" for its file
    generation: int  # how many editions there have been since the start
    loaded: float  # when, in seconds since the epoch


@dataclass(frozen=True)
class Presence:
    """A member of the chat: seconds since it came online, and since it was heard."""

    name: str
    online: float
    silent: float


@dataclass(frozen=True, kw_only=True)
class Status:
    """The daemon at one moment; values of services that are off are None."""

    version: str
    pid: int
    uptime: float  # seconds
    config: str  # the file, empty for the defaults
    listeners: Sequence[tuple[str, str]]  # service and address
    counters: Mapping[str, Mapping[str, int]]  # by service
    connections: int | None
    dictionary: DictionaryStatus | None
    members: int | None
    commands: int | None  # that run
    log_lost: int  # lines that no log file has
    last_reload: Outcome | None
    complaints: Sequence[str] = ()  # differences from the configuration: services that are off, and why

    def line(self) -> str:
        """One telling line: `systemctl status` shows it."""
        parts = []
        if self.connections is not None:
            parts.append(f"echo {self.connections} connections")
        if self.dictionary is not None:
            entries, generation = self.dictionary.entries, self.dictionary.generation
            parts.append(f"dictionary {entries} words (generation {generation})")
        if self.members is not None:
            parts.append(f"chat {self.members} online")
        if self.commands is not None:
            parts.append(f"{self.commands} commands running")
        error = self.last_reload.error if self.last_reload else ""
        failed = f"last reload FAILED: {error}" if error else ""
        return "; ".join(filter(None, (", ".join(parts), *self.complaints, failed)))

    def report(self) -> Iterator[str]:
        """The same with every counter, a line a service."""
        yield f"status up={self.uptime:.0f} {self.line()}"
        for service, counters in self.counters.items():
            yield f"status {service} " + " ".join(f"{name}={count}" for name, count in counters.items())
