"""The names that people give to themselves. They are a convention among clients; the room knows addresses.

A member says `/nick NAME`: a line as any other, which a person with another client can read, and can say. A
line whose name breaks these rules is a message. So nobody gets a name that looks like an address, has
characters that nobody sees, or mixes alphabets to look like another one (UTS #39).
"""

import re
from unicodedata import category, name, normalize

from netechod.client.i18n.translate import tr
from netechod.services.cells import cells

MOST_CELLS = 20  # columns: ten Chinese characters
MOST_BYTES = 80
MOST_MARKS = 2  # that join one letter: more of them run into the lines above and below

_LETTERS = {"Lu", "Ll", "Lt", "Lo"}
_FURTHER = {*_LETTERS, "Nd", "Mn", "Mc"}  # digits, and marks that join the letter before them
_PUNCTUATION = frozenset("-_\u3005\u30fc\u309d\u309e\u30fd\u30fe")  # the latter six repeat or prolong kana
_DECEPTIVE = re.compile(
    "["
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"  # nobody sees these
    "\u01c0-\u01c3\ua4d0-\ua4ff\ua78f"  # letters that look like | ! . : and ,
    "]"
)
_EAST_ASIAN = {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO", "LATIN"}
"""Scripts that people write together, by the first words of the names of their characters."""

_LOOK_ALIKES = {
    "a": "\u0430\u03b1",
    "b": "\u0432\u03b2",
    "c": "\u0441",
    "d": "\u0501",
    "e": "\u0435",
    "h": "\u043d\u04bb",
    "j": "\u0458",
    "k": "\u043a\u03ba",
    "l": "1i\u0131\u0456\u03b9\u04cf",
    "m": "\u043c",
    "n": "\u03b7",
    "o": "0\u043e\u03bf\u0585",
    "p": "\u0440\u03c1",
    "q": "\u051b",
    "s": "\u0455",
    "t": "\u0442\u03c4",
    "u": "\u03c5\u057d",
    "v": "\u03bd\u0475",
    "w": "\u051d\u03c9",
    "x": "\u0445\u03c7",
    "y": "\u0443\u03b3",
    "\u4e00": "\u30fc",
    "\u4e8c": "\u30cb",
    "\u529b": "\u30ab",
    "\u53e3": "\u30ed",
    "\u535c": "\u30c8",
    "\u5915": "\u30bf",
    "\u5de5": "\u30a8",
    "\u516b": "\u30cf",
    "\u3078": "\u30d8",
}
"""Letters by the one that they look like, in small letters: Cyrillic, Greek, Armenian, kana, and digits."""
_SKELETON = str.maketrans({other: one for one, others in _LOOK_ALIKES.items() for other in others})


def normal(text: str) -> str:
    """Return a name as it is sent: one code for each character, and full-width letters as usual ones."""
    return normalize("NFKC", text.strip())


def flaw_of(nick: str) -> str | None:
    """Return why `nick` cannot be a name, for people; None if it can."""
    if not nick or cells(nick) > MOST_CELLS or len(nick.encode(errors="replace")) > MOST_BYTES:
        return tr("a name takes 1 to {most} columns", most=MOST_CELLS)
    if category(nick[0]) not in _LETTERS:
        return tr("a name begins with a letter")
    for char in nick:
        if (category(char) not in _FURTHER and char not in _PUNCTUATION) or _DECEPTIVE.match(char):
            return tr("a name has letters, digits, - and _: not {char}", char=ascii(char))
    if "--" in nick:
        return tr("two dashes are for addresses")
    if normal(nick) != nick or _has_many_marks(nick):
        return tr("a name has no characters that are drawn over one another")
    if not _is_of_one_script(nick):
        return tr("a name mixes no alphabets")
    return None


def _has_many_marks(nick: str) -> bool:
    marks = "".join("m" if category(char).startswith("M") else " " for char in nick)
    return "m" * (MOST_MARKS + 1) in marks


def _is_of_one_script(nick: str) -> bool:
    scripts = {name(char, "").partition(" ")[0] for char in nick if category(char) in _LETTERS}
    return len(scripts) == 1 or scripts <= _EAST_ASIAN


def skeleton(nick: str) -> str:
    """Return what names have in common that look alike.

    >>> skeleton("Bill") == skeleton("biII"), skeleton("ann") == skeleton("anna")
    (True, False)
    """
    return nick.casefold().translate(_SKELETON).replace("rn", "m").replace("vv", "w")
