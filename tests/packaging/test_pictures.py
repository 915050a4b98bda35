"""The pictures in the pages, and the script that draws them."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from scripts.lib.pictures import architecture
from scripts.lib.pictures.layers import Graph, Place, arranged, levels, reduced
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


@pytest.mark.parametrize("name", ["chat", "ping"])
def test_a_picture_of_terminals_is_whole_and_shown(name: str) -> None:
    file = ROOT / "docs" / "pictures" / f"{name}.svg"
    drawn = ET.parse(file).getroot()
    assert any(re.search("[\u4e00-\u9fff]", text.text or "") for text in drawn.iter(f"{SVG}text"))
    assert f"docs/pictures/{file.name}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_picture_of_the_architecture_is_what_the_imports_give() -> None:
    file = ROOT / "docs" / "pictures" / "architecture.svg"
    drawn = file.read_text(encoding="utf-8")
    assert drawn == architecture.picture(), "run scripts/make-pictures architecture"
    texts = {(text.text or "").rstrip("/") for text in ET.fromstring(drawn).iter(f"{SVG}text")}
    floors = [ROOT / "src" / "netechod" / name for storey in architecture.STOREYS for name in storey]
    assert {
        module.stem for floor in floors for module in (*floor.glob("[a-z]*.py"), *floor.glob("*/[a-z]*.py"))
    } <= texts
    assert "](pictures/architecture.svg)" in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


GRAPH: Graph = {
    "top": frozenset({"left", "right", "bottom"}),
    "left": frozenset({"bottom"}),
    "right": frozenset({"middle"}),
    "middle": frozenset({"bottom"}),
    "bottom": frozenset(),
}


def test_whatever_has_an_arrow_to_something_is_on_a_higher_level() -> None:
    assert levels(GRAPH) == [["top"], ["right"], ["left", "middle"], ["bottom"]]


def test_an_arrow_that_others_imply_is_left_out() -> None:
    assert reduced(GRAPH) == {**GRAPH, "top": frozenset({"left", "right"})}


def test_an_arrow_passes_a_level_in_a_place_of_its_own() -> None:
    layout = arranged(GRAPH)
    lane = Place("left", 1, is_lane=True)
    assert lane in layout.layers[1]
    assert {(Place("top", 0), lane), (lane, Place("left", 2))} <= set(layout.arrows)
    assert all(end.layer == start.layer + 1 for start, end in layout.arrows)


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
