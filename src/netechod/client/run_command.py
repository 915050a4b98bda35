"""`netecho run`: have a named command run by the command service, and end as it did.

A command runs at most once: whatever is sent again is the same signed datagram, which the service takes only
once. So silence leaves open whether it has run; nothing is ever asked anew.
"""

import os
import secrets
import socket
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from netechod.client.errors import ClientError
from netechod.client.i18n.translate import tr
from netechod.client.net import RECEIVE_SIZE, Server, Target
from netechod.client.terminal.output import complain, put, put_bytes, put_json
from netechod.client.terminal.text import cells, decoded, padded
from netechod.key_file import KeyFileError, read_keys
from netechod.services.signing import (
    BUSY,
    DENIED,
    LIST,
    MAX_DATAGRAM,
    TIMEOUT,
    TRUNCATED,
    Part,
    read_answer,
    request,
)
from netechod.services.wire import harmless

TRANSPORT_STATUS = 255  # as ssh(1) has it: the status of the command is not known
RECEIVE_BUFFER = 4 << 20  # bytes asked of the kernel: all parts of an answer come at once
GAP = 2  # columns between a name and what its arguments have to match


class Key(NamedTuple):
    """What requests are signed with."""

    key_id: str
    secret: bytes


class Result(NamedTuple):
    """What became of a command."""

    status: int
    flags: frozenset[str]
    output: bytes
    seconds: float  # until the whole answer was there


class TransportError(ClientError):
    """Nothing is known of the command's status."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.exit_code = TRANSPORT_STATUS


class _SilenceError(Exception):
    """Nobody answers, and the command may have run: no other address may be asked."""


def find_key(path: Path | None, key_id: str | None) -> Key:
    """The key with that id, or else the first one, in the file, or else where one usually is."""
    if path is None:
        home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        path = Path(os.environ.get("NETECHO_KEY_FILE") or home / "netecho" / "keys")
    try:
        keys = read_keys(path, {0, os.geteuid()})
    except KeyFileError as error:
        raise TransportError(tr("no key: {reason}", reason=error), error.hint) from None
    key_id = key_id or next(iter(keys))
    if key_id not in keys:
        hint = tr("its keys are {ids}", ids=", ".join(keys))
        raise TransportError(tr("no key {key_id!r} in {path}", key_id=key_id, path=path), hint)
    return Key(key_id, keys[key_id])


def ask(target: Target, key: Key, words: Sequence[str], patience: float) -> Result:
    """Have the command run and wait for its end, for `patience` seconds at most. Raises TransportError."""
    try:
        server = Server(target, socket.SOCK_DGRAM)
        return server.first(lambda sock: _Exchange(sock, target, key, words, patience).result())
    except ClientError as error:
        raise TransportError(str(error), error.hint) from None
    except _SilenceError:
        hint = tr("address, key and clock have to be right; the command may have run all the same")
        raise TransportError(str(server.failed(TimeoutError())), hint) from None


class _Exchange:
    """One request and its answer, on a socket of its own that is closed in the end."""

    def __init__(
        self, sock: socket.socket, target: Target, key: Key, words: Sequence[str], patience: float
    ) -> None:
        self._sock = sock
        self._target = target
        self._secret = key.secret
        self._nonce = secrets.token_hex(12)
        self._request = _request(key, self._nonce, words)
        self._parts: dict[int, Part] = {}
        self._begun = self._heard = time.monotonic()
        self._until = self._begun + patience
        self._sent = 0

    def result(self) -> Result:
        """The answer, put together."""
        with self._sock as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            self._send()
            while len(self._parts) < self._expected():
                self._hear()
        parts = [self._parts[number] for number in sorted(self._parts)]
        output = b"".join(part.output for part in parts)
        return Result(parts[0].status, parts[0].flags, output, time.monotonic() - self._begun)

    def _expected(self) -> int:
        return next((part.parts for part in self._parts.values()), 1)

    def _send(self) -> None:
        """Send the request, the same each time: the service takes it once."""
        self._sock.send(self._request)
        self._sent += 1

    def _hear(self) -> None:
        """Wait for the next part, or do what is due before it."""
        left = self._due() - time.monotonic()
        if left <= 0:
            self._on_silence()
            return
        self._sock.settimeout(left)
        try:
            part = read_answer(self._sock.recv(RECEIVE_SIZE), self._secret)
        except TimeoutError:
            return
        except ConnectionRefusedError:
            if self._sent == 1:
                raise  # it has not arrived: another address may be tried
            raise _SilenceError from None
        if part is not None and part.nonce == self._nonce:
            self._parts[part.number] = part
            self._heard = time.monotonic()

    def _due(self) -> float:
        """Until when to wait: the parts of an answer come together, a lost request is sent again."""
        if self._parts:
            return self._heard + self._target.timeout
        if self._sent <= self._target.retries:
            return min(self._until, self._begun + self._sent * self._target.timeout)
        return self._until

    def _on_silence(self) -> None:
        if self._parts:
            missing, expected = self._expected() - len(self._parts), self._expected()
            self._put_beginning()
            raise TransportError(
                tr(
                    "{missing} of {expected} parts of the answer are lost", missing=missing, expected=expected
                ),
                tr("the command has run; what is shown is the beginning of its output"),
            )
        if time.monotonic() >= self._until:
            raise _SilenceError
        self._send()

    def _put_beginning(self) -> None:
        number = 1
        while number in self._parts:
            _put_output(self._parts[number].output)
            number += 1


def _request(key: Key, nonce: str, words: Sequence[str]) -> bytes:
    """The datagram, if there can be one."""
    seconds = int(datetime.now(UTC).timestamp())
    try:
        datagram = request(key.key_id, key.secret, seconds, nonce, words)
    except UnicodeEncodeError:
        raise TransportError(tr("name and arguments must be UTF-8")) from None
    if len(datagram) > MAX_DATAGRAM:
        sizes = {"size": len(datagram), "most": MAX_DATAGRAM}
        raise TransportError(tr("the request would have {size} bytes, at most {most} fit", **sizes))
    return datagram


def run(target: Target, key: Key, words: Sequence[str], patience: float, *, as_json: bool) -> int:
    """Have a command run, show what it has written, and return its exit status."""
    result = ask(target, key, words, patience)
    if as_json:
        put_json(
            {
                "name": words[0],
                "status": result.status,
                "flags": sorted(result.flags),
                "output": decoded(result.output),
                "seconds": round(result.seconds, 3),
            }
        )
    elif result.flags & {DENIED, BUSY}:
        why = decoded(result.output).strip()
        hint = tr("netecho run HOST --list shows what this key may run") if DENIED in result.flags else ""
        complain(tr("refused: {why}", why=why), hint)
    else:
        _put_output(result.output)
        if TIMEOUT in result.flags:
            complain(tr("the command took too long and was killed"))
        if TRUNCATED in result.flags:
            complain(tr("the output is longer than the server sends: the rest of it is lost"))
    return result.status


def show_list(target: Target, key: Key, patience: float, *, as_json: bool) -> int:
    """Show which commands there are for the key, and what their arguments have to match."""
    result = ask(target, key, [LIST], patience)
    rows = [list(map(harmless, line.split("\t"))) for line in decoded(result.output).split("\n")[:-1]]
    width = max((cells(row[0]) for row in rows), default=0) + GAP
    for name, *parameters in rows:
        if as_json:
            put_json({"name": name, "parameters": parameters})
        elif sys.stdout.isatty():
            put((padded(name, width) + "  ".join(parameters)).rstrip() + "\n")
        else:
            put("\t".join([name, *parameters]) + "\n")
    return result.status


def _put_output(output: bytes) -> None:
    """Write the bytes as they came; on a terminal, what it would obey is spelled out but lines and tabs."""
    if sys.stdout.isatty():
        lines = decoded(output).split("\n")
        put("\n".join("\t".join(map(harmless, line.split("\t"))) for line in lines))
    else:
        put_bytes(output)
