"""A service manager's end of $NOTIFY_SOCKET, so that a test can be one (sd_notify(3))."""

import os
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self


class NotifySocket:
    """Collects what a daemon tells its service manager, in order.

    A thread takes the messages as they come: a full socket would block the daemon that sends.
    """

    def __init__(self, path: Path | str) -> None:
        """`path` is a file to make, or `@name` in the abstract namespace of unix(7)."""
        self.address = str(path)
        self.messages: list[str] = []
        self.stored: list[tuple[str, int]] = []  # the descriptors that we keep, by FDNAME=
        self._heard = 0  # messages that `wait_for` has gone past
        self._news = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + self.address[1:] if self.address.startswith("@") else self.address)
        self._thread = threading.Thread(target=self._collect, name="notify socket", daemon=True)
        self._thread.start()

    def wait_for(self, line: str, timeout: float = 10.0) -> str:
        """The next message that has `line` among its lines; the one after it is looked for next time."""
        with self._news:
            if not self._news.wait_for(lambda: self._find(line) is not None, timeout):
                raise AssertionError(f"no {line!r} in {timeout} s; heard: {self.messages[self._heard :]}")
            found = self._find(line)
            assert found is not None
            self._heard = found + 1
            return self.messages[found]

    def has(self, line: str) -> bool:
        """Whether a message that was not waited for yet has `line` among its lines."""
        with self._news:
            return self._find(line) is not None

    def forget(self) -> None:
        """Keep no descriptors any more: they have been passed on."""
        for _, descriptor in self.stored:
            os.close(descriptor)
        self.stored.clear()

    def close(self) -> None:
        """Stop listening; whoever sends from now on finds nobody."""
        if not self._thread.is_alive():
            return
        self._socket.shutdown(socket.SHUT_RD)
        self._thread.join()
        self._socket.close()
        self.forget()
        if not self.address.startswith("@"):
            Path(self.address).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _find(self, line: str) -> int | None:
        """The place of the first message with `line` that was not waited for yet."""
        places = range(self._heard, len(self.messages))
        return next((place for place in places if line in self.messages[place].split("\n")), None)

    def _collect(self) -> None:
        """Take messages until `close` shuts the socket down, which reads as an empty one."""
        while True:
            data, descriptors, _, _ = socket.recv_fds(self._socket, 65536, 253)
            if not data:
                return
            message = data.decode()
            name = message.partition("FDNAME=")[2].partition("\n")[0]
            for descriptor in descriptors:
                if "FDSTORE=1" in message:
                    self.stored.append((name, descriptor))
                else:
                    os.close(descriptor)  # a barrier: it waits for this
            with self._news:
                self.messages.append(message)
                self._news.notify_all()
