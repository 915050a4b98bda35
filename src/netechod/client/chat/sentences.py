"""What a person reads of a chat besides its lines."""

import errno
import os

from netechod.client.chat.events import PUT_OFFLINE, SILENT, UNKNOWN, Event, Kind
from netechod.client.i18n.translate import tr

TROUBLE = {Kind.REFUSED, Kind.UNSENT, Kind.NOTICE, Kind.LOST, Kind.AWAY}


def sentence(event: Event) -> str:
    """An event that is no line of the conversation, in words."""
    if event.kind is Kind.LOST:
        return tr("no receipt, perhaps nobody read it: {text}", text=event.text)
    if event.kind is Kind.UNSENT:
        return tr("message not sent: {why}", why=event.text)
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
    return event.text


def _reason(why: str) -> str:
    """Why the room is out of reach; what the system says of it is English."""
    reasons = {
        os.strerror(errno.ECONNREFUSED): tr("nobody listens there"),
        UNKNOWN: tr("it does not know us any more"),
        PUT_OFFLINE: tr("it has put us offline"),
        SILENT: tr("no answer"),
    }
    return reasons.get(why, why)
