"""Loading a dictionary at once, for tests that do not look at the steps."""

from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar

from netechod.process.dictionary.file import parsed, read_blocks
from netechod.services.dictionary import MemoryDictionary
from netechod.services.dictionary_parser import DEFAULT_RULES, Rules

T = TypeVar("T")


def completed(steps: Generator[Any, Any, T]) -> T:
    """Take all steps at once. Returns their value."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            value: T = done.value
            return value


def load_file(file: Path, *, max_size: int = 1 << 30, rules: Rules = DEFAULT_RULES) -> MemoryDictionary:
    """The edition in memory of a file. Raises DictionaryError."""
    return completed(parsed(file, read_blocks(file, max_size=max_size), rules))
