"""Thresholds, and the line of a plugin."""

import re

import pytest

from netechod.client.watch.thresholds import Finding, Limits, Status, plugin_line, threshold

LIMITS = Limits(threshold("50ms,5%"), threshold("200ms,20%"))


@pytest.mark.parametrize(
    ("text", "seconds", "percent"),
    [("50ms,5%", 0.05, 5.0), ("5%,50ms", 0.05, 5.0), ("50,5%", 0.05, 5.0), ("0.2s", 0.2, float("inf"))],
)
def test_a_threshold_is_a_time_and_a_loss(text: str, seconds: float, percent: float) -> None:
    assert threshold(text) == (seconds, percent)


@pytest.mark.parametrize("text", ["", "x", "1,2", "5%,6%", "1ms,2%,3", "-1ms", "nan", "inf%", "5 %%"])
def test_what_is_no_threshold_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (whatever its text)
        threshold(text)


@pytest.mark.parametrize(
    ("seconds", "percent", "status"),
    [
        (0.05, 5.0, Status.OK),
        (0.051, 0.0, Status.WARNING),
        (0.01, 5.1, Status.WARNING),
        (0.201, 0.0, Status.CRITICAL),
        (0.01, 20.1, Status.CRITICAL),
        (None, 100.0, Status.CRITICAL),
    ],
)
def test_what_is_beyond_a_threshold_has_its_status(
    seconds: float | None, percent: float, status: Status
) -> None:
    assert LIMITS.status(seconds, percent) is status


def test_the_line_has_a_sentence_and_figures() -> None:
    status, line = plugin_line([Finding("db1", Status.OK, 0.0123, 0.0, LIMITS)])
    assert status == 0
    assert line == (
        "NETECHO OK - db1: 12.300 ms, loss 0 % | 'db1 rta'=12.300ms;50;200;0 'db1 loss'=0%;5;20;0;100"
    )


def test_the_worst_target_decides() -> None:
    findings = [
        Finding("a", Status.OK, 0.01, 0.0, Limits()),
        Finding("b", Status.CRITICAL, None, 100.0, Limits()),
        Finding("c", Status.UNKNOWN, None, 100.0, Limits(), "no name"),
    ]
    status, line = plugin_line(findings)
    assert (status, line.partition(" | ")[0]) == (2, "NETECHO CRITICAL - 2 of 3 targets, worst b: loss 100 %")
    assert plugin_line(findings[::2])[1].startswith("NETECHO UNKNOWN - 1 of 2 targets, worst c: no name | ")
    assert "'b rta'=U;;;0 'b loss'=100%;;;0;100" in line


def test_no_label_breaks_the_form_of_the_line() -> None:
    _, line = plugin_line([Finding("it's a=b|c", Status.OK, 0.001, 0.0, Limits())])
    said, bar, data = line.partition(" | ")
    assert "|" not in said
    assert bar
    assert re.fullmatch(r"'[^'=]+'=[^ ]+ '[^'=]+'=[^ ]+", data)
