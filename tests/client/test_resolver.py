"""Names are resolved as the system does it, and nobody waits for ever."""

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from netechod.client.errors import ClientError
from netechod.client.net import Server, Target
from netechod.client.resolver import AI_IDN, Resolution, is_numeric, resolve

FOUND = [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.1", 7))]


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A name server that is silent; afterwards it answers, so that the thread ends."""
    answered = threading.Event()

    def wait(host: str, port: int | None, *rest: int) -> list[object]:
        if rest[-1:] == (socket.AI_NUMERICHOST,):
            raise socket.gaierror(socket.EAI_NONAME, "not numeric")
        answered.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    yield answered
    answered.set()


def test_a_silent_name_server_is_waited_for_as_long_as_was_granted(stuck: threading.Event) -> None:
    with pytest.raises(ClientError, match="cannot resolve 'somewhere': the name server is silent") as caught:
        Server(Target("somewhere", 7, timeout=0.01, retries=0), socket.SOCK_DGRAM)
    assert "--timeout" in caught.value.hint


def test_the_deadline_of_everything_holds_for_the_name_server_too(stuck: threading.Event) -> None:
    with pytest.raises(ClientError, match="the name server is silent"):
        Server(Target("somewhere", 7, timeout=1000.0, until=0.0), socket.SOCK_DGRAM)


def test_a_resolution_is_finished_some_time(stuck: threading.Event) -> None:
    resolution = Resolution("somewhere", 7, 0, socket.SOCK_DGRAM)
    assert not resolution.is_finished
    stuck.set()
    assert resolution.addresses(60.0) == []
    assert resolution.is_finished


def test_the_c_library_encodes_names_that_are_not_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own encoding, IDNA 2003, would ask for strasse.example."""
    asked: list[tuple[object, ...]] = []

    def note(host: object, port: int, *rest: int) -> list[object]:
        if rest[-1:] == (socket.AI_NUMERICHOST,):
            raise socket.gaierror(socket.EAI_NONAME, "not numeric")
        asked.append((host, rest[-1]))
        return list(FOUND)

    monkeypatch.setattr(socket, "getaddrinfo", note)
    assert resolve("straße.example", 7, 0, socket.SOCK_DGRAM, 60.0) == [(socket.AF_INET, ("192.0.2.1", 7))]
    assert asked == [(os.fsencode("straße.example"), AI_IDN)]


def test_where_the_c_library_cannot_encode_python_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_idn(host: object, port: int, *rest: int) -> list[object]:
        if isinstance(host, bytes):
            raise socket.gaierror(-105, "cannot encode")
        return list(FOUND)

    monkeypatch.setattr(socket, "getaddrinfo", no_idn)
    assert resolve("straße.example", 7, 0, socket.SOCK_DGRAM, 60.0) == [(socket.AF_INET, ("192.0.2.1", 7))]


def test_an_address_of_ipv4_in_ipv6_is_taken_as_what_it_is() -> None:
    resolved = resolve("::ffff:192.0.2.1", 80, 0, socket.SOCK_DGRAM, 1.0)
    assert resolved == [(socket.AF_INET, ("192.0.2.1", 80))]


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", True), ("::1", True), ("localhost", False), ("a..b", False)]
)
def test_an_address_is_told_from_a_name(host: str, expected: bool) -> None:
    assert is_numeric(host) is expected
