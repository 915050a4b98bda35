"""`netecho echo`: what is typed or piped goes to the echo service and comes back (RFC 862)."""

import codecs
import os
import select
import socket
import sys
from collections.abc import Callable

from netechod.client.errors import ClientError
from netechod.client.i18n.translate import tr
from netechod.client.net import Server, Target, trust_hint
from netechod.client.terminal.output import interactive, put, put_bytes
from netechod.client.terminal.prompt import Prompt
from netechod.client.terminal.text import decoded, shown_lines
from netechod.services.wire import MAX_DATAGRAM

CHUNK = 64 * 1024  # bytes moved at a time: what a pipe holds (pipe(7))


def run_tcp(target: Target, *, verify: bool) -> int:
    """Echo over a connection: line by line with a person, as a stream otherwise."""
    server = Server(target, socket.SOCK_STREAM)
    with server.connect() as sock:
        try:
            if interactive() and not verify:
                _converse(LineConnection(sock).echo)
            else:
                Stream(sock, sys.stdin.fileno(), _output(verify)).run(target.timeout)
        except OSError as error:
            raise server.failed(error) from None
    return 0


def run_udp(target: Target, *, verify: bool) -> int:
    """Echo over datagrams, one a line. A line that is longer than a datagram goes in several."""
    server = Server(target, socket.SOCK_DGRAM, trust_hint())
    if interactive() and not verify:
        _converse(lambda line: _echo_datagram(server, line))
        return 0
    output = _output(verify)
    is_within_line = False
    while line := sys.stdin.buffer.readline(MAX_DATAGRAM):
        payload = line.removesuffix(b"\n")
        is_only_an_end = is_within_line and not payload  # of a line that fits its datagrams exactly
        answer = b"" if is_only_an_end else _echo_datagram(server, payload)
        is_within_line = payload == line
        output.sent(line)
        output.received(answer + line[len(payload) :])
    return 0


def _converse(echo: Callable[[bytes], bytes]) -> None:
    """Echo the lines of a person, each answered before the next is asked for."""
    prompt = Prompt(tr("echo> "), "echo")
    for entry in prompt.entries():
        try:
            for line in entry:
                put(tr("{text}", text=shown_lines(decoded(echo(line)))) + "\n")
        except KeyboardInterrupt:
            prompt.interrupted()


class LineConnection:
    """Echoes single lines over a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._unreceived = 0  # bytes that have yet to come back

    def echo(self, line: bytes) -> bytes:
        """Return what comes back of a line, without its end. Raises OSError and ClientError.

        A server that adds something of its own to the echo may send more than the line.
        """
        self._sock.sendall(line + b"\n")
        stale = self._unreceived  # the rest of an earlier line, whose echo was interrupted
        self._unreceived += len(line) + 1
        answer = b""
        while self._unreceived > 0:
            data = self._sock.recv(CHUNK)
            if not data:
                raise ClientError(tr("the server closed the connection"))
            self._unreceived -= len(data)
            answer += data
        self._unreceived = 0
        return answer[stale:].removesuffix(b"\n")


def _output(verify: bool) -> "Output":
    return Comparison() if verify else Output()


def _echo_datagram(server: Server, payload: bytes) -> bytes:
    """Return the echo of one datagram. Only the same bytes count. Raises ClientError."""
    others: list[bytes] = []

    def is_echo(answer: bytes) -> bool:
        if answer != payload:
            others.append(answer)
        return answer == payload

    try:
        return server.ask(payload, is_echo).payload
    except ClientError:
        if not others:
            raise
    raise ClientError(_difference(payload, others[-1], 0))


class Output:
    """Writes a stream to stdout: the bytes to a file or a pipe, escaped text to a terminal."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._decode = codecs.getincrementaldecoder(sys.stdout.encoding)("backslashreplace").decode

    def sent(self, data: bytes) -> None:
        """Note what goes to the server."""

    def received(self, data: bytes) -> None:
        """Write what came back; b"" means the end."""
        if self._is_terminal:
            put(shown_lines(self._decode(data, not data)))
        else:
            put_bytes(data)


class Comparison(Output):
    """Compares what comes back with what was sent, and writes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._expected = bytearray()
        self._place = 0  # offset of the first byte that is expected

    def sent(self, data: bytes) -> None:
        """Expect these bytes next."""
        self._expected += data

    def received(self, data: bytes) -> None:
        """Compare what came back. Raises ClientError."""
        expected = bytes(self._expected[: len(data)])
        if expected != data:
            raise ClientError(_difference(expected, data, self._place))
        del self._expected[: len(data)]
        self._place += len(data)


def _difference(sent: bytes, received: bytes, start: int) -> str:
    """Say where two texts differ."""
    place = next((at for at, pair in enumerate(zip(sent, received, strict=False)) if pair[0] != pair[1]), -1)
    if place >= 0:
        return tr(
            "not the same: byte {place} was {sent:#04x} and came back as {received:#04x}",
            place=start + place + 1,
            sent=sent[place],
            received=received[place],
        )
    return tr(
        "not the same: {sent} bytes were sent and {received} came back",
        sent=start + len(sent),
        received=start + len(received),
    )


class Stream:
    """Sends all of a descriptor to an echo server, and hands on what comes back meanwhile.

    Sending and receiving take turns in one select(2). A client that first sends everything waits for ever
    once the buffers of both sides are full, because the server then waits for the client.
    """

    def __init__(self, sock: socket.socket, source: int, output: Output) -> None:
        self._sock = sock
        self._source = source
        self._output = output
        self._unsent = memoryview(b"")
        self._ended = False  # whether the source has ended
        self._closed = False  # whether the server has closed the connection
        self._unreceived = 0  # bytes that have yet to come back

    def run(self, timeout: float) -> None:
        """Work until both sides have ended. Raises TimeoutError after `timeout` seconds of silence."""
        self._sock.setblocking(False)
        while not self._closed:
            self._turn(timeout)
        if self._unreceived > 0 or not self._ended:
            missing = max(self._unreceived, 0)
            raise ClientError(
                tr("the server closed the connection early, {missing} bytes short", missing=missing)
            )

    def _turn(self, timeout: float) -> None:
        """Wait for either side, and move one chunk each way."""
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
        """Read a chunk of the source. At its end tell the server, which then ends, too (RFC 9293, 3.6)."""
        data = os.read(self._source, CHUNK)
        self._unsent = memoryview(data)
        self._unreceived += len(data)
        self._output.sent(data)
        if not data:
            self._ended = True
            self._sock.shutdown(socket.SHUT_WR)

    def _receive(self) -> None:
        """Hand on what came back."""
        data = self._sock.recv(CHUNK)
        self._closed = not data
        self._unreceived -= len(data)
        self._output.received(data)
