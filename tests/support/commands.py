"""The command service of a real daemon, and whoever asks it."""

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from support.daemon import PATIENCE, Daemon

from netechod.services.command.signing import Part, read_answer, request

SECRET = "open-sesame-open-sesame-open-sesame"
GUEST = "only-a-guest-only-a-guest-only"


def write_keys(path: Path, owner: int | None = None, **keys: str) -> Path:
    """A key file as it has to be."""
    path.write_text("".join(f"{key_id} {secret}\n" for key_id, secret in keys.items()), encoding="utf-8")
    path.chmod(0o600)
    if owner is not None:
        os.chown(path, owner, -1)
    return path


def allowing(
    directory: Path, commands: Mapping[str, Mapping[str, object]], **settings: object
) -> dict[str, object]:
    """The configuration of a daemon with nothing but these commands."""
    others = {f"{section}.enabled": False for section in ("echo.tcp", "echo.udp", "dictionary", "chat")}
    own = {"command.enabled": True, "command.key_file": directory / "keys"}
    limits = {f"command.{name}": value for name, value in settings.items()}
    allow = {
        f"command.allow.{name}.{key}": value
        for name, command in commands.items()
        for key, value in command.items()
    }
    return {**others, **own, **limits, **allow}


class CommandDaemon(Daemon):
    """A daemon that serves commands alone, for the keys `ops` and `guest`."""

    def __init__(
        self, directory: Path, commands: Mapping[str, Mapping[str, object]], **settings: object
    ) -> None:
        super().__init__(directory)
        write_keys(directory / "keys", ops=SECRET, guest=GUEST)
        self.configure(allowing(directory, commands, **settings))

    def bind(self, *services: str) -> None:
        """See Daemon; what is on here is the command service."""
        super().bind(*(services or ("command",)))

    def asks(self, *words: str, key: str = "ops") -> tuple[int, set[str], bytes]:
        """Status, flags and output of a command."""
        with closing(self.client()) as sock:
            sock.send(signed(*words, key=key))
            return answer(sock, key)

    def client(self, source: str = "127.0.0.1", to: tuple[str, int] | None = None) -> socket.socket:
        """A socket to ask from."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(PATIENCE)
        sock.bind((source, 0))
        sock.connect(to or self.address("command"))
        return sock

    def is_silent_to(self, datagram: bytes, source: str = "127.0.0.1") -> bool:
        """Return whether a datagram has no answer before that to a later request, which is denied at once."""
        with closing(self.client(source)) as sock:
            sock.send(datagram)
            sock.send(signed("no-such-command"))
            return answer(sock)[:2] == (126, {"denied"})


def signed(*words: str, key: str = "ops", secret: str = "", later: float = 0.0, nonce: str = "") -> bytes:
    """A request as a client makes it, `later` seconds from now."""
    secret = secret or {"ops": SECRET, "guest": GUEST}[key]
    seconds = int(datetime.now(UTC).timestamp() + later)
    return request(key, secret.encode(), seconds, nonce or os.urandom(12).hex(), words)


def answer(sock: socket.socket, key: str = "ops") -> tuple[int, set[str], bytes]:
    """The next whole answer: status, flags and output."""
    secret = {"ops": SECRET, "guest": GUEST}[key].encode()
    parts: dict[int, Part] = {}
    while len(parts) < next((part.parts for part in parts.values()), 1):
        part = read_answer(sock.recv(65536), secret)
        assert part is not None
        parts[part.number] = part
    whole: Sequence[Part] = [parts[number] for number in sorted(parts)]
    return whole[0].status, set(whole[0].flags), b"".join(part.output for part in whole)
