"""The entries of a node: one in flight, beats when nothing is said, another name if it must be."""

from collections import Counter

import pytest

from netechod.services.realm.appending import Appending
from netechod.services.realm.entry import Entry
from netechod.services.realm.log import EntryId
from netechod.services.realm.names import Names
from netechod.services.realm.sending import Sending

EPOCHS = ["018bcfe5680aaaaa", "018bcfe5680bbbbb"]


@pytest.fixture
def own() -> Appending:
    epochs = iter(EPOCHS)
    return Appending("a", lambda: next(epochs), beat=5.0, sending=Sending(15.0, Counter()), names=Names())


def test_a_beat_comes_first_and_then_once_an_interval(own: Appending) -> None:
    own.connected(False)
    assert own.entry(10.0) == Entry("a", EPOCHS[0], 0, 0, b"")
    assert own.entry(10.0) is None, "one is in flight"
    assert own.taken(EntryId(1)) == (0, False)
    assert own.entry(10.0) is None
    assert [own.is_beat_due(now) for now in (14.9, 15.0, 15.1)] == [False, True, False]
    assert own.entry(15.1) == Entry("a", EPOCHS[0], 0, 0, b"")


def test_lines_go_before_a_beat(own: Appending) -> None:
    own.connected(False)
    own.say(b"one", 0.0)
    own.say(b"two", 0.0)
    assert own.entry(0.0) == Entry("a", EPOCHS[0], 0, 0, b"one\ntwo")
    assert own.taken(EntryId(1)) == (2, False)
    assert own.entry(0.0) == Entry("a", EPOCHS[0], 2, 0, b"")


def test_an_entry_that_was_not_taken_goes_again(own: Appending) -> None:
    own.not_taken()
    own.connected(False)
    beat = own.entry(0.0)
    own.not_taken()
    assert own.entry(0.0) == beat
    own.not_taken()
    own.say(b"one", 0.0)
    first = own.entry(0.0)
    own.not_taken()
    assert own.entry(0.0) == first


def test_ids_that_go_back_are_noticed(own: Appending) -> None:
    for at, went_back in ((2, False), (3, False), (1, True)):
        own.beat()
        assert own.entry(0.0) is not None
        assert own.taken(EntryId(at)) == (0, went_back)


def test_if_the_log_has_lost_our_last_entry_the_kept_lines_go_again(own: Appending) -> None:
    own.say(b"one", 0.0)
    own.entry(0.0)
    own.taken(EntryId(1))
    own.connected(True)
    assert own.entry(0.0) == Entry("a", EPOCHS[0], 1, 0, b"")
    own.taken(EntryId(2))
    own.connected(False)
    assert own.entry(0.0) == Entry("a", EPOCHS[0], 0, 0, b"one")
    assert own.mine is None


def test_a_node_that_stops_says_so_and_then_nothing(own: Appending) -> None:
    own.connected(False)
    own.say(b"one", 0.0)
    own.stop(0.0)
    own.say(b"two", 0.0)
    assert own.entry(0.0) == Entry("a", EPOCHS[0], 0, 0, b"one\n!")
    own.not_taken()
    assert own.is_beat_due(10.0)
    assert own.entry(10.0) == Entry("a", EPOCHS[0], 0, 0, b"one\n!")
    own.taken(EntryId(1))
    assert own.entry(10.0) is None


def test_the_process_that_has_made_an_entry_is_known_by_its_epoch(own: Appending) -> None:
    own.say(b"one", 0.0)
    own.entry(0.0)
    makers = [
        own.maker(Entry("a", epoch, number, 0, body))
        for epoch, number, body in [
            (EPOCHS[0], 0, b"one"),
            (EPOCHS[0], 1, b""),
            (EPOCHS[0], 0, b"one\ntwo"),
            (EPOCHS[1], 0, b""),
            ("0" * 16, 9, b""),
        ]
    ]
    assert makers == ["this", "this", "copy", "later", "earlier"]


def test_a_node_leaves_its_name_to_a_later_process_and_keeps_its_epoch(own: Appending) -> None:
    own.say(b"one", 0.0)
    own.entry(0.0)
    own.not_taken()
    own.say(b"two", 0.0)
    former = own.rename(is_copy=False)
    assert (former.name, former.epoch, former.expected) == ("a", EPOCHS[0], 1)
    assert own.origin == ("a-aaaa", EPOCHS[0])
    assert own.entry(0.0) == Entry("a", EPOCHS[0], 0, 0, b"one")
    own.taken(EntryId(1))
    assert own.entry(0.0) == Entry("a-aaaa", EPOCHS[0], 1, 0, b"two")


def test_a_node_with_a_copy_takes_another_epoch_too(own: Appending) -> None:
    own.rename(is_copy=True)
    assert own.origin == ("a-bbbb", EPOCHS[1])
