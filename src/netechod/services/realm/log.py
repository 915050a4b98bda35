"""A log as the realm sees it: the ids of its entries, its state, and the calls that the realm makes."""

import re
from typing import NamedTuple, Protocol

_ID = re.compile(rb"([0-9]{1,20})-([0-9]{1,20})")


class EntryId(NamedTuple):
    """The place of an entry in the log. Later entries have greater ids, as in a Redis stream."""

    ms: int  # the log's own clock when it took the entry, in milliseconds
    sequence: int = 0

    def __str__(self) -> str:
        return f"{self.ms}-{self.sequence}"

    @classmethod
    def parse(cls, text: object) -> "EntryId":
        """Read an id such as b"1700000000000-0". Raises ValueError for anything else."""
        found = _ID.fullmatch(text) if isinstance(text, bytes) else None
        if found is None:
            raise ValueError("no id of an entry")
        return cls(int(found[1]), int(found[2]))


START = EntryId(0)
"""The id before the first entry of any log."""


class Found(NamedTuple):
    """The state of a log, as a new connection finds it."""

    now_ms: int  # the log's own clock (TIME), in milliseconds
    first: EntryId | None  # of the first entry that the log still holds; None: it holds none
    end: EntryId  # the last id that the log has given; START if it never gave one
    has_last: bool  # the log holds `realm.last`; False if that is None
    has_mine: bool  # the log holds `realm.mine`; False if that is None


class Log(Protocol):
    """What the realm asks of its engine.

    The realm calls these methods in the middle of its own. So they only note what is to be done, and do it
    later in the turn.
    """

    def append_soon(self) -> None:
        """Call `realm.entry` when no entry is in flight and the log is connected."""
        ...

    def read_soon(self) -> None:
        """Go on reading: `realm.may_read` is true again."""
        ...

    def connect_anew(self, why: str) -> None:
        """Close the connections to the log, call `realm.disconnected`, and connect again."""
        ...
