"""The command line of `netechod`: what it says of itself, what it checks and shows, and what it refuses."""

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.daemon import run_netechod

from netechod import __version__
from netechod.cli.netechod import main


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that is good, with its dictionary beside it."""
    (tmp_path / "dict.txt").write_text("apple:苹果\n", encoding="utf-8")
    path = tmp_path / "netechod.toml"
    any_port = "listen = '127.0.0.1:0'\n"
    echo = f"[echo]\ntcp.{any_port}udp.{any_port}"
    chat, dictionary = "[chat]\nidle_timeout = 30\n", '[dictionary]\nfile = "dict.txt"\nunknown = "没有"\n'
    path.write_text(f"{chat}{any_port}\n{dictionary}{any_port}\n{echo}")
    return path


@pytest.fixture(autouse=True)
def _in_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(argv: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """The exit status of a command line that is wrong, and what it says."""
    with pytest.raises(SystemExit) as caught:
        main(argv)
    captured = capsys.readouterr()
    assert captured.out == ""
    return caught.value.code, captured.err


def test_help_names_every_option_and_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    told = capsys.readouterr().out
    short = ["-c", "-f", "-t", "-T", "-V", "-h"]
    long = ["--config", "--set", "--foreground", "--check", "--dump-config", "--version", "--help"]
    assert [option for option in short + long if option not in told.replace(",", " ").split()] == []
    statuses = told.partition("exit status: ")[2].partition("examples:")[0].replace(",", " ").split()
    assert {"0", "1", "2", "3", "4", "5", "64", "75", "77", "78"} <= {*statuses}
    signals = told.partition("signals: ")[2].replace(",", " ").split()
    assert {"HUP", "USR1", "USR2", "TERM", "INT"} <= {*signals}


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version_is_told(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([option])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"netechod {__version__}\n"


def test_help_loads_nothing_that_starts_slowly() -> None:
    script = (
        "import sys; before = {*sys.modules}; from netechod.cli.netechod import build_parser;"
        "build_parser().format_help(); loaded = {name.partition('.')[0] for name in {*sys.modules} - before};"
        "print(*loaded & {'pydantic', 'daemon', 'systemd', 'logging', 'socket', 'tomllib'})"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "\n"


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["--bogus"], "unrecognized arguments: --bogus"),
        (["word"], "unrecognized arguments: word"),
        (["--conf", "x"], "unrecognized arguments: --conf x"),
        (["--config"], "argument -c/--config: expected one argument"),
        (["--set"], "argument --set: expected one argument"),
        (["-t", "-T"], "not allowed with argument"),
    ],
)
def test_a_wrong_command_line_ends_with_64(
    argv: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = refused(argv, capsys)
    assert code == 64
    assert said.startswith("netechod: error: ")
    assert why in said
    assert said.endswith("\nhint: see netechod --help\n")


@pytest.mark.parametrize("option", ["-t", "--check"])
def test_a_good_check_says_so_file_by_file(
    option: str, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([option, "-c", str(config)]) == 0
    told = capsys.readouterr()
    assert told.out == f"{config}: ok\n{tmp_path}/dict.txt: ok, 1 words, 0 lines skipped\n"
    assert told.err == ""


def test_a_bad_check_tells_every_problem_and_ends_with_78(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("[chat]\nidle_timeot = 30\nmax_members = 'many'\n")
    assert main(["-t", "-c", config.name, "--set", "log.level=LOUD"]) == 78
    told = capsys.readouterr()
    assert told.out == ""
    assert f"{config.name}:2: chat.idle_timeot: unknown key" in told.err
    assert "did you mean 'idle_timeout'?" in told.err
    assert f"{config.name}:3: chat.max_members: must be an integer (got a string)" in told.err
    assert "log.level: must be one of" in told.err


def test_a_check_reads_the_dictionary_too(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = tmp_path / "dict.txt"
    words.write_text("apple:x\npear\n")
    assert main(["-t", "-c", str(config)]) == 0
    skipped = f"{words}:2: no ':'; write it as key:value; the line is skipped"
    assert capsys.readouterr().out.splitlines()[1:] == [skipped, f"{words}: ok, 1 words, 1 lines skipped"]
    assert main(["-t", "-c", str(config), "--set", "dictionary.strict=true"]) == 78
    assert f"{words}:2: no ':'; write it as key:value" in capsys.readouterr().err
    words.write_bytes("apple:苹果\n".encode("gbk"))
    assert main(["-t", "-c", str(config)]) == 78
    assert f"{words}:1: not UTF-8" in capsys.readouterr().err


def test_a_configuration_that_is_missing_ends_with_78(capsys: pytest.CaptureFixture[str]) -> None:
    for mode in (["-t"], ["-T"], ["-f"]):
        assert main([*mode, "-c", "missing.toml"]) == 78
        told = capsys.readouterr()
        assert told.out == ""
        assert "error: missing.toml: cannot be read: No such file or directory" in told.err


@pytest.mark.parametrize("option", ["-T", "--dump-config"])
def test_the_dump_is_toml_that_loads_back(
    option: str, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = ["--set", "echo.tcp.mode=tutorial", "--set", "access.deny=192.0.2.0/24"]
    assert main([option, "-c", str(config), *overrides]) == 0
    first = capsys.readouterr().out
    values = tomllib.loads(first)
    assert values["chat"]["idle_timeout"] == 30
    assert values["dictionary"] | {"unknown": "没有", "file": f"{tmp_path}/dict.txt"} == values["dictionary"]
    assert values["echo"]["tcp"]["mode"] == "tutorial"
    assert values["access"]["deny"] == ["192.0.2.0/24"]
    again = tmp_path / "again.toml"
    again.write_text(first, encoding="utf-8")
    assert main([option, "-c", str(again)]) == 0
    assert tomllib.loads(capsys.readouterr().out) == values


def test_the_dump_says_where_each_value_comes_from(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-T", "-c", str(config), "--set", "log.level=DEBUG", "--set", "log.level=ERROR"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"idle_timeout = 30  # {config}:2" in lines
    assert 'level = "ERROR"  # --set' in lines
    assert 'format = "classic"  # default' in lines


def test_the_dump_is_utf_8_in_the_posix_locale(config: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "netechod", "-T", "-c", str(config)],
        env={"LC_ALL": "POSIX"},
        capture_output=True,
        check=True,
    )
    assert tomllib.loads(run.stdout.decode())["dictionary"]["unknown"] == "没有"


@pytest.mark.parametrize(
    "override", ["chat.idle_timeout", "=3", "chat..idle_timeout=3", "chat.idle_timeot=3"]
)
def test_an_override_that_is_none_ends_with_78(
    override: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-t", "-c", str(config), "--set", override]) == 78
    assert f"--set {override}" in capsys.readouterr().err


def test_as_a_program_it_exits_with_its_status(config: Path) -> None:
    assert run_netechod("--check", "-c", str(config)).returncode == 0
    failed = run_netechod("--check", "-c", str(config), "--set", "dictionary.file=missing")
    assert (failed.returncode, failed.stdout) == (78, "")
    assert "missing: No such file or directory" in failed.stderr
