"""`netechod --init`: files of this installation, which a start accepts, and units that name them."""

import os
import re
import sys
from pathlib import Path

import pytest

import netechod
from netechod.cli.netechod import main
from netechod.errors import NetechodError
from netechod.process import initialize as module
from netechod.process.config.load import load
from netechod.process.initialize import initialize, shared_files

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path("/opt/net echo/bin/netechod")


@pytest.fixture(autouse=True)
def _from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "shared_files", lambda: ROOT / "packaging" / "data" / "share" / "netechod")


def made(directory: Path, monkeypatch: pytest.MonkeyPatch, uid: int = 1000) -> list[str]:
    """The lines about the files that a user gets."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: uid)
        mask = os.umask(0o077)
        try:
            return list(initialize(directory, PROGRAM))
        finally:
            os.umask(mask)


def commands(unit: Path) -> list[str]:
    return re.findall(r"^Exec.*$", unit.read_text(encoding="utf-8"), re.MULTILINE)


def test_an_ordinary_user_s_daemon_has_all_its_files_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "my files"
    lines = made(directory, monkeypatch)
    config = load(directory / "netechod.toml").config
    files = {
        config.daemon.pidfile,
        config.daemon.control,
        config.log.directory,
        config.dictionary.file,
        config.dictionary.index,
    }
    assert {file for file in files if file is None or directory not in file.parents} == set()
    assert (directory / "dict.txt").read_bytes() == (ROOT / "etc" / "dict.txt").read_bytes()
    units = {file.name for file in (directory / "systemd").iterdir()}
    packaged = {link.name for link in (ROOT / "packaging/data/share/netechod/systemd").iterdir()}
    assert packaged - units == {
        "netechod-command.service",
        "netechod-command.socket",
        "netechod-stamp.socket",
    }
    service = directory / "systemd" / "netechod.service"
    assert commands(service) == [
        f'ExecStart="/opt/net echo/bin/netechod" --foreground --config "{directory}/netechod.toml"',
        f'ExecReload="/opt/net echo/bin/netechoctl" --socket "{directory}/run/control.sock" reload',
    ]
    text = service.read_text(encoding="utf-8")
    assert "\nUser=" not in text
    assert "\nProtectSystem=" not in text
    assert "\nType=notify\n" in text
    assert "\nWantedBy=default.target\n" in text
    assert f"\nPathChanged={directory}/dict.txt\n" in (
        directory / "systemd" / "netechod-dictionary.path"
    ).read_text(encoding="utf-8")
    assert any(f"systemctl --user link '{directory}'/systemd/*" in line for line in lines)


def test_root_s_units_have_the_sandbox_and_the_user_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = made(tmp_path, monkeypatch, uid=0)
    assert load(tmp_path / "netechod.toml").origins.keys() == {"dictionary.file"}
    service = tmp_path / "systemd" / "netechod.service"
    assert commands(service) == [
        f'ExecStart="/opt/net echo/bin/netechod" --foreground --config {tmp_path}/netechod.toml',
        'ExecReload="/opt/net echo/bin/netechoctl" --socket /run/netechod/control.sock reload',
        f"ExecStartPre=+/usr/bin/systemd-tmpfiles --create {tmp_path}/tmpfiles.conf",
    ]
    packaged = (ROOT / "packaging" / "systemd" / "netechod.service").read_text(encoding="utf-8")
    text = service.read_text(encoding="utf-8")
    changed = [line for line in text.splitlines() if line not in packaged.splitlines()]
    assert changed == commands(service)
    command = commands(tmp_path / "systemd" / "netechod-command.service")
    own = f" --foreground --config {tmp_path}/netechod-command.toml --set daemon.conf_d="
    assert command[0].endswith(own)
    assert f'"{tmp_path}/command-keys"' in (tmp_path / "netechod-command.toml").read_text(encoding="utf-8")
    assert {file.name for file in tmp_path.iterdir()} >= {"sysusers.conf", "tmpfiles.conf"}
    assert any("systemctl link" in line for line in lines)
    assert all(file.stat().st_mode & 0o444 == 0o444 for file in tmp_path.rglob("*") if file.is_file())


def test_root_is_told_that_a_service_cannot_see_home_directories(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "HIDDEN", (str(tmp_path),))
    assert made(tmp_path, monkeypatch, uid=0)[-1].startswith(f"warning: the service cannot see {tmp_path}: ")


def test_a_file_that_is_there_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dict.txt").write_text("mine:我的\n", encoding="utf-8")
    lines = made(tmp_path, monkeypatch)
    assert f"{tmp_path}/dict.txt: kept as it is" in lines
    assert f"{tmp_path}/netechod.toml: written" in lines
    assert (tmp_path / "dict.txt").read_text(encoding="utf-8") == "mine:我的\n"
    assert not any(line.endswith(": written") for line in made(tmp_path, monkeypatch))


def test_a_percent_sign_and_a_dollar_stay_what_they_are_in_units(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path / "100%h$HOME", monkeypatch)
    [start, _] = commands(tmp_path / "100%h$HOME" / "systemd" / "netechod.service")
    assert start.endswith(f"--config {tmp_path}/100%%h$$HOME/netechod.toml")
    path = tmp_path / "100%h$HOME" / "systemd" / "netechod-dictionary.path"
    assert f"\nPathChanged={tmp_path}/100%%h$HOME/dict.txt\n" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["new\nline", "\udcff"])
def test_a_name_that_no_unit_can_have_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NetechodError, match="has characters that units cannot have"):
        made(tmp_path / name, monkeypatch)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    mask = os.umask(0o022)
    status = main(["--init", str(tmp_path / "file")])
    os.umask(mask)
    assert status == 1
    assert capsys.readouterr().err == f"netechod: error: cannot write {tmp_path}/file: File exists\n"


def test_the_files_are_found_below_the_prefix_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "share" / "netechod"
    with monkeypatch.context() as patch:
        patch.setattr(sys, "prefix", str(tmp_path))
        with pytest.raises(NetechodError, match="this installation has no share/netechod"):
            shared_files()
        shared.mkdir(parents=True)
        (shared / "netechod.toml").touch()
        assert shared_files() == shared
        package = tmp_path / "lib" / "python3" / "site-packages" / "netechod" / "__init__.py"
        patch.setattr(netechod, "__file__", str(package))
        patch.setattr(sys, "prefix", "/nowhere")
        assert shared_files() == shared
