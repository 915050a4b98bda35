"""Loads the configuration: file and command line in, one frozen object or one complete report out."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from netechod.errors import ConfigError
from netechod.process.config.constraints import conflicts, demands
from netechod.process.config.diagnostics import Problem, model_problems, report
from netechod.process.config.locations import Place, Places, dotted, leaves
from netechod.process.config.schema import KEYS, LIVE_KEYS, Config
from netechod.process.config.toml_file import NotTomlError, parse_key, parse_value, read_toml
from netechod.process.config.values import RELATIVE

COMMAND_LINE = "--set"


@dataclass(frozen=True)
class Loaded:
    """A configuration, and where each of its values comes from: `FILE:LINE` or `--set`; absent is default."""

    config: Config
    path: Path | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    overrides: Sequence[str] = ()
    base: Path = Path("/")
    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)  # secrets of command.key_file, by id
    stamp_keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)  # the same of stamp.key_file

    def reread(self) -> "Loaded":
        """Load it again, from wherever the process has moved since."""
        return load(self.path, self.overrides, self.base)


def load(path: Path | None, overrides: Sequence[str] = (), base: Path | None = None) -> Loaded:
    """Read the file (None: the defaults), then apply `KEY=VALUE` overrides, of which the later ones win.

    Relative file names, `path` among them, are looked up in `base`, or where the process is now. Raises
    ConfigError with all the problems there are.
    """
    base = base or _working_directory()
    draft = _Draft("command line" if path is None else str(path))
    if path is not None:
        draft.read(path, base)
    for override in overrides:
        draft.override(override)
    config = draft.validated(base)
    return Loaded(config, path, draft.origins(config), tuple(overrides), base or Path("/"))


def _working_directory() -> Path | None:
    """Where the process is; None when that directory has been removed, which absolute names do not mind."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def changed(old: Config, new: Config) -> list[str]:
    """The keys that differ."""
    return [key for key in KEYS if attrgetter(key)(old) != attrgetter(key)(new)]


def needs_restart(key: str) -> bool:
    """Whether a change of this key cannot be applied by a reload."""
    return key not in LIVE_KEYS


class _Draft:
    """The configuration while it is put together: plain values, their places, and the problems so far."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._values: dict[str, Any] = {}
        self._places = Places()
        self._problems: list[Problem] = []

    def read(self, path: Path, base: Path | None) -> None:
        """Take the file's values. If there are none, go on all the same: the overrides may be wrong too."""
        if base is None and not path.is_absolute():
            self._problems.append(Problem(Place(self._source), "", RELATIVE))
            return
        try:
            self._values, self._places = read_toml(path if base is None else base / path, self._source)
        except NotTomlError as error:
            self._problems.append(error.problem)

    def override(self, override: str) -> None:
        """Apply one `KEY=VALUE`."""
        place = Place(f"{COMMAND_LINE} {override}")
        key, equals, text = override.partition("=")
        try:
            override.encode()
            path = parse_key(key)
        except (ValueError, RecursionError):
            equals = ""
        if not equals:
            hint = f"for example {COMMAND_LINE} chat.idle_timeout=30"
            self._problems.append(Problem(place, "", "must be KEY=VALUE in UTF-8", hint))
            return
        table = self._values
        for depth, name in enumerate(path[:-1], 1):
            if not isinstance(table.get(name), dict):
                table[name] = {}
                self._places.replace(path[:depth], place)
            table = table[name]
        table[path[-1]] = parse_value(text)
        self._places.replace(path, place)

    def validated(self, base: Path | None) -> Config:
        """The configuration, or ConfigError."""
        config = Config()
        # No key takes a date, nor NaN: passed on as that, it is refused at its place.
        document = json.dumps(self._values, default=lambda date: math.nan)
        try:
            config = Config.model_validate_json(document, strict=True, context={"base": base})
        except ValidationError as error:
            self._problems += model_problems(error, self._places, self._source)
        self._problems += self._conflicts(config)
        for path, message in demands(config):
            self._problems.append(
                Problem(self._places.nearest(path) or Place(self._source), dotted(path), message)
            )
        if self._problems:
            raise ConfigError(report(self._source, self._problems))
        return config

    def origins(self, config: Config) -> dict[str, str]:
        """Return where each key was set, by its dotted name."""
        origins = {}
        set_here = dict(leaves(self._values))
        for path, _ in leaves(config.model_dump(mode="json")):
            place = self._places.nearest(path)
            if place and path in set_here:
                origins[dotted(path)] = str(place) if place.line else COMMAND_LINE
        return origins

    def _conflicts(self, config: Config) -> Iterator[Problem]:
        """Keys that cannot both hold, shown where the operator wrote the later one."""
        for first, second, what in conflicts(config):
            key, other = (second, first) if self._places.get(tuple(second.split("."))) else (first, second)
            place = self._places.nearest(tuple(key.split("."))) or Place(self._source)
            message = f"{what} also stands in {other}" if key != other else f"{what} stands there twice"
            yield Problem(place, key, message)
