"""The process that runs commands: what it takes on, and what it does not listen to."""

import json
import os
import resource
import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest

from netechod.process.command.helper import Limits, helper_argv
from netechod.reactor.jobs.channel import Channel
from netechod.reactor.loop import Loop
from netechod.services.api import Job

pytestmark = pytest.mark.system


class Helper:
    """A helper, and this process as its daemon."""

    def __init__(self, limits: Limits) -> None:
        self.loop = Loop()
        self.heard: list[bytes] = []
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(helper_argv(limits), stdin=theirs.fileno(), cwd="/", env={})
        theirs.close()
        self._channel = Channel(self.loop, ours, self._on_message, self.loop.stop)

    def _on_message(self, message: object, body: bytes) -> None:
        self.heard.append(body)
        self.loop.stop()

    def runs(self, script: str) -> str:
        """What a script says in there."""
        self.heard.clear()
        self._channel.send([0, Job(("/bin/sh", "-c", script), 30.0)])
        while len(self.heard) < 2:  # its ending, and that it is gone
            self.loop.run()
        return self.heard[0].decode()

    def leave(self) -> int:
        """Say the last word."""
        self._channel.finish(10.0)
        self.loop.close()
        return self.process.wait(10)


@pytest.fixture
def helper(request: pytest.FixtureRequest) -> Iterator[Helper]:
    helper = Helper(getattr(request, "param", Limits()))
    yield helper
    if helper.process.poll() is None:
        helper.leave()


@pytest.mark.parametrize("helper", [Limits(1 << 29, 1 << 20, 50)], indirect=True)
def test_commands_have_their_limits_for_good(helper: Helper) -> None:
    soft = helper.runs("ulimit -S -d; ulimit -S -f; ulimit -S -c; ulimit -S -n").split()
    hard = helper.runs("ulimit -H -d; ulimit -H -f; ulimit -H -c; ulimit -H -n").split()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == hard == ["524288", "2048", "0", str(min(1024, most))]
    processes = helper.runs("grep processes /proc/self/limits").split()[2]
    assert int(processes) > 50  # those of the machine are added


def test_without_limits_commands_have_the_daemon_s(helper: Helper) -> None:
    ours = resource.getrlimit(resource.RLIMIT_DATA)[0]
    expected = "unlimited" if ours == resource.RLIM_INFINITY else str(ours // 1024)
    assert helper.runs("ulimit -d").strip() == expected


def test_it_steps_back_behind_the_daemon(helper: Helper) -> None:
    assert int(helper.runs("nice")) == os.nice(0) + 5


def test_only_the_daemon_ends_it(helper: Helper) -> None:
    helper.runs("true")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        helper.process.send_signal(number)
    assert helper.runs("trap") == ""
    assert helper.runs("kill -TERM $$; echo survived") == ""  # what it does not listen to, commands obey
    assert helper.leave() == 0


def test_its_command_line_says_what_it_holds_commands_to() -> None:
    assert json.loads(helper_argv(Limits(1, 2, 3))[-1]) == {
        "max_memory": 1,
        "max_file_size": 2,
        "max_processes": 3,
    }
