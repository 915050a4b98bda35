"""The errors of the clients: each has a sentence for the person at the client."""

from netechod.errors import NetechodError


class ClientError(NetechodError):
    """Something that the person at the client can act on: a sentence, and what to try next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class SilentServerError(ClientError):
    """No address of the server has answered."""
