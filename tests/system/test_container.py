"""The daemon as process 1 of a container: every process whose parent has ended becomes its child."""

import os
import select
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from support.commands import CommandDaemon, allowing, answer, signed
from support.daemon import NETECHOD, PATIENCE, any_port, ask

from netechod.client.operator.control import ask as ask_control

pytestmark = [pytest.mark.system, pytest.mark.namespaces]

ROOT = os.geteuid() == 0
CONTAINER = ["unshare", *([] if ROOT else ["--map-root-user"]), "-pf", "--mount-proc", "--kill-child"]
ENTER = ["nsenter", *([] if ROOT else ["-U", "--preserve-credentials"]), "-p", "-m", "-t"]
COMMANDS = {"fail": {"argv": ["/bin/sh", "-c", "echo failed; exit 7"]}}


def children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def test_process_1_reaps_orphans_and_keeps_the_ends_of_its_own_children(tmp_path: Path) -> None:
    with CommandDaemon(tmp_path, COMMANDS) as daemon:
        daemon._program = [*CONTAINER, *NETECHOD]
        extra = {"dictionary.enabled": True, "dictionary.index_from": 0, "echo.tcp.enabled": True}
        daemon.configure({**allowing(tmp_path, COMMANDS), **extra, "echo.tcp.model": "fork"})
        listen = any_port("127.0.0.1", "echo-tcp", "dictionary")
        daemon.start(*listen, "--set", "command.listen=127.0.0.1:0")
        assert daemon.process is not None
        [first] = children(daemon.process.pid)
        status = ask_control(tmp_path / "control.sock", "status")
        assert (status["pid"], status["dictionary"]["store"]) == (1, "index")
        _, dictionary, commands = daemon.bound()
        assert ask(dictionary, b"apple").decode() == "苹果"
        with closing(daemon.client(to=commands)) as sock:
            for _ in range(3):
                sock.send(signed("fail"))
                assert answer(sock) == (7, set(), b"failed\n")
        own = children(first)
        for _ in range(10):
            subprocess.run(
                [*ENTER, str(first), "sh", "-c", "sleep 0.2 & exit 0"], check=True, timeout=PATIENCE
            )
        while children(first) != own:  # the time limit of the test ends this
            select.select([], [], [], 0.05)
        with closing(daemon.client(to=commands)) as sock:
            sock.send(signed("fail"))
            assert answer(sock) == (7, set(), b"failed\n")
        daemon.dictionary.write_text("apple:苹\n", encoding="utf-8")
        assert ask_control(tmp_path / "control.sock", "reload")["error"] == ""
        assert ask(dictionary, b"apple").decode() == "苹"
        os.kill(first, 15)
        assert daemon.wait() == 0
        assert daemon.errors() == []
