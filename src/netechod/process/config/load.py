"""Loads the configuration from file and command line. A bad one raises one report of all problems."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from netechod.errors import ConfigError
from netechod.process.config.constraints import conflicts, requirements
from netechod.process.config.diagnostics import Problem, model_problems, report
from netechod.process.config.locations import Location, Locations, dotted, leaves
from netechod.process.config.schema import KEYS, LIVE_KEYS, Config
from netechod.process.config.texts import texts_of
from netechod.process.config.toml_file import NotTomlError, parse_key, parse_value, read_toml
from netechod.process.config.values import RELATIVE

COMMAND_LINE = "--set"


@dataclass(frozen=True)
class Loaded:
    """A configuration, and the origins of its values: `FILE:LINE` or `--set`. Defaults have no origin."""

    config: Config
    path: Path | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    overrides: Sequence[str] = ()
    base: Path = Path("/")
    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)  # secrets of command.key_file, by id
    stamp_keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)  # the same of stamp.key_file
    bus_password: bytes = field(default=b"", repr=False)  # in bus.password_file
    bus_problem: str = ""  # why there is none
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)  # in files for DICT clients, by key

    def reread(self) -> "Loaded":
        """Load it again. Relative names still start at `base`, wherever the process is now."""
        return load(self.path, self.overrides, self.base)


def load(path: Path | None, overrides: Sequence[str] = (), base: Path | None = None) -> Loaded:
    """Read the file (None: the defaults), then apply `KEY=VALUE` overrides in order.

    Relative file names, also `path`, start at `base`, by default the working directory. Raises ConfigError
    with all problems.
    """
    base = base or _working_directory()
    draft = _Draft("command line" if path is None else str(path))
    if path is not None:
        draft.read(path, base)
    for override in overrides:
        draft.override(override)
    config = draft.validated(base)
    origins = draft.origins(config)
    texts = texts_of(config, origins)
    return Loaded(config, path, origins, tuple(overrides), base or Path("/"), texts=texts)


def _working_directory() -> Path | None:
    """Return the working directory; None if it has been removed. Absolute names work without it."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def changed(old: Config, new: Config) -> list[str]:
    """Return the keys whose values differ."""
    return [key for key in KEYS if attrgetter(key)(old) != attrgetter(key)(new)]


def needs_restart(key: str) -> bool:
    """Return whether a change of this key waits for a restart."""
    return key not in LIVE_KEYS


class _Draft:
    """A configuration in the making: plain values, their locations, and the problems found so far."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._values: dict[str, Any] = {}
        self._locations = Locations()
        self._problems: list[Problem] = []

    def read(self, path: Path, base: Path | None) -> None:
        """Take the values of the file. If it is bad, the overrides are checked all the same."""
        if base is None and not path.is_absolute():
            self._problems.append(Problem(Location(self._source), "", RELATIVE))
            return
        try:
            self._values, self._locations = read_toml(path if base is None else base / path, self._source)
        except NotTomlError as error:
            self._problems.append(error.problem)

    def override(self, override: str) -> None:
        """Apply one `KEY=VALUE`."""
        location = Location(f"{COMMAND_LINE} {override}")
        key, equals, text = override.partition("=")
        try:
            override.encode()
            path = parse_key(key)
        except (ValueError, RecursionError):
            equals = ""
        if not equals:
            hint = f"for example {COMMAND_LINE} chat.idle_timeout=30"
            self._problems.append(Problem(location, "", "must be KEY=VALUE in UTF-8", hint))
            return
        table = self._values
        for depth, name in enumerate(path[:-1], 1):
            if not isinstance(table.get(name), dict):
                table[name] = {}
                self._locations.replace(path[:depth], location)
            table = table[name]
        table[path[-1]] = parse_value(text)
        self._locations.replace(path, location)

    def validated(self, base: Path | None) -> Config:
        """Return the configuration. Raises ConfigError."""
        config = Config()
        # No key takes a date or NaN. A date is passed on as NaN, and so refused at its location.
        document = json.dumps(self._values, default=lambda date: math.nan)
        try:
            config = Config.model_validate_json(document, strict=True, context={"base": base})
        except ValidationError as error:
            self._problems += model_problems(error, self._locations, self._source)
        self._problems += self._conflicts(config)
        for path, message in requirements(config):
            self._problems.append(
                Problem(self._locations.nearest(path) or Location(self._source), dotted(path), message)
            )
        if self._problems:
            raise ConfigError(report(self._source, self._problems))
        return config

    def origins(self, config: Config) -> dict[str, str]:
        """Return where each key was set, by its dotted name."""
        origins = {}
        set_here = dict(leaves(self._values))
        for path, _ in leaves(config.model_dump(mode="json")):
            location = self._locations.nearest(path)
            if location and path in set_here:
                origins[dotted(path)] = str(location) if location.line else COMMAND_LINE
        return origins

    def _conflicts(self, config: Config) -> Iterator[Problem]:
        """Yield a problem for each conflict, at the later one of the two keys in the file."""
        for first, second, what in conflicts(config):
            key, other = (second, first) if self._locations.get(tuple(second.split("."))) else (first, second)
            location = self._locations.nearest(tuple(key.split("."))) or Location(self._source)
            message = f"{what} also stands in {other}" if key != other else f"{what} stands there twice"
            yield Problem(location, key, message)
