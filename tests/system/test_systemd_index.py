"""A large dictionary under a real systemd: its index is built and found within the sandbox."""

import select
from collections.abc import Iterator

import pytest
from support.machine import Machine

from netechod.process.dictionary.index_process import NICENESS

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]

CONFIGURATION = "/etc/netechod/netechod.toml"
WORDS = "/etc/netechod/dict.txt"
INDEX = "/var/cache/netechod/dictionary.index"
NICE = 18  # the place of the nice value in /proc/PID/stat, counted from 0 (proc_pid_stat(5))


@pytest.fixture
def serving(machine: Machine) -> Iterator[Machine]:
    """The shared machine, where every dictionary is large; afterwards it is as it was."""
    texts = {name: machine.path(name).read_text() for name in (CONFIGURATION, WORDS)}
    machine.write(CONFIGURATION, '[daemon]\nuser = "netechod"\n[dictionary]\nindex_from = 0\n')
    machine.run("systemctl", "restart", "netechod")
    yield machine
    for name, text in texts.items():
        machine.write(name, text)
    machine.path(INDEX).unlink()
    machine.run("systemctl", "restart", "netechod")


def last(machine: Machine, sentence: str) -> str:
    """The last message of the daemon that begins like this."""
    messages = [str(entry["MESSAGE"]) for entry in machine.journal("--unit=netechod", "_COMM=netechod")]
    return next(message for message in reversed(messages) if message.startswith(sentence))


def niceness(machine: Machine, pid: str) -> int:
    """The nice value of a process of the machine; the machine has that of whoever runs the tests."""
    return int(machine.path(f"/proc/{pid}/stat").read_text().split()[NICE])


def test_an_index_is_built_where_the_service_may_write(serving: Machine) -> None:
    assert last(serving, "dictionary index ").startswith(f"dictionary index built {INDEX} ")
    assert serving.run("stat", "--format=%U:%G %a", INDEX) == "netechod:netechod 644\n"
    assert serving.ask("apple") == "苹果"
    serving.write(WORDS, "novel:新\n")
    serving.run("systemctl", "reload", "netechod")
    assert (serving.ask("novel"), serving.ask("apple")) == ("新", "unknown")
    assert "looked up in an index" in serving.run("netechoctl", "status")
    assert serving.run("ls", "/var/cache/netechod") == "dictionary.index\n"


def test_a_restart_finds_the_index_of_the_last_run(serving: Machine) -> None:
    serving.run("systemctl", "restart", "netechod")
    assert last(serving, "dictionary index ") == f"dictionary index found {INDEX}"
    assert serving.ask("apple") == "苹果"


def test_an_index_that_root_has_made_ahead_is_used(serving: Machine) -> None:
    words = len(serving.run("netechoctl", "dict", "dump").splitlines())
    serving.write("/etc/netechod/dict.new", "novel:新\n")
    serving.run("netechoctl", "dict", "compile", "/etc/netechod/dict.new")
    assert serving.run("stat", "--format=%U %a", INDEX) == "netechod 644\n"
    serving.run("mv", "/etc/netechod/dict.new", WORDS)
    assert f"-> 1 words (+0 -{words - 1}, 1 changed)" in serving.run("netechoctl", "reload")
    assert last(serving, "dictionary index ") == f"dictionary index found {INDEX}"
    assert serving.ask("novel") == "新"


def test_the_process_that_builds_steps_back(serving: Machine) -> None:
    serving.write(WORDS, "".join(f"word{number}:{number}\n" for number in range(300_000)))
    pid = serving.show("MainPID")
    children = serving.path(f"/proc/{pid}/task/{pid}/children")
    usual = niceness(serving, pid)
    with serving.listen("netechod") as lines:
        serving.run("systemctl", "kill", "--signal=HUP", "--kill-whom=main", "netechod")
        while not (child := children.read_text().strip()):
            select.select((), (), (), 0.001)
        while niceness(serving, child) != min(19, usual + NICENESS):
            select.select((), (), (), 0.001)
        lines.wait_for("dictionary loaded entries=300000 ")
    assert serving.ask("word299999") == "299999"
