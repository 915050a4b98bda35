"""Where the master is: addresses, Sentinels, redirections, and TLS."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.certificates import Authority
from support.fake_redis import array, bulk

from netechod.reactor.bus.master import Master, Secrets
from netechod.reactor.bus.resp import ReplyError
from netechod.reactor.bus.url import Url

KNOWN = array(bulk(b"192.0.2.1"), bulk(b"7000"))
ASKED = b"*3\r\n$8\r\nSENTINEL\r\n$23\r\nGET-MASTER-ADDR-BY-NAME\r\n$1\r\nm\r\n"

Sentinel = Callable[..., int]


@pytest.fixture
def sentinel() -> Iterator[Sentinel]:
    """Starts a Sentinel that has these replies for its only connection, and returns its port."""
    with ExitStack() as stack:

        def start(*replies: bytes, heard: list[bytes] | None = None) -> int:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def serve() -> None:
                sock, _ = listener.accept()
                with sock:
                    for reply in replies:
                        data = sock.recv(1000)
                        if heard is not None:
                            heard.append(data)
                        sock.sendall(reply)

            thread = threading.Thread(target=serve)
            thread.start()
            stack.callback(thread.join)
            port: int = listener.getsockname()[1]
            return port

        yield start


def master_of(url: str, secrets: Secrets | None = None) -> Master:
    return Master(Url.parse(url), lambda: secrets or Secrets())


def closed() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def test_a_list_of_servers_is_tried_in_its_order() -> None:
    master = master_of("redis://127.0.0.1:1,[::1]:2,127.0.0.1:1")
    assert master.find() == [
        (socket.AF_INET, ("127.0.0.1", 1)),
        (socket.AF_INET6, ("::1", 2, 0, 0)),
    ]
    assert master.name_of((socket.AF_INET, ("127.0.0.1", 1))) == "127.0.0.1"
    assert (master.name_of(None), master.context) == ("", None)


def test_a_unix_socket_is_a_target() -> None:
    assert master_of("unix:///run/x").find() == [(socket.AF_UNIX, "/run/x")]


def test_a_name_that_is_not_known_does_not_hide_the_others() -> None:
    assert len(master_of("redis://nowhere.invalid,127.0.0.1:1").find()) == 1
    with pytest.raises(socket.gaierror):
        master_of("redis://nowhere.invalid").find()


def test_a_redirection_is_tried_first_and_once() -> None:
    master = master_of("redis://127.0.0.1:1")
    master.moved(ReplyError("MOVED 1234 127.0.0.2:7000"))
    assert [address for _, address in master.find()] == [("127.0.0.2", 7000), ("127.0.0.1", 1)]
    assert [address for _, address in master.find()] == [("127.0.0.1", 1)]
    for nonsense in ("MOVED 1234 :7000", "MOVED 1234 127.0.0.2:x", "MOVED"):
        master.moved(ReplyError(nonsense))
    assert [address for _, address in master.find()] == [("127.0.0.1", 1)]


def test_a_sentinel_knows_the_master(sentinel: Sentinel) -> None:
    heard: list[bytes] = []
    port = sentinel(KNOWN, heard=heard)
    master = master_of(f"redis+sentinel://127.0.0.1:{closed()},127.0.0.1:{port}/m")
    assert master.find() == [(socket.AF_INET, ("192.0.2.1", 7000))]
    assert heard == [ASKED]


def test_a_sentinel_with_a_password_gets_it(sentinel: Sentinel) -> None:
    heard: list[bytes] = []
    port = sentinel(b"-NOAUTH no\r\n", b"+OK\r\n", KNOWN, heard=heard)
    master = master_of(f"redis+sentinel://127.0.0.1:{port}/m", Secrets(b"secret"))
    assert master.find() == [(socket.AF_INET, ("192.0.2.1", 7000))]
    assert heard == [ASKED, b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n", ASKED]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"*-1\r\n", "knows no master m"),
        (b"-NOAUTH no\r\n", "NOAUTH no"),
        (b"HTTP/1.0\r\n", "no reply of a Sentinel"),
        (b"", "closed by the server"),
    ],
)
def test_the_reason_of_the_last_sentinel_is_told(sentinel: Sentinel, reply: bytes, reason: str) -> None:
    port = sentinel(reply)
    with pytest.raises(OSError, match=f"Sentinel 127.0.0.1:{port}: {reason}"):
        master_of(f"redis+sentinel://127.0.0.1:{port}/m").find()


def test_the_certificates_are_loaded_for_each_round(tmp_path: Path) -> None:
    master = master_of("rediss://127.0.0.1:1", Secrets(ca_file=tmp_path / "ca" / "ca.pem"))
    with pytest.raises(OSError, match=r"ca\.pem: cannot be loaded: No such file"):
        master.find()
    Authority(tmp_path / "ca")
    assert master.find()
    assert master.context is not None


def test_a_sentinel_is_asked_over_tls(sentinel: Sentinel) -> None:
    heard: list[bytes] = []
    port = sentinel(b"no TLS", heard=heard)
    with pytest.raises(OSError, match=f"Sentinel 127.0.0.1:{port}: "):
        master_of(f"rediss+sentinel://127.0.0.1:{port}/m").find()
    assert heard[0].startswith(b"\x16\x03")  # a handshake (RFC 8446, 5.1)
