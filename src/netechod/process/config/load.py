"""Loads the configuration: files, environment, command line. A bad one raises one report of all problems."""

import json
import math
import os
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
from netechod.process.config.overrides import Override, assign, conf_d_of, further_files, overrides
from netechod.process.config.schema import KEYS, LIVE_KEYS, Config
from netechod.process.config.texts import texts_of
from netechod.process.config.toml_file import NotTomlError, merge, read_toml
from netechod.process.config.values import RELATIVE


@dataclass(frozen=True)
class Loaded:
    """A configuration, and the origins of its values. Defaults have none.

    An origin is `FILE:LINE`, `--set`, or the name of a variable of the environment.
    """

    config: Config
    path: Path | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    overrides: Sequence[str] = ()
    base: Path = Path("/")
    more: Sequence[Path] = ()  # the files of daemon.conf_d, in the order of reading
    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)  # secrets of command.key_file, by id
    stamp_keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)  # the same of stamp.key_file
    bus_password: bytes = field(default=b"", repr=False)  # in bus.password_file
    bus_problem: str = ""  # why there is none
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)  # in files for DICT clients, by key

    def reread(self) -> "Loaded":
        """Load it again. Relative names still start at `base`, wherever the process is now."""
        return load(self.path, self.overrides, self.base)


def load(path: Path | None, options: Sequence[str] = (), base: Path | None = None) -> Loaded:
    """Read the file (None: the defaults) and those of its daemon.conf_d, the environment, then options.

    The options are `KEY=VALUE`.

    What is read later replaces what was read before, key by key. Relative file names, also `path`, start at
    `base`, by default the working directory. Raises ConfigError with all problems.
    """
    base = base or _working_directory()
    draft = _Draft(str(path) if path is not None else "command line" if options else "environment")
    changes = list(overrides(options, os.environ))
    if path is not None:
        draft.read_all(path, base, changes)
    for override in changes:
        draft.override(override)
    config = draft.validated(base)
    origins = draft.origins(config)
    texts = texts_of(config, origins)
    return Loaded(config, path, origins, tuple(options), base or Path("/"), draft.more, texts=texts)


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
        self.more: list[Path] = []
        self._source = source
        self._values: dict[str, Any] = {}
        self._locations = Locations()
        self._problems: list[Problem] = []

    def read_all(self, path: Path, base: Path | None, changes: Sequence[Override]) -> None:
        """Take the values of the file, and of the files in its directory of further ones, by their names.

        If one is bad, the others and the overrides are checked all the same.
        """
        if base is None and not path.is_absolute():
            self._problems.append(Problem(Location(self._source), "", RELATIVE))
            return
        self._read(path, base)
        name = conf_d_of(self._values, changes)
        try:
            self.more = further_files(path, base, name) if name else []
        except OSError as error:
            problem = f"cannot be read: {error.strerror}"
            self._problems.append(Problem(Location(str(path.parent / name)), "", problem))
        for further in self.more:
            self._read(further, base)

    def _read(self, path: Path, base: Path | None) -> None:
        """Take the values of one file, in place of those that are there."""
        try:
            values, locations = read_toml(path if base is None else base / path, str(path))
        except NotTomlError as error:
            self._problems.append(error.problem)
        else:
            merge(self._values, values, self._locations, locations)

    def override(self, override: Override) -> None:
        """Apply one override, or note the problem with it."""
        location = Location(override.source)
        if override.problem:
            self._problems.append(Problem(location, "", override.problem, override.hint))
            return
        for path in assign(self._values, override.path, override.value):
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
                origins[dotted(path)] = str(location) if location.line else location.source.split()[0]
        return origins

    def _conflicts(self, config: Config) -> Iterator[Problem]:
        """Yield a problem for each conflict, at the later one of the two keys in the file."""
        for first, second, what in conflicts(config):
            key, other = (second, first) if self._locations.get(tuple(second.split("."))) else (first, second)
            location = self._locations.nearest(tuple(key.split("."))) or Location(self._source)
            message = f"{what} also stands in {other}" if key != other else f"{what} stands there twice"
            yield Problem(location, key, message)
