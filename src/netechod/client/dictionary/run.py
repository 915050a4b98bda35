"""`netecho dict`: words go to the dictionary service, and their meanings come back, in the words' order."""

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

from netechod.client.dictionary.lookups import Dictionary, Lookups, Result
from netechod.client.errors import ClientError
from netechod.client.i18n.translate import tr
from netechod.client.net import Target
from netechod.client.terminal.input import Input, to_utf8
from netechod.client.terminal.output import complain, interactive, is_smart, note, painted, put, put_json
from netechod.client.terminal.text import padded, shown, shown_lines
from netechod.services.cells import cells
from netechod.services.wire import MISS, escape_controls

GAP = 2  # columns between a word and its meaning on a terminal
PROGRESS_AFTER = 1.0  # seconds until the progress is shown
PROGRESS_EVERY = 0.1  # seconds between two updates of it

Report = Callable[[Result], None]
Suggest = Callable[[str], None]


def run(target: Target, words: Sequence[str], miss: str, *, as_json: bool) -> int:
    """Look up `words`, or those that a person types or a pipe holds; return 1 if one was not found."""
    with _suggesting(target) as suggest:
        return _run(Dictionary(target, miss), suggest, words, as_json=as_json)


@contextmanager
def _suggesting(target: Target) -> Iterator[Suggest]:
    """Give what shows the words that are like one that was missed, to a person."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda word: None
        return
    from netechod.client.dictionary.whole import Suggestions  # on demand: not for scripts

    with closing(Suggestions(target)) as suggestions:
        yield suggestions.show


def _run(dictionary: Dictionary, suggest: Suggest, words: Sequence[str], *, as_json: bool) -> int:
    if not words and not as_json and interactive():
        return _converse(dictionary, suggest)
    given = list(map(to_utf8, words))
    report = _report_json if as_json else _report_text(given)
    progress = Progress(len(given) or _size_of_stdin(), in_bytes=not given)
    status = 0
    source = Input.of(given) if given else Input(sys.stdin.fileno())
    for result in Lookups(dictionary).results(source):
        if result.trouble:
            progress.clear()
            complain(result.trouble)
        if as_json or not result.trouble:
            report(result)
        if result.cut and not as_json:
            progress.clear()
            _note_cut(result)
        if result.text is None:
            status = 1
            if given and not as_json and not result.trouble:
                suggest(result.word)
        progress.step(result)
    progress.clear()
    return status


def _report_json(result: Result) -> None:
    """Write one object a line. A word without answer is neither found nor missing: null."""
    found = None if result.trouble else result.text is not None
    put_json(
        {
            "word": result.word,
            "found": found,
            "text": result.text,
            "rtt_ms": result.rtt_ms,
            "cut": bool(result.cut),
        }
    )


def _note_cut(result: Result) -> None:
    """Say that the server has sent the start of a meaning only, and how to get the whole."""
    note(
        tr("{word}: cut at {size} bytes", word=escape_controls(result.word), size=result.cut),
        tr(
            "the whole, where the server has DICT: --whole; on its machine: netechoctl dict lookup {word}",
            word=escape_controls(result.word),
        ),
    )


def _report_text(words: Sequence[bytes]) -> Report:
    """Return what writes results: in columns for a person, bare for one word, else with tabs."""
    if words and sys.stdout.isatty():
        width = max(cells(shown(word)) for word in words) + GAP
        return lambda result: put(
            f"{painted(padded(escape_controls(result.word), width), 'strong', sys.stdout)}"
            f"{_meaning(result, painted(tr('unknown'), 'faint', sys.stdout))}\n"
        )
    if len(words) == 1:
        return lambda result: put(f"{MISS if result.text is None else shown_lines(result.text)}\n")
    return lambda result: put(f"{escape_controls(result.word)}\t{_meaning(result)}\n")


def _meaning(result: Result, miss: str = MISS) -> str:
    return miss if result.text is None else escape_controls(result.text)


def _converse(dictionary: Dictionary, suggest: Suggest) -> int:
    """Ask a person for words until the end of input. Neither silence nor Ctrl-C in a look-up ends it."""
    from netechod.client.terminal.prompt import Prompt  # on demand: not for pipes

    prompt = Prompt(tr("word> "), "dict")
    for entry in prompt.entries():
        try:
            for result in Lookups(dictionary).results(Input.of(entry)):
                _show_to_person(result)
                if result.text is None and not result.trouble:
                    suggest(result.word)
        except ClientError as error:
            complain(str(error), error.hint)
        except KeyboardInterrupt:
            prompt.interrupted()
    return 0


def _show_to_person(result: Result) -> None:
    if result.trouble:
        complain(result.trouble)
        return
    put(tr("{word}: {text}", word=escape_controls(result.word), text=_meaning(result)) + "\n")
    if result.cut:
        _note_cut(result)


def _size_of_stdin() -> int:
    """Return the size of the file that stdin is; 0 if it is no file."""
    about = os.fstat(sys.stdin.fileno())
    return about.st_size if stat.S_ISREG(about.st_mode) else 0


class Progress:
    """A line on stderr with the progress, for a person at a terminal whose results go elsewhere."""

    def __init__(self, total: int, *, in_bytes: bool) -> None:
        self._total = total  # words, or bytes; 0 if that is not known
        self._in_bytes = in_bytes
        self._done = self._words = 0
        self._start = self._shown = time.monotonic()
        self._is_wanted = sys.stderr is not None and is_smart(sys.stderr) and not sys.stdout.isatty()
        self._is_visible = False

    def step(self, result: Result) -> None:
        """Count one more word, and show the progress if it is time for that."""
        self._words += 1
        self._done += len(os.fsencode(result.word)) + 1 if self._in_bytes else 1
        now = time.monotonic()
        if self._is_wanted and now >= self._start + PROGRESS_AFTER and now >= self._shown + PROGRESS_EVERY:
            self._shown = now
            self._is_visible = True
            sys.stderr.write("\r" + self._text(now - self._start) + "\x1b[K")
            sys.stderr.flush()

    def clear(self) -> None:
        """Remove the line."""
        if self._is_visible:
            self._is_visible = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _text(self, seconds: float) -> str:
        rate = self._words / seconds
        if not self._total:
            return tr("{words} words, {rate:.0f} a second", words=self._words, rate=rate)
        part = min(self._done / self._total, 1.0)
        left = seconds / part - seconds
        return tr(
            "{percent:.0%}  {words} words, {left:.0f} s left", percent=part, words=self._words, left=left
        )
