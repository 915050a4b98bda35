"""The services with asyncio's own loop or with uvloop.

python -m scripts.lib.bench.peers.asyncio_peer echo-tcp asyncio|uvloop streams|protocol
python -m scripts.lib.bench.peers.asyncio_peer echo-udp|dictionary|chat asyncio|uvloop datagrams [DICTIONARY]
"""

import asyncio
import importlib
import socket
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, cast

from scripts.lib.bench.words import MISS, NOT_ONLINE, load_words, text_of

BACKLOG = 1024


class TcpEcho(asyncio.Protocol):
    """TCP echo by callbacks."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._write = cast(asyncio.WriteTransport, transport).write

    def data_received(self, data: bytes) -> None:
        """Echo it."""
        self._write(data)


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
        self._send(self._meaning(text_of(data), MISS), addr)


class UdpChat(UdpEcho):
    """The chat room: online, talk; nobody is ever put offline."""

    def __init__(self) -> None:
        self._names: dict[tuple[str | Any, int], bytes] = {}

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Let in, prompt, or pass on to everybody."""
        text = text_of(data)
        if addr not in self._names:
            if text != b"online":
                self._send(NOT_ONLINE, addr)
                return
            self._names[addr] = f"{addr[0]}--{addr[1]}#".encode()
        line = self._names[addr] + text
        for member in self._names:
            self._send(line, member)


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


def main(service: str, engine: str, style: str, dictionary: str = "") -> None:
    """Serve until killed."""
    serve: Callable[[socket.socket], Coroutine[None, None, None]]
    if style == "streams":
        serve = serve_streams
    elif service == "echo-tcp":
        serve = partial(serve_connections, TcpEcho)
    elif service == "echo-udp":
        serve = partial(serve_datagrams, UdpEcho)
    elif service == "chat":
        serve = partial(serve_datagrams, UdpChat)
    else:
        serve = partial(serve_datagrams, partial(UdpDictionary, load_words(Path(dictionary))))
    new_loop = importlib.import_module(engine).new_event_loop  # uvloop is in the bench's environment only
    with asyncio.Runner(loop_factory=new_loop) as runner, socket.socket(fileno=3) as sock:
        runner.run(serve(sock))


if __name__ == "__main__":
    main(*sys.argv[1:])
