"""`netechoctl dict compile`: makes the index of a large dictionary before a start or reload needs it."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from netechod.errors import NetechodError, reason_of
from netechod.process.config.load import load
from netechod.process.config.schema import Daemon
from netechod.process.dictionary.index_builder import NoPlaceError, build
from netechod.process.dictionary.loader import rules_of
from netechod.process.unix.privileges import become, can_replace, identity_of, identity_of_uid


def compile_dictionary(
    path: Path | None, overrides: Sequence[str], file: Path | None, name: str | None = None
) -> Iterator[str]:
    """Build the index of `file`, or of the dictionary in the configuration. Yields lines for the operator.

    `name` is that of the dictionary; the first one is meant without it.

    A file of another name can become the dictionary later: a renamed file keeps its time and size, by which
    the daemon finds it. It verifies the index before it uses it then. Raises NetechodError.
    """
    config = load(path, overrides).config
    settings = config.dictionary if name is None else config.dictionary.all.get(name)
    if settings is None:
        raise NetechodError(f"no dictionary is named {name}; there are {', '.join(config.dictionary.all)}")
    source, index = file or settings.file, settings.index
    if index is None:
        raise NetechodError("dictionary.index is empty: no index is wanted")
    begun = time.monotonic()
    try:
        _become_owner(index.parent, config.daemon)
        facts = build(source, index, max_size=settings.max_size, rules=rules_of(settings))
    except NoPlaceError as error:
        raise NetechodError(f"no index can be made: {error}") from None
    except OSError as error:
        raise NetechodError(reason_of(error)) from None
    yield from facts.warnings
    seconds = time.monotonic() - begun
    yield f"{index}: {facts.entries} words of {source}, {facts.skipped} lines skipped, in {seconds:.1f} s"
    if facts.stamp.size < settings.index_from:
        yield f"{source} is smaller than dictionary.index_from: the daemon holds it in memory all the same"


def _become_owner(directory: Path, settings: Daemon) -> None:
    """As root, become the daemon's user if it can replace the directory, else the owner of the directory.

    Root must not map a file that another user has written. A dictionary must be readable for that user.
    """
    if os.geteuid() != 0:
        return
    identity = identity_of(settings.user, settings.group)
    if can_replace(identity, directory):
        become(identity)
        return
    try:
        owner = directory.stat()
    except OSError:
        return  # the directory is missing, which the builder reports
    if owner.st_uid:
        become(identity_of_uid(owner.st_uid))
