"""The error of all clients."""

from netechod.errors import NetechodError


class ClientError(NetechodError):
    """What the person at the client can act on: a sentence, and the next thing to try."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
