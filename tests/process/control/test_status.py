"""The status, in the words that `systemctl status` and the log show."""

from dataclasses import replace

from support.statuses import ALL_OFF

from netechod.process.control.status import DictionaryStatus, Outcome

WORDS = DictionaryStatus(file="/d", entries=3, skipped=0, sha256="", store="memory", generation=4, loaded=0.0)


def test_the_line_tells_of_every_service() -> None:
    status = replace(ALL_OFF, connections=2, dictionary=WORDS, members=5)
    assert status.line() == "echo 2 connections, dictionary 3 words (generation 4), chat 5 online"


def test_a_service_that_is_off_is_not_mentioned_and_an_empty_one_is() -> None:
    assert ALL_OFF.line() == ""
    assert replace(ALL_OFF, connections=0).line() == "echo 0 connections"
    assert replace(ALL_OFF, dictionary=WORDS).line() == "dictionary 3 words (generation 4)"
    assert replace(ALL_OFF, members=0).line() == "chat 0 online"
    assert replace(ALL_OFF, commands=2).line() == "2 commands running"


def test_a_failed_reload_stands_at_the_end_and_a_good_one_is_not_mentioned() -> None:
    failed = Outcome(error="/d: not UTF-8")
    assert replace(ALL_OFF, members=0, last_reload=Outcome()).line() == "chat 0 online"
    assert replace(ALL_OFF, last_reload=failed).line() == "last reload FAILED: /d: not UTF-8"
    both = replace(ALL_OFF, members=0, last_reload=failed)
    assert both.line() == "chat 0 online; last reload FAILED: /d: not UTF-8"


def test_the_report_has_a_line_of_counters_for_every_service() -> None:
    counters = {"chat": {"received": 1, "sent": 2}, "echo-tcp": {"accepted": 3}}
    assert list(replace(ALL_OFF, members=0, counters=counters).report()) == [
        "status up=62 chat 0 online",
        "status chat received=1 sent=2",
        "status echo-tcp accepted=3",
    ]
