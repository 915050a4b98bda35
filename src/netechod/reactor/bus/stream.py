"""The log that the nodes of a realm share: one stream of a Redis or Valkey server.

The writer has one entry in flight, and lines gather meanwhile. The reader waits in XREAD.
"""

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from typing import TypeAlias, TypeVar

from netechod.reactor.bus.dialogue import PATIENCE, LinkError, Pause, Request, Script
from netechod.reactor.bus.master import Master
from netechod.reactor.bus.pair import Owner, Pair
from netechod.reactor.bus.replies import entries_of, found_in, is_no_stream, questions
from netechod.reactor.bus.resp import Command, Reply, ReplyError
from netechod.reactor.loop import Callback, Loop, Timer
from netechod.services.realm.log import START, EntryId, Log
from netechod.services.realm.realm import Realm
from netechod.services.wire import escape_controls

BLOCK = 2.0  # seconds after which the server replies that there is no entry
COUNT = 128  # entries in a reply, at most
SLICE = 0.001  # seconds of a turn of the loop in which entries are read
SHORTEST, LONGEST = 0.1, 5.0  # seconds before an entry that the server has refused goes again
REFUSALS = ("BUSY", "MISCONF", "NOREPLICAS", "OOM", "TRYAGAIN")  # errors after which the connection is usable
MAX_SHOWN = 200  # characters of an error that are shown

A = TypeVar("A")
R = TypeVar("R")

Steps: TypeAlias = Generator[Request | Pause, list[Reply] | None, R]
"""A part of a script, with its result."""


class StreamLog(Log):
    """The log, as its realm uses it. `history` is the number of entries that the server keeps.

    It begins to connect at once, and connects again whenever it is lost, until it is closed.
    """

    def __init__(self, loop: Loop, realm: Realm, master: Master, key: str, history: int) -> None:
        self._loop = loop
        self._realm = realm
        self._master = master
        self._key = key
        self._history = history
        self.on_up: Callback = lambda: None
        self.on_down: Callable[[str], object] = lambda why: None
        self.on_refused: Callable[[str], object] = lambda error: None  # the server does not take an entry
        self.on_taken: Callback = lambda: None
        self.is_up = False
        self.connects = 0  # times that the log became usable
        self.errors: Counter[str] = Counter()
        self.appends, self.append_seconds = 0, 0.0
        self._after = START  # the entry behind which the next read begins
        self._reader_rests = self._writer_rests = False  # it waits for the realm
        self._timer: Timer | None = None
        owner = Owner(self._read, self._write, self._on_failed, self._on_lost, self._on_down)
        self._pair = Pair(loop, master, owner)
        self.keep_time()

    @property
    def server(self) -> str:
        """The address of the server that is used, or tried."""
        return self._pair.server

    def close(self) -> None:
        """Close the connections, and connect no more."""
        self._pair.close()
        self._stop_timer()

    def append_soon(self) -> None:
        """See Log."""
        if self._writer_rests:
            self._writer_rests = False
            self._pair.wake_writer()

    def read_soon(self) -> None:
        """See Log."""
        if self._reader_rests:
            self._reader_rests = False
            self._pair.wake_reader()

    def connect_anew(self, why: str) -> None:
        """See Log."""
        self._pair.lose(LinkError(why, "realm"))

    def keep_time(self) -> None:
        """Call the realm at its next deadline."""
        deadline = self._realm.next_deadline()
        if self._timer is None or self._timer.when > deadline:
            self._stop_timer()
            self._timer = self._loop.call_at(deadline, self._on_deadline)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_deadline(self) -> None:
        self._timer = None
        if self._realm.next_deadline() <= self._loop.now:
            self._realm.deadline_reached(self._loop.now)
        self.keep_time()

    def _on_failed(self, error: LinkError) -> None:
        self.errors[error.kind] += 1

    def _on_lost(self) -> None:
        self._reader_rests = self._writer_rests = False
        self._realm.disconnected(self._loop.now)
        self.keep_time()

    def _on_down(self, why: str) -> None:
        if not self.is_up:
            self.errors["connect"] += 1
        self.is_up = False
        self.on_down(why)

    # The scripts

    def _greet(self, role: str) -> Steps[None]:
        """Prove who we are, and that this server takes writes."""
        url, password = self._master.url, self._master.secrets().password
        commands: list[Command] = [("CLIENT", "SETNAME", f"netechod-{self._realm.node}-{role}"), ("ROLE",)]
        if password:
            commands.insert(0, ("AUTH", url.user, password) if url.user else ("AUTH", password))
        if url.database:
            commands.insert(-1, ("SELECT", url.database))
        replies = yield from self._ask(commands)
        server = replies[-1]
        if isinstance(server, list) and server[:1] != [b"master"]:
            raise LinkError(f"{self.server} is not the master", "not-master")

    def _ask(self, commands: Sequence[Command], patience: float = PATIENCE) -> Steps[list[Reply]]:
        """Send commands, and return the replies. Raises LinkError for the first error."""
        replies = yield Request(commands, patience)
        assert replies is not None  # noqa: S101 (a script is sent the replies to its request)
        for command, reply in zip(commands, replies, strict=True):
            if isinstance(reply, ReplyError) and not is_no_stream(command, reply):
                self._refuse(command, reply)
        return replies

    def _refuse(self, command: Command, error: ReplyError) -> None:
        """Give the connection up for an error reply."""
        if error.kind == "MOVED":
            self._master.moved(error)
        raise LinkError(f"{command[0]!s}: {shown(error)}", error.kind.lower())

    def _read(self) -> Script:
        """Greet, have the writer do the same, find the place to read on, and read."""
        yield from self._greet("reader")
        self._pair.open_writer()
        yield Pause()
        yield from self._begin()
        self._pair.wake_writer()
        while True:
            while not self._realm.may_read:
                self._reader_rests = True
                yield Pause()
            wait, after = round(1000 * BLOCK), str(self._after)
            command: Command = ("XREAD", "COUNT", COUNT, "BLOCK", wait, "STREAMS", self._key, after)
            replies = yield from self._ask([command], BLOCK + PATIENCE)
            entries = _understood(entries_of, replies[0])
            yield from self._pass_on(entries)
            if len(entries) < COUNT:
                self._realm.caught_up(self._loop.now)
            self.keep_time()

    def _begin(self) -> Steps[None]:
        """Tell the realm in which state the log is. From now on it is used."""
        questions_now = questions(self._key, self._realm.last, self._realm.mine)
        replies = yield from self._ask(questions_now)
        self._after = self._realm.connected(_understood(found_in, replies), self._loop.now)
        self._pair.prove()
        self.is_up = True
        self.connects += 1
        self.on_up()

    def _pass_on(self, entries: Sequence[tuple[EntryId, Reply]]) -> Steps[None]:
        """Give entries to the realm, as many in a turn of the loop as fit into SLICE."""
        ends = self._loop.clock() + SLICE
        for at, fields in entries:
            while not self._realm.may_read:
                self._reader_rests = True
                yield Pause()
            self._realm.read(at, fields, self._loop.now)
            self._after = at
            if self._loop.clock() >= ends:
                yield Pause(0)
                ends = self._loop.clock() + SLICE

    def _write(self) -> Script:
        """Greet, wait until the log is used, and write."""
        yield from self._greet("writer")
        self._pair.wake_reader()
        yield Pause()
        pause = SHORTEST
        while True:
            fields = self._realm.entry(self._loop.now)
            if fields is None:
                self._writer_rests = True
                yield Pause()
                continue
            reply = yield from self._append(fields)
            if isinstance(reply, ReplyError):
                self.errors[reply.kind.lower()] += 1
                self._realm.not_taken(self._loop.now)
                self.on_refused(shown(reply))
                yield Pause(pause)
                pause = min(LONGEST, 2 * pause)
            else:
                pause = SHORTEST
                self._realm.taken(_understood(EntryId.parse, reply), self._loop.now)
                self.on_taken()
            self.keep_time()

    def _append(self, fields: Sequence[bytes]) -> Steps[Reply]:
        """Append an entry. Return its id, or an error after which the connection can still be used."""
        command: Command = ("XADD", self._key, "MAXLEN", "~", self._history, "*", *fields)
        begun = self._loop.now
        replies = yield Request([command])
        assert replies is not None  # noqa: S101 (a script is sent the replies to its request)
        reply = replies[0]
        if isinstance(reply, ReplyError) and reply.kind not in REFUSALS:
            self._refuse(command, reply)
        self.appends += 1
        self.append_seconds += self._loop.now - begun
        return reply


def _understood(read: Callable[[A], R], reply: A) -> R:
    """Read a reply. Raises LinkError if it is not what was asked for."""
    try:
        return read(reply)
    except (ValueError, TypeError, KeyError) as error:
        raise LinkError(f"a reply that is none: {error}", "protocol") from None


def shown(error: ReplyError) -> str:
    """Return an error of the server as a text for a log."""
    return escape_controls(str(error))[:MAX_SHOWN]
