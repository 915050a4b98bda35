"""`netechoctl`: its command line, and what it gets out of a real daemon."""

import grp
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from support.daemon import PATIENCE, SERVICES, WORDS, Daemon, ask, client
from support.netecho import environment

from netechod import __version__
from netechod.cli import netechoctl
from netechod.cli.netechoctl import CONFIG, SOCKET, default_socket, main, parse
from netechod.process.control.status import Outcome
from netechod.process.dictionary.in_use import DictionaryStatus

CTL = [sys.executable, "-m", "netechod.cli.netechoctl"]
CLEAR = "\x1b[H\x1b[2J"
NOBODY = pwd.getpwnam("nobody")
AS_ANOTHER = """
import os, sys
from netechod.cli.netechoctl import main  # while we may read it: the checkout can lie in a home directory
user, group = map(int, sys.argv[1:3])
os.setgroups([])
os.setgid(group)
os.setuid(user)
sys.exit(main(sys.argv[3:]))
"""
COMMANDS = (
    *("status", "watch", "members", "sessions", "metrics"),
    *("reload", "reopen", "log-level", "stop", "dict"),
)
KEYS = [
    *("version", "pid", "uptime", "config", "listeners", "counters"),
    *("connections", "dictionary", "members", "commands"),
    *("databases", "log_lost", "last_reload", "complaints"),
]
ACTIONS = ("list", "dump", "lookup", "match", "diff", "compile", "import")

Run = subprocess.CompletedProcess[str]


# The command line.


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--socket"],
        ["--bogus", "status"],
        ["status", "word"],
        ["status", "--jso"],
        ["status", "--timeout", "0"],
        ["--timeout", "nan", "status"],
        ["--timeout", "soon", "status"],
        ["watch", "-n", "-1"],
        ["watch", "-n", "inf"],
        ["log-level"],
        ["log-level", "LOUD"],
        ["dict"],
        ["dict", "lookup"],
        ["dict", "diff"],
        ["dict", "dump", "file"],
        ["dict", "import"],
        ["dict", "import", "x", "--format", "pdf"],
        ["sing"],
    ],
)
def test_a_wrong_command_line_ends_with_64(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 64
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("netechoctl: error: ")
    assert "\nhint: " in told.err


@pytest.mark.parametrize(
    ("argv", "unknown", "meant"),
    [
        (["sttus"], "sttus", "status"),
        (["-s", "x", "--timeout=3", "relaod", "--json"], "relaod", "reload"),
        (["--socket=x", "memebrs"], "memebrs", "members"),
        (["dict", "lokup", "apple"], "lokup", "lookup"),
        (["dict", "-s", "x", "dmp"], "dmp", "dump"),
    ],
)
def test_a_misspelt_command_gets_a_suggestion(
    argv: list[str], unknown: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 64
    assert capsys.readouterr().err == (
        f"netechoctl: error: unknown command {unknown!r}\nhint: did you mean {meant!r}?\n"
    )


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"netechoctl {__version__}\n"


@pytest.mark.parametrize(
    "argv", [[], *([name] for name in COMMANDS), *(["dict", name] for name in ACTIONS)], ids=" ".join
)
def test_everything_has_its_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*argv, "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(" ".join(["usage: netechoctl", *argv]))


def test_nothing_that_starts_slowly_is_loaded() -> None:
    script = (
        "import sys; before = {*sys.modules}; import netechod.cli.netechoctl as ctl; ctl.parse(['status']);"
        "loaded = {name.partition('.')[0] for name in {*sys.modules} - before};"
        "print(*loaded & {'pydantic', 'daemon', 'systemd', 'prometheus_client', 'logging', 'asyncio'})"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "\n"


def test_socket_and_timeout_are_taken_before_the_command_and_behind_it() -> None:
    arguments = parse(["-s", "before", "--timeout", "3", "status"])
    assert (arguments.socket, arguments.timeout) == (Path("before"), 3.0)
    arguments = parse(["-s", "before", "dict", "lookup", "--timeout", ".5", "a", "--socket", "behind", "b"])
    assert (arguments.socket, arguments.timeout, arguments.words) == (Path("behind"), 0.5, ["a", "b"])
    arguments = parse(["status"])
    assert (arguments.socket, arguments.timeout) == (None, None)
    assert parse(["dict", "lookup", "--", "--socket", "-s"]).words == ["--socket", "-s"]
    assert parse(["log-level", "debug"]).level == "DEBUG"


def test_the_socket_is_the_environments_or_that_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NETECHOD_CONTROL", raising=False)
    config = tmp_path / "netechod.toml"
    assert default_socket(config) == SOCKET
    for text, path in {
        "[daemon]\ncontrol = '/run/other.sock'\n": Path("/run/other.sock"),
        "daemon.control = 'beside.sock'\n": tmp_path / "beside.sock",
        "daemon.control = ''\n": None,
        "daemon.control = 7\n": SOCKET,
        "daemon = 'x'\n": SOCKET,
        "[chat]\n": SOCKET,
        "not toml": SOCKET,
    }.items():
        config.write_text(text)
        assert default_socket(config) == path
    monkeypatch.setenv("NETECHOD__DAEMON__CONTROL", "/run/second.sock")
    assert default_socket(config) == Path("/run/second.sock")
    monkeypatch.setenv("NETECHOD__DAEMON__CONTROL", "")
    assert default_socket(config) is None
    monkeypatch.setenv("NETECHOD_CONTROL", "/run/third.sock")
    assert default_socket(config) == Path("/run/third.sock")
    assert CONFIG.is_absolute()


# Looking.


def control(daemon: Daemon) -> Path:
    return daemon.directory / "control.sock"


def ctl(daemon: Daemon, *arguments: str, user: int | None = None) -> Run:
    """Ask the daemon, as another user if need be, who then has that user's group alone."""
    program = CTL if user is None else [sys.executable, "-c", AS_ANOTHER, str(user), str(NOBODY.pw_gid)]
    return subprocess.run(
        [*program, *arguments],
        capture_output=True,
        text=True,
        env=environment(NETECHOD_CONTROL=str(control(daemon))),
        timeout=PATIENCE,
    )


def shown(run: Run) -> str:
    """What a run that went well has shown."""
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


def refused(run: Run) -> str:
    """Why a run did not go well, in a sentence."""
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("netechoctl: error: ")
    assert "Traceback" not in run.stderr
    return run.stderr.removeprefix("netechoctl: error: ")


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that no test changes."""
    with Daemon(tmp_path_factory.mktemp("looked-at")) as daemon:
        yield daemon.start()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as daemon:
        yield daemon.start()


@pytest.mark.system
def test_the_status_has_every_service_with_its_address(looked_at: Daemon) -> None:
    first, empty, *table = shown(ctl(looked_at, "status")).splitlines()
    assert looked_at.process is not None
    assert first.startswith(f"netechod {__version__}   up ")
    assert first.endswith(f"   pid {looked_at.process.pid}   configuration {looked_at.config}")
    assert empty == ""
    assert re.split("  +", table[0]) == ["service", "listening on", "now", "received", "answered", "dropped"]
    for row, service in zip(table[1:5], SERVICES, strict=True):
        address = "{}:{}".format(*looked_at.address(service))
        assert row.split()[:2] == [service, address]
        assert row.index(address) == table[0].index("listening on")
    assert table[3].split()[2:4] == ["3", "words"]
    assert f"             {looked_at.dictionary}" in table
    assert table[-1] == "last reload  none since the start"


@pytest.mark.system
def test_the_status_for_programs_has_everything(looked_at: Daemon) -> None:
    before = json.loads(shown(ctl(looked_at, "status", "--json")))
    assert ask(looked_at.address("dictionary"), b"apple").decode() == "苹果"
    after = json.loads(shown(ctl(looked_at, "status", "--json")))
    assert looked_at.process is not None
    assert list(after) == KEYS
    assert list(after["dictionary"]) == [field.name for field in fields(DictionaryStatus)]
    assert after["pid"] == looked_at.process.pid
    assert (after["version"], after["config"]) == (__version__, str(looked_at.config))
    assert after["listeners"] == [
        [service, "{}:{}".format(*looked_at.address(service))] for service in SERVICES
    ]
    assert list(after["counters"]) == list(SERVICES)
    assert (after["dictionary"]["entries"], after["dictionary"]["generation"]) == (3, 1)
    assert (after["connections"], after["log_lost"], after["last_reload"]) == (0, 0, None)
    queries = [status["counters"]["dictionary"]["received"] for status in (before, after)]
    assert queries[1] == queries[0] + 1
    assert after["uptime"] > before["uptime"]


@pytest.mark.system
def test_members_are_told_with_their_names(looked_at: Daemon) -> None:
    assert shown(ctl(looked_at, "members")).split() == ["member", "online", "silent"]
    with client(looked_at.address("chat")) as ann:
        ann.send(b"online")
        line = ann.recv(100).decode()
        name = line.removesuffix("#online")
        header, row = shown(ctl(looked_at, "members")).splitlines()
        assert row.split()[0] == name
        assert row.index("s") > header.index("online")
        member = json.loads(shown(ctl(looked_at, "members", "--json")))
        assert list(member) == ["name", "online", "silent", "node"]
        assert member["name"] == name
        assert 0 <= member["silent"] <= member["online"] < PATIENCE
        ann.send(b"offline")
        assert ann.recv(100).decode() == f"{name}#offline"
    assert shown(ctl(looked_at, "members", "--json")) == ""


@pytest.mark.system
def test_words_are_looked_up(looked_at: Daemon) -> None:
    assert shown(ctl(looked_at, "dict", "lookup", "apple", "HELLO")) == "apple\t苹果\nHELLO\t你好\n"
    missing = ctl(looked_at, "dict", "lookup", "apple", "plum")
    assert (missing.returncode, missing.stdout) == (1, "apple\t苹果\n")
    assert missing.stderr == "netechoctl: 'plum' is not in the dictionary\n"


@pytest.mark.system
def test_many_words_are_looked_up_at_once(looked_at: Daemon) -> None:
    words = ["apple"] * 5 + ["x" * 4000] * 2
    run = ctl(looked_at, "dict", "lookup", *words)
    assert (run.returncode, run.stdout) == (1, "apple\t苹果\n" * 5)


@pytest.mark.system
def test_a_word_that_is_no_text_is_missing(looked_at: Daemon) -> None:
    run = ctl(looked_at, "dict", "lookup", os.fsdecode(b"\xff"))
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "netechoctl: '\\udcff' is not in the dictionary\n"


@pytest.mark.system
def test_a_file_is_compared_with_what_is_in_use(looked_at: Daemon, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text(WORDS + "# the same\n", encoding="utf-8")
    assert shown(ctl(looked_at, "dict", "diff", str(other))) == ""
    other.write_text(WORDS.replace("banana:香蕉\n", "plum:李\n"), encoding="utf-8")
    differing = ctl(looked_at, "dict", "diff", str(other))
    assert (differing.returncode, differing.stdout) == (1, "-banana#香蕉\n+plum#李\n")
    missing = tmp_path / "missing.txt"
    assert refused(ctl(looked_at, "dict", "diff", str(missing))) == f"{missing}: No such file or directory\n"


@pytest.mark.system
def test_a_hundred_thousand_entries_are_dumped_whole_or_as_far_as_they_are_read(tmp_path: Path) -> None:
    words = "".join(f"word{number}:意思 {number}\n" for number in range(100_000))
    with Daemon(tmp_path, words) as daemon:
        daemon.start()
        assert shown(ctl(daemon, "dict", "dump")) == words.replace(":", "#")
        with subprocess.Popen(
            [*CTL, "--socket", str(control(daemon)), "dict", "dump"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        ) as head:
            assert head.stdout is not None
            assert head.stderr is not None
            assert head.stdout.readline().decode() == "word0#意思 0\n"
            head.stdout.close()
            assert (head.wait(PATIENCE), head.stderr.read()) == (0, b"")


@pytest.mark.system
def test_what_cannot_be_written_is_told(looked_at: Daemon) -> None:
    asking = [*CTL, "--socket", str(control(looked_at)), "status"]
    for redirection, why in {
        ">/dev/full": "cannot write the output: No space left on device",
        ">&-": "standard output must be open",
    }.items():
        run = subprocess.run(
            ["sh", "-c", f'exec "$@" {redirection}', "sh", *asking], capture_output=True, text=True
        )
        assert refused(run).startswith(why)


@pytest.mark.system
def test_watching_goes_on_until_interrupted(looked_at: Daemon) -> None:
    with subprocess.Popen(
        [*CTL, "--socket", str(control(looked_at)), "watch", "-n", "0.01"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as watch:
        assert watch.stdout is not None
        assert watch.stderr is not None
        screens = 0
        while screens < 3:
            line = watch.stdout.readline()
            assert line, "it has ended"
            assert "\x1b" not in line
            screens += line.startswith("last reload")
        watch.send_signal(signal.SIGINT)
        watch.stdout.read()
        assert (watch.wait(PATIENCE), watch.stderr.read()) == (0, "")


@pytest.mark.system
def test_on_a_terminal_one_screen_takes_the_place_of_the_other(looked_at: Daemon) -> None:
    master, slave = os.openpty()
    with (
        os.fdopen(master, "rb", buffering=0) as terminal,
        subprocess.Popen(
            [*CTL, "--socket", str(control(looked_at)), "watch", "-n", "0.01"],
            stdout=slave,
            env=environment(),
        ) as watch,
    ):
        os.close(slave)
        seen = ""
        while seen.count(CLEAR) < 3:
            seen += terminal.read(65536).decode()
        watch.send_signal(signal.SIGINT)
        assert watch.wait(PATIENCE) == 0
    assert seen.startswith(f"{CLEAR}netechod {__version__}")
    assert "last reload  none since the start" in seen


# Nobody there, or nobody who answers.


def test_without_a_daemon_the_status_is_3_and_everything_else_1(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        status = ctl(daemon, "status")
        assert (status.returncode, status.stdout) == (3, "")
        sentence = (
            f"no daemon answers at {control(daemon)}\nhint: is netechod running? another path: --socket\n"
        )
        assert status.stderr == f"netechoctl: error: {sentence}"
        assert ctl(daemon, "status", "--json").returncode == 3
        for command in (
            ["reload"],
            ["stop"],
            ["members"],
            ["watch"],
            ["dict", "dump"],
            ["dict", "lookup", "a"],
        ):
            assert refused(ctl(daemon, *command)) == sentence


@pytest.mark.system
def test_a_daemon_that_hangs_is_told(daemon: Daemon) -> None:
    assert daemon.process is not None
    daemon.signal(signal.SIGSTOP)
    os.waitpid(daemon.process.pid, os.WUNTRACED)
    try:
        for command in ("status", "reload", "stop"):
            assert refused(ctl(daemon, "--timeout", "0.1", command)) == (
                f"the daemon at {control(daemon)} does not answer\n"
                "hint: is it stopped, or overloaded? be patient: --timeout\n"
            )
    finally:
        daemon.signal(signal.SIGCONT)
    assert "last reload" in shown(ctl(daemon, "status"))


# Changing.


@pytest.mark.system
def test_a_reload_says_what_it_has_changed(daemon: Daemon) -> None:
    assert shown(ctl(daemon, "reload")).startswith(
        "configuration  unchanged\ndictionary     3 -> 3 words (+0 -0, 0 changed) in 0."
    )
    daemon.dictionary.write_text("apple:apfel\nhello:你好\nplum:李\npear:梨\n", encoding="utf-8")
    daemon.configure({"dictionary.unknown": "nix", "daemon.selector": "poll"})
    configuration, waiting, dictionary, lines = shown(ctl(daemon, "reload")).splitlines()
    assert configuration == "configuration  dictionary.unknown"
    assert waiting == "               needs a restart: daemon.selector"
    assert dictionary.startswith("dictionary     3 -> 4 words (+2 -1, 1 changed) in 0.")
    assert lines == "               0 lines skipped, 1 words lost"
    assert ask(daemon.address("dictionary"), b"apple") == b"apfel"
    assert ask(daemon.address("dictionary"), b"banana") == b"nix"
    assert "(+2 -1, 1 changed)" in shown(ctl(daemon, "status")).splitlines()[-1]


@pytest.mark.system
def test_a_reload_for_programs_has_everything(daemon: Daemon) -> None:
    daemon.dictionary.write_text("plum:李\n", encoding="utf-8")
    daemon.configure({"log.level": "DEBUG", "echo.tcp.backlog": 7})
    outcome = json.loads(shown(ctl(daemon, "reload", "--json")))
    assert list(outcome) == [field.name for field in fields(Outcome)]
    assert outcome["dictionary"] == {"before": 3, "after": 1, "added": 1, "removed": 3, "changed": 0}
    assert (outcome["keys"], outcome["waiting"], outcome["error"]) == (
        ["log.level"],
        ["echo.tcp.backlog"],
        "",
    )
    status = json.loads(shown(ctl(daemon, "status", "--json")))
    assert status["last_reload"] == outcome
    assert status["dictionary"]["generation"] == 2


@pytest.mark.system
def test_a_reload_that_fails_says_why_and_leaves_everything_as_it_was(daemon: Daemon) -> None:
    for text, why in {
        b"": f"{daemon.dictionary}: holds no entry at all",
        "apple:苹果".encode("gbk"): f"{daemon.dictionary}:1: not UTF-8",
    }.items():
        daemon.dictionary.write_bytes(text)
        assert refused(ctl(daemon, "reload")).startswith(why)
    daemon.dictionary.write_text("apple:apfel\n")
    daemon.configure({"chat.idle_timeot": 3})
    why = f"{daemon.config}:6: chat.idle_timeot: unknown key"
    assert refused(ctl(daemon, "reload", "--json")).startswith(why)
    assert ask(daemon.address("dictionary"), b"apple").decode() == "苹果"
    assert f"FAILED: {why}" in shown(ctl(daemon, "status")).splitlines()[-1]


@pytest.mark.system
def test_everybody_who_asks_for_a_reload_gets_an_answer(tmp_path: Path) -> None:
    words = "".join(f"word{number}:意思\n" for number in range(20_000))
    with Daemon(tmp_path, words) as daemon:
        daemon.start()
        askers = [
            subprocess.Popen(
                [*CTL, "--socket", str(control(daemon)), "reload"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment(),
            )
            for _ in range(8)
        ]
        for asker in askers:
            told, complaint = asker.communicate(timeout=PATIENCE)
            assert (asker.returncode, complaint) == (0, "")
            assert "20 000 -> 20 000 words (+0 -0, 0 changed)" in told


@pytest.mark.system
def test_logs_that_were_renamed_are_opened_anew(daemon: Daemon) -> None:
    for name in ("log.txt", "log.error"):
        file = daemon.directory / "log" / name
        file.rename(file.with_suffix(".1"))
    assert shown(ctl(daemon, "reopen")) == ""
    daemon.signal(signal.SIGUSR2)
    daemon.said("status chat ")  # the files are opened anew before the next line is written
    assert (daemon.directory / "log" / "log.error").exists()
    assert any(line.startswith("status up=") for line in daemon.log())
    assert not any(line.startswith("status up=") for line in daemon.log("log.1"))


@pytest.mark.system
def test_a_log_level_holds_until_the_next_reload(daemon: Daemon) -> None:
    def report() -> None:
        daemon.signal(signal.SIGUSR2)
        shown(ctl(daemon, "status"))  # it has been through its signals when it answers

    assert shown(ctl(daemon, "log-level", "warning")) == ""
    report()
    shown(ctl(daemon, "reload"))
    report()
    daemon.said("status chat ")
    assert len([line for line in daemon.log() if line.startswith("status up=")]) == 1


@pytest.mark.system
def test_stopping_waits_until_the_daemon_has_gone(daemon: Daemon) -> None:
    assert daemon.process is not None
    with client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as sock:
        sock.sendall(b"hello")
        assert sock.recv(5) == b"hello"
        assert shown(ctl(daemon, "stop")) == ""
        assert daemon.process.poll() == 0
        assert sock.recv(5) == b""
    assert daemon.log()[-1] == "stopped reason=netechoctl"
    assert not control(daemon).exists()
    assert not daemon.pidfile.exists()


# Who may.


@pytest.fixture
def reachable() -> Iterator[Daemon]:
    """A daemon, not started, whose directory everybody can reach: those of pytest are closed to others."""
    directory = Path(tempfile.mkdtemp(prefix="netechod-test-"))
    directory.chmod(0o755)
    with Daemon(directory) as daemon:
        yield daemon
    shutil.rmtree(directory)


@pytest.mark.root
@pytest.mark.system
def test_strangers_are_told_that_they_may_not_ask(reachable: Daemon) -> None:
    reachable.start()
    assert control(reachable).stat().st_mode & 0o7777 == 0o660
    group = grp.getgrgid(control(reachable).stat().st_gid).gr_name
    for command in ("status", "reload", "stop"):
        assert refused(ctl(reachable, command, user=NOBODY.pw_uid)) == (
            f"cannot open {control(reachable)}: permission denied\n"
            f"hint: ask as root, or as a member of the daemon's group, {group}\n"
        )


@pytest.mark.root
@pytest.mark.system
def test_the_group_of_the_socket_may_look_and_change_nothing(reachable: Daemon) -> None:
    reachable.start()
    os.chown(control(reachable), -1, NOBODY.pw_gid)
    other = reachable.directory / "other.txt"
    other.write_text(WORDS, encoding="utf-8")
    for looking in (["status"], ["members"], ["dict", "lookup", "apple"], ["dict", "diff", str(other)]):
        shown(ctl(reachable, *looking, user=NOBODY.pw_uid))
    for changing in (["reload"], ["reopen"], ["log-level", "DEBUG"], ["stop"]):
        assert refused(ctl(reachable, *changing, user=NOBODY.pw_uid)) == (
            "not permitted: only root and the user of the service may change anything\n"
        )
    assert reachable.process is not None
    assert reachable.process.poll() is None


@pytest.mark.root
@pytest.mark.system
def test_the_user_of_the_service_may_change_things(reachable: Daemon) -> None:
    log = reachable.directory / "log"
    log.mkdir()
    os.chown(log, NOBODY.pw_uid, NOBODY.pw_gid)
    reachable.configure({"daemon.user": NOBODY.pw_name})
    reachable.start()
    reachable.dictionary.write_text("apple:apfel\n")
    assert "3 -> 1 words" in shown(ctl(reachable, "reload", user=NOBODY.pw_uid))
    assert shown(ctl(reachable, "stop", user=NOBODY.pw_uid)) == ""
    assert reachable.wait() == 0


def test_an_index_without_its_library_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> list[str]:
        raise ImportError("No module named 'lmdb'")

    monkeypatch.setattr("netechod.process.dictionary.compile.compile_dictionary", fail)
    assert netechoctl.main(["dict", "compile"]) == 1
    assert "an index needs lmdb, which is not installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "option"), [(["–timeout", "3", "status"], "--timeout"), (["watch", "–n", "2"], "-n")]
)
def test_a_dash_that_is_no_hyphen_is_told(
    argv: list[str], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        netechoctl.main(argv)
    assert caught.value.code == 64
    assert f"hint: did you mean {option}?" in capsys.readouterr().err
