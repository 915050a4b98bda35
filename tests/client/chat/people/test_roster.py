"""Who was seen, and who is meant."""

import pytest

from netechod.client.chat.events import Event, Kind
from netechod.client.chat.people import roster as module
from netechod.client.chat.people.mentions import Mentions
from netechod.client.chat.people.roster import Roster

ME, ANN, BOB = "192.0.2.1--5000", "192.0.2.2--6000", "192.0.2.3--7000"


def said(text: str, sender: str = ANN, *, own: bool = False) -> Event:
    return Event(Kind.MESSAGE, sender, text, own=own)


def test_those_who_come_or_speak_are_seen_until_they_go() -> None:
    roster = Roster()
    roster.note(Event(Kind.JOIN, ME, "online", own=True), now=1.0)
    roster.note(said("hi", ANN), now=2.0)
    roster.note(Event(Kind.JOIN, BOB, "online"), now=3.0)
    roster.note(said("hi", ME, own=True), now=4.0)
    assert roster.names() == [ME, BOB, ANN]
    assert roster.silence(ANN, now=10.0) == 8.0
    roster.note(Event(Kind.LEAVE, BOB, "offline"), now=5.0)
    roster.note(Event(Kind.LEAVE, "192.0.2.9--1", "offline"), now=5.0)
    roster.note(Event(Kind.NOTICE, text="x"), now=5.0)
    assert roster.names() == [ME, ANN]
    assert len(roster) == 2


def test_a_room_that_has_us_join_again_has_forgotten_the_others() -> None:
    roster = Roster()
    roster.note(said("hi", ANN), now=1.0)
    roster.note(Event(Kind.JOIN, ME, "online", own=True), now=2.0)
    assert roster.names() == [ME]


def test_the_longest_silent_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SEEN", 2)
    roster = Roster()
    for sender in (ANN, BOB, ANN, ME):
        roster.note(said("hi", sender), now=1.0)
    assert roster.names() == [ME, ANN]


@pytest.mark.parametrize(
    ("text", "is_mention"),
    [
        (f"{ME}: hi", True),
        (f"hi {ME}", True),
        (f"hi {ME}0", False),
        (f"hi 1{ME}", False),
        ("Bob?", True),
        ("问bob一下", True),
        ("bobby", False),
        ("小明在吗", True),
        ("明小", False),
        ("a.b", True),
        ("axb", False),
    ],
)
def test_names_and_words_are_found_as_a_whole(text: str, is_mention: bool) -> None:
    assert Mentions(["bob", "小明", "a.b"]).is_mention(said(text), ME) is is_mention


def test_nobody_is_called_by_himself_or_by_coming_online() -> None:
    mentions = Mentions(["bob", "online"])
    assert not mentions.is_mention(said("bob", ME, own=True), ME)
    assert not mentions.is_mention(Event(Kind.JOIN, ANN, "online"), ME)


def naming(nick: str, sender: str = ANN) -> Event:
    return Event(Kind.NICK, sender, f"/nick {nick}", nick=nick)


def labels(roster: Roster) -> dict[str, str]:
    return {address: roster.named(said("x", address)).label for address in (ANN, BOB)}


def test_a_name_stands_for_its_member_and_is_news_once() -> None:
    roster = Roster()
    assert roster.note(said("hi"), 1.0) == said("hi")
    first = roster.note(naming("ann"), 2.0)
    assert first is not None
    assert (first.nick, first.before, first.is_shared) == ("ann", "", False)
    assert roster.note(naming("ann"), 3.0) is None
    heard = roster.note(said("hi"), 4.0)
    assert heard is not None
    assert heard.label == "ann"
    changed = roster.note(naming("eve"), 5.0)
    assert changed is not None
    assert (changed.nick, changed.before) == ("eve", "ann")
    assert roster.nick(ANN) == "eve"


def test_names_that_look_alike_are_shown_with_their_addresses() -> None:
    roster = Roster()
    roster.note(naming("ann", ANN), 1.0)
    second = roster.note(naming("ANN", BOB), 2.0)
    assert second is not None
    assert second.is_shared
    assert labels(roster) == {ANN: f"ann ({ANN})", BOB: f"ANN ({BOB})"}
    roster.note(naming("bob", BOB), 3.0)
    assert labels(roster) == {ANN: "ann", BOB: "bob"}


def test_a_name_goes_with_its_member() -> None:
    roster = Roster()
    roster.note(naming("ann"), 1.0)
    left = roster.note(Event(Kind.LEAVE, ANN, "offline"), 2.0)
    assert left is not None
    assert left.label == "ann"
    assert labels(roster)[ANN] == ANN
    roster.note(naming("ann"), 3.0)
    come = roster.note(Event(Kind.JOIN, ANN, "online"), 4.0)  # its departure was lost
    assert come is not None
    assert come.label == ANN
    roster.note(naming("ann"), 5.0)
    roster.note(Event(Kind.JOIN, ME, "online", own=True), 6.0)
    assert labels(roster)[ANN] == ANN


def test_our_name_is_a_mention_too() -> None:
    mentions = Mentions([])
    assert mentions.is_mention(said("Ann?"), ME, "ann")
    assert not mentions.is_mention(said("anna?"), ME, "ann")
    assert not mentions.is_mention(said("hi"), ME, "")
