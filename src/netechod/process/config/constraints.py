"""Checks across keys: values that are valid alone but conflict with each other."""

from collections.abc import Iterator
from typing import TypeAlias

from netechod.process.config.listeners import enabled
from netechod.process.config.locations import KeyPath
from netechod.process.config.schema import Address, AllowedCommand, Config
from netechod.services.command.placeholder import PLACEHOLDER

Conflict: TypeAlias = tuple[str, str, str]
"""Two keys, in the order of the sections, and the value that stands in both."""


def conflicts(config: Config) -> Iterator[Conflict]:
    """Yield each pair of keys whose values conflict."""
    yield from _addresses_taken_twice(config)
    for network in config.access.allow:
        if network in config.access.deny:
            yield "access.allow", "access.deny", str(network)
    yield from _indexes_taken_twice(config)
    if config.daemon.pidfile == config.daemon.control is not None:
        yield "daemon.pidfile", "daemon.control", str(config.daemon.pidfile)


def _indexes_taken_twice(config: Config) -> Iterator[Conflict]:
    """Yield the files of indexes that are another index or a dictionary, too."""
    sections = config.dictionary.sections
    taken = {section.file: f"{key}.file" for key, section in sections.items()}
    for key, section in sections.items():
        if section.index in taken:
            yield taken[section.index], f"{key}.index", str(section.index)
        elif section.index is not None:
            taken[section.index] = f"{key}.index"


def _addresses_taken_twice(config: Config) -> Iterator[Conflict]:
    """Yield the addresses of two services. TCP and UDP have separate ports; port 0 never conflicts."""
    taken: dict[tuple[str, Address], str] = {}
    for listener in enabled(config):
        protocol, key = listener.kind.upper(), f"{listener.key}.listen"
        for address in listener.section(config).listen:
            if (protocol, address) in taken:
                yield taken[protocol, address], key, f"{protocol} {address}"
            elif address.port:
                taken[protocol, address] = key


def requirements(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Yield the keys whose value does not fit the others, each with a sentence about the right value."""
    if config.command.enabled and config.command.key_file is None:
        yield ("command", "key_file"), "must name the file with the keys where command.enabled is true"
    stamp = config.stamp
    if stamp.enabled and stamp.authentication != "off" and stamp.key_file is None:
        yield ("stamp", "key_file"), "must name the file with the keys unless stamp.authentication is off"
    if config.dict.enabled and not config.dictionary.enabled:
        yield ("dict", "enabled"), "must be false where dictionary.enabled is false: there are no words then"
    if config.dictionary.name in config.dictionary.more:
        path = ("dictionary", "more", config.dictionary.name)
        yield path, "must have another name: that of the first dictionary is the same (dictionary.name)"
    for name, command in config.command.allow.items():
        for key, message in _command_requirements(command):
            yield ("command", "allow", name, key), message


def _command_requirements(command: AllowedCommand) -> Iterator[tuple[str, str]]:
    """Yield the problems of one command, each with its key."""
    if not command.argv[0] or PLACEHOLDER.search(command.argv[0]):
        yield "argv", "must begin with a program, which no request can choose"
    known = range(1, len(command.parameters) + 1)
    for word in command.argv:
        for found in PLACEHOLDER.finditer(word):
            if int(found[1]) not in known:
                yield "argv", f"{found[0]} stands for an argument that has no parameter"
    for number in command.secret:
        if number not in known:
            yield "secret", f"{number} is the number of no parameter"
