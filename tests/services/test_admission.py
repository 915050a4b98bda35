"""Admission as a dialogue: an echo behind it answers exactly those who may be answered."""

from ipaddress import ip_network

import pytest
from support.recorder import Recorder

from netechod.services.admission import VERDICTS, Admission, Network, Rules, within
from netechod.services.api import Peer
from netechod.services.chat import ChatRoom
from netechod.services.echo import EchoService


def networks(*texts: str) -> list[Network]:
    return [ip_network(text) for text in texts]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("::ffff:10.1.2.3", True),
        ("::ffff:11.1.2.3", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("fe80::1%eth0", True),
        ("::a01:203", False),
    ],
)
def test_a_mapped_address_is_within_the_networks_of_ipv4(address: str, expected: bool) -> None:
    assert within(address, networks("10.0.0.0/8", "2001:db8::/32", "fe80::/10")) is expected


def test_nobody_is_within_no_networks() -> None:
    assert not within("127.0.0.1", [])


@pytest.mark.parametrize(
    ("allow", "deny", "expected"),
    [
        ([], [], True),
        ([], ["192.0.2.0/24"], False),
        (["192.0.2.0/24"], [], True),
        (["198.51.100.0/24"], [], False),
        (["192.0.2.0/24"], ["192.0.2.7/32"], False),
        (["0.0.0.0/0"], ["192.0.2.8/32"], True),
    ],
)
def test_denial_beats_allowance_and_an_empty_allowance_is_everybody(
    allow: list[str], deny: list[str], expected: bool
) -> None:
    rules = Rules(allow=networks(*allow), deny=networks(*deny))
    assert rules.admits("192.0.2.7") is expected
    assert rules.admits("::ffff:192.0.2.7") is expected


@pytest.mark.parametrize(
    ("address", "port", "objection"),
    [
        ("192.0.2.1", 40001, None),
        ("::ffff:192.0.2.1", 40001, None),
        ("2001:db8::1", 1024, None),
        ("fe80::1%eth0", 65535, None),
        ("192.0.2.1", 0, "source-port"),
        ("192.0.2.1", 1023, "source-port"),
        ("192.0.2.1", 1900, "source-port"),
        ("192.0.2.1", 8081, "own-port"),
        ("127.0.0.1", 8082, "own-port"),
        ("224.0.0.1", 40001, "source-address"),
        ("::ffff:224.0.0.1", 40001, "source-address"),
        ("ff02::1%eth0", 40001, "source-address"),
        ("255.255.255.255", 40001, "source-address"),
        ("::ffff:255.255.255.255", 40001, "source-address"),
        ("0.0.0.0", 40001, "source-address"),
        ("::ffff:0.0.0.0", 40001, "source-address"),
        ("::", 40001, "source-address"),
        ("203.0.113.9", 40001, "network"),
        ("::ffff:203.0.113.9", 40001, "network"),
    ],
)
def test_each_objection_has_its_name(address: str, port: int, objection: str | None) -> None:
    rules = Rules(
        deny=networks("203.0.113.0/24"), refused_source_ports=[1900, 5353, 11211], own_ports={8081, 8082}
    )
    assert rules.objection(address, port) == objection


@pytest.mark.parametrize(("port", "objection"), [(0, "source-port"), (1, None), (53, None)])
def test_port_0_is_refused_even_where_every_port_is_allowed(port: int, objection: str | None) -> None:
    assert Rules(min_source_port=0).objection("192.0.2.1", port) == objection


@pytest.mark.parametrize(
    ("address", "objection"),
    [("127.0.0.1", None), ("::ffff:127.0.0.1", None), ("192.0.2.1", "untrusted"), ("::1", "untrusted")],
)
def test_a_service_that_is_not_public_answers_the_trusted_only(address: str, objection: str | None) -> None:
    rules = Rules(trusted=networks("127.0.0.0/8"))
    assert rules.objection(address, 40001, trusted_only=True) == objection
    assert rules.objection(address, 40001) is None


def refuse_mallory(peer: Peer) -> str | None:
    return "network" if peer == "mallory" else None


def test_everybody_is_admitted_until_rules_are_given() -> None:
    out = Recorder()
    admission = Admission(EchoService())
    admission.datagrams_received([(b"hi", "ann"), (b"ho", "mallory")], 0.0, out)
    assert out.take() == [("send", b"hi", "ann"), ("send", b"ho", "mallory")]
    admission.configure(refuse_mallory)
    admission.datagrams_received([(b"hi", "ann"), (b"ho", "mallory")], 1.0, out)
    assert out == [("send", b"hi", "ann")]


def test_what_is_dropped_is_counted_by_reason_and_the_rest_keeps_its_order() -> None:
    out = Recorder()
    reasons = {"mallory": "network", "oscar": "source-port"}
    admission = Admission(EchoService(), lambda peer: reasons.get(str(peer)))
    strangers_first = [(b"1", "mallory"), (b"2", "ann"), (b"3", "oscar"), (b"4", "bob"), (b"5", "mallory")]
    admission.datagrams_received(strangers_first, 0.0, out)
    assert out.take() == [("send", b"2", "ann"), ("send", b"4", "bob")]
    assert admission.dropped == {"network": 2, "source-port": 1}
    admission.datagrams_received([(b"6", "mallory"), (b"7", "bob")], 1.0, out)
    assert out.take() == [("send", b"7", "bob")]
    admission.datagrams_received([(b"8", "mallory")], 2.0, out)
    assert out == []
    assert admission.dropped == {"network": 4, "source-port": 1}


def test_a_peer_is_judged_once_until_the_rules_change() -> None:
    judged: list[Peer] = []

    def objection_to(peer: Peer) -> str | None:
        judged.append(peer)
        return refuse_mallory(peer)

    admission = Admission(EchoService(), objection_to)
    for now in range(3):
        admission.datagrams_received([(b"hi", "ann"), (b"ho", "mallory")], now, Recorder())
    assert judged == ["ann", "mallory"]
    admission.configure(objection_to)
    admission.datagrams_received([(b"hi", "ann")], 3.0, Recorder())
    assert judged == ["ann", "mallory", "ann"]


def test_no_more_verdicts_are_remembered_than_the_limit() -> None:
    judged: list[Peer] = []
    admission = Admission(EchoService(), judged.append)
    admission.datagrams_received([(b"", peer) for peer in range(VERDICTS)], 0.0, Recorder())
    admission.datagrams_received([(b"", 0)], 1.0, Recorder())
    assert len(judged) == VERDICTS
    admission.datagrams_received([(b"", "one more"), (b"", 0)], 2.0, Recorder())
    assert judged[VERDICTS:] == ["one more", 0]


def test_the_deadlines_of_the_service_pass_through() -> None:
    out = Recorder()
    left: list[str] = []
    room = ChatRoom(
        name_of=str, on_online=lambda name: None, on_offline=lambda name, reason: left.append(reason)
    )
    admission = Admission(room)
    assert admission.next_deadline() is None
    admission.datagrams_received([(b"online", "ann")], 1.0, out)
    assert admission.next_deadline() == 121.0
    admission.deadline_reached(121.0, out)
    assert (admission.next_deadline(), left) == (None, ["idle"])
