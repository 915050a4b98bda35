"""What overrides the file: files of `conf.d`, `NETECHOD__SECTION__KEY=VALUE`, and `--set KEY=VALUE`.

This module needs nothing but the standard library, because `netechod --health` has to be quick.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from netechod.process.config.locations import leaves

CONF_D = "conf.d"
"""The directory of further files, beside the main one."""

OPTION = "--set"
PREFIX = "NETECHOD__"

MAX_NAMES = 50  # in a dotted key; more are refused, because tomllib's time grows with their square

_NAME = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-])(?:{_NAME}\.[ \t]*+){{{MAX_NAMES}}}")


class Override(NamedTuple):
    """A key and its value. A text that is no override has no path, and the problem with it instead."""

    source: str  # the option with its argument, or the name of the variable
    path: tuple[str, ...] = ()
    value: object = None
    problem: str = ""
    hint: str = ""


def overrides(options: Sequence[str], environment: Mapping[str, str]) -> Iterator[Override]:
    """Yield the overrides in the order in which they apply: the variables by name, then the options."""
    for name in sorted(environment):
        if name.startswith(PREFIX):
            yield _of_variable(name, environment[name])
    for option in options:
        yield _of_option(option)


def conf_d_of(values: Mapping[str, Any], changes: Iterable[Override]) -> str:
    """Return the directory of further files, as the main file or an override names it; empty for none."""
    daemon = values.get("daemon")
    name = daemon.get("conf_d", CONF_D) if isinstance(daemon, dict) else CONF_D
    for override in changes:
        name = override.value if override.path == ("daemon", "conf_d") else name
    return name if isinstance(name, str) else ""  # the models refuse anything else


def further_files(path: Path, base: Path | None, name: str) -> list[Path]:
    """Return the TOML files in the directory `name` beside the file `path`, sorted. Raises OSError.

    No such directory is none. Hidden files are not read: editors leave them.
    """
    directory = path.parent / name
    try:
        files = sorted((directory if base is None else base / directory).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [directory / file.name for file in files if file.suffix == ".toml" and file.name[0] != "."]


def assign(values: dict[str, Any], path: tuple[str, ...], value: object) -> list[tuple[str, ...]]:
    """Set a value in nested tables. Returns the paths that are new: of the value, and of tables above it."""
    table, new = values, []
    for depth, name in enumerate(path[:-1], 1):
        if not isinstance(table.get(name), dict):
            table[name] = {}
            new.append(path[:depth])
        table = table[name]
    table[path[-1]] = value
    return [*new, path]


def unchecked(path: Path | None, options: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the values that are set, whatever they are. Raises OSError or ValueError."""
    values: dict[str, Any] = {}
    changes = list(overrides(options, environment))
    if path is not None:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        name = conf_d_of(values, changes)
        for file in further_files(path, None, name) if name else ():
            for names, value in leaves(tomllib.loads(file.read_text(encoding="utf-8"))):
                assign(values, names, value)
    for one in changes:
        if one.path:
            assign(values, one.path, one.value)
    return values


def parse(text: str) -> dict[str, Any]:
    """Parse TOML. Raises ValueError or RecursionError, also for values that JSON cannot carry."""
    if _LONG_KEY.search(text):
        raise RecursionError
    values = tomllib.loads(text)
    json.dumps(values, default=str)
    return values


def _of_option(option: str) -> Override:
    source = f"{OPTION} {option}"
    key, equals, text = option.partition("=")
    try:
        option.encode()
        path = _parse_key(key)
    except (ValueError, RecursionError):
        equals = ""
    if not equals:
        hint = f"for example {OPTION} chat.idle_timeout=30"
        return Override(source, problem="must be KEY=VALUE in UTF-8", hint=hint)
    return Override(source, path, _parse_value(text))


def _of_variable(name: str, text: str) -> Override:
    path = tuple(name.removeprefix(PREFIX).lower().split("__"))
    try:
        (name + text).encode()
    except ValueError:
        path = ()
    if not all(path) or not 0 < len(path) <= MAX_NAMES:
        hint = f"for example {PREFIX}CHAT__IDLE_TIMEOUT=30"
        return Override(name, problem=f"must be {PREFIX}SECTION__KEY=VALUE in UTF-8", hint=hint)
    return Override(name, path, _parse_value(text))


def _parse_key(text: str) -> tuple[str, ...]:
    """Return the names of a dotted key. Raises ValueError or RecursionError."""
    path: tuple[str, ...] = ()
    value: Any = parse(f"{text} = 0")
    while isinstance(value, dict):
        ((name, value),) = value.items()
        path += (name,)
    return path


def _parse_value(text: str) -> object:
    """Return the value of a TOML text, or the text itself if it is no TOML: a shell removes quotes."""
    try:
        values = parse(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return values["value"] if len(values) == 1 else text
