"""Messages between two of our processes over a stream socket. Each has a JSON value and a body of bytes."""

import json
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from netechod.reactor.loop import Callback, Loop

PIECE = 65536  # bytes taken from the socket at once

_SIZES = struct.Struct("!II")  # of the JSON, of the bytes

OnMessage = Callable[[Any, bytes], object]


class Channel:
    """One end of the socket. Unsent bytes wait in memory without a limit: neither end sends much unasked."""

    def __init__(self, loop: Loop, sock: socket.socket, on_message: OnMessage, on_end: Callback) -> None:
        """`on_end` is called at the end of the other end's stream. It may still receive."""
        self._loop = loop
        self._sock = sock
        self._on_message = on_message
        self._on_end = on_end
        self._received = bytearray()
        self._unsent = bytearray()
        self._receives = True
        sock.setblocking(False)
        self._watch()

    def send(self, message: object, body: bytes = b"") -> None:
        """Send a message, now or as soon as the socket is writable."""
        head = json.dumps(message).encode()
        self._unsent += _SIZES.pack(len(head), len(body)) + head + body
        self._send()

    def finish(self, patience: float) -> None:
        """Send the rest, receive until the other end closes, and close. `patience`: seconds for each call."""
        self._loop.unwatch(self._sock.fileno())
        self._sock.settimeout(patience)
        with suppress(OSError):  # the other end is dead or stuck: read what it has sent before
            self._sock.sendall(self._unsent)
            self._sock.shutdown(socket.SHUT_WR)
        with suppress(OSError):
            while self._take(self._sock.recv(PIECE)):
                pass
        self._sock.close()

    def close(self) -> None:
        """Close at once, without sending the rest."""
        self._loop.unwatch(self._sock.fileno())
        self._sock.close()

    def _watch(self) -> None:
        reader = self._on_readable if self._receives else None
        self._loop.watch(self._sock.fileno(), reader, self._send if self._unsent else None)

    def _send(self) -> None:
        try:
            del self._unsent[: self._sock.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:  # the other end is dead; the next read reports it
            self._unsent.clear()
        with suppress(OSError):  # no kernel memory: the next message sends the rest
            self._watch()

    def _on_readable(self) -> None:
        try:
            data = self._sock.recv(PIECE)
        except OSError:  # the other end died without reading everything (ECONNRESET)
            data = b""
        if not self._take(data):
            self._receives = False
            self._watch()
            self._on_end()

    def _take(self, data: bytes) -> bool:
        """Add received `data` and deliver complete messages. Return False at the end of the stream."""
        received = self._received
        received += data
        while len(received) >= _SIZES.size:
            head_size, body_size = _SIZES.unpack_from(received)
            body_at = _SIZES.size + head_size
            if len(received) < body_at + body_size:
                break
            message = json.loads(received[_SIZES.size : body_at])
            body = bytes(received[body_at : body_at + body_size])
            del received[: body_at + body_size]
            self._on_message(message, body)
        return bool(data)
