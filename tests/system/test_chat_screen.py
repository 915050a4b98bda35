"""The chat's screen as people see it: in a real terminal, with a real daemon."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.daemon import Daemon, client
from support.fake_servers import FakeUdpServer
from support.netecho import COMMAND, environment, netecho
from support.relay import Relay
from support.tmux import Tmux

from netechod.services.cells import cells

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

QUICK = ("--timeout", "0.3")
PROMPT = len("Enter# ")
HIDING = (
    "import sys; sys.modules['prompt_toolkit'] = None; from netechod.cli.netecho import main; exit(main())"
)
WITHOUT_TOOLKIT = [sys.executable, "-c", HIDING]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as daemon:
        yield daemon.start(FDSTORE="100")


def place(daemon: Daemon, service: str = "chat") -> str:
    host, port = daemon.address(service)
    return f"{host}:{port}"


def say(daemon: Daemon, *texts: str) -> None:
    """Somebody comes, says this, and goes."""
    assert netecho("chat", place(daemon), stdin="\n".join(texts).encode()).returncode == 0


def lines_with(text: str, seen: str) -> list[str]:
    return [line for line in seen.splitlines() if text in line]


def test_what_is_heard_scrolls_away_above_the_line_being_typed(daemon: Daemon, tmp_path: Path) -> None:
    with Tmux(tmp_path, "chat", place(daemon)) as ann:
        ann.wait_for("--> ", "\nsay>")
        ann.type("half a li")
        ann.wait_for("say> half a li")
        say(daemon, *(f"number {number}" for number in range(40)))
        ann.wait_for("number 39", "<-- ")
        ann.type("ne")
        seen = ann.wait_for("\nsay> half a line")
        assert seen.count("say> ") == 1
        assert ann.cursor()[0] == len("say> half a line")
        rows = lines_with(" number ", seen)
        assert [row.rpartition(" ")[2] for row in rows] == [str(number) for number in range(40)]
        ann.press("Enter")
        ann.wait_for("half a line")
        ann.press("C-d")
        assert ann.status() == 0
        assert "\\033[?1049h" not in ann.written()  # no alternate screen: the scrollback is the terminal's
    daemon.said("chat offline")


def test_chinese_is_edited_by_cells(daemon: Daemon, tmp_path: Path) -> None:
    with Tmux(tmp_path, "chat", place(daemon), variables={"NETECHO_LANG": "zh"}) as ann:
        ann.wait_for("Enter#")
        ann.type("你好世界")
        ann.wait_until(lambda: ann.cursor()[0] == PROMPT + 8, "behind four characters")
        ann.press("Left", "Left", "Left")
        ann.wait_until(lambda: ann.cursor()[0] == PROMPT + 2, "behind one")
        say(daemon, "别人的话")
        ann.wait_for("别人的话", "<-- ")
        ann.wait_until(lambda: ann.cursor()[0] == PROMPT + 2, "behind one")
        ann.press("BSpace")
        ann.type("界")
        ann.wait_for("Enter# 界好世界")
        ann.wait_until(lambda: ann.cursor()[0] == PROMPT + 2, "behind one")
        ann.press("Enter")
        ann.wait_for("界好世界")
        ann.type("/who")
        ann.press("Enter")
        ann.wait_for("您上线以来见到的人：1", "秒前（您）")


def test_the_bar_tells_how_things_stand(daemon: Daemon, tmp_path: Path) -> None:
    with Tmux(tmp_path, "chat", place(daemon)) as ann:
        bar = lines_with("online: 1", ann.wait_for("online: 1", " ms "))[0]
        assert bar.startswith(f"online: 1 · {place(daemon)} · ")
        assert bar.endswith(" ms · unsaid: 0 · Tab completes, /help")
        (tmp_path / "zh").mkdir()
        with Tmux(tmp_path / "zh", "chat", place(daemon), variables={"NETECHO_LANG": "zh"}) as bob:
            ann.wait_for("online: 2")
            bar = lines_with("在线 1", bob.wait_for("在线 1", "毫秒" if False else " ms "))[0]
            assert bar.endswith(" ms · 未送达 0 · Tab 补全 · /help")
        ann.wait_until(lambda: "online: 2" not in ann.screen(), "gone")


def test_forty_columns_are_enough(daemon: Daemon, tmp_path: Path) -> None:
    with Tmux(tmp_path, "chat", place(daemon), size=(40, 10)) as ann:
        ann.wait_for("online: 1")
        ann.type("在一个很窄的终端里输入一行比较长的文字")
        ann.press("Enter")
        ann.wait_for("文字 ✓")
        ann.wait_for("unsaid: 0")
        shown = ann.screen().rstrip().splitlines()
        assert shown[-1] == f"online: 1 · {place(daemon)} · unsaid: 0"
        assert shown[-2] == "say>"
        assert shown[1][5] == " "  # no seconds


def test_a_resize_loses_nothing_of_the_line_being_typed(daemon: Daemon, tmp_path: Path) -> None:
    typed = "正在输入的一行文字, and then some more of it"
    with Tmux(tmp_path, "chat", place(daemon), size=(100, 14)) as ann:
        ann.wait_for("online: 1")
        say(daemon, "x" * 90)
        ann.wait_for("<-- ")
        ann.type(typed)
        ann.press("Left", "Left")
        ann.wait_for(f"say> {typed}")

        def is_whole() -> bool:
            lowest = ann.screen().rstrip().rpartition("say> ")[2].splitlines()
            column = (cells(f"say> {typed}") - 2) % columns
            is_typed = "".join(lowest[:-1]) == typed and ann.cursor()[0] == column
            return is_typed and lines_with("online: 1", ann.screen()) == [lowest[-1]]

        for columns in (40, 100, 57):
            ann.resize(columns, 14)
            ann.wait_until(is_whole, "whole")
        ann.press("Enter")
        ann.wait_for(f"{typed} ✓")


def test_the_lines_of_a_paste_are_said_in_order_when_enter_is_pressed(daemon: Daemon, tmp_path: Path) -> None:
    pasted = [f"line {number}" for number in range(200)] + ["/who is no command here", "if x:", "\ttabs", ""]
    heard = subprocess.Popen(
        [*COMMAND, "chat", place(daemon)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert heard.stdin is not None
    assert heard.stdout is not None
    with heard:
        assert heard.stdout.readline().startswith("--> ")
        with Tmux(tmp_path, "chat", place(daemon)) as ann:
            ann.wait_for("online: 1")
            ann.paste("\n".join(pasted))
            ann.wait_for("Enter says 203 lines")
            ann.press("Enter")
            ann.wait_for("    tabs ✓", "unsaid: 0")
        heard.stdin.close()
        texts = [line.partition(": ")[2].rstrip("\n") for line in heard.stdout if ": " in line]
    assert texts == [*pasted[:-2], "    tabs"]


def test_a_restart_of_the_room_is_told_and_costs_no_message(daemon: Daemon, tmp_path: Path) -> None:
    with Tmux(tmp_path, "chat", *QUICK, place(daemon)) as ann:
        ann.wait_for("online: 1")
        ann.type("one\r")
        ann.wait_for("one ✓")
        assert daemon.stop() == 0
        daemon.start(FDSTORE="100")  # which gets the members of the one before
        ann.type("two\r")
        seen = ann.wait_for("two ✓")
        assert "trying to return" not in seen
        daemon.signal(signal.SIGKILL)
        daemon.wait()
        ann.type("three\r")
        ann.type("four\r")
        ann.wait_for("cut off from the room, trying to return: no answer", "\ncut off · ", "unsaid: 2")
        ann.wait_for("… three", "… four")
        ann.type("half a li")
        daemon.manager.stored.clear()
        daemon.start()
        seen = ann.wait_for("back in the room after ", "three ✓", "four ✓", "say> half a li", "unsaid: 0")
        assert seen.index("three ✓") < seen.index("four ✓")


def test_a_host_that_refuses_is_told_and_tried_again(daemon: Daemon, tmp_path: Path) -> None:
    with Relay(daemon.address("chat")) as relay, Tmux(tmp_path, "chat", *QUICK, relay.address) as ann:
        ann.wait_for("online: 1")
        relay.close()
        ann.type("kept\r")
        ann.wait_for("trying to return: nobody listens there", "… kept")
        relay.open()
        ann.wait_for("back in the room after ", "kept ✓", "unsaid: 0")


def test_losses_are_made_good(daemon: Daemon, tmp_path: Path) -> None:
    losses = {("up", b"online"): 1, ("up", b"message"): 2, ("down", b"receipt"): 1}

    def fate(way: str, payload: bytes) -> int:
        text = payload.rpartition(b"#")[2]
        losses[way, text] = left = losses.get((way, text), 0) - 1
        return 1 if left < 0 else 0

    with Relay(daemon.address("chat"), fate) as relay, Tmux(tmp_path, "chat", *QUICK, relay.address) as ann:
        ann.wait_for("online: 1")
        ann.type("message\r")
        ann.wait_for("… message", "unsaid: 1")
        ann.wait_for("message ✓", "unsaid: 0")
        ann.type("receipt\r")
        ann.wait_for("receipt ✓")
        ann.press("C-d")
        assert ann.status() == 0
        assert ann.history().count("message ✓") == ann.history().count("receipt ✓") == 1
    assert [payload for way, payload in relay.seen if payload in (b"message", b"receipt")] == [
        *[b"message"] * 3,
        *[b"receipt"] * 2,
    ]


def leave_by_quit(ann: Tmux) -> None:
    ann.type("/quit\r")


def leave_by_offline(ann: Tmux) -> None:
    ann.type("offline\r")


@pytest.mark.parametrize(
    "leave",
    [
        leave_by_quit,
        leave_by_offline,
        lambda ann: ann.press("C-d"),
        lambda ann: ann.press("C-c"),
        lambda ann: ann.kill(signal.SIGINT),
        lambda ann: ann.kill(signal.SIGTERM),
        lambda ann: ann.kill(signal.SIGHUP),
    ],
    ids=["/quit", "offline", "Ctrl-D", "Ctrl-C", "SIGINT", "SIGTERM", "SIGHUP"],
)
@pytest.mark.parametrize("program", [COMMAND, WITHOUT_TOOLKIT], ids=["screen", "lines"])
def test_leaving_says_farewell_and_gives_the_terminal_back(
    daemon: Daemon, tmp_path: Path, program: list[str], leave: Callable[[Tmux], None]
) -> None:
    with Tmux(tmp_path, "chat", place(daemon), program=program) as ann:
        ann.wait_for("--> ", "\nsay>")
        leave(ann)
        assert ann.status() == 0
        assert "<-- " in ann.history()
        ann.type("what the shell echoes")
        ann.wait_for("]what the shell echoes")
    assert daemon.said("chat offline").endswith(" reason=said\n")


def test_ctrl_z_stops_and_fg_goes_on(daemon: Daemon, tmp_path: Path) -> None:
    shell = ["bash", "-mc", '"$0" "$@"; printf \'[stopped]\'; read -r line; fg', *COMMAND]
    with Tmux(tmp_path, "chat", place(daemon), program=shell) as ann:
        ann.wait_for("online: 1")
        ann.type("half a li")
        ann.wait_for("say> half a li")
        ann.press("C-z")
        assert "say> " not in ann.wait_for("[stopped]")
        say(daemon, "meanwhile")
        ann.type("what the shell echoes\r")
        ann.wait_for("]what the shell echoes", "say> half a li", " meanwhile")
        ann.type("ne\r")
        ann.wait_for("half a line ✓")


def test_a_terminal_that_is_closed_takes_the_member_along(daemon: Daemon, tmp_path: Path) -> None:
    with Tmux(tmp_path, "chat", place(daemon)) as ann:
        ann.wait_for("online: 1")
    assert daemon.said("chat offline").endswith(" reason=said\n")


def test_who_leaves_a_silent_room_hears_what_was_not_said(daemon: Daemon, tmp_path: Path) -> None:
    with Relay(daemon.address("chat")) as relay, Tmux(tmp_path, "chat", *QUICK, relay.address) as ann:
        ann.wait_for("online: 1")
        relay.fate = lambda way, payload: 0
        ann.type("one\rtwo\r")
        ann.press("C-d")
        ann.wait_for("perhaps nobody read it: one", "perhaps nobody read it: two")
        assert ann.status() == 0


def test_a_second_ctrl_c_waits_for_nothing(daemon: Daemon, tmp_path: Path) -> None:
    with (
        Relay(daemon.address("chat")) as relay,
        Tmux(tmp_path, "chat", "--timeout", "60", relay.address) as ann,
    ):
        ann.wait_for("online: 1")
        relay.fate = lambda way, payload: 0
        ann.press("C-c")
        ann.wait_for("leaving, Ctrl-C drops what is unsaid")
        ann.press("C-c")
        assert ann.status() == 130


@pytest.mark.parametrize("program", [COMMAND, WITHOUT_TOOLKIT], ids=["screen", "lines"])
def test_commands_are_answered(daemon: Daemon, tmp_path: Path, program: list[str]) -> None:
    with Tmux(
        tmp_path, "chat", "--dictionary", place(daemon, "dictionary"), place(daemon), program=program
    ) as ann:
        ann.wait_for("\nsay>")
        for typed, answers in (
            ("/who", ("seen since you came: 1", " s ago (you)")),
            ("/ping", ("the room answers within ",)),
            ("/dict apple", ("apple: 苹果",)),
            ("/dict zzz", ("zzz: unknown",)),
            ("/dict", ("which word?",)),
            ("/help", ("/dict WORD  look a word up", "//text      says /text")),
            ("/nick", ("you have no name, only 127.0.0.1--",)),
            ("/nick ann", ("you are ann now",)),
            ("/nick", ("you are ann, at 127.0.0.1--",)),
            ("/log", ("nothing is logged: /log FILE",)),
            ("/log /dev/full", ("cannot write the log /dev/full: No space left on device",)),
            ("/log /dev/null", ("the log is /dev/null; /log off ends it",)),
            ("/log off", ("nothing is logged",)),
            ("/msg bob hi", ("there are no private messages",)),
            ("/nonsense", ("no command /nonsense",)),
            ("//etc/passwd", (" /etc/passwd",)),
        ):
            ann.type(typed)
            ann.press("Enter")
            ann.wait_for(*answers)
        ann.type("/quit")
        ann.press("Enter")
        assert ann.status() == 0


def test_tab_completes_a_command_and_ctrl_c_drops_the_line(daemon: Daemon, tmp_path: Path) -> None:
    with Tmux(tmp_path, "chat", place(daemon)) as ann:
        ann.wait_for("\nsay>")
        ann.type("/qu")
        ann.press("Tab")
        ann.wait_for("say> /quit")
        ann.press("C-c")
        ann.wait_until(lambda: "/quit" not in ann.history(), "an empty line")
        ann.type("still here")
        ann.press("Enter")
        ann.wait_for("still here ✓")
        ann.press("C-c")
        assert ann.status() == 0


def test_emoji_sequences_leave_the_line_intact(daemon: Daemon, tmp_path: Path) -> None:
    with Tmux(tmp_path, "chat", place(daemon)) as ann:
        ann.wait_for("\nsay>")
        ann.type("ab👍🏽x1️⃣y")
        ann.wait_for("say> ab👍x1y")
        ann.wait_until(lambda: ann.cursor()[0] == len("say> ab") + 2 + len("x1y"), "behind the line")
        ann.press("Enter")
        ann.wait_for("👍🏽x1️⃣y ✓")


def test_a_dictionary_that_is_not_there_does_not_hold_up_the_chat(daemon: Daemon, tmp_path: Path) -> None:
    with FakeUdpServer(lambda payload, address: []) as silent:
        options = ("--timeout", "0.5", "--retries", "0", "--dictionary", silent.address)
        with Tmux(tmp_path, "chat", *options, place(daemon)) as ann:
            ann.wait_for("online: 1")
            ann.type("/dict apple\rhello\r")
            seen = ann.wait_for("hello ✓", f"unanswered: {silent.address}/udp is silent")
            assert seen.index("hello ✓") < seen.index("unanswered")


@pytest.mark.parametrize(("text", "rings"), [("hi {name}", True), ("小明在吗", True), ("hi", False)])
def test_a_mention_rings_the_bell(daemon: Daemon, tmp_path: Path, text: str, rings: bool) -> None:
    with Tmux(tmp_path, "chat", "--mention", "小明", place(daemon)) as ann:
        name = ann.wait_for("--> ", "online: 1").partition("--> ")[2].split()[0]
        say(daemon, text.format(name=name), "the end")
        ann.wait_for("the end")
        ann.type("/quit\r")
        assert ("\\007" in ann.written()) is rings


def test_what_others_say_can_not_touch_the_screen(tmp_path: Path) -> None:
    evil = b"1.2.3.4--5#a\x1b[2J\x07\xe2\x80\xae"
    with (
        FakeUdpServer(lambda payload, address: [(evil, address)]) as room,
        Tmux(tmp_path, "chat", room.address) as ann,
    ):
        ann.wait_for("1.2.3.4--5 a\\x1b[2J\\x07\\u202e")


@pytest.mark.parametrize(
    ("options", "changes", "is_painted"),
    [((), {}, True), (("--color", "never"), {}, False), ((), {"NO_COLOR": "1"}, False)],
)
def test_colours_are_a_choice(
    daemon: Daemon, tmp_path: Path, options: tuple[str, ...], changes: dict[str, str], is_painted: bool
) -> None:
    with Tmux(tmp_path, "chat", *options, place(daemon), variables=changes) as ann:
        ann.wait_for("online: 1")
        ann.type("hi\r")
        ann.wait_for("hi ✓")
        assert ("\x1b[32m ✓" in ann.history("-e")) is is_painted


def test_names_stand_for_people_on_screens_in_both_languages(daemon: Daemon, tmp_path: Path) -> None:
    log = tmp_path / "conversation"
    (tmp_path / "zh").mkdir()
    chinese = {"NETECHO_LANG": "zh", "NETECHO_NICK": "小明"}
    with (
        Tmux(tmp_path, "chat", "--nick", "ann", "--log", str(log), place(daemon), size=(110, 20)) as ann,
        client(daemon.address("chat")) as bob,
    ):
        ann.wait_for("you are ann now")
        bob.send(b"online")
        with Tmux(tmp_path / "zh", "chat", place(daemon), variables=chinese, size=(110, 20)) as ming:
            ming.wait_for("您现在叫 小明", "现在叫 ann")
            ann.wait_for(" is 小明 now")
            ming.type("你好")
            ming.press("Enter")
            ming.wait_for("小明 你好 ✓")
            ann.wait_for("小明 你好")
            bob.send(b"/nick Ann".ljust(32, b"\0"))
            bob.send(b"not ann".ljust(32, b"\0"))
            ann.wait_for("is Ann now; somebody else has a name like that")
            address = f"{bob.getsockname()[0]}--{bob.getsockname()[1]}"
            ming.wait_for(f"{address} 现在叫 Ann；别人有相似的名字：同时显示地址", f"Ann ({address}) not ann")
            ann.type("/who")
            ann.press("Enter")
            ann.wait_for(f"Ann ({address}), ", "(you)")
            ming.type("/nick 192.0.2.1--5")
            ming.press("Enter")
            ming.wait_for("名字须以文字开头")
    written = log.read_text(encoding="utf-8")
    assert f"Ann ({address}): not ann\n" in written
    assert written.startswith("--- 20")


def test_whoever_comes_back_sees_what_was_said_meanwhile(daemon: Daemon, tmp_path: Path) -> None:
    daemon.configure({"chat.history": 10})
    daemon.reload()
    with client(daemon.address("chat")) as bob:
        bob.send(b"online")
        heard = [bob.recv(1024).decode() for _ in range(2)]
        name = f"127.0.0.1--{bob.getsockname()[1]}"
        assert [text.partition(" ")[0] for text in heard] == [f"{name}#online", "challenge"]
        assert netecho("chat", "--nick", "eve", place(daemon), stdin=b"remember").returncode == 0
    with Tmux(tmp_path, "chat", place(daemon)) as ann:
        ann.wait_for(" eve remember")
