"""scripts/fuzz as a program; what the targets assert is shown in tests/fuzz."""

import subprocess
from pathlib import Path

import pytest
from fuzz.feed import Feed
from fuzz.growing import repeated
from fuzz.target import DATAGRAM, Target, all_targets
from support.realm_world import World
from support.scripts import NOWHERE, ROOT, script

pytestmark = pytest.mark.system


def fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The program behind the script, to its end; it installs nothing."""
    return script("fuzz", *arguments, changes=NOWHERE)


def test_it_fuzzes_or_says_that_there_is_no_fuzzer(tmp_path: Path) -> None:
    run = fuzz("--only", "text", "--runs", "500", "--seconds", "5", "--corpus", str(tmp_path / "corpus"))
    if run.returncode == 69:
        assert run.stderr.startswith("scripts/fuzz: error: the fuzzer cannot be installed: ")
        assert "\nhint: " in run.stderr
    else:
        assert run.returncode == 0, run.stdout + run.stderr
        [_, row, total] = run.stdout.splitlines()
        assert row.split()[:2] == ["text", "500"]
        assert row.endswith("  holds")
        assert total.startswith("500 inputs in all; the slowest ones are in ")
        assert (tmp_path / "corpus" / "text" / "slowest" / "0").exists()
        assert list((tmp_path / "corpus" / "text" / "corpus").iterdir())


def test_it_names_its_targets() -> None:
    run = fuzz("--list")
    assert run.returncode == 0, run.stderr
    assert [line.split()[0] for line in run.stdout.splitlines()] == list(all_targets())


def test_an_input_is_repeated(tmp_path: Path) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"online\0")
    run = fuzz("--only", "text", "--input", str(file))
    assert run.returncode == 0
    assert run.stdout.startswith(f"text: all that it asserts holds for {file}, which takes 0.0")


def fails(feed: Feed) -> None:
    assert feed.rest() != b"bad", "not this one"


BAD = Target("bad", "Does not hold.", fails, (), ())


def test_what_does_not_hold_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from scripts.lib.fuzz.__main__ import replay

    file = tmp_path / "input"
    file.write_bytes(b"bad")
    assert replay(BAD, file) == 1
    assert "AssertionError: not this one" in capsys.readouterr().err


def quadratic(feed: Feed) -> None:
    data = feed.rest()
    assert all(data[::-1][-1:] == data[:1] for _ in data[::8])


def test_an_input_that_costs_too_much_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from scripts.lib.fuzz.__main__ import replay

    file = tmp_path / "input"
    file.write_bytes(repeated(b"ab", DATAGRAM))
    assert replay(Target("quadratic", "Turns it round for each byte.", quadratic, (), ()), file) == 1
    file.write_bytes(b"ab")
    assert replay(Target("quadratic", "Turns it round for each byte.", quadratic, (), ()), file) == 0


def test_it_runs_schedules_of_a_chat_over_several_nodes() -> None:
    run = fuzz("--schedules", "1", "--first", "7")
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith("1 schedules hold: ")


def test_a_schedule_that_does_not_hold_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(world: World, seconds: float) -> None:
        raise AssertionError("a hears b twice")

    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.setattr(World, "run", fail)
    from scripts.lib.fuzz.schedules import run_all

    assert run_all(7, 1) == 1
    assert capsys.readouterr().out.splitlines() == [
        "schedule 7: a hears b twice",
        "repeat it: scripts/fuzz --schedules 1 --first 7",
    ]


@pytest.mark.parametrize(
    "arguments", [("--only", "nothing"), ("--seconds", "0"), ("--runs", "x"), ("--input", "file"), ("text",)]
)
def test_a_wrong_command_line_exits_with_64_and_a_hint(arguments: tuple[str, ...]) -> None:
    run = fuzz(*arguments)
    assert run.returncode == 64
    assert run.stderr.endswith("hint: scripts/fuzz --help\n")


def test_the_help_names_every_option() -> None:
    text = subprocess.run(
        [ROOT / "scripts/fuzz", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert all(word in text for word in ("--only", "--seconds", "--runs", "--corpus", "--input", "--list"))
