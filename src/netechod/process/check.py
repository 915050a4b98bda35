"""`netechod --check`: tells whether a start or a reload would accept the files."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

from netechod.clock_error import clock_refusal
from netechod.errors import ConfigError, DictionaryError, PermissionRefusedError
from netechod.process.command.keys import with_keys
from netechod.process.command.lint import warning_line, warnings
from netechod.process.config.general import NO_HIREDIS
from netechod.process.config.listeners import enabled
from netechod.process.config.load import Loaded, load
from netechod.process.config.schema import Config, Dictionary
from netechod.process.config.texts import text_files
from netechod.process.dictionary.file import Stamp, stamp_of
from netechod.process.dictionary.index import open_index
from netechod.process.dictionary.index_builder import survey
from netechod.process.dictionary.index_facts import UnusableIndexError
from netechod.process.dictionary.loader import fits, is_large, rules_of
from netechod.process.listeners import binding_of
from netechod.process.passed_sockets import Passed, differences, left_off, passed_sockets
from netechod.process.unix.control_socket import is_answered
from netechod.process.unix.pidfile import is_held
from netechod.process.unix.privileges import can_read, identity_of
from netechod.process.unix.sockets import bind_refusal, uncovered, unknown_interfaces


def check(path: Path | None, overrides: Sequence[str]) -> list[str]:
    """Check configuration and dictionary, and change nothing. Returns lines for the operator.

    Raises ConfigError for a bad configuration and for a bad dictionary.
    """
    loaded = with_keys(load(path, overrides))
    config = loaded.config
    listened = (address for listener in enabled(config) for address in listener.section(config).listen)
    if missing := list(unknown_interfaces(listened)):
        raise ConfigError("\n".join(f"error: {sentence}" for sentence in missing))
    lines = [
        *warnings(loaded),
        *_about_stamp(loaded),
        *_about_sockets(loaded),
        *_about_bus(loaded),
        *_in_the_way(loaded.config),
        *_unreadable(loaded),
        f"{path or 'built-in configuration'}: ok",
    ]
    for section in config.dictionary.all.values() if config.dictionary.enabled else ():
        lines += _checked(section)
    return lines


def _checked(section: Dictionary) -> Iterator[str]:
    """Check a dictionary. Raises ConfigError for a bad one."""
    try:
        entries, facts = survey(section.file, max_size=section.max_size, rules=rules_of(section))
    except DictionaryError as error:
        raise ConfigError(f"error: {error}") from None
    yield from facts.warnings
    yield f"{section.file}: ok, {entries} words, {facts.skipped} lines skipped"
    stamp = stamp_of(section.file)
    if section.index is not None and stamp is not None and is_large(section, stamp):
        yield f"{section.index}: {_state(section, stamp, section.index)}"


def _about_stamp(loaded: Loaded) -> Iterator[str]:
    """Yield warnings about the reflector."""
    stamp = loaded.config.stamp
    if not stamp.enabled:
        return
    if stamp.public and stamp.authentication != "required":
        anybody = "is true, and stamp.authentication is not required: anybody is answered"
        yield warning_line(loaded, "stamp.public", anybody)
    if refusal := clock_refusal():
        told = f"the state of the clock cannot be read, so no answer claims that it is right: {refusal}"
        yield warning_line(loaded, "stamp.enabled", told)


def socket_warnings(loaded: Loaded, passed: Passed | None = None) -> Iterator[tuple[str, str]]:
    """Yield what passed sockets change: a key of the configuration, which may be empty, and a sentence."""
    passed = _passed(loaded) if passed is None else passed
    explicit = loaded.origins.keys()
    yield from differences(loaded.config, passed, explicit)
    for listener, why in left_off(loaded.config, passed, explicit):
        yield f"{listener.key}.listen", f"{listener.name} is off: {why}"


def _passed(loaded: Loaded) -> Passed:
    return passed_sockets(loaded.base / loaded.path if loaded.path else None)


def _about_sockets(loaded: Loaded) -> Iterator[str]:
    """Yield warnings about sockets that are passed, and about addresses that another program has."""
    passed = _passed(loaded)
    for key, sentence in socket_warnings(loaded, passed):
        yield warning_line(loaded, key, sentence) if key else f"warning: {sentence}"
    daemon = loaded.config.daemon
    if is_answered(daemon.control) or is_held(daemon.pidfile):
        return  # the addresses are those of the daemon that runs
    for listener in enabled(loaded.config):
        for address in (
            uncovered(listener.section(loaded.config).listen) if listener.name not in passed else ()
        ):
            if refusal := bind_refusal(address, listener.kind, binding_of(listener, loaded.config)):
                sentence = f"{listener.kind.upper()} {address} cannot be bound now: {refusal}"
                yield warning_line(loaded, f"{listener.key}.listen", sentence)


def _in_the_way(config: Config) -> Iterator[str]:
    """Yield a warning for each name where the daemon needs one kind of file, and another one is there."""
    for key, path, is_right, kind, harm in (
        ("daemon.pidfile", config.daemon.pidfile, stat.S_ISREG, "regular file", "a start will fail"),
        (
            "daemon.control",
            config.daemon.control,
            stat.S_ISSOCK,
            "socket",
            "netechoctl cannot reach the daemon",
        ),
        ("log.directory", config.log.directory, stat.S_ISDIR, "directory", "a start will fail"),
    ):
        with suppress(OSError):  # it is missing, and a start makes it
            status = None if path is None else path.stat(follow_symlinks=key == "log.directory")
            if status is not None and not is_right(status.st_mode):
                yield f"warning: {key}: {path} is no {kind}: {harm}"


def _about_bus(loaded: Loaded) -> Iterator[str]:
    """Yield warnings about the bus. Raises ConfigError where it cannot work. It connects nowhere."""
    bus = loaded.config.bus
    if not bus.url:
        return
    try:
        from netechod.reactor.bus import resp, url  # noqa: F401 (only where there is a bus)
    except ImportError:
        raise ConfigError(f"error: {loaded.origins['bus.url']}: bus.url: {NO_HIREDIS}") from None
    if bus.ca_file is not None:
        import ssl

        try:
            ssl.create_default_context(cafile=bus.ca_file)
        except OSError as error:
            reason = f"{bus.ca_file}: cannot be loaded: {error.strerror or error}"
            raise ConfigError(f"error: {loaded.origins['bus.ca_file']}: bus.ca_file: {reason}") from None
    if url.Url.parse(bus.url).leaves_in_clear:
        told = "password and talk go to another machine in clear: rediss:// encrypts them"
        yield warning_line(loaded, "bus.url", told)


def _unreadable(loaded: Loaded) -> Iterator[str]:
    """Yield a warning for each file that the daemon's user cannot read at a reload."""
    daemon = loaded.config.daemon
    if os.geteuid() != 0 or not daemon.user:
        return
    try:
        identity = identity_of(daemon.user, daemon.group)
    except PermissionRefusedError as error:
        raise ConfigError(f"error: {error}") from None
    sections = loaded.config.dictionary.sections if loaded.config.dictionary.enabled else {}
    files = {
        "the configuration": loaded.base / loaded.path if loaded.path else None,
        **{str(path): loaded.base / path for path in loaded.more},
        **{f"{key}.file": section.file for key, section in sections.items()},
        **text_files(loaded.config),
        "stamp.key_file": loaded.config.stamp.key_file if loaded.config.stamp.enabled else None,
        "bus.password_file": loaded.config.bus.password_file if loaded.config.bus.url else None,
        "bus.ca_file": loaded.config.bus.ca_file if loaded.config.bus.url else None,
        "command.key_file": loaded.config.command.key_file if loaded.config.command.enabled else None,
    }
    for name, path in files.items():
        if path is not None and not can_read(identity, path):
            yield f"warning: {name}: user {daemon.user} cannot read {path}: a reload will fail"


def _state(section: Dictionary, stamp: Stamp, index: Path) -> str:
    """Describe the index of a large dictionary."""
    try:
        with closing(open_index(index)) as edition:
            if not fits(section, stamp, edition):
                return "the index of another file"
            known = edition.facts.stamp == stamp
            return (
                "ok, the index of this file"
                if known
                else "of a file of the same size and time; verified first"
            )
    except UnusableIndexError as error:
        return f"no index yet: {error}"
