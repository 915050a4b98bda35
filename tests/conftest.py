"""What all tests share: texts in English, whatever the locale; default signals; no deadlines; short names."""

import os
import signal

import pytest
from hypothesis import settings

os.environ["NETECHO_LANG"] = "en"
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # programs inherit that nohup(1) has it ignored

settings.register_profile("any machine", deadline=None)  # no test is about time
settings.load_profile("any machine")

LONGEST = 40  # characters of a parameter in the name of a test


def pytest_addoption(parser: pytest.Parser) -> None:
    """See scripts/test --help."""
    parser.addoption(
        "--first-parameters", action="store_true", help="of each test, run only the first of its parameters"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what --first-parameters leaves out."""
    if config.getoption("--first-parameters"):
        first = {item.nodeid.partition("[")[0]: item for item in reversed(items)}
        left_out = [item for item in items if first[item.nodeid.partition("[")[0]] is not item]
        items[:] = [item for item in items if first[item.nodeid.partition("[")[0]] is item]
        config.hook.pytest_deselected(items=left_out)


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Cut a text that is a parameter: a test that fails is to be named on a line or two."""
    if not isinstance(val, str | bytes):
        return None
    text = val if isinstance(val, str) else val.decode("latin-1")
    escaped = text.encode("unicode_escape").decode("ascii")
    return escaped if len(escaped) <= LONGEST else escaped[: LONGEST - 3] + "..."
