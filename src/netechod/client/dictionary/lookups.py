"""Many words in flight at once, and what they mean, in the order of the words.

A dictionary's answer is its text and nothing else: what it answers is told by where it arrives. So every word
is asked from a port of its own, and no port is used again while a copy of its answer may be under way.

Words in flight are limited by a window. When a server leaves many unanswered, because it is overloaded,
restarts or limits the rate of its clients, the window closes and opens again with the answers, as that of TCP
does (RFC 5681). A word to be repeated stays in it and holds back new ones.
"""

import os
import select
import socket
import time
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from netechod.client.errors import ClientError
from netechod.client.i18n.translate import tr
from netechod.client.net import RECEIVE_SIZE, Server, Target
from netechod.client.terminal.input import Input
from netechod.client.terminal.text import decoded
from netechod.services.wire import MAX_DATAGRAM, MISS, text_of

QUERY_SIZE = 400
"""Bytes of a query, filled up with NULs that end its text: a server that does not know our address yet
answers it with at most three times the bytes it got, and this many earn the longest answer."""

WINDOW = 64  # words in flight: a third of what a receive buffer of Linux's default size holds
LINGER = 128  # sockets kept after their answer; a copy of it that comes late ends there
BACKLOG = 16384  # results that wait for the one of an earlier word; beyond it no new words are asked
VOLLEY = 32  # tries in succession, which are judged together
FEW = 4  # tries; so many may get lost for any reason
BACKOFF = 4  # times as long as the one before is the next wait
PATIENCE = 0.05  # seconds that the first repetition waits at least: a reload may keep a server busy so long


class Result(NamedTuple):
    """One word, looked up."""

    word: str
    text: str | None  # None for a word that the server does not hold, and for one without answer
    rtt_ms: float | None  # None for a word without answer,
    trouble: str = ""  # which has this instead


class _Volley:
    """Tries that were sent one after the other."""

    __slots__ = ("answered", "sent")

    def __init__(self) -> None:
        self.sent = self.answered = 0

    def is_mostly_lost(self) -> bool:
        """Whether that is too much for losses on the way; asked when the answers should have come."""
        lost = self.sent - self.answered
        return lost >= FEW and lost >= self.answered


class _Flight:
    """A word that was asked."""

    __slots__ = ("asked", "due", "result", "sent", "sock", "tries", "volley", "word")

    def __init__(self, word: bytes) -> None:
        self.word = word
        self.asked = self.sent = self.due = 0.0
        self.tries = 0
        self.result: Result | None = None
        self.sock: socket.socket
        self.volley: _Volley  # of the last try


def query_of(word: bytes) -> bytes:
    """The datagram that asks for `word`."""
    if len(word) > MAX_DATAGRAM:
        raise ClientError(_too_long(word))
    return word.ljust(QUERY_SIZE, b"\0")


class Dictionary:
    """A dictionary server, and what its answers mean."""

    def __init__(self, target: Target, miss: str = MISS) -> None:
        self.target = target
        self.server = Server(target, socket.SOCK_DGRAM)
        self._miss = os.fsencode(miss)

    def look_up(self, word: bytes) -> Result:
        """Ask for one word, and again while there is no answer, at every address that the server has."""
        answer = self.server.ask(query_of(word))
        return self.result_of(word, answer.payload, answer.seconds)

    def result_of(self, word: bytes, answer: bytes, seconds: float) -> Result:
        """What an answer says about the word."""
        text = text_of(answer)
        return Result(decoded(word), None if text == self._miss else decoded(text), round(seconds * 1000, 3))


class Lookups:
    """The words that a dictionary was asked, and what came of it so far."""

    def __init__(self, dictionary: Dictionary) -> None:
        self._dictionary = dictionary
        self._target = dictionary.target
        self._order: deque[_Flight] = deque()  # the words whose results are still to be told
        self._flying: dict[int, _Flight] = {}  # those without answer, by descriptor
        self._landed: deque[socket.socket] = deque()
        self._poll = select.poll()
        self._buffer = bytearray(RECEIVE_SIZE)
        self._window = 0.0  # none in flight until one is answered: whether and where, is not known before
        self._heard = 0.0  # when the last answer came
        self._closed = 0.0  # when the window closed; it opens when all words from before are done with
        self._volley = _Volley()
        self._first_wait = 0.0
        self._error: OSError = TimeoutError()  # why the last word without answer has none

    def results(self, source: Input) -> Iterator[Result]:
        """What the words of `source` mean, one result a word, as soon as those before it are told.

        Raises ClientError when the server says nothing at all any more.
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
        """Ask as many words as the window lets; False when there are no more."""
        while self._has_room():
            word = _next_word(source)
            if word is None:
                return not source.ended
            flight = _Flight(word)
            self._order.append(flight)
            if len(word) > MAX_DATAGRAM:
                flight.result = Result(decoded(word), None, None, _too_long(word))
            elif self._window:
                self._launch(flight)
            else:
                self._ask_first(flight)
        return True

    def _has_room(self) -> bool:
        return len(self._flying) < max(self._window, 1) and len(self._order) < BACKLOG

    def _ask_first(self, flight: _Flight) -> None:
        """Ask the first word alone: it finds the address that answers, and how long that takes."""
        flight.result = result = self._dictionary.look_up(flight.word)
        self._window = WINDOW
        self._heard = time.monotonic()
        self._first_wait = self._wait_after((result.rtt_ms or 0.0) / 1000)

    def _launch(self, flight: _Flight) -> None:
        flight.sock = self._dictionary.server.connect()
        flight.sock.setblocking(False)
        flight.asked = time.monotonic()
        self._flying[flight.sock.fileno()] = flight
        self._poll.register(flight.sock, select.POLLIN)
        self._send(flight)

    def _send(self, flight: _Flight) -> None:
        """Send the query, for the first time or again; the last try gets all of the patience."""
        flight.sent = time.monotonic()
        flight.tries += 1
        flight.volley = self._volley
        self._volley.sent += 1
        if self._volley.sent == VOLLEY:
            self._volley = _Volley()
        is_last = flight.tries > self._target.retries
        wait = self._target.timeout if is_last else self._first_wait * BACKOFF ** (flight.tries - 1)
        flight.due = flight.sent + min(wait, self._target.timeout)
        try:
            flight.sock.send(query_of(flight.word))
        except OSError as error:  # what an earlier try met, or no route now: the next try may fare better
            self._error = error

    def _wait(self, source: Input) -> None:
        """Sleep until an answer or a word comes, or a repetition is due."""
        watches_source = self._has_room() and not source.ended
        if watches_source:
            self._poll.register(source.descriptor, select.POLLIN)
        left = max(0.0, self._next_due() - time.monotonic()) * 1000 if self._flying else None
        ready = self._poll.poll(None if left is None else int(left) + 1)
        if watches_source:
            self._poll.unregister(source.descriptor)
        for descriptor, _ in ready:
            if flight := self._flying.get(descriptor):
                self._receive(flight)
            else:
                source.read()
        if self._flying and self._next_due() <= time.monotonic():
            self._repeat_what_is_due()

    def _next_due(self) -> float:
        return min(flight.due for flight in self._flying.values())

    def _receive(self, flight: _Flight) -> None:
        """Take the answer to a word; an ICMP error is a loss whose reason is known."""
        try:
            size = flight.sock.recv_into(self._buffer)
        except OSError as error:
            self._error = error
            return
        self._heard = time.monotonic()
        flight.volley.answered += 1
        seconds = self._heard - flight.sent
        if flight.tries == 1:  # else it might answer an earlier try (Karn's rule, RFC 6298, 3)
            self._first_wait = max(self._first_wait * 0.875, self._wait_after(seconds))
        if flight.asked > self._closed:
            self._window = min(WINDOW, self._window + 1 / self._window)
        self._land(flight)
        flight.result = self._dictionary.result_of(flight.word, bytes(self._buffer[:size]), seconds)

    def _wait_after(self, seconds: float) -> float:
        """How long to wait before a repetition when answers take so long."""
        return min(self._target.timeout, max(PATIENCE, 4 * seconds))

    def _land(self, flight: _Flight) -> None:
        """Have no more to do with a word's socket, but keep it from being used again at once."""
        self._poll.unregister(flight.sock)
        del self._flying[flight.sock.fileno()]
        self._landed.append(flight.sock)
        if len(self._landed) > LINGER:
            self._landed.popleft().close()

    def _close(self) -> None:
        for flight in list(self._flying.values()):
            self._land(flight)
        while self._landed:
            self._landed.popleft().close()
        self._order.clear()

    def _repeat_what_is_due(self) -> None:
        """Ask again what has waited long enough, or give it up."""
        now = time.monotonic()
        for flight in [flight for flight in self._flying.values() if flight.due <= now]:
            is_mute = flight.volley.is_mostly_lost()
            if is_mute:
                self._window, self._closed = 1.0, now
            if is_mute and flight.due < flight.sent + self._target.timeout:
                flight.due = flight.sent + self._target.timeout  # a try now would be in vain
            elif flight.tries <= self._target.retries:
                self._send(flight)
            elif self._heard < flight.asked:
                raise self._dictionary.server.failed(self._error)
            else:
                self._land(flight)
                trouble = tr("no answer for {word!r}", word=decoded(flight.word))
                flight.result = Result(decoded(flight.word), None, None, trouble)


def _next_word(source: Input) -> bytes | None:
    """The next line with a word in it: the server answers none to an empty one."""
    while (line := source.next_line()) is not None:
        if word := text_of(line):
            return word
    return None


def _too_long(word: bytes) -> str:
    return tr("a word of {size} bytes: a datagram holds {most}", size=len(word), most=MAX_DATAGRAM)
