"""The words for the events of a chat: for people, and for the log."""

from dataclasses import replace

from netechod.client.chat.events import PUT_OFFLINE, SILENT, UNKNOWN, Event, Kind
from netechod.client.i18n.translate import reason_text, tr

ARROWS = {Kind.JOIN: "-->", Kind.LEAVE: "<--", Kind.NICK: "---"}
TROUBLE = {Kind.REFUSED, Kind.UNSENT, Kind.NOTICE, Kind.LOST, Kind.AWAY}


def line(event: Event) -> str:
    """Return what a member has said or done as a line. It is the same in all languages."""
    if event.kind in ARROWS:
        return f"{ARROWS[event.kind]} {doer(event)} {event.text}"
    return f"{event.label}: {event.text}"


def doer(event: Event) -> str:
    """Return the name of the member who comes, leaves or changes the name, as it was until now."""
    if event.kind is not Kind.NICK:
        return event.label
    return f"{event.before} ({event.sender})" if event.before else event.sender


def record(event: Event) -> str:
    """Return an event for the log, where each member has an address; empty if it does not belong there."""
    if event.kind in (Kind.ANSWER, Kind.EARLIER):
        return ""
    if event.kind in (*ARROWS, Kind.MESSAGE):
        return line(replace(event, is_shared=True))
    return f"-!- {sentence(event)}"


def sentence(event: Event) -> str:
    """Return an event as a sentence for the person."""
    if event.kind is Kind.NICK:
        return _naming(event)
    if event.kind is Kind.LOST:
        return tr("no receipt, perhaps nobody read it: {text}", text=event.text)
    if event.kind is Kind.UNSENT:
        return tr("message not sent: {why}", why=reason_text(event.text))
    if event.kind is Kind.AWAY:
        return tr("cut off from the room, trying to return: {why}", why=_reason(event.text))
    if event.kind is Kind.BACK and event.seconds is not None:
        return tr("back in the room after {seconds:.1f} s", seconds=event.seconds)
    if event.kind is Kind.BACK:
        return tr("back in the room, which had lost us")
    if event.kind is Kind.ANSWER:
        return _answer(event)
    return reason_text(event.text)


def _reason(why: str) -> str:
    """Return why the room is out of reach. The system's reasons are English."""
    reasons = {
        "Connection refused": tr("nobody listens there"),
        UNKNOWN: tr("it does not know us any more"),
        PUT_OFFLINE: tr("it has put us offline"),
        SILENT: tr("no answer"),
    }
    return reasons.get(why) or reason_text(why)


def _answer(event: Event) -> str:
    if event.seconds is None:
        return tr("the room answers, but not at once")
    return tr("the room answers within {ms:.1f} ms", ms=event.seconds * 1000)


def _naming(event: Event) -> str:
    """Return who has which name now."""
    said = (
        tr("you are {nick} now", nick=event.nick)
        if event.own
        else tr("{member} is {nick} now", member=doer(event), nick=event.nick)
    )
    return said + (tr("; somebody else has a name like that: addresses are shown") if event.is_shared else "")
