"""A chat in lines: for pipes, for programs (JSON), and for a person at a plain terminal."""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from netechod.client.chat.events import Event, Kind
from netechod.client.chat.sentences import ARROWS, TROUBLE, line, sentence
from netechod.client.chat.ui import ChatStatus, warn_of_typed_ahead
from netechod.client.errors import ClientError
from netechod.client.i18n.translate import tr
from netechod.client.terminal.input import Input
from netechod.client.terminal.output import complain, painted, put, put_json
from netechod.services.cells import cells
from netechod.services.wire import escape_controls

_LINES = {Kind.MESSAGE, Kind.EARLIER, *ARROWS}
AHEAD = 1024 * 1024  # bytes of input that may wait to be said


class LineUI:
    """Lines on stdin, lines on stdout, errors on stderr; and a prompt, if there is a person."""

    def __init__(self, prompt: str = "") -> None:
        self._prompt = prompt
        self._is_prompting = False
        self._input = Input(sys.stdin.fileno())
        self._error: ClientError | None = None  # what is wrong with the input
        self._is_watching = False

    @property
    def is_person(self) -> bool:
        """See UserInterface."""
        return bool(self._prompt)

    @property
    def ended(self) -> bool:
        """See UserInterface."""
        return self._input.ended

    def open(self, wake: Callable[[], None], _interrupt: Callable[[], None]) -> None:
        """See UserInterface."""
        self._wake = wake
        if self.is_person:
            warn_of_typed_ahead(self)
        self._watch()

    def next_line(self) -> bytes | None:
        """See UserInterface."""
        if self._error is not None:
            raise self._error
        line = self._input.next_line()
        self._watch()
        return line

    def _watch(self) -> None:
        """Read ahead, so that the end of the input is known soon, but not all that a pipe holds."""
        is_wanted = not self._input.ended and self._input.waiting < AHEAD
        loop = asyncio.get_running_loop()
        if is_wanted and not self._is_watching:
            loop.add_reader(self._input.descriptor, self._read)
        elif self._is_watching and not is_wanted:
            loop.remove_reader(self._input.descriptor)
        self._is_watching = is_wanted

    def _read(self) -> None:
        self._is_prompting = False  # the person has left the prompt's line
        try:
            self._input.read()
        except OSError:  # EIO: the terminal is gone
            self._input.give_up()
        except ClientError as error:
            self._input.give_up()
            self._error = error
        self._watch()
        self._wake()

    def show(self, event: Event, *, is_mention: bool) -> None:
        """See UserInterface: lines and answers go to stdout, errors to stderr."""
        if event.kind in TROUBLE:
            hint = tr("is the server still there?") if event.kind is Kind.LOST else ""
            self.complain(sentence(event), hint)
        elif event.kind not in _LINES or (event.kind is Kind.NICK and self.is_person):
            self.tell(sentence(event))
        else:
            bell = "\a" if is_mention and self.is_person else ""
            self._display(partial(put, f"{_line(event)}\n{bell}"))

    def tell(self, text: str) -> None:
        """See UserInterface. For a script it goes to stderr: stdout has the conversation only."""
        text = "\n".join(map(escape_controls, text.split("\n")))
        if self.is_person:
            self._display(partial(put, text + "\n"))
        elif sys.stderr is not None:
            sys.stderr.write(f"netecho: {text}\n")
            sys.stderr.flush()

    def complain(self, message: str, hint: str = "") -> None:
        """See UserInterface."""
        self._display(partial(complain, message, hint))

    def refresh(self, status: ChatStatus) -> None:
        """See UserInterface. Prompt when the last line has its receipt, or will not get it soon."""
        is_busy = status.is_leaving or (status.unsaid and not status.is_away)
        if self.is_person and not self._is_prompting and not is_busy:
            put(self._prompt)
            self._is_prompting = True

    async def close(self) -> None:
        """See UserInterface."""
        self._clear()

    def _display(self, show: Callable[[], None]) -> None:
        """Show something in place of the prompt, which `refresh` brings back."""
        self._clear()
        show()

    def _clear(self) -> None:
        """Wipe the prompt away, with no more than any terminal can."""
        if self._is_prompting:
            put(f"\r{' ' * cells(self._prompt)}\r")
            self._is_prompting = False


class JsonUI(LineUI):
    """Lines on stdin, a JSON object for each event on stdout: docs/json/chat.schema.json."""

    def show(self, event: Event, *, is_mention: bool) -> None:
        """See UserInterface."""
        put_json(record_of(event, is_mention, datetime.now(UTC)))


def record_of(event: Event, is_mention: bool, at: datetime) -> dict[str, object]:
    """Return an event for programs: `type`, `time`, and the fields of its type."""
    record: dict[str, object] = {"type": event.kind.value, "time": at.isoformat(timespec="milliseconds")}
    if event.sender and event.kind is not Kind.LOST:
        record |= {"from": event.sender, "own": event.own}
        record |= {"nick": event.nick or None, "shared": event.is_shared}
    if event.kind is not Kind.BACK:
        record["text"] = event.text
    if event.kind is Kind.MESSAGE:
        seconds = event.seconds
        record |= {"mention": is_mention, "rtt_ms": None if seconds is None else round(seconds * 1000, 3)}
    if event.kind in (Kind.REFUSED, Kind.UNSENT):
        record["said"] = event.said
    if event.kind is Kind.NICK:
        record["before"] = event.before or None
    if event.kind is Kind.EARLIER:
        record["age_s"] = event.seconds
    if event.kind is Kind.BACK:
        record["seconds"] = None if event.seconds is None else round(event.seconds, 3)
    return record


def _line(event: Event) -> str:
    text = escape_controls(line(event))
    if event.kind is Kind.EARLIER:
        said = datetime.now() - timedelta(seconds=event.seconds or 0.0)
        return painted(f"[{said:%Y-%m-%d %H:%M:%S}] {text}", "faint", sys.stdout)
    if event.kind is not Kind.MESSAGE:
        return painted(text, "faint", sys.stdout)
    label = escape_controls(event.label)
    return painted(label, "strong", sys.stdout) + text.removeprefix(label) if event.own else text
