"""Look-ups beside commands: what a thousand requests a second, each for a program to run, cost the others."""

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from netechod.services.command.signing import request
from scripts.lib.bench.contest import Sample, Tally
from scripts.lib.bench.load import Generator
from scripts.lib.bench.server import Server

RATE = 1000  # requests a second
SECRET = secrets.token_hex(32)

SETTINGS = {
    "command.enabled": "true",
    "command.allow.true.argv": "['/bin/true']",
}


def write_keys(directory: Path) -> Path:
    """The key file of the server."""
    path = directory / "keys"
    path.touch(0o600)
    path.write_text(f"bench {SECRET}\n", encoding="utf-8")
    return path


class BesideCommands:
    """A contestant measured by how many times longer the slowest look-ups take beside commands.

    `load` reads from the file `requests` what it sends beside its look-ups.
    """

    def __init__(self, server: Server, load: Generator, requests: Path, seconds: float) -> None:
        self._server = server
        self._load = load
        self._requests = requests
        self._seconds = seconds

    def warm_up(self) -> None:
        """See Contestant."""
        self.sample()

    def sample(self) -> Sample:
        """See Contestant. Two neighbouring windows, without and with commands."""
        quiet, beside = self._window("aside"), self._window("commands")
        return Sample(
            value=beside.p99 / quiet.p99,
            lost=quiet.lost + beside.lost,
            wrong=quiet.wrong + beside.wrong,
            p50=beside.p50,
            p99=beside.p99,
            silence=beside.silence,
        )

    def close(self) -> None:
        """See Contestant."""
        self._load.close()
        self._server.stop()

    def _window(self, whither: Literal["commands", "aside"]) -> Tally:
        """Look words up for a window's length, beside requests for commands, each with a nonce of its own.

        Aside, the same requests go back to the generator: what they cost itself is no delay of the server.
        """
        now = int(datetime.now(UTC).timestamp())
        signed = (
            request("bench", SECRET.encode(), now, os.urandom(12).hex(), ["true"])
            for _ in range(round(self._seconds * RATE))
        )
        self._requests.write_bytes(b"".join(line + b"\n" for line in (whither.encode(), *signed)))
        try:
            tally = self._load.run(self._seconds)
        except OSError as error:
            raise self._server.failure(error) from error
        if not tally.done:
            raise self._server.failure(f"no answer, {tally.lost} lost, {tally.wrong} wrong")
        return tally
