"""The problems of a configuration, as a report that a person can act on without a manual.

Every problem is `error: FILE:LINE: KEY: MESSAGE`, then the line with the spot marked, then a hint when there
is one; all of them at once, and a count at the end.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from netechod.process.config.locations import KeyPath, Place, Places, dotted
from netechod.process.config.schema import KEYS, Config
from netechod.services.cells import cells
from netechod.services.wire import escape_controls

MAX_SHOWN = 60  # characters of a refused value
MAX_PROBLEMS = 100  # that are reported, from the first line on; of the others their number is told

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
    "json_invalid": "nested too deeply",  # the only text of json.dumps that pydantic does not read
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


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend."""

    place: Place
    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        first = ": ".join(filter(None, ["error", str(self.place), self.key, self.message]))
        hint = [f"{_gutter(self.place)} = hint: {escape_controls(self.hint)}"] if self.hint else []
        return "\n".join([escape_controls(first), *_picture(self.place), *hint])


def report(source: str, problems: Sequence[Problem]) -> str:
    """Report the problems: those of the file in its order, then those of the command line."""
    count = f"{len(problems)} error{'s' if len(problems) > 1 else ''}"
    inside = sorted((problem for problem in problems if problem.place.line), key=lambda each: each.place.line)
    outside = [problem for problem in problems if not problem.place.line]
    shown = [*inside, *outside][:MAX_PROBLEMS]
    hidden = len(problems) - len(shown)
    more = [f"error: {hidden} more errors are not shown"] if hidden else []
    last = f"{source}: {count}; the configuration was not applied"
    return "\n\n".join([*map(str, shown), *more, last])


def _gutter(place: Place) -> str:
    """As wide as the line's number, so that everything below it lines up."""
    return " " * len(str(place.line))


def _picture(place: Place) -> list[str]:
    """The line as it stands in the file, with carets below the spot."""
    if not place.line:
        return []
    gutter = _gutter(place)
    before, marked = place.text[: place.column - 1], place.text[place.column - 1 :][: place.width]
    return [
        f"{gutter}--> {escape_controls(str(place))}:{place.column}",
        f"{gutter} |",
        f"{place.line} | {_shown(place.text)}",
        f"{gutter} | {' ' * cells(_shown(before))}{'^' * max(1, cells(_shown(marked)))}",
    ]


def _shown(text: str) -> str:
    return escape_controls(text.replace("\t", " "))


def model_problems(error: ValidationError, places: Places, source: str) -> Iterator[Problem]:
    """Convert the errors of the models to problems, with their places in the file or on the command line.

    A hint is slow to find. Only the problems that are shown get one.
    """
    placed = []
    for details in error.errors(include_url=False):
        path = tuple(name for name in details["loc"] if name != "[key]")  # pydantic's mark of a wrong name
        placed.append((places.nearest(path) or Place(source), path, details))
    placed.sort(key=lambda each: each[0].line or math.inf)
    for number, (place, path, details) in enumerate(placed):
        hint = _hint(details) if number < MAX_PROBLEMS else ""
        yield Problem(place, dotted(path), _message(details), hint)


def _message(details: ErrorDetails) -> str:
    kind, value, context = details["type"], details["input"], dict(details.get("ctx", {}))
    if "expected" in context:
        context["expected"] = context["expected"].replace(" or ", ", ")
    if kind in _WRONG_KIND:
        return f"{_WRONG_KIND[kind]} (got {_kind_of(value)})"
    if kind in _WRONG_VALUE:
        return f"{_WRONG_VALUE[kind].format(**context)} (got {_value(value)})"
    if kind == "unavailable":
        return details["msg"] if isinstance(value, list) else f"{_value(value)} {details['msg']}"
    return _PLAIN.get(kind) or details["msg"]


def _is_nan(value: object) -> bool:
    """Whether it is NaN. The models are given NaN in place of a date, too."""
    return isinstance(value, float) and math.isnan(value)


def _kind_of(value: object) -> str:
    if _is_nan(value):
        return "nan or a date"
    return _KINDS.get(type(value), "something else")


def _value(value: object) -> str:
    """The value as TOML would write it, more or less, and cut."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict) or _is_nan(value):
        return _kind_of(value)
    shown = repr(value)
    return shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}..."


def _hint(details: ErrorDetails) -> str:
    """Suggest the right key or value."""
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
    """The key of that name in another section, or one like it in this section."""
    name = str(path[-1])
    everything = {tuple(key.split(".")) for key in KEYS}
    everything |= {known[:end] for known in everything for end in range(1, len(known))}
    homes = sorted(f"[{dotted(known[:-1])}]" for known in everything if known[-1] == name and len(known) > 1)
    return f"'{name}' belongs in {' or '.join(homes)}" if homes else _did_you_mean(name, _siblings(path))


def _did_you_mean(word: str, choices: Sequence[str]) -> str:
    by_folded = {choice.casefold(): choice for choice in choices}
    close = get_close_matches(word.casefold(), by_folded, n=1)
    return f"did you mean '{by_folded[close[0]]}'?" if close else ""


def _siblings(path: KeyPath) -> list[str]:
    """The keys that exist in the section where `path` stands."""
    section: Any = Config
    for name in path[:-1]:
        known = section.model_fields if isinstance(section, type) and issubclass(section, BaseModel) else {}
        section = known[name].annotation if name in known else get_args(section)[1]
    return list(section.model_fields)
