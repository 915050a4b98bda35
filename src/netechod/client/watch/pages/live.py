"""The page of `--web`: all targets as charts that live. It asks this server alone, and changes nothing."""

import os
import time
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from html import escape

from netechod.client.i18n.translate import Language, is_chinese
from netechod.client.watch.pages import style
from netechod.client.watch.pages.cards import Card, article
from netechod.client.watch.terminal.table import sorted_by_trouble
from netechod.client.watch.thresholds import Status
from netechod.client.watch.watched import State, Watched
from netechod.services.http import Page, Render, Request

CONTENT_TYPE = "text/html; charset=utf-8"
CARDS = "/cards"
MOST = 60  # targets that are shown, those with most trouble first: more would make each page slow
FRESH = 1.0  # seconds for which the cards are not drawn again, however many readers there are

SCRIPT = """
async function renew() {
  try {
    const answer = await fetch("cards");
    if (answer.ok) { document.getElementById("cards").innerHTML = await answer.text(); }
    document.body.classList.toggle("stale", !answer.ok);
  } catch { document.body.classList.add("stale"); }
  setTimeout(renew, 2000);
}
setTimeout(renew, 2000);
"""
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
    f"frame-ancestors 'none'; script-src 'sha256-{b64encode(sha256(SCRIPT.encode()).digest()).decode()}'"
)
FIELDS = (f"Content-Security-Policy: {POLICY}", "Cache-Control: no-store", "X-Content-Type-Options: nosniff")


class LivePage:
    """Renders the page, and the cards that it asks for again and again."""

    def __init__(self, all_watched: Sequence[Watched]) -> None:
        self._watched = all_watched
        self._drawn: dict[bool, tuple[float, str]] = {}  # by whether it is Chinese: when, and the cards

    def pages(self) -> dict[str, Render]:
        """Return what renders each path."""
        return {"/": self._page, CARDS: self._cards}

    def _page(self, request: Request) -> Page:
        language = wanted(request)
        text = page(language, self._summary(language), self._articles(language), script=SCRIPT)
        return Page(CONTENT_TYPE, text.encode(), FIELDS)

    def _cards(self, request: Request) -> Page:
        return Page(CONTENT_TYPE, self._articles(wanted(request)).encode(), FIELDS)

    def _summary(self, language: Language) -> str:
        if len(self._watched) > MOST:
            count, total = MOST, len(self._watched)
            return language.tr("the {count} of {total} targets with most trouble", count=count, total=total)
        return language.tr("{count} targets", count=len(self._watched))

    def _articles(self, language: Language) -> str:
        """Return the cards, drawn not too long ago."""
        now = time.monotonic()
        drawn, text = self._drawn.get(language.is_chinese, (-FRESH, ""))
        if now >= drawn + FRESH:
            chosen = sorted_by_trouble(self._watched, now)[:MOST]
            offset = time.clock_gettime(time.CLOCK_REALTIME) - now

            def clock(at: float) -> datetime:
                return datetime.fromtimestamp(offset + at, UTC).astimezone()

            text = "".join(article(card_of(watched, now), clock, language) for watched in chosen)
            self._drawn[language.is_chinese] = now, text
        return text


def card_of(watched: Watched, now: float) -> Card:
    """Return what is shown of a target."""
    target = watched.target
    state = watched.state.value
    if watched.state is State.UP and watched.status(now) is not Status.OK:
        state = "warning"
    where = target.url + (f" ({watched.where})" if watched.where not in ("", target.host) else "")
    return Card(target.label, where, state, watched.statistics, now, list(watched.statistics.samples()))


def wanted(request: Request) -> Language:
    """Return the language that the browser asks for first; ours if it asks for none."""
    first = request.language.partition(",")[0].strip().lower()
    if not first:
        return Language(is_chinese=is_chinese(os.environ))
    return Language(is_chinese=first.startswith("zh"))


def page(language: Language, summary: str, articles: str, *, script: str = "") -> str:
    """Return a page with these cards."""
    code = f"<script>{script}</script>" if script else ""
    stale = escape(language.tr("netecho watch does not answer: these are its last figures"))
    return (
        f'<!DOCTYPE html><html lang="{"zh-CN" if language.is_chinese else "en"}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"<title>netecho watch</title><style>{style.PAGE}</style></head><body><main><header>"
        f'<h1>netecho watch</h1><p>{escape(summary)}</p><p id="stale">{stale}</p></header>'
        f'<div id="cards">{articles}</div></main>{code}</body></html>'
    )
