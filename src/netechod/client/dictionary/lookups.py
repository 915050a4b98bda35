"""Looks up many words at once, and returns their meanings in the order of the words.

A dictionary's answer is its text and nothing else. The port where it arrives tells to which word it belongs:
every word is asked from a port of its own, and no port is used again while a copy of its answer may come.

A window limits the words in flight. It halves when most of a round is lost, because the server is overloaded,
restarts, or limits our rate, and grows by one with each round that is answered (as in RFC 5681).
"""

import select
import socket
import time
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from netechod.client.errors import ClientError, SilentServerError
from netechod.client.i18n.translate import tr
from netechod.client.kernel import RECEIVE_SIZE
from netechod.client.net import Server, Target
from netechod.client.terminal.input import Input, to_utf8
from netechod.client.terminal.text import decoded
from netechod.services.wire import MAX_DATAGRAM, MISS, PADDED, text_of

CUTS = (1200, 1256, 1296)
"""Bytes at which our server cuts an answer: the default of dictionary.max_reply, and three times a query with
its headers (IPv4, IPv6). It cuts between characters, so a cut answer may be three bytes shorter."""

WINDOW = 64  # words in flight: a third of what a receive buffer of Linux's default size holds
LINGER = 128  # sockets kept after their answer; a late copy of it ends there
BACKLOG = 16384  # results that wait for that of an earlier word; beyond it no new words are asked
ROUND = 32  # answers and losses that are judged together
FEW = 4  # losses in a round that may have any reason
BACKOFF = 4  # each wait is four times as long as the one before
PATIENCE = 0.05  # seconds that the first wait has at least: a reload may keep a server busy so long


class Result(NamedTuple):
    """One word, looked up."""

    word: str
    text: str | None  # None for a word that the server does not hold, and for one without answer
    rtt_ms: float | None  # None for a word without answer,
    trouble: str = ""  # which has this instead
    cut: int = 0  # bytes at which the server has cut the text; 0 if it is whole


class _Query:
    """A word that was asked."""

    __slots__ = ("asked", "due", "result", "sent", "sock", "tries", "word")

    def __init__(self, word: bytes) -> None:
        self.word = word
        self.asked = self.sent = self.due = 0.0
        self.tries = 0
        self.result: Result | None = None
        self.sock: socket.socket


def query_of(word: bytes) -> bytes:
    """Return the datagram that asks for `word`. Raises ClientError."""
    if len(word) > MAX_DATAGRAM:
        raise ClientError(_too_long(word))
    return word.ljust(PADDED, b"\0")


class Dictionary:
    """A dictionary server, and what its answers mean."""

    def __init__(self, target: Target, miss: str = MISS) -> None:
        self.target = target
        self.server = Server(target, socket.SOCK_DGRAM)
        self._miss = to_utf8(miss)
        self._port = 0  # where the last answer to `look_up` came; a late copy of it may come there, too

    def look_up(self, word: bytes) -> Result:
        """Ask for one word, at every address that the server has. Raises ClientError."""
        try:
            answer = self.server.ask(query_of(word), tries=self.tries(word))
        except SilentServerError:
            if self.may_ignore(word):
                return Result(decoded(word), None, None, self.silence(word))
            raise
        self._port = answer.port
        return self.result_of(word, answer.payload, answer.seconds)

    def new_socket(self) -> socket.socket:
        """Return a socket for one more word, on a port where no other answer comes. Raises ClientError."""
        sock = self.server.datagram_socket()
        while sock.getsockname()[1] == self._port:
            with sock:  # which keeps its port from being chosen again
                sock = self.server.datagram_socket()
        return sock

    def may_ignore(self, word: bytes) -> bool:
        """Return whether a server may be silent about a word on purpose.

        Some ignore the text that they answer for a miss. Else two servers could answer each other for ever.
        """
        return word == self._miss

    def tries(self, word: bytes) -> int:
        """Return how often to ask for a word."""
        return 1 if self.may_ignore(word) else 1 + self.target.retries

    def silence(self, word: bytes) -> str:
        """Say that a word has no answer."""
        if self.may_ignore(word):
            return tr("no answer for {word!r}: it is what the server answers for a miss", word=decoded(word))
        return tr("no answer for {word!r}", word=decoded(word))

    def result_of(self, word: bytes, answer: bytes, seconds: float) -> Result:
        """Return what an answer says about the word."""
        text = text_of(answer)
        cut = next((limit for limit in CUTS if limit - 3 <= len(answer) <= limit), 0)
        meaning = None if text == self._miss else decoded(text)
        return Result(decoded(word), meaning, round(seconds * 1000, 3), cut=cut)


class Lookups:
    """Asks a dictionary for many words at once."""

    def __init__(self, dictionary: Dictionary) -> None:
        self._dictionary = dictionary
        self._timeout = dictionary.target.timeout
        self._order: deque[_Query] = deque()  # the words whose results are still to be returned
        self._in_flight: dict[int, _Query] = {}  # the words without answer, by descriptor
        self._retired: deque[socket.socket] = deque()
        self._poll = select.poll()
        self._buffer = bytearray(RECEIVE_SIZE)
        self._window = 0.0  # 0 until the first answer: the first word goes alone
        self._answered = self._lost = 0  # in this round
        self._retry_after = 0.0  # seconds from the first try to the second
        self._heard = 0.0  # when the last answer came
        self._error: OSError = TimeoutError()  # why the last word without answer has none

    def results(self, source: Input) -> Iterator[Result]:
        """Return one result for each word of `source`, in order, as soon as it is known.

        Raises ClientError when the server does not answer at all any more.
        """
        try:
            while True:
                is_over = not self._ask_from(source)
                while self._order and (result := self._order[0].result):
                    self._order.popleft()
                    yield result
                if not self._order and is_over:
                    return
                self._wait(source)
        finally:
            self._close()

    def _ask_from(self, source: Input) -> bool:
        """Ask as many words as the window lets; return False when there are no more."""
        while self._has_room():
            word = _next_word(source)
            if word is None:
                return not source.ended
            query = _Query(word)
            self._order.append(query)
            if len(word) > MAX_DATAGRAM:
                query.result = Result(decoded(word), None, None, _too_long(word))
            elif self._window:
                self._ask(query)
            else:
                self._ask_first(query)
        return True

    def _has_room(self) -> bool:
        return len(self._in_flight) < max(self._window, 1) and len(self._order) < BACKLOG

    def _ask_first(self, query: _Query) -> None:
        """Ask the first word alone: it finds the address that answers, and how long an answer takes."""
        query.result = result = self._dictionary.look_up(query.word)
        if not result.trouble:
            self._window = WINDOW
            self._heard = time.monotonic()
            self._retry_after = self._wait_for((result.rtt_ms or 0.0) / 1000)

    def _ask(self, query: _Query) -> None:
        query.sock = self._dictionary.new_socket()
        query.sock.setblocking(False)
        query.asked = time.monotonic()
        self._in_flight[query.sock.fileno()] = query
        self._poll.register(query.sock, select.POLLIN)
        self._send(query)

    def _send(self, query: _Query) -> None:
        """Send a query, for the first time or again. The last try gets the whole timeout."""
        query.sent = time.monotonic()
        query.tries += 1
        is_last = query.tries >= self._dictionary.tries(query.word)
        wait = self._timeout if is_last else self._retry_after * BACKOFF ** (query.tries - 1)
        query.due = query.sent + min(wait, self._timeout)
        try:
            query.sock.send(query_of(query.word))
        except OSError as error:  # of an earlier try (ICMP), or of this one: the next may do better
            self._error = error

    def _wait(self, source: Input) -> None:
        """Sleep until an answer or a word comes, or a query is due."""
        watches_source = self._has_room() and not source.ended
        if watches_source:
            self._poll.register(source.descriptor, select.POLLIN)
        left = max(0.0, self._next_due() - time.monotonic()) * 1000 if self._in_flight else None
        ready = self._poll.poll(None if left is None else int(left) + 1)
        if watches_source:
            self._poll.unregister(source.descriptor)
        for descriptor, _ in ready:
            if query := self._in_flight.get(descriptor):
                self._receive(query)
            else:
                source.read()
        if self._in_flight and self._next_due() <= time.monotonic():
            self._on_due(time.monotonic())

    def _next_due(self) -> float:
        return min(query.due for query in self._in_flight.values())

    def _receive(self, query: _Query) -> None:
        """Take the answer to a word. An ICMP error is a loss whose reason is known."""
        try:
            size = query.sock.recv_into(self._buffer)
        except OSError as error:
            self._error = error
            return
        self._heard = time.monotonic()
        seconds = self._heard - query.sent
        if query.tries == 1:  # else it might answer an earlier try (Karn's algorithm, RFC 6298, 3)
            self._retry_after = max(self._retry_after * 0.875, self._wait_for(seconds))
        self._window = min(WINDOW, self._window + 1 / self._window)
        self._count(answered=1)
        self._retire(query)
        query.result = self._dictionary.result_of(query.word, bytes(self._buffer[:size]), seconds)

    def _wait_for(self, seconds: float) -> float:
        """Return how long to wait before a second try, when answers take so long."""
        return min(self._timeout, max(PATIENCE, 4 * seconds))

    def _count(self, *, answered: int = 0, lost: int = 0) -> bool:
        """Count into the round; return whether most of it is lost."""
        if self._answered + self._lost >= ROUND:
            self._answered = self._lost = 0
        self._answered += answered
        self._lost += lost
        return self._lost >= FEW and self._lost >= self._answered

    def _on_due(self, now: float) -> None:
        """Ask again for the words that have waited long enough, or give them up."""
        due = [query for query in self._in_flight.values() if query.due <= now]
        again = [query for query in due if query.tries < self._dictionary.tries(query.word)]
        if self._count(lost=len(due)):
            self._window = max(1.0, self._window / 2)
            self._retry_after = min(self._timeout, 2 * self._retry_after)
            self._answered = self._lost = 0
            for query in again[int(self._window) :]:  # the others wait until the server has taken these
                query.due = now + self._retry_after
        for query in due:
            if query.due > now:
                continue
            if query in again:
                self._send(query)
            else:
                self._give_up(query)

    def _give_up(self, query: _Query) -> None:
        if self._heard < query.asked and not self._dictionary.may_ignore(query.word):
            raise self._dictionary.server.failed(self._error)
        self._retire(query)
        query.result = Result(decoded(query.word), None, None, self._dictionary.silence(query.word))

    def _retire(self, query: _Query) -> None:
        """Be done with a word, but keep its port from being used again at once."""
        self._poll.unregister(query.sock)
        del self._in_flight[query.sock.fileno()]
        self._retired.append(query.sock)
        if len(self._retired) > LINGER:
            self._retired.popleft().close()

    def _close(self) -> None:
        for query in list(self._in_flight.values()):
            self._retire(query)
        for sock in self._retired:
            sock.close()
        self._order.clear()


def _next_word(source: Input) -> bytes | None:
    """Return the next line with a word in it: the server does not answer an empty one."""
    while (line := source.next_line()) is not None:
        if word := text_of(line):
            return word
    return None


def _too_long(word: bytes) -> str:
    return tr("a word of {size} bytes: a datagram holds {most}", size=len(word), most=MAX_DATAGRAM)
