"""`netecho` as a process of its own: in a pipe, or on a terminal."""

import codecs
import os
import signal
import subprocess
import sys
from types import TracebackType
from typing import Self

# A shell ignores SIGINT in what it starts in the background, and children inherit that; a handler, however,
# becomes the default action in them (signal(7)). So Ctrl-C works in these tests wherever they run.
signal.signal(signal.SIGINT, signal.default_int_handler)

UNSET = ("NETECHO_LANG", "NETECHO_NICK", "LC_MESSAGES")  # of our own environment
COMMAND = [sys.executable, "-m", "netechod.cli.netecho"]


def environment(**changes: str) -> dict[str, str]:
    """Our environment in an English UTF-8 locale, with nowhere to keep a history, and `changes`."""
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    return kept | {"LC_ALL": "C.UTF-8", "XDG_STATE_HOME": os.devnull} | changes


def netecho(*arguments: str, stdin: bytes = b"", **changes: str) -> subprocess.CompletedProcess[bytes]:
    """Run it to its end with `stdin` in a pipe."""
    return subprocess.run(
        [*COMMAND, *arguments], input=stdin, capture_output=True, env=environment(**changes)
    )


def unread(*arguments: str, stdin: bytes = b"") -> tuple[int, bytes]:
    """Run it with nobody left to read what it prints: exit status and stderr."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as stdout:
        run = subprocess.run(
            [*COMMAND, *arguments], input=stdin, stdout=stdout, stderr=subprocess.PIPE, env=environment()
        )
    return run.returncode, run.stderr


def outcome(run: subprocess.CompletedProcess[bytes]) -> tuple[int, str]:
    """Exit status and stdout: what scripts see."""
    return run.returncode, run.stdout.decode()


class Terminal:
    """`netecho` on a pseudo-terminal (pty(7)), with somebody who types and reads."""

    def __init__(self, *arguments: str, **changes: str) -> None:
        self._master, slave = os.openpty()
        try:
            self.process = subprocess.Popen(
                [*COMMAND, *arguments],
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env=environment(**changes),
            )
        finally:
            os.close(slave)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.seen = ""
        self._read_so_far = 0  # of what was seen

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def type(self, text: str) -> None:
        """Press keys; `\\x04` is Ctrl-D."""
        os.write(self._master, text.encode())

    def read_until(self, text: str) -> None:
        """Wait until `text` has come up on the screen, after what was waited for before."""
        while (at := self.seen.find(text, self._read_so_far)) < 0:
            assert self._read(), f"ended after {self.seen!r}"
        self._read_so_far = at + len(text)

    def wait(self) -> int:
        """Read to the end, and return the exit status."""
        while self._read():
            pass
        return self.process.wait()

    def _read(self) -> bool:
        """Take what has come up; False at the end."""
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: the last process has closed its end
            data = b""
        self.seen += self._decoder.decode(data).replace("\r\n", "\n")
        return bool(data)
