"""What systemd says about socket units, by a systemctl(1) of ours. A real one is asked on a machine."""

from pathlib import Path

import pytest

from netechod.process.config.values import Address
from netechod.process.unix.socket_units import passed_by_units

SYSTEMCTL = """#!/bin/sh
case "$*" in
*ExecStart*) cat <<END
ExecStart={ path=/usr/bin/netechod ; argv[]=/usr/bin/netechod --foreground ; ignore_errors=no ; pid=0 }
TriggeredBy=netechod-chat.socket words.socket netechod-dictionary.path

ExecStart={ path=/usr/bin/netechod ; argv[]=/usr/bin/netechod -f --config /etc/n/command.toml ; pid=0 }
TriggeredBy=netechod-command.socket
END
;;
*command.socket) cat <<END
Id=netechod-command.socket
Listen=[::]:8083 (Datagram)
FileDescriptorName=command
ActiveState=active
END
;;
*chat.socket*words.socket) cat <<END
Id=netechod-chat.socket
Listen=[::]:8082 (Datagram)
Listen=192.0.2.1:8082 (Datagram)
Listen=/run/chat.sock (Datagram)
FileDescriptorName=chat
ActiveState=active

Id=words.socket
Listen=[::1]:9081 (Datagram)
ActiveState=active

Id=netechod-echo-udp.socket
Listen=[::]:8080 (Datagram)
FileDescriptorName=echo-udp
ActiveState=inactive
END
;;
*) exit 1
esac
"""


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "systemctl"
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return program


def test_the_active_sockets_of_the_daemon_with_this_configuration_are_found(
    systemctl: Path, tmp_path: Path
) -> None:
    assert passed_by_units(Path("/etc/netechod/netechod.toml"), tmp_path) == {
        "chat": [Address("::", 8082), Address("192.0.2.1", 8082)],
        "words.socket": [Address("::1", 9081)],
    }
    assert passed_by_units(Path("/etc/n/command.toml"), tmp_path) == {"command": [Address("::", 8083)]}
    assert passed_by_units(Path("/etc/other.toml"), tmp_path) == {}


def test_without_systemd_or_an_answer_there_are_none(systemctl: Path, tmp_path: Path) -> None:
    config = Path("/etc/netechod/netechod.toml")
    assert passed_by_units(config, tmp_path / "nothing") == {}
    assert passed_by_units(None, tmp_path) == {}
    systemctl.write_text("#!/bin/sh\nexit 1\n")
    assert passed_by_units(config, tmp_path) == {}
    systemctl.unlink()
    assert passed_by_units(config, tmp_path) == {}
