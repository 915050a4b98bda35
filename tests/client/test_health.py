"""The health check: what it asks, when it is content, and what it says when it is not."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from typing import Any

import pytest

from netechod.client import health as checked
from netechod.client.health import CONTROL, SERVICES, TCP, UDP, Service, health
from netechod.errors import NetechodError
from netechod.process.config.listeners import LISTENERS
from netechod.process.config.schema import Config

ALL_OFF: Mapping[str, Any] = {
    "daemon": {"control": ""},
    "echo": {"tcp": {"enabled": False}, "udp": {"enabled": False}},
    "dictionary": {"enabled": False},
    "chat": {"enabled": False},
}


def settings(key: str, listen: object) -> Mapping[str, Any]:
    """A configuration in which one service alone is on."""
    section: Any = {"enabled": True, "listen": listen}
    first, _, second = key.partition(".")
    return {**ALL_OFF, first: {**ALL_OFF.get(first, {}), second: section} if second else section}


@contextmanager
def served(kind: socket.SocketKind, answer: bytes | None) -> Iterator[str]:
    """A server that gives one answer (None: it only reads), and its address."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))

        def serve() -> None:
            if kind == UDP:
                _, peer = sock.recvfrom(1024)
                if answer is not None:
                    sock.sendto(answer, peer)
                return
            with sock.accept()[0] as accepted:
                accepted.recv(1024)
                accepted.sendall(answer or b"")

        if kind == TCP:
            sock.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{sock.getsockname()[1]}"
        thread.join()


def test_the_table_has_the_defaults_of_the_configuration() -> None:
    config = Config()
    assert str(config.daemon.control) == CONTROL
    for service in SERVICES:
        section = attrgetter(service.key)(config)
        assert service.listen == tuple(map(str, section.listen))
        assert service.is_on == section.enabled or service.key == "metrics"
    kinds = {listener.key: listener.kind for listener in LISTENERS}
    assert {service.key: service.kind.name for service in SERVICES} == {
        service.key: "SOCK_STREAM" if kinds[service.key] == "tcp" else "SOCK_DGRAM" for service in SERVICES
    }
    assert {listener.key for listener in LISTENERS} - {service.key for service in SERVICES} == {"command"}


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.key)
def test_a_service_that_answers_is_enough(service: Service) -> None:
    with served(service.kind, b"x") as address:
        assert health(settings(service.key, [address])) == f"{service.key} at {address} answers"


def test_a_silent_service_is_passed_over_for_one_that_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checked, "PATIENCE", 0.05)
    with served(UDP, None) as silent, served(UDP, b"") as answering:
        both = {**settings("dictionary", silent), "chat": {"listen": answering}}
        assert health(both) == f"chat at {answering} answers"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (ALL_OFF, "nothing that is on can be asked"),
        (settings("echo.tcp", "127.0.0.1:1"), "echo.tcp at 127.0.0.1:1: Connection refused"),
        (settings("chat", "127.0.0.1:1"), "chat at 127.0.0.1:1: Connection refused"),
        (settings("chat", "127.0.0.1:0"), "nothing that is on can be asked"),
        (settings("chat", 3), "nothing that is on can be asked"),
        (settings("chat", [3, "nowhere"]), "nothing that is on can be asked"),
        (settings("chat", "name:70000"), "chat at name:70000: "),
        ({**ALL_OFF, "chat": {"enabled": "yes"}}, "nothing that is on can be asked"),
    ],
)
def test_without_an_answer_the_reason_is_told(given: Mapping[str, Any], reason: str) -> None:
    with pytest.raises(NetechodError) as caught:
        health(given)
    assert reason in str(caught.value)
    assert caught.value.exit_code == 1


def test_silence_and_a_closed_connection_are_no_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checked, "PATIENCE", 0.05)
    with served(UDP, None) as address, pytest.raises(NetechodError, match="timed out"):
        health(settings("dictionary", address))
    with served(TCP, b"") as address, pytest.raises(NetechodError, match="closed without an answer"):
        health(settings("dict", address))
