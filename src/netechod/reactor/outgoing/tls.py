"""TLS around a session: a client's side, without I/O (`ssl.MemoryBIO`).

`ssl` takes 6 MB and 16 ms to import. Import this module only where a connection is encrypted.
"""

import ssl
from collections.abc import Callable

from netechod.services.api import Chunk, StreamSession

PIECE = 16 * 1024  # bytes decrypted at once: the longest record of TLS (RFC 8446, 5.1)


class TlsSession(StreamSession):
    """Encrypts what a session says, and decrypts what it is told.

    The session is opened when the server has proved its name. `on_failed` is called once with the reason, if
    it does not, or if what comes is not TLS.
    """

    def __init__(
        self, session: StreamSession, context: ssl.SSLContext, name: str, on_failed: Callable[[str], object]
    ) -> None:
        assert session.more is not None  # noqa: S101 (a client's session speaks first)
        self._session = session
        self._pull: Callable[[], Chunk | None] = session.opened  # the first time, and then `more`
        self._more = session.more
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._on_failed = on_failed
        self._is_ready = False  # the server has proved its name

    def opened(self) -> Chunk:
        """See StreamSession: the first message of the handshake."""
        self._advance()
        return self._outgoing.read()

    def data_received(self, data: memoryview) -> Chunk:
        """See StreamSession."""
        self._incoming.write(data)
        self._advance()
        return self._outgoing.read()

    def more(self) -> Chunk | None:
        """See StreamSession: the session's next piece, encrypted."""
        if not self._is_ready:
            return None
        piece = self._pull()
        self._pull = self._more
        if not piece:
            return piece
        self._answer(piece)
        return self._outgoing.read()

    def eof_received(self) -> Chunk:
        """See StreamSession. An end during the handshake is a failure of it."""
        if self._is_ready:
            return self._session.eof_received()
        self._on_failed("the server ends the connection instead of a handshake")
        return b""

    @property
    def waiting(self) -> bool:
        """See StreamSession."""
        return self._session.waiting

    @property
    def ended(self) -> bool:
        """See StreamSession."""
        return self._session.ended

    def _advance(self) -> None:
        """Go on with the handshake, or decrypt what has come."""
        try:
            if not self._is_ready:
                self._tls.do_handshake()
                self._is_ready = True
            while piece := self._tls.read(PIECE):
                self._answer(self._session.data_received(memoryview(piece)))
            self._answer(self._session.eof_received())
        except ssl.SSLWantReadError:
            pass  # the rest of a record has not come yet
        except ssl.SSLError as error:
            self._is_ready = False
            self._on_failed(_reason(error))

    def _answer(self, piece: Chunk) -> None:
        """Encrypt a piece."""
        if piece:
            self._tls.write(piece)


def _reason(error: ssl.SSLError) -> str:
    """Return the reason in words, without the place in OpenSSL's source."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if error.reason == "WRONG_VERSION_NUMBER":
        return "the server does not speak TLS"
    return (error.reason or str(error)).replace("_", " ").lower()
