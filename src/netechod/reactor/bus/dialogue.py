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


class LinkError(NetechodError):
    """The connection is of no use any more: the reason, for the operator, and its word in the metrics."""

    def __init__(self, reason: str, kind: str) -> None:
        super().__init__(reason)
        self.kind = kind


class TooLongError(LinkError):
    """A reply is longer than MAX_REPLY. A frugal dialogue can read it."""

    def __init__(self) -> None:
        super().__init__(f"a reply of more than {MAX_REPLY >> 20} MiB", "size")


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

    def __init__(self, loop: Loop, script: Script, wake: Wake, *, frugal: bool = False) -> None:
        self._loop = loop
        self._script = script
        self._wake = wake
        self.on_failed: Callable[[LinkError], object] = lambda error: None
        self._parser = Parser(frugal=frugal)
        self._state: Literal["opening", "ready", "asking", "pausing", "closed"] = "opening"
        self._replies: list[Reply] | None = None  # to the last request; None: the script has not begun
        self._expected = 0  # number of them
        self._limit = MAX_REPLY  # bytes that the parser may have been given at their end
        self._patience = PATIENCE
        self._due = 0.0  # the time at which the server is late, or the pause is over
        self._timer: Timer | None = None  # it may come earlier than `_due`, and then sets itself again
        self._wait_until(loop.now + PATIENCE)

    def opened(self) -> Chunk:
        """See StreamSession: the first request."""
        self._state = "ready"
        return self.more() or b""

    @property
    def has_heard(self) -> bool:
        """Whether the server has said anything."""
        return self._parser.size > 0

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
            self.on_failed(error)

    def data_received(self, data: memoryview) -> Chunk:
        """See StreamSession. The script goes on in a turn of its own."""
        if self._replies is None or self._state != "asking":
            self.fail(LinkError("a reply that nobody asked for", "protocol"))
            return b""
        self._due = self._loop.now + self._patience
        try:
            self._replies.extend(self._parser.replies(bytes(data)))
        except NotRespError:
            self.fail(LinkError("no reply of Redis; if the server expects TLS, use rediss", "protocol"))
            return b""
        if len(self._replies) >= self._expected:
            self._state = "ready"
        elif self._parser.size > self._limit:
            self.fail(TooLongError())
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
            return b""
        if isinstance(step, Request):
            return self._ask(step)
        return self._rest(step)

    def eof_received(self) -> Chunk:
        """See StreamSession."""
        self.fail(LinkError("closed by the server", "closed"))
        return b""

    def _ask(self, request: Request) -> Chunk:
        self._state = "asking"
        self._expected = len(request.commands)
        self._limit = self._parser.size + MAX_REPLY
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
        """End the pause, or give up the server; or wait on, if the time has been put off meanwhile."""
        self._timer = None
        if self._state in ("opening", "asking", "pausing") and self._due > self._loop.now:
            self._timer = self._loop.call_at(self._due, self._on_timer)
        elif self._state == "opening":
            self.fail(LinkError("TLS: no handshake in time, the server may have no TLS", "timeout"))
        elif self._state == "asking":
            self.fail(LinkError("no reply in time", "timeout"))
        else:
            self.go_on()
