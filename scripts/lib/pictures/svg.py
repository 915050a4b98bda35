"""A terminal's screen, as `tmux capture-pane -e` has it, drawn as SVG."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import NamedTuple

from netechod.services.cells import cells

CELL, ROW, SIZE = 8.4, 19.0, 14  # width of a cell, height of a row and of the font, in pixels
MARGIN, BAR, GAP = 14.0, 30.0, 16.0  # around the text, for the title above it, between two screens
INK, PAPER, FRAME = "#d3d7cf", "#1d1f21", "#2d3136"
COLORS = ("#4d5156", "#e06c75", "#7ec27e", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d3d7cf")
BRIGHT = ("#7f868e", "#f08a92", "#9bdc9b", "#f2d58f", "#84c4ff", "#dba0ec", "#7fd3de", "#ffffff")
FONTS = "'DejaVu Sans Mono', Menlo, Consolas, 'Noto Sans Mono CJK SC', 'WenQuanYi Zen Hei', monospace"

_PIECE = re.compile(r"\n|[\x20-\x7e]+|[^\x20-\x7e]")
_SGR = re.compile(r"\x1b\[([\d;]*)m|\x1b\[[\d;?]*[A-Za-z]|\x1b[()][A-Z0-9]|[\x0e\x0f]")


@dataclass(frozen=True)
class Style:
    """How text looks (ECMA-48, 8.3.117)."""

    ink: str = INK
    paper: str = ""
    bold: bool = False
    faint: bool = False
    reverse: bool = False

    def changed(self, codes: Sequence[int]) -> "Style":
        """After Select Graphic Rendition with these codes."""
        style = self
        for code in codes:
            style = style._changed_by(code)
        return style

    def _changed_by(self, code: int) -> "Style":
        switches = {1: {"bold": True}, 2: {"faint": True}, 7: {"reverse": True}, 27: {"reverse": False}}
        if code == 0:
            return Style()
        if code == 22:
            return replace(self, bold=False, faint=False)
        if code in switches:
            return replace(self, **switches[code])  # type: ignore[arg-type] # all of them are switches
        inks = dict(enumerate(COLORS, 30)) | dict(enumerate(BRIGHT, 90)) | {39: INK}
        papers = dict(enumerate(COLORS, 40)) | {49: ""}
        return replace(self, ink=inks.get(code, self.ink), paper=papers.get(code, self.paper))


class Piece(NamedTuple):
    """Text that looks alike: where it begins, in cells from 0, what it is and how it looks."""

    column: int
    row: int
    text: str
    style: Style


class Screen(NamedTuple):
    """A terminal: what it is called, what is to be seen, its width, and the cell of the cursor."""

    title: str
    text: str
    columns: int
    cursor: tuple[int, int]


def pieces(text: str) -> Iterator[Piece]:
    """The contents of a screen. Styles go on from row to row.

    A character that is not ASCII is a piece of its own: so it stands in its cells whatever font there is.
    """
    style, column, row, end = Style(), 0, 0, 0
    for sequence in (*_SGR.finditer(text), None):
        for piece in _PIECE.findall(text[end : sequence.start() if sequence else len(text)]):
            if piece == "\n":
                row, column = row + 1, 0
            else:
                yield Piece(column, row, piece, style)
                column += cells(piece)
        if sequence:
            end = sequence.end()
            if sequence[1] is not None:
                style = style.changed([int(code or 0) for code in sequence[1].split(";")])


def draw(screens: Sequence[Screen]) -> str:
    """The picture of some screens beside each other."""
    parts: list[str] = []
    left = height = 0.0
    for screen in screens:
        width = screen.columns * CELL + 2 * MARGIN
        parts += _screen(screen, left, width)
        height = max(height, _height(screen))
        left += width + GAP
    size = f'width="{left - GAP:.0f}" height="{height:.0f}" viewBox="0 0 {left - GAP:.0f} {height:.0f}"'
    style = f"text {{ font: {SIZE}px {FONTS} }}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" {size}>\n<style>{style}</style>'
    return "\n".join([head, *parts, "</svg>\n"])


def _height(screen: Screen) -> float:
    return BAR + screen.text.count("\n") * ROW + 2 * MARGIN


def _screen(screen: Screen, left: float, width: float) -> Iterator[str]:
    height = _height(screen)
    yield f'<rect x="{left:g}" width="{width:g}" height="{height:g}" rx="8" fill="{PAPER}"/>'
    yield f'<path d="M{left:g} {BAR:g}v-22q0-8 8-8h{width - 16:g}q8 0 8 8v22z" fill="{FRAME}"/>'
    yield f'<text x="{left + MARGIN:g}" y="20" fill="{BRIGHT[0]}">{escape(screen.title)}</text>'
    for piece in pieces(screen.text):
        yield from _piece(piece, left + MARGIN, BAR + MARGIN)
    x, y = left + MARGIN + screen.cursor[0] * CELL, BAR + MARGIN + screen.cursor[1] * ROW
    yield f'<rect x="{x:g}" y="{y:g}" width="{CELL:g}" height="{ROW - 2:g}" fill="{INK}" opacity="0.7"/>'


def _piece(piece: Piece, left: float, top: float) -> Iterator[str]:
    style = piece.style
    ink, paper = (style.paper or PAPER, style.ink) if style.reverse else (style.ink, style.paper)
    x, y = left + piece.column * CELL, top + piece.row * ROW
    if paper:
        width = cells(piece.text) * CELL
        yield f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{ROW:g}" fill="{paper}"/>'
    if text := piece.text.strip():
        x += (len(piece.text) - len(piece.text.lstrip())) * CELL
        weight = ' font-weight="bold"' if style.bold else ""
        faint = ' opacity="0.6"' if style.faint else ""
        length = f' textLength="{len(text) * CELL:g}"' if text.isascii() else ""
        yield f'<text x="{x:g}" y="{y + 14:g}" fill="{ink}"{weight}{faint}{length}>{escape(text)}</text>'
