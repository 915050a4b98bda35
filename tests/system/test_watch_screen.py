"""`netecho watch` on a real terminal."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fake_servers import FakeUdpServer, echo_datagram, unused_udp_port
from support.tmux import Tmux

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
QUICK = ("-i", "0.1", "--timeout", "0.5")


@pytest.fixture
def target() -> Iterator[str]:
    with FakeUdpServer(echo_datagram) as fake:
        yield f"udp://{fake.address}"


def shown(terminal: Tmux, pattern: str) -> str:
    """Wait until the screen matches; return it."""
    terminal.wait_until(lambda: re.search(pattern, terminal.screen(), re.MULTILINE) is not None, pattern)
    return terminal.screen()


def test_the_table_lives_and_what_is_lost_comes_first(tmp_path: Path, target: str) -> None:
    lost = f"udp://127.0.0.1:{unused_udp_port()}"
    with Tmux(tmp_path, "watch", *QUICK, target, lost, size=(110, 12)) as terminal:
        screen = shown(terminal, r"^! udp:.* 100\.0%.*!!!!!!!!")
        heading, first, second = screen.splitlines()[:3]
        assert heading.split()[:3] == ["target", "last", "ms"]
        assert first.startswith(f"! {lost} ")
        assert second.startswith(f"  {target} ")
        assert " 0.0% " in second
        assert "2 targets, 1 lost" in screen
        assert len(screen.splitlines()) == 12
        terminal.press("q")
        assert terminal.status() == 1
        assert f"! {lost} " in terminal.history()  # the table stays on the ordinary screen


def test_a_key_shows_a_target_as_a_chart_and_another_one_goes_back(tmp_path: Path, target: str) -> None:
    with Tmux(tmp_path, "watch", *QUICK, target, size=(80, 14)) as terminal:
        shown(terminal, r"[▁▂▃▄▅▆▇█]|\d ms")
        terminal.press("Enter")
        screen = shown(terminal, r"[⠀-⣿]")
        assert target in screen.splitlines()[2]
        assert re.search(r"\d\d:\d\d:\d\d .*\d\d:\d\d:\d\d", screen)
        terminal.press("Escape")
        shown(terminal, "Enter chart")
        terminal.press("C-c")
        assert terminal.status() == 0


def test_keys_choose_a_target_and_the_screen_follows(tmp_path: Path) -> None:
    with FakeUdpServer(echo_datagram, "0.0.0.0") as fake:
        targets = [f"udp://127.0.0.{it}:{fake.port}" for it in range(1, 31)]
        with Tmux(tmp_path, "watch", *QUICK, *targets, size=(80, 10)) as terminal:
            shown(terminal, re.escape(targets[0]))
            assert targets[20] not in terminal.screen()
            for _ in range(20):
                terminal.press("Down")
            shown(terminal, re.escape(targets[20]))
            terminal.press("Enter")
            assert targets[20] in shown(terminal, "Esc back")
            terminal.press("q")
            assert terminal.status() == 0


def test_it_fits_another_size_and_survives_a_stop(tmp_path: Path, target: str) -> None:
    with Tmux(tmp_path, "watch", *QUICK, target, size=(80, 10)) as terminal:
        shown(terminal, "1 targets, 0 lost")
        terminal.resize(40, 6)
        terminal.wait_until(
            lambda: "1 targets, 0 lost" in terminal.screen().splitlines()[-1], "the foot in the last row"
        )
        terminal.press("C-z")
        terminal.wait_until(lambda: "1 targets" not in terminal.screen(), "the ordinary screen")
        terminal.kill(signal.SIGCONT)
        shown(terminal, "1 targets, 0 lost")
        terminal.press("q")
        assert terminal.status() == 0


def test_the_terminal_is_as_before_at_the_end(tmp_path: Path, target: str) -> None:
    with Tmux(tmp_path, "watch", *QUICK, target) as terminal:
        shown(terminal, "1 targets")
        terminal.kill(signal.SIGTERM)
        assert terminal.status() == 0
        written = terminal.written()
    assert written.rfind("?1049l") > written.rfind("?1049h") > 0
    assert written.rfind("?25h") > written.rfind("?25l") > 0


def test_it_speaks_chinese_in_columns(tmp_path: Path, target: str) -> None:
    with Tmux(tmp_path, "watch", *QUICK, target, variables={"NETECHO_LANG": "zh"}, size=(100, 8)) as terminal:
        screen = shown(terminal, "1 个目标，失联 0")
        heading, row = screen.splitlines()[:2]
        assert "最长中断" in heading
        assert target in row
        terminal.press("q")
        assert terminal.status() == 0


def test_a_bell_rings_when_a_target_is_lost(tmp_path: Path) -> None:
    lost = f"udp://127.0.0.1:{unused_udp_port()}"
    with Tmux(tmp_path, "watch", *QUICK, "--bell", "-n", "4", lost) as terminal:
        assert terminal.status() == 1
        assert "\\007" in terminal.written()
