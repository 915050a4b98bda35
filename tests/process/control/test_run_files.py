"""Names that somebody removes: they come back, it is told, and nobody who asks meanwhile is cut off."""

import logging
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemon import Daemon
from support.looping import FakeClock, turn

from netechod.client.operator.control import ask as ask_control
from netechod.errors import AlreadyRunningError
from netechod.process.control.run_files import INTERVAL, RunFiles
from netechod.process.unix.pidfile import Pidfile
from netechod.reactor.loop import Loop


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as daemon:
        yield daemon.start()


@pytest.mark.system
def test_pidfile_and_control_socket_come_back_at_a_reload_and_it_is_told(daemon: Daemon) -> None:
    control = daemon.directory / "control.sock"
    pid = daemon.pidfile.read_text()
    for path in (daemon.pidfile, control):
        path.unlink()
    daemon.reload()
    assert daemon.pidfile.read_text() == pid
    assert stat.S_IMODE(daemon.pidfile.stat().st_mode) == 0o644
    with pytest.raises(AlreadyRunningError, match=pid.strip()):
        Pidfile(daemon.pidfile).lock()
    assert ask_control(control, "members") == []
    daemon.said("the pidfile was lost, it is made again")
    daemon.said("the control socket was lost, it is made again")
    assert daemon.stop() == 0
    assert not daemon.pidfile.exists()
    assert not control.exists()


@pytest.mark.system
def test_a_lost_directory_is_made_again_too(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with Daemon(tmp_path) as daemon:
        daemon.configure({"daemon.pidfile": run / "n.pid", "daemon.control": run / "control.sock"})
        daemon.start()
        for path in (run / "n.pid", run / "control.sock"):
            path.unlink()
        run.rmdir()
        daemon.reload()
        assert sorted(path.name for path in run.iterdir()) == ["control.sock", "n.pid"]
        assert daemon.stop() == 0


@pytest.mark.system
def test_a_name_that_another_has_taken_is_left_to_it(daemon: Daemon) -> None:
    control = daemon.directory / "control.sock"
    control.unlink()
    daemon.pidfile.unlink()
    other = Pidfile(daemon.pidfile)
    other.lock()
    with other, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(control))
        listener.listen()
        daemon.reload()
        daemon.said("the pidfile is lost, and cannot be made again: already running (pid ")
        daemon.said("the control socket is lost, and cannot be made again: another instance answers there")
        assert daemon.pidfile.read_text() == f"{os.getpid()}\n"
        assert daemon.stop() == 0
        assert daemon.pidfile.exists()


def test_names_are_looked_after_without_being_asked_and_a_failure_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "netechod")
    clock = FakeClock()
    loop = Loop(clock=clock)
    answers: list[bool | OSError] = [False, OSError(13, "Permission denied", "x")]
    answers += [OSError(13, "Permission denied", "x"), True, False]

    def renew() -> bool:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    RunFiles(loop, {"name": renew})
    for _ in range(5):
        clock.advance(INTERVAL)
        turn(loop)
    loop.close()
    assert answers == []
    assert caplog.messages == [
        "the name is lost, and cannot be made again: x: Permission denied",
        "the name was lost, it is made again",
    ]
