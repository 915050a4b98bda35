"""`netechoctl dict compile`: the index of a large dictionary, ahead of the start or reload that needs it."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from pwd import getpwuid

from netechod.errors import NetechodError, reason_of
from netechod.process.config_file import load
from netechod.process.dictionary_loader import rules_of
from netechod.process.index_builder import NoPlaceError, build
from netechod.process.privileges import drop_privileges


def compile_dictionary(path: Path | None, overrides: Sequence[str], file: Path | None) -> Iterator[str]:
    """Build the index of `file`, or of the dictionary in the configuration. Yields lines for the operator.

    A file of another name can become the dictionary later: a renamed file keeps its time and size, by which
    the daemon finds it. It verifies the index before it uses it then. Raises NetechodError.
    """
    settings = load(path, overrides).config.dictionary
    source, index = file or settings.file, settings.index
    if index is None:
        raise NetechodError("dictionary.index is empty: no index is wanted")
    begun = time.monotonic()
    try:
        _become_owner(index.parent)
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


def _become_owner(directory: Path) -> None:
    """As root, become the user who owns the directory: that is the user of the daemon.

    Root must not map a file that this user has written. And the daemon could not read a dictionary that this
    user cannot read.
    """
    try:
        owner = directory.stat()
    except OSError:
        return  # there is no directory: the builder reports that
    if os.geteuid() == 0 != owner.st_uid:
        drop_privileges(getpwuid(owner.st_uid).pw_name, "")
