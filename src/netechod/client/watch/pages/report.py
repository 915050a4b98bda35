"""`netecho report`: draws a recording of a watch, as HTML, SVG or PNG."""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from netechod.client.errors import ClientError
from netechod.client.i18n.translate import Language, is_chinese, reason_text, tr
from netechod.client.terminal.output import note
from netechod.client.watch.pages.cards import Card, article, svg
from netechod.client.watch.pages.live import page
from netechod.client.watch.pages.recording import Recorded, Recording, load

MOST_IN_A_PICTURE = 100  # targets in an SVG or PNG file: cairo draws at most 32767 pixels
HINT = "apt install python3-cairosvg; pip install 'netechod[png]'"
SCALE = 2.0  # pixels of a PNG file for each unit


def run(source: Path, output: Path) -> int:
    """Draw a recording; the suffix of `output` chooses the form. Return the exit status."""
    draw = FORMS.get(output.suffix.lower())
    if draw is None:
        forms = ", ".join(FORMS)
        raise ClientError(tr("{path}: what is it to be? the suffixes are {names}", path=output, names=forms))
    recording = load(source)
    if recording.broken:
        count, line = len(recording.broken), recording.broken[0]
        note(tr("{place}: no record; lines left out: {count}", place=f"{source}:{line}", count=count))
    data = draw(recording, Language(is_chinese=is_chinese(os.environ)))
    try:
        output.write_bytes(data)
    except OSError as error:
        reason = reason_text(error.strerror or str(error))
        raise ClientError(tr("cannot write {path}: {reason}", path=output, reason=reason)) from None
    return 0


def cards_of(recording: Recording) -> list[Card]:
    """Return the cards of a recording: those with most losses first, others in their order."""
    ended = recording.ended
    targets = sorted(recording.targets.values(), key=lambda it: (it.state != "down", -it.statistics.loss))
    return [_card(target, ended) for target in targets]


def _card(target: Recorded, ended: float) -> Card:
    return Card(target.label, target.url, target.state, target.statistics, ended, target.samples())


def _clock(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone()


def _html(recording: Recording, language: Language) -> bytes:
    cards = cards_of(recording)
    articles = "".join(article(card, _clock, language) for card in cards)
    return page(language, _summary(cards, language), articles).encode()


def _summary(cards: Sequence[Card], language: Language) -> str:
    times = [at for card in cards for at, _ in (*card.samples[:1], *card.samples[-1:])]
    if not times:
        return language.tr("{count} targets", count=len(cards))
    first, last = _clock(min(times)), _clock(max(times))
    return language.tr(
        "{count} targets, {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S}",
        count=len(cards),
        first=first,
        last=last,
    )


def _svg(recording: Recording, language: Language) -> bytes:
    cards = cards_of(recording)[:MOST_IN_A_PICTURE]
    return svg(cards, _clock, language, is_dark_too=True).encode()


def _png(recording: Recording, language: Language) -> bytes:
    try:
        import cairosvg  # on demand: an extra
    except (ImportError, OSError):  # OSError: the library is there, and cairo is not
        raise ClientError(
            tr("PNG needs the library CairoSVG; SVG and HTML need nothing"),
            HINT,
        ) from None
    cards = cards_of(recording)[:MOST_IN_A_PICTURE]
    drawn = svg(cards, _clock, language, is_dark_too=False)
    made: bytes = cairosvg.svg2png(bytestring=drawn.encode(), scale=SCALE)
    return made


FORMS: dict[str, Callable[[Recording, Language], bytes]] = {".html": _html, ".svg": _svg, ".png": _png}
"""What draws each form, by the suffix of its files."""
