"""The client of the control socket: each connection carries one request and its answer."""

import grp
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from netechod.client.errors import ClientError

TIMEOUT = 10.0  # seconds that an answer, and each further part of it, may take
MAX_REQUEST = 4096  # bytes that the daemon reads
BLOCK = 64 * 1024  # bytes of lines that are read at once


class NotRunningError(ClientError):
    """No daemon answers on the control socket."""


class RefusedError(ClientError):
    """The daemon has refused the request."""


class Target(NamedTuple):
    """A daemon as the command line names it, and how long to wait for it."""

    path: Path | None  # None: its configuration has no control socket
    timeout: float | None = None  # seconds; None: whatever is usual for the request
    is_one_of_many: bool = False  # whether JSON has to tell which daemon has answered

    def ask(self, *words: str, usual: float = TIMEOUT) -> Any:  # noqa: ANN401 (whatever JSON can say)
        """Send a request; return its result. Raises ClientError."""
        return ask(self._socket(), *words, timeout=self.patience(usual))

    def dump(self, *words: str) -> Iterator[bytes]:
        """Request something long; return blocks of whole lines as they come. Raises ClientError."""
        return dump(self._socket(), *words, timeout=self.patience(TIMEOUT))

    @property
    def label(self) -> dict[str, str]:
        """Fields of JSON that tell this daemon from others that are asked, too."""
        return {"socket": str(self.path)} if self.is_one_of_many else {}

    def patience(self, usual: float) -> float:
        """Return how long to wait for a request that usually takes `usual` seconds at most."""
        return usual if self.timeout is None else self.timeout

    def _socket(self) -> Path:
        """Return the control socket. Raises ClientError if there is none."""
        if self.path is None:
            raise ClientError(
                "the daemon has no control socket: daemon.control is empty in its configuration",
                "signals reach it: SIGHUP reloads, SIGUSR2 writes the status to the log, SIGTERM stops",
            )
        return self.path


def ask(path: Path, *words: str, timeout: float = TIMEOUT) -> Any:  # noqa: ANN401 (whatever JSON can say)
    """Send a request; return its result. Raises ClientError."""
    with _asking(path, words, timeout) as (result, _):
        return result


def dump(path: Path, *words: str, timeout: float = TIMEOUT) -> Iterator[bytes]:
    """Request something long; return blocks of whole lines as they come. Raises ClientError.

    The result, if there is one, is the number of lines: half an answer must not pass for a whole one.
    """
    received = 0
    with _asking(path, words, timeout) as (expected, rest):
        while lines := rest.readlines(BLOCK):
            received += len(lines)
            yield b"".join(lines)
    if expected is not None and received != expected:
        raise _hung_up(path)


@contextmanager
def _asking(path: Path, words: tuple[str, ...], timeout: float) -> Iterator[tuple[Any, BinaryIO]]:
    """Send a request; give its result, and the rest of the answer. Errors become ClientError."""
    request = json.dumps(words).encode()
    if len(request) > MAX_REQUEST:
        raise ClientError(f"the request would have {len(request)} bytes, at most {MAX_REQUEST} are read")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout)
            sock.connect(str(path))
            sock.sendall(request + b"\n")
            with sock.makefile("rb") as answer:
                yield _result(path, answer.readline()), answer
    except OSError as error:
        raise _sentence(path, error) from None


def _result(path: Path, line: bytes) -> Any:  # noqa: ANN401 (whatever JSON can say)
    """Parse the first line of an answer. Raises RefusedError, and ClientError."""
    if not line.endswith(b"\n"):
        raise _hung_up(path)
    try:
        head = json.loads(line)
        if head["ok"]:
            return head["result"]
        refusal = RefusedError(head["error"])
    except (ValueError, TypeError, KeyError, RecursionError):  # the last: a thousand brackets are enough
        raise ClientError(f"what answers at {path} is no netechod", "another path: --socket") from None
    raise refusal


def _hung_up(path: Path) -> ClientError:
    return ClientError(f"the daemon at {path} hung up", "is it stopping, or do too many ask at once?")


def _sentence(path: Path, error: OSError) -> ClientError:
    """Return why a request cannot be sent or is not answered, for the operator."""
    match error:
        case FileNotFoundError() | ConnectionRefusedError():
            return NotRunningError(
                f"no daemon answers at {path}", "is netechod running? another path: --socket"
            )
        case ConnectionError():
            return _hung_up(path)
        case PermissionError():
            hint = f"ask as root, or as a member of the daemon's group{_group_of(path)}"
            return ClientError(f"cannot open {path}: permission denied", hint)
        case TimeoutError() | BlockingIOError():  # the latter: its backlog is full (connect(2), EAGAIN)
            return ClientError(
                f"the daemon at {path} does not answer", "is it stopped, or overloaded? be patient: --timeout"
            )
    return ClientError(f"{path}: {error.strerror or error}")


def _group_of(path: Path) -> str:
    """Return the group that may open a socket, as the end of a sentence; nothing if it cannot be told."""
    for place in (path, path.parent):  # the directory may hide the socket
        with suppress(OSError):
            group = place.stat().st_gid
            try:
                return f", {grp.getgrgid(group).gr_name}"
            except KeyError:
                return f", {group}"
    return ""
