"""`netecho run`: the command service runs a named command, and we end with its status.

A command runs at most once: a request is repeated as the same signed datagram, which the service accepts only
once. Silence leaves open whether the command has run, so no new request is made after it.
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
from netechod.client.i18n.translate import reason_text, tr
from netechod.client.kernel import RECEIVE_SIZE
from netechod.client.net import Server, Target
from netechod.client.terminal.output import complain, put, put_bytes, put_json
from netechod.client.terminal.text import decoded, padded
from netechod.client.xdg import config_directory
from netechod.key_file import KeyFileError, read_keys
from netechod.services.cells import cells
from netechod.services.command.signing import (
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
from netechod.services.wire import escape_controls

TRANSPORT_STATUS = 255  # as ssh(1) has it: the status of the command is not known
RECEIVE_BUFFER = 4 << 20  # bytes asked of the kernel: all parts of an answer come at once
GAP = 2  # columns between a name and what its arguments have to match


class Key(NamedTuple):
    """The key that signs requests."""

    key_id: str
    secret: bytes


class Result(NamedTuple):
    """The outcome of a command."""

    status: int
    flags: frozenset[str]
    output: bytes
    seconds: float  # until the whole answer was there


class TransportError(ClientError):
    """The status of the command is not known."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.exit_code = TRANSPORT_STATUS


class _SilenceError(Exception):
    """There is no answer, and the command may have run."""


def find_key(path: Path | None, key_id: str | None) -> Key:
    """Return the key with that id, or the first one, of a key file. Raises TransportError."""
    if path is None:
        path = _usual_key_file()
    try:
        keys = read_keys(path, {0, os.geteuid()})
    except KeyFileError as error:
        reason = tr("no key: {reason}", reason=reason_text(str(error)))
        raise TransportError(reason, reason_text(error.hint)) from None
    key_id = key_id or next(iter(keys))
    if key_id not in keys:
        hint = tr("its keys are {ids}", ids=", ".join(keys))
        raise TransportError(tr("no key {key_id!r} in {path}", key_id=key_id, path=path), hint)
    return Key(key_id, keys[key_id])


def _usual_key_file() -> Path:
    if named := os.environ.get("NETECHO_KEY_FILE"):
        return Path(named)
    if (directory := config_directory()) is None:
        raise TransportError(
            tr("no key: there is no home directory to look for one"), tr("name the file: --key-file FILE")
        )
    return directory / "keys"


def ask(target: Target, key: Key, words: Sequence[str], patience: float) -> Result:
    """Have the command run, and wait `patience` seconds at most for its end. Raises TransportError."""
    try:
        server = Server(target, socket.SOCK_DGRAM)
        _choose_address(server, key)
        with server.datagram_socket() as sock:
            return _Exchange(sock, target, key, words, patience).result()
    except ClientError as error:
        raise TransportError(str(error), error.hint) from None
    except OSError as error:
        failure = server.failed(error)
        raise TransportError(str(failure), failure.hint) from None
    except _SilenceError:
        hint = tr("address, key and clock have to be right; the command may have run all the same")
        raise TransportError(str(server.failed(TimeoutError())), hint) from None


def _choose_address(server: Server, key: Key) -> None:
    """Find the address that answers, with a harmless question: a command may only be sent to one address."""
    nonce = _new_nonce()

    def is_answer(payload: bytes) -> bool:
        part = read_answer(payload, key.secret)
        return part is not None and part.nonce == nonce

    server.choose(_request(key, nonce, [LIST]), is_answer)


def _new_nonce() -> str:
    return secrets.token_hex(12)


class _Exchange:
    """One request, and its answer."""

    def __init__(
        self, sock: socket.socket, target: Target, key: Key, words: Sequence[str], patience: float
    ) -> None:
        self._sock = sock
        self._target = target
        self._secret = key.secret
        self._nonce = _new_nonce()
        self._request = _request(key, self._nonce, words)
        self._parts: dict[int, Part] = {}
        self._begun = self._heard = time.monotonic()
        self._until = self._begun + patience
        self._sent = 0

    def result(self) -> Result:
        """Return the answer, put together of its parts. Raises OSError, _SilenceError and TransportError."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._send()
        while len(self._parts) < self._expected():
            self._hear()
        parts = [self._parts[number] for number in sorted(self._parts)]
        output = b"".join(part.output for part in parts)
        return Result(parts[0].status, parts[0].flags, output, time.monotonic() - self._begun)

    def _expected(self) -> int:
        return next((part.parts for part in self._parts.values()), 1)

    def _send(self) -> None:
        """Send the request, which is the same each time: the service accepts it once."""
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
                raise  # the request has not arrived
            raise _SilenceError from None
        if part is not None and part.nonce == self._nonce:
            self._parts[part.number] = part
            self._heard = time.monotonic()

    def _due(self) -> float:
        """Return when to stop waiting: the parts of an answer come together, a lost request is sent again."""
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
        """Write the parts before the first one that is missing."""
        number = 1
        while number in self._parts:
            _put_output(self._parts[number].output)
            number += 1


def _request(key: Key, nonce: str, words: Sequence[str]) -> bytes:
    """Return the signed datagram. Raises TransportError."""
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
    """Have a command run, show its output, and return its exit status."""
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
        why = reason_text(decoded(result.output).strip())
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
    """Show the commands that the key may run, and what their arguments have to match."""
    result = ask(target, key, [LIST], patience)
    rows = [list(map(escape_controls, line.split("\t"))) for line in decoded(result.output).split("\n")[:-1]]
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
    """Write the bytes as they came; to a terminal, escape control characters but line ends and tabs."""
    if sys.stdout.isatty():
        lines = decoded(output).split("\n")
        put("\n".join("\t".join(map(escape_controls, line.split("\t"))) for line in lines))
    else:
        put_bytes(output)
