"""Cookies prove that a peer receives at its source address: it has to repeat what was sent there.

The server keeps no state for the peer.
"""

import hashlib
import hmac

SLOT = 60.0  # seconds; a cookie is valid in its slot and in the next one, for 60 to 120 s
LENGTH = 16  # hexadecimal digits, 64 bits


class CookieJar:
    """Makes and checks cookies: an HMAC over a name, address and port, and a time slot (RFC 7873)."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def cookie_for(self, name: str, now: float) -> str:
        """Return the cookie for `name` in the time slot of `now`."""
        return self._made(name, int(now // SLOT))

    def proves(self, cookie: bytes, name: str, now: float) -> bool:
        """Return whether `cookie` was made for `name` in the time slot of `now` or the one before."""
        slot = int(now // SLOT)
        valid = [hmac.compare_digest(cookie, self._made(name, made).encode()) for made in (slot, slot - 1)]
        return any(valid)

    def _made(self, name: str, slot: int) -> str:
        return hmac.new(self._secret, f"{name}|{slot}".encode(), hashlib.sha256).hexdigest()[:LENGTH]
