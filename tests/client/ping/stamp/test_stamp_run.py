"""`netecho ping --stamp` against reflectors that lose, double, lie and restart as they are told."""

import json
import os
import signal
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.fake_servers import Address, FakeUdpServer, Replies, echo_datagram, silence
from support.netecho import Terminal, netecho, outcome
from support.reflectors import Fate, ReflectorServer, faithful

from netechod.cli.netecho_stamp import dscp
from netechod.services.stamp.reflector import Settings

SCHEMA = json.loads((Path(__file__).parents[4] / "docs" / "json" / "ping.schema.json").read_text("utf-8"))
QUICK = ("ping", "--stamp", "-i", "0.002")
STATELESS = Settings(stateful=False)


def record(fake: FakeUdpServer, *options: str) -> dict[str, Any]:
    """The JSON of a run, which is as the schema says."""
    run = netecho(*QUICK, "--json", *options, fake.address)
    made: dict[str, Any] = json.loads(run.stdout)
    jsonschema.validate(made, SCHEMA)
    return made | {"status": run.returncode}


def shown(fake: FakeUdpServer, *options: str, language: str = "en") -> str:
    """What is shown to people."""
    return netecho(*QUICK, *options, fake.address, NETECHO_LANG=language).stdout.decode()


@pytest.mark.parametrize("options", [(), ("-s", "48"), ("-s", "1400", "--padding", "zero"), ("--dscp", "EF")])
def test_a_run_without_trouble_tells_both_directions(options: tuple[str, ...]) -> None:
    with ReflectorServer() as fake:
        made = record(fake, "-c", "20", *options)
    stamp = made["stamp"]
    assert (made["status"], made["received"], made["proto"], made["corrupted"]) == (0, 20, "stamp", 0)
    assert made["bytes"] == stamp["reflector"]["bytes"] == (int(options[1]) if "-s" in options else 44)
    assert (stamp["mode"], stamp["reflector"]["ssid_copied"]) == ("open", True)
    assert stamp["forward"]["hops"] == 5
    assert stamp["forward"]["lost"] == stamp["backward"]["lost"] == stamp["lost_unknown"] == 0
    for direction in (stamp["forward"], stamp["backward"]):
        assert direction["delay_ms"] is None
        assert direction["variation_ms"]["min"] == 0
        assert direction["ipdv_ms"]["max"] >= direction["ipdv_ms"]["p50"] >= 0
    assert stamp["clocks"]["offset_ms"]["least"] <= 0 <= stamp["clocks"]["offset_ms"]["most"]
    assert stamp["residence_ms"]["max"] > 0


def losing(forward: Iterable[int], backward: Iterable[int]) -> Fate:
    """A way that loses these probes, and the answers to those."""

    def fate(number: int, reflect: Callable[[], bytes]) -> Iterable[bytes]:
        if number in forward:
            return
        answer = reflect()
        if number not in backward:
            yield answer

    return fate


def test_losses_have_a_direction() -> None:
    with ReflectorServer(losing({3, 4}, {7})) as fake:
        made = record(fake, "-c", "20", "-W", "0.3")
        text = shown(fake, "-c", "20", "-W", "0.3", "-q")
    stamp = made["stamp"]
    assert (made["status"], made["lost"], stamp["reflector"]["stateful"]) == (1, 3, True)
    assert (stamp["forward"]["lost"], stamp["backward"]["lost"], stamp["lost_unknown"]) == (2, 1, 0)
    assert "3 lost (15.0 %): 2 forward, 1 backward" in text


def test_losses_backward_alone_are_told_from_copied_numbers_by_an_extra_probe() -> None:
    with ReflectorServer(losing((), {7})) as fake:
        counting = record(fake, "-c", "12", "-W", "0.3")["stamp"]
    with ReflectorServer(losing((), {7}), settings=STATELESS) as fake:
        copying = record(fake, "-c", "12", "-W", "0.3")["stamp"]
        text = shown(fake, "-c", "12", "-W", "0.3", "-q")
    assert counting["reflector"]["stateful"] is True
    assert (counting["forward"]["lost"], counting["backward"]["lost"]) == (0, 1)
    assert copying["reflector"]["stateful"] is False
    assert (copying["forward"]["lost"], copying["backward"]["lost"], copying["lost_unknown"]) == (
        None,
        None,
        1,
    )
    assert "the reflector does not count: losses have no direction" in text


def test_a_reflector_that_restarts_is_followed() -> None:
    fake = ReflectorServer()

    def fate(number: int, reflect: Callable[[], bytes]) -> Iterable[bytes]:
        if number == 10:
            fake.restart()
        yield from losing({4}, {14})(number, reflect)

    fake._fate = fate
    with fake:
        stamp = record(fake, "-c", "20", "-W", "0.3")["stamp"]
    assert (stamp["forward"]["lost"], stamp["backward"]["lost"]) == (1, 1)


def test_doubles_have_a_direction() -> None:
    def fate(number: int, reflect: Callable[[], bytes]) -> Iterable[bytes]:
        answer = reflect()
        yield answer
        if number == 3:
            yield reflect()
        if number == 6:
            yield answer

    with ReflectorServer(fate) as fake:
        made = record(fake, "-c", "10")
    assert made["duplicates"] == 2
    assert (made["stamp"]["forward"]["duplicates"], made["stamp"]["backward"]["duplicates"]) == (1, 1)


def test_an_offset_of_the_clocks_is_bounded_and_changes_no_round_trip() -> None:
    with ReflectorServer(ahead=3600.0) as fake:
        made = record(fake, "-c", "10")
        text = shown(fake, "-c", "10", "-q")
    bounds = made["stamp"]["clocks"]["offset_ms"]
    assert bounds["least"] <= 3_600_000 <= bounds["most"]
    assert made["rtt_ms"]["max"] < 2000
    assert made["stamp"]["forward"]["variation_ms"]["max"] < 2000
    assert "neither is synchronized: no absolute delays; the reflector's is 3600" in text
    assert "ms ahead of ours" in text


def zeroed(*fields: slice) -> Callable[[bytes, Address], Replies]:
    """A reflector that leaves fields zero."""
    inner = ReflectorServer()
    inner.socket.close()
    inner._stop.close()
    inner._bell.close()

    def handle(payload: bytes, address: Address) -> Replies:
        answer = bytearray(inner._reflect(payload, address))
        for field in fields:
            answer[field] = bytes(len(answer[field]))
        return [(bytes(answer), address)]

    return handle


def test_a_zeroed_ssid_is_taken_unless_it_was_given() -> None:
    with FakeUdpServer(zeroed(slice(14, 16))) as fake:
        tolerant = record(fake, "-c", "5")
        strict = record(fake, "-c", "5", "-W", "0.2", "--ssid", "77")
    assert (tolerant["received"], tolerant["stamp"]["reflector"]["ssid_copied"]) == (5, False)
    assert (strict["received"], strict["strangers"], strict["stamp"]["ssid"]) == (0, 5, 77)


@pytest.mark.parametrize("field", [slice(4, 12), slice(16, 24)], ids=["sent", "received"])
def test_times_that_are_not_told_leave_the_round_trip(field: slice) -> None:
    with FakeUdpServer(zeroed(field)) as fake:
        made = record(fake, "-c", "5")
        text = shown(fake, "-c", "5", "-q")
    assert made["received"] == 5
    assert made["stamp"]["forward"]["variation_ms"] is None
    assert "5 answers tell no usable times: round trips alone" in text


def test_an_answer_of_38_octets_is_enough() -> None:
    def cut(number: int, reflect: Callable[[], bytes]) -> Iterable[bytes]:
        yield reflect()[:38]

    with ReflectorServer(cut) as fake:
        made = record(fake, "-c", "5")
    assert (made["received"], made["stamp"]["reflector"]["bytes"]) == (5, 38)
    assert made["stamp"]["forward"]["hops"] is None


def test_probes_are_signed_with_a_key(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.touch(0o600)
    keys.write_text("default open-sesame\nother wrong\n")
    settings = Settings(authentication="required", keys={"default": b"open-sesame"}, trusts=lambda peer: True)

    def fate(number: int, reflect: Callable[[], bytes]) -> Iterable[bytes]:
        try:
            yield reflect()
        except ValueError:  # it was silent
            return

    with ReflectorServer(fate, settings=settings) as fake:
        right = record(fake, "-c", "5", "--key-file", str(keys))
        padded = record(fake, "-c", "5", "--key-file", str(keys), "-s", "200")
        wrong = record(fake, "-c", "2", "-W", "0.2", "--key-file", str(keys), "--key", "other")
        unsigned = record(fake, "-c", "2", "-W", "0.2")
    assert (right["received"], right["bytes"], right["stamp"]["mode"]) == (5, 112, "signed")
    assert (padded["received"], padded["bytes"], padded["corrupted"]) == (5, 200, 0)
    assert wrong["received"] == unsigned["received"] == 0


def test_a_key_for_one_session_is_used_with_its_id(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.touch(0o600)
    keys.write_text("default open-sesame\n4660 of-one-session\n")
    known = {"default": b"open-sesame", "4660": b"of-one-session"}
    with ReflectorServer(settings=Settings(authentication="required", keys=known)) as fake:
        made = record(fake, "-c", "2", "--key-file", str(keys), "--key", "4660")
    assert (made["received"], made["stamp"]["ssid"], made["stamp"]["mode"]) == (2, 4660, "signed")


def test_an_echo_service_is_no_reflector() -> None:
    with FakeUdpServer(echo_datagram) as fake:
        made = record(fake, "-c", "3", "-W", "0.2")
    assert (made["status"], made["received"], made["strangers"]) == (1, 0, 3)


def test_silence_is_told_with_what_to_try() -> None:
    with FakeUdpServer(silence) as fake:
        run = netecho(*QUICK, "-c", "1", "-W", "0.2", fake.address)
    assert run.returncode == 1
    assert b"unless stamp.public is set there" in run.stderr


def test_each_probe_is_a_line_for_people_or_for_programs() -> None:
    with ReflectorServer() as fake:
        lines = netecho(*QUICK, "--jsonl", "-c", "3", fake.address).stdout.splitlines()
        text = shown(fake, "-c", "3", "-v")
    events = [json.loads(line) for line in lines]
    for event in events:
        jsonschema.validate(event, SCHEMA)
    assert [event["type"] for event in events] == ["answered"] * 3 + ["summary"]
    assert [event["reflector_seq"] for event in events[:3]] == [0, 1, 2]
    for event in events[:3]:
        assert event["forward_ms"] + event["backward_ms"] == pytest.approx(event["rtt_ms"], abs=0.003)
    assert text.count("  forward +") == text.count("  backward +") == 3


def test_a_terminal_has_a_line_that_lives() -> None:
    with ReflectorServer() as fake, Terminal("ping", "--stamp", "-i", "0.05", fake.address) as terminal:
        terminal.read_until("forward")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.wait() == 0
    assert "in the reflector taken off" in terminal.seen


def test_it_speaks_chinese() -> None:
    with ReflectorServer(losing({3}, ())) as fake:
        text = shown(fake, "-c", "9", "-W", "0.3", "--histogram", language="zh")
    for words in ("去程 1，回程 0", "抖动 毫秒", "反射器内停留", "双方都没有同步", "去 +", "高出最小值"):
        assert words in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-s", "45"), "45: --stamp sends 44 bytes, or 48 and more"),
        (("-s", "43"), "43: --stamp sends 44 bytes, or 48 and more"),
        (("--sweep", "44:100"), "--sweep is for the echo services"),
        (("-u",), "not allowed with argument"),
        (("--dscp", "64"), "invalid dscp value"),
        (("--dscp", "AF51"), "invalid dscp value"),
        (("--ssid", "0"), "invalid ssid value"),
        (("--ssid", "65536"), "invalid ssid value"),
        (("--source-port", "0"), "invalid port value"),
        (("--key", "default"), "--key is for --key-file"),
    ],
)
def test_what_makes_no_sense_is_refused(options: tuple[str, ...], message: str) -> None:
    run = netecho("ping", "--stamp", *options, "127.0.0.1")
    assert run.returncode == 64
    assert message in run.stderr.decode()


def test_a_port_that_is_taken_is_told() -> None:
    with ReflectorServer() as fake, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", 0))
        port = other.getsockname()[1]
        run = netecho(*QUICK, "-c", "1", "--source-port", str(port), fake.address)
    assert run.returncode == 1
    assert f"cannot send from port {port}: " in run.stderr.decode()


def test_probes_leave_from_the_port_that_was_named() -> None:
    ports: list[int] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as spare:
        spare.bind(("127.0.0.1", 0))
        port = spare.getsockname()[1]

    def handle(payload: bytes, address: Address) -> Replies:
        ports.append(address[1])
        return []

    with FakeUdpServer(handle) as fake:
        netecho(*QUICK, "-c", "2", "-W", "0.2", "--source-port", str(port), fake.address)
    assert set(ports) == {port}


@pytest.mark.parametrize(
    ("name", "number"), [("EF", 46), ("af41", 34), ("CS6", 48), ("0", 0), ("63", 63), ("le", 1), ("AF13", 14)]
)
def test_traffic_classes_have_names(name: str, number: int) -> None:
    assert dscp(name) == number


def test_without_a_port_the_registered_one_is_asked() -> None:
    code, text = outcome(netecho("ping", "--stamp", "-c", "1", "-W", "0.1", "-q", "127.0.0.1"))
    assert "127.0.0.1 862/stamp" in text
    assert code == 1 or os.geteuid() == 0


def test_all_is_well_with_ipv6() -> None:
    with ReflectorServer(faithful, host="::1") as fake:
        made = record(fake, "-c", "5")
    assert (made["received"], made["stamp"]["forward"]["hops"]) == (5, 5)
