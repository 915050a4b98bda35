"""Entries of the log: what is written is read again, and everything else is refused for a reason."""

import pytest

from netechod.services.realm.entry import BODY, Entry, EntryError, decode, parse, renamed
from netechod.services.realm.entry import came as came_line
from netechod.services.realm.entry import left as left_line
from netechod.services.realm.entry import said as said_line
from netechod.services.realm.entry import there as there_line

EPOCH = "018bcfe568000abc"
ANN = "192.0.2.1--40001"


def entry(**changes: object) -> Entry:
    return Entry("a", EPOCH, 7, 2, b"=192.0.2.1--40001#hi\n+2001:db8::2--40002")._replace(
        **changes  # type: ignore[arg-type]
    )


def test_an_entry_reads_as_in_the_log() -> None:
    assert entry().fields() == [
        *(b"v", b"1"),
        *(b"n", b"a"),
        *(b"e", EPOCH.encode()),
        *(b"s", b"7"),
        *(b"m", b"2"),
        *(b"b", b"=192.0.2.1--40001#hi\n+2001:db8::2--40002"),
    ]


def test_what_is_written_is_read_again() -> None:
    assert decode(entry().fields(), 1024) == entry()
    assert (entry().size, entry().lines()) == (2, [b"=192.0.2.1--40001#hi", b"+2001:db8::2--40002"])


def test_a_beat_has_no_lines() -> None:
    beat = entry(body=b"")
    assert (decode(beat.fields(), 1024), beat.size, beat.lines()) == (beat, 0, [])


def test_fields_that_are_not_known_are_ignored() -> None:
    assert decode([*entry().fields(), b"mac", b"abc"], 1024) == entry()


def changed(key: bytes, value: object) -> list[object]:
    fields: list[object] = list(entry().fields())
    fields[fields.index(key) + 1] = value
    return fields


REFUSED: list[tuple[str, object]] = [
    ("malformed", None),
    ("malformed", b"v"),
    ("malformed", []),
    ("malformed", entry().fields()[:-1]),
    ("malformed", [*entry().fields(), *[b"x"] * 22]),
    ("malformed", changed(b"n", 7)),
    ("malformed", changed(b"n", [b"a"])),
    ("malformed", changed(b"b", ["a"])),
    ("malformed", [*entry().fields(), ["v"], b"1"]),
    ("malformed", entry().fields()[2:]),
    ("malformed", entry().fields()[:-2]),
    ("version", changed(b"v", b"2")),
    ("version", [b"v", b"2"]),
    ("size", changed(b"b", b"x" * (BODY + 1))),
    *[
        ("malformed", changed(b"n", name))
        for name in (b"", b"A", b"-a", b"a-", b"a b", b"a\n", b"a" * 33, b"\xff")
    ],
    *[("malformed", changed(b"e", epoch)) for epoch in (b"", EPOCH[1:].encode(), EPOCH.upper().encode())],
    *[("malformed", changed(b"s", number)) for number in (b"", b"-1", b"1" * 16, b"1.5", "٣".encode())],
    *[("malformed", changed(b"m", number)) for number in (b"", b"1" * 10, b"x" * 100)],
]


@pytest.mark.parametrize(("why", "fields"), REFUSED, ids=range(len(REFUSED)))
def test_an_entry_of_another_form_is_refused(why: str, fields: object) -> None:
    with pytest.raises(EntryError, match=f"^{why}$"):
        decode(fields, 1024)


def test_one_long_message_makes_an_entry_longer() -> None:
    long = entry(body=said_line(ANN, b"x" * 60_000))
    assert decode(long.fields(), 60_000) == long
    with pytest.raises(EntryError, match="size"):
        decode(long.fields(), 1024)


def test_lines_are_read_as_they_are_written() -> None:
    assert parse(said_line(ANN, "a#b 苹果".encode()), 99) == ("said", ANN, "a#b 苹果".encode())
    assert parse(came_line(ANN), 99) == ("came", ANN, b"")
    assert parse(left_line(ANN, "idle"), 99) == ("left", ANN, b"")
    assert parse(there_line(ANN), 99) == ("there", ANN, b"")
    assert [parse(line, 99).kind for line in (b"?", b"(", b")", b"!")] == ["asked", "begins", "ends", "stops"]


@pytest.mark.parametrize(
    ("why", "line"),
    [
        ("unknown line", b""),
        ("unknown line", b"~" + ANN.encode()),
        ("unknown line", b"??"),
        ("name", b"+ann"),
        ("name", b"+192.0.2.1--40001 "),
        ("name", b"*192.0.2.1--4000123"),
        ("name", b"=a/192.0.2.1--40001#hi"),
        ("name", b"+" + b"1" * 46 + b"--1"),
        ("name", b"+" + b"1" * 460 + b"--1"),
        ("name", "+１--1".encode()),
        ("malformed line", b"-192.0.2.1--40001"),
        ("malformed line", b"-192.0.2.1--40001 Said"),
        ("length", b"=192.0.2.1--40001#"),
        ("length", b"=192.0.2.1--40001#" + b"x" * 100),
        ("length", b"=192.0.2.1--40001"),
        ("text", b"=192.0.2.1--40001#online"),
        ("text", b"=192.0.2.1--40001#offline"),
        ("text", b"=192.0.2.1--40001#\x1b[2J"),
        ("text", b"=192.0.2.1--40001#\xff"),
    ],
)
def test_a_line_of_another_form_is_refused(why: str, line: bytes) -> None:
    with pytest.raises(EntryError, match=f"^{why}$"):
        parse(line, 99)


@pytest.mark.parametrize(("node", "expected"), [("a", "a-0abc"), ("a" * 32, "a" * 27 + "-0abc")])
def test_a_node_without_its_name_goes_on_under_another(node: str, expected: str) -> None:
    assert renamed(node, EPOCH) == expected
    assert decode(entry(node=expected).fields(), 1024).node == expected
