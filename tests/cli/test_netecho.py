"""The command line of `netecho`."""

import signal
import subprocess
import sys

import pytest
from support.fake_servers import FakeUdpServer
from support.netecho import COMMAND, Terminal, environment, netecho

from netechod import __version__
from netechod.cli.netecho import main, parse
from netechod.client.net import IPV4, IPV6


@pytest.mark.parametrize(("command", "port"), [("echo", 8080), ("chat", 8082), ("run", 8083)])
def test_every_service_has_its_port(command: str, port: int) -> None:
    arguments = parse([command, "::1"])
    assert arguments.address == ("::1", port)
    assert (arguments.timeout, arguments.retries) == (2.0, 2)


def test_options_are_taken_before_and_after_the_words() -> None:
    arguments = parse(["dict", "-6", "h:1", "a", "--timeout", ".5", "b", "--retries", "0", "--json"])
    assert (arguments.address, arguments.words, arguments.family) == (("h", 1), ["a", "b"], IPV6)
    assert (arguments.timeout, arguments.retries, arguments.json) == (0.5, 0, True)
    assert parse(["echo", "h", "-4", "-u"]).family == IPV4


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["dict"],
        ["echo", "h", "word"],
        ["echo", "h:0"],
        ["echo", "[::1"],
        ["echo", "h", "-4", "-6"],
        ["dict", "h", ""],
        ["dict", "h", "  "],
        ["dict", "h", "x" * 65508],
        ["chat", "h", "--timeout", "0"],
        ["chat", "h", "--timeout", "inf"],
        ["chat", "h", "--timeout", "nan"],
        ["chat", "h", "--timeout", "soon"],
        ["chat", "h", "--retries", "-1"],
        ["chat", "h", "--retries", "1.5"],
        ["chat", "h", "--tim", "1"],
        ["dict", "h", "--color", "red"],
        ["--colour"],
        ["sing"],
    ],
)
def test_a_wrong_command_line_ends_with_64(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 64
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("netecho: error: ")
    assert "\nhint: " in captured.err


def test_a_misspelt_command_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["dcit", "h"])
    assert capsys.readouterr().err == "netecho: error: unknown command 'dcit'\nhint: did you mean 'dict'?\n"


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"netecho {__version__}\n"


@pytest.mark.parametrize("argv", [["--help"], ["echo", "--help"], ["dict", "-h"], ["chat", "--help"]])
def test_help_goes_to_stdout(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("usage: netecho")


def test_a_closed_stdin_is_told() -> None:
    run = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *COMMAND, "dict", "127.0.0.1", "apple"],
        capture_output=True,
        env=environment(),
    )
    assert run.returncode == 1
    assert run.stderr.startswith(b"netecho: error: standard input and output must be open")


SLOW = {
    *("asyncio", "daemon", "dataclasses", "difflib", "inspect", "json", "logging", "prompt_toolkit"),
    *("pydantic", "readline", "subprocess", "systemd", "threading", "wcwidth"),
}
LOADED = """\
import sys
before = {*sys.modules}
from netechod.cli.netecho import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(*sorted({*sys.modules} - before), file=sys.stderr)
"""


def loaded_by(*arguments: str) -> set[str]:
    """What is imported for a command, from the start to the end."""
    run = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, env=environment()
    )
    return set(run.stderr.split())


def test_nothing_that_is_not_needed_is_loaded() -> None:
    with FakeUdpServer(lambda _, address: [(b"pear", address)]) as fake:
        lookup = loaded_by("dict", fake.address, "apple")
    assert "netechod.client.dictionary.run" in lookup
    others = {"netechod.client.chat.run", "netechod.client.echo", "netechod.client.i18n.chinese"}
    for loaded in (lookup, loaded_by("--help"), loaded_by("dict", "--help")):
        assert loaded & (SLOW | others) == set()
        assert {name for name in loaded if name.startswith(("netechod.process", "netechod.reactor"))} == set()


@pytest.mark.parametrize(
    ("options", "changes", "painted"),
    [
        ((), {}, False),
        (("--color", "always"), {}, True),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
        (("--color", "never"), {}, False),
    ],
)
def test_colours_for_a_pipe_are_a_wish(
    options: tuple[str, ...], changes: dict[str, str], painted: bool
) -> None:
    run = netecho("dict", *options, "a..b", "word", stdin=b"", **changes)
    assert (b"\x1b[" in run.stderr) is painted


@pytest.mark.parametrize(
    ("options", "changes", "painted"),
    [
        ((), {}, True),
        (("--color", "never"), {}, False),
        ((), {"NO_COLOR": "1"}, False),
        ((), {"NO_COLOR": ""}, True),
        ((), {"TERM": "dumb"}, False),
        ((), {"TERM": ""}, False),
        (("--color", "always"), {"TERM": "dumb"}, True),
    ],
)
def test_a_terminal_that_can_shows_colours(
    options: tuple[str, ...], changes: dict[str, str], painted: bool
) -> None:
    with Terminal("dict", *options, "a..b", "word", **({"TERM": "xterm"} | changes)) as terminal:
        assert terminal.wait() == 1
    assert ("\x1b[1;31merror:\x1b[m" in terminal.seen) is painted


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (["ping", "–c", "3", "localhost"], "hint: did you mean -c?"),
        (["dict", "localhost", "—json", "apple"], "hint: did you mean --json?"),
        (["dict", "localhost", "–timeout=3", "apple"], "hint: did you mean --timeout?"),
        (["ping", "localhost", "7780"], "hint: a port stands behind the host: localhost:7780"),
        (["echo", "::1", "7780"], "hint: a port stands behind the host: [::1]:7780"),
    ],
)
def test_a_common_slip_gets_the_right_hint(
    argv: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 64
    assert hint in capsys.readouterr().err


def test_a_dash_that_is_no_option_is_a_word() -> None:
    assert parse(["dict", "h", "–dash", "—"]).words == ["–dash", "—"]
    assert parse(["dict", "h", "--", "—json"]).words == ["—json"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_a_program_ends_it_in_order(number: signal.Signals) -> None:
    """The status is the one that a shell would report."""
    with (
        FakeUdpServer(lambda _, address: [(b"pear", address)]) as fake,
        Terminal("dict", fake.address, TERM="dumb") as terminal,
    ):
        terminal.read_until("word> ")
        terminal.process.send_signal(number)
        assert terminal.wait() == 128 + number
    assert "Traceback" not in terminal.seen
