"""`netecho chat` against a room with real sockets."""

import json
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.daemon import PATIENCE
from support.fake_servers import Address, FakeRoom, FakeUdpServer, Replies, silence, unused_udp_port
from support.netecho import COMMAND, Terminal, environment, netecho, outcome

COOKIE = b"0123456789abcdef"
QUICK = ["--timeout", "0.5"]


@contextmanager
def started(*arguments: str, by: Sequence[str] = ()) -> Iterator[subprocess.Popen[bytes]]:
    """A chat whose stdin stays open."""
    with subprocess.Popen(
        [*by, *COMMAND, "chat", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
    ) as process:
        yield process


def read_line(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode()


def say(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(text.encode())
    process.stdin.flush()


def test_the_lines_of_a_pipe_are_said_in_order() -> None:
    room = FakeRoom()
    with FakeUdpServer(room) as fake:
        run = netecho("chat", fake.address, stdin="one\n\n二\nthree".encode())
    assert run.returncode == 0
    assert room.heard == ["online", "one", "二", "three", "offline"]
    name = run.stdout.decode().split()[1]
    expected = ["--> {0} online", "{0}: one", "{0}: 二", "{0}: three", "<-- {0} offline"]
    assert run.stdout.decode().splitlines() == [line.format(name) for line in expected]
    assert name.startswith("127.0.0.1--")


@pytest.mark.parametrize("losses", [1, 2])
def test_lost_datagrams_are_repeated(losses: int) -> None:
    room = FakeRoom(losses)
    with FakeUdpServer(room) as fake:
        run = netecho("chat", *QUICK, fake.address, stdin=b"one\n")
    assert run.returncode == 0
    assert room.heard == ["online", "one", "offline"]


def test_a_message_without_receipt_ends_with_1_and_the_farewell() -> None:
    room = FakeRoom()

    def deaf_to_b(payload: bytes, address: Address) -> Replies:
        return [] if payload == b"b" else room(payload, address)

    with FakeUdpServer(deaf_to_b) as fake:
        run = netecho("chat", *QUICK, fake.address, stdin=b"a\nb\nc\n")
    assert run.returncode == 1
    assert b"no receipt" in run.stderr
    assert room.heard == ["online", "a", "offline"]
    assert fake.seen.count(b"b") == 3


def test_a_challenge_is_met() -> None:
    room = FakeRoom()

    def careful(payload: bytes, address: Address) -> Replies:
        if payload == b"online":
            return [(b"challenge " + COOKIE, address)]
        return room(b"online" if payload == b"online " + COOKIE else payload, address)

    with FakeUdpServer(careful) as fake:
        assert netecho("chat", fake.address, stdin=b"hi\n").returncode == 0
    assert room.heard == ["online", "hi", "offline"]


def test_a_room_that_restarted_is_joined_again() -> None:
    room = FakeRoom()

    def forgetful(payload: bytes, address: Address) -> Replies:
        if payload == b"two" and room.heard[-1] == "one":
            room.members.clear()
        return room(payload, address)

    with FakeUdpServer(forgetful) as fake:
        assert netecho("chat", fake.address, stdin=b"one\ntwo\n").returncode == 0
    assert room.heard == ["online", "one", "online", "two", "offline"]


def test_members_hear_one_another() -> None:
    room = FakeRoom()
    with FakeUdpServer(room) as fake, started(fake.address) as ann:
        assert read_line(ann).startswith("--> ")
        with started("--json", fake.address) as bob:
            name = json.loads(read_line(bob))["from"]
            assert read_line(ann) == f"--> {name} online\n"
            say(bob, 'a "b" # c\n')
            assert read_line(ann) == f'{name}: a "b" # c\n'
            heard = json.loads(read_line(bob))
            assert (heard["type"], heard["from"], heard["text"]) == ("message", name, 'a "b" # c')
            say(bob, "offline\n")
            heard = json.loads(read_line(bob))
            assert (heard["type"], heard["from"], heard["text"]) == ("leave", name, "offline")
            assert bob.wait() == 0
        assert read_line(ann) == f"<-- {name} offline\n"
        ann.send_signal(signal.SIGINT)
        assert read_line(ann).startswith("<-- ")
        assert ann.wait() == 0
    assert room.members == []


def test_a_line_of_a_pipe_is_a_message_whatever_it_is() -> None:
    room = FakeRoom()
    with FakeUdpServer(room) as fake:
        assert netecho("chat", fake.address, stdin=b"/quit\n//x\n/dict a\n").returncode == 0
    assert room.heard == ["online", "/quit", "//x", "/dict a", "offline"]


def test_a_file_is_said_line_by_line(tmp_path: Path) -> None:
    file, lines = tmp_path / "lines", [f"line {number}" for number in range(500)]
    file.write_text("\n".join(lines), encoding="utf-8")
    room = FakeRoom()
    with FakeUdpServer(room) as fake, file.open("rb") as opened:
        run = subprocess.run(
            [*COMMAND, "chat", fake.address], stdin=opened, capture_output=True, env=environment()
        )
    assert (run.returncode, run.stderr) == (0, b"")
    assert room.heard == ["online", *lines, "offline"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whatever_ends_a_script_it_says_farewell(number: signal.Signals) -> None:
    room = FakeRoom()
    with FakeUdpServer(room) as fake, started(fake.address) as ann:
        read_line(ann)
        ann.send_signal(number)
        assert ann.wait() == 0
    assert room.heard == ["online", "offline"]


def test_who_is_not_to_hear_of_the_terminals_end_goes_on() -> None:
    room = FakeRoom()
    with FakeUdpServer(room) as fake, started(fake.address, by=["nohup"]) as ann:
        read_line(ann)
        ann.send_signal(signal.SIGHUP)
        say(ann, "still here\n")
        assert read_line(ann).endswith(": still here\n")
        ann.send_signal(signal.SIGTERM)
        assert ann.wait() == 0


def test_a_program_is_told_of_a_restart_and_loses_nothing() -> None:
    room = FakeRoom()
    with FakeUdpServer(room) as fake, started("--jsonl", fake.address) as bot:
        assert json.loads(read_line(bot))["type"] == "join"
        room.members.clear()
        say(bot, "one\ntwo\n")
        told = [json.loads(read_line(bot)) for _ in range(5)]
        assert [(event["type"], event.get("text")) for event in told] == [
            ("away", "the room does not know us any more"),
            ("join", "online"),
            ("back", None),
            ("message", "one"),
            ("message", "two"),
        ]
        assert bot.stdin is not None
        bot.stdin.close()
        assert json.loads(read_line(bot))["type"] == "leave"
        assert bot.wait() == 0


def test_a_program_without_more_input_does_not_wait_for_ever() -> None:
    room = FakeRoom()

    def vanishing(payload: bytes, address: Address) -> Replies:
        return [] if room.heard else room(payload, address)

    with FakeUdpServer(vanishing) as fake:
        run = netecho("chat", "--jsonl", "--timeout", "0.05", fake.address, stdin=b"one\ntwo\n")
    assert run.returncode == 1
    assert [json.loads(line)["type"] for line in run.stdout.splitlines()] == ["join", "lost"]
    assert run.stderr == b"netecho: error: lines that were not said any more: 1\n"


def test_what_the_room_refuses_is_told() -> None:
    room = FakeRoom()

    def strict(payload: bytes, address: Address) -> Replies:
        return [(b"message refused: \x1b[2J", address)] if payload == b"hi" else room(payload, address)

    with FakeUdpServer(strict) as fake:
        run = netecho("chat", fake.address, stdin=b"hi\n")
    assert run.returncode == 1
    assert run.stderr == b"netecho: error: message refused: \\x1b[2J\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"x" * 1025, b"1025 bytes, at most 1024"),
        (b"a\ab", b"control character U+0007"),
        (b"a\0b", b"control character U+0000"),
        (b"\xff", b"not UTF-8"),
    ],
)
def test_what_the_room_would_refuse_is_not_sent(text: bytes, why: bytes) -> None:
    room = FakeRoom()
    with FakeUdpServer(room) as fake:
        run = netecho("chat", fake.address, stdin=text + b"\n" + b"y" * 1024 + b"\n")
    assert run.returncode == 1
    assert run.stderr == b"netecho: error: message not sent: " + why + b"\n"
    assert room.heard == ["online", "y" * 1024, "offline"]


def test_what_others_say_is_harmless() -> None:
    with FakeUdpServer(lambda payload, address: [(b"1.2.3.4--5#a\x1b[2J\n\xff", address)]) as fake:
        run = netecho("chat", *QUICK, fake.address)
    assert run.stdout.splitlines()[0] == rb"1.2.3.4--5: a\x1b[2J\n\xff"


def test_a_room_that_is_silent_ends_with_1() -> None:
    with FakeUdpServer(silence) as fake:
        run = netecho("chat", "--timeout", "0.05", "--retries", "1", fake.address, stdin=b"hi\n")
    assert outcome(run) == (1, "")
    assert b"unanswered" in run.stderr
    assert b"hi" not in fake.seen


def test_who_is_interrupted_in_coming_online_goes_offline() -> None:
    asked, left = threading.Event(), threading.Event()

    def taciturn(payload: bytes, _address: Address) -> Replies:
        (asked if payload == b"online" else left).set()
        return []

    with FakeUdpServer(taciturn) as fake, started("--timeout", "60", fake.address) as ann:
        assert asked.wait(PATIENCE)
        ann.send_signal(signal.SIGINT)
        assert ann.wait() == 130
        assert left.wait(PATIENCE)
    assert fake.seen == [b"online", b"offline"]


def test_a_full_room_ends_with_1_at_once() -> None:
    with FakeUdpServer(lambda _, address: [(b"message refused: the room is full", address)]) as fake:
        run = netecho("chat", fake.address, stdin=b"hi\n")
    assert outcome(run) == (1, "")
    assert run.stderr == b"netecho: error: message refused: the room is full\n"
    assert fake.seen == [b"online"]


def test_a_room_that_is_not_there_ends_with_1() -> None:
    run = netecho("chat", f"127.0.0.1:{unused_udp_port()}", stdin=b"hi\n")
    assert outcome(run) == (1, "")
    assert b"refused" in run.stderr


def test_a_member_of_a_room_that_passes_everything_on_has_a_word_with_it() -> None:
    def tutorial(payload: bytes, address: Address) -> Replies:
        return [(f"{address[0]}--{address[1]}#".encode() + payload, address)]

    with FakeUdpServer(tutorial) as fake:
        run = netecho("chat", fake.address, stdin=b"hi\n")
    assert run.returncode == 0
    assert [line.partition(b" ")[2] for line in run.stdout.splitlines()[1:2]] == [b"hi"]


def test_a_reader_who_leaves_takes_the_member_along() -> None:
    room = FakeRoom()
    with FakeUdpServer(room) as fake, started(fake.address) as ann:
        read_line(ann)
        assert ann.stdout is not None
        ann.stdout.close()
        say(ann, "hi\n")
        assert ann.wait() == 0
    assert room.heard == ["online", "hi", "offline"]


def test_a_dumb_terminal_is_told_nothing_that_it_does_not_know() -> None:
    room = FakeRoom()
    with FakeUdpServer(room) as fake, Terminal("chat", fake.address, TERM="dumb") as ann:
        ann.read_until("say> ")
        ann.type("/who\n")
        ann.read_until("seen since you came: 1\n")
        ann.read_until(" s ago (you)\n")
        ann.type("/nonsense\n//x\n")
        ann.read_until("netecho: error: no command /nonsense\n")
        ann.read_until(": /x\n")
        room.members.clear()
        ann.type("hi\n")
        ann.read_until(
            "netecho: error: cut off from the room, trying to return: it does not know us any more\n"
        )
        ann.read_until("back in the room after ")
        ann.read_until(": hi\n")
        name = f"{room.members[0][0]}--{room.members[0][1]}"
        netecho("chat", fake.address, stdin=f"hello {name}\n".encode())
        ann.read_until(f"hello {name}\n\a")
        ann.type("/quit\n")
        assert ann.wait() == 0
        assert "\x1b" not in ann.seen


@pytest.mark.parametrize(("language", "prompt"), [("en", "say> "), ("zh", "Enter# ")])
def test_a_person_talks_at_a_prompt(language: str, prompt: str) -> None:
    room = FakeRoom()
    with (
        FakeUdpServer(room) as fake,
        Terminal("chat", fake.address, NETECHO_LANG=language, TERM="dumb") as ann,
    ):
        ann.read_until(prompt)
        ann.type("hello\n")
        ann.read_until(": hello\n")
        ann.read_until(prompt)
        with Terminal("chat", "--plain", fake.address) as bob:
            ann.read_until(f"\r{' ' * len(prompt)}\r--> ")
            bob.read_until("say> ")
            bob.process.send_signal(signal.SIGINT)
            assert bob.wait() == 0
        ann.read_until("<-- ")
        ann.read_until(prompt)
        ann.type("\x04")
        assert ann.wait() == 0
        assert ann.seen.endswith(" offline\n")
    assert room.members == []


@pytest.mark.parametrize("form", [(), ("--jsonl",)], ids=["lines", "json"])
def test_a_tab_is_said_as_spaces_in_every_form(form: tuple[str, ...]) -> None:
    with FakeUdpServer(FakeRoom()) as fake:
        run = netecho("chat", *form, fake.address, stdin=b"a\tb\t\r\n")
    assert run.returncode == 0
    assert fake.seen == [b"online", b"a   b", b"offline"]


def test_text_is_read_and_written_in_the_encoding_of_the_locale() -> None:
    with FakeUdpServer(FakeRoom()) as fake:
        run = netecho("chat", fake.address, stdin="大家好\n".encode("gbk"), PYTHONIOENCODING="gbk")
    assert fake.seen == [b"online", "大家好".encode(), b"offline"]
    assert ": 大家好\n" in run.stdout.decode("gbk")


def test_a_byte_order_mark_is_not_said() -> None:
    with FakeUdpServer(FakeRoom()) as fake:
        assert netecho("chat", fake.address, stdin=b"\xef\xbb\xbfhi\r\n").returncode == 0
    assert fake.seen == [b"online", b"hi", b"offline"]


def test_what_was_typed_before_the_prompt_is_shown_and_not_said() -> None:
    typed = threading.Event()

    def slow_to_let_in(payload: bytes, address: Address) -> Replies:
        assert typed.wait(60)
        return list(room(payload, address))

    room = FakeRoom()
    with FakeUdpServer(slow_to_let_in) as fake, Terminal("chat", fake.address, TERM="dumb") as ann:
        ann.type("rm -rf /tmp/x\n")
        typed.set()
        ann.read_until("typed before the prompt, and not said: rm -rf /tmp/x")
        ann.read_until("say> ")
        ann.type("hello\n")
        ann.read_until(": hello\n")
    assert "hello" in room.heard
    assert "rm -rf /tmp/x" not in room.heard


def test_utf_16_is_refused_with_a_remedy_and_we_leave() -> None:
    with FakeUdpServer(FakeRoom()) as fake:
        run = netecho("chat", fake.address, stdin="hi\n".encode("utf-16"))
    assert run.returncode == 1
    assert b"iconv -f UTF-16" in run.stderr
    assert b"Traceback" not in run.stderr
    assert fake.seen == [b"online", b"offline"]


# Names and the log.


def test_a_name_is_said_before_anything_else_and_shown_instead_of_the_address() -> None:
    room = FakeRoom()
    with FakeUdpServer(room) as fake:
        run = netecho("chat", "--nick", " \uff41nn ", fake.address, stdin=b"hi\n")
    assert room.heard == ["online", "/nick ann", "hi", "offline"]
    name = run.stdout.decode().split()[1]
    expected = ["--> {0} online", "--- {0} /nick ann", "ann: hi", "<-- ann offline"]
    assert outcome(run) == (0, "".join(f"{line}\n" for line in expected).format(name))


def test_a_script_changes_its_name_by_saying_so() -> None:
    with FakeUdpServer(FakeRoom()) as fake:
        run = netecho("chat", "--jsonl", fake.address, stdin=b"/nick bob\nhi\n", NETECHO_NICK="ann")
    events = [json.loads(line) for line in run.stdout.splitlines()]
    assert [(it["type"], it["nick"]) for it in events] == [
        ("join", None),
        ("nick", "ann"),
        ("nick", "bob"),
        ("message", "bob"),
        ("leave", "bob"),
    ]
    assert events[2]["before"] == "ann"
    assert {it["from"] for it in events} == {events[0]["from"]}


@pytest.mark.parametrize(
    ("options", "variables"),
    [(["--nick", "192.0.2.1--5"], {}), ([], {"NETECHO_NICK": "a\x1b[2Jb"})],
    ids=["option", "environment"],
)
def test_a_name_that_cannot_be_is_a_usage_error(options: list[str], variables: dict[str, str]) -> None:
    with FakeUdpServer(FakeRoom()) as fake:
        run = netecho("chat", *options, fake.address, stdin=b"", **variables)
    assert (run.returncode, run.stdout) == (64, b"")
    assert b"a name " in run.stderr
    assert b"\x1b" not in run.stderr
    assert fake.seen == []


def events_of(process: subprocess.Popen[bytes]) -> Iterator[dict[str, object]]:
    """What a chat with --jsonl tells, as it comes."""
    while line := read_line(process):
        yield json.loads(line)


def next_of(kind: str, process: subprocess.Popen[bytes]) -> dict[str, object]:
    return next(event for event in events_of(process) if event["type"] == kind)


def test_whoever_comes_later_hears_the_names_of_the_others() -> None:
    with FakeUdpServer(FakeRoom()) as fake, started("--jsonl", fake.address) as bob:
        next_of("join", bob)
        with started("--nick", "ann", fake.address), started("--jsonl", fake.address) as cat:
            named = next_of("nick", bob)
            assert (named["nick"], named["own"], named["shared"]) == ("ann", False, False)
            assert next_of("nick", cat)["from"] == named["from"]


def test_a_name_that_the_room_will_not_hear_again_is_no_trouble() -> None:
    room = FakeRoom()
    said: list[bytes] = []

    def strict(payload: bytes, address: Address) -> Replies:
        said.append(payload)
        if payload == b"/nick ann" and said.count(payload) > 1:
            return [(b"message refused: more than 10 messages a second", address)]
        return room(payload, address)

    with FakeUdpServer(strict) as fake, started("--jsonl", "--nick", "ann", fake.address) as ann:
        next_of("nick", ann)
        assert netecho("chat", fake.address, stdin=b"hello\n").returncode == 0
        next_of("leave", ann)
        say(ann, "hi\n")
        kinds = []
        for event in events_of(ann):
            kinds.append(event["type"])
            if event.get("text") == "hi":
                break
    assert kinds == ["message"]
    assert said.count(b"/nick ann") > 1


def test_the_conversation_is_logged_with_names_addresses_and_dates(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with FakeUdpServer(FakeRoom()) as fake:
        run = netecho("chat", "--nick", "ann", "--log", str(file), fake.address, stdin="你好\n".encode())
    address = run.stdout.decode().split()[1]
    date, *lines = file.read_text(encoding="utf-8").splitlines()
    assert date.startswith("--- 20")
    assert [line[20:] for line in lines] == [
        f"--> {address} online",
        f"--- {address} /nick ann",
        f"ann ({address}): 你好",
        f"<-- ann ({address}) offline",
    ]
    assert all(line.startswith("20") for line in lines)


@pytest.mark.parametrize("file", ["missing/log", "/dev/full"])
def test_a_log_that_cannot_be_written_is_told_before_anybody_hears_of_us(tmp_path: Path, file: str) -> None:
    with FakeUdpServer(FakeRoom()) as fake:
        run = netecho("chat", "--log", str(tmp_path / file), fake.address, stdin=b"hi\n")
    assert run.returncode == 1
    assert run.stderr.startswith(b"netecho: error: cannot write the log ")
    assert fake.seen == []


def test_lines_from_before_are_told_apart_and_are_no_receipts() -> None:
    room = FakeRoom()

    def with_history(payload: bytes, address: Address) -> Replies:
        if payload == b"hi" and fake.seen.count(b"hi") == 1:
            return []
        replies = list(room(payload, address))
        if payload == b"online" and len(replies):
            name = f"{address[0]}--{address[1]}".encode()
            replies += [(b"said 60 s ago: %b#/nick ann" % name, address)]
            replies += [(b"said 50 s ago: %b#hi" % name, address)]
        return replies

    with FakeUdpServer(with_history) as fake:
        run = netecho("chat", *QUICK, "--jsonl", fake.address, stdin=b"hi\n")
    events = [json.loads(line) for line in run.stdout.splitlines()]
    assert [it["type"] for it in events] == ["join", "earlier", "message", "leave"]
    assert (events[1]["nick"], events[1]["text"], events[1]["age_s"]) == ("ann", "hi", 50.0)
    assert events[2]["nick"] is None
    assert fake.seen.count(b"hi") == 2
