"""Faults of the files that a reload reads: good, broken, or changed while they are read."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from signal import SIGHUP
from typing import Any

from netechod.client.operator.control import RefusedError
from scripts.lib.soak.place import CONSTANT, SETTINGS, Place, Wrong, expect, text_of, wait_for


def write_edition(place: Place) -> None:
    """Put a new edition in the place of the words, as one does: beside them, then renamed over them."""
    fresh = place.daemon.dictionary.with_suffix(".new")
    fresh.write_text(text_of(place.written + 1), encoding="utf-8")
    place.written += 1
    fresh.rename(place.daemon.dictionary)


def reloaded(place: Place, meanwhile: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """Send SIGHUP, do something meanwhile, and return what came of the reload."""
    before = place.status()["last_reload"]
    place.signal(SIGHUP)
    meanwhile()
    last = wait_for(lambda: changed(place, before), "the reload does not end")
    return last or {}


def changed(place: Place, before: object) -> dict[str, Any] | None:
    """The last reload, if it is another one than `before`."""
    last: dict[str, Any] | None = place.status()["last_reload"]
    return last if last != before else None


def note(place: Place, outcome: dict[str, Any]) -> None:
    """Have the words of the last edition be the ones that are expected, if they were loaded."""
    if not outcome["error"]:
        place.loaded = place.written


def new_words(place: Place) -> None:
    """A good edition is loaded by SIGHUP."""
    write_edition(place)
    outcome = reloaded(place)
    expect(not outcome["error"], f"a good edition was refused: {outcome['error']}")
    note(place, outcome)


def new_words_by_netechoctl(place: Place) -> None:
    """A good edition is loaded by netechoctl, which waits."""
    write_edition(place)
    place.control.ask("reload")
    place.loaded = place.written


def broken_words(place: Place) -> None:
    """Whatever is wrong with the file, the words in use stay and the reload says why."""
    file = place.daemon.dictionary
    for spoil in (
        lambda: file.write_bytes(b""),
        lambda: file.write_bytes(b"word1:" + "梨".encode("gbk") + b"\n"),
        lambda: file.write_bytes(b"word1:x\0y\n"),
        lambda: file.write_bytes(b"\x7fELF\2\1\1\0\0"),
        lambda: None,
        lambda: file.mkdir(),
        lambda: os.mkfifo(file),
        lambda: file.symlink_to("/dev/zero"),
        lambda: file.symlink_to(file),
    ):
        file.unlink(missing_ok=True)
        spoil()
        outcome = reloaded(place)
        expect(outcome["error"], "a broken dictionary was loaded")
        if file.is_dir():
            file.rmdir()
    try:
        place.control.ask("reload")
    except RefusedError as error:
        expect(str(error), "a reload was refused without a reason")
    else:
        raise Wrong("a reload of a missing dictionary was reported as done")
    new_words(place)


def words_replaced_while_read(place: Place) -> None:
    """An edition is renamed over the one that is being read: either may be loaded."""
    write_edition(place)
    outcome = reloaded(place, lambda: write_edition(place))
    expect(not outcome["error"], f"an edition that was replaced was refused: {outcome['error']}")
    new_words(place)


def words_changed_while_read(place: Place) -> None:
    """The file grows or is cut while it is read: loaded if that was over before, else refused."""
    for change in (append_duplicates, truncate):
        write_edition(place)
        note(place, reloaded(place, partial(change, place.daemon.dictionary)))
    new_words(place)


def append_duplicates(file: Path) -> None:
    """Add lines that mean nothing new, the first of two entries being the one that counts."""
    with file.open("a", encoding="utf-8") as grown:
        for _ in range(10):
            grown.write(f"{CONSTANT}:x\n" * 100)
            grown.flush()


def truncate(file: Path) -> None:
    """Leave nothing of it."""
    os.truncate(file, 0)


def new_settings(place: Place) -> None:
    """Live keys apply; those that need a restart are named; a broken file changes nothing."""
    for message, level in ((1024, "DEBUG"), (1024, "NORMAL")):
        changes = {"log.level": level, "chat.max_message": message, "access.burst": 200}
        place.daemon.configure({**SETTINGS, **changes, "echo.tcp.backlog": 77})
        outcome = reloaded(place)
        expect(not outcome["error"], f"good settings were refused: {outcome['error']}")
        expect("echo.tcp.backlog" in outcome["waiting"], "nobody said that the backlog needs a restart")
        expect("log.level" in outcome["keys"], "the log level was not changed")
    for text in ("[chat]\nidle_timeot = 3\n", "[chat\n", "\xff"):
        place.daemon.config.write_bytes(text.encode("latin-1"))
        expect(reloaded(place)["error"], "broken settings were taken")
    place.daemon.configure(SETTINGS)
    outcome = reloaded(place)
    expect(not outcome["error"], f"good settings were refused: {outcome['error']}")


def storm(place: Place) -> None:
    """Hundreds of SIGHUP while nothing has changed: some reloads, and it serves on."""
    for _ in range(300):
        place.signal(SIGHUP)
    place.control.ask("reload")


DICTIONARY_FAULTS: tuple[Callable[[Place], None], ...] = (
    new_words,
    broken_words,
    new_words_by_netechoctl,
    words_replaced_while_read,
    words_changed_while_read,
    new_settings,
    storm,
)
