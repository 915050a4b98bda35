"""The events that the operator is told."""

from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal[
    "up",  # `node` was heard for the first time; it has `number` members
    "back",  # `node` was lost, and is heard again; it has `number` members
    "lost",  # `node` is lost with `number` members; `why` is lease, bye or cut off
    "missed",  # `number` lines of `node` are not delivered; `why` is gap or too old
    "not sent",  # `number` lines of this node never went to the log; `why` is too old or overflow
    "shared",  # the name `why` is online on `node`, and here or on another node
    "renamed",  # another process calls itself as this node did, by the name `why`; this one is `node` now
    "version",  # some node writes entries of another version, which are skipped; this is told once
    "stopped",  # this process was stopped for `number` seconds
    "another log",  # the log is not the one that was read before: emptied, restored, or a replica behind
]


class Event(NamedTuple):
    """Something that happened in the realm. Every text in it is printable ASCII."""

    kind: Kind
    node: str = ""
    number: int = 0
    why: str = ""
