"""What holds for every file of the project, whatever is in it."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (".ci", "docs", "etc", "packaging", "scripts", "src", "tests")
FILES = [
    *(file for file in ROOT.iterdir() if file.is_file() and file.name != ".git"),
    *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*") if file.is_file()),
]
MARKER = re.compile(rb"^(?:<{7}|\|{7}|={7}|>{7})(?: |$)", re.MULTILINE)


def test_no_file_has_a_conflict_marker() -> None:
    marked = {
        str(file.relative_to(ROOT))
        for file in FILES
        if file.suffix != ".pyc" and MARKER.search(file.read_bytes())
    }
    assert marked == set()


@pytest.mark.parametrize(
    "line", ["<<<<<<< HEAD", "||||||| 5ca1ab1e", "=======", ">>>>>>> 384b66a (docs: a change)"]
)
def test_a_conflict_marker_is_found_by_scripts_test(tmp_path: Path, line: str) -> None:
    check = ROOT / "scripts" / "lib" / "check-files"
    page = tmp_path / "page.md"

    def git(*words: str) -> None:
        subprocess.run(["git", "-C", tmp_path, *words], check=True, capture_output=True)

    git("init")
    page.write_text("text\n")
    git("add", "page.md")
    assert subprocess.run([check], cwd=tmp_path, check=False, capture_output=True).returncode == 0
    page.write_text(f"text\n{line}\nmore\n")
    found = subprocess.run([check], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert found.returncode != 0
    assert "page.md:2: " in found.stdout


def test_every_test_is_named_on_a_line_or_two(request: pytest.FixtureRequest) -> None:
    assert [item.nodeid for item in request.session.items if len(item.nodeid) > 200] == []
