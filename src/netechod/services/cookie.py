"""Cookies: whoever can say what was sent to an address receives there. No state is kept for anybody."""

import hashlib
import hmac

SLOT = 60.0  # seconds; a cookie is valid in its own slot and in the next one: 60 to 120 s
LENGTH = 16  # hexadecimal digits, 64 bits


class CookieJar:
    """Makes and checks cookies: an HMAC over name (address and port) and time slot, as RFC 7873 does."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def cookie_for(self, name: str, now: float) -> str:
        """The cookie that proves today that `name` is not forged."""
        return self._made(name, int(now // SLOT))

    def proves(self, cookie: bytes, name: str, now: float) -> bool:
        """Whether `cookie` was made for `name`, not long ago."""
        slot = int(now // SLOT)
        valid = [hmac.compare_digest(cookie, self._made(name, made).encode()) for made in (slot, slot - 1)]
        return any(valid)

    def _made(self, name: str, slot: int) -> str:
        return hmac.new(self._secret, f"{name}|{slot}".encode(), hashlib.sha256).hexdigest()[:LENGTH]
