"""The rooms of the source tree, floor by floor, drawn from the imports."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from html import escape
from pathlib import Path
from typing import NamedTuple

FLOORS = ("cli", "process", "client", "reactor", "services")
SOURCE = Path(__file__).resolve().parents[3] / "src" / "netechod"

LINE, PAD, GAP, TITLE = 16, 10, 26, 22  # pixels: a module's line, inside a box, between boxes, a box's title
WIDTH = 170  # pixels of a box
STYLE = """
text { font: 12px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #24292f }
.room { font-weight: bold } .floor { font: bold 15px system-ui, sans-serif; fill: #57606a }
.box { fill: #ffffff; stroke: #8c959f } .band { fill: #f6f8fa }
.arrow { fill: none; stroke: #57606a; stroke-width: 1.2; marker-end: url(#tip) }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .floor { fill: #9198a1 }
.box { fill: #161b22; stroke: #6e7681 } .band { fill: #0d1117 } .arrow { stroke: #9198a1 }
}
""".strip()

Graph = Mapping[str, frozenset[str]]
"""The rooms that each room imports."""


class Room(NamedTuple):
    """A folder with its modules, or a module that stands outside of the folders and has none itself."""

    name: str
    modules: Sequence[str]


class Box(NamedTuple):
    """A room with its place in the picture, in pixels."""

    room: Room
    x: int
    y: int

    @property
    def height(self) -> int:
        """The height of the box: a title and a line for each module."""
        return TITLE + LINE * len(self.room.modules) + (PAD if self.room.modules else 4)


def rooms(floor: Path) -> list[Room]:
    """Return the rooms of a floor: its folders, then the modules that stand outside of them."""
    folders = [folder for folder in sorted(floor.iterdir()) if (folder / "__init__.py").exists()]
    return [
        *(Room(f"{folder.name}/", _modules(folder)) for folder in folders),
        *(Room(module, ()) for module in _modules(floor)),
    ]


def _modules(folder: Path) -> list[str]:
    return sorted(file.stem for file in folder.glob("*.py") if file.stem != "__init__")


def imports(floor: Path) -> Graph:
    """Return the rooms of the same floor that each room imports."""
    prefix = f"netechod.{floor.name}."
    graph: dict[str, set[str]] = {room.name: set() for room in rooms(floor)}
    for file in floor.rglob("*.py"):
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


def levels(graph: Graph) -> list[list[str]]:
    """Return the rooms from the top level to the bottom one: each imports only rooms of lower levels.

    Raises CycleError when rooms import one another.
    """
    number: dict[str, int] = {}
    for room in TopologicalSorter(graph).static_order():
        number[room] = 1 + max((number[other] for other in graph[room]), default=-1)
    return [
        sorted(room for room in graph if number[room] == level)
        for level in range(max(number.values()), -1, -1)
    ]


def picture() -> str:
    """Return the picture of all floors as SVG, in colours for light and dark pages."""
    parts: list[str] = []
    top = width = 0
    for name in FLOORS:
        boxes, arrows, height = _floor(SOURCE / name, top + 30)
        right = max(box.x for box in boxes) + WIDTH + GAP
        parts += [f'<text class="floor" x="{GAP}" y="{top + 20}">{name}/</text>', *_drawn(boxes), *arrows]
        top, width = top + height + 30, max(width, right)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}" height="{top}">'
    )
    tip = (
        '<marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    )
    tip += '<path d="M0 0L8 4L0 8z" fill="#57606a"/></marker>'
    band = f'<rect class="band" width="{width}" height="{top}"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", f"<defs>{tip}</defs>", band, *parts, "</svg>\n"])


def _floor(floor: Path, top: int) -> tuple[list[Box], list[str], int]:
    """Return the boxes of a floor, its arrows, and its height."""
    graph, found = imports(floor), {room.name: room for room in rooms(floor)}
    boxes: dict[str, Box] = {}
    y = top
    for row in levels(graph):
        for place, name in enumerate(row):
            boxes[name] = Box(found[name], GAP + place * (WIDTH + GAP), y)
        y = max(boxes[name].y + boxes[name].height for name in row) + GAP
    arrows = [
        _arrow(boxes[room], boxes[other])
        for room in sorted(graph)
        for other in sorted(graph[room])
        if boxes[other].y > boxes[room].y and not _is_implied(graph, room, other)
    ]
    return list(boxes.values()), arrows, y - top


def _is_implied(graph: Graph, room: str, other: str) -> bool:
    """Return whether `room` reaches `other` through a third room, so that the arrow says nothing new."""
    return any(other in graph[third] for third in graph[room] - {other})


def _arrow(start: Box, end: Box) -> str:
    x1, y1 = start.x + WIDTH // 2, start.y + start.height
    x2, y2 = end.x + WIDTH // 2, end.y
    middle = (y1 + y2) // 2
    return f'<path class="arrow" d="M{x1} {y1}C{x1} {middle} {x2} {middle} {x2} {y2}"/>'


def _drawn(boxes: Sequence[Box]) -> Iterator[str]:
    for box in boxes:
        yield f'<rect class="box" x="{box.x}" y="{box.y}" width="{WIDTH}" height="{box.height}" rx="6"/>'
        yield f'<text class="room" x="{box.x + PAD}" y="{box.y + 16}">{escape(box.room.name)}</text>'
        for number, module in enumerate(box.room.modules):
            y = box.y + TITLE + LINE * number + 12
            yield f'<text x="{box.x + PAD}" y="{y}">{escape(module)}</text>'
