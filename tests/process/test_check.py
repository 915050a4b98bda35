"""The check: it accepts and refuses what a start would, and touches nothing."""

import os
import sys
from pathlib import Path

import pytest
from support.certificates import Authority
from support.daemon import SERVICES

from netechod.errors import ConfigError
from netechod.process import check as module
from netechod.process.check import check


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose dictionary lies beside it."""
    (tmp_path / "dict.txt").write_text("apple:苹果\nbanana:香蕉\n", encoding="utf-8")
    path = tmp_path / "netechod.toml"
    ports = "".join(f"{section}.listen = '127.0.0.1:0'\n" for section, _ in SERVICES.values())
    path.write_text(f'dictionary.file = "{tmp_path}/dict.txt"\nlog.directory = "{tmp_path}/log"\n{ports}')
    return path


def refusal(path: Path | None, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        check(path, overrides)
    assert caught.value.exit_code == 78
    return str(caught.value)


def test_good_files_are_ok(config: Path) -> None:
    words = config.with_name("dict.txt")
    assert check(config, []) == [f"{config}: ok", f"{words}: ok, 2 words, 0 lines skipped"]
    assert sorted(file.name for file in config.parent.iterdir()) == ["dict.txt", "netechod.toml"]


def test_without_a_file_the_defaults_are_checked(config: Path) -> None:
    lines = check(None, [f"dictionary.file={config.with_name('dict.txt')}"])
    assert "built-in configuration: ok" in lines  # others may have the default ports, which is told before


def test_a_dictionary_that_is_off_is_not_looked_at(config: Path) -> None:
    config.with_name("dict.txt").unlink()
    assert check(config, ["dictionary.enabled=false"]) == [f"{config}: ok"]


def test_skipped_lines_are_listed(config: Path) -> None:
    words = config.with_name("dict.txt")
    words.write_text("apple:x\npear\n")
    assert check(config, [])[1:] == [
        f"{words}:2: no ':'; write it as key:value; the line is skipped",
        f"{words}: ok, 1 words, 1 lines skipped",
    ]


def test_a_bad_dictionary_is_a_bad_configuration(config: Path) -> None:
    words = config.with_name("dict.txt")
    words.write_text("apple:x\npear\n")
    assert refusal(config, "dictionary.strict=true") == f"error: {words}:2: no ':'; write it as key:value"
    words.unlink()
    assert refusal(config).startswith(f"error: {words}: No such file or directory; dictionary.file names")


def test_every_problem_of_the_configuration_is_told_at_once(config: Path) -> None:
    config.write_text("[chat]\nidle_timeot = 3\nmax_members = 'many'\n")
    told = refusal(config, "log.level=LOUD")
    assert f"error: {config}:2: chat.idle_timeot: unknown key" in told
    assert "did you mean 'idle_timeout'?" in told
    assert f"error: {config}:3: chat.max_members: must be an integer" in told
    assert "log.level: must be one of" in told
    assert "3 errors" in told


@pytest.mark.parametrize("zone", ["nosuch0", "999999", "99999999999999", "x" * 100])
def test_an_address_on_an_interface_that_is_not_there_is_told(config: Path, zone: str) -> None:
    address = f"[fe80::1%{zone}]:8081"
    assert (
        refusal(config, f"dictionary.listen={address}") == f"error: {address}: there is no interface {zone}"
    )
    assert check(config, [f"chat.listen={address}", "chat.enabled=false"])[0] == f"{config}: ok"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can tell what another user can read")
def test_files_that_the_daemons_user_cannot_read_are_told(config: Path) -> None:
    words = config.with_name("dict.txt")
    words.chmod(0o600)
    about = config.with_name("about.txt")
    about.touch(0o600)
    texts = ["dict.enabled=true", "dict.listen=127.0.0.1:0", f"dictionary.information={about}"]
    lines = check(config, ["daemon.user=65534", *texts])
    assert f"warning: dictionary.file: user 65534 cannot read {words}: a reload will fail" in lines
    assert f"warning: dictionary.information: user 65534 cannot read {about}: a reload will fail" in lines
    assert refusal(config, "daemon.user=nosuchuser") == "error: daemon.user: there is no user 'nosuchuser'"


def test_a_reflector_for_anybody_is_warned_of_unless_keys_are_required(config: Path) -> None:
    keys = config.with_name("keys")
    keys.touch(0o600)
    keys.write_text("default open-sesame\n")
    public = ["stamp.enabled=true", "stamp.public=true", f"stamp.key_file={keys}"]
    warning = (
        "warning: --set: stamp.public: is true, and stamp.authentication is not required: anybody is answered"
    )
    assert warning in check(config, public)
    assert warning in check(config, [*public, "stamp.authentication=optional"])
    assert warning not in check(config, [*public, "stamp.authentication=required"])
    assert warning not in check(config, ["stamp.public=true"])


def test_a_clock_that_cannot_be_read_is_told_where_it_is_needed(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "clock_refusal", lambda: "Operation not permitted")
    told = (
        "warning: --set: stamp.enabled: the state of the clock cannot be read, so no answer claims that it "
        "is right: Operation not permitted"
    )
    assert told in check(config, ["stamp.enabled=true"])
    assert check(config, [])[0] == f"{config}: ok"


def test_files_where_the_daemon_needs_others_are_told(config: Path) -> None:
    place = config.parent / "place"
    place.symlink_to(config)
    settings = [f"daemon.pidfile={place}", f"daemon.control={config}", f"log.directory={config}"]
    assert check(config, settings)[:3] == [
        f"warning: daemon.pidfile: {place} is no regular file: a start will fail",
        f"warning: daemon.control: {config} is no socket: netechoctl cannot reach the daemon",
        f"warning: log.directory: {config} is no directory: a start will fail",
    ]


def test_a_bus_is_ok_if_its_files_and_its_library_are_and_nothing_is_connected_to(
    config: Path, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.touch(0o600)
    password.write_text("secret\n")
    authority = Authority(tmp_path / "authority").file
    files = [f"bus.password_file={password}", f"bus.ca_file={authority}"]
    assert check(config, ["bus.url=rediss://redis.invalid", *files])[0] == f"{config}: ok"


def test_a_bus_in_clear_to_another_machine_is_warned_of(config: Path) -> None:
    assert check(config, ["bus.url=redis://192.0.2.1"])[0] == (
        "warning: --set: bus.url: password and talk go to another machine in clear: rediss:// encrypts them"
    )
    assert check(config, ["bus.url=redis://localhost"])[0] == f"{config}: ok"


def test_a_file_of_the_bus_that_is_no_good_is_a_bad_configuration(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch(0o644)
    url = "bus.url=redis://localhost"
    assert "bus.password_file: " in refusal(config, url, f"bus.password_file={file}")
    assert "has mode 0644, others can use it" in refusal(config, url, f"bus.password_file={file}")
    assert f"bus.ca_file: {file}: cannot be loaded: " in refusal(config, url, f"bus.ca_file={file}")
    assert check(config, [f"bus.password_file={file}", f"bus.ca_file={file}"])[0] == f"{config}: ok"


def test_a_bus_without_its_library_is_a_bad_configuration(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hiredis", None)
    monkeypatch.delitem(sys.modules, "netechod.reactor.bus.resp", raising=False)
    monkeypatch.delattr("netechod.reactor.bus.resp", raising=False)
    assert refusal(config, "bus.url=redis://localhost") == (
        "error: --set: bus.url: needs the library hiredis: "
        "apt install python3-hiredis, or pip install 'netechod[bus]'"
    )
