"""`netecho echo`: what is typed or piped goes to the echo service and comes back (RFC 862)."""

import codecs
import os
import select
import socket
import sys
from collections.abc import Callable

from netechod.client.net import ClientError, Server, Target
from netechod.client.screen import complain, decoded, interactive, lines, put, put_bytes, shown, shown_lines
from netechod.client.words import tr
from netechod.services.wire import MAX_DATAGRAM

CHUNK = 64 * 1024  # bytes moved at a time: what a pipe holds (pipe(7))

Sink = Callable[[bytes], None]


def run_tcp(target: Target) -> int:
    """Echo over a connection: line by line with a person, as a stream otherwise."""
    server = Server(target, socket.SOCK_STREAM)
    with server.connect() as sock:
        try:
            if interactive():
                _converse(sock)
            else:
                Stream(sock, sys.stdin.fileno(), _sink()).run(target.timeout)
        except OSError as error:
            raise server.failed(error) from None
    return 0


def run_udp(target: Target) -> int:
    """Echo over datagrams, one a line."""
    server = Server(target, socket.SOCK_DGRAM)
    person = interactive()
    show = _sink()
    status = 0
    for line in lines(tr("echo> ") if person else ""):
        payload = line.removesuffix(b"\n")
        if len(payload) > MAX_DATAGRAM:
            complain(
                tr(
                    "line not sent: {size} bytes, and a datagram holds {most}",
                    size=len(payload),
                    most=MAX_DATAGRAM,
                )
            )
            status = 1
            continue
        answer = server.ask(payload, payload.__eq__).payload
        if person:
            put(tr("{text}", text=shown(answer)) + "\n")
        else:
            show(answer + b"\n")
    return status


class Stream:
    """All of a descriptor, sent to an echo server while what comes back is handed on.

    Sending and receiving take turns in one select(2): a client that first sends everything waits for ever
    once the buffers of both sides are full, because the server then waits for the client.
    """

    def __init__(self, sock: socket.socket, source: int, sink: Sink) -> None:
        self._sock = sock
        self._source = source
        self._sink = sink
        self._unsent = memoryview(b"")
        self._ended = False  # the source has
        self._closed = False  # the server has
        self._owed = 0  # bytes that have yet to come back

    def run(self, timeout: float) -> None:
        """Work until both sides have ended; a server that is silent for `timeout` raises TimeoutError."""
        self._sock.setblocking(False)
        while not self._closed:
            self._turn(timeout)
        if self._owed > 0 or not self._ended:
            missing = max(self._owed, 0)
            raise ClientError(
                tr("the server closed the connection early, {missing} bytes short", missing=missing)
            )

    def _turn(self, timeout: float) -> None:
        """Wait for one side or the other, and move one chunk each way."""
        server_is_due = bool(self._unsent) or self._ended
        readers: list[socket.socket | int] = [self._sock] if server_is_due else [self._sock, self._source]
        writers = [self._sock] if self._unsent else []
        readable, writable, _ = select.select(readers, writers, [], timeout if server_is_due else None)
        if not readable and not writable:
            raise TimeoutError
        if self._sock in readable:
            self._receive()  # first, because it tells a reset by its name
        if writable:
            self._unsent = self._unsent[self._sock.send(self._unsent) :]
        if self._source in readable:
            self._read()

    def _read(self) -> None:
        """Take a chunk of the source; at its end tell the server, which then ends too (RFC 9293, 3.6)."""
        self._unsent = memoryview(os.read(self._source, CHUNK))
        self._owed += len(self._unsent)
        if not self._unsent:
            self._ended = True
            self._sock.shutdown(socket.SHUT_WR)

    def _receive(self) -> None:
        """Hand on what came back."""
        data = self._sock.recv(CHUNK)
        self._closed = not data
        self._owed -= len(data)
        self._sink(data)


def _sink() -> Sink:
    """Where a stream goes: a file or a pipe gets the bytes, a terminal what is safe of them."""
    if not sys.stdout.isatty():
        return put_bytes
    decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
    return lambda data: put(shown_lines(decode(data, not data)))


def _converse(sock: socket.socket) -> None:
    """Echo the lines of a person, each answered before the next is asked for."""
    for line in lines(tr("echo> ")):
        sock.sendall(line)
        answer = decoded(_receive(sock, len(line)))
        put(tr("{text}", text=shown_lines(answer.removesuffix("\n"))) + "\n")


def _receive(sock: socket.socket, size: int) -> bytes:
    """At least `size` bytes; more when the server adds something of its own to the echo."""
    answer = b""
    while len(answer) < size:
        data = sock.recv(CHUNK)
        if not data:
            raise ClientError(tr("the server closed the connection"))
        answer += data
    return answer
