"""The operator's side of the control socket: one question a connection, the answer to its end."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

from netechod.client.net import ClientError


class NotRunningError(ClientError):
    """Nobody answers on the control socket."""


class RefusedError(ClientError):
    """The daemon has said no, and why."""


def ask(path: Path, *words: str, timeout: float = 10.0) -> Any:  # noqa: ANN401 (whatever JSON can say)
    """Ask, and return the result. Raises ClientError."""
    result, body = _asked(path, words, timeout)
    body.close()
    return result


def dump(path: Path, *words: str, timeout: float = 10.0) -> Iterator[bytes]:
    """Ask for something long, and return its lines as they come."""
    _, body = _asked(path, words, timeout)
    with closing(body):
        yield from body


def _asked(path: Path, words: tuple[str, ...], timeout: float) -> tuple[Any, BinaryIO]:
    """The result, and the rest of the answer behind it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        try:
            sock.connect(str(path))
            sock.sendall(json.dumps(words).encode() + b"\n")
            answer = sock.makefile("rb")
            line = answer.readline()
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotRunningError(
                f"no daemon answers at {path}", "is netechod running? another path: --socket"
            ) from None
        except PermissionError:
            raise ClientError(
                f"cannot open {path}: permission denied", "ask as root, or as a member of the daemon's group"
            ) from None
        except TimeoutError:
            raise ClientError(
                f"the daemon at {path} does not answer", "is it stopped, or overloaded?"
            ) from None
        except OSError as error:
            raise ClientError(f"{path}: {error.strerror}") from None
    if not line:
        raise ClientError(f"the daemon at {path} hung up")
    head = json.loads(line)
    if not head["ok"]:
        answer.close()
        raise RefusedError(head["error"])
    return head["result"], answer
