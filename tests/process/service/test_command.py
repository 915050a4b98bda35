"""The command service wired: keys and allow-list from the start to the last reload."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import SECRET, CommandDaemon, allowing, answer, signed, write_keys
from support.daemon import run_netechod

from netechod.client.operator.control import ask as ask_control
from netechod.process.config.schema import Command
from netechod.process.service.command import build_policy
from netechod.process.unix.clock import await_next_second, wall_clock
from netechod.reactor.event_log import BUSY

HELLO = {"hello": {"argv": ["/bin/echo", "hello"]}}


def check(daemon: CommandDaemon, *options: str) -> tuple[int, str]:
    """What `--check` says, and its status."""
    ended = run_netechod("--check", "--config", str(daemon.config), *options)
    return ended.returncode, (ended.stdout + ended.stderr).replace(str(daemon.directory), "")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (Path.unlink, "/keys: No such file or directory"),
        (
            lambda keys: keys.chmod(0o644),
            "/keys: has mode 0644, others can use it\n  = hint: chmod 600 /keys",
        ),
        (lambda keys: keys.write_text("ops\n"), "/keys:1: is not <key id> <secret>, two words"),
    ],
    ids=["missing", "open to others", "no keys"],
)
@pytest.mark.system
def test_without_usable_keys_there_is_no_start(
    tmp_path: Path, spoil: Callable[[Path], object], why: str
) -> None:
    with CommandDaemon(tmp_path, HELLO) as daemon:
        spoil(tmp_path / "keys")
        status, said = check(daemon)
        assert status == 78
        assert re.search(r"error: /netechod\.toml:\d+: command\.key_file: ", said)
        assert why in said
        daemon.spawn("--foreground")
        assert (daemon.wait(), why in daemon.stderr().replace(str(tmp_path), "")) == (78, True)


@pytest.mark.system
def test_a_check_warns_and_passes(tmp_path: Path) -> None:
    with CommandDaemon(tmp_path, {"x": {"argv": ["/bin/sh", "-c", "{1}"], "parameters": [".*"]}}) as daemon:
        status, said = check(daemon)
        assert status == 0
        assert "command.allow.x.parameters[0]: '.*' matches anything" in said
        assert "command.allow.x.argv: sh is a shell" in said
        assert "/netechod.toml: ok" in said


@pytest.mark.system
def test_a_reload_takes_new_keys_and_another_list(tmp_path: Path) -> None:
    with CommandDaemon(tmp_path, HELLO) as daemon:
        daemon.start()
        write_keys(tmp_path / "keys", ops="another-secret-another-secret")
        daemon.configure(allowing(tmp_path, {"bye": {"argv": ["/bin/echo", "bye"]}}))
        assert "FAILED" not in daemon.reload()
        with daemon.client() as sock:
            sock.send(signed("bye"))  # with the old secret
            sock.send(datagram := signed("bye", secret="another-secret-another-secret"))
            assert sock.recv(2048).split()[1] == datagram.split()[3]
        write_keys(tmp_path / "keys", ops=SECRET)
        daemon.reload()
        assert daemon.asks("hello")[0] == 126
        assert daemon.asks("bye")[2] == b"bye\n"


@pytest.mark.system
def test_a_reload_with_a_bad_key_file_changes_nothing(tmp_path: Path) -> None:
    with CommandDaemon(tmp_path, HELLO) as daemon:
        daemon.start()
        daemon.configure(allowing(tmp_path, {"bye": {"argv": ["/bin/echo", "bye"]}}))
        (tmp_path / "keys").chmod(0o644)
        assert "last reload FAILED: " in (status := daemon.reload())
        assert "has mode 0644" in status
        assert daemon.asks("hello")[2] == b"hello\n"
        assert daemon.asks("bye")[0] == 126
        assert any("configuration reload failed, nothing changes" in line for line in daemon.errors())


@pytest.mark.system
def test_limits_change_live(tmp_path: Path) -> None:
    hang = {"hang": {"argv": ["/bin/sh", "-c", "echo 123456; sleep 1000"]}}
    with CommandDaemon(tmp_path, hang, timeout=1000) as daemon:
        daemon.start()
        daemon.configure(allowing(tmp_path, hang, timeout=0.2, max_output=4))
        daemon.reload()
        assert daemon.asks("hang") == (124, {"timeout", "truncated"}, b"1234")


@pytest.mark.system
def test_the_answer_leaves_from_the_line_that_was_asked(tmp_path: Path) -> None:
    with CommandDaemon(tmp_path, HELLO) as daemon:
        daemon.start("--set", 'command.listen=["127.0.0.1:0", "127.0.0.2:0"]')
        for address in daemon.bound():
            with daemon.client(to=address) as sock:
                sock.send(signed("hello"))
                assert answer(sock)[2] == b"hello\n"


EVIL = {"evil": {"argv": ["/bin/echo", "{1}"], "parameters": ["(a+)+$"]}, **HELLO}


@pytest.mark.system
def test_an_argument_that_takes_too_long_to_match_is_denied_and_others_are_served(tmp_path: Path) -> None:
    with CommandDaemon(tmp_path, EVIL) as daemon:
        daemon.start()
        flags, said = {"denied"}, b"does not take that argument 1: it has to match (a+)+$\n"
        assert daemon.asks("evil", "a" * 600 + "!") == (126, flags, said)
        assert daemon.asks("evil", "a" * 600)[2] == b"a" * 600 + b"\n"
        assert daemon.asks("hello", key="guest")[2] == b"hello\n"


@pytest.mark.system
def test_a_flood_with_one_key_neither_fills_the_log_nor_hides_what_runs(tmp_path: Path) -> None:
    with CommandDaemon(tmp_path, HELLO) as daemon:
        daemon.start()
        with daemon.client() as sock:
            for _ in range(10):
                for _ in range(BUSY):
                    sock.send(signed("no-such-command", key="guest"))
                assert {answer(sock, "guest")[0] for _ in range(BUSY)} == {126}
        assert daemon.asks("hello")[2] == b"hello\n"
        daemon.stop()
        lines = (tmp_path / "log" / "log.txt").read_text(encoding="utf-8").splitlines()
        seconds = {line.split("]")[1] for line in lines}
        assert sum("command no-such-command " in line for line in lines) <= BUSY * (len(seconds) + 1)
        assert sum("command hello " in line for line in lines) == 1


def test_the_section_s_time_holds_where_a_command_has_none() -> None:
    section = Command.model_validate(
        {"timeout": 7.0, "allow": {"a": {"argv": ("x",)}, "b": {"argv": ("x",), "timeout": 2.0}}}
    )
    commands = build_policy(section, {}).commands
    assert (commands["a"].timeout, commands["b"].timeout) == (7.0, 2.0)


def test_the_next_second_comes() -> None:
    before = wall_clock()
    await_next_second()
    assert int(wall_clock()) > int(before)


@pytest.mark.system
def test_a_clock_that_is_set_back_is_told_with_what_it_does_to_commands_and_the_remedy(
    tmp_path: Path,
) -> None:
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    clock = tmp_path / "clock"
    clock.write_text("+8h")
    fake = {
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with CommandDaemon(tmp_path, HELLO) as daemon:
        daemon.start(LD_PRELOAD=str(library), **fake)
        control = tmp_path / "control.sock"
        assert ask_control(control, "status")["complaints"] == []
        fresh = clock.with_suffix(".new")
        fresh.write_text("+0")
        fresh.rename(clock)  # libfaketime reads it at any time: it must never be empty
        general, commands = ask_control(control, "status")["complaints"]
        assert re.match(r"the clock was set back: it is 28\d{3} s behind, ", general)
        assert re.fullmatch(
            r"signed commands are refused until [-\d]+T[:\d]+Z, because they date from before the start of "
            r"the daemon: when the clock is right, restart the daemon \(systemctl restart netechod\)",
            commands,
        )
        assert commands in daemon.said("]the clock was set back: ")
        with daemon.client() as sock:
            sock.send(signed("hello"))
            daemon.said(f"command ignores requests from 127.0.0.1: before-start; {commands}")
        assert commands in daemon.reload()
        [renewed] = [told for told in daemon.manager.messages if told.startswith("STATUS=")]
        assert commands in renewed
