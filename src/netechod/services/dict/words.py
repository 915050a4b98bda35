r"""The words of a command line (RFC 2229, 2.2): atoms, quoted strings and `\x`, joined without spaces.

Bytes are read and not characters, because there are clients that put a backslash before every byte of UTF-8.
"""

import re
from collections.abc import Sequence

ALL, FIRST = "*", "!"  # in place of a database's name: all of them, the first one that has something
BEST = "."  # in place of a strategy's name: the one that suits a search for misspelt words
MAX_JOINED = 2048  # bytes of a word that has parts, or escapes; to join them takes 1 ms at the worst
MAX_WORDS = 3  # behind the command's name

_DOUBLE, _SINGLE = rb"[^\"\\]*+(?:\\.[^\"\\]*+)*+", rb"[^'\\]*+(?:\\.[^'\\]*+)*+"
_WORD = re.compile(
    rb"[ \t]*(?:([^ \t\"'\\]++)|\"([^\"\\]*+)\"|((?:[^ \t\"'\\]++|\\.|\"%b\"|'%b')++))(?=[ \t]|\Z)"
    % (_DOUBLE, _SINGLE),
    re.DOTALL,
)
_PART = re.compile(rb"([^\"'\\]++)|\\(.)|\"(%b)\"|'(%b)'" % (_DOUBLE, _SINGLE), re.DOTALL)
_SPECIAL = re.compile(rb"[\"'\\]")
_ESCAPED = re.compile(rb"""\\(["'\\])""")


class MalformedError(Exception):
    """A line with too many words, a quote without an end, or a word that is not UTF-8."""


def words_of(line: bytes, most: int = MAX_WORDS) -> list[str]:
    r"""Take the words behind a command's name apart, `most` of them. Raises MalformedError.

    Within quotes a backslash stands for itself, unless a quote or a backslash is behind it.

    >>> words_of(rb'''* "two words" two\ words don\'t "back\slash" 'a'"b"c ""''')
    ['*', 'two words', 'two words', "don't", 'back\\slash', 'abc', '']
    """
    if not _SPECIAL.search(line):  # nothing to take apart: the expressions below take longer
        words = list(filter(None, _decoded(line).replace("\t", " ").split(" ")))
        if len(words) > most:
            raise MalformedError
        return words
    words, place = [], 0
    while found := _WORD.match(line, place):
        words.append(_text_of(found))
        place = found.end()
        if len(words) > most:
            raise MalformedError
    if line[place:].strip(b" \t"):
        raise MalformedError
    return words


def within_quotes(line: bytes, count: int) -> Sequence[str]:
    """Read a line as clients write it that quote a word without escapes: `* "say "hi""`.

    Returns the first of `count` words, and as the last one the text between the first and the last `"` behind
    them. Where there are no two, returns nothing. Raises MalformedError.
    """
    place, words = 0, []
    for _ in range(count - 1):
        found = _WORD.match(line, place)
        if found is None:
            return ()
        words.append(_text_of(found))
        place = found.end()
    start, end = line.find(b'"', place), line.rfind(b'"')
    return [*words, _decoded(line[start + 1 : end])] if place < start < end else ()


def _text_of(word: re.Match[bytes]) -> str:
    simple = word[1] or word[2]
    return _decoded(_joined(word[3]) if simple is None else simple)


def _joined(word: bytes) -> bytes:
    if len(word) > MAX_JOINED:
        raise MalformedError
    parts = []
    for plain, escaped, double, single in _PART.findall(word):
        quoted = double or single
        if b"\\" in quoted:
            quoted = _ESCAPED.sub(rb"\1", quoted)
        parts.append(plain or escaped or quoted)
    return b"".join(parts)


def _decoded(word: bytes) -> str:
    try:
        return word.decode()
    except UnicodeDecodeError:
        raise MalformedError from None
