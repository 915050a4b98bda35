"""What the screen of the chat looks like, as texts."""

from datetime import datetime

import pytest

from netechod.client.chat.events import PUT_OFFLINE, SILENT, UNKNOWN, Event, Kind
from netechod.client.chat.render import PLAIN, STYLES, Fragments, Painter
from netechod.client.chat.ui import ChatStatus
from netechod.client.terminal.text import cut_to_cells
from netechod.services.cells import cells

AT = datetime(2026, 11, 25, 20, 14, 1)
ME, ANN = "192.0.2.1--5000", "192.0.2.22--60000"


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETECHO_LANG", "en")


def painter(columns: int = 80, **how: object) -> Painter:
    it = Painter("say> ", "192.0.2.7:8082", lambda: columns)
    status = ChatStatus(2, [ANN], 0.0004, [], is_away=False, is_leaving=False)
    it.status = status._replace(**how)  # type: ignore[arg-type]
    return it


def plain(fragments: Fragments) -> str:
    return "".join(text for _, text in fragments)


def line(it: Painter, event: Event, *, is_mention: bool = False) -> str:
    return plain(it.event(event, is_mention=is_mention, at=AT))


def test_lines_are_aligned_behind_the_longest_name_so_far() -> None:
    it = painter()
    assert line(it, Event(Kind.JOIN, ME, "online", own=True)) == f"20:14:01 --> {ME} online\n"
    assert line(it, Event(Kind.MESSAGE, ME, "hi", own=True)) == f"20:14:01 {ME} hi ✓\n"
    assert line(it, Event(Kind.MESSAGE, ANN, "hi")) == f"20:14:01 {ANN} hi\n"
    assert line(it, Event(Kind.MESSAGE, ME, "hi")) == f"20:14:01   {ME} hi\n"
    assert line(it, Event(Kind.LEAVE, ANN, "offline")) == f"20:14:01               <-- {ANN} offline\n"
    long = "2001:db8:1234:5678:9abc:def0:1234:5678--40000"
    assert line(it, Event(Kind.MESSAGE, long, "hi")) == f"20:14:01 {long} hi\n"
    assert line(it, Event(Kind.MESSAGE, ANN, "hi")) == f"20:14:01      {ANN} hi\n"


def test_a_narrow_screen_has_neither_seconds_nor_alignment() -> None:
    it = painter(40)
    line(it, Event(Kind.MESSAGE, ANN, "hi"))
    assert line(it, Event(Kind.MESSAGE, ME, "hi")) == f"20:14 {ME} hi\n"


def test_what_others_say_is_harmless_and_a_mention_stands_out() -> None:
    event = Event(Kind.MESSAGE, ANN, "a\x1b[2J\nb")
    assert line(painter(), event) == f"20:14:01 {ANN} a\\x1b[2J\\nb\n"
    styles = [style for style, _ in painter().event(event, is_mention=True, at=AT)]
    assert "class:mention" in styles
    assert {style.removeprefix("class:") for style in styles} - {""} <= set(STYLES)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Event(Kind.AWAY, text=SILENT), "cut off from the room, trying to return: no answer"),
        (Event(Kind.AWAY, text=UNKNOWN), "…: it does not know us any more"),
        (Event(Kind.AWAY, text=PUT_OFFLINE), "…: it has put us offline"),
        (Event(Kind.AWAY, text="Connection refused"), "…: nobody listens there"),
        (Event(Kind.AWAY, text="No route to host"), "…: No route to host"),
        (Event(Kind.BACK, seconds=2.04), "back in the room after 2.0 s"),
        (Event(Kind.BACK), "back in the room, which had lost us"),
        (Event(Kind.ANSWER, seconds=0.0011), "the room answers within 1.1 ms"),
        (Event(Kind.ANSWER), "the room answers, but not at once"),
        (Event(Kind.LOST, ME, "hi"), "no receipt, perhaps nobody read it: hi"),
        (Event(Kind.REFUSED, text="message refused: x"), "message refused: x"),
        (Event(Kind.UNSENT, text="not UTF-8", said="x"), "message not sent: not UTF-8"),
        (Event(Kind.NOTICE, text="x"), "x"),
    ],
)
def test_the_rest_is_told_in_words(event: Event, text: str) -> None:
    shown = line(painter(), event)
    assert shown == f"20:14:01 -!- {text.replace('…', 'cut off from the room, trying to return')}\n"


def test_a_note_of_several_lines_has_so_many_heads() -> None:
    assert plain(painter().note("a\nb", AT)) == "20:14:01 -!- a\n20:14:01 -!- b\n"


def test_what_is_unsaid_stands_above_the_prompt() -> None:
    assert plain(painter().prompt()) == "say> "
    unsaid = ["one", "二" * 40, "three", "four", "five"]
    assert plain(painter(20, unsaid=unsaid).prompt()).split("\n") == [
        "… one",
        "… 二二二二二二二二",
        "… three",
        "and 2 more",
        "say> ",
    ]


@pytest.mark.parametrize(
    ("columns", "bar"),
    [
        (80, "online: 2 · 192.0.2.7:8082 · 0.4 ms · unsaid: 0 · Tab completes, /help"),
        (70, "online: 2 · 192.0.2.7:8082 · 0.4 ms · unsaid: 0"),
        (40, "online: 2 · 192.0.2.7:8082 · unsaid: 0"),
        (30, "online: 2 · unsaid: 0"),
        (9, "online: 2"),
    ],
)
def test_the_bar_has_what_there_is_room_for(columns: int, bar: str) -> None:
    assert plain(painter(columns).bar("")) == bar


def test_the_bar_tells_what_matters_now() -> None:
    assert plain(painter(round_trip=None).bar("a\n\nb\n")).endswith(" · unsaid: 0 · Enter says 2 lines")
    away = painter(is_away=True, unsaid=["a"])
    assert plain(away.bar("")).startswith("cut off · ")
    assert ("class:error", "unsaid: 1") in away.bar("")
    assert plain(painter(is_leaving=True).bar("")).startswith("leaving, Ctrl-C drops what is unsaid · ")


def test_a_terminal_with_few_characters_gets_others() -> None:
    it = Painter("say> ", "h:1", lambda: 80, PLAIN)
    it.status = ChatStatus(1, [], None, ["a"], is_away=False, is_leaving=False)
    texts = [line(it, Event(Kind.MESSAGE, ME, "hi", own=True)), plain(it.prompt()), plain(it.bar(""))]
    assert all(text.isascii() for text in texts)


@pytest.mark.parametrize("text", ["", "abc", "苹果苹果", "a苹b果", "e\u0301e\u0301e\u0301e\u0301"])
@pytest.mark.parametrize("width", [0, 1, 3, 4, 100])
def test_a_text_is_cut_between_characters(text: str, width: int) -> None:
    cut = cut_to_cells(text, width)
    assert text.startswith(cut)
    assert cells(cut) <= width


def test_a_name_stands_instead_of_the_address_and_both_where_it_is_not_enough() -> None:
    it = painter()
    assert line(it, Event(Kind.MESSAGE, ME, "hi", nick="ann")) == "20:14:01 ann hi\n"
    assert line(it, Event(Kind.LEAVE, ME, "offline", nick="ann")) == "20:14:01 <-- ann offline\n"
    shared = Event(Kind.MESSAGE, ME, "hi", nick="ann", is_shared=True)
    assert line(it, shared) == f"20:14:01 ann ({ME}) hi\n"


@pytest.mark.parametrize(
    ("event", "english", "chinese"),
    [
        (Event(Kind.NICK, ANN, nick="ann"), f"{ANN} is ann now", f"{ANN} 现在叫 ann"),
        (
            Event(Kind.NICK, ANN, nick="eve", before="ann"),
            f"ann ({ANN}) is eve now",
            f"ann ({ANN}) 现在叫 eve",
        ),
        (
            Event(Kind.NICK, ME, nick="eve", own=True, is_shared=True),
            "you are eve now; somebody else has a name like that: addresses are shown",
            "您现在叫 eve；别人有相似的名字：同时显示地址",
        ),
    ],
    ids=["first", "other", "shared"],
)
def test_a_change_of_name_is_told_with_the_address(
    event: Event, english: str, chinese: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert line(painter(), event) == f"20:14:01 -!- {english}\n"
    monkeypatch.setenv("NETECHO_LANG", "zh")
    assert line(painter(), event) == f"20:14:01 -!- {chinese}\n"


def test_a_line_from_before_has_the_time_of_then() -> None:
    event = Event(Kind.EARLIER, ANN, "hi\x1b", seconds=61.0, nick="ann")
    assert line(painter(), event) == "20:13:00 ann hi\\x1b\n"
    yesterday = Event(Kind.EARLIER, ANN, "hi", seconds=24 * 3600.0)
    assert line(painter(), yesterday) == f"11-24 20:14:01 {ANN} hi\n"
