"""Children: real processes, on a loop that runs until they have ended."""

import errno
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.looping import FakeClock, run_until, turn
from support.processes import alive, until_gone
from support.signalling import signals_restored

from netechod.reactor.jobs.children import ENVIRONMENT, GLANCE, Children
from netechod.reactor.jobs.orphans import _children_of_ours
from netechod.reactor.loop import Callback, Loop
from netechod.reactor.signals import SignalSource
from netechod.services.api import Ending, Job

Run = Callable[..., Ending]


@pytest.fixture(params=[True, False], ids=["pidfd", "SIGCHLD"])
def children(request: pytest.FixtureRequest, loop: Loop) -> Iterator[Children]:
    """Children whose end is seen in one of the two ways; none is left after the test."""
    children = Children(loop, use_pidfd=request.param)
    with signals_restored():
        signals = SignalSource(*([] if request.param else [signal.SIGCHLD]))
        signals.deliver_to(loop, {signal.SIGCHLD: children.reap})
        yield children
        children.kill_all()
        run_until(loop, lambda: not children.running)


@pytest.fixture
def run(children: Children) -> Run:
    """Runs a shell's script to its end."""

    def run(script: str, *, timeout: float = 60, max_output: int = 65536, nice: int = 0) -> Ending:
        endings: list[Ending] = []
        children.spawn(Job(("/bin/sh", "-c", script), timeout, max_output, nice), endings.append)
        run_until(children.loop, lambda: endings)
        return endings[0]

    return run


def started(children: Children, script: str, timeout: float = 60.0) -> tuple[list[Ending], int]:
    """Start a script and wait for its first line, a number."""
    endings: list[Ending] = []
    before = set(children.running)
    children.spawn(Job(("/bin/sh", "-c", script), timeout), endings.append)
    [pid] = set(children.running) - before
    child = children.running[pid]
    run_until(children.loop, lambda: b"\n" in child._output)
    return endings, int(child._output.split()[0])


def test_output_and_status_come_back_as_they_are(run: Run) -> None:
    ending = run("printf 'out\\0\\n'; printf err >&2; exit 3")
    assert ending == Ending(3, b"out\0\nerr", ending.seconds)


def test_a_signal_ends_a_job_as_a_shell_tells_it(run: Run) -> None:
    assert run("kill -TERM $$").status == 128 + signal.SIGTERM


def test_a_job_gets_a_clean_environment_and_nothing_of_ours(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "sesame")
    assert run("env | grep -v -e ^PWD= -e ^OLDPWD= -e ^SHLVL= -e ^_=").output.split() == [
        f"{name}={value}".encode() for name, value in ENVIRONMENT.items()
    ]
    assert run("pwd; cat; echo $(ls /proc/self/fd)").output == b"/\n0 1 2 3\n"  # 3: the folder itself, to ls
    assert run("umask; kill -PIPE $$").status == 128 + signal.SIGPIPE  # ours ignores it


def test_a_job_leads_a_session_of_its_own(run: Run) -> None:
    group, session, pid = run("cut -d ' ' -f 5,6 /proc/$$/stat; echo $$").output.split()
    assert group == session == pid


def test_no_descriptor_of_ours_is_passed_on_even_if_it_could_be(run: Run) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    try:
        assert run("echo $(ls /proc/self/fd)").output == b"0 1 2 3\n"
    finally:
        os.close(reader)
        os.close(writer)


def test_output_beyond_the_limit_is_read_away(run: Run) -> None:
    ending = run("head -c 1000000 /dev/zero; echo end >&2", max_output=1000)
    assert (ending.status, ending.output, ending.truncated) == (0, bytes(1000), True)
    ending = run("head -c 1000 /dev/zero", max_output=1000)
    assert (ending.output, ending.truncated) == (bytes(1000), False)


def test_a_flood_of_output_ends_at_the_deadline(children: Children, clock: FakeClock) -> None:
    endings, _ = started(children, "echo 1; exec yes", timeout=10)
    [child] = children.running.values()
    run_until(children.loop, lambda: child._truncated)
    clock.advance(10)
    run_until(children.loop, lambda: endings)
    assert (endings[0].timed_out, endings[0].truncated, len(endings[0].output)) == (True, True, 65536)


def test_the_deadline_kills_the_group(children: Children, clock: FakeClock) -> None:
    endings, grandchild = started(children, "trap '' TERM; sleep 1000 & echo $!; wait", timeout=10)
    clock.advance(9.5)
    turn(children.loop)
    assert not endings
    clock.advance(0.5)
    run_until(children.loop, lambda: endings)
    assert endings == [Ending(137, b"%d\n" % grandchild, 10.0, timed_out=True)]
    run_until(children.loop, lambda: not children.running)
    until_gone(grandchild)
    assert not alive(grandchild)


def test_what_a_job_leaves_in_its_group_ends_with_it(children: Children) -> None:
    endings, grandchild = started(children, "sleep 1000 & echo $!; exit 5")
    run_until(children.loop, lambda: endings)
    assert endings[0].status == 5
    until_gone(grandchild)
    assert not alive(grandchild)


def test_a_stray_that_holds_the_pipe_keeps_nobody_waiting(children: Children) -> None:
    endings, stray = started(children, "setsid sh -c 'echo $$; exec sleep 1000' & wait $!", timeout=60)
    children.kill_all()
    assert [ending.status for ending in endings] == [137]
    run_until(children.loop, lambda: not children.running)
    os.kill(stray, signal.SIGKILL)


def test_what_is_left_in_the_pipe_at_the_end_is_read(children: Children) -> None:
    endings, stray = started(children, "setsid sh -c 'echo $$; exec sleep 1000' & wait")
    Path(f"/proc/{stray}/fd/1").write_bytes(b"more\n")  # the loop has no turn to notice
    children.kill_all()
    assert endings[0].output == b"%d\nmore\n" % stray
    os.kill(stray, signal.SIGKILL)


def test_a_job_that_closes_its_output_still_has_its_time(run: Run) -> None:
    assert run("exec >&- 2>&-; read x < /dev/null; exit 7").status == 7


def test_kill_all_tells_everybody_at_once(children: Children) -> None:
    endings, pid = started(children, "echo $$; exec sleep 1000")
    others, _ = started(children, "echo $$; exec sleep 1000")
    children.kill_all()
    assert [ending.status for ending in (*endings, *others)] == [137, 137]
    children.kill_all()
    run_until(children.loop, lambda: not children.running)
    assert (len(endings), alive(pid)) == (1, False)


@pytest.mark.parametrize(
    ("argv", "status", "output"),
    [
        (("/nonexistent/program",), 127, b"/nonexistent/program: No such file or directory\n"),
        (("/",), 126, b"/: Permission denied\n"),
        (("/bin/true", "a\0b"), 126, b"/bin/true: embedded null byte\n"),
    ],
)
def test_what_cannot_be_started_is_told_as_by_a_shell(
    children: Children, argv: tuple[str, ...], status: int, output: bytes
) -> None:
    endings: list[Ending] = []
    children.spawn(Job(argv, 1.0), endings.append)
    assert not endings  # whoever asks is never told before it has asked
    turn(children.loop)
    assert endings == [Ending(status, output, 0.0)]
    assert not children.running


def test_without_descriptors_nothing_is_started(
    children: Children, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(loop), "descriptor_limit", 3)
    endings: list[Ending] = []
    children.spawn(Job(("/bin/true",), 1.0), endings.append)
    turn(loop)
    assert endings == [Ending(126, b"/bin/true: Too many open files\n", 0.0)]


def test_a_job_that_cannot_be_watched_does_not_run(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(pid: int) -> int:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    children = Children(loop)
    monkeypatch.setattr(os, "pidfd_open", fails)
    endings: list[Ending] = []
    children.spawn(Job(("/bin/sleep", "1000"), 1.0), endings.append)
    turn(loop)
    assert (endings[0].status, endings[0].output) == (126, b"/bin/sleep: Cannot allocate memory\n")
    assert not children.running


@pytest.mark.parametrize("watched", [0, 1], ids=["output", "end"])
def test_a_job_is_killed_and_leaves_no_descriptor_when_the_kernel_refuses_to_watch_it(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, watched: int
) -> None:
    children = Children(loop, use_pidfd=True)
    descriptors = Path("/proc/self/fd")
    before = set(descriptors.iterdir())
    endings: list[Ending] = []
    children_before = _children_of_ours()
    calls = [loop.watch] * watched

    def watch(fd: int, readable: Callback | None) -> None:
        if not calls:  # epoll_ctl(2): the user has too many watches
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        calls.pop()(fd, readable)

    monkeypatch.setattr(loop, "watch", watch)
    children.spawn(Job(("/bin/sleep", "1000"), 1.0), endings.append)
    turn(loop)
    assert [ending.status for ending in endings] == [126]
    assert not children.running
    assert _children_of_ours() == children_before
    assert set(descriptors.iterdir()) == before


def test_a_job_can_step_back_behind_others(run: Run) -> None:
    expected = min(19, os.nice(0) + 7)
    assert run(f'until [ "$(nice)" = {expected} ]; do :; done', nice=7).status == 0


def test_who_waits_for_the_process_itself_is_told_after_its_end(children: Children, loop: Loop) -> None:
    told: list[object] = []
    children.spawn(Job(("/bin/true",), 1.0), told.append, lambda: told.append("gone"))
    run_until(loop, lambda: len(told) == 2)
    children.spawn(Job(("/nonexistent",), 1.0), told.append, lambda: told.append("gone"))
    turn(loop)
    assert [getattr(each, "status", each) for each in told] == [0, "gone", 127, "gone"]


def test_who_was_started_deaf_to_ends_hears_of_them(loop: Loop) -> None:
    with signals_restored():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        children = Children(loop)
        endings: list[Ending] = []
        children.spawn(Job(("/bin/sh", "-c", "exit 3"), 60.0), endings.append)
        run_until(loop, lambda: endings)
        assert endings[0].status == 3


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
def test_where_pidfds_are_refused_ends_are_heard_of_without_a_signal(
    loop: Loop, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(pid: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pidfd_open", refused)
    children = Children(loop)
    endings: list[Ending] = []
    exited: list[int] = []
    for status in (3, 4):
        children.spawn(
            Job(("/bin/sh", "-c", f"exit {status}"), 60.0), endings.append, lambda: exited.append(1)
        )
    started = list(children.running)

    def over() -> bool:
        clock.advance(GLANCE)
        return len(exited) == 2

    run_until(loop, over)
    assert sorted(ending.status for ending in endings) == [3, 4]
    assert not any(Path(f"/proc/{pid}").exists() for pid in started), "none is left as a zombie"
    for _ in range(3):
        clock.advance(GLANCE)
        turn(loop)
    assert not children.running
