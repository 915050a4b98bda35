"""What the pages name exists: files, and tests."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md")), ROOT / "packaging" / "README.md"]
SHORT = re.compile(r"`((?:services|reactor|process|client|cli)/[a-z0-9_/]+\.py)")
"""A module, as seen from src/netechod."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:src|tests|scripts|packaging|etc)/[\w./-]+\.\w+)", text)
    linked = re.findall(r"\]\((?!https?:)([\w./-]+)", text)
    missing = {name for name in named if not (ROOT / name).exists()}
    missing |= {name for name in SHORT.findall(text) if not (ROOT / "src" / "netechod" / name).exists()}
    assert missing | {link for link in linked if not (page.parent / link).exists()} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    for file, name in re.findall(r"`(tests/\S+?\.py)::(\w+)`", page.read_text(encoding="utf-8")):
        source = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^(def {name}\(|{name} = |class {name}\b)", source, re.MULTILINE), (
            f"{file}::{name}"
        )
