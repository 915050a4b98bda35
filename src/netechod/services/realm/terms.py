"""The operator's terms, and the counters."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, NamedTuple


class Settings(NamedTuple):
    """What stays the same as long as the process runs."""

    realm: str  # nodes that name the same realm share a room
    node: str  # the name of this node, which no other one should have
    lease: float  # seconds: shorter trouble is invisible, longer trouble splits the room


@dataclass(frozen=True)
class Terms:
    """The operator's limits on the members of other nodes, and the form of their names."""

    max_message: int = 1024  # bytes
    max_members: int = 4096  # of each node
    names: Literal["plain", "node"] = "plain"


def _lines() -> Counter[str]:
    return Counter(sent=0, received=0, duplicates=0, stale=0, past=0)


@dataclass(frozen=True)
class Tally:
    """What has happened since the start.

    A stale line is of an earlier process of its node. A past line is of a node that was not known, and older
    than a lease.
    """

    lines: Counter[str] = field(default_factory=_lines)
    missed: Counter[str] = field(default_factory=Counter)  # lines of others, by reason
    lost: Counter[str] = field(default_factory=Counter)  # lines of ours, by reason
    refused: Counter[str] = field(default_factory=Counter)  # entries and lines of others, by reason
