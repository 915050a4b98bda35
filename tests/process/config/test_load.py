"""Loading: what is wrong is said completely, with its place; what is right says where it comes from."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netechod.errors import ConfigError
from netechod.process.config import diagnostics, toml_file
from netechod.process.config.load import load
from netechod.process.config.overrides import MAX_NAMES

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a directory of our own, so that file names in reports are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def complaint(text: str | bytes, *overrides: str) -> str:
    """The report about a file `bad.toml` of that content."""
    path = Path("bad.toml")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load(path, overrides)
    assert caught.value.exit_code == 78
    return str(caught.value)


def test_a_report_shows_every_problem_in_the_order_of_the_file() -> None:
    text = """\
[chat]
max_message = 80800
join = "Cookie"

[echo.tcp]
modus = "tutorial"

[loging]
level = "DEBUG"
"""
    assert complaint(text, "chat.idle_timeout=x") == (
        """\
error: bad.toml:2: chat.max_message: must be at most 60000 (got 80800)
 --> bad.toml:2:1
  |
2 | max_message = 80800
  | ^^^^^^^^^^^

error: bad.toml:3: chat.join: must be one of 'auto', 'open', 'cookie' (got 'Cookie')
 --> bad.toml:3:1
  |
3 | join = "Cookie"
  | ^^^^
  = hint: did you mean 'cookie'?

error: bad.toml:6: echo.tcp.modus: unknown key
 --> bad.toml:6:1
  |
6 | modus = "tutorial"
  | ^^^^^
  = hint: did you mean 'mode'?

error: bad.toml:8: loging: unknown key
 --> bad.toml:8:2
  |
8 | [loging]
  |  ^^^^^^
  = hint: did you mean 'log'?

error: --set chat.idle_timeout=x: chat.idle_timeout: must be a number (got a string)

bad.toml: 5 errors; the configuration was not applied"""
    )


BAD_FILES: Sequence[tuple[str | bytes, Sequence[str]]] = [
    # keys
    ("[chat]\nmax_member = 3", ["bad.toml:2: chat.max_member: unknown key", "did you mean 'max_members'?"]),
    ("listen = []", ["bad.toml:1: listen: unknown key", "'listen' belongs in [chat] or [command] or "]),
    ("[chat]\npublic = true", ["chat.public: unknown key", "hint: 'public' belongs in [echo.udp]"]),
    ("[udp]\npublic = true", ["bad.toml:1: udp: unknown key", "hint: 'udp' belongs in [echo]"]),
    ("[xyzzy.plugh]\n", ["bad.toml:1: xyzzy: unknown key\n --> bad.toml:1:2\n", "bad.toml: 1 error; "]),
    ("[command.allow.x]\nargs=[]", ["command.allow.x.argv: is missing", "hint: did you mean 'argv'?"]),
    ("chat.'bell\\u0007' = 1", ['chat."bell\\\\u0007": unknown key']),
    # wrong types
    ("[chat]\nmax_members = '8'", ["chat.max_members: must be an integer (got a string)"]),
    ("[chat]\nmax_members = true", ["chat.max_members: must be an integer (got a boolean)"]),
    ("[chat]\nmax_members = 1.0", ["chat.max_members: must be an integer (got a number)"]),
    ("[chat]\nidle_timeout = [3]", ["chat.idle_timeout: must be a number (got a list)"]),
    ("[chat]\nenabled = 1", ["chat.enabled: must be true or false (got an integer)"]),
    ("[chat]\nenabled = 'yes'", ["chat.enabled: must be true or false (got a string)"]),
    ("chat = 3", ["bad.toml:1: chat: must be a table (got an integer)"]),
    ("[[chat]]\nenabled = true", ["bad.toml:1: chat: must be a table (got a list)"]),
    ("[daemon.user]\nname = 'x'", ["bad.toml:1: daemon.user: must be a string (got a table)"]),
    (
        "[dictionary]\nunknown = 1000",
        ["must be a string (got an integer)", 'hint: write it in quotes: "1000"'],
    ),
    ("[log]\ndirectory = 5", ["log.directory: must be a string (got an integer)"]),
    ("[echo.tcp]\nlisten = 8080", ["echo.tcp.listen: must be a list (got an integer)"]),
    ("[echo.tcp]\nlisten = [8080]", ["echo.tcp.listen[0]: must be a string (got an integer)"]),
    ("[command]\nallow = 3", ["command.allow: must be a table (got an integer)"]),
    ("[log]\njournal = true", ["must be one of 'auto', 'on', 'off' (got true)"]),
    # dates, and numbers that are none
    ("[dictionary]\nunknown = 1979-05-27", ["dictionary.unknown: must be a string (got nan or a date)"]),
    ("[chat]\nidle_timeout = 07:32:00", ["chat.idle_timeout: must be a finite number (got nan or a date)"]),
    ("[chat]\nidle_timeout = inf", ["chat.idle_timeout: must be a finite number (got inf)"]),
    ("chat = 1979-05-27T07:32:00Z", ["chat: must be a table (got nan or a date)"]),
    # bounds
    ("[access]\nmin_source_port = 65536", ["must be at most 65535 (got 65536)"]),
    ("[access]\nrate = 0", ["access.rate: must be more than 0 (got 0)"]),
    ("[access]\nbounce_limit = 1", ["access.bounce_limit: must be at least 2 (got 1)"]),
    ("[daemon]\ndrain_timeout = -0.5", ["daemon.drain_timeout: must be at least 0 (got -0.5)"]),
    ("[dictionary]\nmax_reply = 15", ["dictionary.max_reply: must be at least 16 (got 15)"]),
    ("[dictionary]\nmax_reply = 65508", ["dictionary.max_reply: must be at most 65507 (got 65508)"]),
    ("[dictionary]\nunknown = ''", ["dictionary.unknown: must not be empty"]),
    (f"[dictionary]\nunknown = '{'x' * 999}'", [f"at most 200 characters (got '{'x' * 59}...)"]),
    ("[dictionary]\nmax_size = '9 lives'", ["must be a size such as 65536 or '64KiB' (got '9 lives')"]),
    (f"[dictionary]\nmax_size = '{'9' * 400}'", ["dictionary.max_size: must be a size"]),
    ("[dictionary]\nmax_size = true", ["dictionary.max_size: must be a size such as", "(got true)"]),
    ("[chat]\nmax_members = 99999999999999999999", ["chat.max_members: must be at most 1000000 (got "]),
    ("[echo.tcp]\nlisten = []", ["echo.tcp.listen: must not be empty"]),
    ("[echo.tcp]\nlisten = ['1.2.3.4:99999']", ["must have a port of at most 65535 (got '1.2.3.4:99999')"]),
    ("[echo.tcp]\nlisten = ['localhost:80']", ["listen[0]: must be a numeric ADDRESS:PORT such as "]),
    ("[access]\nallow = ['10.0.0.1/8']", ["must be the network's own address, here '10.0.0.0/8' (got "]),
    ("[access]\nallow = ['office']", ["access.allow[0]: must be a network such as '192.0.2.0/24' or "]),
    ("[dictionary]\nfile = ''", ["dictionary.file: must be the name of a file (got '')"]),
    ('[command]\nkey_file = "a\\u0000b"', ["command.key_file: must be the name of a file"]),
    # one of several items
    (
        "[access]\nallow = [\n  '::1', # 苹果\n  '苹果',\n]",
        ["bad.toml:4: access.allow[1]: ", " --> bad.toml:4:3\n", "4 |   '苹果',\n  |   ^^^^^^\n"],
    ),
    # the bus
    ("[bus]\nurl = 'http://x'", ["bad.toml:2: bus.url: must begin with one of redis://, rediss://, unix://"]),
    ("[bus]\nurl = 'redis://:secret@x'", ["bad.toml:2: bus.url: must have no password: bus.password_file"]),
    ("[bus]\nrealm = 'Büro'", ["bad.toml:2: bus.realm: must have 1 to 32 of a-z, 0-9 and -"]),
    (
        "[bus]\nnode = '-a'",
        ["bad.toml:2: bus.node: must have 1 to 32 of a-z, 0-9, . and -"],
    ),
    ("[bus]\nlease = 2", ["bad.toml:2: bus.lease: must be at least 3 (got 2)"]),
    ("[bus]\nnames = 'long'", ["bad.toml:2: bus.names: must be one of 'plain', 'node' (got 'long')"]),
    # commands
    (
        "[command]\nenabled = true\n",
        ["bad.toml:1: command.key_file: must name the file with the keys where command.enabled is true"],
    ),
    ("[command.allow.x]\nargv = []", ["command.allow.x.argv: must not be empty"]),
    ("[command.allow.x]\nargv = ['']", ["bad.toml:2: command.allow.x.argv: must begin with a program"]),
    ('[command.allow.x]\nargv = ["a\\u0000"]', ["command.allow.x.argv[0]: must not have a NUL"]),
    (
        "[command.allow.x]\nargv = ['{1}']\nparameters = ['a']",
        ["bad.toml:2: command.allow.x.argv: must begin with a program, which no request can choose"],
    ),
    (
        "[command.allow.x]\nargv = ['a', '--{1}={2}']\nparameters = ['a']",
        ["bad.toml:2: command.allow.x.argv: {2} stands for an argument that has no parameter"],
    ),
    (
        "[command.allow.x]\nargv = ['a']\nparameters = ['a', '(b']",
        ["bad.toml:3: command.allow.x.parameters[1]: must be a regular expression: missing ), unterminated"],
    ),
    (
        "[command.allow.x]\nargv = ['a']\nparameters = ['a\tb']",
        ["command.allow.x.parameters[0]: must not have control characters"],
    ),
    (
        "[command.allow.x]\nargv = ['a']\nparameters = ['a']\nsecret = [1, 2]",
        ["bad.toml:4: command.allow.x.secret: 2 is the number of no parameter"],
    ),
    (
        "[command.allow.x]\nargv = ['a']\nsecret = [0]",
        ["command.allow.x.secret[0]: must be at least 1 (got 0)"],
    ),
    (
        "[command.allow.x]\nargv = ['a']\nkeys = ['Ops']",
        ["command.allow.x.keys[0]: must be the id of a key: 1 to 32 of a-z, 0-9 and - (got 'Ops')"],
    ),
    (
        "[command.allow.'?']\nargv = ['a']",
        ["bad.toml:1: command.allow.\"?\": must be a name of up to 64 letters, digits and _ . - (got '?')"],
    ),
    # contradictions
    (
        "[chat]\nlisten = '[::]:8081'",
        ["bad.toml:2: chat.listen: UDP [::]:8081 also stands in dictionary.listen", "2 | listen = "],
    ),
    (
        "[echo.udp]\nlisten = '[::]:8081'",
        ["bad.toml:2: echo.udp.listen: UDP [::]:8081 also stands in dictionary.listen"],
    ),
    ("[chat]\nlisten = ['1.1.1.1:1', '1.1.1.1:1']", ["chat.listen: UDP 1.1.1.1:1 stands there twice"]),
    (
        "[access]\nallow=['::2', '::1']\ndeny='::1'",
        ["bad.toml:3: access.deny: ::1/128 also stands in access.allow"],
    ),
    ("[daemon]\ncontrol = 'x'\npidfile = 'x'", ["bad.toml:2: daemon.control: ", "in daemon.pidfile"]),
    # not TOML
    ("[log]\nlevel = \n", ["error: bad.toml:2: not valid TOML: invalid value\n --> bad.toml:2:9\n"]),
    ("[log]\r\nlevel = DEBUG\r\n", ["bad.toml:2: not valid TOML: ", "2 | level = DEBUG\n  |         ^\n"]),
    ("[log\n", ["bad.toml:1: not valid TOML: expected ']' at the end of a table declaration\n"]),
    ("[log", ["bad.toml:1: not valid TOML: expected ']'", "1 | [log\n  |     ^\n"]),
    ("[log]\nlevel = '''\n", ["bad.toml:2: not valid TOML: expected "]),
    ("[log]\nlevel = 1\nlevel = 2", ["bad.toml:3: not valid TOML: cannot overwrite a value", "only once"]),
    ("a = 1\n\x1b[2J = 3", ["bad.toml:2: not valid TOML: ", "2 | \\x1b[2J = 3"]),
    ("a = " + "[" * 5000, ["error: bad.toml: not valid TOML: nested too deeply\n"]),
    ("a = " + "[" * 250 + "]" * 250, ["error: bad.toml: nested too deeply\n"]),
    ("a" + ".a" * 5000 + " = 1", ["error: bad.toml: not valid TOML: nested too deeply\n"]),
    ("a" + ".a" * MAX_NAMES + " = 1", ["error: bad.toml: not valid TOML: nested too deeply\n"]),
    ("[ 'a' " + '. "a.b" .a' * (MAX_NAMES // 2) + " ]", ["not valid TOML: nested too deeply\n"]),
    ("b = {a" + ".a" * MAX_NAMES + " = 1}", ["error: bad.toml: not valid TOML: nested too deeply\n"]),
    ("a" + ".a" * (MAX_NAMES - 1) + " = 1", ["bad.toml:1: a: unknown key\n --> bad.toml:1:1\n"]),
    ("a = " + "9" * 5000, ["error: bad.toml: not valid TOML: a number has too many digits\n"]),
    ("a = 0x" + "9" * 5000, ["error: bad.toml: not valid TOML: a number has too many digits\n"]),
    (
        b"\xef\xbb\xbf[log]\n",
        ["bad.toml: begins with a byte order mark\n  = hint: save it as UTF-8 without BOM"],
    ),
    (
        "# 苹果\n# 苹 ".encode() + "果".encode("gb18030"),
        ["bad.toml:2: not UTF-8: byte 0xb9\n --> bad.toml:2:5\n", "\n  |      ^\n", "hint: convert it, "],
    ),
    ("[log]\nlevel = 'ERROR'\n".encode("utf-16"), ["bad.toml:1: not UTF-8: byte 0xff\n"]),
    (b"a = '\0'\n", ["bad.toml:1: not valid TOML: ", "1 | a = '\\x00'\n"]),
]


@pytest.mark.parametrize(("text", "fragments"), BAD_FILES)
def test_a_bad_file_is_refused_with_the_place_and_the_reason(
    text: str | bytes, fragments: Sequence[str]
) -> None:
    report = complaint(text)
    assert report.startswith("error: bad.toml")
    assert report.endswith("; the configuration was not applied")
    assert [fragment for fragment in fragments if fragment not in report] == [], report
    assert report.replace("\n", "").isprintable() or "�" in report


BAD_OVERRIDES = [
    ("chat.idle_timeout", "--set chat.idle_timeout: must be KEY=VALUE"),
    ("=3", "--set =3: must be KEY=VALUE"),
    ("a b=3", "--set a b=3: must be KEY=VALUE"),
    ("#=3", "--set #=3: must be KEY=VALUE"),
    ("chat.\udcff=3", "must be KEY=VALUE in UTF-8"),
    ("a" + ".a" * 5000 + "=3", "must be KEY=VALUE in UTF-8"),
    ("a" + ".a" * (MAX_NAMES - 1) + "=3", ": a: unknown key"),
    ("echo.tcp.port=x", "--set echo.tcp.port=x: echo.tcp.port: unknown key"),
    ("chat.max_membres=3", "did you mean 'max_members'?"),
    ("chat=3", "--set chat=3: chat: must be a table (got an integer)"),
    ("chat.listen.x=3", "--set chat.listen.x=3: chat.listen: must be a list (got a table)"),
    ("chat.max_members=many", "chat.max_members: must be an integer (got a string)"),
    ("chat.max_members=1\nchat.x = 3", "chat.max_members: must be an integer (got a string)"),
    ("dictionary.unknown=5", 'hint: write it in quotes: "5"'),
    ("chat={max_members=0}", "chat.max_members: must be at least 1 (got 0)"),
    ("echo.tcp.model=treads", "'pool' (got 'treads')\n  = hint: did you mean 'thread'?"),
    (
        "chat.listen=[::]:8081",
        "--set chat.listen=[::]:8081: chat.listen: UDP [::]:8081 also stands in dictionary",
    ),
]


@pytest.mark.parametrize(("override", "fragment"), BAD_OVERRIDES)
def test_a_bad_override_is_refused_by_its_own_words(override: str, fragment: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, [override])
    assert fragment in str(caught.value)
    assert str(caught.value).endswith("command line: 1 error; the configuration was not applied")


def test_the_problems_of_the_command_line_come_with_those_of_an_unreadable_file() -> None:
    report = complaint("[log", "chat.x=1", "log.level=NORMAL")
    assert report.endswith("bad.toml: 2 errors; the configuration was not applied")
    assert "--set chat.x=1: chat.x: unknown key" in report


def test_a_missing_file_a_directory_and_a_fifo_are_refused_without_waiting(here: Path) -> None:
    os.mkfifo("fifo")
    for name, reason in [
        ("missing.toml", "cannot be read: No such file or directory\n  = hint: without --config and "),
        ("missing/netechod.toml", "cannot be read: No such file or directory"),
        ("fifo/netechod.toml", "cannot be read: Not a directory"),
        (str(here), "is a directory\n  = hint: give the name of a TOML file"),
        ("fifo", "is not a regular file"),
        ("/dev/null", "is not a regular file"),
    ]:
        with pytest.raises(ConfigError) as caught:
            load(Path(name))
        assert str(caught.value).startswith(f"error: {name}: {reason}")


def test_of_many_problems_the_first_hundred_are_shown_and_the_others_counted() -> None:
    text = "[chat]\n" + "".join(f"key{number} = 1\n" for number in range(5000)) + "mode = 2\n"
    report = complaint(text, "chat.join=never")
    shown = [line for line in report.splitlines() if line.startswith("error: ")]
    assert shown[:-1] == [
        f"error: bad.toml:{number + 2}: chat.key{number}: unknown key" for number in range(100)
    ]
    assert shown[-1] == "error: 4902 more errors are not shown"
    assert report.endswith("\nbad.toml: 5002 errors; the configuration was not applied")


def test_only_the_problems_that_are_shown_are_looked_at_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def none_close(word: str, *_: object, **__: object) -> list[str]:
        asked.append(word)
        return []

    monkeypatch.setattr(diagnostics, "get_close_matches", none_close)
    complaint("".join(f"key{number} = 1\n" for number in range(1000)))
    assert len(asked) == 100


def test_the_mark_stands_below_its_spot_whatever_is_before_it() -> None:
    report = complaint("'苹e\u0301'.x = 1\n[chat]\n", "log.level=DEBUG")
    line, mark = next(pair for pair in pairwise(report.splitlines()) if pair[1].endswith("^"))
    assert line.startswith("1 | '苹e\u0301'.x")
    assert mark == "  | ^^^^^"


def test_a_file_too_large_for_a_configuration_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toml_file, "MAX_SIZE", 20)
    assert complaint("#" * 21).startswith("error: bad.toml: is larger than 20 bytes\n")


@pytest.fixture
def removed_directory(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (here / "removed").mkdir()
    monkeypatch.chdir(here / "removed")
    (here / "removed").rmdir()
    return here


def test_absolute_names_need_no_working_directory(removed_directory: Path) -> None:
    file = removed_directory / "good.toml"
    file.write_text("[chat]\nmax_members = 7\n")
    assert load(file).config.chat.max_members == 7
    assert load(file).reread().config.chat.max_members == 7


def test_relative_names_in_a_removed_directory_are_told_by_their_place(removed_directory: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(Path("bad.toml"), ["dictionary.file=words", "dictionary.index=words.index"])
    gone = "must be an absolute name: the working directory has been removed"
    shown = [
        line.partition(" (got")[0] for line in str(caught.value).splitlines() if line.startswith("error")
    ]
    assert shown == [
        f"error: bad.toml: {gone}",
        f"error: --set dictionary.file=words: dictionary.file: {gone}",
        f"error: --set dictionary.index=words.index: dictionary.index: {gone}",
    ]


def test_without_a_file_the_defaults_hold() -> None:
    loaded = load(None)
    assert loaded.origins == {}
    assert loaded.path is None
    assert loaded.config.chat.max_members == 4096


def test_an_empty_file_means_the_defaults(here: Path) -> None:
    (here / "empty.toml").touch()
    assert load(Path("empty.toml")).config == load(None).config


def test_the_command_line_wins_over_the_file_and_its_later_words_over_the_earlier(here: Path) -> None:
    path = here / "good.toml"
    path.write_text("[chat]\nmax_members = 1\nmax_message = 2\nidle_timeout = 3\n[log]\ndirectory = 'logs'\n")
    loaded = load(path, ["chat.max_members=5", "chat.max_message=6", "chat.max_message=7", "log.level=DEBUG"])
    chat = loaded.config.chat
    assert (chat.max_members, chat.max_message, chat.idle_timeout) == (5, 7, 3)
    assert loaded.config.log.directory == here / "logs"
    assert loaded.origins == {
        "chat.max_members": "--set",
        "chat.max_message": "--set",
        "chat.idle_timeout": f"{path}:4",
        "log.directory": f"{path}:6",
        "log.level": "--set",
    }


def test_a_table_on_the_command_line_replaces_the_file_s(here: Path) -> None:
    (here / "good.toml").write_text("chat = {max_members = 1, idle_timeout = 2}\n")
    loaded = load(Path("good.toml"), ["chat={max_members=5}"])
    assert (loaded.config.chat.max_members, loaded.config.chat.idle_timeout) == (5, 120)
    assert loaded.origins == {"chat.max_members": "--set"}


def test_an_override_mends_what_is_wrong_in_the_file() -> None:
    path = Path("bad.toml")
    path.write_text("echo = 3\n[chat]\nmax_members = 'many'\n")
    loaded = load(path, ["chat.max_members=5", "echo.tcp.backlog=7"])
    assert (loaded.config.chat.max_members, loaded.config.echo.tcp.backlog) == (5, 7)


def test_several_addresses_may_be_port_0_and_tcp_shares_ports_with_udp() -> None:
    zero = [f"{service}.listen=127.0.0.1:0" for service in ("echo.tcp", "echo.udp", "dictionary", "chat")]
    assert load(None, zero).config.chat.listen[0].port == 0
    assert (
        load(None, ["echo.tcp.listen=[::]:9", "echo.udp.listen=[::]:9"]).config.echo.tcp.listen[0].port == 9
    )


def test_a_service_that_is_off_takes_no_address() -> None:
    assert load(None, ["dictionary.enabled=false", "chat.listen=[::]:8081"]).config.chat.enabled


def test_it_is_read_again_from_where_it_was_read_first(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "good.toml").write_text("[log]\ndirectory = 'logs'\n")
    loaded = load(Path("good.toml"), ["daemon.pidfile=pid"])
    monkeypatch.chdir("/")
    assert loaded.reread() == loaded
    (here / "good.toml").write_text("[log]\ndirectory = 'other'\n")
    again = loaded.reread().config
    assert (again.log.directory, again.daemon.pidfile) == (here / "other", here / "pid")


@given(
    st.lists(
        st.text(alphabet="[]{}=.,\"'#\n\\ ax1", max_size=12)
        | st.sampled_from(["[chat]\n", "echo.tcp", "listen=", "[[log]]\n", "'''", '"""', "1979-05-27"]),
        max_size=8,
    ).map("".join)
)  # fmt: skip
def test_whatever_the_file_says_it_is_loaded_or_reported(text: str) -> None:
    Path("any.toml").write_text(text)
    with suppress(ConfigError):
        load(Path("any.toml"))


@given(st.text(alphabet="chat.echotcpl[]{}=\"'\n\\ 1:", max_size=30))
def test_whatever_the_command_line_says_it_is_taken_or_reported(override: str) -> None:
    with suppress(ConfigError):
        load(None, [override])
