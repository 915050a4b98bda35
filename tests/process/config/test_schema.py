"""The models: defaults, what a value may be, and what a reload may change."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from operator import attrgetter
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from netechod.process.config.load import changed, load, needs_restart
from netechod.process.config.schema import KEYS, Address, Config
from scripts.lib.reference.manual import meanings

LIVE = {
    "daemon": ["drain_timeout"],
    "log": ["level", "format", "quiet"],
    "access": ["allow", "deny", "min_source_port", "refused_source_ports", "rate", "burst",
               "bounce_limit", "trusted"],
    "echo.tcp": ["proxy_protocol", "max_connections", "max_connections_per_source", "idle_timeout"],
    "echo.udp": ["public"],
    "dictionary": ["file", "format", "name", "title", "information", "unknown", "match", "max_reply",
                   "max_size", "index", "index_from", "strict", "max_skipped", "more"],
    "dict": ["max_connections", "max_connections_per_source", "idle_timeout", "max_matches",
             "default_strategy", "information"],
    "chat": [
        *("join", "idle_timeout", "max_members", "max_members_per_source", "max_message", "rate"),
        "history",
    ],
    "command": ["key_file", "timeout", "max_running", "max_output", "window", "allow"],
    "stamp": [
        *("public", "stateful", "max_sessions", "session_timeout", "authentication", "key_file", "dscp"),
    ],
    "bus": ["password_file", "ca_file", "names"],
}  # fmt: skip


def loaded(*overrides: str) -> Config:
    return load(None, overrides, Path("/somewhere")).config


def value_of(key: str, value: str) -> object:
    """What the key is after `--set KEY=VALUE`."""
    found: object = attrgetter(key)(loaded(f"{key}={value}"))
    return found


def test_the_defaults_are_those_of_the_contract() -> None:
    config = Config()
    assert config.echo.tcp.listen == config.echo.udp.listen == (Address("::", 8080),)
    assert config.dictionary.listen == (Address("::", 8081),)
    assert config.chat.listen == (Address("::", 8082),)
    assert config.command.listen == (Address("::", 8083),)
    assert not config.command.enabled
    assert not config.echo.udp.public
    assert (config.access.rate, config.access.burst, config.access.bounce_limit) == (50, 100, 10_000)
    assert config.access.refused_source_ports == (1900, 5353, 11211)
    assert config.dictionary.max_size == 1024**3
    assert config.dictionary.unknown == "unknown"
    assert (config.chat.idle_timeout, config.chat.max_message) == (120, 1024)
    assert config.echo.tcp.ttl is config.echo.tcp.send_buffer is config.echo.tcp.receive_buffer is None


@pytest.mark.parametrize(
    "neighbour", ["127.0.0.1", "10.9.8.7", "172.31.0.1", "192.168.1.1", "::1", "fe80::1"]
)
def test_neighbours_are_trusted_by_default(neighbour: str) -> None:
    assert any(ip_address(neighbour) in network for network in Config().access.trusted)


@pytest.mark.parametrize("stranger", ["100.64.0.1", "172.32.0.1", "192.0.2.1", "2001:db8::1", "ff02::1"])
def test_strangers_are_not(stranger: str) -> None:
    assert not any(ip_address(stranger) in network for network in Config().access.trusted)


def test_every_key_is_described() -> None:
    defaults = Config()
    models = {key: type(attrgetter(key.rpartition(".")[0])(defaults)) for key in KEYS}
    assert [key for key, model in models.items() if not meanings(model).get(key.rpartition(".")[2])] == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[::ffff:127.0.0.1]:8081", "127.0.0.1:8081"),
        ("[::FFFF:0.0.0.0]:0", "0.0.0.0:0"),
        ("[fe80::1%2]:1", "[fe80::1%2]:1"),
        ("[FE80::1%eth0.100]:1", "[fe80::1%eth0.100]:1"),
        ("[::ffff:127.0.0.1%eth0]:1", "127.0.0.1%eth0:1"),
    ],
)
def test_an_address_is_shown_as_what_it_is(text: str, shown: str) -> None:
    assert str(Address.parse(text)) == shown


@pytest.mark.parametrize("text", ["[fe80::1]:8081", "[febf::1]:8081"])
def test_a_link_local_address_needs_its_interface(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"must name the interface, such as '\[fe.*%eth0\]:8081', because it is"
    ):
        Address.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.1:8080",
        "0.0.0.0:0",
        "[::]:8080",
        "[2001:db8::1]:65535",
        "[fe80::1%eth0]:1",
        "0.0.0.0%eth0:8080",
        "[::%vrf-red]:8080",
        "192.0.2.1%eth0.100:1",
    ],
)
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    assert str(Address.parse(text)) == text


@given(st.ip_addresses(), st.integers(0, 65535))
def test_any_address_is_written_as_it_is_read(host: IPv4Address | IPv6Address, port: int) -> None:
    assume(isinstance(host, IPv4Address) or not (host.is_link_local or host.ipv4_mapped))
    address = Address(str(host), port)
    assert Address.parse(str(address)) == address


@given(st.text("0123456789abcdef:.[]%/ ", max_size=30))
def test_no_text_breaks_the_reading_of_addresses(text: str) -> None:
    try:
        address = Address.parse(text)
    except ValueError:
        return
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    ["", "8080", ":8080", "*:8080", "localhost:8080", "::1:8080", "::1", "[::1]", "[192.0.2.1]:1",
     "192.0.2.1", "192.0.2.1:", "192.0.2.1:-1", "192.0.2.1:1.5", "192.0.2.1:١", "192.0.2.1:65536",
     "192.0.2.1:9999999", "192.0.2.1: 1", "0.0.0.0%:1", "[::%]:1", "0.0.0.0%a%b:1", "0.0.0.0%a/b:1",
     "0.0.0.0%a b:1"],
)  # fmt: skip
def test_what_is_no_numeric_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must "):
        Address.parse(text)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("echo.tcp.listen", "[::1]:0", (Address("::1", 0),)),
        ("echo.tcp.listen", '["[::1]:0", "127.0.0.1:7"]', (Address("::1", 0), Address("127.0.0.1", 7))),
        ("access.deny", "192.0.2.7", (ip_network("192.0.2.7/32"),)),
        ("access.deny", '["fd00::/8", "::1"]', (ip_network("fd00::/8"), ip_network("::1/128"))),
        ("access.deny", "", ()),
        ("access.rate", "0.5", 0.5),
        ("dictionary.max_size", "64KiB", 65536),
        ("dictionary.max_size", "4096", 4096),
        ("dictionary.file", "words/dict.txt", Path("/somewhere/words/dict.txt")),
        ("dictionary.file", "/srv/dict.txt", Path("/srv/dict.txt")),
        ("dictionary.file", "~/dict.txt", Path("/somewhere/~/dict.txt")),
        ("command.key_file", "keys", Path("/somewhere/keys")),
        ("command.key_file", "", None),
        ("chat.idle_timeout", "30", 30.0),
        ("echo.tcp.ttl", "1", 1),
        ("echo.tcp.ttl", "0", None),
        ("echo.tcp.send_buffer", "1MiB", 1 << 20),
        ("echo.tcp.send_buffer", "0", None),
        ("metrics.listen", "", ()),
    ],
)
def test_a_value_becomes_what_the_program_works_with(key: str, text: str, value: object) -> None:
    assert value_of(key, text) == value


def test_the_configuration_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError):
        Config().chat.max_members = 5


def test_only_what_differs_has_changed() -> None:
    assert changed(Config(), Config()) == []
    assert changed(loaded("chat.max_members=5"), loaded("chat.max_members=5")) == []
    assert changed(Config(), loaded("chat.max_members=5", "echo.tcp.ttl=3", "access.rate=50")) == [
        "echo.tcp.ttl",
        "chat.max_members",
    ]
    assert changed(Config(), loaded("command.allow.x.argv=['/bin/true']")) == ["command.allow"]


def test_limits_change_live_and_sockets_wait_for_a_restart() -> None:
    assert [key for key in KEYS if not needs_restart(key)] == [
        f"{section}.{name}" for section, names in LIVE.items() for name in names
    ]
