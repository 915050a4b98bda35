"""Where in a TOML file each key and list item stands, which `tomllib` does not tell.

The scanner follows text that `tomllib` has accepted already (TOML 1.0), so it checks nothing itself.
"""

import json
import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]
"""Names of sections and keys, numbers of list items: `("echo", "tcp", "listen", 0)`."""

_TOKEN = re.compile(
    r'''(?P<string> """(?:[^"\\]|\\.|"(?!""))*"{3,5}    # """ ends at the last of up to five quotes
                  | \'\'\'(?:[^']|'(?!\'\'))*'{3,5}
                  | "(?:[^"\\]|\\.)*"
                  | '[^']*')
      | (?P<word>[^\s#"'\[\]{}=,.]+)                    # a bare key, or a piece of a number or date
      | (?P<mark>[\[\]{}=,.\n])
      | [ \t]+ | \#[^\n]*''',
    re.VERBOSE | re.DOTALL,
)

_VALUE_ENDS = "\n,]}"


@dataclass(frozen=True, slots=True)
class Location:
    """A stretch of a line; or, when `line` is 0, a source as a whole: a file, an option."""

    source: str
    line: int = 0
    column: int = 1
    width: int = 1
    text: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


class Locations(dict[KeyPath, Location]):
    """The location of every key and list item that stands somewhere."""

    def nearest(self, path: KeyPath) -> Location | None:
        """The location of the item, or of the closest thing around it."""
        return next((self[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self), None)

    def replace(self, path: KeyPath, location: Location) -> None:
        """Put everything below `path` at the location, whatever stood there before."""
        for below in [known for known in self if known[: len(path)] == path]:
            del self[below]
        self[path] = location


def quoted(text: str) -> str:
    """A TOML string. JSON's escapes are a part of TOML's; of the controls JSON lets pass, TOML minds DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def dotted(path: KeyPath) -> str:
    """The path as a person writes it.

    >>> dotted(("command", "allow", "disk use", "argv", 0))
    'command.allow."disk use".argv[0]'
    """
    names = [
        f"[{name}]"
        if isinstance(name, int)
        else name
        if re.fullmatch("[A-Za-z0-9_-]+", name)
        else quoted(name)
        for name in path
    ]
    return ".".join(names).replace(".[", "[")


def leaves(table: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every value that is not a table, below its path."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


class _Lines:
    """Turns offsets into locations."""

    def __init__(self, text: str, source: str) -> None:
        self._source = source
        self._lines = text.split("\n")
        self._starts = [0] + [newline.end() for newline in re.finditer("\n", text)]

    def location(self, start: int, end: int) -> Location:
        """The stretch from offset to offset, or as much of it as stands in its first line."""
        line = bisect_right(self._starts, start)
        text = self._lines[line - 1]
        column = start - self._starts[line - 1] + 1
        return Location(self._source, line, column, min(end - start, len(text) - column + 1), text)


class _Scanner:
    """A recursive descent over the tokens; `_kind` and `_token` are the one that comes next."""

    def __init__(self, text: str, source: str) -> None:
        self.locations = Locations()
        self._lines = _Lines(text, source)
        self._rest = (match for match in _TOKEN.finditer(text) if match.lastgroup)
        self._advance()

    def document(self) -> None:
        """`[table]` lines and `key = value` lines."""
        table: KeyPath = ()
        while self._kind:
            if self._accept("["):
                self._accept("[")
                table = self._key(())
                self._accept("]")
                self._accept("]")
            elif not self._accept("\n"):
                self._pair(table)

    def _advance(self) -> None:
        match = next(self._rest, None)
        self._kind = match.lastgroup if match else None
        self._token = match[0] if match else ""
        self._span = match.span() if match else (0, 0)

    def _accept(self, mark: str) -> bool:
        """Step over the mark if it comes next."""
        if self._kind != "mark" or self._token != mark:
            return False
        self._advance()
        return True

    def _key(self, path: KeyPath) -> KeyPath:
        """A dotted key below `path`; each of its names stands where it is first mentioned."""
        while True:
            name = tomllib.loads(f"key = {self._token}")["key"] if self._kind == "string" else self._token
            path = (*path, name)
            self.locations.setdefault(path, self._lines.location(*self._span))
            self._advance()
            if not self._accept("."):
                return path

    def _pair(self, table: KeyPath) -> None:
        path = self._key(table)
        self._accept("=")
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        """A list, an inline table, or the tokens of anything else."""
        if self._accept("["):
            self._items(path)
        elif self._accept("{"):
            while not self._closed("}"):
                self._pair(path)
        else:
            while self._kind and (self._kind != "mark" or self._token not in _VALUE_ENDS):
                self._advance()

    def _items(self, path: KeyPath) -> None:
        number = 0
        while not self._closed("]"):
            item = (*path, number)
            self.locations[item] = self._lines.location(*self._span)
            self._value(item)
            number += 1

    def _closed(self, mark: str) -> bool:
        """Step over what separates items, and over the closing mark if it comes next."""
        while self._accept("\n") or self._accept(","):
            pass
        return self._kind is None or self._accept(mark)


def scan(text: str, source: str) -> Locations:
    """The locations in a text that `tomllib` accepts."""
    scanner = _Scanner(text, source)
    scanner.document()
    return scanner.locations
