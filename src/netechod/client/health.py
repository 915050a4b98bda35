"""`netechod --health`: asks the daemon of this machine whether it answers.

This needs nothing but the standard library, because health checks are frequent.
"""

import errno
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from netechod.client.errors import ClientError
from netechod.client.operator.control import ask
from netechod.errors import NetechodError, reason_of

PATIENCE = 0.5  # seconds to wait for each answer; five services take less than the timeout of a probe
CONTROL = "/run/netechod/control.sock"  # the default of daemon.control
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}  # noqa: S104 (asked, not bound)
STAMP_PACKET = bytes(44)  # RFC 8762, 4.2.1: all its fields may be 0


class Service(NamedTuple):
    """A service that answers a question, and what its configuration is by default."""

    key: str  # its section
    kind: socket.SocketKind
    is_on: bool
    listen: tuple[str, ...]
    question: bytes


TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
SERVICES = (
    Service("echo.udp", UDP, True, ("[::]:8080",), b"health"),
    Service("dictionary", UDP, True, ("[::]:8081",), b"health"),
    Service("chat", UDP, True, ("[::]:8082",), b"health"),
    Service("stamp", UDP, False, ("[::]:862",), STAMP_PACKET),
    Service("dict", TCP, False, ("[::]:2628",), b"QUIT\r\n"),
    Service("echo.tcp", TCP, True, ("[::]:8080",), b"health"),
    Service("metrics", TCP, True, (), b"HEAD / HTTP/1.0\r\n\r\n"),
)
"""In the order in which they are asked. A TCP connection comes late, because it writes to the log."""


def health(settings: Mapping[str, Any]) -> str:
    """Return who has answered, as a sentence. Raises NetechodError with the reason if nobody has.

    `settings` are the values that are set in the configuration. One answer is enough, because one loop gives
    all of them.
    """
    failures = []
    for name, question in _questions(settings):
        try:
            question()
        except ClientError as error:
            failures.append(f"{name}: {error}")
        except OSError as error:
            failures.append(f"{name}: {reason_of(error)}")
        else:
            return f"{name} answers"
    raise NetechodError("; ".join(failures) or "nothing that is on can be asked, and daemon.control is empty")


def _questions(settings: Mapping[str, Any]) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the name of each place that can be asked, and the question."""
    control = _value(settings, "daemon.control", CONTROL)
    if isinstance(control, str) and control and os.access(control, os.R_OK | os.W_OK):
        yield control, partial(ask, Path(control), "status", timeout=PATIENCE)
    for service in SERVICES:
        if _value(settings, f"{service.key}.enabled", service.is_on) is True:
            for address in _addresses(_value(settings, f"{service.key}.listen", service.listen)):
                host, _, port = address.rpartition(":")
                if port.isdecimal() and int(port):  # the port that the kernel has chosen is not known here
                    yield f"{service.key} at {address}", partial(_ask, service, host.strip("[]"), port)


def _value(settings: Mapping[str, Any], key: str, default: object) -> object:
    """Return a value of nested tables; the default where it is not set."""
    value: Any = settings
    for name in key.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return default
        value = value[name]
    return value


def _addresses(listen: object) -> list[str]:
    """Return the addresses of a key `listen`, which may be one text."""
    if isinstance(listen, str):
        return [listen]
    return [text for text in listen if isinstance(text, str)] if isinstance(listen, list | tuple) else []


def _ask(service: Service, host: str, port: str) -> None:
    """Send the question of a service and wait for some answer. Raises OSError if there is none."""
    family, _, _, _, address = socket.getaddrinfo(
        WILDCARDS.get(host, host), port, type=service.kind, flags=socket.AI_NUMERICHOST
    )[0]
    with socket.socket(family, service.kind) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(address)
        sock.sendall(service.question)
        if not sock.recv(1024) and service.kind == TCP:
            raise ConnectionAbortedError(errno.ECONNABORTED, "the connection was closed without an answer")
