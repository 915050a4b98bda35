"""One record, one line: nothing that a peer or a mistake puts into it changes that."""

import json
import logging
import re
import sys
from collections.abc import Callable
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netechod.levels import LEVELS
from netechod.process.log.format import FORMATS, REMOTE_LIMIT, Entry, entry_of, quoted
from netechod.services.wire import escape_controls

FORMAT_NAMES = st.sampled_from(sorted(FORMATS))


def record(level: str = "NORMAL", message: object = "a message", **more: object) -> logging.LogRecord:
    return logging.makeLogRecord({"levelno": LEVELS[level], "msg": message, "created": 1795225979.25} | more)


def line(format: str, made: logging.LogRecord) -> str:
    return FORMATS[format](entry_of(made), 55)


def test_the_classic_line_is_the_tutorials() -> None:
    assert line("classic", record(message="bind socket success")) == (
        "[NORMAL][1795225979][pid:55]bind socket success"
    )


@pytest.mark.parametrize("level", LEVELS)
def test_levels_have_the_project_s_names(level: str) -> None:
    assert line("classic", record(level)).startswith(f"[{level}]")


@pytest.mark.parametrize(("number", "name"), [(5, "DEBUG"), (25, "NORMAL"), (45, "ERROR"), (99, "FATAL")])
def test_a_level_between_two_names_has_the_lower_one(number: int, name: str) -> None:
    assert Entry(0.0, number, "", {}).level_name == name


def test_the_iso_stamp_is_local_time_with_its_offset() -> None:
    found = re.fullmatch(r"\[WARNING\]\[(.+)\]\[pid:55\]a message", line("iso", record("WARNING")))
    assert found is not None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.250[+-]\d\d:\d\d", found[1])
    assert datetime.fromisoformat(found[1]).timestamp() == 1795225979.25


SYSLOG = re.compile(
    r"<(\d{1,3})>1 (\S+) (\S{1,255}) netechod 55 (\S{1,32}) "
    r'(-|\[netechod@32473(?: [a-z]+="(?:[^"\\\]]|\\["\\\]])*")+\]) (.*)'
)
"""A message of RFC 5424, 6, with our fields."""


def test_syslog_is_a_message_of_rfc_5424() -> None:
    found = SYSLOG.fullmatch(line("syslog", record("ERROR", event="join", service="chat", peer='a"]\\b')))
    assert found is not None
    assert (found[1], found[4], found[6]) == ("27", "join", "a message")
    assert found[5] == '[netechod@32473 service="chat" peer="a\\"\\]\\\\b"]'
    assert datetime.fromisoformat(found[2]).timestamp() == 1795225979.25
    assert len(found[2].partition(".")[2].partition("+")[0].partition("-")[0]) <= 6


def test_syslog_has_dashes_for_what_is_not_known() -> None:
    found = SYSLOG.fullmatch(line("syslog", record("NORMAL")))
    assert found is not None
    assert (found[1], found[4], found[5]) == ("30", "-", "-")


def test_json_has_the_known_extras_and_no_others() -> None:
    told = json.loads(line("json", record("ERROR", event="join", peer="192.0.2.1--4000", colour="red")))
    assert datetime.fromisoformat(told.pop("time")).timestamp() == 1795225979.25
    assert told == {
        "level": "ERROR",
        "pid": 55,
        "message": "a message",
        "event": "join",
        "peer": "192.0.2.1--4000",
    }


def test_an_exception_is_appended_to_the_same_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        made = record(message="it failed", exc_info=sys.exc_info())
    text = line("classic", made)
    assert text.startswith(r"[NORMAL][1795225979][pid:55]it failed\nTraceback (most recent call last):\n")
    assert text.endswith(r"ValueError: two\nlines")


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "made",
    [
        record(message="%d members", args=("many",), filename="chat.py", lineno=7),
        record(message=Unprintable(), filename="chat.py", lineno=7),
        record(peer=Unprintable(), filename="chat.py", lineno=7),
    ],
)
def test_a_log_call_that_fails_is_named_instead(made: logging.LogRecord) -> None:
    assert re.search(r"\]log call at chat.py:7 failed: (Type|Runtime)Error$", line("classic", made))


@given(FORMAT_NAMES, st.text(), st.text(), st.text())
def test_any_record_is_one_line_without_a_control_character(
    format: str, message: str, argument: str, peer: str
) -> None:
    text = line(format, record(message=message.replace("%", "") + "%s", args=(argument,), peer=peer))
    assert len(text.splitlines()) == 1
    assert escape_controls(text) == text
    assert text.encode()


@given(st.text(), st.text())
def test_any_json_line_says_what_happened(message: str, peer: str) -> None:
    told = json.loads(line("json", record(message=message, peer=peer)))
    assert (told["message"], told["peer"]) == (escape_controls(message), escape_controls(peer))


@pytest.mark.parametrize("make", [str, str.encode])
def test_remote_text_is_cut(make: Callable[[str], str | bytes]) -> None:
    assert quoted(make("苹" * 70000)) == "苹" * REMOTE_LIMIT
    assert quoted(make("\x1b" * 70000)) == r"\x1b" * (REMOTE_LIMIT // 4)
    assert quoted(make("苹果")) == "苹果"


@given(st.binary() | st.text())
def test_any_remote_text_is_made_harmless(text: bytes | str) -> None:
    shown = quoted(text)
    assert escape_controls(shown) == shown
    assert len(shown) <= REMOTE_LIMIT
