"""The status, in the words that `systemctl status` and the log show."""

from dataclasses import replace

from support.statuses import ALL_OFF

from netechod.process.control.status import Outcome


def test_the_line_has_a_part_for_each_service() -> None:
    status = replace(ALL_OFF, summaries=["echo 2 connections", "chat 5 online"])
    assert status.line() == "echo 2 connections, chat 5 online"
    assert ALL_OFF.line() == ""


def test_the_keys_of_services_stand_beside_those_of_the_daemon() -> None:
    status = replace(ALL_OFF, reports={"members": 3, "toys": 5}).as_json()
    assert (status["members"], status["toys"], status["version"]) == (3, 5, ALL_OFF.version)
    assert {status[key] for key in ("connections", "dictionary", "commands")} == {None}
    assert not {"reports", "gauges", "summaries"} & status.keys()


def test_a_failed_reload_stands_at_the_end_and_a_good_one_is_not_mentioned() -> None:
    failed = Outcome(error="/d: not UTF-8")
    assert replace(ALL_OFF, summaries=["chat 0 online"], last_reload=Outcome()).line() == "chat 0 online"
    assert replace(ALL_OFF, last_reload=failed).line() == "last reload FAILED: /d: not UTF-8"
    both = replace(ALL_OFF, summaries=["chat 0 online"], last_reload=failed)
    assert both.line() == "chat 0 online; last reload FAILED: /d: not UTF-8"


def test_the_report_has_a_line_of_counters_for_every_service() -> None:
    counters = {"chat": {"received": 1, "sent": 2}, "echo-tcp": {"accepted": 3}}
    assert list(replace(ALL_OFF, summaries=["chat 0 online"], counters=counters).report()) == [
        "status up=62 chat 0 online",
        "status chat received=1 sent=2",
        "status echo-tcp accepted=3",
    ]
