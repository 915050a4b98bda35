"""A chat for programs: every event is an object of JSON, as the published schema describes it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from support.fake_servers import unused_udp_port
from support.netecho import netecho

from netechod.client.chat.events import SILENT, Event, Kind
from netechod.client.chat.lines_ui import record_of

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "json" / "chat.schema.json").read_text("utf-8"))
AT = datetime(2026, 11, 25, 20, 14, 1, 250_000, UTC)
TIME = "2026-11-25T20:14:01.250+00:00"
ME, ANN = "192.0.2.1--5000", "2001:db8::2--6000"

UNNAMED: dict[str, object] = {"nick": None, "shared": False}

GOLDEN: list[tuple[Event, dict[str, object]]] = [
    (
        Event(Kind.JOIN, ME, "online", own=True),
        {"type": "join", "time": TIME, "from": ME, "own": True, **UNNAMED, "text": "online"},
    ),
    (
        Event(Kind.MESSAGE, ANN, "hi # 你好"),
        {
            **{"type": "message", "time": TIME, "from": ANN, "own": False, **UNNAMED, "text": "hi # 你好"},
            **{"mention": True, "rtt_ms": None},
        },
    ),
    (
        Event(Kind.MESSAGE, ME, "hi", own=True, seconds=0.0004321),
        {
            **{"type": "message", "time": TIME, "from": ME, "own": True, **UNNAMED, "text": "hi"},
            **{"mention": False, "rtt_ms": 0.432},
        },
    ),
    (
        Event(Kind.LEAVE, ANN, "offline"),
        {"type": "leave", "time": TIME, "from": ANN, "own": False, **UNNAMED, "text": "offline"},
    ),
    (
        Event(Kind.REFUSED, text="message refused: not UTF-8", said="\\xff"),
        {"type": "refused", "time": TIME, "text": "message refused: not UTF-8", "said": "\\xff"},
    ),
    (
        Event(Kind.UNSENT, text="control character U+0009", said="a\tb"),
        {"type": "unsent", "time": TIME, "text": "control character U+0009", "said": "a\tb"},
    ),
    (
        Event(Kind.NICK, ANN, "/nick ann", nick="ann", before="anna", is_shared=True),
        {
            **{"type": "nick", "time": TIME, "from": ANN, "own": False, "nick": "ann", "shared": True},
            **{"text": "/nick ann", "before": "anna"},
        },
    ),
    (
        Event(Kind.EARLIER, ANN, "hi", seconds=12.0, nick="ann"),
        {
            **{"type": "earlier", "time": TIME, "from": ANN, "own": False, "nick": "ann", "shared": False},
            **{"text": "hi", "age_s": 12.0},
        },
    ),
    (Event(Kind.LOST, ME, "hi"), {"type": "lost", "time": TIME, "text": "hi"}),
    (Event(Kind.AWAY, text=SILENT), {"type": "away", "time": TIME, "text": "no answer"}),
    (Event(Kind.BACK, seconds=1.23456), {"type": "back", "time": TIME, "seconds": 1.235}),
    (Event(Kind.BACK), {"type": "back", "time": TIME, "seconds": None}),
    (Event(Kind.NOTICE, text="hello"), {"type": "notice", "time": TIME, "text": "hello"}),
]


@pytest.mark.parametrize(
    ("event", "record"), GOLDEN, ids=lambda it: it.kind.value if isinstance(it, Event) else ""
)
def test_an_event_is_a_record_as_published(event: Event, record: dict[str, object]) -> None:
    made = record_of(event, bool(record.get("mention")), AT)
    assert made == record
    assert list(made)[:2] == ["type", "time"]
    jsonschema.validate(made, SCHEMA, jsonschema.Draft202012Validator)


def test_the_schema_knows_all_types_and_no_others() -> None:
    internal = {Kind.STRANGER, Kind.CHALLENGE, Kind.ANSWER}  # between the room and the client
    types = {kind.value for kind in Kind if kind not in internal}
    assert types == {record["type"] for _, record in GOLDEN}
    assert set(SCHEMA["properties"]["type"]["enum"]) == types | {"error"}


def test_the_last_line_of_a_chat_that_cannot_go_on_is_as_published() -> None:
    run = netecho("chat", "--jsonl", f"127.0.0.1:{unused_udp_port()}")
    assert run.returncode == 1
    record = json.loads(run.stdout.splitlines()[-1])
    assert record["type"] == "error"
    jsonschema.validate(record, SCHEMA, jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "missing", ["from", "own", "nick", "shared", "text", "mention", "rtt_ms", "time", "type"]
)
def test_the_schema_refuses_what_is_not_whole(missing: str) -> None:
    record = dict(GOLDEN[1][1])
    del record[missing]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(record, SCHEMA, jsonschema.Draft202012Validator)
