"""A chat at a terminal without prompt_toolkit: readline(3) keeps the line that is being typed.

readline waits for the keys itself, so it does that in a thread. While it waits it calls a hook, ten times a
second, as it does for programs with windows (PyOS_InputHook). There we show what there is to show in place
of its line, and have the line painted again: in that thread, because readline knows nothing of others.
"""

import asyncio
import ctypes
import readline
import sys
import termios
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from netechod.client.chat.lines_ui import LineUI
from netechod.client.chat.slash_commands import completions
from netechod.client.chat.ui import ChatStatus
from netechod.client.errors import ClientError
from netechod.client.terminal.output import OutputClosed, put

_ERASE_LINE = "\r\x1b[K"  # ECMA-48, 8.3.41

try:
    _paint_line = ctypes.CDLL(readline.__file__).rl_forced_update_display
except (AttributeError, OSError) as error:  # a readline that is built in, without names
    raise ImportError("no rl_forced_update_display") from error


class ReadlineUI(LineUI):
    """Lines with editing, history and completion; otherwise as `LineUI`."""

    def __init__(self, prompt: str) -> None:
        super().__init__(prompt)
        self._lines: deque[bytes] = deque()
        self._unshown: deque[Callable[[], None]] = deque()
        self._has_ended = False
        self._names: list[str] = []

    @property
    def ended(self) -> bool:
        """At the end of the input."""
        return self._has_ended

    def open(self, wake: Callable[[], None], interrupt: Callable[[], None]) -> None:
        """Have lines read."""
        self._wake = wake
        self._interrupt = interrupt
        self._loop = asyncio.get_running_loop()
        self._terminal = termios.tcgetattr(sys.stdin)
        sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[union-attr] # what is no UTF-8 is told
        readline.parse_and_bind("set enable-bracketed-paste off")  # the lines of a paste are said in order
        readline.parse_and_bind("tab: complete")
        readline.set_completer_delims(" ")
        readline.set_completer(self._complete)
        self._hook = ctypes.CFUNCTYPE(ctypes.c_int)(self._idle)
        hook = ctypes.c_void_p.in_dll(ctypes.pythonapi, "PyOS_InputHook")
        hook.value = ctypes.cast(self._hook, ctypes.c_void_p).value
        threading.Thread(target=self._read_lines, name="readline", daemon=True).start()

    def next_line(self) -> bytes | None:
        """The next line."""
        return self._lines.popleft() if self._lines else None

    def refresh(self, status: ChatStatus) -> None:
        """Know whose names can be completed."""
        self._names = status.others

    async def close(self) -> None:
        """Leave readline to its keys, and the terminal as it was."""
        self._show()
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._terminal)

    def _display(self, show: Callable[[], None]) -> None:
        self._unshown.append(show)

    def _show(self) -> None:
        put(_ERASE_LINE)
        while self._unshown:
            self._unshown.popleft()()

    # In the thread of readline.

    def _idle(self) -> int:
        """Do what there is to do while no key is pressed."""
        if self._unshown:
            try:
                self._show()
            except (ClientError, OutputClosed):
                self._call(self._interrupt)
            _paint_line()
        return 0

    def _read_lines(self) -> None:
        while True:
            try:
                line = input(self._prompt)
            except (EOFError, OSError):  # OSError: the terminal is gone
                break
            self._call(self._take, line.encode(errors="surrogateescape"))
        self._call(self._end)

    def _call(self, function: Callable[..., None], *arguments: bytes) -> None:
        """Have the conversation's thread call something, as long as there is one."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)

    def _complete(self, _word: str, state: int) -> str | None:
        """The `state`th completion of what stands before the cursor, as readline's completers do it."""
        _, choices = completions(readline.get_line_buffer()[: readline.get_endidx()], self._names)
        return choices[state] if state < len(choices) else None

    # In the thread of the conversation.

    def _take(self, line: bytes) -> None:
        self._lines.append(line)
        self._wake()

    def _end(self) -> None:
        self._has_ended = True
        self._wake()
