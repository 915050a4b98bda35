"""Where the messages go: the journal with its fields, and files that adm reads and logrotate turns over."""

import stat
from collections import Counter
from pathlib import Path
from socket import SOCK_STREAM
from typing import Any

import pytest
from support.machine import CHAT, ECHO, Machine

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]

LOGS = "/var/log/netechod"
FIELDS = ("NETECHOD_SERVICE", "NETECHOD_PEER", "NETECHOD_EVENT")


@pytest.fixture
def serving(machine: Machine) -> Machine:
    """The shared machine, serving."""
    machine.run("systemctl", "restart", "netechod")
    return machine


@pytest.fixture
def rotated(serving: Machine) -> Machine:
    """The shared machine, whose logs are new."""
    rotate(serving)
    return serving


def rotate(machine: Machine) -> None:
    """Have the real logrotate do it now, with the configuration of the package."""
    machine.run("logrotate", "--force", "/etc/logrotate.d/netechod")


def come_and_go(machine: Machine) -> str:
    """Join the chat and leave it; returns the name of who did."""
    with machine.connect(CHAT) as sock:
        for word in (b"online", b"offline"):
            sock.send(word)
            assert sock.recv(2048).endswith(b"#" + word)
        return "{}--{}".format(*sock.getsockname())


def entry(machine: Machine, message: str) -> dict[str, Any]:
    """The one entry of the journal with this beginning, of the process that runs."""
    entries = machine.journal("--unit=netechod", f"_PID={machine.show('MainPID')}")
    (found,) = [entry for entry in entries if entry["MESSAGE"].startswith(message)]
    return found


def test_the_journal_knows_who_did_what_with_which_service(serving: Machine) -> None:
    name = come_and_go(serving)
    online = entry(serving, f"chat online {name}")
    assert [online[field] for field in FIELDS] == ["chat", name, "online"]
    offline = entry(serving, f"chat offline {name}")
    assert [offline[field] for field in FIELDS] == ["chat", name, "offline"]
    with serving.listen("netechod") as lines, serving.connect(ECHO, SOCK_STREAM) as sock:
        name = "{}--{}".format(*sock.getsockname())
        sock.close()
        lines.wait_for(f"close {name} ")
    accept = entry(serving, f"accept {name} ")
    assert [accept[field] for field in FIELDS] == ["echo-tcp", name, "accept"]
    close = entry(serving, f"close {name} ")
    assert [close[field] for field in FIELDS] == ["echo-tcp", name, "close"]
    found = serving.journal(f"NETECHOD_PEER={name}")
    assert [entry["MESSAGE"].split()[0] for entry in found] == ["accept", "close"]


def test_the_journal_knows_how_grave_it_is(serving: Machine) -> None:
    normal = entry(serving, "dictionary loaded ")
    assert "5" <= normal["PRIORITY"] <= "6"
    assert normal["NETECHOD_SERVICE"] == "dictionary"
    words = serving.path("/etc/netechod/dict.txt")
    text = words.read_bytes()
    words.write_bytes(b"\xff")
    assert serving.attempt("systemctl", "reload", "netechod").returncode != 0
    words.write_bytes(text)
    serving.run("systemctl", "reload", "netechod")
    failed = entry(serving, "dictionary reload failed, ")
    assert failed["PRIORITY"] == "3"
    assert failed["NETECHOD_SERVICE"] == "dictionary"
    grave = serving.journal("--unit=netechod", "--priority=err", f"_PID={serving.show('MainPID')}")
    assert [entry["MESSAGE"] for entry in grave] == [failed["MESSAGE"]]


def test_the_journal_says_everything_once(serving: Machine) -> None:
    entries = serving.journal("--unit=netechod", f"_PID={serving.show('MainPID')}")
    assert set(
        Counter(entry["MESSAGE"] for entry in entries if "adopt" not in entry["MESSAGE"]).values()
    ) == {1}


def test_the_group_adm_reads_the_logs_and_nobody_else_does(serving: Machine) -> None:
    for user, groups in (("auditor", "adm"), ("stranger", "nogroup")):
        serving.attempt("useradd", "--groups", groups, user)
    for name in (f"{LOGS}/log.txt", f"{LOGS}/log.error"):
        serving.run("runuser", "-u", "auditor", "--", "cat", name)
        refused = serving.attempt("runuser", "-u", "stranger", "--", "cat", name)
        assert "Permission denied" in refused.stderr
        assert stat.S_IMODE(serving.path(name).stat().st_mode) == 0o640
    assert serving.run("stat", "--format=%U:%G", LOGS).strip() == "netechod:adm"


def test_logrotate_takes_the_files_away_and_no_line_is_lost(rotated: Machine) -> None:
    names = []
    for _ in range(3):
        names.append(come_and_go(rotated))
        rotate(rotated)
    names.append(come_and_go(rotated))
    assert in_file(rotated, "log.txt") == [names[3]]
    assert in_file(rotated, "log.txt.1") == [names[2]]
    assert in_file(rotated, "log.txt.2.gz") == [names[1]]
    assert in_file(rotated, "log.txt.3.gz") == [names[0]]
    for name in ("log.txt", "log.txt.1"):
        assert rotated.run("stat", "--format=%U:%G:%a", f"{LOGS}/{name}").strip() == "netechod:adm:640"
    assert rotated.show("ActiveState") == "active"


def test_logrotate_is_content_where_the_daemon_is_stopped(rotated: Machine) -> None:
    rotated.run("systemctl", "stop", "netechod.service")
    rotate(rotated)
    rotated.run("systemctl", "start", "netechod.service")
    name = come_and_go(rotated)
    assert in_file(rotated, "log.txt") == [name]


def in_file(machine: Machine, name: str) -> list[str]:
    """Who came online according to a log file, plain or compressed."""
    text = machine.run("zcat", "--force", str(Path(LOGS, name)))
    return [line.split()[-1] for line in text.splitlines() if "]chat online " in line]
