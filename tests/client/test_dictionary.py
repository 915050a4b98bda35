"""`netecho dict`: words in, meanings out."""

import json
import signal

import pytest
from support.fake_servers import Address, FakeUdpServer, Replies, silence, unused_udp_port
from support.netecho import Terminal, netecho, outcome

from netechod.client.dictionary import query_of
from netechod.client.net import ClientError
from netechod.services.wire import text_of

ENTRIES = {"apple": "苹果", "banana": "香蕉", "苹果": "apple", "evil": "a\x1b[2Jb\nc"}


def answer(payload: bytes, address: Address) -> Replies:
    return [(ENTRIES.get(text_of(payload).decode(), "unknown").encode(), address)]


def test_a_query_is_padded_so_that_the_whole_answer_is_earned() -> None:
    assert query_of(b"apple") == b"apple" + b"\0" * 395
    assert query_of(b"x" * 401) == b"x" * 401
    assert len(query_of(b"x" * 65507)) == 65507
    with pytest.raises(ClientError, match="65508 bytes"):
        query_of(b"x" * 65508)


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
    assert list(found) == ["word", "found", "text", "rtt_ms"]
    assert (found["word"], found["found"], found["text"]) == ("apple", True, "苹果")
    assert (missed["word"], missed["found"], missed["text"]) == ("xyzzy", False, None)
    assert found["rtt_ms"] > 0
    assert evil["text"] == ENTRIES["evil"]
    assert "苹果".encode() in run.stdout


def test_an_answer_is_harmless_even_in_a_pipe() -> None:
    with FakeUdpServer(answer) as fake:
        assert outcome(netecho("dict", fake.address, "evil")) == (0, "a\\x1b[2Jb\\nc\n")


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
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.wait() == 130


def test_a_person_gets_aligned_columns() -> None:
    with FakeUdpServer(answer) as fake, Terminal("dict", fake.address, "apple", "苹果") as terminal:
        assert terminal.wait() == 0
    assert terminal.seen == "apple  苹果\n苹果   apple\n"
