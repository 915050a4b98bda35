"""The table of promises names tests, and all of them exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "robustness.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([A-Z]\d+) \|.*\| ([^|]+) \|$", TABLE, re.MULTILINE)


def test_every_row_has_a_name_of_its_own_and_names_a_test() -> None:
    names = re.findall(r"^\| ([A-Z]\d+) ", TABLE, re.MULTILINE)
    assert names == [name for name, shown in ROWS if re.search(r"`tests/\S+::\w+`", shown)]
    assert len(names) == len(set(names)) > 0


@pytest.mark.parametrize(("row", "shown"), ROWS, ids=[name for name, _ in ROWS])
def test_the_tests_of_a_row_exist(row: str, shown: str) -> None:
    for file, name in re.findall(r"`(tests/\S+?)::(\w+)`", shown):
        source = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^(def {name}\(|{name} = |class {name}\b)", source, re.MULTILINE), name
