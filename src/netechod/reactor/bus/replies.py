"""Reads the replies about a stream: its entries, and the state in which a new connection finds it."""

from collections.abc import Sequence

from netechod.reactor.bus.resp import Command, Reply, ReplyError
from netechod.services.realm.log import START, EntryId, Found


def entries_of(reply: Reply) -> list[tuple[EntryId, Reply]]:
    """Return the entries in a reply to XREAD: their ids, and their fields as they came. Raises ValueError."""
    if reply is None:
        return []
    if isinstance(reply, list):
        streams = [stream for stream in reply if isinstance(stream, list) and len(stream) == 2]
        entries = streams[0][1] if len(streams) == 1 == len(reply) else None
        if isinstance(entries, list):
            return [_entry(entry) for entry in entries]
    raise ValueError("no entries of a stream")


def _entry(entry: Reply) -> tuple[EntryId, Reply]:
    if not isinstance(entry, list) or len(entry) != 2:
        raise ValueError("no entry of a stream")
    return EntryId.parse(entry[0]), entry[1]


def questions(key: str, last: EntryId | None, mine: EntryId | None) -> Sequence[Command]:
    """Return the commands whose replies `found_in` reads: about two entries, the clock, and the stream."""
    return (
        ("XRANGE", key, str(last or START), str(last or START)),
        ("XRANGE", key, str(mine or START), str(mine or START)),
        ("TIME",),
        ("XINFO", "STREAM", key),
    )


def is_no_stream(command: Command, error: ReplyError) -> bool:
    """Return whether an error only says that the key does not exist."""
    return command[0] == "XINFO" and "no such key" in str(error)


def found_in(replies: Sequence[Reply]) -> Found:
    """Return the state of the stream. Raises ValueError or TypeError if it cannot be read."""
    at_last, at_mine, time, info = replies
    seconds, microseconds = map(int, time)  # type: ignore[arg-type]
    first, end = (None, START) if isinstance(info, ReplyError) else _ends(info)
    return Found(
        now_ms=1000 * seconds + microseconds // 1000,
        first=first,
        end=end,
        has_last=bool(at_last),
        has_mine=bool(at_mine),
    )


def _ends(info: Reply) -> tuple[EntryId | None, EntryId]:
    """Return the id of the first entry, if there is one, and the last id that was given."""
    if not isinstance(info, list):
        raise TypeError("no description of a stream")
    names = [name for name in info[::2] if isinstance(name, bytes)]
    fields = dict(zip(names, info[1::2], strict=True))
    first = fields[b"first-entry"]
    return None if first is None else _entry(first)[0], EntryId.parse(fields[b"last-generated-id"])
