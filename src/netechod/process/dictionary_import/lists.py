r"""The readers of word lists: a word, a separator, and its meaning in each line.

Tab-separated lists are Tabfiles: `\n`, `\t` and `\\` are escapes, a bar stands between words that share the
meaning, and lines of `##key<TAB>value` at the top say what the list is.
"""

import re
from collections.abc import Callable, Iterator

from netechod.process.dictionary_import.reading import Entry, Reading, text_lines

SEPARATORS = {
    "spaces": (re.compile(r"[ \u3000]{2,}|\u3000"), "several spaces"),
    "colon": (re.compile("[:：]"), "a colon"),
    "comma": (re.compile("[，,]"), "a comma"),
    "equals": (re.compile("[=＝]"), "an equals sign"),
}
_ESCAPE = re.compile(r"\\([nt\\|])")
_WORD = re.compile(r"(?:[^|\\]|\\.?)+")  # up to a bar that is not escaped
_ESCAPED = {"n": "\n", "t": "\t"}


def reader_of(form: str) -> Callable[[Reading], Iterator[Entry]]:
    """The reader of lists with this kind of separator."""
    separator, name = SEPARATORS[form]

    def read(reading: Reading) -> Iterator[Entry]:
        for number, line in text_lines(reading, reading.path):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            word, *rest = separator.split(text, maxsplit=1)
            if rest:
                yield Entry((word,), rest[0], f"{reading.path}:{number}")
            else:
                reading.skip(f"{reading.path}:{number}", f"no separator; {name} should stand behind the word")

    return read


def read_tabs(reading: Reading) -> Iterator[Entry]:
    """The entries of a tab-separated list. Raises DictionaryError."""
    at_top = True
    for number, line in text_lines(reading, reading.path):
        words, tab, meaning = line.rstrip("\r\n").partition("\t")
        at_top = at_top and line.startswith("##")
        if at_top:
            _note(reading, words.removeprefix("##").strip(), unescaped(meaning).strip())
        elif tab:
            named = tuple(map(unescaped, _WORD.findall(words)))
            yield Entry(named or ("",), unescaped(meaning).strip(), f"{reading.path}:{number}")
        elif words.strip() and not words.startswith("#"):
            reading.skip(f"{reading.path}:{number}", "no tab between a word and its meaning")


def unescaped(text: str) -> str:
    """The text that was written with escapes; a backslash before anything else stays."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), text)


def _note(reading: Reading, key: str, value: str) -> None:
    """Note what a line at the top says. The names are ours and pyglossary's."""
    if key in ("name", "bookname", "title"):
        reading.title = value
    elif key in ("licence", "license"):
        reading.licence = value
    elif key in ("information", "description", "copyright"):
        reading.information = f"{reading.information}\n{value}".strip()
