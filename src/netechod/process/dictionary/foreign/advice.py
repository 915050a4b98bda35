"""Advice on a file that is no dictionary: what it looks like, and the command that makes one of it."""

import os
from codecs import getincrementaldecoder
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from shlex import quote

from netechod.errors import DictionaryError, DictionaryFormatError
from netechod.process.dictionary.foreign.encodings import UTF_8, encoding_of
from netechod.process.dictionary.foreign.formats import HEAD, KEY_VALUE, Format, format_of, is_packed
from netechod.regular_file import open_regular

DAMAGED = "most of it is UTF-8: mend that line"


def explained(error: DictionaryFormatError, file: Path) -> DictionaryError:
    """The error that says what the file looks like, and what can be done. It is read again for that."""
    try:
        advice = advice_on(file)
    except OSError:  # it is gone
        advice = ""
    return DictionaryError("; ".join(filter(None, (str(error), advice, error.hint))))


def advice_on(file: Path) -> str:
    """What the file looks like, and the remedy; empty where nothing is known. Raises OSError."""
    head = next(_blocks(file), b"")
    found = format_of(head)
    if found is not None and is_packed(head):
        return _on(found, file)
    if not _is_text(file):
        encoding = encoding_of(partial(_blocks, file))
        if encoding is UTF_8:
            return DAMAGED
        if encoding is not None:
            name, path = encoding.name, quote(str(file))
            return f"it looks like {name}{encoding.also}: iconv -f {name} -t UTF-8 {path} > {path}.new"
        return "no encoding is known in which it can be read"
    return "" if found is None or found is KEY_VALUE else _on(found, file)


def _on(found: Format, file: Path) -> str:
    return f"it looks like {found.name}{found.remedy(str(file))}"


def _is_text(file: Path) -> bool:
    """Whether the whole file is UTF-8 without a NUL."""
    decoder = getincrementaldecoder("utf-8")()
    try:
        return all("\0" not in decoder.decode(block) for block in _blocks(file)) and not decoder.decode(
            b"", final=True
        )
    except UnicodeDecodeError:
        return False


def _blocks(file: Path) -> Iterator[bytes]:
    with os.fdopen(open_regular(file), "rb") as opened:
        while block := opened.read(HEAD):
            yield block
