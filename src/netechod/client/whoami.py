"""`netecho whoami`: asks a server who it is, and whom it sees. Behind a load balancer, many answer."""

import json
import socket
from collections import Counter
from collections.abc import Mapping
from typing import Any

from netechod.client.errors import ClientError, SilentServerError
from netechod.client.i18n.translate import tr
from netechod.client.net import Server, Target, trust_hint
from netechod.client.terminal.output import complain, put, put_json
from netechod.client.terminal.text import padded
from netechod.services.cells import cells
from netechod.services.identify import ANSWER
from netechod.services.wire import PADDED, escape_controls

MAX_ANSWER = 64 * 1024  # bytes of an answer over TCP
PLACE = ("node", "name", "pod", "namespace", "instance", "server")
"""Fields that tell one server from another."""

Fields = Mapping[str, Any]


def run(target: Target, times: int, *, udp: bool, as_json: bool) -> int:
    """Ask `times` times, each from a port of its own, and show who has answered. Return the exit status."""
    ask = _ask_udp if udp else _ask_tcp
    server = Server(target, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM, trust_hint() if udp else "")
    answers: list[Fields] = []
    failure: ClientError | None = None
    for number in range(1, times + 1):
        try:
            answers.append(_fields(ask(server, b"whoami %d" % number)))
        except ClientError as error:
            if times == 1 or not isinstance(error, SilentServerError | LostError):
                raise
            failure = error
    if failure is not None:
        complain(str(failure), failure.hint)
    if times == 1:
        _show_one(answers[0], as_json=as_json)
    else:
        _show_many(answers, times, as_json=as_json)
    return int(len(answers) < times)


class LostError(ClientError):
    """One question has got no answer. The next one may."""


def _ask_udp(server: Server, question: bytes) -> bytes:
    """Return the answer to a datagram. It is padded, so that anybody gets a whole answer."""
    return server.ask(question.ljust(PADDED, b"\0")).payload


def _ask_tcp(server: Server, question: bytes) -> bytes:
    """Return the answer to a line. Raises ClientError."""
    with server.connect() as sock:
        try:
            sock.sendall(question + b"\n")
            with sock.makefile("rb") as stream:
                answer = stream.readline(MAX_ANSWER)
        except OSError as error:
            reason = server.failed(error)
            raise LostError(str(reason), reason.hint) from None
    if not answer:
        raise LostError(tr("the server closed the connection"))
    return answer


def _fields(answer: bytes) -> Fields:
    """Parse an answer. Raises ClientError if it is none."""
    fields = None
    if answer.startswith(ANSWER):
        try:
            fields = json.loads(answer)
        except (ValueError, RecursionError):  # the latter: a thousand brackets are enough
            fields = None
    if not isinstance(fields, dict):
        raise ClientError(
            tr("the server does not say who it is"),
            tr('it needs echo.tcp.mode or echo.udp.mode = "identify"'),
        )
    return fields


def _show_one(fields: Fields, *, as_json: bool) -> None:
    """Show one answer, a line for each field."""
    if as_json:
        put_json(fields)
        return
    width = max(map(cells, map(str, fields)))
    put("".join(f"{_text(padded(name, width))}  {_text(value)}\n" for name, value in fields.items()))


def _show_many(answers: list[Fields], times: int, *, as_json: bool) -> None:
    """Show how often each server has answered."""
    places = Counter(tuple((name, str(each[name])) for name in PLACE if name in each) for each in answers)
    if as_json:
        by = [{"count": count, **dict(place)} for place, count in places.most_common()]
        put_json({"asked": times, "answered": len(answers), "by": by})
        return
    for place, count in places.most_common():
        names = dict.fromkeys(value for _, value in place)
        put(f"{count:>6}  {count / times:>4.0%}  {_text('  '.join(names))}\n")
    put(
        tr(
            "{answered} of {asked} answered; servers: {servers}",
            answered=len(answers),
            asked=times,
            servers=len(places),
        )
        + "\n"
    )


def _text(value: object) -> str:
    return escape_controls(str(value))
