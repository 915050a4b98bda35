"""Both READMEs say the same: whoever changes one of them changes the other."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"

PROGRAMS = r"scripts/|systemctl|netecho|journalctl|\.venv/|printf|echo|vi|tail|kill"
COMMAND = re.compile(rf"^ {{4}}((?:\$ )?(?:{PROGRAMS}).*?)(?:\s+#.*)?$")
SHAPES: Mapping[str, Callable[[str], object]] = {
    "headings": lambda text: re.findall(r"^#+(?= )", text, re.M),
    "rows of tables": lambda text: [line.count("|") for line in text.splitlines() if line.startswith("|")],
    "items": lambda text: len(re.findall(r"^- ", text, re.M)),
    "commands": lambda text: [found[1] for found in map(COMMAND.match, text.splitlines()) if found],
    "pictures": lambda text: re.findall(r"!\[.*?\]\((.*?)\)", text),
    "words in code": lambda text: sorted(set(re.findall(r"`([\w.=-]+)`", text))),
}


@pytest.mark.parametrize("what", SHAPES)
def test_both_languages_have_the_same(what: str) -> None:
    shape = SHAPES[what]
    assert shape(CHINESE.read_text(encoding="utf-8")) == shape(ENGLISH.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", [ENGLISH, CHINESE], ids=lambda file: file.name)
def test_what_is_linked_is_there(file: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", file.read_text(encoding="utf-8"))
    assert {link for link in links if not (ROOT / link).exists()} == set()
