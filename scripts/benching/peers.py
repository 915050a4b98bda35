"""The peers: the same services as people write them with asyncio, on the socket passed as descriptor 3.

python -m scripts.benching.peers echo-tcp streams|protocol asyncio|uvloop
python -m scripts.benching.peers echo-udp|dictionary protocol asyncio|uvloop [FILE]
"""

import asyncio
import importlib
import socket
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, cast

from scripts.benching.words import MISS, load_words

BACKLOG = 1024


class TcpEcho(asyncio.Protocol):
    """TCP echo by callbacks."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._write = cast(asyncio.WriteTransport, transport).write

    def data_received(self, data: bytes) -> None:
        """Echo it."""
        self._write(data)


class BufferedTcpEcho(asyncio.BufferedProtocol):
    """TCP echo by callbacks that read into one buffer: asyncio's fastest way, which few people know."""

    buffer = memoryview(bytearray(65536))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._write = cast(asyncio.WriteTransport, transport).write

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to read to."""
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Echo a copy: uvloop writes later, when the next connection has been read into the buffer."""
        self._write(bytes(self.buffer[:nbytes]))


class UdpEcho(asyncio.DatagramProtocol):
    """UDP echo."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._send = cast(asyncio.DatagramTransport, transport).sendto

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Echo it."""
        self._send(data, addr)


class UdpDictionary(UdpEcho):
    """Dictionary look-ups, by the same rules of text as netechod's."""

    def __init__(self, words: dict[bytes, bytes]) -> None:
        self._meaning = words.get

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Answer it."""
        self._send(self._meaning(data.partition(b"\0")[0].rstrip(b"\r\n "), MISS), addr)


async def _echo_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # the client has gone
    finally:
        writer.close()


async def serve_streams(sock: socket.socket) -> None:
    """TCP echo by coroutines."""
    await asyncio.start_server(_echo_stream, sock=sock, backlog=BACKLOG)
    await asyncio.Event().wait()


async def serve_connections(make: Callable[[], asyncio.BaseProtocol], sock: socket.socket) -> None:
    """TCP echo by callbacks."""
    await asyncio.get_running_loop().create_server(make, sock=sock, backlog=BACKLOG)
    await asyncio.Event().wait()


async def serve_datagrams(make: Callable[[], UdpEcho], sock: socket.socket) -> None:
    """A datagram service."""
    await asyncio.get_running_loop().create_datagram_endpoint(make, sock=sock)
    await asyncio.Event().wait()


def main(service: str, engine: str, style: str, file: str) -> None:
    """Serve until killed."""
    serve: Callable[[socket.socket], Coroutine[None, None, None]]
    if style == "streams":
        serve = serve_streams
    elif service == "echo-tcp":
        serve = partial(serve_connections, TcpEcho if style == "protocol" else BufferedTcpEcho)
    elif service == "echo-udp":
        serve = partial(serve_datagrams, UdpEcho)
    else:
        serve = partial(serve_datagrams, partial(UdpDictionary, load_words(Path(file))))
    new_loop = importlib.import_module(engine).new_event_loop  # neither the project's nor mypy's dependency
    with asyncio.Runner(loop_factory=new_loop) as runner, socket.socket(fileno=3) as sock:
        runner.run(serve(sock))


if __name__ == "__main__":
    main(*sys.argv[1:])
