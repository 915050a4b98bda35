"""Lines that a person types at a prompt: with editing, history and completion where readline(3) is there.

Ctrl-C drops the line that is being typed, or what is done for the line before. The second one in a row ends.
"""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import suppress

from netechod.client.terminal.input import LineDecoder, to_utf8
from netechod.client.terminal.output import is_smart, put
from netechod.client.xdg import state_directory

HISTORY = 1000  # entries that are kept


class Prompt:
    """Asks for entries. The history of earlier sessions is kept under `name`, and Tab completes from it."""

    def __init__(self, prompt: str, name: str) -> None:
        self._prompt = prompt
        self._history = _History(name) if is_smart(sys.stdout) and _has_readline() else None
        self._decoder = LineDecoder()
        self._was_interrupted = False

    def entries(self) -> Iterator[list[bytes]]:
        """Return the entries until the end of input. One has several lines if they were pasted at once.

        Raises KeyboardInterrupt at the second Ctrl-C in a row.
        """
        try:
            while True:
                try:
                    entry = self._read_edited() if self._history else self._read_plain()
                except KeyboardInterrupt:
                    self.interrupted()
                    continue
                self._was_interrupted = False
                yield entry
        except EOFError:
            put("\n")
        finally:
            if self._history:
                self._history.save()

    def interrupted(self) -> None:
        """Go on after Ctrl-C. Raises KeyboardInterrupt if it is the second one in a row."""
        put("\n")
        if self._was_interrupted:
            raise KeyboardInterrupt
        self._was_interrupted = True

    def _read_edited(self) -> list[bytes]:
        assert self._history  # noqa: S101 (for mypy)
        sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[union-attr] # text, on a terminal
        entry = input(self._prompt).split("\n")
        self._history.add(entry)
        return list(map(to_utf8, entry))

    def _read_plain(self) -> list[bytes]:
        put(self._prompt)
        line = sys.stdin.buffer.readline()
        if not line:
            raise EOFError
        return [self._decoder.utf8(line.removesuffix(b"\n"))]


def _has_readline() -> bool:
    """Return whether this Python was built with readline. From its import on, input() uses it."""
    try:
        import readline  # noqa: F401
    except ImportError:
        return False
    return True


class _History:
    """The entries of this session and of earlier ones."""

    def __init__(self, name: str) -> None:
        import readline  # on demand: only people at a terminal need it

        self._readline = readline
        state = state_directory()
        self._file = None if state is None else state / f"{name}-history"
        self._new: list[str] = []
        self._load()
        readline.set_history_length(HISTORY)
        readline.set_auto_history(False)
        readline.set_completer_delims("")  # a word may hold anything
        readline.set_completer(self._complete)
        readline.parse_and_bind("tab: complete")
        readline.parse_and_bind("set enable-bracketed-paste on")  # what is pasted comes as one entry

    def _load(self) -> None:
        self._readline.clear_history()
        if self._file is not None:
            with suppress(OSError):
                self._readline.read_history_file(self._file)

    def add(self, entry: list[str]) -> None:
        """Remember the lines of an entry. A repetition of the line before is left out."""
        for line in filter(str.strip, entry):
            if self._add_once(line):
                self._new.append(line)

    def _add_once(self, line: str) -> bool:
        last = self._readline.get_history_item(self._readline.get_current_history_length())
        if line != last:
            self._readline.add_history(line)
        return line != last

    def save(self) -> None:
        """Add our entries to the file, behind those that other sessions have added meanwhile."""
        if self._file is None or not self._new:
            return
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._file.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._load()
                for line in self._new:
                    self._add_once(line)
                self._readline.write_history_file(self._file)
            finally:
                os.close(lock)

    def _complete(self, start: str, number: int) -> str | None:
        """Return the entry with that number among those that begin so, as readline asks for them."""
        entries = map(
            self._readline.get_history_item, range(1, self._readline.get_current_history_length() + 1)
        )
        return dict(enumerate(sorted({it for it in entries if it.startswith(start)}))).get(number)
