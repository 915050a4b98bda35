"""The rooms of the source tree, floor by floor, drawn from the imports."""

import ast
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from scripts.lib.pictures.layers import LANE, Graph, Layout, Place, arranged

STOREYS = (
    ("cli",),
    ("process", "client"),
    ("reactor",),
    ("services",),
)  # from the top; floors of one are strangers
SOURCE = Path(__file__).resolve().parents[3] / "src" / "netechod"

LINE, PAD, TITLE = 15, 10, 22  # pixels: a module's line, inside a box, a box's title
GAP, DROP, HEAD = 12, 30, 24  # pixels: between boxes, between layers, from a floor's top to what it says
MARGIN, WIDTH = 12, 1010  # pixels: beside everything, of the picture at least
CELL, LETTER = 6.7, 6.4  # pixels of a character in a box, and in what a floor says
ROWS = 5  # lines of modules in a box; with more, there are more columns
STYLE = """
text { font: 11px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #24292f }
.room { font-weight: bold } .floor { font: bold 15px system-ui, sans-serif }
.says { font: 12px system-ui, sans-serif; fill: #57606a }
.paper { fill: #ffffff } .band { fill: #f0f3f6 } .box { fill: #ffffff; stroke: #8c959f }
.arrow { fill: none; stroke: #57606a; stroke-width: 1.2 } .tip { fill: #57606a }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .says { fill: #9198a1 }
.paper { fill: #0d1117 } .band { fill: #161b22 } .box { fill: #0d1117; stroke: #6e7681 }
.arrow { stroke: #9198a1 } .tip { fill: #9198a1 }
}
""".strip()
TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4"'
    ' markerWidth="7" markerHeight="7" orient="auto">'
    '<path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>'
)


class Room(NamedTuple):
    """A folder with its modules, or a module that stands outside of the folders and has none itself."""

    name: str
    modules: Sequence[str]

    @property
    def columns(self) -> Sequence[Sequence[str]]:
        """The modules in columns of nearly the same length."""
        count = -(-len(self.modules) // ROWS)
        rows = -(-len(self.modules) // max(count, 1))
        return [self.modules[at : at + rows] for at in range(0, len(self.modules), max(rows, 1))]

    @property
    def widths(self) -> Sequence[int]:
        """The width of each column in pixels."""
        return [int(max(map(len, column)) * CELL) + PAD for column in self.columns]

    @property
    def width(self) -> int:
        """The width of the box in pixels."""
        return PAD + max(int(len(self.name) * CELL) + PAD, sum(self.widths))

    @property
    def height(self) -> int:
        """The height of the box in pixels: a title, and the lines of the longest column."""
        return TITLE + (LINE * len(self.columns[0]) + 6 if self.modules else 2)


class Spot(NamedTuple):
    """Where a place is drawn, in pixels: its left, its top, its width and its height."""

    x: int
    y: int
    width: int
    height: int

    @property
    def middle(self) -> int:
        """The column in which its arrows begin and end."""
        return self.x + self.width // 2


def rooms(floor: Path) -> list[Room]:
    """Return the rooms of a floor: its folders, then the modules that stand outside of them."""
    folders = [folder for folder in sorted(floor.iterdir()) if (folder / "__init__.py").exists()]
    return [
        *(Room(f"{folder.name}/", [*_modules(folder), *_inner_rooms(folder)]) for folder in folders),
        *(Room(module, ()) for module in _modules(floor)),
    ]


def _modules(folder: Path) -> list[str]:
    return sorted(file.stem for file in folder.glob("*.py") if file.stem != "__init__")


def _inner_rooms(folder: Path) -> list[str]:
    return sorted(f"{file.parent.name}/" for file in folder.glob("*/__init__.py"))


def imports(floor: Path) -> Graph:
    """Return the rooms of the same floor that each room imports."""
    prefix = f"netechod.{floor.name}."
    graph: dict[str, set[str]] = {room.name: set() for room in rooms(floor)}
    for file in (file for file in floor.rglob("*.py") if file.parent != floor or file.stem != "__init__"):
        here = _room_of(file.relative_to(floor).parts, floor)
        for name in _imported(ast.parse(file.read_text(encoding="utf-8"))):
            if name.startswith(prefix):
                graph[here].add(_room_of(tuple(name.removeprefix(prefix).split(".")), floor))
    return {room: frozenset(others - {room}) for room, others in graph.items()}


def _room_of(parts: Sequence[str], floor: Path) -> str:
    return f"{parts[0]}/" if (floor / parts[0]).is_dir() else parts[0].removesuffix(".py")


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _says(floor: Path) -> str:
    """Return the first paragraph of what a floor says about itself."""
    text = ast.get_docstring(ast.parse((floor / "__init__.py").read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0].replace("`", "")


class Floor:
    """A floor with its rooms, and the layers that they stand in."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.text = _says(folder)
        self.rooms = {room.name: room for room in rooms(folder)}
        self.layout = arranged(imports(folder))

    @property
    def width(self) -> int:
        """The width in pixels that the widest layer needs."""
        return 2 * MARGIN + max(self.width_of(row) for row in self.layout.layers)

    def width_of(self, row: Sequence[Place]) -> int:
        """Return the width of a layer in pixels."""
        return sum(self.width_at(place) for place in row) + GAP * (len(row) - 1)

    def width_at(self, place: Place) -> int:
        """Return the width of a place in pixels."""
        return LANE if place.is_lane else self.rooms[place.name].width


def picture() -> str:
    """Return the picture of all floors as SVG, in colours for light and dark pages."""
    storeys = [[Floor(SOURCE / name) for name in storey] for storey in STOREYS]
    needed = [MARGIN + sum(floor.width + MARGIN for floor in storey) for storey in storeys]
    width = max(WIDTH, *needed)
    parts: list[str] = []
    top = MARGIN
    for storey, taken in zip(storeys, needed, strict=True):
        spare = (width - taken) // len(storey)
        drawings: list[Drawing] = []
        left = MARGIN
        for floor in storey:
            drawings.append(Drawing(floor, left, top, floor.width + spare))
            left += floor.width + spare + MARGIN
        height = max(drawing.height for drawing in drawings)
        parts += [line for drawing in drawings for line in drawing.lines(height)]
        top += height + MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}" height="{top}">'
    )
    paper = f'<rect class="paper" width="{width}" height="{top}"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", TIP, paper, *parts, "</svg>\n"])


class Drawing:
    """The drawing of one floor, with its left upper corner and its width in pixels."""

    def __init__(self, floor: Floor, left: int, top: int, width: int) -> None:
        self._floor = floor
        self._text = textwrap.wrap(floor.text, int((width - 2 * MARGIN) / LETTER))
        self._left, self._top, self._width = left, top, width
        self._spots = self._placed()
        self.height = max(spot.y + spot.height for spot in self._spots.values()) + MARGIN - top

    def lines(self, height: int) -> Iterator[str]:
        """Return the elements of the drawing in a band of that height."""
        left, top, x = self._left, self._top, self._left + MARGIN
        yield f'<rect class="band" x="{left}" y="{top}" width="{self._width}" height="{height}" rx="8"/>'
        yield f'<text class="floor" x="{x}" y="{top + 22}">{self._floor.name}/</text>'
        for number, line in enumerate(self._text):
            yield f'<text class="says" x="{x}" y="{top + HEAD + LINE * (number + 1)}">{escape(line)}</text>'
        yield from _arrows(self._floor.layout, self._spots)
        for place, spot in self._spots.items():
            if not place.is_lane:
                yield from _box(self._floor.rooms[place.name], spot)

    def _placed(self) -> dict[Place, Spot]:
        """Return where each place is drawn: each layer in the middle of the floor."""
        spots: dict[Place, Spot] = {}
        floor = self._floor
        top = self._top + HEAD + LINE * (len(self._text) + 1)
        for row in floor.layout.layers:
            height = max(floor.rooms[place.name].height for place in row if not place.is_lane)
            x = self._left + (self._width - floor.width_of(row)) // 2
            for place in row:
                width = floor.width_at(place)
                spots[place] = Spot(
                    x, top, width, height if place.is_lane else floor.rooms[place.name].height
                )
                x += width + GAP
            top += height + DROP
        return spots


def _arrows(layout: Layout, spots: Mapping[Place, Spot]) -> Iterator[str]:
    """Draw the arrows from layer to layer, and straight down where they pass one."""
    for start, end in layout.arrows:
        here, there = spots[start], spots[end]
        x1, x2 = here.middle, there.middle
        bottom, y = there.y - DROP, there.y
        tip = "" if end.is_lane else ' marker-end="url(#tip)"'
        down = f"V{there.y + there.height}" if end.is_lane else ""
        half = DROP // 2
        curve = f"M{x1} {here.y + here.height}V{bottom}C{x1} {bottom + half} {x2} {y - half} {x2} {y}{down}"
        yield f'<path class="arrow" d="{curve}"{tip}/>'


def _box(room: Room, spot: Spot) -> Iterator[str]:
    x, y, width, height = spot
    yield f'<rect class="box" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>'
    yield f'<text class="room" x="{x + PAD}" y="{y + 16}">{escape(room.name)}</text>'
    left = x + PAD
    for column, wide in zip(room.columns, room.widths, strict=True):
        for number, module in enumerate(column):
            yield f'<text x="{left}" y="{y + TITLE + LINE * number + 11}">{escape(module)}</text>'
        left += wide
