"""The rules of the text services as generators and peers know them: on their own, so that mistakes show.

And dictionaries of any size, made up but always the same.
"""

import random
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

MISS = b"unknown"
MOST_COMMANDS = 100_000
NOT_ONLINE = "你还没有上线,请先上线,运行: online".encode()

_SYLLABLES = (
    "an",
    "ber",
    "co",
    "dra",
    "el",
    "fin",
    "gor",
    "hal",
    "jun",
    "ka",
    "lem",
    "mor",
    "nis",
    "per",
    "zan",
)
_CHARACTERS = [chr(number) for number in range(0x4E00, 0x4E00 + 3000)]


def text_of(data: bytes) -> bytes:
    """The text of a datagram: up to the first NUL, less trailing CR, LF and space."""
    return data.partition(b"\0")[0].rstrip(b"\r\n ")


def load_words(file: Path) -> dict[bytes, bytes]:
    """The entries of a dictionary file; the first of duplicate keys wins."""
    words: dict[bytes, bytes] = {}
    with file.open("rb") as lines:
        for line in lines:
            key, _, value = line.partition(b":")
            if key.strip() and value.strip() and not line.startswith(b"#"):
                words.setdefault(key.strip(), value.strip())
    return words


def invented(size: int) -> Iterator[tuple[str, str]]:
    """Make words and meanings: syllables and a number in base 26, and 2 to 12 Chinese characters."""
    dice = random.Random(size)  # noqa: S311 (made-up words, no secrets)
    for number in islice(count(), size):
        word = "".join(dice.choices(_SYLLABLES, k=dice.randint(1, 3))) + _letters(number)
        yield word, "".join(dice.choices(_CHARACTERS, k=dice.randint(2, 12)))


def _letters(number: int) -> str:
    """A number as letters, so that no two words are the same."""
    text = ""
    while number:
        number, digit = divmod(number, 26)
        text += chr(97 + digit)
    return "-" + text


def write_dictionary(directory: Path, size: int) -> tuple[Path, Path]:
    """A dictionary of so many words, and a file of questions and answers about all of them, shuffled."""
    dictionary, questions = directory / f"words-{size}.txt", directory / f"questions-{size}.txt"
    if not dictionary.exists():
        pairs = list(invented(size))
        with dictionary.open("w", encoding="utf-8") as file:
            file.writelines(f"{word}:{meaning}\n" for word, meaning in pairs)
        random.Random(size).shuffle(pairs)  # noqa: S311 (no secrets)
        with questions.open("w", encoding="utf-8") as file:
            file.writelines(f"{word}\t{meaning}\n" for word, meaning in pairs)
    return dictionary, questions


def write_commands(directory: Path, size: int, command: str) -> tuple[Path, Path]:
    """The same dictionary; commands of DICT about its words, and texts that their answers have.

    `command` has `{word}` in it, or `{start}` for the word without its last letter, or `{near}` for the word
    without its third one.
    """
    dictionary, questions = write_dictionary(directory, size)
    commands = directory / f"{command.split()[0]}-{command.split()[2].strip('{}')}-{size}.txt"
    with questions.open(encoding="utf-8") as lines, commands.open("w", encoding="utf-8") as file:
        for line in islice(lines, MOST_COMMANDS):
            word, _, meaning = line.rstrip("\n").partition("\t")
            asked = command.format(word=word, start=word[:-1], near=word[:2] + word[3:])
            file.write(f"{asked}\t{meaning if command.startswith('DEFINE') else word}\n")
    return dictionary, commands


def write_echoes(directory: Path) -> Path:
    """Questions for UDP echo, each its own answer: 32 bytes with a number, so that no two are alike."""
    questions = directory / "echoes.txt"
    payloads = [f"{number:08d} abcdefghijklmnopqrstuvw" for number in range(4096)]
    questions.write_text("".join(f"{payload}\t{payload}\n" for payload in payloads), encoding="ascii")
    return questions
