"""The dictionary as the generator and the peers read it: on their own, so that netechod's mistakes show."""

from pathlib import Path

MISS = b"unknown"


def load_words(file: Path) -> dict[bytes, bytes]:
    """The entries of a dictionary file; the first of duplicate keys wins."""
    words: dict[bytes, bytes] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() and value.strip() and not line.startswith("#"):
            words.setdefault(key.strip().encode(), value.strip().encode())
    return words
