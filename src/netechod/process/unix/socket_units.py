"""Asks systemd which sockets its units pass to a netechod with a given configuration, for `--check`."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from netechod.process.config.values import Address

BOOTED = Path("/run/systemd/system")  # it is there if systemd is process 1 (sd_booted(3))
PATIENCE = 5.0  # seconds for an answer of systemd
SERVICES = ("netechod.service", "netechod-*.service", "netechod@*.service")
DEFAULT_CONFIG = Path("/etc/netechod/netechod.toml")

Properties = Mapping[str, Sequence[str]]
"""The properties of a unit. A property can stand there more than once."""


def passed_by_units(config: Path | None, booted: Path = BOOTED) -> dict[str, list[Address]]:
    """Return the addresses of the active socket units by their FileDescriptorName=.

    They are those of the services that run netechod with this configuration. Without systemd there are none.
    """
    if config is None or not booted.is_dir():
        return {}
    passed: dict[str, list[Address]] = {}
    for service in _units(SERVICES, "ExecStart", "TriggeredBy"):
        if config.resolve() not in map(_config_of, service.get("ExecStart", ())):
            continue
        triggers = [unit for text in service.get("TriggeredBy", ()) for unit in text.split()]
        sockets = [unit for unit in triggers if unit.endswith(".socket")]
        for unit in _units(sockets, "Id", "FileDescriptorName", "ActiveState", "Listen") if sockets else ():
            if unit.get("ActiveState") == ["active"]:
                [name] = unit.get("FileDescriptorName") or unit["Id"]
                passed.setdefault(name, []).extend(_addresses(unit.get("Listen", ())))
    return passed


def _units(patterns: Sequence[str], *properties: str) -> Iterator[Properties]:
    """Yield the properties of units, as systemctl(1) shows them. Without an answer there are none."""
    command = ["systemctl", "show", f"--property={','.join(properties)}", "--", *patterns]
    try:
        answer = subprocess.run(  # noqa: S603 (the names come from systemd)
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return
    for block in answer.stdout.decode(errors="replace").split("\n\n"):
        found: dict[str, list[str]] = {}
        for line in block.splitlines():
            name, _, value = line.partition("=")
            if value:
                found.setdefault(name, []).append(value)
        yield found


def _config_of(command: str) -> Path:
    """Return the configuration that a command line of a unit names.

    >>> _config_of("{ path=/usr/bin/netechod ; argv[]=netechod -c /etc/x.toml ; ignore_errors=no }")
    PosixPath('/etc/x.toml')
    """
    words = command.partition("argv[]=")[2].partition(" ;")[0].split()
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in ("-c", "--config"):
            return Path(following)
        if word.startswith("--config="):
            return Path(word.removeprefix("--config="))
    return DEFAULT_CONFIG


def _addresses(listed: Sequence[str]) -> Iterator[Address]:
    """Read lines such as `[::]:8081 (Datagram)`. What is no address of the internet is left out."""
    for text in listed:
        try:
            yield Address.parse(text.partition(" (")[0])
        except ValueError:
            continue
