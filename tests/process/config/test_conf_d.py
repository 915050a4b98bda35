"""Further files beside the configuration: read in order, and named in every report."""

from pathlib import Path

import pytest

from netechod.errors import ConfigError
from netechod.process.config.dump import dump
from netechod.process.config.load import Loaded, load


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a directory of our own, so that file names in reports are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(**files: str) -> None:
    """Write `netechod.toml` (main) and files of conf.d; `_` stands for `-` in their names."""
    Path("conf.d").mkdir(exist_ok=True)
    for name, text in files.items():
        path = Path("netechod.toml" if name == "main" else f"conf.d/{name.replace('_', '-')}.toml")
        path.write_text(text, encoding="utf-8")


def loaded(*overrides: str) -> Loaded:
    return load(Path("netechod.toml"), overrides)


def report(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(*overrides)
    return str(caught.value)


def test_later_files_replace_keys_of_earlier_ones_and_leave_the_others() -> None:
    write(
        main="[chat]\nidle_timeout = 1\nmax_members = 5\n[access]\nallow = ['192.0.2.0/24', '::1']\n",
        z2="[chat]\nidle_timeout = 3\n",
        a1="[chat]\nidle_timeout = 2\nrate = 7\n[access]\nallow = ['198.51.100.0/24']\n",
    )
    config = loaded("chat.rate=8").config
    assert (config.chat.idle_timeout, config.chat.max_members, config.chat.rate) == (3, 5, 8)
    assert [str(network) for network in config.access.allow] == ["198.51.100.0/24"]


def test_every_origin_names_its_file_and_line() -> None:
    write(main="[chat]\nidle_timeout = 1\nmax_members = 5\n", a="\n[chat]\n\nidle_timeout = 2\n")
    origins = loaded("chat.rate=8").origins
    assert origins == {
        "chat.idle_timeout": "conf.d/a.toml:4",
        "chat.max_members": "netechod.toml:3",
        "chat.rate": "--set",
    }
    assert "\nidle_timeout = 2  # conf.d/a.toml:4\n" in dump(loaded())


def test_problems_name_their_files_the_main_one_first() -> None:
    write(
        main="\n\n\n[chat]\nrate = 'x'\n",
        b="[echo.tcp]\nlisten = ['127.0.0.1:x']\n",
        a="[chat]\nidle_timeout = -1\nbogus = 1\n",
        c="[chat\n",
    )
    told = report()
    places = [line.split(": ")[1] for line in told.splitlines() if line.startswith("error: ")]
    assert places == [
        "netechod.toml:5",
        "conf.d/a.toml:2",
        "conf.d/a.toml:3",
        "conf.d/b.toml:2",
        "conf.d/c.toml:1",
    ]
    assert told.endswith("netechod.toml: 5 errors; the configuration was not applied")
    assert " --> conf.d/b.toml:2:11\n" in told


def test_a_conflict_between_files_is_told_where_the_later_one_stands() -> None:
    write(main="[access]\nallow = ['192.0.2.0/24']\n", a="[access]\ndeny = ['192.0.2.0/24']\n")
    assert "error: conf.d/a.toml:2: access.deny: 192.0.2.0/24 also stands in access.allow" in report()


def test_hidden_files_other_endings_and_subdirectories_are_not_read() -> None:
    write(main="")
    for name in (".a.toml", "a.toml~", "b.conf", "README"):
        Path("conf.d", name).write_text("not TOML")
    assert loaded().more == []


def test_what_is_no_readable_file_is_a_problem_with_its_name() -> None:
    write(main="")
    Path("conf.d/a.toml").mkdir()
    Path("conf.d/b.toml").symlink_to("nowhere")
    told = report()
    assert "error: conf.d/a.toml: is a directory" in told
    assert "error: conf.d/b.toml: cannot be read: No such file or directory" in told


def test_without_the_directory_the_file_is_alone() -> None:
    Path("netechod.toml").write_text("")
    assert loaded().more == []
    Path("conf.d").write_text("a file")
    assert loaded().more == []


def test_a_directory_that_cannot_be_read_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    write(main="")

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert "error: conf.d: cannot be read: Permission denied" in report()


def test_the_directory_can_have_another_name_or_none() -> None:
    write(main="[daemon]\nconf_d = 'more'\n", a="[chat]\nrate = 1\n")
    Path("more").mkdir()
    Path("more/x.toml").write_text("[chat]\nrate = 2\n")
    assert loaded().config.chat.rate == 2
    assert loaded("daemon.conf_d=").config.chat.rate == 10
    assert loaded("daemon.conf_d=conf.d").config.chat.rate == 1
    Path("netechod.toml").write_text("daemon = 1\n")
    assert "daemon: must be a table" in report()
    Path("netechod.toml").write_text("[daemon]\nconf_d = 1\n")
    assert "daemon.conf_d: must be a string" in report()


def test_a_reload_reads_the_directory_anew(here: Path) -> None:
    write(main="", a="[chat]\nrate = 1\n")
    first = loaded()
    Path("conf.d/a.toml").unlink()
    write(b="[chat]\nrate = 2\n")
    again = first.reread()
    assert (first.config.chat.rate, again.config.chat.rate) == (1, 2)
    assert again.more == [Path("conf.d/b.toml")]


def test_commands_and_dictionaries_of_several_files_are_all_there() -> None:
    write(
        main="[command.allow.a]\nargv = ['/bin/true']\n",
        x="[command.allow.b]\nargv = ['/bin/false']\n[command.allow.a]\nsecret = []\n",
    )
    assert list(loaded().config.command.allow) == ["a", "b"]
