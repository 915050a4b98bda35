"""The state between two processes: read whole or not at all."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from support.realm_bench import EARLY, LATE, Bench

from netechod.services.realm import state as module

FAR = b"198.51.100.1--1"


def full() -> dict[str, Any]:
    """Return a state that has something of everything."""
    bench = Bench()
    bench.connect()
    bench.entries(0.0)
    bench.realm.said("192.0.2.1--1", "苹果".encode(), 1.0)
    bench.realm.entry(1.0)
    bench.realm.said("192.0.2.1--1", b"waits", 1.0)
    bench.read(b"+" + FAR, node="b", epoch=EARLY, now=1.0)
    bench.read(b"=" + FAR + b"#hi", node="b", epoch=LATE, now=1.0)
    bench.has_room = False
    bench.read(b"+" + FAR, node="c", now=1.0)
    document: dict[str, Any] = json.loads(json.dumps(bench.realm.state()))
    return document


def test_a_state_is_read_as_it_was_written() -> None:
    document = full()
    assert all(document[key] for key in document)
    state = module.read(document, realm="test", node="a")
    assert json.loads(json.dumps(module.written(state))) == document


def test_a_new_node_has_a_state_too() -> None:
    document = json.loads(json.dumps(Bench().realm.state()))
    state = module.read(document, realm="test", node="a")
    assert (state.last, state.mine, state.number) == (None, None, 0)


def test_fields_that_are_not_known_are_ignored() -> None:
    module.read(full() | {"more": 1}, realm="test", node="a")


UNREADABLE: dict[str, Callable[[dict[str, Any]], object]] = {
    "no object": lambda document: [document],
    "nothing": lambda document: {},
    "a name that is none": lambda document: document | {"node": "A"},
    "a name that is a number": lambda document: document | {"node": 7},
    "an epoch that is none": lambda document: document | {"epoch": "x"},
    "a number that is negative": lambda document: document | {"number": -1},
    "a number that is true": lambda document: document | {"number": True},
    "an id that is none": lambda document: document | {"last": "x"},
    "an id that is a surrogate": lambda document: document | {"last": "\ud800"},
    "lines that are no list": lambda document: document | {"waiting": {}},
    "a line without a time": lambda document: document | {"waiting": [["x"]]},
    "a line with too much": lambda document: document | {"kept": [[1, 2.0, "x", "a", EARLY, 6]]},
    "a time before the clock": lambda document: document | {"waiting": [[-1, "x"]]},
    "a time that is no number": lambda document: document | {"waiting": [[float("nan"), "x"]]},
    "a time that is a text": lambda document: document | {"waiting": [["1", "x"]]},
    "a line for terminals": lambda document: document | {"waiting": [[1.0, "\x1b[2J"]]},
    "nodes that are none": lambda document: document | {"nodes": [1]},
    "a member with another name": lambda document: changed_node(document, members=[["x", "y", 1.0]]),
    "a member shown by anything": lambda document: changed_node(
        document, members=[["::1--1", "/::1--1", 1.0]]
    ),
    "untold lines of nobody": lambda document: document | {"untold": [["b", "ann", "hi"]]},
}


def changed_node(document: dict[str, Any], **changes: object) -> dict[str, Any]:
    return document | {"nodes": [document["nodes"][0] | changes]}


@pytest.mark.parametrize("change", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_state_with_anything_else_is_not_read(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(ValueError, match="a part of it is missing, or is something else"):
        module.read(change(full()), realm="test", node="a")
