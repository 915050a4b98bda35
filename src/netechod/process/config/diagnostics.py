"""Describes the problems of a configuration, so that the operator can mend them without the manual.

The report has all problems at once, and their number at the end. Each is `error: FILE:LINE: KEY: MESSAGE`,
followed by the line with a mark below the value, and by a hint if there is one.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from netechod.process.config.locations import KeyPath, Location, Locations, dotted
from netechod.process.config.schema import KEYS, Config
from netechod.services.cells import cells
from netechod.services.wire import escape_controls

MAX_SHOWN = 60  # characters of a refused value
MAX_PROBLEMS = 100  # in a report, from the first line on; the others are only counted

_WRONG_KIND = {
    "bool_type": "must be true or false",
    "dict_type": "must be a table",
    "float_type": "must be a number",
    "int_type": "must be an integer",
    "model_type": "must be a table",
    "path_type": "must be a string",
    "string_type": "must be a string",
    "tuple_type": "must be a list",
}
_WRONG_VALUE = {
    "byte_size": "must be a size such as 65536 or '64KiB'",
    "byte_size_unit": "must be a size such as 65536 or '64KiB'",
    "finite_number": "must be a finite number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:.15g}",
    "less_than_equal": "must be at most {le:.15g}",
    "literal_error": "must be one of {expected}",
    "string_too_long": "must have at most {max_length} characters",
    "value_error": "{error}",
}
_PLAIN = {
    "extra_forbidden": "unknown key",
    "json_invalid": "nested too deeply",  # the one fault of JSON that json.dumps can write
    "missing": "is missing",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
}
_KINDS = {
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "a table",
}
_PATHS = {tuple(key.split(".")) for key in KEYS}
_NAMES = {path[:end] for path in _PATHS for end in range(1, len(path) + 1)}  # of sections and keys


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of the configuration."""

    location: Location
    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        first = ": ".join(filter(None, ["error", str(self.location), self.key, self.message]))
        hint = [f"{_gutter(self.location)} = hint: {escape_controls(self.hint)}"] if self.hint else []
        return "\n".join([escape_controls(first), *_picture(self.location), *hint])


def report(source: str, problems: Sequence[Problem]) -> str:
    """Report the problems: those of `source`, of the other files, and then of the command line."""
    count = f"{len(problems)} error{'s' if len(problems) > 1 else ''}"
    inside = sorted(
        (problem for problem in problems if problem.location.line), key=lambda each: _order(each, source)
    )
    outside = [problem for problem in problems if not problem.location.line]
    shown = [*inside, *outside][:MAX_PROBLEMS]
    hidden = len(problems) - len(shown)
    more = [f"error: {hidden} more errors are not shown"] if hidden else []
    last = f"{source}: {count}; the configuration was not applied"
    return "\n\n".join([*map(str, shown), *more, last])


def _order(problem: Problem, source: str) -> tuple[bool, str, int]:
    """Return what sorts problems by their files, the main one first, and by their lines."""
    location = problem.location
    return location.source != source, location.source, location.line


def _gutter(location: Location) -> str:
    """Return blanks as wide as the line's number."""
    return " " * len(str(location.line))


def _picture(location: Location) -> list[str]:
    """Return the line of the file, with carets below the location."""
    if not location.line:
        return []
    gutter = _gutter(location)
    before, marked = (
        location.text[: location.column - 1],
        location.text[location.column - 1 :][: location.width],
    )
    return [
        f"{gutter}--> {escape_controls(str(location))}:{location.column}",
        f"{gutter} |",
        f"{location.line} | {_shown(location.text)}",
        f"{gutter} | {' ' * cells(_shown(before))}{'^' * max(1, cells(_shown(marked)))}",
    ]


def _shown(text: str) -> str:
    return escape_controls(text.replace("\t", " "))


def model_problems(error: ValidationError, locations: Locations, source: str) -> Iterator[Problem]:
    """Convert the errors of the models to problems, with their locations in the file or on the command line.

    To describe a problem takes time. The report shows only the first MAX_PROBLEMS, so the others stay without
    key and message and are only counted.
    """
    located = []
    for details in error.errors(include_url=False):
        path = tuple(name for name in details["loc"] if name != "[key]")  # pydantic's mark of a wrong name
        located.append((locations.nearest(path) or Location(source), path, details))
    located.sort(key=lambda each: each[0].line or math.inf)
    for location, path, details in located[:MAX_PROBLEMS]:
        yield Problem(location, dotted(path), _message(details), _hint(details))
    for location, _, _ in located[MAX_PROBLEMS:]:
        yield Problem(location, "", "")


def _message(details: ErrorDetails) -> str:
    kind, value, context = details["type"], details["input"], dict(details.get("ctx", {}))
    if "expected" in context:
        context["expected"] = context["expected"].replace(" or ", ", ")
    if kind in _WRONG_KIND:
        return f"{_WRONG_KIND[kind]} (got {_kind_of(value)})"
    if kind in _WRONG_VALUE:
        return f"{_WRONG_VALUE[kind].format(**context)} (got {_value(value)})"
    return _PLAIN.get(kind) or details["msg"]


def _is_nan(value: object) -> bool:
    """Return whether the value is NaN. The models also get NaN in place of a date."""
    return isinstance(value, float) and math.isnan(value)


def _kind_of(value: object) -> str:
    if _is_nan(value):
        return "nan or a date"
    return _KINDS.get(type(value), "something else")


def _value(value: object) -> str:
    """Return the value about as TOML writes it, at most MAX_SHOWN characters."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict) or _is_nan(value):
        return _kind_of(value)
    shown = repr(value)
    return shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}..."


def _hint(details: ErrorDetails) -> str:
    """Return a suggestion of the right key or value, or nothing."""
    kind, path, value = details["type"], details["loc"], details["input"]
    context = details.get("ctx", {})
    if kind == "extra_forbidden":
        return _hint_for_key(path)
    if kind == "literal_error" and isinstance(value, str):
        return _did_you_mean(value, re.findall("'([^']*)'", context["expected"]))
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f'write it in quotes: "{_value(value)}"' if not _is_nan(value) else ""
    return ""


def _hint_for_key(path: KeyPath) -> str:
    """Suggest the section in which the key exists, or a similar key of this section."""
    name = str(path[-1])
    homes = sorted(f"[{dotted(known[:-1])}]" for known in _NAMES if known[-1] == name and len(known) > 1)
    return f"'{name}' belongs in {' or '.join(homes)}" if homes else _did_you_mean(name, _siblings(path))


def _did_you_mean(word: str, choices: Sequence[str]) -> str:
    by_folded = {choice.casefold(): choice for choice in choices}
    close = get_close_matches(word.casefold(), by_folded, n=1)
    return f"did you mean '{by_folded[close[0]]}'?" if close else ""


def _siblings(path: KeyPath) -> list[str]:
    """Return the keys that exist in the section of `path`."""
    section: Any = Config
    for name in path[:-1]:
        known = section.model_fields if isinstance(section, type) and issubclass(section, BaseModel) else {}
        section = known[name].annotation if name in known else get_args(section)[1]
    return list(section.model_fields)
