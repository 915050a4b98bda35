"""How long an echo takes on a path that loses and doubles datagrams; one of the two who ask reads Chinese."""

import re
import tempfile
from pathlib import Path

from support.daemon import Daemon
from support.relay import Relay
from support.tmux import Tmux

from scripts.lib.pictures.svg import Screen, draw

SIZE = (76, 19)
PROBES = 120
LOST, DOUBLED = {93, 94, 111}, {103}


def fate(way: str, payload: bytes) -> int:
    """How many copies arrive of a probe, whose number is behind four bytes."""
    number = int.from_bytes(payload[4:8], "big")
    return 0 if way == "up" and number in LOST else 2 if way == "down" and number in DOUBLED else 1


def wait_for_probe(terminal: Tmux, number: int) -> None:
    """Wait until this probe, or one after it, has come back."""
    pattern = re.compile(r"#(\d+)  [\d.]+ ms")
    terminal.wait_until(
        lambda: any(int(shown) >= number for shown in pattern.findall(terminal.screen())), f"probe {number}"
    )


def picture() -> str:
    """Someone whose probes are over, and someone who has just wanted to know how it stands."""
    with tempfile.TemporaryDirectory() as name, Daemon(Path(name)) as daemon:
        daemon.start()
        directories = [Path(name, each) for each in ("bob", "xiaoming")]
        for directory in directories:
            directory.mkdir()
        colorful = {"TERM": "screen-256color", "NO_COLOR": ""}
        chinese = colorful | {"NETECHO_LANG": "zh"}
        with Relay(daemon.address("echo-udp"), fate) as relay:
            bobs = ("ping", "-u", "-c", str(PROBES), "-i", "0.05", "--histogram", relay.address)
            his = ("ping", "-i", "0.1", "{}:{}".format(*daemon.address("echo-tcp")))
            with (
                Tmux(directories[0], *bobs, size=SIZE, variables=colorful) as bob,
                Tmux(directories[1], *his, size=SIZE, variables=chinese) as xiaoming,
            ):
                wait_for_probe(xiaoming, 12)
                xiaoming.press("Enter")
                wait_for_probe(xiaoming, 60)
                bob.wait_for(f"{PROBES} sent", "[status 1]")
                over = bob.screen("-e").replace("[status 1]", "bob $ ")
                return draw(
                    [
                        Screen(
                            "bob $ netecho ping -u --histogram server", over, SIZE[0], (6, bob.cursor()[1])
                        ),
                        Screen(
                            "小明 $ netecho ping server", xiaoming.screen("-e"), SIZE[0], xiaoming.cursor()
                        ),
                    ]
                )
