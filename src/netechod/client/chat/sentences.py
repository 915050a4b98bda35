"""Sentences for the events of a chat that are no lines of the conversation."""

from netechod.client.chat.events import PUT_OFFLINE, SILENT, UNKNOWN, Event, Kind
from netechod.client.i18n.translate import reason_text, tr

ARROWS = {Kind.JOIN: "-->", Kind.LEAVE: "<--"}
TROUBLE = {Kind.REFUSED, Kind.UNSENT, Kind.NOTICE, Kind.LOST, Kind.AWAY}


def sentence(event: Event) -> str:
    """Return an event as a sentence for the person."""
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
    if event.kind is Kind.ANSWER and event.seconds is not None:
        return tr("the room answers within {ms:.1f} ms", ms=event.seconds * 1000)
    if event.kind is Kind.ANSWER:
        return tr("the room answers, but not at once")
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
