"""What a node makes of the entries of others: every line once, in order, and none missing unnoticed."""

import pytest
from support.realm_bench import EARLY, LATE, MIDDLE, Bench

from netechod.services.realm import nodes as nodes_module
from netechod.services.realm.terms import Terms

ANN, BOB = b"192.0.2.1--40001", b"192.0.2.2--40002"
ANN_ONLINE, ANN_OFFLINE = ANN + b"#online", ANN + b"#offline"
BOB_ONLINE, BOB_OFFLINE = BOB + b"#online", BOB + b"#offline"


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.connect()
    bench.entries(0.0)
    return bench


def test_members_of_others_come_talk_and_leave(bench: Bench) -> None:
    assert bench.read(b"+" + ANN) == [ANN_ONLINE]
    assert bench.read(b"=" + ANN + b"#hi", b"=" + ANN + b"#you", number=1) == [ANN + b"#hi", ANN + b"#you"]
    [member] = bench.realm.members()
    assert (member.node, member.name) == ("b", ANN.decode())
    assert bench.read(b"-" + ANN + b" said", number=3) == [ANN_OFFLINE]
    assert bench.realm.members() == []
    assert bench.realm.counters["received"] == 4


def test_who_comes_twice_or_leaves_twice_is_told_once(bench: Bench) -> None:
    assert bench.read(b"+" + ANN, b"+" + ANN, b"-" + ANN + b" idle", b"-" + ANN + b" idle") == [
        ANN_ONLINE,
        ANN_OFFLINE,
    ]


def test_who_talks_is_online(bench: Bench) -> None:
    assert bench.read(b"=" + ANN + b"#hi") == [ANN_ONLINE, ANN + b"#hi"]


def test_lines_that_come_again_are_dropped_and_counted(bench: Bench) -> None:
    bench.read(b"+" + ANN, b"=" + ANN + b"#1", b"=" + ANN + b"#2")
    assert bench.read(b"=" + ANN + b"#2", b"=" + ANN + b"#3", number=2) == [ANN + b"#3"]
    assert bench.read(b"+" + ANN, b"=" + ANN + b"#1") == []
    assert bench.realm.counters["duplicates"] == 3


def test_a_gap_is_counted_told_and_followed_by_a_question(bench: Bench) -> None:
    bench.read(b"+" + ANN, members=1)
    bench.said(1.0)
    bench.kinds()
    assert bench.read(b"=" + ANN + b"#4", number=4, now=3.0) == [ANN + b"#4"]
    assert (bench.realm.missed, bench.kinds()) == ({"gap": 3}, [("missed", "b", 3, "gap")])
    assert bench.said(3.0) == [b"?"]
    [node] = bench.realm.nodes(4.0)
    assert node == ("b", 1, 1.0, 2, 3)


def test_a_beat_shows_a_gap_too(bench: Bench) -> None:
    bench.read(b"+" + ANN)
    bench.read(number=3)
    assert bench.realm.missed == {"gap": 2}


def test_an_entry_older_than_a_lease_makes_nobody_known(bench: Bench) -> None:
    assert bench.read(b"+" + ANN, now=20.0, age=15.1) == []
    assert (bench.realm.counters["past"], bench.realm.nodes(20.0)) == (1, [])


def test_lines_older_than_a_lease_are_counted_and_not_told(bench: Bench) -> None:
    bench.read(b"+" + ANN, members=1)
    assert bench.read(b"=" + ANN + b"#old", b"-" + ANN + b" said", number=2, now=5.0, age=16.0) == []
    assert bench.realm.missed == {"too old": 3}
    assert bench.read(b"=" + ANN + b"#new", number=4, now=5.0) == [ANN + b"#new"]
    assert bench.read(b"=" + ANN + b"#new", number=4, now=5.0, age=16.0) == []
    assert bench.realm.missed == {"too old": 3}


# Who is there


def test_a_node_that_is_new_is_asked_for_its_members(bench: Bench) -> None:
    assert bench.read(members=1, now=2.0) == []
    assert bench.said(2.0) == [b"?"]
    assert bench.read(b"(", b"*" + ANN, b")", members=1, now=2.1) == [ANN_ONLINE]
    assert bench.kinds() == [("up", "b", 1, "")]


def test_of_a_snapshot_only_the_differences_are_told(bench: Bench) -> None:
    bench.read(b"+" + ANN, b"+" + BOB)
    told = bench.read(b"(", b"*" + BOB, b"*" + BOB, b"*192.0.2.3--3", b")", number=2)
    assert told == [ANN_OFFLINE, b"192.0.2.3--3#online"]


def test_a_snapshot_may_take_several_entries(bench: Bench) -> None:
    assert bench.read(b"(", b"*" + ANN) == []
    assert bench.read(b"*" + BOB, b")", number=2) == [ANN_ONLINE, BOB_ONLINE]


def test_a_snapshot_without_its_beginning_or_with_a_gap_is_not_believed(bench: Bench) -> None:
    bench.read(b"+" + ANN)
    assert bench.read(b"*" + BOB, b")", number=1) == []
    assert bench.read(b"(", b"*" + BOB, number=3) == []
    assert bench.read(b")", number=6) == []
    assert [member.name for member in bench.realm.members()] == [ANN.decode()]


def test_a_snapshot_that_begins_again_counts_from_there(bench: Bench) -> None:
    assert bench.read(b"(", b"*" + ANN, b"(", b"*" + BOB, b")") == [BOB_ONLINE]


def test_a_beat_with_another_number_of_members_is_a_reason_to_ask(bench: Bench) -> None:
    bench.read(b"+" + ANN, members=1)
    bench.said(2.0)
    bench.read(number=1, members=1, now=2.0)
    bench.said(2.0)
    bench.read(b"(", b"*" + ANN, b")", number=1, members=1, now=2.1)
    bench.said(3.5)
    bench.read(number=4, members=1, now=5.0)
    assert bench.said(5.0) == []
    bench.read(number=4, members=2, now=6.0)
    assert bench.said(6.0) == [b"?"]


def test_more_members_than_allowed_are_no_reason_to_ask(bench: Bench) -> None:
    bench.realm.configure(Terms(max_members=1))
    bench.read(b"(", b"*" + ANN, b"*" + BOB, b")", members=2)
    bench.realm.deadline_reached(2.0)
    bench.said(2.0)
    bench.read(number=4, members=2, now=5.0)
    assert bench.said(5.0) == []
    assert bench.realm.refused == {"members": 1}


def test_no_reason_is_seen_in_a_beat_while_a_snapshot_comes(bench: Bench) -> None:
    bench.read(b"(", b"*" + ANN, members=1)
    bench.realm.deadline_reached(2.0)
    bench.said(2.0)
    bench.read(number=2, members=1, now=3.0)
    assert bench.said(3.0) == []


def test_a_question_is_answered_with_all_names_once_a_second(bench: Bench) -> None:
    bench.realm.came("198.51.100.1--1", 1.0)
    bench.said(1.0)
    bench.read(b"?", now=2.0)
    bench.read(b"?", node="c", now=2.0)
    assert bench.said(2.0) == [b"(", b"*198.51.100.1--1", b")"]
    bench.read(b"?", number=1, now=2.5)
    assert bench.said(2.5) == []
    bench.realm.deadline_reached(3.0)
    assert bench.said(3.0)[0] == b"("


def test_a_node_that_stops_takes_its_members_along(bench: Bench) -> None:
    bench.read(b"+" + ANN, members=1)
    bench.kinds()
    assert bench.read(b"!", b"+" + BOB, number=1) == [ANN_OFFLINE]
    assert (bench.kinds(), bench.realm.nodes(0.0)) == ([("lost", "b", 1, "bye")], [])
    assert bench.read(number=1) == [], "a beat from before"
    assert bench.realm.nodes(0.0) == []


def test_a_node_that_is_back_shows_what_was_missed(bench: Bench) -> None:
    bench.read(b"+" + ANN, b"!", members=1)
    bench.kinds()
    assert bench.read(b"+" + BOB, number=4, members=1) == [BOB_ONLINE]
    assert bench.kinds() == [("missed", "b", 2, "gap"), ("back", "b", 1, "")]


# Its processes


def test_a_later_process_takes_over_and_the_members_stay_until_it_tells_who_is_there(bench: Bench) -> None:
    bench.read(b"+" + ANN, b"+" + BOB, epoch=EARLY)
    bench.said(2.0)
    assert bench.read(b"=" + BOB + b"#me", epoch=MIDDLE, now=3.0) == [BOB + b"#me"]
    assert bench.said(3.0) == [b"?"]
    bench.read(number=1, epoch=MIDDLE, members=2, now=4.0)
    bench.realm.deadline_reached(4.0)
    assert bench.said(4.0) == [b"?"], "it is not known which two they are"
    assert bench.read(b"(", b"*" + BOB, b")", number=1, epoch=MIDDLE, now=4.1) == [ANN_OFFLINE]


def test_the_first_lines_of_a_later_process_may_be_missing(bench: Bench) -> None:
    bench.read(b"+" + ANN, epoch=EARLY)
    bench.read(b"=" + ANN + b"#hi", number=5, epoch=MIDDLE)
    assert bench.realm.missed == {"gap": 5}


def test_what_an_earlier_process_has_said_is_stale(bench: Bench) -> None:
    bench.read(b"+" + ANN, epoch=MIDDLE)
    assert bench.read(b"=" + ANN + b"#old", epoch=EARLY) == []
    assert bench.realm.counters["stale"] == 1


def test_an_old_entry_of_a_later_process_changes_nothing(bench: Bench) -> None:
    bench.read(b"+" + ANN, epoch=EARLY, now=20.0)
    assert bench.read(b"=" + ANN + b"#old", epoch=MIDDLE, now=20.0, age=16.0) == []
    assert bench.read(b"=" + ANN + b"#yes", number=1, epoch=EARLY, now=20.0) == [ANN + b"#yes"]


def test_of_a_lost_node_any_process_is_heard_and_nothing_twice(bench: Bench) -> None:
    bench.read(b"=" + ANN + b"#1", b"=" + ANN + b"#2", epoch=EARLY)
    bench.read(b"!", epoch=MIDDLE)
    assert bench.read(b"=" + ANN + b"#2", b"=" + ANN + b"#3", number=1, epoch=EARLY) == [
        ANN_ONLINE,
        ANN + b"#3",
    ]


def test_the_numbers_of_some_earlier_processes_are_remembered(bench: Bench) -> None:
    for number in range(nodes_module.MAX_EPOCHS + 3):
        bench.read(b"+" + ANN, epoch=f"{number:016x}")
    node = bench.realm._nodes.find("b")
    assert node is not None
    assert len(node.past) == nodes_module.MAX_EPOCHS
    assert f"{2:016x}" in node.past


def test_a_node_that_goes_on_under_another_name_keeps_its_members(bench: Bench) -> None:
    bench.read(b"+" + ANN, epoch=MIDDLE, members=1)
    bench.read(epoch=LATE)  # another process calls itself b
    assert bench.read(b"=" + ANN + b"#me", number=1, epoch=MIDDLE, node="b-0002", members=1) == [ANN + b"#me"]
    assert [member.node for member in bench.realm.members()] == ["b-0002"]
    assert bench.read(b"(", b")", epoch=LATE) == []


def test_a_node_under_another_name_has_no_members_yet_if_the_other_process_has_told_its_own(
    bench: Bench,
) -> None:
    bench.read(b"+" + ANN, epoch=MIDDLE, members=1)
    assert bench.read(b"(", b")", epoch=LATE) == [ANN_OFFLINE]
    assert bench.read(b"+" + BOB, number=3, epoch=MIDDLE, node="b-0002", members=1) == [BOB_ONLINE]
    assert bench.realm.missed == {"gap": 2}


# What is refused


def test_what_is_refused_is_counted_by_its_reason(bench: Bench) -> None:
    assert bench.read(b"=ann#hi", b"~", b"=" + ANN + b"#\x1b[2J", b"", b"+" + ANN) == [ANN_ONLINE]
    bench.realm.read(bench.realm.last or nodes_module.Node, [b"v"], 0.0)  # type: ignore[arg-type]
    assert bench.realm.refused == {"name": 1, "unknown line": 2, "text": 1, "malformed": 1}


def test_another_version_is_skipped_and_told_once(bench: Bench) -> None:
    for _ in range(2):
        bench.realm.read(bench.realm.last, [b"v", b"2"], 0.0)  # type: ignore[arg-type]
    assert (bench.realm.refused, bench.kinds()) == ({"version": 2}, [("version", "", 0, "")])


def test_no_message_is_longer_than_our_own_may_be(bench: Bench) -> None:
    bench.realm.configure(Terms(max_message=2))
    assert bench.read(b"=" + ANN + b"#abc", b"=" + ANN + b"#ab") == [ANN_ONLINE, ANN + b"#ab"]


def test_a_node_has_no_more_members_than_ours_may_have(bench: Bench) -> None:
    bench.realm.configure(Terms(max_members=1))
    assert bench.read(b"+" + ANN, b"+" + BOB, b"=" + BOB + b"#hi") == [ANN_ONLINE]
    assert bench.realm.refused == {"members": 2}


def test_all_nodes_together_have_so_many_members(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes_module, "MAX_FAR", 2)
    bench.read(b"+" + ANN)
    assert bench.read(b"(", b"*" + BOB, b"*192.0.2.3--3", b")", node="c") == [BOB_ONLINE]
    assert bench.read(b"+192.0.2.4--4", node="d") == []
    bench.read(b"-" + ANN + b" said", number=1)
    assert bench.read(b"+192.0.2.4--4", number=1, node="d") == [b"192.0.2.4--4#online"]


def test_there_are_so_many_nodes_and_lost_ones_are_forgotten_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes_module, "MAX_NODES", 2)
    bench.read(node="b")
    bench.read(node="c", now=1.0)
    bench.read(node="d", now=2.0)
    assert [node.name for node in bench.realm.nodes(2.0)] == ["b", "c"]
    assert bench.realm.refused == {"nodes": 1}
    bench.read(b"!", node="c", now=3.0)
    bench.read(b"!", node="b", now=3.5)
    bench.read(node="d", now=4.0)
    assert bench.realm._nodes.find("c") is None
    assert bench.realm._nodes.find("b") is not None


# Names over nodes


def test_a_name_that_a_member_here_has_is_shown_with_its_node(bench: Bench) -> None:
    bench.realm.came(ANN.decode(), 0.0)
    bench.kinds()
    assert bench.read(b"=" + ANN + b"#hi", b"-" + ANN + b" said") == [
        b"b/" + ANN_ONLINE,
        b"b/" + ANN + b"#hi",
        b"b/" + ANN_OFFLINE,
    ]
    assert ("shared", "b", 0, ANN.decode()) in bench.kinds()


def test_a_name_that_another_node_has_is_shown_with_its_node(bench: Bench) -> None:
    bench.read(b"+" + ANN)
    assert bench.read(b"+" + ANN, node="c") == [b"c/" + ANN_ONLINE]
    assert bench.read(b"-" + ANN + b" said", number=1) == [ANN_OFFLINE]
    assert bench.read(b"=" + ANN + b"#hi", number=1, node="c") == [b"c/" + ANN + b"#hi"]


def test_a_member_that_comes_here_has_its_name_from_then_on(bench: Bench) -> None:
    bench.read(b"+" + ANN)
    bench.read(b"+" + BOB, node="c")
    bench.kinds()
    bench.realm.came(ANN.decode(), 0.0)
    assert bench.take() == [b"b/" + ANN_ONLINE]
    assert bench.kinds() == [("shared", "b", 0, ANN.decode())]
    bench.realm.left(ANN.decode(), "said", 0.0)
    assert bench.read(b"=" + ANN + b"#hi", number=1) == [b"b/" + ANN + b"#hi"]


def test_all_names_have_their_nodes_if_the_operator_wants_that(bench: Bench) -> None:
    bench.realm.configure(Terms(names="node"))
    bench.realm.came(ANN.decode(), 0.0)
    assert bench.read(b"+" + ANN) == [b"b/" + ANN_ONLINE]
    assert "shared" not in [kind for kind, *_ in bench.kinds()]
