"""Keys and signals for a running loop: Enter and Ctrl-\\ ask for a summary, Ctrl-C for the end."""

import os
import signal
import socket
import sys
from contextlib import ExitStack
from enum import Enum
from types import FrameType, TracebackType
from typing import Self

from netechod.client.signals import noted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGWINCH)


class UserRequest(Enum):
    """A request of the person to the loop."""

    END = "end"
    SUMMARY = "summary"
    REDRAW = "redraw"  # the terminal has another size


class UserInput:
    """Signals and the Enter key, for select(2).

    A signal handler only notes the request. The bell, a socket, ends the waiting (PEP 475).
    """

    def __init__(self) -> None:
        self._noted: list[UserRequest] = []
        self._bell, self._ring = socket.socketpair()
        self._keyboard = sys.stdin.fileno() if sys.stdin.isatty() else -1
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        for end in (self._bell, self._ring):
            self._undo.callback(end.close)
            end.setblocking(False)
        self._undo.enter_context(noted(self._ring.fileno(), SIGNALS, self._note))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        requests = {signal.SIGQUIT: UserRequest.SUMMARY, signal.SIGWINCH: UserRequest.REDRAW}
        self._noted.append(requests.get(signal.Signals(number), UserRequest.END))

    def descriptors(self) -> list[int]:
        """Return the descriptors that select(2) has to watch."""
        return [self._bell.fileno(), *([self._keyboard] if self._may_read_keyboard() else [])]

    def _may_read_keyboard(self) -> bool:
        """Return whether there is a keyboard. In the background reading would stop us (termios(3))."""
        if self._keyboard < 0:
            return False
        try:
            return os.tcgetpgrp(self._keyboard) == os.getpgrp()
        except OSError:  # the terminal controls no process group
            return True

    def take(self, readable: list[int]) -> list[UserRequest]:
        """Return the requests since the last call."""
        if self._bell.fileno() in readable:
            self._bell.recv(4096)
        if self._keyboard in readable:
            self._read_keyboard()
        requests, self._noted = self._noted, []
        return requests

    def _read_keyboard(self) -> None:
        if os.read(self._keyboard, 4096):
            self._noted.append(UserRequest.SUMMARY)
        else:
            self._keyboard = -1  # the terminal has hung up, or Ctrl-D: nothing more will come
