"""The manual pages say what the programs do: every option, command, signal, exit status, file and key."""

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from netechod import errors
from netechod.cli import netecho, netechoctl, netechod
from netechod.cli.parser import Parser
from netechod.process.config.dictionaries import MoreDictionary
from netechod.process.config.general import Section
from netechod.process.config.load import load
from netechod.process.config.schema import KEYS, AllowedCommand, Config

ROOT = Path(__file__).resolve().parents[2]
MAN = ROOT / "packaging" / "man"
PROGRAMS = {"netechod.8": netechod.main, "netechoctl.8": netechoctl.main, "netecho.1": netecho.main}
PAGES = (*PROGRAMS, "netechod.toml.5")

Main = Callable[[list[str]], int]


def page(name: str) -> str:
    return (MAN / name).read_text(encoding="utf-8")


def section(name: str, heading: str) -> str:
    """A section of a page, up to the next one."""
    return page(name).partition(f"\n.Sh {heading}\n")[2].partition("\n.Sh ")[0]


def parser_of(main: Main, monkeypatch: pytest.MonkeyPatch) -> argparse.ArgumentParser:
    """The parser that a program makes for itself: the one that answers to --help."""
    asked: list[argparse.ArgumentParser] = []
    with monkeypatch.context() as patch, suppress(SystemExit):
        patch.setattr(Parser, "print_help", lambda parser, file=None: asked.append(parser))
        main(["--help"])
    return asked[0]


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    choices = [it.choices for it in parser._actions if isinstance(it, argparse._SubParsersAction)]
    return choices[0] if choices else {}


def options(parser: argparse.ArgumentParser) -> set[str]:
    """Every option of a program and its commands."""
    own = {option for action in parser._actions for option in action.option_strings}
    return own.union(*map(options, commands_of(parser).values()))


def leaves(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Every command of a program, such as `status` or `dict dump`."""
    for name, command in commands_of(parser).items():
        yield from (f"{name} {leaf}" for leaf in leaves(command)) if commands_of(command) else (name,)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_page_explains_all_options_of_its_program_and_no_others(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = "\n".join(line for line in page(name).splitlines() if line.startswith(".It "))
    explained = {f"-{flag}" for flag in re.findall(r"\bFl (\S+)", items)}
    assert explained == options(parser_of(PROGRAMS[name], monkeypatch))


@pytest.mark.parametrize("name", ["netechoctl.8", "netecho.1"])
def test_a_page_explains_all_commands_of_its_program_and_no_others(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    explained = re.findall(r"^\.It Cm ([a-z -]+?)(?: [A-Z].*)?$", section(name, "COMMANDS"), re.M)
    assert explained == list(dict.fromkeys(explained))
    assert set(explained) == set(leaves(parser_of(PROGRAMS[name], monkeypatch)))


def test_the_page_of_the_daemon_explains_every_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    told = parser_of(netechod.main, monkeypatch).epilog or ""
    handled = set(re.findall(r"\b[A-Z]{3}[A-Z0-9]?\b", told.partition("exit status")[0]))
    explained = set(re.findall(r"^\.It Dv SIG(\w+)", section("netechod.8", "SIGNALS"), re.M))
    assert explained == handled


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_page_explains_every_exit_status_of_its_program(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = parser_of(PROGRAMS[name], monkeypatch).epilog or ""
    statuses = set(re.findall(r"\d+", told.partition("exit status:")[2].partition("\n\n")[0]))
    explained = re.findall(r"^\.It (\d+)$", section(name, "EXIT STATUS"), re.M)
    assert statuses | {"0", "1", "64"} <= set(explained)
    assert explained == sorted(explained, key=int)


def test_the_page_of_the_daemon_explains_the_exit_status_of_every_error() -> None:
    def codes(error: type[errors.NetechodError]) -> set[int]:
        return {error.exit_code}.union(*map(codes, error.__subclasses__()))

    explained = re.findall(r"^\.It (\d+)$", section("netechod.8", "EXIT STATUS"), re.M)
    assert codes(errors.NetechodError) <= set(map(int, explained))


def test_the_page_of_the_daemon_names_every_file() -> None:
    config = Config()
    directory = config.log.directory
    assert directory is not None
    files = {
        netechod.DEFAULT_CONFIG,
        config.daemon.pidfile,
        config.daemon.control,
        config.dictionary.file,
        config.dictionary.index,
        directory / "log.txt",
        directory / "log.error",
    }
    named = re.findall(r"^\.It Pa (\S+)$", section("netechod.8", "FILES"), re.M)
    assert set(map(Path, named)) == files


def test_the_log_sentences_on_the_page_are_those_of_the_source() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "src").rglob("*.py"))
    items = re.findall(r"^\.It (Li .*)$", section("netechod.8", "LOGS"), re.M)
    fragments = {
        fragment for item in items for fragment in re.findall(r"Li (.+?)(?= (?:Ns|Ar)\b|$)", item) if fragment
    }
    assert len(fragments) > 20
    assert {fragment for fragment in fragments if fragment not in source} == set()


def test_every_key_of_the_configuration_is_in_its_section_and_nothing_else_is() -> None:
    found: set[str] = set()
    for part in section("netechod.toml.5", "SECTIONS AND KEYS").split(".Ss [")[1:]:
        name, _, body = part.partition("]")
        found |= {f"{name}.{key}" for key in re.findall(r"^\.It Cm (\S+)", body, re.M)}
    named: dict[str, type[Section]] = {"command.allow": AllowedCommand, "dictionary.more": MoreDictionary}
    inner = {f"{section}.NAME.{key}" for section, model in named.items() for key in model.model_fields}
    assert found == KEYS.keys() - named.keys() | inner


def test_the_example_configurations_are_valid(tmp_path: Path) -> None:
    examples = re.findall(
        r"^\.Bd -literal.*?\n(.*?)^\.Ed", section("netechod.toml.5", "EXAMPLES"), re.M | re.S
    )
    assert examples
    for number, example in enumerate(examples):
        file = tmp_path / f"{number}.toml"
        file.write_text(example, encoding="utf-8")
        assert load(file).origins


def make_man(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.lib.reference.manual", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


def test_the_page_of_the_configuration_is_fresh() -> None:
    checked = make_man("--check")
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_generator_refuses_a_wrong_option() -> None:
    assert make_man("--chekc").returncode == 64


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_correct_mdoc(name: str) -> None:
    lint = ["mandoc", "-T", "lint", "-W", "warning", str(MAN / name)]
    checked = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_terminal(name: str) -> None:
    show = ["mandoc", "-T", "utf8", "-O", "width=80", str(MAN / name)]
    shown = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    lines = [re.sub(".\b", "", line) for line in shown.splitlines()]
    assert {line for line in lines if len(line) > 80} == set()
