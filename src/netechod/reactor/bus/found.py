"""Decides, by what a new connection finds in the stream, where to read on and whether to write again.

The server may be another one than before, or have lost entries: after a restart, a failover, a deleted key.
"""

from collections.abc import Sequence
from typing import NamedTuple

from netechod.reactor.bus.dialogue import LinkError
from netechod.reactor.bus.resp import Command, Reply, ReplyError

START = b"0-0"


class Position(NamedTuple):
    """The ids of the entry that was read last, and of our own entry that was acknowledged last."""

    last: bytes = b""  # empty: nothing was read yet
    mine: bytes = b""


class Found(NamedTuple):
    """The state of the log. `clock` is the server's time in milliseconds since the epoch."""

    clock: int
    last: bytes  # read on behind this entry
    is_another: bool  # it is not the log that was read before
    is_mine_gone: bool  # it has not the entry that was acknowledged to us


def questions(key: str, position: Position) -> Sequence[Command]:
    """Return the commands whose replies `found` reads."""
    last, mine = position.last or START, position.mine or START
    return (
        ("XRANGE", key, last, last),
        ("XRANGE", key, mine, mine),
        ("TIME",),
        ("XINFO", "STREAM", key),
    )


def found(position: Position, replies: Sequence[Reply], lease: float) -> Found:
    """Read the replies. Raises LinkError for an error reply, unless it says that there is no stream yet."""
    at_last, at_mine, time, info = replies
    for name, reply in zip(("XRANGE", "XRANGE", "TIME"), replies, strict=False):
        if isinstance(reply, ReplyError):
            raise LinkError(f"{name}: {reply}")
    if isinstance(info, ReplyError) and "no such key" not in str(info):
        raise LinkError(f"XINFO: {info}")
    if not isinstance(time, list):
        raise LinkError("TIME: an unexpected reply")
    seconds, microseconds = (int(part) for part in time if isinstance(part, bytes))
    clock = 1000 * seconds + microseconds // 1000
    first, newest = _ends(info)
    is_mine_gone = bool(position.mine) and not at_mine
    if not position.last:
        return Found(clock, newest, is_another=False, is_mine_gone=is_mine_gone)
    if at_last or (first and parts(position.last) < parts(first)):
        return Found(clock, position.last, is_another=False, is_mine_gone=is_mine_gone)
    before = max(0, clock - round(1000 * lease))
    return Found(clock, b"%d-0" % before, is_another=True, is_mine_gone=is_mine_gone)


def parts(entry_id: bytes) -> tuple[int, int]:
    """Return the two numbers of an id: milliseconds since the epoch, and a count."""
    milliseconds, _, number = entry_id.partition(b"-")
    return int(milliseconds), int(number or 0)


def _ends(info: Reply) -> tuple[bytes, bytes]:
    """Return the ids of the first entry that there is, and of the newest that there ever was."""
    if not isinstance(info, list):
        return b"", START
    fields = {name: value for name, value in zip(info[::2], info[1::2], strict=False) if isinstance(name, bytes)}
    first, newest = fields.get(b"first-entry"), fields.get(b"last-generated-id")
    first_id = first[0] if isinstance(first, list) and first else b""
    return first_id if isinstance(first_id, bytes) else b"", newest if isinstance(newest, bytes) else START
