"""What is watched, as people write it down."""

import socket
from pathlib import Path

import pytest

from netechod.client.watch.targets import Target, Targets, read_targets
from netechod.client.watch.thresholds import Threshold

USUAL = Target("", "tcp", "", 0)


def of_words(*words: str, usual: Target = USUAL) -> Targets:
    return read_targets(words, (), usual)


def of_file(directory: Path, text: str | bytes) -> Targets:
    file = directory / "t"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = read_targets((), [file], USUAL)
    return Targets(found.targets, [problem.replace(f"{file}", "t") for problem in found.problems])


@pytest.mark.parametrize(
    ("word", "url", "size"),
    [
        ("a", "tcp://a:8080", 56),
        ("a:7", "tcp://a:7", 56),
        ("UDP://A.Example:7", "udp://a.example:7", 56),
        ("stamp://r1", "stamp://r1:862", 44),
        ("udp://[::1]:9", "udp://[::1]:9", 56),
        ("udp://::1", "udp://[::1]:8080", 56),
        ("tcp://a:7/", "tcp://a:7", 56),
    ],
)
def test_a_target_is_a_url_or_a_host(word: str, url: str, size: int) -> None:
    found = of_words(word)
    assert [(it.label, it.url, it.payload_size) for it in found.targets] == [(word, url, size)]
    assert found.problems == []


def test_the_options_of_the_command_line_hold_for_targets_that_say_nothing_else(tmp_path: Path) -> None:
    usual = USUAL._replace(scheme="udp", interval=5.0)
    file = tmp_path / "t"
    file.write_text("a\ntcp://b interval=2\n")
    found = read_targets(["c"], [file], usual)
    assert [(it.url, it.interval) for it in found.targets] == [
        ("udp://c:8080", 5.0),
        ("udp://a:8080", 5.0),
        ("tcp://b:8080", 2.0),
    ]


def test_a_line_has_a_label_and_options(tmp_path: Path) -> None:
    found = of_file(
        tmp_path,
        '\ufeff# all\n\nudp://a "db one" interval=0.5s timeout=3 size=100 family=4 '
        "warning=50ms,5% critical=1s   # why\n",
    )
    assert found.problems == []
    target = found.targets[0]
    assert (target.label, target.interval, target.timeout, target.size) == ("db one", 0.5, 3.0, 100)
    assert target.family == socket.AF_INET
    assert target.limits.warning == Threshold(0.05, 5.0)
    assert target.limits.critical == Threshold(1.0)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("http://a", "'http://a': no such scheme; there are tcp, udp, stamp"),
        ("udp://", "no host in ''"),
        ("a:0", "no port between 1 and 65535: '0'"),
        ("a:99999", "no port between 1 and 65535: '99999'"),
        ("udp://[::1", "no HOST[:PORT]: '[::1'"),
        ('a "b', "a quotation mark is missing"),
        ("a b c", "a second label: 'c'"),
        ("a colour=red", "no option 'colour'; they are interval, timeout, size, family, warning, critical"),
        ("a interval=fast", "interval=fast: not a valid value"),
        ("a interval=0", "interval=0: at least 0.01 s"),
        ("a interval=nan", "interval=nan: at least 0.01 s"),
        ("a timeout=inf", "timeout=inf: at least 0.01 s"),
        ("a family=5", "family=5: not a valid value"),
        ("a size=7", "7: a payload has 8 to 65507 bytes"),
        ("stamp://a size=45", "45: a payload has 48 to 65507 bytes"),
        ("a warning=x", "warning=x: not a valid value"),
        ("a warning=1,2,3", "warning=1,2,3: not a valid value"),
        ("a critical=-1%", "critical=-1%: not a valid value"),
        ("ok", "tcp://ok:8080 is there already, and is watched once"),
        ("x ok", "the label 'ok' is that of tcp://ok:8080"),
    ],
)
def test_a_broken_line_is_told_with_its_place_and_the_others_are_watched(
    tmp_path: Path, line: str, problem: str
) -> None:
    found = of_file(tmp_path, f"ok\n# a remark\n{line}\nlast\n")
    assert [it.label for it in found.targets] == ["ok", "last"]
    assert found.problems == [f"t:3: {problem}"]


def test_a_file_that_is_not_utf_8_is_told_with_the_line(tmp_path: Path) -> None:
    assert of_file(tmp_path, b"a\nb\xff\n").problems == ["t:2: not UTF-8"]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "nosuch"
    assert read_targets((), [file], USUAL).problems == [f"{file}: No such file or directory"]


def test_a_size_that_a_probe_of_stamp_has_anyway_is_taken(tmp_path: Path) -> None:
    found = of_file(tmp_path, "stamp://a size=44\nstamp://b size=48\n")
    assert [it.payload_size for it in found.targets] == [44, 48]


def test_a_target_that_is_named_twice_is_watched_once() -> None:
    found = of_words("a", "tcp://a:8080", "udp://a")
    assert [it.label for it in found.targets] == ["a", "udp://a"]
    assert found.problems == ["tcp://a:8080 is there already, and is watched once"]
