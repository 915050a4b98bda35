"""The syntax of `key:value` lines: why a line is no entry, and which entries are lines of another format."""

import re

FULL_WIDTH = "："
_FOREIGN = re.compile(  # not in a word
    r"""[\x01-\x1f\x7f"<>{}|=]|[ ]{2}|\][ ]/|[,;](?=[^\s\d])|(?<!\d)[,;](?=\d)"""
)
_CONTROL = re.compile(r"[\x01-\x08\x0a-\x1f\x7f]")  # not in a meaning


def is_foreign(key: str, value: str) -> bool:
    """Whether an entry seems to be a line of another format: it has a separator or a control character."""
    return bool(_FOREIGN.search(key) or _CONTROL.search(value))


def problem_of(line: str) -> str:
    """Why a line is no entry."""
    key, colon, value = line.partition(":")
    if not colon:
        found = f" (found a full-width '{FULL_WIDTH}')" if FULL_WIDTH in line else ""
        return f"no ':'{found}; write it as key:value"
    if not key.strip():
        return "nothing before the ':'"
    if not value.strip():
        return "nothing behind the ':'"
    return f"a full-width '{FULL_WIDTH}' before the ':'; write it as key:value"
