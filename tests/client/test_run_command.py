"""`netecho run`: a command runs once or not at all; its status, its output and its trouble come through."""

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from support.commands import write_keys
from support.fake_servers import Address, FakeUdpServer, Replies, silence, unused_udp_port
from support.netecho import Terminal, netecho

from netechod.client import run_command
from netechod.client.net import Target
from netechod.client.run_command import Key, TransportError, ask, find_key
from netechod.services.command.signing import LIST, PART, Request, answer, read_request

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "json" / "run.schema.json").read_text("utf-8"))
SECRET = "open-sesame"
KEY = Key("ops", SECRET.encode())

Handler = Callable[[bytes, Address], Replies]


@pytest.fixture
def keys(tmp_path: Path) -> str:
    return str(write_keys(tmp_path / "keys", ops=SECRET, guest="only-a-guest"))


def asked(payload: bytes) -> Request:
    """The request, which has to be signed with our key."""
    request = read_request(payload)
    assert request is not None
    assert request.is_signed_with(KEY.secret)
    return request


def answering(
    status: int = 0, output: bytes = b"", *flags: str, lose: int = 0, twice: bool = False
) -> Handler:
    """A server that answers, but loses so many of the last parts of its answer."""

    def handler(payload: bytes, address: Address) -> Replies:
        parts = answer(KEY.secret, asked(payload).nonce, status, flags, output)
        return [(part, address) for part in parts[: len(parts) - lose] * (2 if twice else 1)]

    return handler


def target(fake: FakeUdpServer, **options: float) -> Target:
    return Target(fake.host, fake.port)._replace(**options)  # type: ignore[arg-type]


def test_the_command_s_status_and_output_are_ours(keys: str) -> None:
    with FakeUdpServer(answering(42, b"out\0\xff\x1b[2J")) as fake:
        ended = netecho("run", fake.address, "disk", "/srv", "端", "--key-file", keys)
    assert (ended.returncode, ended.stdout, ended.stderr) == (42, b"out\0\xff\x1b[2J", b"")
    assert asked(fake.seen[0]).words() == ["disk", "/srv", "端"]


def test_arguments_with_a_dash_come_behind_two_dashes(keys: str) -> None:
    with FakeUdpServer(answering()) as fake:
        netecho("run", "--key-file", keys, fake.address, "disk", "--", "-a", "--list")
    assert asked(fake.seen[0]).words() == ["disk", "-a", "--list"]


def test_a_terminal_is_shown_nothing_that_it_would_obey(keys: str) -> None:
    with (
        FakeUdpServer(answering(0, b"a\tb\x1b[2J\nc\n")) as fake,
        Terminal("run", fake.address, "x", "--key-file", keys) as terminal,
    ):
        assert terminal.wait() == 0
    assert terminal.seen == "a\tb\\x1b[2J\nc\n"


def test_scripts_get_an_object(keys: str) -> None:
    with FakeUdpServer(answering(124, b"x\n", "truncated", "timeout")) as fake:
        ended = netecho("run", fake.address, "x", "--key-file", keys, "--json")
    told = json.loads(ended.stdout)
    jsonschema.validate(told, SCHEMA)
    assert told.pop("seconds") >= 0
    assert told == {"name": "x", "status": 124, "flags": ["timeout", "truncated"], "output": "x\n"}
    assert (ended.returncode, ended.stderr) == (124, b"")


@pytest.mark.parametrize(
    ("status", "flag", "said"),
    [
        (126, "denied", "netecho: error: refused: because\nhint: netecho run HOST --list shows what this"),
        (75, "busy", "netecho: error: refused: because\n"),
    ],
)
def test_a_refusal_is_said_on_stderr(keys: str, status: int, flag: str, said: str) -> None:
    with FakeUdpServer(answering(status, b"because\n", flag)) as fake:
        ended = netecho("run", fake.address, "x", "--key-file", keys)
    assert (ended.returncode, ended.stdout) == (status, b"")
    assert ended.stderr.decode().startswith(said)


def test_what_was_cut_and_killed_is_said_on_stderr(keys: str) -> None:
    with FakeUdpServer(answering(124, b"out", "truncated", "timeout")) as fake:
        ended = netecho("run", fake.address, "x", "--key-file", keys)
    assert (ended.returncode, ended.stdout) == (124, b"out")
    assert [line.split(": ", 2)[2] for line in ended.stderr.decode().splitlines()] == [
        "the command took too long and was killed",
        "the output is longer than the server sends: the rest of it is lost",
    ]


def test_names_are_listed_for_people_pipes_and_scripts(keys: str) -> None:
    listing = b"disk\t/(home|srv)\nping-\x1b\t[a-z]+\t.+\nup\n"
    with FakeUdpServer(answering(0, listing)) as fake:
        plain = netecho("run", "--list", fake.address, "--key-file", keys)
        as_json = netecho("run", "--list", fake.address, "--key-file", keys, "--json")
        with Terminal("run", "--list", fake.address, "--key-file", keys) as terminal:
            assert terminal.wait() == 0
    assert asked(fake.seen[0]).words() == ["?"]
    assert (plain.returncode, plain.stdout) == (0, listing.replace(b"\x1b", b"\\x1b"))
    [first, *_] = map(json.loads, as_json.stdout.splitlines())
    assert first == {"name": "disk", "parameters": ["/(home|srv)"]}
    assert terminal.seen.splitlines() == ["disk       /(home|srv)", "ping-\\x1b  [a-z]+  .+", "up"]


def test_an_empty_list_is_empty(keys: str) -> None:
    with FakeUdpServer(answering()) as fake:
        ended = netecho("run", "--list", fake.address, "--key-file", keys)
    assert (ended.returncode, ended.stdout) == (0, b"")


# Once or not at all.


def test_a_lost_request_is_sent_again_and_is_the_same() -> None:
    def second_time(payload: bytes, address: Address) -> Replies:
        return answering(3)(payload, address) if len(fake.seen) == 2 else ()

    with FakeUdpServer(second_time) as fake:
        assert ask(target(fake, timeout=0.05), KEY, ["x"], 20.0).status == 3
    assert len(set(fake.seen)) == 1


def test_silence_is_no_answer_and_asks_nobody_else(keys: str) -> None:
    with FakeUdpServer(silence) as fake:
        options = ["--timeout", "0.05", "--retries", "3", "--wait", "0.5", "--key-file", keys]
        ended = netecho("run", fake.address, "x", *options)
    assert (ended.returncode, ended.stdout) == (255, b"")
    assert b"may have run all the same" in ended.stderr
    assert len(fake.seen) == 4
    assert len(set(fake.seen)) == 1


def test_patience_may_end_before_the_tries_do() -> None:
    with FakeUdpServer(silence) as fake, pytest.raises(TransportError, match="is silent"):
        ask(target(fake, timeout=60.0), KEY, ["x"], 0.05)


def test_an_answer_that_comes_twice_is_one_answer() -> None:
    output = bytes(5 * PART)
    with FakeUdpServer(answering(0, output, twice=True)) as fake:
        assert ask(target(fake), KEY, ["x"], 20.0).output == output


def test_what_nobody_has_signed_is_no_answer() -> None:
    def forged(payload: bytes, address: Address) -> Replies:
        other = answer(KEY.secret, "f" * 24, 0, (), b"another's")
        wrong = answer(b"wrong", asked(payload).nonce, 0, (), b"forged")
        return [*((part, address) for part in (b"", *other, *wrong)), *answering(7)(payload, address)]

    with FakeUdpServer(forged) as fake:
        assert ask(target(fake), KEY, ["x"], 20.0).status == 7


def test_of_an_answer_with_a_hole_the_beginning_is_shown(keys: str) -> None:
    output = b"a" * PART + b"b" * PART + b"c"
    with FakeUdpServer(answering(0, output, lose=1)) as fake:
        ended = netecho("run", fake.address, "x", "--timeout", "0.1", "--key-file", keys)
    assert (ended.returncode, ended.stdout) == (255, b"a" * PART + b"b" * PART)
    assert b"1 of 3 parts of the answer are lost" in ended.stderr


def test_a_closed_port_is_no_answer(keys: str) -> None:
    ended = netecho("run", f"127.0.0.1:{unused_udp_port()}", "x", "--key-file", keys)
    assert ended.returncode == 255
    assert b"connection refused" in ended.stderr


def test_a_server_that_dies_may_have_run_the_command() -> None:
    mortal = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    mortal.bind(("127.0.0.1", 0))
    host, port = mortal.getsockname()
    server = Target(host, port, timeout=0.05)

    def hear_and_die() -> None:
        with mortal:
            mortal.recv(2048)

    thread = threading.Thread(target=hear_and_die)
    thread.start()
    with pytest.raises(TransportError, match="is silent"):
        ask(server, KEY, ["x"], 20.0)
    thread.join()


def test_a_name_that_is_none_is_no_answer(keys: str) -> None:
    assert netecho("run", "a..b", "x", "--key-file", keys).returncode == 255


def test_what_does_not_fit_is_not_sent() -> None:
    nobody = Target("127.0.0.1", 9)
    with pytest.raises(TransportError, match="1313 bytes, at most 1200"):
        ask(nobody, KEY, ["x" * 1200], 1.0)
    with pytest.raises(TransportError, match="UTF-8"):
        ask(nobody, KEY, ["\udcff"], 1.0)


# Keys.


def test_the_first_key_signs_unless_another_is_named(keys: str) -> None:
    assert find_key(Path(keys), None) == KEY
    assert find_key(Path(keys), "guest") == Key("guest", b"only-a-guest")
    with pytest.raises(TransportError, match="no key 'root' in ") as caught:
        find_key(Path(keys), "root")
    assert caught.value.hint == "its keys are ops, guest"


def test_a_key_has_its_usual_places(keys: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETECHO_KEY_FILE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "netecho").mkdir()
    write_keys(tmp_path / "netecho" / "keys", home="x")
    assert find_key(None, None).key_id == "home"
    monkeypatch.setenv("NETECHO_KEY_FILE", keys)
    assert find_key(None, None).key_id == "ops"
    monkeypatch.delenv("NETECHO_KEY_FILE")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setattr(Path, "home", lambda: Path("/nonexistent"))
    with pytest.raises(TransportError, match="no key: /nonexistent/"):
        find_key(None, None)


def test_a_key_file_that_others_can_read_is_not_used(keys: str) -> None:
    Path(keys).chmod(0o644)
    ended = netecho("run", "127.0.0.1", "x", "--key-file", keys)
    assert ended.returncode == 255
    assert b"others can use it\nhint: chmod 600 " in ended.stderr


@pytest.mark.parametrize("words", [(), ("x", "--list")])
def test_a_name_or_the_list_is_asked_for(words: tuple[str, ...], keys: str) -> None:
    ended = netecho("run", "127.0.0.1", *words, "--key-file", keys)
    assert ended.returncode == 64
    assert b"either NAME or --list is needed" in ended.stderr


def test_the_status_of_no_answer_is_that_of_ssh() -> None:
    assert run_command.TRANSPORT_STATUS == 255


def test_without_a_home_the_key_file_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user id has no entry (getpwuid(3))."""

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("NETECHO_KEY_FILE", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(TransportError, match="no home directory") as caught:
        find_key(None, None)
    assert caught.value.exit_code == run_command.TRANSPORT_STATUS
    assert "--key-file" in caught.value.hint


def test_of_several_addresses_the_command_is_sent_to_one_that_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first one is silent. It gets a harmless question only: a command runs at most once."""
    with FakeUdpServer(silence) as silent, FakeUdpServer(answering()) as fake:
        found = [
            (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", port))
            for port in (silent.port, fake.port)
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
        assert ask(Target("both", 1), KEY, ["disk"], 60.0).status == 0
    assert [asked(payload).words() for payload in silent.seen] == [[LIST]]
    assert [asked(payload).words() for payload in fake.seen] == [[LIST], ["disk"]]
