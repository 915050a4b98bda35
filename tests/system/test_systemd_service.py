"""The service under a real systemd: start, reload, stop, and every way to die."""

from collections.abc import Iterator
from socket import SOCK_STREAM

import pytest
from support.machine import CHAT, ECHO, SOCKETS, Machine
from support.traffic import receive

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]

CONFIGURATION = "/etc/netechod/netechod.toml"
WORDS = "/etc/netechod/dict.txt"
DROP_IN = "/etc/systemd/system/netechod.service.d/test.conf"


@pytest.fixture
def serving(machine: Machine) -> Iterator[Machine]:
    """The shared machine; its files are put back and it serves again, whatever a test did."""
    texts = {name: machine.path(name).read_text() for name in (CONFIGURATION, WORDS)}
    machine.run("systemctl", "start", "netechod")
    yield machine
    for name, text in texts.items():
        machine.write(name, text)
    machine.path(DROP_IN).unlink(missing_ok=True)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "netechod")


def restarted(machine: Machine, before: str) -> None:
    """Systemd has started it again by itself, and it serves."""
    assert machine.ask("apple") == "苹果"
    assert machine.show("ActiveState") == "active"
    assert machine.show("MainPID") != before
    assert machine.show("NRestarts") == "1"


def test_it_serves_and_status_says_so(serving: Machine) -> None:
    assert serving.show("ActiveState") == "active"
    assert serving.show("Type") == "notify"
    assert serving.ask("apple") == "苹果"
    assert serving.ask("hello", ECHO) == "hello"
    assert serving.ask("online", CHAT).endswith("#online")
    with serving.connect(ECHO, SOCK_STREAM) as sock:
        sock.sendall(b"hello")
        assert receive(sock, 5) == b"hello"
    words = len(serving.run("netechoctl", "dict", "dump").splitlines())
    status = serving.show("StatusText")
    assert str(words) in status
    assert f'Status: "{status}"' in serving.run("systemctl", "status", "netechod")


def test_a_reload_serves_the_new_words_as_soon_as_it_returns(serving: Machine) -> None:
    pid = serving.show("MainPID")
    for meaning in ("一", "二", "三"):
        serving.write(WORDS, f"novel:{meaning}\n")
        serving.run("systemctl", "reload", "netechod")
        assert serving.ask("novel") == meaning
        assert serving.ask("apple") == "unknown"
    assert serving.show("MainPID") == pid


@pytest.mark.parametrize("bad", ["", "apple:\udc80\n"], ids=["emptied", "no UTF-8"])
def test_a_bad_reload_fails_for_all_to_see_and_the_old_words_stay(serving: Machine, bad: str) -> None:
    serving.path(WORDS).write_bytes(bad.encode(errors="surrogateescape"))
    done = serving.attempt("systemctl", "reload", "netechod")
    assert done.returncode != 0
    assert serving.ask("apple") == "苹果"
    assert serving.show("ActiveState") == "active"
    assert WORDS in serving.show("StatusText")
    (error,) = serving.journal("--unit=netechod", "--lines=1", "--priority=err", "_COMM=netechod")
    assert error["MESSAGE"].startswith("dictionary reload failed, ")
    serving.write(WORDS, "novel:新\n")
    serving.run("systemctl", "reload", "netechod")
    assert serving.ask("novel") == "新"
    assert WORDS not in serving.show("StatusText")


def test_a_bad_configuration_changes_nothing_and_the_reload_fails(serving: Machine) -> None:
    serving.write(WORDS, "novel:新\n")
    serving.write(CONFIGURATION, '[dictionary]\nunknwon = "?"\n')
    assert serving.attempt("systemctl", "reload", "netechod").returncode != 0
    assert serving.ask("apple") == "苹果"
    assert "unknwon" in serving.show("StatusText")


def test_sighup_reloads(serving: Machine) -> None:
    serving.write(WORDS, "novel:新\n")
    with serving.listen("netechod") as lines:
        serving.run("systemctl", "kill", "--signal=HUP", "--kill-whom=main", "netechod")
        lines.wait_for("dictionary loaded entries=1 ")
    assert serving.ask("novel") == "新"


def test_a_stop_is_orderly_and_leaves_nothing_listening(serving: Machine) -> None:
    serving.run("systemctl", "stop", *SOCKETS, "netechod.service")
    assert serving.show("ActiveState") == "inactive"
    assert serving.show("Result") == "success"
    assert serving.show("ExecMainStatus") == "0"
    assert not serving.path("/run/netechod/netechod.pid").exists()
    last = serving.journal("--unit=netechod", "_COMM=netechod", "--lines=1")[0]
    assert last["MESSAGE"] == "stopped reason=SIGTERM"
    with pytest.raises(ConnectionRefusedError):
        serving.connect(ECHO, SOCK_STREAM)
    serving.run("systemctl", "start", "netechod")
    assert [serving.show("ActiveState", unit) for unit in SOCKETS] == ["active"] * len(SOCKETS)
    assert serving.ask("apple") == "苹果"


def test_it_comes_back_after_kill_9(serving: Machine) -> None:
    serving.run("systemctl", "restart", "netechod")
    pid = serving.show("MainPID")
    with serving.listen("netechod") as lines:
        serving.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "netechod")
        lines.wait_for("Started netechod")
    restarted(serving, pid)


def test_the_watchdog_ends_a_daemon_that_hangs_and_starts_it_again(serving: Machine) -> None:
    serving.write(DROP_IN, "[Service]\nWatchdogSec=2s\n")
    serving.run("systemctl", "daemon-reload")
    serving.run("systemctl", "restart", "netechod")
    pid = serving.show("MainPID")
    with serving.listen("netechod") as lines:
        serving.run("systemctl", "kill", "--signal=STOP", "--kill-whom=main", "netechod")
        lines.wait_for("Watchdog timeout")
        lines.wait_for("Failed with result 'watchdog'")
        lines.wait_for("Started netechod")
    restarted(serving, pid)


def test_the_watchdog_is_fed_by_a_daemon_that_is_well(serving: Machine) -> None:
    serving.write(DROP_IN, "[Service]\nWatchdogSec=1s\n")
    serving.run("systemctl", "daemon-reload")
    serving.run("systemctl", "restart", "netechod")
    first = int(serving.show("WatchdogTimestampMonotonic"))
    with serving.connect(ECHO) as sock:
        while int(serving.show("WatchdogTimestampMonotonic")) < first + 3_000_000:
            sock.send(b"hello")
            assert sock.recv(5) == b"hello"
    assert serving.show("NRestarts") == "0"


def test_a_wrong_configuration_is_not_tried_again_and_the_sockets_wait(serving: Machine) -> None:
    serving.write(CONFIGURATION, "colour = 1\n")
    assert serving.attempt("systemctl", "restart", "netechod").returncode != 0
    assert serving.show("ActiveState") == "failed"
    assert serving.show("ExecMainStatus") == "78"
    assert serving.show("NRestarts") == "0"
    serving.write(CONFIGURATION, "")
    with serving.connect(ECHO, SOCK_STREAM) as sock:
        sock.sendall(b"hello")
        assert receive(sock, 5) == b"hello"


@pytest.mark.parametrize("model", ["iterative", "fork", "thread", "pool"])
def test_the_sandbox_lets_every_model_serve_and_the_stop_ends_it_whole(serving: Machine, model: str) -> None:
    serving.write(CONFIGURATION, f"[echo.tcp]\nmodel = '{model}'\n")
    serving.run("systemctl", "restart", "netechod")
    socks = [serving.connect(ECHO, SOCK_STREAM) for _ in range(1 if model == "iterative" else 3)]
    for sock in socks:
        sock.sendall(b"hello")
        assert receive(sock, 5) == b"hello"
    warning = f"TCP connections end at a restart: echo.tcp.model = {model} keeps none"
    assert (warning in serving.path("/var/log/netechod/log.txt").read_text()) == (model != "iterative")
    serving.run("systemctl", "stop", "netechod")
    assert serving.show("Result") == "success"
    assert model == "iterative" or {sock.recv(1) for sock in socks} == {b""}
    for sock in socks:
        sock.close()


def test_restarts_by_hand_never_take_the_sockets_down(serving: Machine) -> None:
    for _ in range(8):  # more than DefaultStartLimitBurst=
        serving.run("systemctl", "restart", "netechod")
    assert [serving.show("ActiveState", unit) for unit in SOCKETS] == ["active"] * len(SOCKETS)
    assert serving.ask("apple") == "苹果"


@pytest.mark.parametrize("save", ["in place", "by rename"])
def test_the_path_unit_reloads_when_the_dictionary_is_saved(serving: Machine, save: str) -> None:
    assert serving.attempt("systemctl", "is-enabled", "netechod-dictionary.path").stdout == "disabled\n"
    serving.run("systemctl", "enable", "--now", "netechod-dictionary.path")
    with serving.listen("netechod") as lines:
        if save == "in place":
            serving.path(WORDS).write_text("novel:新\n", encoding="utf-8")
        else:
            serving.write(WORDS, "novel:新\n")
        lines.wait_for("dictionary loaded entries=1 ")
    assert serving.ask("novel") == "新"
    serving.run("systemctl", "disable", "--now", "netechod-dictionary.path")


def test_as_a_forking_service_it_works_as_well(serving: Machine) -> None:
    unit = (
        "[Service]\nType=forking\nPIDFile=/run/netechod/netechod.pid\nExecStart=/usr/bin/netechod\n"
        "RuntimeDirectory=netechod\nRestart=on-failure\n"
    )
    serving.write("/etc/systemd/system/forking.service", unit)
    serving.run("systemctl", "daemon-reload")
    serving.run("systemctl", "stop", *SOCKETS, "netechod.service")
    serving.run("systemctl", "start", "forking")
    pid = serving.path("/run/netechod/netechod.pid").read_text().strip()
    assert serving.show("MainPID", "forking") == pid
    assert serving.ask("apple") == "苹果"
    with serving.listen("forking") as lines:
        serving.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "forking")
        lines.wait_for("Started forking.service")
    assert serving.ask("apple") == "苹果"
    serving.run("systemctl", "stop", "forking")
    assert serving.show("Result", "forking") == "success"
    serving.write(CONFIGURATION, "colour = 1\n")
    assert serving.attempt("systemctl", "start", "forking").returncode != 0, "a failed start is a success"
    serving.path("/etc/systemd/system/forking.service").unlink()
