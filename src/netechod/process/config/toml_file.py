"""Reads the values of a TOML file and their locations. Each failure is a problem with a location."""

import errno
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netechod.process.config.diagnostics import Problem
from netechod.process.config.locations import Location, Locations, scan
from netechod.process.config.overrides import parse
from netechod.regular_file import read_regular

MAX_SIZE = 1 << 20  # bytes; a longer file is refused, because it would take seconds to read

_BOM = "\ufeff"


class NotTomlError(Exception):
    """The file cannot be read, or is not TOML."""

    def __init__(self, location: Location, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(location, "", message, hint)


def read_toml(path: Path, source: str) -> tuple[dict[str, Any], Locations]:
    """Return the values and locations of a file. `source` is its name in reports. Raises NotTomlError."""
    text = _decoded(_bytes_of(path, source), source).replace("\r\n", "\n")
    if text.startswith(_BOM):
        raise NotTomlError(Location(source), "begins with a byte order mark", "save it as UTF-8 without BOM")
    try:
        return parse(text), scan(text, source)
    except RecursionError:
        raise NotTomlError(Location(source), "not valid TOML: nested too deeply") from None
    except ValueError as error:
        raise _syntax_error(str(error), text, source) from None


def merge(values: dict[str, Any], others: Mapping[str, Any], here: Locations, there: Locations) -> None:
    """Put other values in the place of those that have the same keys, and their locations with them."""
    for name, value in others.items():
        known = values.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            merge(known, value, here.child(name), there.child(name))
        else:
            values[name] = value
            here.graft(name, there.child(name))


def _bytes_of(path: Path, source: str) -> bytes:
    """Read a regular file. Raises NotTomlError."""
    try:
        data = read_regular(path, MAX_SIZE + 1)
    except OSError as error:
        hints = {
            errno.ENOENT: "without --config and without a default file, netechod runs on its defaults",
            errno.EACCES: "run as root, or let the user of the service read it",
            errno.EINVAL: "give the name of a TOML file",
        }
        problem = f"cannot be read: {error.strerror}"
        if error.errno == errno.EINVAL:
            problem = "is a directory" if path.is_dir() else "is not a regular file"
        raise NotTomlError(Location(source), problem, hints.get(error.errno or 0, "")) from None
    if len(data) > MAX_SIZE:
        raise NotTomlError(
            Location(source), f"is larger than {MAX_SIZE} bytes", "give the name of a TOML file"
        )
    return data


def _decoded(data: bytes, source: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        start = data.rfind(b"\n", 0, error.start) + 1
        line = data[start:].partition(b"\n")[0].decode(errors="replace")
        column = len(data[start : error.start].decode()) + 1
        location = Location(source, data.count(b"\n", 0, start) + 1, column, 1, line)
        problem = f"not UTF-8: byte 0x{data[error.start]:02x}"
        hint = "convert it, for example: iconv -f GB18030 -t UTF-8"
        raise NotTomlError(location, problem, hint) from None


def _syntax_error(sentence: str, text: str, source: str) -> NotTomlError:
    """Take the location out of the message of `tomllib`. Before Python 3.14 it stands nowhere else."""
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", sentence, re.DOTALL)
    if found is None:
        # int()'s own limit (sys.set_int_max_str_digits) is the one error without a location.
        return NotTomlError(Location(source), "not valid TOML: a number has too many digits")
    lines = text.removesuffix("\n").split("\n")
    number = int(found[2] or len(lines))
    line = lines[number - 1] if number <= len(lines) else ""
    location = Location(source, number, int(found[3] or len(line) + 1), 1, line)
    hint = "a key may stand only once" if "overwrite" in found[1] else ""
    return NotTomlError(location, f"not valid TOML: {found[1][0].lower()}{found[1][1:]}", hint)
