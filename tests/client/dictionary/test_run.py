"""`netecho dict`: words in, meanings out."""

import io
import json
import subprocess
import sys
import threading
from pathlib import Path

import jsonschema
import pytest
from support.fake_servers import Address, FakeUdpServer, Replies, echo_datagram, silence, unused_udp_port
from support.netecho import COMMAND, Terminal, environment, netecho, outcome
from support.tmux import Tmux

from netechod.client.dictionary.lookups import Result, query_of
from netechod.client.dictionary.run import Progress
from netechod.services.wire import text_of

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "json" / "dict.schema.json").read_text("utf-8"))
ENTRIES = {"apple": "苹果", "banana": "香蕉", "苹果": "apple", "evil": "a\x1b[2Jb\nc"}


def answer(payload: bytes, address: Address) -> Replies:
    return [(ENTRIES.get(text_of(payload).decode(), "unknown").encode(), address)]


def test_one_word_gives_its_bare_meaning() -> None:
    with FakeUdpServer(answer) as fake:
        assert outcome(netecho("dict", fake.address, "apple")) == (0, "苹果\n")


def test_several_words_give_a_table() -> None:
    with FakeUdpServer(answer) as fake:
        assert outcome(netecho("dict", fake.address, "apple", "banana")) == (0, "apple\t苹果\nbanana\t香蕉\n")


def test_a_miss_is_unknown_and_ends_with_1() -> None:
    with FakeUdpServer(answer) as fake:
        assert outcome(netecho("dict", fake.address, "xyzzy")) == (1, "unknown\n")
        assert outcome(netecho("dict", fake.address, "xyzzy", "apple")) == (
            1,
            "xyzzy\tunknown\napple\t苹果\n",
        )


def test_another_text_may_mean_a_miss() -> None:
    with FakeUdpServer(lambda _, address: [("没有".encode(), address)]) as fake:
        assert outcome(netecho("dict", "--miss", "没有", fake.address, "apple")) == (1, "unknown\n")


def test_words_come_from_a_pipe_one_a_line() -> None:
    with FakeUdpServer(answer) as fake:
        run = netecho("dict", fake.address, stdin="apple\r\n\n苹果\nxyzzy".encode())
    assert outcome(run) == (1, "apple\t苹果\n苹果\tapple\nxyzzy\tunknown\n")


def test_options_may_stand_between_words_and_words_may_look_like_options() -> None:
    with FakeUdpServer(answer) as fake:
        assert netecho("dict", fake.address, "--timeout", "5", "apple", "-4", "banana").returncode == 0
        assert outcome(netecho("dict", fake.address, "--", "-4")) == (1, "unknown\n")
    assert [text_of(query) for query in fake.seen] == [b"apple", b"banana", b"-4"]


def test_json_gives_an_object_a_word() -> None:
    with FakeUdpServer(answer) as fake:
        run = netecho("dict", "--json", fake.address, "apple", "xyzzy", "evil")
    assert run.returncode == 1
    found, missed, evil = map(json.loads, run.stdout.splitlines())
    assert list(found) == ["word", "found", "text", "rtt_ms", "cut"]
    assert (found["word"], found["found"], found["text"]) == ("apple", True, "苹果")
    assert (missed["word"], missed["found"], missed["text"]) == ("xyzzy", False, None)
    assert found["rtt_ms"] > 0
    for result in (found, missed, evil):
        jsonschema.validate(result, SCHEMA, jsonschema.Draft202012Validator)
    assert evil["text"] == ENTRIES["evil"]
    assert "苹果".encode() in run.stdout


def test_an_answer_is_harmless_even_in_a_pipe() -> None:
    with FakeUdpServer(answer) as fake:
        assert outcome(netecho("dict", fake.address, "evil")) == (0, "a\\x1b[2Jb\nc\n")
        assert (
            outcome(netecho("dict", fake.address, "evil", "apple"))[1].splitlines()[0]
            == "evil\ta\\x1b[2Jb\\nc"
        )


def test_an_answer_that_is_not_utf8_is_spelled_out() -> None:
    with FakeUdpServer(lambda _, address: [(b"\xff\xfe", address)]) as fake:
        assert outcome(netecho("dict", fake.address, "apple")) == (0, "\\xff\\xfe\n")


def test_no_answer_ends_with_1() -> None:
    with FakeUdpServer(silence) as fake:
        run = netecho("dict", "--timeout", "0.05", "--retries", "1", fake.address, "apple", "banana")
    assert outcome(run) == (1, "")
    assert b"unanswered" in run.stderr
    assert fake.seen == [query_of(b"apple")] * 2


def test_a_refusal_ends_with_1() -> None:
    run = netecho("dict", f"127.0.0.1:{unused_udp_port()}", "apple")
    assert outcome(run) == (1, "")
    assert b"refused" in run.stderr


@pytest.mark.parametrize(
    ("language", "prompt", "results"),
    [
        ("en", "word> ", ("apple: 苹果\n", "xyzzy: unknown\n")),
        ("zh", "Please Enter#", ("翻译的结果为:苹果\n", "翻译的结果为:unknown\n")),
    ],
)
def test_a_person_is_asked_for_words(language: str, prompt: str, results: tuple[str, str]) -> None:
    with (
        FakeUdpServer(answer) as fake,
        Terminal("dict", fake.address, NETECHO_LANG=language) as terminal,
    ):
        for word, result in zip(("apple", "xyzzy"), results, strict=True):
            terminal.read_until(prompt)
            terminal.type(f"{word}\n")
            terminal.read_until(result)
        terminal.read_until(prompt)
        terminal.type("\x04")
        assert terminal.wait() == 0


def test_a_person_may_ask_on_when_an_answer_is_missing() -> None:
    address = f"127.0.0.1:{unused_udp_port()}"
    with Terminal("dict", address) as terminal:
        for _ in range(2):
            terminal.read_until("word> ")
            terminal.type("apple\n")
            terminal.read_until("refused")
        terminal.read_until("word> ")
        terminal.type("\x04")
        assert terminal.wait() == 0


def test_ctrl_c_drops_the_line_and_the_second_one_ends(tmp_path: Path) -> None:
    with FakeUdpServer(answer) as fake, Tmux(tmp_path, "dict", fake.address) as terminal:
        terminal.wait_for("word> ")
        terminal.type("half a wor")
        terminal.wait_for("half a wor")
        terminal.press("C-c")
        terminal.wait_for("word> ", times=2)
        terminal.type("apple")
        terminal.press("Enter")
        terminal.wait_for("apple: 苹果")
        terminal.wait_for("word> ", times=3)
        terminal.press("C-c")
        terminal.wait_for("word> ", times=4)
        terminal.press("C-c")
        assert terminal.status() == 130
    assert [text_of(query) for query in fake.seen] == [b"apple"]


def test_ctrl_c_drops_the_look_up_under_way(tmp_path: Path) -> None:
    asked = threading.Event()

    def deaf_to_pear(payload: bytes, address: Address) -> Replies:
        if text_of(payload) == b"pear":
            asked.set()
            return []
        return answer(payload, address)

    with (
        FakeUdpServer(deaf_to_pear) as fake,
        Tmux(tmp_path, "dict", "--timeout", "60", fake.address) as terminal,
    ):
        terminal.wait_for("word> ")
        terminal.type("pear")
        terminal.press("Enter")
        assert asked.wait(60)
        terminal.press("C-c")
        terminal.wait_for("word> ", times=2)
        terminal.type("apple")
        terminal.press("Enter")
        terminal.wait_for("apple: 苹果")


@pytest.mark.parametrize(("language", "miss"), [("en", "unknown"), ("zh", "未收录")])
def test_a_person_gets_aligned_columns(language: str, miss: str) -> None:
    with (
        FakeUdpServer(answer) as fake,
        Terminal("dict", fake.address, "apple", "苹果", "x", NETECHO_LANG=language, NO_COLOR="1") as terminal,
    ):
        assert terminal.wait() == 1
    assert terminal.seen == f"apple  苹果\n苹果   apple\nx      {miss}\n"


def test_a_word_without_answer_is_told_and_the_others_are_answered() -> None:
    def deaf_to_one(payload: bytes, address: Address) -> Replies:
        return [] if text_of(payload) == b"banana" else answer(payload, address)

    patience = ("--timeout", "0.05", "--retries", "1")
    with FakeUdpServer(deaf_to_one) as fake:
        run = netecho("dict", *patience, fake.address, stdin=b"apple\nbanana\napple\n")
        assert outcome(run) == (1, "apple\t苹果\napple\t苹果\n")
        assert run.stderr == b"netecho: error: no answer for 'banana'\n"
        run = netecho("dict", "--json", *patience, fake.address, "apple", "banana", "apple")
    assert run.returncode == 1
    result = json.loads(run.stdout.splitlines()[1])
    assert result == {"word": "banana", "found": None, "text": None, "rtt_ms": None, "cut": False}
    jsonschema.validate(result, SCHEMA, jsonschema.Draft202012Validator)


def test_what_no_datagram_holds_is_told_and_the_others_are_answered() -> None:
    with FakeUdpServer(answer) as fake:
        run = netecho("dict", fake.address, stdin=b"apple\n" + b"x" * 65508 + b"\napple\n")
    assert outcome(run) == (1, "apple\t苹果\napple\t苹果\n")
    assert run.stderr == b"netecho: error: a word of 65508 bytes: a datagram holds 65507\n"


def test_many_words_of_a_file_come_back_in_order(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(10_000)]
    file = tmp_path / "words"
    file.write_text("\n".join(words))
    with FakeUdpServer(echo_datagram) as fake, file.open("rb") as stdin:
        run = subprocess.run(
            [*COMMAND, "dict", fake.address], stdin=stdin, capture_output=True, env=environment()
        )
    assert run.returncode == 0
    assert run.stdout.decode().splitlines() == [f"{word}\t{word}" for word in words]


@pytest.mark.parametrize(
    ("language", "total", "in_bytes", "text"),
    [
        ("en", 0, True, "2 words, 1 a second"),
        ("en", 26, True, "50%  2 words, 2 s left"),
        ("en", 8, False, "25%  2 words, 6 s left"),
        ("zh", 8, False, "25%  2 个词，还需 6 秒"),
    ],
)
def test_progress_is_told_to_a_person_whose_results_go_elsewhere(
    language: str, total: int, in_bytes: bool, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 0.5, 2.0])
    shown = io.StringIO()
    monkeypatch.setenv("NETECHO_LANG", language)
    monkeypatch.setattr("netechod.client.dictionary.run.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("netechod.client.dictionary.run.is_smart", lambda _: True)
    monkeypatch.setattr(sys, "stderr", shown)
    progress = Progress(total, in_bytes=in_bytes)
    for word in ("apple", "banana"):
        progress.step(Result(word, "x", 1.0))
    progress.clear()
    progress.clear()
    assert shown.getvalue() == f"\r{text}\x1b[K\r\x1b[K"


def test_a_text_file_of_windows_has_the_same_words() -> None:
    with FakeUdpServer(answer) as fake:
        run = netecho("dict", fake.address, stdin=b"\xef\xbb\xbfapple\r\nbanana\r\napple")
    assert [text_of(query) for query in fake.seen] == [b"apple", b"banana", b"apple"]
    assert run.stdout.decode().splitlines()[0] == "apple\t苹果"


def test_utf_16_is_refused_with_a_remedy() -> None:
    with FakeUdpServer(answer) as fake:
        run = netecho("dict", fake.address, stdin="apple\n".encode("utf-16"))
    assert run.returncode == 1
    assert b"iconv -f UTF-16" in run.stderr
    assert fake.seen == []


def test_words_are_read_and_written_in_the_encoding_of_the_locale() -> None:
    with FakeUdpServer(answer) as fake:
        run = netecho("dict", fake.address, stdin="苹果\napple\n".encode("gbk"), PYTHONIOENCODING="gbk")
    assert [text_of(query).decode() for query in fake.seen] == ["苹果", "apple"]
    assert run.stdout.decode("gbk") == "苹果\tapple\napple\t苹果\n"


def test_a_server_may_be_silent_about_its_own_text_for_a_miss() -> None:
    """One try, and the reason: the server is not away."""

    def deaf_to_unknown(payload: bytes, address: Address) -> Replies:
        return [] if text_of(payload) == b"unknown" else answer(payload, address)

    with FakeUdpServer(deaf_to_unknown) as fake:
        alone = netecho("dict", "--timeout", "0.05", fake.address, "unknown")
        listed = netecho("dict", "--timeout", "0.05", fake.address, "apple", "unknown", "apple")
    for run in (alone, listed):
        assert run.returncode == 1
        assert b"it is what the server answers for a miss" in run.stderr
    assert outcome(listed) == (1, "apple\t苹果\napple\t苹果\n")
    assert [text_of(query) for query in fake.seen].count(b"unknown") == 2


def test_a_server_that_answers_unknown_to_unknown_does_not_have_the_word() -> None:
    with FakeUdpServer(lambda _, address: [(b"unknown", address)]) as fake:
        assert outcome(netecho("dict", fake.address, "unknown")) == (1, "unknown\n")


@pytest.mark.parametrize(
    ("size", "is_cut"), [(1196, False), (1197, True), (1200, True), (1201, False), (1256, True)]
)
def test_a_meaning_that_was_cut_says_so(size: int, is_cut: bool) -> None:
    with FakeUdpServer(lambda _, address: [(b"x" * size, address)]) as fake:
        run = netecho("dict", fake.address, "back")
        as_json = json.loads(netecho("dict", "--json", fake.address, "back").stdout)
    assert outcome(run) == (0, "x" * size + "\n")
    assert (b"back: cut at" in run.stderr) == is_cut
    assert (b"netechoctl dict lookup back" in run.stderr) == is_cut
    assert as_json["cut"] is is_cut
    jsonschema.validate(as_json, SCHEMA, jsonschema.Draft202012Validator)
