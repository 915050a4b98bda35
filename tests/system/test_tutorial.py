"""The tutorial: its commands and its programs print what it says, and both languages have the same ones."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.namespaces, pytest.mark.timeout(240)]

ROOT = Path(__file__).resolve().parents[2]
PAGES = {name: ROOT / "docs" / name for name in ("tutorial.md", "tutorial.zh-CN.md")}
PATIENCE = 200.0  # seconds for all commands of the page
MARK = "\036"  # a line of it separates the outputs of the commands

# Ports of its own, and nothing that outlives it.
ALONE = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
BROUGHT_UP = ["sh", "-c", 'ip link set lo up && exec "$0" "$@"']


@dataclass(frozen=True)
class Block:
    """A fenced part of a page."""

    language: str
    text: str
    heading: str


def blocks(page: Path) -> list[Block]:
    """All fenced parts of a page, each with the heading that it stands under."""
    found, heading = [], ""
    for part in re.finditer(
        r"^(#+ [^\n]*)$|^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S
    ):
        if part[1]:
            heading = part[1].strip("# ")
        else:
            found.append(Block(part[2], part[3], heading))
    return found


BLOCKS = blocks(PAGES["tutorial.md"])
SESSION = [block for block in BLOCKS if block.language == "console"]
PROGRAMS = [
    (block, below.text)
    for block, below in pairwise(BLOCKS)
    if (block.language, below.language) == ("python", "text")
]


def commands(block: Block) -> list[tuple[str, list[str]]]:
    """The commands of a block, each with the lines that it prints."""
    found: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def alone(command: Sequence[str], cwd: Path, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a command in namespaces of its own: it may use the ports of the page."""
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    paths = f"{ROOT}/.venv/bin:{os.environ['PATH']}:/usr/sbin:/sbin"
    return subprocess.run(
        [*ALONE, *as_root, *BROUGHT_UP, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
        cwd=cwd,
        env={"PATH": paths, "HOME": str(cwd), "LC_ALL": "C.UTF-8"},
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What looks like the root of a checkout that is set up, with a `.run` of its own."""
    root = tmp_path_factory.mktemp("checkout")
    for name in (".venv", "docs", "etc", "packaging", "src", "tests"):
        (root / name).symlink_to(ROOT / name)
    (root / "scripts").mkdir()
    (root / "scripts/run").write_bytes((ROOT / "scripts/run").read_bytes())
    (root / "scripts/setup").write_text("#!/bin/sh\n")
    for name in ("run", "setup"):
        (root / "scripts" / name).chmod(0o755)
    return root


@pytest.fixture(scope="module")
def outputs(checkout: Path) -> list[list[str]]:
    """What every command of the page prints, one after the other in one shell."""
    script = checkout / "session.sh"
    lines = [
        line for block in SESSION for command, _ in commands(block) for line in (command, f"echo {MARK}")
    ]
    script.write_text("\n".join(lines), encoding="utf-8")
    try:
        session = alone(["bash", str(script)], checkout, PATIENCE)
    except subprocess.TimeoutExpired as error:
        heard = (error.stdout or b"").decode()
        pytest.fail(f"the page hangs behind these outputs:\n{heard.replace(MARK, '--')}")
    return [output.splitlines() for output in session.stdout.split(f"{MARK}\n")]


def matches(heard: Sequence[str], expected: Sequence[str]) -> bool:
    """Whether the lines are the same, but for blanks and for what `…` stands for."""
    patterns = [".*".join(map(re.escape, " ".join(line.split()).split("…"))) for line in expected]
    lines = [" ".join(line.split()) for line in heard]
    return len(lines) == len(patterns) and all(map(re.fullmatch, patterns, lines))


@pytest.mark.parametrize("number", range(len(SESSION)), ids=[block.heading for block in SESSION])
def test_the_commands_of_a_step_print_what_stands_below_them(number: int, outputs: list[list[str]]) -> None:
    before = sum(len(commands(block)) for block in SESSION[:number])
    for place, (command, expected) in enumerate(commands(SESSION[number]), before):
        assert matches(outputs[place], expected), (command, outputs[place], expected)


@pytest.mark.parametrize(
    ("program", "expected"),
    [(block.text, expected) for block, expected in PROGRAMS],
    ids=[block.heading for block, _ in PROGRAMS],
)
def test_a_program_prints_what_stands_below_it(
    program: str, expected: str, checkout: Path, tmp_path: Path
) -> None:
    file = tmp_path / "listing.py"
    file.write_text(program, encoding="utf-8")
    run = alone([sys.executable, str(file)], checkout, 60)
    assert run.stdout == expected


def test_both_languages_have_the_same_blocks_in_the_same_order() -> None:
    english, chinese = (blocks(page) for page in PAGES.values())
    assert [(block.language, block.text) for block in english] == [
        (block.language, block.text) for block in chinese
    ]


def test_both_languages_name_the_same_files_and_tests() -> None:
    english, chinese = (
        re.findall(r"`((?:src|tests|scripts|packaging)/[^`]*)`", page.read_text(encoding="utf-8"))
        for page in PAGES.values()
    )
    assert sorted(set(english)) == sorted(set(chinese))


def test_there_are_enough_mistakes_and_every_program_has_its_output() -> None:
    programs = [block for block in BLOCKS if block.language == "python"]
    assert len(programs) == len(PROGRAMS) >= 12
