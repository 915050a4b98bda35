"""Names over several nodes: each is shown for one member only."""

from netechod.services.realm.names import Names


def test_a_name_that_nobody_here_has_is_shown_as_it_is() -> None:
    names = Names()
    assert names.claim("192.0.2.1--1", "b", "plain") == "192.0.2.1--1"


def test_a_name_that_somebody_here_has_is_shown_with_its_node() -> None:
    names = Names()
    assert names.came("192.0.2.1--1")
    assert names.claim("192.0.2.1--1", "b", "plain") == "b/192.0.2.1--1"


def test_a_name_that_another_node_had_first_is_shown_with_its_node_until_that_gives_it_back() -> None:
    names = Names()
    first = names.claim("192.0.2.1--1", "b", "plain")
    assert names.claim("192.0.2.1--1", "c", "plain") == "c/192.0.2.1--1"
    names.release(first)
    assert names.claim("192.0.2.1--1", "c", "plain") == "192.0.2.1--1"


def test_all_names_are_shown_with_their_nodes_if_the_operator_wants_that() -> None:
    names = Names()
    assert names.claim("192.0.2.1--1", "b", "node") == "b/192.0.2.1--1"
    assert not names.is_taken("192.0.2.1--1")


def test_two_members_here_with_one_name_are_one_for_the_others() -> None:
    names = Names()
    assert [names.came("fe80::1--5"), names.came("fe80::1--5")] == [True, False]
    assert (len(names), names.own()) == (1, ("fe80::1--5",))
    assert [names.left("fe80::1--5"), names.left("fe80::1--5")] == [False, True]
    assert len(names) == 0


def test_names_without_a_node_are_taken_after_a_restart() -> None:
    names = Names()
    names.restore("192.0.2.1--1")
    names.restore("b/192.0.2.2--1")
    assert [names.is_taken("192.0.2.1--1"), names.is_taken("192.0.2.2--1")] == [True, False]
