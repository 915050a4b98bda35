"""A target as HTML or as SVG: its figures, and its chart. No I/O."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from netechod.client.i18n.translate import Language
from netechod.client.ping.layout import ms
from netechod.client.watch.bands import Samples
from netechod.client.watch.durations import duration
from netechod.client.watch.pages import style
from netechod.client.watch.pages.drawing import HEIGHT, WIDTH, Clock, chart
from netechod.client.watch.statistics import Statistics
from netechod.services.wire import printable

GAP = 26  # units between two charts in an SVG file
HEAD = 48  # units of the texts above a chart
MARGIN = 24


class Card(NamedTuple):
    """What is shown of a target."""

    label: str
    where: str
    state: str  # up, down, waiting or warning
    statistics: Statistics
    now: float  # by the clock of the statistics
    samples: Samples


class Figure(NamedTuple):
    """A figure with its name."""

    name: str
    value: str
    is_bad: bool = False


def figures(card: Card, language: Language) -> Iterator[Figure]:
    """Return the figures of a target."""
    counted = card.statistics
    percentiles = counted.times.percentiles((50, 95, 99))
    for name, value in zip(("p50", "p95", "p99"), percentiles, strict=False):
        yield Figure(name, f"{ms(value)} ms")
    if counted.answered > 1:
        yield Figure(language.tr("jitter"), f"{ms(counted.jitter)} ms")
    yield Figure(language.tr("loss"), f"{counted.loss:.2f} %", is_bad=counted.loss > 0)
    yield Figure(language.tr("probes"), str(counted.sent))
    outage = counted.longest_outage(card.now)
    if outage.seconds:
        yield Figure(language.tr("longest outage"), duration(outage.seconds))


def article(card: Card, clock: Clock, language: Language) -> str:
    """Return a card for a page."""
    terms = "".join(
        f"<div><dt>{escape(name)}</dt><dd class='{'bad' if is_bad else 'good'}'>{escape(value)}</dd></div>"
        for name, value, is_bad in figures(card, language)
    )
    label = escape(printable(card.label))
    drawn = chart(card.samples, clock, language.tr("no answer so far"))
    return (
        f'<article class="{card.state}"><h2>{label}</h2><p class="where">{escape(printable(card.where))}</p>'
        f'<dl>{terms}</dl><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f"{drawn}</svg></article>"
    )


def svg(cards: Sequence[Card], clock: Clock, language: Language, *, is_dark_too: bool) -> str:
    """Return an SVG file with all cards, one below the other."""
    width = WIDTH + 2 * MARGIN
    height = MARGIN + len(cards) * (HEAD + HEIGHT + GAP)
    dark = (
        f"@media(prefers-color-scheme:dark){{{style.CHART_DARK}{style.TITLES_DARK}}}" if is_dark_too else ""
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">'
        f"<style>{style.CHART}{style.TITLES}{dark}</style>"
        f'<rect class="page" width="{width}" height="{height}"/>'
    ]
    for place, card in enumerate(cards):
        y = MARGIN + place * (HEAD + HEIGHT + GAP)
        told = " · ".join(f"{name} {value}" for name, value, _ in figures(card, language))
        down = " down" if card.state == "down" else ""
        drawn = chart(card.samples, clock, language.tr("no answer so far"))
        parts.append(
            f'<g transform="translate({MARGIN},{y})"><text class="label{down}" y="14">'
            f'{escape(printable(card.label))}</text><text class="figures" y="34">{escape(told)}</text>'
            f'<g transform="translate(0,{HEAD})">{drawn}</g></g>'
        )
    return "".join((*parts, "</svg>\n"))
