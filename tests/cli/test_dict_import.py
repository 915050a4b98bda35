"""`netechoctl dict import` from its command line: no daemon, no configuration, and progress on a terminal."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.foreign_dictionaries import write_dictd

from netechod.cli.netechoctl import FORMATS, SEPARATED, main
from netechod.client.terminal import progress
from netechod.process.dictionary.importing.sources import READERS

ROOT = Path(__file__).resolve().parents[2]
CTL = [sys.executable, "-m", "netechod.cli.netechoctl", "dict", "import"]


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CTL, *arguments], cwd=directory, capture_output=True, text=True, check=False)


def test_the_formats_of_the_command_line_are_those_that_have_a_reader() -> None:
    assert {*FORMATS, *SEPARATED} == set(READERS)


def test_a_list_becomes_a_dictionary(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("apple = 苹果\nalone\nbank = \x1b[2J\n", encoding="utf-8")
    done = run(tmp_path, "list.txt", "-o", "my words.tsv", "--title", "My Words", "--format", "equals")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "my words.tsv").read_text(encoding="utf-8") == (
        "##name\tMy Words\n##source\tlist.txt\napple\t苹果\nbank\t[2J\n"
    )
    assert done.stdout.startswith("my words.tsv: 2 words of list.txt (equals), 0 merged, 1 skipped, ")
    assert "\nlist.txt:2: no separator; an equals sign should stand behind the word; skipped\n" in done.stdout
    assert done.stdout.endswith(f'[dictionary.more.my-words]\nfile = "{tmp_path}/my words.tsv"\n')


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md", "packaging/man/netechoctl.8"])
def test_the_import_that_the_pages_show_makes_a_dictionary_in_the_debian_package_s_layout(
    tmp_path: Path, page: str
) -> None:
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\\\n", "")
    (command,) = re.findall(r"netechoctl dict import (/usr/share/dictd/.*)", text)
    source, option, output = command.split()
    write_dictd(tmp_path / Path(source).name, [(["apple"], "apple /x/\nApfel\n")])
    done = run(tmp_path, Path(source).name, option, Path(output).name)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"apt install dict-{Path(source).name}" in text
    assert (tmp_path / Path(output).name).read_text().endswith("apple\tapple /x/\\nApfel\n")


def test_what_cannot_be_imported_ends_with_a_sentence_and_its_status(tmp_path: Path) -> None:
    (tmp_path / "list.zip").write_bytes(b"PK\3\4")
    done = run(tmp_path, "list.zip")
    assert (done.returncode, done.stdout) == (5, "")
    assert (
        done.stderr
        == "netechoctl: error: list.zip: it looks like a zip archive: unzip -p list.zip > list.zip.new\n"
    )
    (tmp_path / "list.tsv").write_text("a\tb\n")
    done = run(tmp_path, "list.tsv")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "netechoctl: error: list.tsv is the source itself; name another file with -o\n"


def test_progress_is_shown_on_a_terminal_and_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "INTERVAL", 0)
    (tmp_path / "list.txt").write_text("".join(f"a{number}\tb\n" for number in range(5000)))
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen, os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert main(["dict", "import", "list.txt"]) == 0
        shown = b""
        while not (b"writing" in shown and shown.endswith(b"\r\x1b[K")):  # what is written comes in pieces
            shown += screen.read(4096)
    assert b"\r\x1b[Kreading " in shown
    assert b"\r\x1b[Kwriting " in shown
    assert capfdbinary.readouterr().out.startswith(b"list.tsv: 5000 words of list.txt (tsv)")


def test_progress_is_not_shown_where_nobody_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "INTERVAL", 0)
    (tmp_path / "list.txt").write_text("".join(f"a{number}\tb\n" for number in range(5000)))
    assert main(["dict", "import", "list.txt"]) == 0
    assert capsys.readouterr().err == ""
