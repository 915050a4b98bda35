"""A real terminal: what a person sees on it, and where the cursor is. tmux(1) is the emulator."""

import os
import select
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from support.netecho import COMMAND, environment

PATIENCE = 20.0  # seconds after which what a test waits for is taken to be missing


class Tmux:
    """`netecho` in a terminal of its own server. When it has ended, the screen says `[status N]`."""

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        size: tuple[int, int] = (80, 16),
        program: Sequence[str] = COMMAND,
        variables: Mapping[str, str] = {},
    ) -> None:
        assert shutil.which("tmux"), "tmux is missing; scripts/setup test installs it"
        self._output = b""
        self._socket = str(directory / "tmux.socket")
        self._pidfile = directory / "tmux.pid"
        begin = f"echo $$ >{shlex.quote(str(self._pidfile))}; exec {shlex.join([*program, *arguments])}"
        script = f"sh -c {shlex.quote(begin)}; printf '[status %s]' $?; read end"
        measures = ("-x", str(size[0]), "-y", str(size[1]))
        outer = {name: value for name, value in environment(**variables).items() if name != "TMUX"}
        self._run("-f", "/dev/null", "new-session", "-d", *measures, script, variables=outer)
        for option, value in (("window-size", "manual"), ("status", "off"), ("escape-time", "0")):
            self._run("set", "-g", option, value)
        self._run("resize-window", *measures)
        # In control mode tmux tells when something has come up: no need to look again and again.
        self._news = subprocess.Popen(
            ["tmux", "-S", self._socket, "-C", "attach"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._news.stdout is not None
        self._reader = self._news.stdout.fileno()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._news.stdin.close()  # type: ignore[union-attr]
        self._run("kill-server")
        self._news.wait(PATIENCE)
        self._news.stdout.close()  # type: ignore[union-attr]

    def type(self, text: str) -> None:
        """Type text, as a keyboard or an input method sends it."""
        self._run("send-keys", "-l", "--", text)

    def press(self, *keys: str) -> None:
        """Press keys: `Enter`, `C-c`, `Left`, `Tab`."""
        self._run("send-keys", *keys)

    def paste(self, text: str) -> None:
        """Paste, bracketed if the program has asked for that."""
        self._run("load-buffer", "-", stdin=text)
        self._run("paste-buffer", "-p")

    def resize(self, columns: int, rows: int) -> None:
        """Make the window another size."""
        self._run("resize-window", "-x", str(columns), "-y", str(rows))

    def screen(self, *options: str) -> str:
        """Return the screen, without spaces at the ends of its rows."""
        return self._run("capture-pane", "-p", *options)

    def history(self, *options: str) -> str:
        """The scrollback, and below it the screen; long lines in one piece."""
        return self._run("capture-pane", "-p", "-J", "-S", "-", *options)

    def cursor(self) -> tuple[int, int]:
        """Column and row of the cursor, from 0."""
        column, row = self._run("display-message", "-p", "#{cursor_x} #{cursor_y}").split()
        return int(column), int(row)

    def wait_for(self, *texts: str, times: int = 1) -> str:
        """Wait until each of the texts is so many times in scrollback and screen; return these."""
        self.wait_until(lambda: all(self.history().count(text) >= times for text in texts), str(texts))
        return self.history()

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds, looking again whenever something has come up."""
        while not holds():
            assert select.select([self._reader], [], [], PATIENCE)[0], f"not {what} in\n{self.history()}"
            self._read()

    def status(self) -> int:
        """Wait for the program's end; its exit status."""
        return int(self.wait_for("[status ").rpartition("[status ")[2].partition("]")[0])

    def written(self) -> str:
        """All that the program wrote until its end, as control mode spells it: `\\\\033` for ESC."""
        while b"[status " not in self._output:
            self._read()
        return self._output.decode()

    def kill(self, number: signal.Signals) -> None:
        """Send the program a signal."""
        os.kill(int(self._pidfile.read_text()), number)

    def _read(self) -> None:
        news = os.read(self._reader, 65536)
        assert news, "tmux has ended"
        self._output += news

    def _run(self, *arguments: str, stdin: str = "", variables: dict[str, str] | None = None) -> str:
        run = subprocess.run(
            ["tmux", "-S", self._socket, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=variables,
        )
        assert run.returncode == 0, run.stderr
        return run.stdout
