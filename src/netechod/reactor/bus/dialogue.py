"""One connection to a server: a script of requests and replies.

A script is a generator. It yields a Request, and is sent the replies to it. Or it yields a Pause, and goes on
when that is over. So it reads like a program that waits, and never does.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Literal, NamedTuple, TypeAlias

from netechod.errors import NetechodError
from netechod.reactor.bus.resp import Command, NotRespError, Parser, Reply, pack
from netechod.reactor.loop import Loop, Timer
from netechod.services.api import Chunk, StreamSession, Wake

PATIENCE = 3.0  # seconds in which the server has to send the next bytes of a reply
MAX_REPLY = 8 << 20  # bytes of the replies to one request; the longest honest ones have a quarter
HEAD = 256  # bytes of a reply that are kept: they have the id of an entry that is too long to be read


class LinkError(NetechodError):
    """The connection is of no use any more: the reason, for the operator."""


class TooLongError(LinkError):
    """A reply is longer than MAX_REPLY. `head` is its beginning."""

    def __init__(self, head: bytes) -> None:
        super().__init__(f"a reply of more than {MAX_REPLY >> 20} MiB")
        self.head = head


class Request(NamedTuple):
    """Commands that are sent at once. The replies come in their order."""

    commands: Sequence[Command]
    patience: float = PATIENCE


class Pause(NamedTuple):
    """Nothing to ask for so many seconds, or until the dialogue is told to go on. 0: until the next turn."""

    seconds: float | None = None


Script: TypeAlias = Generator[Request | Pause, list[Reply] | None, None]


class Dialogue(StreamSession):
    """Runs a script over a connection, as its session.

    `on_failed` is called once: when the script raises, the server does not reply in time, or ends the stream.
    It must not close the connection at once, because its driver still uses it.
    """

    def __init__(self, loop: Loop, script: Script, wake: Wake, on_failed: Callable[[LinkError], object]) -> None:
        self._loop = loop
        self._script = script
        self._wake = wake
        self._on_failed = on_failed
        self._parser = Parser()
        self._state: Literal["ready", "asking", "pausing", "closed"] = "ready"
        self._replies: list[Reply] | None = None  # to the last request; None: the script has not begun
        self._expected = 0  # number of them
        self._size = 0  # bytes of them
        self._head = b""
        self._patience = PATIENCE
        self._due = 0.0  # the time at which the server is late, or the pause is over
        self._timer: Timer | None = None  # it may come earlier than `_due`, and then sets itself again

    def opened(self) -> Chunk:
        """See StreamSession: the first request."""
        return self.more() or b""

    def go_on(self) -> None:
        """End a pause of the script."""
        if self._state == "pausing":
            self._state = "ready"
            self._wake()

    def close(self) -> None:
        """Run the script no further."""
        if self._state != "closed":
            self._state = "closed"
            if self._timer is not None:
                self._timer.cancel()

    def fail(self, error: LinkError) -> None:
        """Close, and tell why."""
        if self._state != "closed":
            self.close()
            self._on_failed(error)

    def data_received(self, data: memoryview) -> Chunk:
        """See StreamSession. The script goes on in a turn of its own."""
        if self._replies is None or self._state != "asking":
            self.fail(LinkError("a reply that nobody asked for"))
            return b""
        self._due = self._loop.now + self._patience
        self._size += len(data)
        if len(self._head) < HEAD:
            self._head += bytes(data[: HEAD - len(self._head)])
        if self._size > MAX_REPLY:
            self.fail(TooLongError(self._head))
            return b""
        try:
            self._replies.extend(self._parser.replies(bytes(data)))
        except NotRespError:
            self.fail(LinkError("the server does not speak RESP; if it expects TLS, the URL begins with rediss"))
            return b""
        if len(self._replies) >= self._expected:
            self._state = "ready"
        return b""

    def more(self) -> Chunk | None:
        """See StreamSession: the next request, if the script is ready for it."""
        if self._state != "ready":
            return None
        replies, self._replies = self._replies, []
        try:
            step = self._script.send(replies)
        except LinkError as error:
            self.fail(error)
            return None
        if isinstance(step, Request):
            return self._ask(step)
        return self._rest(step)

    def eof_received(self) -> Chunk:
        """See StreamSession."""
        self.fail(LinkError("closed by the server"))
        return b""

    def _ask(self, request: Request) -> Chunk:
        self._state = "asking"
        self._expected, self._size, self._head = len(request.commands), 0, b""
        self._patience = request.patience
        self._wait_until(self._loop.now + request.patience)
        return b"".join(map(pack, request.commands))

    def _rest(self, pause: Pause) -> Chunk | None:
        if pause.seconds == 0:
            return b""  # there is more to do, and the driver asks again
        self._state = "pausing"
        if pause.seconds is not None:
            self._wait_until(self._loop.now + pause.seconds)
        return None

    def _wait_until(self, due: float) -> None:
        self._due = due
        if self._timer is not None and self._timer.when > due:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        """End the pause, or give up the server; or wait on, where the time has moved on meanwhile."""
        self._timer = None
        if self._due > self._loop.now:
            self._timer = self._loop.call_at(self._due, self._on_timer)
        elif self._state == "asking":
            self.fail(LinkError("no reply in time"))
        else:
            self.go_on()
