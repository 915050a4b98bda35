"""The lines from before we came."""

from netechod.client.chat.events import Event, Kind
from netechod.client.chat.people.scrollback import Scrollback

ANN = "192.0.2.2--6000"


def earlier(text: str, age: float, nick: str = "") -> Event:
    return Event(Kind.EARLIER, ANN, text, seconds=age, nick=nick)


def test_lines_are_shown_once_under_the_name_of_then() -> None:
    scrollback = Scrollback()
    assert scrollback.note(earlier("hi", 60.0), 100.0) == earlier("hi", 60.0)
    assert scrollback.note(earlier("/nick ann", 50.0, "ann"), 100.0) is None
    assert scrollback.note(earlier("hi", 40.0), 100.0) == earlier("hi", 40.0, "ann")
    assert scrollback.note(earlier("hi", 60.0), 120.0) is None  # a second time, after an outage


def test_what_we_have_heard_ourselves_is_left_out() -> None:
    scrollback = Scrollback()
    live = Event(Kind.MESSAGE, ANN, "hi")
    assert scrollback.note(live, 100.0) is live
    assert scrollback.note(earlier("hi", 20.0), 120.7) is None
    assert scrollback.note(earlier("hi", 5.0), 120.7) is not None


def test_other_events_pass() -> None:
    event = Event(Kind.AWAY, text="x")
    assert Scrollback().note(event, 1.0) is event
