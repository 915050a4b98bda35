"""The dump, and the file that is installed: both are the whole configuration, as TOML."""

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netechod.process.command.lint import warnings
from netechod.process.config.dump import dump
from netechod.process.config.load import load, needs_restart
from netechod.process.config.locations import leaves, quoted
from netechod.process.config.schema import KEYS
from netechod.process.service.command import build_policy

INSTALLED = Path(__file__).parents[3] / "etc" / "netechod.toml"
NAMED = {"command.allow", "dictionary.more"}  # keys that hold sections with names of their own

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
files = texts.filter(lambda text: "\0" not in text)
names = st.from_regex(r"\w[\w.-]{0,63}", fullmatch=True)
words = files.filter(lambda text: "{" not in text)  # what no argument of a request stands in
OVERRIDES = st.one_of(
    st.builds("chat.idle_timeout={}".format, st.floats(0, 604_800)),
    st.builds("access.rate={}".format, st.floats(1e-9, 1e9)),
    st.builds("chat.max_members={}".format, st.integers(1, 1_000_000)),
    st.builds("dictionary.max_size={}MiB".format, st.integers(1, 1000)),
    st.builds("echo.tcp.send_buffer={}".format, st.integers(0, 1 << 30)),
    st.builds("echo.tcp.ttl={}".format, st.integers(0, 255)),
    st.builds("echo.tcp.nodelay={}".format, st.sampled_from(["true", "false"])),
    st.builds("log.level={}".format, st.sampled_from(["DEBUG", "NORMAL", "WARNING", "ERROR", "FATAL"])),
    st.builds("access.allow={}".format, st.ip_addresses()),
    st.builds("access.refused_source_ports={}".format, st.lists(st.integers(0, 65535), max_size=4)),
    st.builds(
        "chat.listen=[{}]:{}".format,
        st.ip_addresses(v=6).filter(lambda address: not address.is_link_local),
        st.integers(9000, 65535),
    ),
    st.builds(lambda text: f"dictionary.unknown={quoted(text)}", texts),
    st.builds(lambda text: f"log.directory={quoted(text)}", files),
    st.builds(lambda text: f"command.key_file={quoted(text)}", files),
    st.builds(lambda name, arg: f"command.allow.{quoted(name)}.argv=[{quoted(arg)}]", names, words),
)


@given(st.lists(OVERRIDES, max_size=12))
def test_a_dump_loads_back_to_the_same_configuration(
    tmp_path_factory: pytest.TempPathFactory, overrides: list[str]
) -> None:
    loaded = load(None, overrides)
    path = tmp_path_factory.getbasetemp() / "dumped.toml"
    path.write_text(dump(loaded), encoding="utf-8")
    again = load(path)
    assert again.config == loaded.config
    assert dump(load(path)).splitlines()[0] == "[daemon]"


def test_a_dump_names_every_key_and_where_its_value_comes_from(tmp_path: Path) -> None:
    path = tmp_path / "netechod.toml"
    path.write_text("[chat]\nidle_timeout = 30\n")
    overrides = ["log.level=DEBUG", "command.allow.x.argv=['/bin/true', '-x']", "dictionary.more.x.file='/x'"]
    text = dump(load(path, overrides))
    assert f"\nidle_timeout = 30  # {path}:2\n" in text
    assert '\nlevel = "DEBUG"  # --set\n' in text
    assert "\nmax_members = 4096  # default\n" in text
    assert '\n[command.allow.x]\nargv = ["/bin/true", "-x"]  # --set\nparameters = []  # default\n' in text
    assert '\nindex = "/var/cache/netechod/x.index"  # default\n' in text
    assert not [line for line in text.splitlines() if line and not re.match(r"\[|\w+ = .+  # \S", line)]
    dumped = [".".join(names) for names, _ in leaves(tomllib.loads(text))]
    assert KEYS.keys() - set(dumped) == NAMED


def test_more_dictionaries_have_the_service_s_settings_and_indexes_beside_the_first_one() -> None:
    names = ("a", "b", "c")
    overrides = [f"dictionary.more.{name}.file=/{name}" for name in names]
    overrides += ["dictionary.index=/cache/main", "dictionary.max_reply=99", "dictionary.more.b.index="]
    sections = load(None, overrides).config.dictionary.all
    assert [(name, str(each.index), each.max_reply) for name, each in sections.items()] == [
        *(
            ("main", "/cache/main", 99),
            ("a", "/cache/a.index", 99),
            ("b", "None", 99),
            ("c", "/cache/c.index", 99),
        ),
    ]
    in_memory = load(None, [*overrides, "dictionary.index="]).config.dictionary.all
    assert {each.index for each in in_memory.values()} == {None}


def test_the_installed_file_s_dictionary_is_right(tmp_path: Path) -> None:
    path = tmp_path / "netechod.toml"
    path.write_text(uncommented("#     "), encoding="utf-8")
    assert list(load(path).config.dictionary.all) == ["main", "cedict"]


def uncommented(line_of_a_key: str = "#") -> str:
    """The installed file with every key in force."""
    return re.sub(rf"^{line_of_a_key}(?=\S)", "", INSTALLED.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_the_installed_file_changes_nothing() -> None:
    loaded = load(INSTALLED)
    assert loaded.config == load(None).config
    assert loaded.origins == {}


def test_the_installed_file_shows_every_key_with_its_default_in_order(tmp_path: Path) -> None:
    path = tmp_path / "netechod.toml"
    path.write_text(uncommented(), encoding="utf-8")
    loaded = load(path)
    assert loaded.config == load(None).config
    shown = [".".join(names) for names, _ in leaves(tomllib.loads(path.read_text(encoding="utf-8")))]
    assert shown == [key for key in KEYS if key not in NAMED]


def test_the_installed_file_marks_what_waits_for_a_restart() -> None:
    section = ""
    for paragraph in INSTALLED.read_text(encoding="utf-8").split("\n\n"):
        for line in paragraph.splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif key := re.match(r"#(\w+) = ", line):
                assert needs_restart(f"{section}.{key[1]}") == ("[restart]" in paragraph), line


def test_the_installed_file_s_commands_are_right_and_harmless(tmp_path: Path) -> None:
    path = tmp_path / "netechod.toml"
    path.write_text(uncommented("#     "), encoding="utf-8")
    loaded = load(path, ["command.enabled=true", "command.key_file=/keys"])
    assert list(loaded.config.command.allow) == ["uptime", "disk", "ping"]
    assert [doubt for doubt in warnings(loaded) if "there is no program" not in doubt] == []
    policy = build_policy(loaded.config.command, {})
    [mount], [host] = policy.commands["disk"].parameters, policy.commands["ping"].parameters
    assert [bool(mount.fullmatch(text)) for text in ("/", "/var", "/var/..", "-a", "")] == [True] * 2 + [
        False
    ] * 3
    assert [bool(host.fullmatch(text)) for text in ("web1.example.org", "db12xexample.org", "-f")] == [
        True,
        False,
        False,
    ]
