"""Arguments and their expressions: matches of the whole argument, within a limit of CPU time."""

import re
import signal

import pytest

from netechod.reactor.jobs.matching import first_mismatch
from netechod.services.api import Check


def check(pattern: str, argument: str) -> Check:
    return Check(pattern, re.ASCII, argument)


@pytest.mark.parametrize(
    ("checks", "number"),
    [
        ([], 0),
        ([("a+", "aaa")], 0),
        ([("a+", "aab")], 1),
        ([("a+", "baa")], 1),
        ([("a$", "a\n")], 1),
        ([("a", "a"), ("b", "b")], 0),
        ([("a", "a"), ("b", "x"), ("c", "x")], 2),
        ([("(?i)a", "A"), ("\\w", "é")], 2),
        ([("[[a]", "[")], 0),
    ],
)
def test_the_first_argument_that_does_not_match_whole_is_told(
    checks: list[tuple[str, str]], number: int
) -> None:
    assert first_mismatch([check(*each) for each in checks]) == number


@pytest.mark.parametrize(
    ("pattern", "argument"),
    [
        ("(a+)+$", "a" * 1000 + "!"),
        ("(a|aa)+", "a" * 1000 + "!"),
        ("(a*)*b", "a" * 1000),
        ("(.*,){20}x", "1," * 400),
        ("(\\w+\\s?)*", "x" * 1000 + "!"),
        ("(x+x+)+y", "x" * 1000),
    ],
)
def test_an_argument_that_takes_too_long_does_not_match(pattern: str, argument: str) -> None:
    assert first_mismatch([check("a", "a"), check(pattern, argument), check("a", "a")]) == 2


def test_nothing_is_left_behind() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    first_mismatch([check("(a+)+$", "a" * 1000 + "!")])
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGVTALRM) == before
