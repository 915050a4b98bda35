"""What the programs in scripts/ stand on: the package, their own parts, and the helpers of the tests."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIB = ROOT / "scripts" / "lib"
PARTS = sorted(LIB.rglob("*.py"))
OF_TESTS = {file.stem for file in (ROOT / "tests").iterdir()}
ALLOWED = {"support": "", "fuzz": "fuzz"}  # what may be imported of tests; the folder of scripts/lib that may


def imported(file: Path) -> Iterator[str]:
    """The packages that a module imports, by their first name."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]
        elif isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)


@pytest.mark.parametrize("file", PARTS, ids=lambda file: str(file.relative_to(LIB)))
def test_a_script_imports_nothing_of_the_tests_but_their_helpers(file: Path) -> None:
    folder = file.relative_to(LIB).parts[0]
    allowed = {name for name, only in ALLOWED.items() if only in ("", folder)}
    assert set(imported(file)) & OF_TESTS <= allowed


def test_programs_and_one_folder_of_their_parts_are_in_sight() -> None:
    folders = {entry.name for entry in (ROOT / "scripts").iterdir() if entry.is_dir()}
    assert folders - {"__pycache__"} == {"lib"}
