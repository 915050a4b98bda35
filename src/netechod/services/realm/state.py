"""What the next process needs to go on as the same node, as JSON has it.

Times are the loop's clock. It is the same one in the next process, unless the machine was started anew.
"""

from collections import OrderedDict
from collections.abc import Sequence
from re import Pattern
from typing import Any, NamedTuple, TypeVar

from netechod.services.realm.entry import EPOCH, NAME, NODE, renamed
from netechod.services.realm.log import EntryId
from netechod.services.realm.nodes import FarMember, Node
from netechod.services.realm.sending import Origin, Sent, Waiting
from netechod.services.realm.telling import News
from netechod.services.wire import text_error

T = TypeVar("T")


class State(NamedTuple):
    """A node between two of its processes."""

    realm: str
    origin: Origin
    number: int
    last: EntryId | None
    mine: EntryId | None
    waiting: Sequence[Waiting]
    again: Sequence[Sent]
    kept: Sequence[Sent]
    nodes: Sequence[Node]
    untold: Sequence[News]  # lines that the members here have still to be told


def written(state: State) -> dict[str, object]:
    """Return a state as JSON has it."""
    return {
        "realm": state.realm,
        "node": state.origin.node,
        "epoch": state.origin.epoch,
        "number": state.number,
        "last": None if state.last is None else str(state.last),
        "mine": None if state.mine is None else str(state.mine),
        "waiting": [[line.when, line.text.decode()] for line in state.waiting],
        "again": [_written_line(line) for line in state.again],
        "kept": [_written_line(line) for line in state.kept],
        "nodes": [_written_node(node) for node in state.nodes],
        "untold": [[news.node, news.name, news.text.decode()] for news in state.untold],
    }


def _written_line(line: Sent) -> list[object]:
    return [line.number, line.when, line.text.decode(), *line.origin]


def _written_node(node: Node) -> dict[str, object]:
    return {
        "name": node.name,
        "epoch": node.epoch,
        "expected": node.expected,
        "past": list(node.past.items()),
        "lost": node.is_lost,
        "members": [[name, member.name, member.since] for name, member in node.members.items()],
    }


def read(document: object, *, realm: str, node: str) -> State:
    """Read the state of a node of this name, all of it or nothing. Raises ValueError."""
    try:
        state = _state(_object(document))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("a part of it is missing, or is something else") from error
    if state.realm != realm or state.origin.node not in (node, renamed(node, state.origin.epoch)):
        raise ValueError("it is of another node")
    return state


def _state(document: dict[str, Any]) -> State:
    return State(
        _of_type(document["realm"], str),
        Origin(_formed(document["node"], NODE), _formed(document["epoch"], EPOCH)),
        _count(document["number"]),
        _id(document["last"]),
        _id(document["mine"]),
        [Waiting(_time(when), _line(text)) for when, text in _listed(document["waiting"])],
        [_sent(*line) for line in _listed(document["again"])],
        [_sent(*line) for line in _listed(document["kept"])],
        [_node(_object(node)) for node in _listed(document["nodes"])],
        [
            News(_formed(node, NODE), _shown(name), _line(text))
            for node, name, text in _listed(document["untold"])
        ],
    )


def _sent(number: object, when: object, text: object, node: object, epoch: object) -> Sent:
    return Sent(_count(number), _time(when), _line(text), Origin(_formed(node, NODE), _formed(epoch, EPOCH)))


def _node(document: dict[str, Any]) -> Node:
    node = Node(
        _formed(document["name"], NODE), _formed(document["epoch"], EPOCH), _count(document["expected"])
    )
    node.past = OrderedDict((_formed(epoch, EPOCH), _count(number)) for epoch, number in document["past"])
    node.is_known, node.is_lost = True, bool(document["lost"])
    node.members = {
        _formed(name, NAME): FarMember(node.name, _shown(shown), _time(since))
        for name, shown, since in document["members"]
    }
    return node


def _object(value: object) -> dict[str, Any]:
    return _of_type(value, dict)


def _listed(value: object) -> list[Any]:
    return _of_type(value, list)


def _of_type(value: object, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise TypeError
    return value


def _formed(value: object, form: Pattern[str]) -> str:
    text = _of_type(value, str)
    if not form.fullmatch(text):
        raise ValueError
    return text


def _shown(value: object) -> str:
    """Read the name under which a member is shown: its own, or with its node before it."""
    node, slash, name = _of_type(value, str).rpartition("/")
    _formed(name, NAME)
    return f"{_formed(node, NODE)}/{name}" if slash else name


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 10**15:
        raise ValueError
    return value


def _time(value: object) -> float:
    if type(value) not in (int, float) or not 0 <= value < 1e15:  # type: ignore[operator]
        raise ValueError
    return float(value)  # type: ignore[arg-type]


def _line(value: object) -> bytes:
    line = _of_type(value, str).encode(errors="replace")
    if text_error(line) is not None:
        raise ValueError
    return line


def _id(value: object) -> EntryId | None:
    return None if value is None else EntryId.parse(_of_type(value, str).encode(errors="replace"))
