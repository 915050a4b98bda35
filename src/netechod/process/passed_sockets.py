"""Compares the sockets that a service manager passes with the configuration."""

import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from netechod.process.config.listeners import Listener, enabled, listeners
from netechod.process.config.schema import Config
from netechod.process.config.values import Address
from netechod.process.unix.service_manager import listen_fds
from netechod.process.unix.socket_units import passed_by_units
from netechod.process.unix.sockets import bound_to

Passed: TypeAlias = Mapping[str, Sequence[Address]]
"""The addresses of passed sockets, by the names under which they are passed."""


def passed_sockets(config: Path | None) -> Passed:
    """Return the sockets that are passed to this process, or else those that systemd passes to the daemon.

    The daemon is the one that runs with the file `config`. The sockets of this process are closed.
    """
    passed: dict[str, list[Address]] = {}
    for name, fds in listen_fds().items():
        for fd in fds:
            with socket.socket(fileno=fd) as sock:
                passed.setdefault(name, []).append(bound_to(sock))
    return passed or passed_by_units(config)


def differences(config: Config, passed: Passed, explicit: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield what is not as the configuration has it: a key, empty if there is none, and a sentence.

    `explicit` are the keys that the operator has set.
    """
    rows = listeners()
    wanted = {listener.name: listener for listener in enabled(config)}
    for name, places in passed.items():
        if name not in rows:
            names = ", ".join(rows)
            yield "", f"socket passed as {name} is not used: no such service is on; the names are {names}"
        elif name not in wanted:
            yield f"{rows[name].key}.enabled", _unused(rows[name])
        else:
            key = f"{rows[name].key}.listen"
            if places and key in explicit and set(places) != set(rows[name].section(config).listen):
                yield key, _overridden(key, places)


def left_off(
    config: Config, passed: Collection[str], explicit: Collection[str]
) -> Iterator[tuple[Listener, str]]:
    """Yield the services that are on and stay off all the same, and why.

    If other sockets are passed, the default of a service could be open to the world, and a socket unit was
    meant to say where it listens. A service whose instances would not know of one another shares no port.
    """
    rows = listeners()
    is_managed = any(name in rows for name in passed)
    for listener in enabled(config):
        why = listener.why_alone(config)
        if why and config.daemon.reuse_port:
            yield listener, f"daemon.reuse_port is true, and {why}"
        elif is_managed and listener.name not in passed and f"{listener.key}.listen" not in explicit:
            name = listener.name
            yield (
                listener,
                f"the service manager passes sockets, but none as {name} (start its socket unit, then "
                f"restart, or set {listener.key}.listen)",
            )


def _unused(listener: Listener) -> str:
    return (
        f"socket passed as {listener.name} is not used: {listener.key}.enabled is false; what arrives there "
        f"is thrown away (systemctl disable --now netechod-{listener.name}.socket ends that)"
    )


def _overridden(key: str, places: Sequence[Address]) -> str:
    return (
        f"{key} is not used: the service manager passes {', '.join(map(str, places))} "
        f"(change ListenStream= or ListenDatagram= of the socket unit)"
    )
