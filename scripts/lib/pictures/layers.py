"""Draws a graph in layers: arrows lead down from layer to layer (after Sugiyama, 1981).

An arrow that passes a layer gets a narrow place of its own there. So no arrow runs through a box. Arrows to
the same box share these places.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import NamedTuple

SWEEPS = 8  # times that each layer is sorted by its neighbours, downwards and upwards by turns
LANE = 14  # pixels of a place where an arrow passes

Graph = Mapping[str, frozenset[str]]
"""The names that each name has an arrow to."""


class Place(NamedTuple):
    """A place in a layer: a box, or where the arrows to a box that is further down pass."""

    name: str
    layer: int
    is_lane: bool = False


@dataclass
class Layout:
    """The places of each layer from left to right, the top layer first; and the arrows between neighbours."""

    layers: list[list[Place]]
    arrows: list[tuple[Place, Place]]


def levels(graph: Graph) -> list[list[str]]:
    """Return the names from the top level to the bottom one: arrows lead to lower levels only.

    Raises CycleError when there is no such order.
    """
    number: dict[str, int] = {}
    for name in TopologicalSorter(graph).static_order():
        number[name] = 1 + max((number[other] for other in graph[name]), default=-1)
    return [
        sorted(name for name in graph if number[name] == level)
        for level in range(max(number.values()), -1, -1)
    ]


def reduced(graph: Graph) -> Graph:
    """Return the graph without the arrows that others imply: those for which there is a longer way."""
    reach: dict[str, frozenset[str]] = {}
    for name in TopologicalSorter(graph).static_order():
        reach[name] = graph[name].union(*(reach[other] for other in graph[name]))
    return {
        name: frozenset(other for other in others if not any(other in reach[third] for third in others))
        for name, others in graph.items()
    }


def arranged(graph: Graph) -> Layout:
    """Return where to draw the names and their arrows, so that few arrows cross."""
    boxes = {name: Place(name, layer) for layer, row in enumerate(levels(graph)) for name in row}
    layers = [[boxes[name] for name in row] for row in levels(graph)]
    arrows: dict[tuple[Place, Place], None] = {}
    for name in sorted(graph):
        for other in sorted(reduced(graph)[name]):
            before, end = boxes[name], boxes[other]
            for layer in range(before.layer + 1, end.layer):
                lane = Place(other, layer, is_lane=True)
                if lane not in layers[layer]:
                    layers[layer].append(lane)
                arrows[before, lane] = None
                before = lane
            arrows[before, end] = None
    _sort(layers, list(arrows))
    return Layout(layers, list(arrows))


def _sort(layers: list[list[Place]], arrows: Sequence[tuple[Place, Place]]) -> None:
    """Move each place towards the middle of those that it has arrows with."""
    above: dict[Place, list[Place]] = {}
    below: dict[Place, list[Place]] = {}
    for start, end in arrows:
        below.setdefault(start, []).append(end)
        above.setdefault(end, []).append(start)
    for sweep in range(SWEEPS):
        neighbours = above if sweep % 2 == 0 else below
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            position = {place: share for row in layers for place, share in _shares(row)}
            layer.sort(key=lambda place: _middle(position, neighbours.get(place, [place])))


def _shares(row: Sequence[Place]) -> Iterable[tuple[Place, float]]:
    """Return how far each place is from the left, as a share of its layer."""
    return ((place, (number + 0.5) / len(row)) for number, place in enumerate(row))


def _middle(position: Mapping[Place, float], places: Sequence[Place]) -> float:
    return sum(position[place] for place in places) / len(places)
