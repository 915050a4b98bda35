"""The errors of the clients: each has a sentence for the person at the client."""

from netechod.errors import NetechodError


class ClientError(NetechodError):
    """An error that a person can act on: a sentence, and a hint what to try next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class SilentServerError(ClientError):
    """No address of the server has answered."""
