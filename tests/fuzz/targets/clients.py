"""The clients: what a server says to them, and the addresses that people type."""

import json
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from fuzz.feed import Feed
from fuzz.target import STEPS, scratch, target

from netechod.client.chat.events import ENQUIRY, Kind, event_of
from netechod.client.chat.people.nickname import flaw_of, normal
from netechod.client.chat.protocol import Member
from netechod.client.chat.states import State
from netechod.client.dictionary.lookups import query_of
from netechod.client.errors import ClientError
from netechod.client.net import split_address
from netechod.client.operator.control import ask, dump
from netechod.process.config.values import Address
from netechod.services.wire import NOT_ONLINE, PADDED, text_of

ME = "192.0.2.1--5000"


@target([b"[", b"]:", b"::1", b"192.0.2.1", b":", b"65535", b"0", "٧".encode(), b"%eth0", b"example.org"])
def address(feed: Feed) -> None:
    """HOST[:PORT] on a command line, ADDRESS:PORT in the configuration: taken apart, or refused."""
    text = feed.text()
    try:
        host, port = split_address(text, 8080)
    except ValueError as error:
        assert str(error)
    else:
        assert host
        assert 0 < port < 65536
        if not {"[", "]"} & set(host):
            bare = f"[{host}]" if ":" in host else host
            assert split_address(f"{bare}:{port}", 1) == (host, port)
    try:
        listened = Address.parse(text)
    except ValueError as error:
        assert str(error).startswith("must ")
    else:
        assert Address.parse(str(listened)) == listened
        name, _, _ = listened.host.partition("%")
        assert str(ip_address(name)) == name
        assert 0 <= listened.port < 65536


@target(
    [
        *(b"online", b"offline", b"#", ME.encode(), b"--7#", b"challenge 0123456789abcdef"),
        *(b"message refused: ", b"/nick ", b"said 7 s ago: "),
    ]
)
def heard(feed: Feed) -> None:
    """What a datagram of the chat room says."""
    payload = feed.rest()
    event = event_of(payload)
    text = text_of(payload)
    said = (Kind.MESSAGE, Kind.JOIN, Kind.LEAVE, Kind.NICK, Kind.EARLIER)
    assert (event.kind in said) == bool(event.sender)
    if event.sender:
        assert text.decode(errors="backslashreplace").endswith(f"{event.sender}#{event.text}")
    if event.nick:
        assert event.text == f"/nick {event.nick}"
        assert (flaw_of(event.nick), normal(event.nick)) == (None, event.nick)
    assert (event.kind is Kind.STRANGER) == (text == NOT_ONLINE)


@target(
    [b"online", ME.encode() + b"#", b"other--7#online", NOT_ONLINE, b"message refused: x", b"hi", b"offline"],
    largest=STEPS,
)
def member(feed: Feed) -> None:
    """A member, whatever the room says and whenever: it sends little, always has a deadline, and can go."""
    now, said = 0.0, {b"online", b"offline", ENQUIRY}
    member = Member(ME, timeout=2.0, retries=feed.number(2), now=now, patient=bool(feed.number(1)))
    assert member.take_outgoing() == [b"online"]
    while feed and member.state is not State.GONE:
        if feed.number(3):
            payload = feed.piece(64)
            if event_of(payload).kind is Kind.CHALLENGE:
                said.add(b"online" + text_of(payload).removeprefix(b"challenge"))
            member.received(payload, now)
        else:
            now = max(now, member.deadline)
            member.deadline_reached(now)
            assert member.deadline >= now
            said.add(text := feed.piece(20) or b"hi")
            feed.pick(DEEDS)(member, text, now)
        outgoing = member.take_outgoing()
        assert len(outgoing) <= 4
        assert said.issuperset(outgoing)
    member.leave(now, at_once=True)
    while member.state is not State.GONE:
        member.deadline_reached(member.deadline)
        assert set(member.take_outgoing()) <= {b"offline"}


DEEDS: list[Callable[[Member, bytes, float], object]] = [
    lambda member, text, now: member.say(text, now),
    lambda member, text, now: member.enquire(now),
    lambda member, text, now: member.unreachable("no route", now),
    lambda member, text, now: member.leave(now),
    lambda member, text, now: member.leave(now, at_once=True),
    lambda member, text, now: None,
]


@target([b"apple", b"\0", b"\n"])
def query(feed: Feed) -> None:
    """A query is as long as earns the longest answer, and the text in it is what was asked for."""
    word = text_of(feed.rest())
    sent = query_of(word)
    assert text_of(sent) == word
    assert len(sent) == max(PADDED, len(word))


@cache
def answering() -> tuple[Path, SimpleQueue[bytes]]:
    """A control socket, and where to put what it is to answer next."""
    path, answers = scratch() / "answers.sock", SimpleQueue[bytes]()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        while True:
            sock, _ = listener.accept()
            with sock, suppress(OSError):  # whoever asked has heard enough
                sock.recv(4096)
                sock.sendall(answers.get())

    Thread(target=serve, daemon=True).start()
    return path, answers


ANSWERS = (b'{"ok": true, "result": 2}\na#b\nc#d\n', b'{"ok": false, "error": "no"}\n')


@target([b"null", b"[" * 2000, b'"ok"', b'"error"', b"NaN", b"\xff", b"1e999", b"\n"], ANSWERS)
def operator_answer(feed: Feed) -> None:
    """Whatever answers on the control socket: a result, or a sentence that says what is wrong."""
    path, answers = answering()
    answer = feed.rest()
    line, newline, body = answer.partition(b"\n")
    try:
        head: Any = json.loads(line + newline) if newline else None
    except (ValueError, RecursionError):
        head = None
    is_good = isinstance(head, dict) and bool(head.get("ok")) and "result" in head
    answers.put(answer)
    try:
        result = ask(path, "status")
    except ClientError as error:
        assert str(error) or (isinstance(head, dict) and head["error"] == "")
        assert not is_good
    else:
        assert is_good
        assert json.dumps(result) == json.dumps(head["result"])
    answers.put(answer)
    with suppress(ClientError):
        assert b"".join(dump(path, "dict-dump")) == body
