"""The prompt of `netecho dict` on a real terminal: editing, history, completion, pasting."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fake_servers import Address, FakeUdpServer, Replies
from support.netecho import Terminal
from support.tmux import Tmux

from netechod.services.wire import text_of


def answer(payload: bytes, address: Address) -> Replies:
    """The word itself, in brackets."""
    return [(b"[" + text_of(payload) + b"]", address)]


@pytest.fixture
def server() -> Iterator[str]:
    with FakeUdpServer(answer) as fake:
        yield fake.address


def test_chinese_is_edited_by_characters_that_take_two_cells(tmp_path: Path, server: str) -> None:
    with Tmux(tmp_path, "dict", server) as terminal:
        terminal.wait_for("word> ")
        terminal.type("你好世界")
        terminal.press("Left", "Left", "Left", "BSpace")
        terminal.type("界")
        terminal.wait_for("word> 界好世界")
        assert terminal.cursor() == (len("word> ") + 2, 0)
        terminal.press("Enter")
        terminal.wait_for("界好世界: [界好世界]")


def test_what_was_asked_comes_back_and_is_completed_in_later_sessions_too(
    tmp_path: Path, server: str
) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    with Tmux(tmp_path, "dict", server, variables=state) as terminal:
        for word in ("apple", "apple", "banana"):
            terminal.wait_for("word> ")
            terminal.type(word)
            terminal.press("Enter")
            terminal.wait_for(f"[{word}]")
        terminal.press("Up", "Up")
        terminal.wait_for("word> apple", times=3)
        terminal.press("C-u")
        terminal.type("ban")
        terminal.press("Tab")
        terminal.wait_for("word> banana", times=2)
        terminal.press("C-u", "C-d")
        assert terminal.status() == 0
    history = tmp_path / "state" / "netecho" / "dict-history"
    assert history.read_text().splitlines() == ["apple", "banana"]
    later = tmp_path / "later"
    later.mkdir()
    with Tmux(later, "dict", server, variables=state) as terminal:
        terminal.wait_for("word> ")
        terminal.press("Up")
        terminal.wait_for("word> banana")


def test_lines_that_are_pasted_are_words_that_go_together(tmp_path: Path, server: str) -> None:
    words = [f"词{number}" for number in range(300)]
    with Tmux(tmp_path, "dict", server, size=(40, 10)) as terminal:
        terminal.wait_for("word> ")
        terminal.paste("\n".join(words))
        terminal.wait_for("词299")
        assert "[" not in terminal.history()
        terminal.press("Enter")
        terminal.wait_for("词299: [词299]")
        lines = terminal.history().splitlines()
    assert [line for line in lines if "[" in line] == [f"{word}: [{word}]" for word in words]


def test_a_narrow_terminal_that_changes_its_size_shows_what_is_typed(tmp_path: Path, server: str) -> None:
    with Tmux(tmp_path, "dict", server, size=(40, 10)) as terminal:
        terminal.wait_for("word> ")
        terminal.type("very-long-word-" * 4)
        terminal.resize(60, 10)
        terminal.press("Enter")
        terminal.wait_for("very-long-word-" * 4 + ": [")


def test_a_dumb_terminal_gets_no_control_sequences(server: str) -> None:
    with Terminal("dict", server, TERM="dumb") as terminal:
        terminal.read_until("word> ")
        terminal.type("苹果\n")
        terminal.read_until("苹果: [苹果]\n")
        terminal.read_until("word> ")
        terminal.type("\x04")
        assert terminal.wait() == 0
    assert "\x1b" not in terminal.seen


def test_without_a_home_there_is_no_history_and_no_trouble(server: str) -> None:
    with Terminal("dict", server, TERM="xterm", XDG_STATE_HOME="/proc/none") as terminal:
        terminal.read_until("word> ")
        terminal.type("apple\n")
        terminal.read_until("[apple]")
        terminal.read_until("word> ")
        terminal.type("\x04")
        assert terminal.wait() == 0
    assert "rror" not in terminal.seen


def test_the_histories_of_two_sessions_are_merged(tmp_path: Path, server: str) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path / "state"), "TERM": "xterm"}
    with Terminal("dict", server, **state) as one, Terminal("dict", server, **state) as two:
        for terminal, word in ((one, "apple"), (two, "banana")):
            terminal.read_until("word> ")
            terminal.type(f"{word}\n")
            terminal.read_until(f"[{word}]")
        for terminal in (one, two):
            terminal.type("\x04")
            assert terminal.wait() == 0
    history = tmp_path / "state" / "netecho" / "dict-history"
    assert history.read_text().splitlines() == ["apple", "banana"]


def test_a_session_that_a_signal_ends_keeps_its_history(tmp_path: Path, server: str) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path / "state"), "TERM": "xterm"}
    with Terminal("dict", server, **state) as terminal:
        terminal.read_until("word> ")
        terminal.type("apple\n")
        terminal.read_until("[apple]")
        terminal.process.send_signal(signal.SIGTERM)
        terminal.type("\n")  # readline(3) overlooks a signal just before it waits for a key
        assert terminal.wait() == 128 + signal.SIGTERM
    history = tmp_path / "state" / "netecho" / "dict-history"
    assert history.read_text().splitlines() == ["apple"]
