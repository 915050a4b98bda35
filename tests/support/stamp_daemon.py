"""The STAMP reflector of a real daemon, and whoever asks it."""

import select
import socket
from pathlib import Path
from typing import Any

from support.daemon import Daemon, client

from netechod.client.operator.control import ask as ask_control
from netechod.linux import IP_RECVTTL
from netechod.services.stamp.packets import request

SECRET = b"open-sesame"


class StampDaemon(Daemon):
    """A daemon that reflects, and nothing else."""

    def __init__(self, directory: Path, **settings: object) -> None:
        super().__init__(directory)
        keys = directory / "keys"
        keys.touch(0o600)
        keys.write_text("default open-sesame\n4660 of-one-session\n")
        others = {f"{name}.enabled": False for name in ("echo.tcp", "echo.udp", "dictionary", "chat")}
        own = {"stamp.enabled": True, "stamp.key_file": keys}
        self.configure({**others, **own, **{f"stamp.{name}": value for name, value in settings.items()}})
        self.bind("stamp")

    def reflected(self, packet: bytes, *, tos: int = 0, source: str = "") -> tuple[bytes, int, int]:
        """Send a packet; return its answer, and the TTL and the traffic class that it came with."""
        with client(self.address("stamp"), source=source) as sock:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 77)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
            sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
            sock.send(packet)
            answer, messages, _, _ = sock.recvmsg(65536, 256)
        told = {kind: content[0] for _, kind, content in messages}
        return answer, told[socket.IP_TTL], told[socket.IP_TOS]

    def is_silent(self, packet: bytes, source: str = "", other: bytes = b"") -> bool:
        """Return whether a packet is not answered, although a later one has been."""
        with client(self.address("stamp"), source=source) as sock, client(self.address("stamp")) as later:
            sock.send(packet)
            later.send(other or request(0, 5, 0x8001, 0))
            later.recv(65536)
            return select.select([sock], [], [], 0) == ([], [], [])

    def counter(self, name: str) -> int:
        """Return one of its counters."""
        count = self.status()["counters"]["stamp"].get(name, 0)
        assert isinstance(count, int)
        return count

    def status(self) -> dict[str, Any]:
        """Return its status."""
        answer: dict[str, Any] = ask_control(self.directory / "control.sock", "status")
        return answer
