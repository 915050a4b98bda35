"""The reader of CC-CEDICT: `傳統 传统 [chuan2 tong3] /tradition/traditional/`, or `[[chuan2tong3]]`.

An entry is found under both spellings, traditional and simplified. Lines of `#!` say date and licence.
"""

from collections.abc import Iterator

from netechod.process.dictionary.foreign.formats import CEDICT_LINE
from netechod.process.dictionary.importing.reading import Entry, Reading, text_lines


def read(reading: Reading) -> Iterator[Entry]:
    """The entries of `reading.path`. Raises DictionaryError."""
    reading.title = "CC-CEDICT"
    about: list[str] = []
    for number, line in text_lines(reading, reading.path):
        text = line.strip()
        if text.startswith("#"):
            about.append(text.lstrip("#! "))
            key, _, value = about[-1].partition("=")
            reading.licence = value if key == "license" else reading.licence
        elif found := CEDICT_LINE.fullmatch(text):
            traditional, simplified, sounds, senses = found.groups()
            words = tuple(dict.fromkeys((traditional, simplified)))
            meaning = "\n".join(filter(None, senses.split("/")))
            first = (
                f"{' '.join(words)} [{sounds.strip('[]')}]" if len(words) > 1 else f"[{sounds.strip('[]')}]"
            )
            yield Entry(words, f"{first}\n{meaning}" if meaning else "", f"{reading.path}:{number}")
        elif text:
            reading.skip(f"{reading.path}:{number}", "not 繁體 简体 [pin1 yin1] /meaning/")
    reading.information = "\n".join(about)
