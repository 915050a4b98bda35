"""What the pages in docs/ name exists: files, and tests."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:src|tests|scripts|packaging|etc)/[\w./-]+\.\w+)", text)
    linked = re.findall(r"\]\(([\w./-]+)", text)
    missing = {name for name in named if not (ROOT / name).exists()}
    assert missing | {link for link in linked if not (page.parent / link).exists()} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    for file, name in re.findall(r"`(tests/\S+?\.py)::(\w+)`", page.read_text(encoding="utf-8")):
        source = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^(def {name}\(|{name} = |class {name}\b)", source, re.MULTILINE), (
            f"{file}::{name}"
        )
