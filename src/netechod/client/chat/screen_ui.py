"""A chat on a terminal's screen, by prompt_toolkit: the conversation scrolls above the line being typed.

There is no alternate screen. The conversation goes to the terminal's own scrollback; only the lowest rows are
redrawn: unsaid messages, the line being typed, and the status bar.
"""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime

from prompt_toolkit import PromptSession
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText, StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import FormattedTextControl, HSplit, Window
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.utils import explode_text_fragments
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.renderer import CPR_Support, print_formatted_text
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.styles import Style

from netechod.client.chat.events import Event
from netechod.client.chat.render import FINE, PLAIN, STYLES, Fragments, Marks, Painter
from netechod.client.chat.slash_commands import completions
from netechod.client.chat.ui import ChatStatus, warn_of_typed_ahead
from netechod.client.terminal.output import OutputClosed
from netechod.client.terminal.text import without_modifiers


class ScreenUI:
    """The screen of one person."""

    is_person = True

    def __init__(self, prompt: str, place: str, *, has_colors: bool) -> None:
        self.ended = False
        self._lines: deque[bytes] = deque()
        self._unprinted: Fragments = []
        self._rings = False
        self._painter = Painter(prompt, place, self._columns, _marks())
        self._prompt, self._prompt_columns = FormattedText(), -1  # as rendered, and for which width
        self._style = Style.from_dict(STYLES)
        self._session: PromptSession[None] = PromptSession(
            message=self._message,
            input_processors=[PlainEmoji()],
            style=self._style,
            color_depth=ColorDepth.DEPTH_4_BIT if has_colors else ColorDepth.DEPTH_1_BIT,
            completer=Names(self._painter),
            complete_style=CompleteStyle.READLINE_LIKE,
            reserve_space_for_menu=0,
            key_bindings=self._keys(),
            enable_suspend=True,
            erase_when_done=True,
        )
        self._session.default_buffer.accept_handler = self._accept
        # After each printed line, the toolbar of prompt_toolkit waits until the terminal has told where its
        # cursor is. Ours needs no such answer.
        bar = FormattedTextControl(
            lambda: FormattedText(self._painter.bar(self._session.default_buffer.text))
        )
        layout = self._session.layout
        layout.container = HSplit([layout.container, Window(bar, height=1)])
        self._session.app.renderer.cpr_support = CPR_Support.NOT_SUPPORTED

    def open(self, wake: Callable[[], None], interrupt: Callable[[], None]) -> None:
        """See UserInterface."""
        self._wake = wake
        self._interrupt = interrupt
        warn_of_typed_ahead(self)
        self._typing = asyncio.get_running_loop().create_task(self._type())

    def next_line(self) -> bytes | None:
        """See UserInterface."""
        return self._lines.popleft() if self._lines else None

    def show(self, event: Event, *, is_mention: bool) -> None:
        """See UserInterface."""
        self._unprinted += self._painter.event(event, is_mention=is_mention, at=_now())
        self._rings |= is_mention

    def tell(self, text: str) -> None:
        """See UserInterface."""
        self._unprinted += self._painter.note(text, _now())

    def complain(self, message: str, hint: str = "") -> None:
        """See UserInterface."""
        self._unprinted += self._painter.note(f"{message}\n{hint}".rstrip(), _now(), is_trouble=True)

    def refresh(self, status: ChatStatus) -> None:
        """See UserInterface. Print all new lines at once: each time the lowest rows are redrawn."""
        self._painter.status = status
        self._prompt_columns = -1
        if self._unprinted:
            self._print()
        self._session.app.invalidate()

    async def close(self) -> None:
        """See UserInterface: print the rest, and remove prompt and bar."""
        if self._session.app.is_running and not self._session.app.is_done:
            self._session.app.exit()
        else:
            self._typing.cancel()
        with suppress(asyncio.CancelledError):
            await self._typing
        self._print()

    def _message(self) -> FormattedText:
        """Return what stands before the line being typed. prompt_toolkit asks for it again and again."""
        if self._prompt_columns != self._columns():
            self._prompt_columns = self._columns()
            self._prompt = FormattedText(self._painter.prompt())
        return self._prompt

    async def _type(self) -> None:
        """Show the prompt until it is removed. When the terminal is gone, the input has ended."""
        try:
            with suppress(EOFError):
                await self._session.prompt_async(handle_sigint=False, set_exception_handler=False)
        except OSError:
            raise OutputClosed from None
        finally:
            self.ended = True
            self._wake()

    def _print(self) -> None:
        """Print in the place of the lowest rows; `invalidate` has them redrawn below.

        prompt_toolkit's own way to print leaves raw mode for a moment. In that moment the kernel would echo
        keys into the screen, and obey control characters of a paste.
        """
        app, depth = self._session.app, self._session.color_depth
        fragments, self._unprinted = FormattedText(self._unprinted), []
        try:
            if app.is_running:
                app.renderer.erase()
            print_formatted_text(app.output, fragments, self._style, color_depth=depth)
            if self._rings:
                app.output.bell()
        except OSError:
            raise OutputClosed from None  # the terminal is gone
        self._rings = False

    def _accept(self, buffer: Buffer) -> bool:
        """Take what was typed. The prompt stays, and its line is emptied."""
        self._lines.append(buffer.text.encode(errors="surrogateescape"))
        self._wake()
        return False

    def _keys(self) -> KeyBindings:
        """Let Ctrl-C drop the line, or leave if it is empty, and let Ctrl-D leave."""
        keys = KeyBindings()

        @keys.add("c-c")
        def _(_event: KeyPressEvent) -> None:
            buffer = self._session.default_buffer
            if buffer.text and not self._painter.status.is_leaving:
                buffer.reset()
            else:
                self._interrupt()

        @keys.add("c-d", filter=Condition(lambda: not self._session.default_buffer.text))
        def _(_event: KeyPressEvent) -> None:
            self.ended = True
            self._wake()

        return keys

    def _columns(self) -> int:
        return self._session.app.output.get_size().columns


class PlainEmoji(Processor):
    """Shows the line being typed without emoji modifiers.

    prompt_toolkit counts the columns of each character, and terminals those of the whole sequence: the cursor
    would stand elsewhere, and the line break. What is sent keeps the modifiers.
    """

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """See Processor."""
        shown: StyleAndTextTuples = []
        places: list[int] = []  # where each character of the line is shown
        sources: list[int] = []  # which character each one shown is
        for at, fragment in enumerate(explode_text_fragments(transformation_input.fragments)):
            places.append(len(shown))
            if without_modifiers(fragment[1]):
                shown.append(fragment)
                sources.append(at)
        return Transformation(
            shown,
            source_to_display=lambda at: _mapped(places, at, len(shown)),
            display_to_source=lambda at: _mapped(sources, at, len(places)),
        )


def _mapped(positions: list[int], at: int, end: int) -> int:
    """Return `positions[at]`; what is behind the end keeps its distance from it."""
    return positions[at] if at < len(positions) else end + at - len(positions)


class Names(Completer):
    """Completes commands and the names of members."""

    def __init__(self, painter: Painter) -> None:
        self._painter = painter

    def get_completions(self, document: Document, _complete_event: CompleteEvent) -> Iterable[Completion]:
        """Return what the word before the cursor may become."""
        word, choices = completions(document.text_before_cursor, self._painter.status.others)
        return [Completion(choice, start_position=-len(word)) for choice in choices]


def _marks() -> Marks:
    """Return the marks that the terminal can show: the console of Linux and other encodings have few."""
    is_rich = sys.stdout.encoding.lower() in ("utf-8", "utf8") and os.environ.get("TERM") != "linux"
    return FINE if is_rich else PLAIN


def _now() -> datetime:
    return datetime.now().astimezone()
