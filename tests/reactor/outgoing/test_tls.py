"""TLS around a session: handshake, names, and everything that can be wrong with it."""

import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from support.certificates import Authority

from netechod.reactor.outgoing.tls import TlsSession
from netechod.services.api import Chunk, StreamSession


class Client(StreamSession):
    """Says what is queued, and hears."""

    def __init__(self) -> None:
        self.queued = [b"hello"]
        self.heard = bytearray()
        self.answer = b""
        self.ends = 0
        self.is_waiting = self.has_ended = False

    def opened(self) -> Chunk:
        """See StreamSession."""
        return self.queued.pop(0)

    def data_received(self, data: memoryview) -> Chunk:
        """See StreamSession."""
        self.heard += data
        return self.answer

    def more(self) -> Chunk | None:
        """See StreamSession."""
        return self.queued.pop(0) if self.queued else None

    def eof_received(self) -> Chunk:
        """See StreamSession."""
        self.ends += 1
        return b""

    @property
    def waiting(self) -> bool:
        """See StreamSession."""
        return self.is_waiting

    @property
    def ended(self) -> bool:
        """See StreamSession."""
        return self.has_ended


class Peer:
    """A server of TLS in memory, and a session of ours that talks to it."""

    def __init__(self, authority: Authority, name: str = "redis.example", trusts: bool = True) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.certificate("redis.example"))
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.client = Client()
        self.reasons: list[str] = []
        ours = ssl.create_default_context(cafile=authority.file if trusts else None)
        self.session = TlsSession(self.client, ours, name, self.reasons.append)

    def hand(self, data: Chunk) -> None:
        """Give the server what we send."""
        self.incoming.write(data)

    def shake(self) -> None:
        """Run the handshake to its end."""
        self.hand(self.session.opened())
        for _ in range(3):
            with suppress(ssl.SSLError):
                self.tls.do_handshake()
            self.hand(self.session.data_received(memoryview(self.outgoing.read())))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(Path(tmp_path_factory.mktemp("ca")))


def test_what_is_said_is_encrypted_and_what_comes_is_decrypted(authority: Authority) -> None:
    peer = Peer(authority)
    assert peer.session.more() is None  # before the server has proved its name nothing is said
    peer.shake()
    said = peer.session.more()
    assert said
    assert b"hello" not in bytes(said)
    peer.hand(said)
    assert peer.tls.read() == b"hello"
    assert peer.session.more() is None
    peer.tls.write(b"world" * 10_000)
    data = peer.outgoing.read()
    assert peer.session.data_received(memoryview(data[:100])) == b""
    assert peer.session.data_received(memoryview(data[100:])) == b""
    assert peer.client.heard == b"world" * 10_000


def test_an_answer_of_the_session_is_encrypted(authority: Authority) -> None:
    peer = Peer(authority)
    peer.shake()
    peer.client.answer = b"answer"
    peer.tls.write(b"question")
    peer.hand(peer.session.data_received(memoryview(peer.outgoing.read())))
    assert peer.tls.read() == b"answer"


@pytest.mark.parametrize(
    ("name", "trusts", "reason"),
    [
        ("other.example", True, "Hostname mismatch, certificate is not valid for 'other.example'."),
        ("redis.example", False, "unable to get local issuer certificate"),
    ],
)
def test_a_certificate_that_is_no_good_is_a_failure(
    authority: Authority, name: str, trusts: bool, reason: str
) -> None:
    peer = Peer(authority, name, trusts)
    peer.shake()
    assert peer.reasons[0] == reason
    assert peer.session.more() is None


def test_a_server_without_tls_is_a_failure(authority: Authority) -> None:
    peer = Peer(authority)
    peer.session.opened()
    peer.session.data_received(memoryview(b"-ERR unknown command\r\n"))
    assert peer.reasons == ["the server does not speak TLS"]


def test_an_end_instead_of_a_handshake_is_a_failure(authority: Authority) -> None:
    peer = Peer(authority)
    peer.session.opened()
    assert peer.session.eof_received() == b""
    assert peer.reasons == ["the server ends the connection instead of a handshake"]


def test_the_end_of_the_stream_is_passed_on(authority: Authority) -> None:
    peer = Peer(authority)
    peer.shake()
    with pytest.raises(ssl.SSLError):
        peer.tls.unwrap()
    peer.session.data_received(memoryview(peer.outgoing.read()))
    peer.session.eof_received()
    assert peer.client.ends == 2


def test_it_waits_and_ends_as_its_session_does(authority: Authority) -> None:
    peer = Peer(authority)
    assert (peer.session.waiting, peer.session.ended) == (False, False)
    peer.client.is_waiting = peer.client.has_ended = True
    assert (peer.session.waiting, peer.session.ended) == (True, True)
