"""A node of a realm as a dialogue with its engine, its room and its members."""

import pytest
from support.realm_bench import BEAT, EARLY, LATE, LEASE, MIDDLE, Bench, moment

from netechod.services.realm import nodes
from netechod.services.realm.entry import Entry
from netechod.services.realm.log import START, Found
from netechod.services.realm.realm import Realm
from netechod.services.realm.telling import BURST, PAUSE
from netechod.services.realm.terms import Settings

ANN, BOB = "192.0.2.1--40001", "192.0.2.2--40002"
FAR = b"198.51.100.1--1"


@pytest.fixture
def bench() -> Bench:
    return Bench()


def quiet(bench: Bench) -> Bench:
    """Connect, and let the log take what there is to say."""
    bench.connect()
    bench.entries(0.0)
    bench.asked.clear()
    return bench


# What it says


def test_what_members_do_goes_to_the_log(bench: Bench) -> None:
    quiet(bench)
    bench.realm.came(ANN, 1.0)
    bench.realm.said(ANN, "hi 苹果".encode(), 1.0)
    bench.realm.left(ANN, "idle", 1.0)
    assert bench.asked == ["append"] * 3
    [entry] = bench.entries(1.0)
    assert entry.lines() == [b"+" + ANN.encode(), f"={ANN}#hi 苹果".encode(), b"-" + ANN.encode() + b" idle"]
    assert (entry.node, entry.epoch, entry.number, entry.members) == ("a", MIDDLE, 1, 0)
    assert bench.realm.counters["sent"] == 4  # with the question at the start


def test_a_new_node_asks_who_is_there_and_sends_a_beat(bench: Bench) -> None:
    assert bench.connect() == moment(0.0)
    assert bench.entries(0.0) == [Entry("a", MIDDLE, 0, 0, b"?"), Entry("a", MIDDLE, 1, 0, b"")]


def test_a_connection_that_was_lost_for_less_than_a_lease_is_no_reason_to_ask(bench: Bench) -> None:
    quiet(bench)
    bench.realm.disconnected(1.0)
    bench.connect(5.0)
    assert bench.said(5.0) == []


def test_a_silent_node_sends_a_beat_every_third_of_a_lease(bench: Bench) -> None:
    quiet(bench)
    assert bench.realm.next_deadline() == BEAT / 2
    bench.realm.deadline_reached(BEAT / 2)
    assert (bench.asked, bench.entries(BEAT / 2)) == ([], [])
    assert bench.realm.next_deadline() == BEAT
    bench.realm.deadline_reached(BEAT)
    assert bench.asked == ["append"]
    assert bench.entries(BEAT) == [Entry("a", MIDDLE, 1, 0, b"")]


def test_while_an_entry_is_in_flight_the_log_is_asked_for_no_other(bench: Bench) -> None:
    quiet(bench)
    bench.realm.said(ANN, b"1", 1.0)
    assert bench.realm.entry(1.0) is not None
    bench.asked.clear()
    bench.realm.said(ANN, b"2", 1.0)
    assert (bench.asked, bench.realm.entry(1.0), bench.realm.waiting) == ([], None, 2)
    bench.realm.not_taken(1.0)
    assert bench.said(1.0) == [f"={ANN}#{text}".encode() for text in "12"]


def test_without_a_connection_lines_wait_for_a_lease_at_most(bench: Bench) -> None:
    bench.realm.said(ANN, b"old", 0.0)
    bench.realm.said(ANN, b"new", 10.0)
    assert (bench.asked, bench.realm.entry(10.0)) == ([], None)
    bench.realm.deadline_reached(LEASE + 1)
    assert bench.kinds()[-1] == ("not sent", "a", 1, "too old")
    bench.connect(LEASE + 1)
    assert bench.said(LEASE + 1) == [f"={ANN}#new".encode(), b"?"]


def test_a_room_without_an_engine_can_talk(bench: Bench) -> None:
    room: list[int] = []
    realm = Realm(
        Settings("test", "a", LEASE),
        make_epoch=lambda: EARLY,
        tell=bench.heard.append,
        has_room=lambda: bool(room),
        on_event=bench.events.append,
    )
    realm.said(ANN, b"hi", 0.0)
    realm.connected(Found(moment(0.0).ms, None, START, has_last=False, has_mine=False), 0.0)
    realm.deadline_reached(1.0)
    realm.read(moment(1.0), Entry("b", EARLY, 0, 1, b"+" + FAR).fields(), 1.0)
    room.append(1)
    realm.deadline_reached(2.0)
    assert bench.heard == [FAR + b"#online"]
    realm.deadline_reached(100.0)
    realm.said(ANN, b"hi", 200.0)
    assert realm.waiting


def test_two_members_with_one_name_are_one_for_the_others(bench: Bench) -> None:
    quiet(bench)
    bench.realm.came("fe80::1--5", 1.0)
    bench.realm.came("fe80::1--5", 1.0)
    bench.realm.left("fe80::1--5", "said", 1.0)
    [entry] = bench.entries(1.0)
    assert (entry.body, entry.members) == (b"+fe80::1--5", 1)


def test_a_node_that_stops_says_so(bench: Bench) -> None:
    quiet(bench)
    bench.realm.stop(1.0)
    assert (bench.asked, bench.realm.waiting) == (["append"], 1)
    assert bench.said(1.0) == [b"!"]
    assert bench.realm.waiting == 0
    bench.pass_time(BEAT + 1, 1.0)
    assert bench.entries(BEAT + 1) == []


# What it reads


def test_its_own_entries_are_told_to_nobody(bench: Bench) -> None:
    quiet(bench)
    bench.realm.said(ANN, b"hi", 1.0)
    [entry] = bench.entries(1.0, is_deaf=True)
    bench.realm.read(moment(1.0, 1), entry.fields(), 1.5)
    assert (bench.take(), bench.realm.lag) == ([], 0.5)


def test_while_members_cannot_be_told_nothing_is_read(bench: Bench) -> None:
    quiet(bench)
    bench.has_room = False
    bench.read(b"+" + FAR)
    assert not bench.realm.may_read
    assert bench.realm.next_deadline() == PAUSE
    bench.realm.caught_up(0.0)
    assert not bench.realm._reading.is_listening
    bench.has_room = True
    bench.realm.deadline_reached(PAUSE)
    assert (bench.take(), bench.asked, bench.realm.may_read) == ([FAR + b"#online"], ["read"], True)


def test_more_lines_than_a_member_can_take_are_told_at_a_pace(bench: Bench) -> None:
    quiet(bench)
    lines = [b"=" + FAR + b"#%d" % number for number in range(2 * BURST)]
    assert len(bench.read(*lines)) == BURST
    bench.pass_time(1.0, 0.0)
    assert len(bench.take()) == BURST + 1


# Leases


def lively(bench: Bench) -> Bench:
    """Connect, and hear of two nodes at 0 s that have a member each."""
    quiet(bench)
    bench.read(b"+" + FAR, node="b", members=1)
    bench.read(b"+198.51.100.2--2", node="c", members=1)
    bench.realm.caught_up(0.0)
    bench.kinds()
    bench.take()
    return bench


def test_a_node_that_is_not_heard_for_a_lease_is_lost(bench: Bench) -> None:
    lively(bench)
    now = bench.pass_time(10.0, 0.0)
    bench.read(number=1, node="c", now=now, members=1)
    bench.pass_time(LEASE - 0.1, now)
    assert bench.take() == []
    bench.pass_time(LEASE, LEASE - 0.1)
    assert (bench.take(), bench.kinds()) == ([FAR + b"#offline"], [("lost", "b", 1, "lease")])
    assert [node.name for node in bench.realm.nodes(LEASE)] == ["c"]


def test_nobodys_lease_runs_while_nothing_can_be_read(bench: Bench) -> None:
    lively(bench)
    now = bench.pass_time(10.0, 0.0)
    bench.realm.disconnected(now)
    now = bench.pass_time(20.0, now)
    bench.connect(now)
    bench.realm.caught_up(now)
    now = bench.pass_time(24.9, now)
    assert bench.take() == []
    bench.pass_time(25.0, now)
    assert bench.take() == [FAR + b"#offline", b"198.51.100.2--2#offline"]


def test_after_a_lease_without_the_log_all_others_are_cut_off(bench: Bench) -> None:
    lively(bench)
    bench.realm.disconnected(1.0)
    now = bench.pass_time(1.0 + LEASE, 1.0)
    assert bench.take() == [FAR + b"#offline", b"198.51.100.2--2#offline"]
    assert bench.kinds() == [("lost", "b", 1, "cut off"), ("lost", "c", 1, "cut off")]
    bench.connect(now)
    assert bench.said(now) == [b"?"]
    assert bench.read(b"=" + FAR + b"#old", number=1, now=now, age=15.5) == []
    assert bench.read(b"=" + FAR + b"#new", number=3, now=now, members=1) == [
        FAR + b"#online",
        FAR + b"#new",
    ]
    assert bench.realm.missed == {"too old": 1, "gap": 1}


def test_a_process_that_was_stopped_hears_first_and_judges_then(bench: Bench) -> None:
    lively(bench)
    bench.realm.deadline_reached(25.0)
    assert bench.take() == []
    assert bench.asked[0] == "this process was stopped for 25 s"
    assert bench.kinds() == [("stopped", "", 25, "")]
    bench.realm.disconnected(25.0)
    bench.connect(25.1)
    assert bench.read(b"=" + FAR + b"#hi", number=1, now=25.2) == [FAR + b"#hi"]
    bench.realm.caught_up(25.2)
    bench.pass_time(39.0, 25.2)
    assert bench.take() == []


# Another log


def test_lines_that_do_not_come_back_are_a_reason_to_connect_anew(bench: Bench) -> None:
    quiet(bench)
    bench.realm.caught_up(0.0)
    now = 0.0
    while now < 4 * BEAT and not bench.asked.count("our own lines do not come back"):
        now = bench.realm.next_deadline()
        bench.realm.deadline_reached(now)
        bench.entries(now, is_deaf=True)
    assert bench.asked[-1] == "our own lines do not come back"
    assert 3 * BEAT <= now < 4 * BEAT


def test_ids_that_go_back_are_a_reason_to_connect_anew(bench: Bench) -> None:
    quiet(bench)
    for second in (2.0, 1.0):
        bench.realm.said(ANN, b"hi", 2.0)
        assert bench.realm.entry(2.0) is not None
        bench.realm.taken(moment(second), 2.0)
    assert (bench.asked[-1], bench.realm.mine) == ("the ids of the log went back", moment(1.0))


def test_if_the_log_has_lost_entries_they_go_again_and_it_is_read_from_a_lease_before(bench: Bench) -> None:
    quiet(bench)
    bench.realm.said(ANN, b"1", 1.0)
    bench.said(1.0)
    bench.realm.disconnected(2.0)
    assert bench.connect(20.0, has_last=False, has_mine=False) == moment(20.0 - LEASE)
    assert bench.kinds() == [("stopped", "", 18, ""), ("another log", "", 0, "")]
    bench = quiet(Bench())
    bench.realm.said(ANN, b"1", 1.0)
    bench.said(1.0)
    bench.realm.disconnected(2.0)
    bench.connect(3.0, has_mine=False)
    assert bench.said(3.0) == [b"?", f"={ANN}#1".encode()]


# Its name


def test_a_later_process_with_our_name_keeps_it_and_nothing_is_lost(bench: Bench) -> None:
    quiet(bench)
    bench.realm.came(ANN, 1.0)
    assert bench.read(b"+" + FAR, node="a", epoch=LATE, now=1.0) == [FAR + b"#online"]
    assert bench.realm.node == "a-0002"
    assert bench.kinds()[0] == ("renamed", "a-0002", 0, "a")
    first, second = bench.entries(1.0)
    assert (first.node, first.epoch, first.number) == ("a-0002", MIDDLE, 1)
    assert first.lines() == [b"+" + ANN.encode(), b"?", b"(", b"*" + ANN.encode(), b")"]
    assert second == Entry("a-0002", MIDDLE, 6, 1, b"")


def test_a_copy_of_this_process_keeps_its_epoch(bench: Bench) -> None:
    quiet(bench)
    assert bench.read(b"=" + FAR + b"#hi", number=1, node="a", epoch=MIDDLE) == [
        FAR + b"#online",
        FAR + b"#hi",
    ]
    assert bench.realm.node == "a-0003"
    assert bench.entries(0.0)[0].epoch == LATE


def test_what_a_process_before_this_one_has_said_is_not_told(bench: Bench) -> None:
    quiet(bench)
    assert bench.read(b"=" + FAR + b"#hi", node="a", epoch=EARLY) == []
    assert bench.read(b"=" + FAR + b"#hi", node="a", epoch=LATE, now=1.0, age=20.0) == []
    assert (bench.realm.node, bench.realm.counters["stale"]) == ("a", 2)


# The next process


def succeed(bench: Bench, now: float) -> Bench:
    """Return the next process of a node, with the state of this one."""
    after = Bench()
    for name in bench.realm._names.own():
        after.realm.stayed(name)
    after.realm.restore(bench.realm.state(), now)
    return after


def test_the_next_process_goes_on_and_nobody_notices(bench: Bench) -> None:
    lively(bench)
    bench.realm.came(ANN, 1.0)
    bench.realm.said(ANN, b"1", 1.0)
    assert bench.realm.entry(1.0) is not None
    bench.realm.said(ANN, b"2", 1.0)
    bench.has_room = False
    bench.read(b"=" + FAR + b"#hi", number=1, now=1.0)
    after = succeed(bench, 2.0)
    assert after.realm.last == bench.realm.last
    after.connect(2.0)
    said = [f"+{ANN}", f"={ANN}#1", f"={ANN}#2", "?", "?"]
    entries = after.entries(2.0)
    assert [line for entry in entries for line in entry.lines()] == [line.encode() for line in said]
    assert (entries[0].epoch, entries[0].number, entries[0].members) == (MIDDLE, 1, 1)
    assert after.read(b"=" + FAR + b"#you", number=2, now=2.0) == [FAR + b"#hi", FAR + b"#you"]
    assert after.kinds() == []
    assert [member.name for member in after.realm.members()] == [FAR.decode(), "198.51.100.2--2"]


def test_names_over_nodes_stay_as_they_are_over_a_restart(bench: Bench) -> None:
    lively(bench)
    bench.read(b"+" + FAR, number=1, node="c")
    after = succeed(bench, 1.0)
    after.connect(1.0)
    assert after.read(b"-" + FAR + b" said", number=2, node="c") == [b"c/" + FAR + b"#offline"]
    assert after.read(b"-" + FAR + b" said", number=1, node="b") == [FAR + b"#offline"]


def test_a_node_with_another_name_goes_on_under_it(bench: Bench) -> None:
    quiet(bench)
    bench.read(node="a", epoch=LATE)
    assert succeed(bench, 1.0).realm.node == "a-0002"


@pytest.mark.parametrize("change", [{"realm": "other"}, {"node": "b"}, {"node": "b-0002"}])
def test_the_state_of_another_node_is_not_taken(bench: Bench, change: dict[str, object]) -> None:
    state = bench.realm.state() | change
    with pytest.raises(ValueError, match="another node"):
        Bench().realm.restore(state, 0.0)


def test_a_restart_takes_over_no_more_nodes_than_it_may_know(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    lively(bench)
    monkeypatch.setattr(nodes, "MAX_NODES", 1)
    assert [member.node for member in succeed(bench, 1.0).realm.members()] == ["b"]


def test_a_restart_that_takes_too_long_cuts_off_the_others(bench: Bench) -> None:
    lively(bench)
    after = succeed(bench, 1.0)
    after.pass_time(1.0 + LEASE, 1.0)
    assert [kind for kind, *_ in after.kinds()] == ["lost", "lost"]
    assert len(after.take()) == 2
