"""The conversation in a file, with dates."""

import errno
import os
from datetime import date, datetime
from pathlib import Path

from netechod.client.errors import ClientError
from netechod.client.i18n.translate import reason_text, tr
from netechod.services.wire import escape_controls


class Transcript:
    """A file that lines are appended to. Only its owner may read it. Nothing here waits for a reader."""

    def __init__(self) -> None:
        self.path: Path | None = None  # None as long as nothing is written
        self._file = -1
        self._day = date.min

    def begin(self, file: str) -> None:
        """Go on in this file, with a line that has the date. Raises ClientError."""
        self.end()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            path = Path(file).expanduser()
            self._file = os.open(path, flags, 0o600)
        except (OSError, ValueError, RuntimeError) as error:
            raise _failed(file, error) from None
        self.path = path
        self._day = date.min
        self.look_at_clock()

    def look_at_clock(self) -> None:
        """Write a line with the date if another day has begun. Raises ClientError."""
        if self.path is not None and (today := date.today()) != self._day:
            self._day = today
            self._append(self.path, f"--- {datetime.now().astimezone():%Y-%m-%d %z} ---")

    def write(self, text: str) -> None:
        """Write a line, with the time of now. Raises ClientError."""
        self.look_at_clock()
        if self.path is not None:
            self._append(self.path, f"{datetime.now():%Y-%m-%d %H:%M:%S} {escape_controls(text)}")

    def _append(self, path: Path, line: str) -> None:
        """Write in one call, because another program may append to the same file. End if that fails."""
        data = f"{line}\n".encode(errors="backslashreplace")
        try:
            if os.write(self._file, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self.end()
            raise _failed(str(path), error) from None

    def end(self) -> None:
        """Write no more."""
        if self.path is not None:
            os.close(self._file)
        self.path = None


def _failed(file: str, error: Exception) -> ClientError:
    reason = reason_text(getattr(error, "strerror", None) or str(error))
    return ClientError(tr("cannot write the log {file}: {reason}", file=file, reason=reason))
