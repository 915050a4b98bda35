"""What the daemon is doing, as a value, and in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Status:
    """One moment of the daemon; what is None belongs to a service that is off."""

    uptime: float  # seconds
    connections: int | None = None
    words: int | None = None
    edition: int = 1  # how many dictionaries there have been
    members: int | None = None
    trouble: str = ""  # why the last reload failed, empty when it did not
    counters: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # by service

    def line(self) -> str:
        """One telling line: `systemctl status` shows it."""
        parts = []
        if self.connections is not None:
            parts.append(f"echo {self.connections} connections")
        if self.words is not None:
            parts.append(f"dictionary {self.words} words (edition {self.edition})")
        if self.members is not None:
            parts.append(f"chat {self.members} online")
        failure = f"last reload FAILED, {self.trouble}" if self.trouble else ""
        return "; ".join(filter(None, (", ".join(parts), failure)))

    def report(self) -> Iterator[str]:
        """The same with every counter, a line a service."""
        yield f"status up={self.uptime:.0f} {self.line()}"
        for service, counters in self.counters.items():
            yield f"status {service} " + " ".join(f"{name}={count}" for name, count in counters.items())
