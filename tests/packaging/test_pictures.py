"""The pictures of terminals in the README, and the script that draws them."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from scripts.lib.pictures.svg import BRIGHT, COLORS, INK, PAPER, Piece, Screen, Style, draw, pieces

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"


def test_a_screen_is_taken_apart_into_what_looks_alike() -> None:
    assert list(pieces("\x1b[90mab\x1b[0m 好c\n\x1b[1;32md\x1b[39m\ne")) == [
        Piece(0, 0, "ab", Style(ink=BRIGHT[0])),
        Piece(2, 0, " ", Style()),
        Piece(3, 0, "好", Style()),
        Piece(5, 0, "c", Style()),
        Piece(0, 1, "d", Style(ink=COLORS[2], bold=True)),
        Piece(0, 2, "e", Style(bold=True)),
    ]


@pytest.mark.parametrize(
    ("codes", "style"),
    [
        ([2], Style(faint=True)),
        ([1, 2, 22], Style()),
        ([7], Style(reverse=True)),
        ([7, 27], Style()),
        ([41], Style(paper=COLORS[1])),
        ([41, 49], Style()),
        ([31, 1, 0], Style()),
        ([38], Style()),
    ],
)
def test_looks_add_up_until_they_are_taken_back(codes: list[int], style: Style) -> None:
    assert Style().changed(codes) == style


def test_every_piece_is_drawn_in_its_cell() -> None:
    screen = Screen("a & b", "\x1b[7m<x>\x1b[0m\n好 d\n", 10, (1, 1))
    drawn = ET.fromstring(draw([screen, screen]))
    texts = [(text.text, float(text.get("x", ""))) for text in drawn.iter(f"{SVG}text")]
    assert [text for text, _ in texts] == ["a & b", "<x>", "好", "d"] * 2
    first, second = texts[1:4], texts[5:]
    assert first[2][1] == pytest.approx(first[1][1] + 3 * 8.4)
    assert second[0][1] - first[0][1] == pytest.approx(10 * 8.4 + 2 * 14 + 16)
    assert [text.get("fill") for text in drawn.iter(f"{SVG}text")][1:3] == [PAPER, INK]


@pytest.mark.parametrize("file", sorted((ROOT / "docs" / "pictures").glob("*.svg")), ids=lambda it: it.stem)
def test_a_picture_is_whole_and_shown(file: Path) -> None:
    drawn = ET.parse(file).getroot()
    assert any(re.search("[\u4e00-\u9fff]", text.text or "") for text in drawn.iter(f"{SVG}text"))
    assert f"docs/pictures/{file.name}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_picture_that_is_not_known_is_a_usage_error() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "scripts.lib.pictures", "mona-lisa"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
    )
    assert run.returncode == 64
    assert "mona-lisa" in run.stderr
