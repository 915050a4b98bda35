"""Faults of log files: rotated in every way, moved away, replaced by a FIFO, without room."""

import os
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path
from resource import RLIMIT_FSIZE, prlimit
from signal import SIGUSR1, SIGUSR2

from scripts.lib.soak.place import Place, expect, wait_for

NAMES = ("log.txt", "log.error")
_numbers = count(1)


def rotated(file: Path) -> Path:
    """A name for what was in a file until now."""
    return file.with_name(f"{file.name}.{next(_numbers)}")


def renamed(place: Place) -> None:
    """Renamed, and USR1: new files are there at once."""
    for name in NAMES:
        file = place.logs / name
        file.rename(rotated(file))
    place.signal(SIGUSR1)
    for name in NAMES:
        wait_for((place.logs / name).exists, f"{name} was renamed, and USR1 made no new one")


def renamed_in_silence(place: Place) -> None:
    """Renamed without a word: the next line makes a new file."""
    file = place.logs / "log.txt"
    file.rename(rotated(file))
    is_written_again(place)


def deleted(place: Place) -> None:
    """Deleted: the next line makes a new file."""
    (place.logs / "log.txt").unlink()
    is_written_again(place)


def copied_and_cut(place: Place) -> None:
    """Copied and cut to nothing: it goes on from the beginning, without a hole."""
    file = place.logs / "log.txt"
    shutil.copy(file, rotated(file))
    os.truncate(file, 0)
    is_written_again(place)
    with file.open("rb") as start:
        expect(start.read(1) == b"[", "a log cut by copytruncate has a hole")


def moved_away(place: Place) -> None:
    """The whole directory is moved away: it is made again."""
    place.logs.rename(place.logs.with_name(f"log.{next(_numbers)}"))
    is_written_again(place)


def blocked_by_a_fifo(place: Place) -> None:
    """A FIFO that nobody reads: the lines go on into the file that was open, and nobody waits."""
    file = place.logs / "log.txt"
    before, fifo = rotated(file), place.logs / "fifo"
    os.mkfifo(fifo)
    before.hardlink_to(file)
    fifo.rename(file)  # at once, before a line can make a new file there
    size = before.stat().st_size
    place.signal(SIGUSR1)
    place.signal(SIGUSR2)
    wait_for(lambda: before.stat().st_size > size, "with a FIFO for a log, lines get lost")
    file.unlink()
    is_written_again(place)


def no_room(place: Place) -> None:
    """No file may grow, as on a full disk: what is lost is counted, and told when there is room."""
    lost = place.status()["log_lost"]
    limits = prlimit(place.pid, RLIMIT_FSIZE)
    prlimit(place.pid, RLIMIT_FSIZE, (1, limits[1]))
    try:
        place.signal(SIGUSR2)
        wait_for(
            lambda: place.status()["log_lost"] > lost, "lines for which there is no room are not counted"
        )
    finally:
        prlimit(place.pid, RLIMIT_FSIZE, limits)
    is_written_again(place)
    wait_for(lambda: "log lines lost" in said(place), "the lost lines are not told")


def is_written_again(place: Place) -> None:
    """Wait until log.txt has a line that it had not."""
    file = place.logs / "log.txt"
    size = file.stat().st_size if file.exists() else 0
    place.signal(SIGUSR2)
    wait_for(lambda: file.exists() and file.stat().st_size > size, "log.txt is not written any more")


def said(place: Place) -> str:
    """Return the text of log.txt."""
    return (place.logs / "log.txt").read_text(encoding="utf-8")


LOG_FAULTS: tuple[Callable[[Place], None], ...] = (
    renamed,
    renamed_in_silence,
    deleted,
    copied_and_cut,
    moved_away,
    blocked_by_a_fifo,
    no_room,
)
