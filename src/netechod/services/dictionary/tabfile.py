r"""The syntax of a Tabfile: `word|another word<TAB>meaning`, one entry a line.

A backslash begins an escape: `\n`, `\t`, `\\`, and `\|` for a bar in a word. Lines of `##key<TAB>value` at
the top are facts about the dictionary. StarDict's tabfile and pyglossary read and write this format, too.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netechod.services.wire import printable

SUFFIXES = (".tsv", ".tab")  # of files that are Tabfiles unless the operator says something else
MAX_TITLE = 100  # characters of a title in a list
MAX_FACT = 128 * 1024  # characters of a fact, to which no more are added

_ESCAPE = re.compile(r"\\([nt\\|])")
_ESCAPED = {"n": "\n", "t": "\t"}
_WORD = re.compile(r"(?:[^|\\]|\\.?)+")  # up to a bar that is not escaped
_KINDS: Mapping[str, str] = {
    "name": "title",
    "bookname": "title",
    "title": "title",
    "licence": "licence",
    "license": "licence",
    "information": "information",
    "description": "information",
    "copyright": "information",
}


def is_tabfile(name: str) -> bool:
    """Whether a file of this name is a Tabfile."""
    return name.endswith(SUFFIXES)


def escaped(text: str) -> str:
    r"""The text in one line, without a tab.

    >>> print(escaped("a\nb\\"))
    a\nb\\
    """
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def unescaped(text: str) -> str:
    """The text that was escaped. A backslash before any other character stays."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), text)


@dataclass
class About:
    """The facts that a Tabfile states about itself."""

    title: str = ""
    licence: str = ""
    information: str = ""

    def note(self, line: str) -> bool:
        """Note what a line at the top says. Returns whether it is one of these lines."""
        if not line.startswith("##"):
            return False
        key, _, value = line.removeprefix("##").partition("\t")
        kind = _KINDS.get(key.strip())
        if kind is not None and len(getattr(self, kind)) < MAX_FACT:
            setattr(self, kind, f"{getattr(self, kind)}\n{unescaped(value)}".strip())
        return True

    @property
    def short_title(self) -> str:
        """The title for a list of dictionaries."""
        return printable(" ".join(self.title.split()))[:MAX_TITLE]

    @property
    def text(self) -> str:
        """All that a reader should know: the information, and the licence."""
        return "\n".join(filter(None, (self.information, self.licence)))


def entry_of(line: str) -> tuple[Sequence[str], str] | None:
    """The words of an entry, none of which is empty, and its meaning. None: the line has no tab."""
    words, tab, meaning = line.partition("\t")
    if not tab:
        return None
    is_plain = "|" not in words and "\\" not in words
    named = [words] if is_plain else map(unescaped, _WORD.findall(words))
    named = [" ".join(word.split()) for word in named]
    return [word for word in named if word], unescaped(meaning).strip()
