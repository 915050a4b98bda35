"""Encodings of text, told by its bytes. An encoding is only named when the whole text can be converted."""

import codecs
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

SAMPLE = 1 << 20  # characters by which a decoding is judged
LEAST = 0.5  # the share of characters that must be likely ones
FEW = 10  # of so many characters of UTF-8, one may be damaged

Blocks = Callable[[], Iterable[bytes]]
"""Reads the text anew, in blocks."""


class Encoding(NamedTuple):
    """An encoding, by its name in Python and for iconv(1)."""

    codec: str
    name: str
    also: str = ""  # what else its texts are called


UTF_8 = Encoding("utf-8", "UTF-8")
MARKS: Sequence[tuple[bytes, Encoding]] = (
    (codecs.BOM_UTF32_LE, Encoding("utf-32", "UTF-32")),
    (codecs.BOM_UTF32_BE, Encoding("utf-32", "UTF-32")),
    (codecs.BOM_UTF16_LE, Encoding("utf-16", "UTF-16")),
    (codecs.BOM_UTF16_BE, Encoding("utf-16", "UTF-16")),
)
"""Encodings by the byte order mark at the beginning."""

WIDE = tuple(
    Encoding(f"utf-{bits}-{order}", f"UTF-{bits}{order.upper()}")
    for bits in (32, 16)
    for order in ("le", "be")
)
"""Encodings in which ASCII has NULs in it."""


def _share(count: int, text: str) -> float:
    return count / max(1, len(text))


def _like_gb(text: str) -> float:
    """The share of characters that GB 2312 has: they are nearly all of a modern text."""
    return _share(len(text.encode("gb2312", "ignore").decode("gb2312")), text)


def _like_big5(text: str) -> float:
    """The share of characters that are symbols, or frequent ones (level 1) of Big5."""
    return _share(sum(lead <= 0xC6 for lead in text.encode("big5", "ignore")[::2]), text)


def _like_latin(text: str) -> float:
    """The share of letters, and less than that: bytes of Chinese are letters, too."""
    return 0.6 * _share(sum(map(str.isalpha, text)), text)


NARROW: Sequence[tuple[Encoding, Callable[[str], float]]] = (
    (Encoding("gb18030", "GB18030", " (GBK is a part of it)"), _like_gb),
    (Encoding("big5", "BIG5"), _like_big5),
    (Encoding("big5hkscs", "BIG5-HKSCS"), _like_big5),
    (Encoding("cp1252", "WINDOWS-1252"), _like_latin),
)


def encoding_of(blocks: Blocks) -> Encoding | None:
    """The encoding of a text. None when it is none of those known here, or the text is damaged.

    UTF_8 is also that of a text in which a few bytes are wrong.
    """
    head = next(iter(blocks()), b"")
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return encoding if _converted(blocks, encoding) is not None else None
    if b"\0" in head and (wide := _wide(blocks)):
        return wide
    if _is_mostly_utf_8(blocks):
        return UTF_8
    return _narrow(blocks)


def _wide(blocks: Blocks) -> Encoding | None:
    """The encoding with NULs in which the text has the most ':' and line ends; None when it has neither."""
    texts = [(_converted(blocks, encoding) or "", encoding) for encoding in WIDE]
    count, encoding = max((text.count(":") + text.count("\n"), encoding) for text, encoding in texts)
    return encoding if count else None


def _narrow(blocks: Blocks) -> Encoding | None:
    """The likeliest encoding of a text without NULs that is not UTF-8."""
    best: tuple[float, Encoding | None] = (LEAST, None)
    for encoding, likeness in NARROW:
        text = _converted(blocks, encoding)
        if text is not None:
            score = likeness("".join(character for character in text if not character.isascii()))
            best = max(best, (score, encoding), key=lambda pair: pair[0])
    return best[1]


def _is_mostly_utf_8(blocks: Blocks) -> bool:
    """Whether the characters of a text are UTF-8, but for a few bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    foreign = damaged = 0
    for block in blocks():
        text = decoder.decode(block)
        foreign += len(text) - len(text.encode("ascii", "ignore"))
        damaged += text.count("\ufffd")
    return foreign - damaged >= FEW * damaged


def _converted(blocks: Blocks, encoding: Encoding) -> str | None:
    """The beginning of the text, when all of it can be converted and has no NUL; None when not."""
    decoder = codecs.getincrementaldecoder(encoding.codec)()
    sample = ""
    try:
        for block in blocks():
            text = decoder.decode(block)
            if "\0" in text:
                return None
            if len(sample) < SAMPLE:
                sample += text
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return None
    return sample
