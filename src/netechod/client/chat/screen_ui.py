"""A chat on a terminal's screen, by prompt_toolkit: what is heard scrolls away above the line being typed.

There is no alternate screen: the conversation goes to the terminal's own scrollback, and only the lowest
rows, with what is still unsaid, the line being typed and the status bar, are painted again.
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
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import FormattedTextControl, HSplit, Window
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.renderer import CPR_Support, print_formatted_text
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.styles import Style

from netechod.client.chat.events import Event
from netechod.client.chat.render import FINE, PLAIN, STYLES, Fragments, Marks, Painter
from netechod.client.chat.slash_commands import completions
from netechod.client.chat.ui import ChatStatus
from netechod.client.terminal.output import OutputClosed

TAB = 4  # columns that a tab in a paste becomes: the room takes no control characters


class ScreenUI:
    """A screen for one person."""

    is_person = True

    def __init__(self, prompt: str, place: str, *, has_colors: bool) -> None:
        self.ended = False
        self._lines: deque[bytes] = deque()
        self._unprinted: Fragments = []
        self._rings = False
        self._painter = Painter(prompt, place, self._columns, _marks())
        self._style = Style.from_dict(STYLES)
        self._session: PromptSession[None] = PromptSession(
            message=lambda: FormattedText(self._painter.prompt()),
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
        # The toolbar of prompt_toolkit stays away until the terminal has told where its cursor is, after each
        # line that is printed; ours needs no such answer.
        bar = FormattedTextControl(
            lambda: FormattedText(self._painter.bar(self._session.default_buffer.text))
        )
        layout = self._session.layout
        layout.container = HSplit([layout.container, Window(bar, height=1)])
        self._session.app.renderer.cpr_support = CPR_Support.NOT_SUPPORTED

    def open(self, wake: Callable[[], None], interrupt: Callable[[], None]) -> None:
        """Show the prompt."""
        self._wake = wake
        self._interrupt = interrupt
        self._typing = asyncio.get_running_loop().create_task(self._type())

    def next_line(self) -> bytes | None:
        """What was typed or pasted before Enter."""
        return self._lines.popleft() if self._lines else None

    def show(self, event: Event, *, is_mention: bool) -> None:
        """A line in the scrollback, and the bell for a mention."""
        self._unprinted += self._painter.event(event, is_mention=is_mention, at=_now())
        self._rings |= is_mention

    def tell(self, text: str) -> None:
        """Lines in the scrollback."""
        self._unprinted += self._painter.note(text, _now())

    def complain(self, message: str, hint: str = "") -> None:
        """Lines in the scrollback that stand out."""
        self._unprinted += self._painter.note(f"{message}\n{hint}".rstrip(), _now(), is_trouble=True)

    def refresh(self, status: ChatStatus) -> None:
        """Print everything at once: each time the lowest rows are painted again."""
        self._painter.status = status
        if self._unprinted:
            self._print()
        self._session.app.invalidate()

    async def close(self) -> None:
        """Print the rest, and take away prompt and bar."""
        if self._session.app.is_running and not self._session.app.is_done:
            self._session.app.exit()
        else:
            self._typing.cancel()
        with suppress(asyncio.CancelledError):
            await self._typing
        self._print()

    async def _type(self) -> None:
        """Keep the prompt until it is taken away. At the end of the terminal, so do we."""
        try:
            with suppress(EOFError):
                await self._session.prompt_async(handle_sigint=False, set_exception_handler=False)
        except OSError:
            raise OutputClosed from None
        finally:
            self.ended = True
            self._wake()

    def _print(self) -> None:
        """Print in the place of the lowest rows, which `invalidate` has painted again below.

        prompt_toolkit's own way to print makes the terminal cooked for a moment, and in that moment the
        kernel would echo keys into the screen, and obey control characters of a paste.
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
        """Take what was typed; the prompt stays, and its line is emptied."""
        lines = [line.expandtabs(TAB) for line in buffer.text.split("\n")]
        self._lines.append("\n".join(lines).encode(errors="surrogateescape"))
        self._wake()
        return False

    def _keys(self) -> KeyBindings:
        """Ctrl-C and Ctrl-D mean to leave; our prompt does not end before that is done."""
        keys = KeyBindings()

        @keys.add("c-c")
        def _(_event: KeyPressEvent) -> None:
            self._interrupt()

        @keys.add("c-d", filter=Condition(lambda: not self._session.default_buffer.text))
        def _(_event: KeyPressEvent) -> None:
            self.ended = True
            self._wake()

        return keys

    def _columns(self) -> int:
        return self._session.app.output.get_size().columns


class Names(Completer):
    """Completes commands and the names of those seen."""

    def __init__(self, painter: Painter) -> None:
        self._painter = painter

    def get_completions(self, document: Document, _complete_event: CompleteEvent) -> Iterable[Completion]:
        """What the word before the cursor may become."""
        word, choices = completions(document.text_before_cursor, self._painter.status.others)
        return [Completion(choice, start_position=-len(word)) for choice in choices]


def _marks() -> Marks:
    """What the terminal can show: the console of Linux has few characters, other encodings may have fewer."""
    is_rich = sys.stdout.encoding.lower() in ("utf-8", "utf8") and os.environ.get("TERM") != "linux"
    return FINE if is_rich else PLAIN


def _now() -> datetime:
    return datetime.now().astimezone()
