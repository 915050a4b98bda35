"""What a person types at a prompt: with line editing, a history and completion where readline(3) is there."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from netechod.client.terminal.output import is_smart, lines, put

HISTORY = 1000  # entries that are kept


def entries(prompt: str, name: str) -> Iterator[list[bytes]]:
    """Entry by entry until the end of input, each of several lines if they were pasted at once.

    The history of earlier sessions is kept under `name`, and what it holds is completed by Tab.
    """
    if not is_smart(sys.stdout) or not _has_readline():
        yield from ([line] for line in lines(prompt))
        return
    history = _History(name)
    sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[union-attr] # text, on a terminal
    try:
        while True:
            entry = input(prompt).split("\n")
            history.add(entry)
            yield list(map(os.fsencode, entry))
    except EOFError:
        put("\n")
    finally:
        history.save()


def _has_readline() -> bool:
    """Whether this Python was built with it; from its import on, input() uses it."""
    try:
        import readline  # noqa: F401
    except ImportError:
        return False
    return True


class _History:
    """What was entered, now and in earlier sessions."""

    def __init__(self, name: str) -> None:
        import readline  # on demand: only people at a terminal need it

        self._readline = readline
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        self._file = Path(state, "netecho", f"{name}-history")  # XDG Base Directory Specification
        readline.clear_history()
        with suppress(OSError):
            readline.read_history_file(self._file)
        readline.set_history_length(HISTORY)
        readline.set_auto_history(False)
        readline.set_completer_delims("")  # a word may hold anything
        readline.set_completer(self._complete)
        readline.parse_and_bind("tab: complete")
        readline.parse_and_bind("set enable-bracketed-paste on")  # what is pasted comes as one entry

    def add(self, entry: list[str]) -> None:
        """Remember lines, each once in a row."""
        for line in filter(str.strip, entry):
            if line != self._readline.get_history_item(self._readline.get_current_history_length()):
                self._readline.add_history(line)

    def save(self) -> None:
        """Keep it for the next session, if there is a place for it."""
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._readline.write_history_file(self._file)

    def _complete(self, start: str, number: int) -> str | None:
        """The entry with that number among those that begin so."""
        entries = map(
            self._readline.get_history_item, range(1, self._readline.get_current_history_length() + 1)
        )
        return dict(enumerate(sorted({it for it in entries if it.startswith(start)}))).get(number)
