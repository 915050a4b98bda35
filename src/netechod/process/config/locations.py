"""Finds where in a TOML file each key and list item stands. `tomllib` does not tell.

The scanner follows text that `tomllib` has accepted already (TOML 1.0). So it checks nothing itself.
"""

import json
import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]
"""Names of sections and keys, and numbers of list items: `("echo", "tcp", "listen", 0)`."""

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


class Location(NamedTuple):
    """A part of a line. If `line` is 0, a whole source instead: a file or an option."""

    source: str
    line: int = 0
    column: int = 1
    width: int = 1
    text: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


class Locations:
    """A tree with a node for each section, key and list item; each node may know its location."""

    __slots__ = ("_below", "location")

    def __init__(self) -> None:
        self.location: Location | None = None
        self._below: dict[str | int, Locations] = {}

    def child(self, name: str | int) -> "Locations":
        """Return the node of that name below this one. It is made if there is none."""
        node = self._below.get(name)
        if node is None:
            node = self._below[name] = Locations()
        return node

    def get(self, path: KeyPath) -> Location | None:
        """Return the location of the item at `path`, if it has one."""
        node = self
        for name in path:
            if name not in node._below:
                return None
            node = node._below[name]
        return node.location

    def nearest(self, path: KeyPath) -> Location | None:
        """Return the location of the item at `path`, or of the closest item around it."""
        node, found = self, None
        for name in path:
            if name not in node._below:
                break
            node = node._below[name]
            found = node.location or found
        return found

    def replace(self, path: KeyPath, location: Location) -> None:
        """Set the location of the item at `path`, and forget all locations below it."""
        node = self
        for name in path:
            node = node.child(name)
        node.location = location
        node._below.clear()

    def graft(self, name: str, other: "Locations") -> None:
        """Put a node of another tree in the place of the node of that name below this one."""
        self._below[name] = other


def quoted(text: str) -> str:
    """Return a TOML string.

    TOML knows all escapes of JSON. DEL is the one control character that JSON passes and TOML refuses.
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def dotted(path: KeyPath) -> str:
    """Return the path as people write it.

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
    """Yield each value that is not a table, with its path."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


class _Lines:
    """Turns offsets in a text into locations."""

    def __init__(self, text: str, source: str) -> None:
        self._source = source
        self._lines = text.split("\n")
        self._starts = [0] + [newline.end() for newline in re.finditer("\n", text)]

    def location(self, start: int, end: int) -> Location:
        """Return the location of the text between two offsets, or of its part in the first line."""
        line = bisect_right(self._starts, start)
        text = self._lines[line - 1]
        column = start - self._starts[line - 1] + 1
        return Location(self._source, line, column, min(end - start, len(text) - column + 1), text)


class _Scanner:
    """A recursive descent parser. `_kind` and `_token` describe the next token."""

    def __init__(self, text: str, source: str) -> None:
        self.locations = Locations()
        self._lines = _Lines(text, source)
        self._rest = (match for match in _TOKEN.finditer(text) if match.lastgroup)
        self._advance()

    def document(self) -> None:
        """Read `[table]` lines and `key = value` lines."""
        table = self.locations
        while self._kind:
            if self._accept("["):
                self._accept("[")
                table = self._key(self.locations)
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

    def _key(self, node: Locations) -> Locations:
        """Read a dotted key below `node`. Each of its names gets the location of its first mention."""
        while True:
            name = tomllib.loads(f"key = {self._token}")["key"] if self._kind == "string" else self._token
            node = node.child(name)
            node.location = node.location or self._lines.location(*self._span)
            self._advance()
            if not self._accept("."):
                return node

    def _pair(self, table: Locations) -> None:
        node = self._key(table)
        self._accept("=")
        self._value(node)

    def _value(self, node: Locations) -> None:
        """Read a list, an inline table, or the tokens of anything else."""
        if self._accept("["):
            self._items(node)
        elif self._accept("{"):
            while not self._closed("}"):
                self._pair(node)
        else:
            while self._kind and (self._kind != "mark" or self._token not in _VALUE_ENDS):
                self._advance()

    def _items(self, node: Locations) -> None:
        number = 0
        while not self._closed("]"):
            item = node.child(number)
            item.location = self._lines.location(*self._span)
            self._value(item)
            number += 1

    def _closed(self, mark: str) -> bool:
        """Step over separators of items, and over the closing mark if it comes next."""
        while self._accept("\n") or self._accept(","):
            pass
        return self._kind is None or self._accept(mark)


def scan(text: str, source: str) -> Locations:
    """Return the locations in a text that `tomllib` accepts."""
    scanner = _Scanner(text, source)
    scanner.document()
    return scanner.locations
