"""Single keys from outside the file: options `--set KEY=VALUE`, and variables `NETECHOD__SECTION__KEY=VALUE`.

This module needs nothing but the standard library, because `netechod --health` has to be quick.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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
    values = {} if path is None else tomllib.loads(path.read_text(encoding="utf-8"))
    for one in overrides(options, environment):
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
