"""Keys from the environment: which variables count, what they mean, and what is wrong with them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netechod.errors import ConfigError
from netechod.process.config.dump import dump
from netechod.process.config.load import load
from netechod.process.config.overrides import MAX_NAMES, overrides, unchecked
from netechod.process.config.schema import KEYS


def refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> str:
    """The report about one variable."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        load(None)
    return str(caught.value)


def test_a_variable_is_stronger_than_the_file_and_weaker_than_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "netechod.toml"
    path.write_text("[chat]\nidle_timeout = 1\nmax_members = 1\nmax_message = 1\n")
    monkeypatch.setenv("NETECHOD__CHAT__IDLE_TIMEOUT", "30")
    monkeypatch.setenv("NETECHOD__CHAT__MAX_MEMBERS", "31")
    loaded = load(path, ["chat.max_members=32"])
    chat = loaded.config.chat
    assert (chat.idle_timeout, chat.max_members, chat.max_message) == (30, 32, 1)
    assert loaded.origins == {
        "chat.idle_timeout": "NETECHOD__CHAT__IDLE_TIMEOUT",
        "chat.max_members": "--set",
        "chat.max_message": f"{path}:4",
    }
    assert "\nidle_timeout = 30  # NETECHOD__CHAT__IDLE_TIMEOUT\n" in dump(loaded)
    assert loaded.reread().config == loaded.config


@pytest.mark.parametrize("key", KEYS)
def test_every_key_can_be_set(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "NETECHOD__" + key.replace(".", "__").upper()
    [override] = overrides([], {name: "[]"})
    assert (override.source, ".".join(override.path), override.value) == (name, key, [])


@pytest.mark.parametrize(
    ("name", "value", "key", "parsed"),
    [
        ("NETECHOD__ECHO__TCP__LISTEN", "127.0.0.1:7", "echo.tcp.listen", "127.0.0.1:7"),
        ("NETECHOD__ECHO__TCP__LISTEN", '["[::1]:7"]', "echo.tcp.listen", ["[::1]:7"]),
        ("NETECHOD__DAEMON__PIDFILE", "", "daemon.pidfile", ""),
        ("NETECHOD__ECHO__UDP__PUBLIC", "true", "echo.udp.public", True),
        ("NETECHOD__DICTIONARY__UNKNOWN", "没有", "dictionary.unknown", "没有"),
        ("NETECHOD__DICTIONARY__MORE__CEDICT__FILE", "/c", "dictionary.more.cedict.file", "/c"),
        ("NETECHOD__CHAT", "{max_members = 5}", "chat", {"max_members": 5}),
    ],
)
def test_a_value_is_toml_or_else_text(name: str, value: str, key: str, parsed: object) -> None:
    [override] = overrides([], {name: value})
    assert (".".join(override.path), override.value, override.problem) == (key, parsed, "")


def test_variables_of_other_programs_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "NETECHOD_PORT_8080_TCP",
        "NETECHOD_CONTROL",
        "XNETECHOD__CHAT__RATE",
        "netechod__chat__rate",
    ):
        monkeypatch.setenv(name, "x")
    assert load(None).origins == {}


@pytest.mark.parametrize(
    ("name", "value", "fragments"),
    [
        (
            "NETECHOD__CHAT__IDEL_TIMEOUT",
            "3",
            [": chat.idel_timeout: unknown key", "hint: did you mean 'idle_timeout'?"],
        ),
        ("NETECHOD__CHAT__MAX_MEMBERS", "many", [": chat.max_members: must be an integer (got a string)"]),
        ("NETECHOD__CHAT", "3", [": chat: must be a table (got an integer)"]),
        ("NETECHOD__CHAT_RATE", "3", [": chat_rate: unknown key"]),
        ("NETECHOD__LOG__LEVEL", "LOUD", [": log.level: must be one of "]),
        (
            "NETECHOD__",
            "3",
            [": must be NETECHOD__SECTION__KEY=VALUE", "for example NETECHOD__CHAT__IDLE_TIM"],
        ),
        ("NETECHOD__CHAT__", "3", [": must be NETECHOD__SECTION__KEY=VALUE in UTF-8"]),
        ("NETECHOD__CHAT____RATE", "3", [": must be NETECHOD__SECTION__KEY=VALUE in UTF-8"]),
        ("NETECHOD__DICTIONARY__UNKNOWN", "\udcff", [": must be NETECHOD__SECTION__KEY=VALUE in UTF-8"]),
        ("NETECHOD" + "__A" * (MAX_NAMES + 1), "3", [": must be NETECHOD__SECTION__KEY=VALUE"]),
        (
            "NETECHOD__CHAT__LISTEN",
            "[::]:8081",
            [": chat.listen: UDP [::]:8081 also stands in dictionary.lis"],
        ),
    ],
)
def test_a_bad_variable_is_refused_by_its_name(
    name: str, value: str, fragments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = refused(monkeypatch, name, value)
    assert report.startswith(f"error: {name}")
    assert [fragment for fragment in fragments if fragment not in report] == [], report
    assert report.endswith("environment: 1 error; the configuration was not applied")


def test_the_problems_of_file_environment_and_command_line_come_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[chat]\nrate = 'x'\n")
    monkeypatch.setenv("NETECHOD__CHAT__BURST", "1")
    with pytest.raises(ConfigError) as caught:
        load(path, ["log.colour=1"])
    shown = [line.split(": ")[1] for line in str(caught.value).splitlines() if line.startswith("error")]
    assert shown[0] == f"{path}:2"
    assert set(shown[1:]) == {"NETECHOD__CHAT__BURST", "--set log.colour=1"}


def test_what_is_not_checked_is_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[chat]\nlisten = 3\nother = 4\n")
    values = unchecked(path, ["chat.rate=x", "nonsense"], {"NETECHOD__CHAT__OTHER": "5", "NETECHOD__": ""})
    assert values == {"chat": {"listen": 3, "other": 5, "rate": "x"}}


@given(st.dictionaries(st.text(), st.text()), st.lists(st.text()))
def test_any_environment_is_read_or_refused(environment: dict[str, str], options: list[str]) -> None:
    prefixed = {f"NETECHOD__{name}": value for name, value in environment.items()}
    for override in overrides(options, prefixed):
        assert bool(override.path) != bool(override.problem)
