"""The screens of `netecho` as people see them: in a real terminal, with a real daemon."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemon import Daemon
from support.netecho import COMMAND
from support.tmux import Tmux

from netechod.services.cells import cells

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

STEADY = ("-i", "0.1")
LIVING = re.compile(r"^  #(\d+)  ([\d.]+) ms   ([▁▂▃▄▅▆▇█]+)   lost 0 *$", re.M)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as daemon:
        yield daemon.start(FDSTORE="100")


def wait_for_probe(terminal: Tmux, number: int) -> None:
    """Wait until this probe, or one after it, is in the line that lives: it shows each for a moment only."""

    def is_reached() -> bool:
        return any(int(shown) >= number for shown in re.findall(r"#(\d+)  [\d.]+ ms", terminal.screen()))

    terminal.wait_until(is_reached, f"probe {number}")


def place(daemon: Daemon, service: str) -> str:
    host, port = daemon.address(service)
    return f"{host}:{port}"


@pytest.mark.parametrize("service", ["echo-tcp", "echo-udp"])
def test_a_ping_lives_in_one_line(daemon: Daemon, tmp_path: Path, service: str) -> None:
    udp = ["-u"] if service == "echo-udp" else []
    with Tmux(tmp_path, "ping", *udp, *STEADY, "-c", "30", place(daemon, service)) as terminal:
        assert terminal.status() == 0
        seen = terminal.history()
    head, line, rule, counts, *_ = seen.splitlines()
    assert head == f"PING 127.0.0.1 {daemon.address(service)[1]}/{service[-3:]}, 56 bytes, every 100 ms"
    living = LIVING.match(line)
    assert living is not None
    assert (living[1], len(living[3])) == ("30", 30)
    assert rule.startswith("--- ")
    assert counts.startswith("30 sent, 30 received, 0 lost (0.0 %), ")


@pytest.mark.parametrize("key", ["Enter", "C-\\"])
def test_a_key_shows_how_it_stands_and_the_line_goes_on(daemon: Daemon, tmp_path: Path, key: str) -> None:
    with Tmux(tmp_path, "ping", *STEADY, place(daemon, "echo-tcp")) as terminal:
        wait_for_probe(terminal, 2)
        terminal.press(key)
        terminal.wait_for("--- ", "mdev", "#")
        terminal.wait_until(lambda: terminal.history().rstrip().endswith("lost 0"), "the line below it")
        terminal.press("C-c")
        assert terminal.status() == 0
        seen = terminal.history()
    assert seen.count("\n--- ") == 2
    assert seen.count("PING ") == 1
    assert "^\\" not in seen


def test_a_terminal_of_40_columns_that_changes_its_size_has_every_line_whole(
    daemon: Daemon, tmp_path: Path
) -> None:
    chinese = {"NETECHO_LANG": "zh"}
    arguments = ("ping", "-u", *STEADY, place(daemon, "echo-udp"))
    with Tmux(tmp_path, *arguments, size=(40, 20), variables=chinese) as terminal:
        wait_for_probe(terminal, 15)
        head, more, line = terminal.screen().splitlines()[:3]
        assert (head[:5], more) == ("PING ", "每 100 毫秒一次")
        assert re.match(r"  #\d+  [\d.]+ ms   [▁▂▃▄▅▆▇█]{8,}   丢失 0", line)
        terminal.resize(60, 20)
        terminal.wait_until(
            lambda: bool(re.search(r"[▁▂▃▄▅▆▇█]{18}", terminal.screen())), "a curve that uses the room"
        )
        terminal.resize(30, 20)
        terminal.press("Enter")
        terminal.wait_for("往返 ms", "偏差")
        terminal.press("C-c")
        assert terminal.status() == 0
        told = terminal.history().rpartition("发送 ")[2].splitlines()
    assert max(map(cells, told)) <= 30


def test_losses_are_seen_in_the_line(daemon: Daemon, tmp_path: Path) -> None:
    with Tmux(tmp_path, "ping", *STEADY, "-W", "0.3", place(daemon, "echo-tcp")) as terminal:
        wait_for_probe(terminal, 3)
        daemon.signal(signal.SIGSTOP)
        terminal.wait_for("!   lost")
        daemon.signal(signal.SIGCONT)
        terminal.wait_until(
            lambda: bool(re.search(r" ms   \S+!\S*[▁▂▃▄▅▆▇█]   lost ", terminal.screen())), "answers"
        )
        terminal.press("C-c")
        assert terminal.status() == 1


def test_a_ping_in_the_background_goes_on_when_a_key_is_pressed(daemon: Daemon, tmp_path: Path) -> None:
    """Whoever reads the keyboard from the background is stopped (SIGTTIN)."""
    script = f"{' '.join(COMMAND)} ping -v -c 10 -i 0.1 {place(daemon, 'echo-tcp')} & read line; wait"
    with Tmux(tmp_path, program=["sh", "-mc", script]) as terminal:
        wait_for_probe(terminal, 2)
        terminal.press("Enter")
        terminal.wait_for("10 sent, 10 received")


def test_a_word_is_looked_up_and_echoed_by_the_daemon_in_chinese(daemon: Daemon, tmp_path: Path) -> None:
    chinese = {"NETECHO_LANG": "zh"}
    (tmp_path / "dict").mkdir()
    with Tmux(tmp_path / "dict", "dict", place(daemon, "dictionary"), variables=chinese) as terminal:
        terminal.wait_for("Please Enter#")
        terminal.type("apple")
        terminal.press("Enter")
        terminal.wait_for("翻译的结果为:苹果")
        terminal.press("C-d")
        assert terminal.status() == 0
    (tmp_path / "echo").mkdir()
    with Tmux(tmp_path / "echo", "echo", place(daemon, "echo-tcp"), variables=chinese) as terminal:
        terminal.wait_for("Please Enter#")
        terminal.type("你好")
        terminal.press("Enter")
        terminal.wait_for("server 回显# 你好")
        terminal.press("C-d")
        assert terminal.status() == 0
