"""Two connections to one server that live and die together: one writes, the other waits for entries."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from netechod.reactor.bus.dialogue import Dialogue, LinkError, Script, TooLongError
from netechod.reactor.bus.master import Master
from netechod.reactor.loop import Loop
from netechod.reactor.outgoing.dialer import Dialer, DialState, Target, written
from netechod.reactor.tcp.api import StreamService, Waker
from netechod.services.api import StreamSession

READ_SIZE = 64 * 1024  # bytes that a script is given at once


@dataclass(frozen=True)
class Owner:
    """The owner of a pair: its scripts, and what it does when the connections are lost."""

    read: Callable[[], Script]
    write: Callable[[], Script]
    on_failed: Callable[[LinkError], object]  # something is wrong with the connections; `on_lost` follows
    on_lost: Callable[[], object]  # there are no connections any more
    on_down: Callable[[str], object]  # a pause begins, because no server is of use: the reason


class Pair:
    """Has the reader connect to one of the targets, and then the writer to the same one.

    The reader's dialer has the only pause and the only timer for a new attempt.
    """

    def __init__(self, loop: Loop, master: Master, owner: Owner) -> None:
        self._loop = loop
        self._master = master
        self._owner = owner
        self._reader: Dialogue | None = None
        self._writer: Dialogue | None = None
        self._writing: Dialer | None = None
        self._greeted: Dialogue | None = None  # the reader that has last connected
        self._frugal = False  # the last connection has met a reply that was too long
        service = StreamService("bus", self._new_reader, read_size=READ_SIZE)
        self._reading = Dialer(loop, service, master.find, self._on_reading)

    @property
    def target(self) -> Target | None:
        """The server that the reader connects to."""
        return self._reading.target

    @property
    def server(self) -> str:
        """Its address, as people write it."""
        return "" if self.target is None else written(self.target[1])

    def open_writer(self) -> None:
        """Connect the writer to the reader's server, which takes writes."""
        service = StreamService("bus", self._new_writer, read_size=READ_SIZE)
        targets = [*filter(None, [self.target])]
        self._writing = Dialer(self._loop, service, targets, self._on_writing)

    def prove(self) -> None:
        """Note that both connections are of use."""
        self._reading.prove()

    def close(self) -> None:
        """Close the connections, and connect no more."""
        self._forget()
        self._reading.close()

    def lose(self, error: LinkError) -> None:
        """Close both connections soon, because their drivers still use them. The pair connects again."""
        self._loop.call_soon(partial(self._on_failed, self._reader, error))

    def wake_reader(self) -> None:
        """Have the reader's script go on, if it pauses."""
        if self._reader is not None:
            self._reader.go_on()

    def wake_writer(self) -> None:
        """Have the writer's script go on, if it pauses."""
        if self._writer is not None:
            self._writer.go_on()

    def _new_reader(self, waker: Waker) -> StreamSession:
        self._greeted = self._reader = dialogue = Dialogue(
            self._loop, self._owner.read(), waker, frugal=self._frugal
        )
        return self._secured(dialogue)

    def _new_writer(self, waker: Waker) -> StreamSession:
        self._writer = dialogue = Dialogue(self._loop, self._owner.write(), waker, frugal=self._frugal)
        return self._secured(dialogue)

    def _secured(self, dialogue: Dialogue) -> StreamSession:
        """Return the session of a connection, in TLS if the URL says so."""
        dialogue.on_failed = lambda error: self._loop.call_soon(partial(self._on_failed, dialogue, error))
        if self._master.context is None:
            return dialogue
        from netechod.reactor.outgoing.tls import TlsSession  # only where it is used: it takes 6 MB

        return TlsSession(
            dialogue,
            self._master.context,
            self._master.name_of(self.target),
            lambda why: dialogue.fail(LinkError(f"TLS: {why}", "tls")),
        )

    def _on_failed(self, dialogue: Dialogue | None, error: LinkError) -> None:
        if dialogue is not None and dialogue in (
            self._reader,
            self._writer,
        ):  # or another failure was earlier
            self._frugal = isinstance(error, TooLongError)
            self._owner.on_failed(error)
            self._drop(str(error))

    def _on_reading(self, state: DialState) -> None:
        if state.status == "waiting":
            self._forget()
            self._owner.on_down(state.error + self._hint(state.error))

    def _hint(self, why: str) -> str:
        """Return a hint, if a server has closed the connection without a word."""
        greeted, self._greeted = self._greeted, None
        is_closed = why.startswith(("closed", "connection ended"))
        if greeted is None or greeted.has_heard or not is_closed or self._master.context is not None:
            return ""
        return "; if the server expects TLS, use rediss"

    def _on_writing(self, state: DialState) -> None:
        if state.status == "waiting":
            self._drop(state.error)

    def _drop(self, why: str) -> None:
        """Close both connections. The reader's dialer makes its own again."""
        self._forget()
        self._reading.drop(why)

    def _forget(self) -> None:
        """Give up the writer and both scripts."""
        for dialogue in filter(None, [self._reader, self._writer]):
            dialogue.close()
        self._reader = self._writer = None
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.close()
        self._owner.on_lost()
