"""Completions for bash, zsh and fish: those of the programs as they are, and what bash makes of them."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMPLETIONS = ROOT / "packaging" / "completions"
PROGRAMS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]

ASK = """\
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
"_shtab_$1" 2>&1
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(*words: str, directory: Path = ROOT) -> set[str]:
    """What bash offers for the last of the words."""
    file = COMPLETIONS / f"{words[0]}.bash"
    asked = subprocess.run(
        ["bash", "--norc", "-c", ASK, "bash", str(file), *words],
        capture_output=True,
        text=True,
        cwd=directory,
        check=True,
    )
    return set(asked.stdout.split())


def make_completions(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.lib.reference.completions", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


def test_the_completions_are_fresh() -> None:
    checked = make_completions("--check")
    assert (checked.returncode, checked.stderr) == (0, "")


def test_every_program_has_completions_for_every_shell_under_the_name_that_the_shell_looks_for() -> None:
    expected = {form.format(name) for name in PROGRAMS for form in ("{}.bash", "_{}", "{}.fish")}
    assert {file.name for file in COMPLETIONS.iterdir()} == expected
    assert (COMPLETIONS / "_netecho").read_text(encoding="utf-8").startswith("#compdef netecho\n")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("netechod", "--f"), {"--foreground"}),
        (("netechod", "--c"), {"--config", "--check"}),
        (("netechoctl", "re"), {"reload", "reopen"}),
        (("netechoctl", "dict", ""), {"list", "dump", "lookup", "match", "diff", "compile", "import"}),
        (("netechoctl", "log-level", "W"), {"WARNING"}),
        (("netechoctl", "status", "--j"), {"--json"}),
        (("netecho", ""), {"echo", "ping", "whoami", "dict", "chat", "run", "watch", "report"}),
        (("netecho", "echo", "--u"), {"--udp"}),
    ],
)
def test_bash_completes_commands_options_and_choices(words: tuple[str, ...], offered: set[str]) -> None:
    assert complete(*words) == offered


def test_bash_completes_the_names_of_files(tmp_path: Path) -> None:
    (tmp_path / "words.txt").touch()
    assert complete("netechoctl", "dict", "diff", "wo", directory=tmp_path) == {"words.txt"}
    assert complete("netechod", "--config", "wo", directory=tmp_path) == {"words.txt"}


def test_bash_completes_the_names_of_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.1 zz-echo.example\n")
    monkeypatch.setenv("HOSTFILE", str(hosts))
    assert complete("netecho", "dict", "zz") == {"zz-echo.example"}
