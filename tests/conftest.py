"""What all tests share: texts in English, whatever the locale of whoever runs them, and short names."""

import os

import pytest

os.environ["NETECHO_LANG"] = "en"

LONGEST = 40  # characters of a parameter in the name of a test


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Cut a text that is a parameter: a test that fails is to be named on a line or two."""
    if not isinstance(val, str | bytes):
        return None
    text = val if isinstance(val, str) else val.decode("latin-1")
    escaped = text.encode("unicode_escape").decode("ascii")
    return escaped if len(escaped) <= LONGEST else escaped[: LONGEST - 3] + "..."
