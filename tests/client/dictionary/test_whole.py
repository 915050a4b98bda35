"""`netecho dict` over DICT: whole meanings, words that are alike, and suggestions."""

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import jsonschema
import pytest
from support.daemon import SERVICES, Daemon
from support.fake_servers import FakeUdpServer
from support.netecho import netecho, outcome

from netechod.client.dictionary import run
from netechod.client.dictionary.dict_client import MAX_NEAREST, Definition, DictClient, Match
from netechod.client.dictionary.whole import Suggestions
from netechod.client.errors import ClientError
from netechod.client.net import Target

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "json" / "dict.schema.json").read_text("utf-8"))
LONG = " ".join(["long"] * 500)
WORDS = f"apple:苹果\napply:申请\nlong:{LONG}\n"
FRUIT = "Apple:manzana\nfig:.higo 250\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with two databases."""
    directory = tmp_path_factory.mktemp("dict")
    (directory / "fruit.txt").write_text(FRUIT, encoding="utf-8")
    with Daemon(directory, WORDS) as daemon:
        more = {"dictionary.more.fruit.file": directory / "fruit.txt", "dictionary.more.fruit.title": "Fruit"}
        daemon.configure({"dict.enabled": True, **more})
        daemon.bind(*SERVICES, "dict")
        daemon.start()
        host, port = daemon.address("dict")
        yield f"{host}:{port}"


@pytest.mark.system
def test_whole_meanings_are_shown_with_their_origins(server: str) -> None:
    both = "apple  [main] dict.txt\n  苹果\nApple  [fruit] Fruit\n  manzana\n"
    assert outcome(netecho("dict", "--whole", server, "apple")) == (0, both)
    assert outcome(netecho("dict", f"dict://{server}/", "apple")) == (0, both)
    assert outcome(netecho("dict", f"dict://{server}", stdin=b"apple\n\nkiwi\n")) == (
        1,
        f"{both}kiwi\tunknown\n",
    )


@pytest.mark.system
def test_a_single_meaning_is_bare_and_whole(server: str) -> None:
    assert outcome(netecho("dict", "--db", "fruit", server, "FIG.")) == (0, ".higo 250\n")
    ran = netecho("dict", "--db", "main", server, "long")
    assert (ran.returncode, ran.stdout.split()) == (0, [b"long"] * 500)
    assert outcome(netecho("dict", "--db", "main", server, "fig")) == (1, "unknown\n")


@pytest.mark.system
def test_words_that_are_alike_are_listed(server: str) -> None:
    listed = "main\tapple\nmain\tapply\nfruit\tApple\n"
    assert outcome(netecho("dict", "--match", "prefix", server, "app")) == (0, listed)
    assert outcome(netecho("dict", "--match", "lev", "--db", "main", server, "aple")) == (0, "main\tapple\n")
    assert outcome(netecho("dict", "--match", "suffix", server, "xyz")) == (1, "")


@pytest.mark.system
def test_json_has_the_usual_keys_and_all_that_was_found(server: str) -> None:
    whole = netecho("dict", "--json", "--whole", server, "apple", "kiwi")
    matches = netecho("dict", "--json", "--match", "prefix", server, "fi")
    found, missed, matched = map(json.loads, [*whole.stdout.splitlines(), matches.stdout])
    for result in (found, missed, matched):
        jsonschema.validate(result, SCHEMA, jsonschema.Draft202012Validator)
    assert (found["found"], found["text"]) == (True, "苹果")
    assert found["definitions"][1] == {
        "word": "Apple",
        "database": "fruit",
        "title": "Fruit",
        "text": "manzana",
    }
    assert (missed["found"], missed["text"], missed["definitions"]) == (False, None, [])
    assert (matched["found"], matched["matches"]) == (True, [{"database": "fruit", "word": "fig"}])
    assert (whole.returncode, matches.returncode) == (1, 0)


@pytest.mark.system
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--db", "none"), b"no such dictionary\nhint: it has main, fruit\n"),
        (("--match", "soundex"), b"no such strategy\nhint: it has exact, prefix, "),
    ],
)
def test_a_name_that_the_server_does_not_know_is_refused_with_those_it_has(
    server: str, options: tuple[str, ...], said: bytes
) -> None:
    ran = netecho("dict", *options, server, "apple")
    assert (ran.returncode, ran.stdout, said in ran.stderr) == (1, b"", True), ran.stderr


def test_a_url_with_more_than_a_server_is_refused() -> None:
    ran = netecho("dict", "dict://localhost/d:apple")
    assert (ran.returncode, b"only dict://HOST[:PORT]/" in ran.stderr) == (64, True)


def target_of(server: str, timeout: float = 5.0) -> Target:
    host, _, port = server.rpartition(":")
    return Target(host, int(port), timeout=timeout)


@pytest.mark.system
def test_a_person_is_told_the_nearest_words(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    target = target_of(server)
    with closing(Suggestions(target, target.port)) as suggestions:
        suggestions.show("appl")
        suggestions.show("xyzzy")
    assert capsys.readouterr() == ("", "netecho: did you mean apple, apply, Apple?\n")


def test_a_server_without_dict_is_asked_once_and_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # and nobody listens
        suggestions = Suggestions(Target("127.0.0.1", 1), sock.getsockname()[1])
        suggestions.show("appl")
        suggestions.show("appl")
    suggestions.close()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("is_person", [True, False])
def test_suggestions_are_made_at_a_terminal_alone(
    is_person: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Suggestions, "show", lambda _, word: asked.append(word))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_person)
    with FakeUdpServer(lambda _, address: [(b"unknown", address)]) as fake:
        target = target_of(fake.address)
        assert run.run(target, ["aple"], "unknown", as_json=False) == 1
        assert run.run(target, ["aple"], "unknown", as_json=True) == 1
    assert asked == ["aple"] * is_person
    assert capsys.readouterr().out.startswith("unknown\n")


class Scripted:
    """A server that says what is written down, whatever it is asked."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = answers
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.target = Target("127.0.0.1", self._sock.getsockname()[1], timeout=10.0)
        self.heard: list[bytes] = []
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        sock, _ = self._sock.accept()
        with sock, sock.makefile("rb") as lines:
            for answer in self._answers:
                sock.sendall(answer)
                if answer.endswith(b"\n"):  # else it leaves in the middle of it
                    self.heard.append(lines.readline())

    def __enter__(self) -> DictClient:
        self._thread.start()
        self.client = DictClient(self.target)
        return self.client

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._thread.join()
        self._sock.close()


def test_another_server_s_texts_are_taken_as_they_are() -> None:
    text = b"150 1\r\n151 say wn Word_Net\r\nsay\r\n    v 1: .\r\n..two\r\n.\r\n250 ok [d/m/c]\r\n"
    server = Scripted(b"220 hello\r\n", b"250 ok\r\n", text)
    with server as client:
        assert client.define('say "hi"\r\nquit') == [
            Definition("say", "wn", "Word_Net", "say\n    v 1: .\n.two")
        ]
    assert server.heard[1:] == [b'DEFINE "*" "say \\"hi\\" quit"\r\n', b"QUIT\r\n"]


def test_a_list_with_words_as_other_servers_write_them_is_read() -> None:
    lines = b"".join(b"wn word%d\r\n" % number for number in range(20))
    with Scripted(
        b"220 hi\r\n", b"250 ok\r\n", b'152 21\r\nwn "unclosed\r\n' + lines + b".\r\n250 ok\r\n"
    ) as client:
        found = client.nearest("x")
    assert found == ['"unclosed', *(f"word{number}" for number in range(MAX_NEAREST - 1))]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ((b"420 too many connections\r\n",), "the server says: 420 too many connections"),
        ((b"220 hi\r\n", b"250 ok\r\n", b"501 syntax\r\n"), "the server says: 501 syntax"),
        ((b"220 hi\r\n", b"250 ok\r\n", b"150 1\r\n151 a b c\r\nhalf"), "the server closed the connection"),
        ((b"220",), "the server closed the connection"),
    ],
)
def test_a_server_that_refuses_or_leaves_is_told_of(answers: tuple[bytes, ...], said: str) -> None:
    server = Scripted(*answers)
    with server as client, pytest.raises(ClientError, match=said):
        client.define("x")


def test_matches_are_pairs() -> None:
    with Scripted(b"220 hi\r\n", b"250 ok\r\n", b'152 1\r\nmain "a b"\r\n.\r\n250 ok\r\n') as client:
        assert client.match("a", "prefix", "main") == [Match("main", "a b")]


@pytest.mark.system
def test_words_in_the_encoding_of_the_locale_are_found(server: str) -> None:
    text = "apple\n".encode("gbk")
    ran = netecho("dict", "--db", "main", server, stdin=text, PYTHONIOENCODING="gbk")
    assert ran.stdout.decode("gbk") == "apple  [main] dict.txt\n  苹果\n"


@pytest.mark.system
def test_a_byte_order_mark_is_dropped_and_utf_16_refused(server: str) -> None:
    text = "\ufeffapple\r\n"
    assert netecho("dict", "--db", "main", server, stdin=text.encode()).returncode == 0
    ran = netecho("dict", "--db", "main", server, stdin=text.encode("utf-16-le"))
    assert ran.returncode == 1
    assert b"iconv -f UTF-16" in ran.stderr
