"""The part of a reflector's slowness that its answers do not tell: a sender takes it for network delay.

The truth is known on loopback: the kernel dates the probe as it leaves and the answer as it arrives, and what
lies between is the reflector. `netecho ping --stamp` takes off what the reflector tells. The rest is hidden.
"""

import json
import os
import subprocess
import sys

from scripts.lib.bench.contest import Contestant, Load, Sample
from scripts.lib.bench.environment import compiled
from scripts.lib.bench.load import Generator
from scripts.lib.bench.server import Server, ServerError, die_with_parent
from scripts.lib.bench.stage import REFLECTING, Stage
from scripts.lib.bench.trial import Enter, Trial, udp

IN_FLIGHT = 64  # datagrams of the echo beside it
INTERVAL = 0.005  # seconds between two probes
LONG = 8  # times as long as other windows: a p99 takes hundreds of probes
LEAST = 10  # probes
PATIENCE = 120.0  # seconds for all of them
BUSY = 0.1  # seconds of echo, again and again until the last probe is back


class Reflector:
    """A reflector that is asked: microseconds that it hides, as a quantile of many probes."""

    def __init__(self, server: Server, echo: Load | None, probes: int, quantile: str) -> None:
        self._server = server
        self._echo = echo
        self._probes = probes
        self._quantile = quantile  # p50 or p99

    def warm_up(self) -> None:
        """It has started, and one slow probe changes no quantile."""

    def sample(self) -> Sample:
        """See Contestant."""
        lost = wrong = 0
        with self._pinging() as process:
            while self._echo is not None and process.poll() is None:
                tally = self._echo.run(BUSY)
                lost, wrong = lost + tally.lost, wrong + tally.wrong
            said, errors = process.communicate(timeout=PATIENCE)
        made = json.loads(said or "{}")
        if made.get("clock") != "kernel":
            raise self._server.failure(errors.strip() or "no probe came back that the kernel had dated")
        hidden = 1000 * made["rtt_ms"][self._quantile]
        return Sample(max(hidden, 1.0), lost + made["lost"], wrong)  # something, or there would be no ratio

    def _pinging(self) -> subprocess.Popen[str]:
        host, port = self._server.addresses["stamp"]
        command = [sys.executable, "-m", "netechod.cli.netecho", "ping", "--stamp", "--json"]
        return subprocess.Popen(
            [*command, "-i", str(INTERVAL), "-c", str(self._probes), f"{host}:{port}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"NETECHO_LANG": "en"},
            preexec_fn=die_with_parent,
        )

    def close(self) -> None:
        """See Contestant."""
        if self._echo is not None:
            self._echo.close()
        self._server.stop()


def _reflector(quantile: str, *, beside_echo: bool = False) -> Enter:
    """A reflector that does nothing else, or that echoes at full speed in the same loop."""

    def enter(stage: Stage, name: str) -> Contestant:
        server = stage.server(name, "stamp").start()
        echo = None
        try:
            server.wait_for_answer("echo-udp")
            if beside_echo:
                load = (16, IN_FLIGHT, stage.echoes())
                echo = Generator(compiled() / "load_udp", server.addresses["echo-udp"], load)
        except (OSError, ServerError) as error:
            server.stop()
            raise error if isinstance(error, ServerError) else server.failure(error) from error
        return Reflector(server, echo, max(LEAST, round(LONG * stage.effort.seconds / INTERVAL)), quantile)

    return enter


HIDDEN = "STAMP, delay that the reflector hides"
STAMP = (
    Trial("stamp-p50", f"{HIDDEN}: p50", "us", _reflector("p50"), ("C",), at_most=20),
    Trial("stamp-p99", f"{HIDDEN}: p99", "us", _reflector("p99"), ("C",), at_most=60),
    Trial(
        "stamp-echo",
        f"{HIDDEN} beside UDP echo at full speed: p99",
        "us",
        _reflector("p99", beside_echo=True),
        ("C",),
        at_most=100,
    ),
    Trial(
        "udp-stamp",
        "UDP echo, 64 datagrams of 32 B in flight, without STAMP, and beside an idle socket of it",
        "datagrams/s",
        udp(16, IN_FLIGHT),
        (REFLECTING,),
    ),
)
