"""The logger `netechod` behind its two files: what goes where, what is lost and told, and who never waits."""

import fcntl
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netechod.errors import PermissionRefusedError
from netechod.levels import LEVELS
from netechod.process.log.sinks import journal_wanted
from netechod.process.log.writer import QUEUE_LIMIT, Logs

log = logging.getLogger("netechod.test")

NOBODY = 65534


class Witness:
    """The reader of the copy: a line that came here has been through its file, so nobody has to poll."""

    def __init__(self) -> None:
        read_end, self.write_end = os.pipe()
        self._reader = os.fdopen(read_end, "rb")

    def next_line(self) -> str:
        """Wait for the next line that the writer is done with."""
        return self._reader.readline().decode().rstrip("\n")

    def close(self) -> None:
        self._reader.close()
        os.close(self.write_end)


@pytest.fixture
def witness() -> Iterator[Witness]:
    watching = Witness()
    yield watching
    watching.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def logs(directory: Path, witness: Witness) -> Iterator[Logs]:
    made = Logs(directory=directory, copy_to=witness.write_end)
    yield made
    made.close()


def messages(file: Path) -> list[str]:
    """The lines of a log file without their stamps."""
    return [re.sub(r"^\[[^]]*\]\[[^]]*\]\[pid:\d+\]", "", line) for line in file.read_text().splitlines()]


def open_descriptors() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def in_a_child(action: Callable[[], None]) -> int:
    """Run `action` in a forked process; its exit status, 0 unless it raised."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_both_files_are_there_from_the_start(logs: Logs, directory: Path) -> None:
    logs.open()
    assert {file.name: file.stat().st_mode & 0o7777 for file in directory.iterdir()} == {
        "log.txt": 0o640,
        "log.error": 0o640,
    }


def test_each_level_goes_to_its_file_and_never_to_both(logs: Logs, directory: Path) -> None:
    logs.level = "DEBUG"
    logs.open()
    for name, number in LEVELS.items():
        log.log(number, "this is %s", name)
    logs.close()
    assert messages(directory / "log.txt") == ["this is DEBUG", "this is NORMAL", "this is WARNING"]
    assert messages(directory / "log.error") == ["this is ERROR", "this is FATAL"]


def test_a_line_has_level_time_and_pid(logs: Logs, directory: Path) -> None:
    logs.open()
    log.info("bind socket success %s", "[::]:8080")
    logs.close()
    assert re.fullmatch(
        rf"\[NORMAL\]\[\d{{10}}\]\[pid:{os.getpid()}\]bind socket success \[::\]:8080\n",
        (directory / "log.txt").read_text(),
    )


def test_level_and_format_change_while_it_runs(logs: Logs, directory: Path, witness: Witness) -> None:
    logs.open()
    log.debug("not wanted")
    log.info("first")
    assert witness.next_line().endswith("]first")
    logs.level, logs.format = "DEBUG", "json"
    assert (logs.level, logs.format) == ("DEBUG", "json")
    log.debug("second")
    assert '"message": "second"' in witness.next_line()


@pytest.mark.parametrize("wrong", [{"level": "INFO"}, {"format": "xml"}])
def test_an_unknown_level_or_format_attaches_nothing(directory: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(KeyError):
        Logs(directory=directory, **wrong)  # type: ignore[arg-type]
    assert not logging.getLogger("netechod").handlers


def test_nothing_but_memory_exists_before_it_is_opened(directory: Path) -> None:
    before = (threading.active_count(), open_descriptors())
    logs = Logs(directory=directory, journal=True)
    log.info("too early for files")
    after = (threading.active_count(), open_descriptors())
    logs.close()
    assert before == after
    assert not directory.exists()


def test_what_was_said_before_a_fork_is_written_by_the_daemon(logs: Logs, directory: Path) -> None:
    log.info("create socket success:%d", 3)

    def be_the_daemon() -> None:
        logs.open()
        log.info("in the daemon, pid %d", os.getpid())
        logs.close()

    assert in_a_child(be_the_daemon) == 0
    first, second = (directory / "log.txt").read_text().splitlines()
    pid = second.rpartition(" ")[2]
    assert pid != str(os.getpid())
    assert first.endswith(f"[pid:{pid}]create socket success:3")


FORKED = """
import logging, os, pathlib, sys
from netechod.process.log.sinks import journal_wanted
from netechod.process.log.writer import QUEUE_LIMIT, Logs
logs = Logs(directory=pathlib.Path(sys.argv[1]))
logs.open()
log = logging.getLogger("netechod.test")
log.info("one")
child = os.fork()
if child == 0:
    for _ in range(2 * QUEUE_LIMIT):
        log.info("nobody writes this")
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
logs.close()
"""


def test_a_process_forked_later_logs_nowhere_and_waits_for_nobody(directory: Path) -> None:
    # In a process of its own: since Python 3.12 a fork beside a running thread is warned of.
    command = [sys.executable, "-W", "ignore", "-c", FORKED, str(directory)]
    assert subprocess.run(command, capture_output=True, check=True, timeout=50).stdout == b"7\n"
    assert messages(directory / "log.txt") == ["one"]


def test_closing_leaves_the_logger_as_it_was(directory: Path) -> None:
    logger = logging.getLogger("netechod")
    before = (list(logger.handlers), logger.level, logger.propagate)
    logs = Logs(directory=directory)
    logs.open()
    logs.close()
    assert (list(logger.handlers), logger.level, logger.propagate) == before
    assert not [thread for thread in threading.enumerate() if thread.name == "log writer"]


def test_a_file_that_may_not_be_written_is_refused_with_a_hint(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)

    def open_without_privileges() -> None:
        if os.getuid() == 0:
            os.setuid(NOBODY)
        logs = Logs(directory=tmp_path / "logs")
        with pytest.raises(
            PermissionRefusedError, match=r"cannot write .*/log.txt: Permission denied\nhint: "
        ):
            logs.open()

    assert in_a_child(open_without_privileges) == 0
    tmp_path.chmod(0o755)


def test_a_refused_start_leaves_nothing_open(logs: Logs, directory: Path) -> None:
    (directory / "log.error").mkdir(parents=True)
    before = open_descriptors()
    with pytest.raises(PermissionRefusedError, match=r"cannot write .*/log.error: Is a directory"):
        logs.open()
    assert open_descriptors() == before


def test_what_the_queue_cannot_take_is_counted_and_said(logs: Logs, directory: Path) -> None:
    for number in range(QUEUE_LIMIT + 5):
        log.info("line %d", number)
    assert logs.lost == 5
    logs.open()
    logs.close()
    written = messages(directory / "log.txt")
    assert written[0] == "5 log lines lost: the queue is full"
    assert written[1:] == [f"line {number}" for number in range(QUEUE_LIMIT)]


def test_a_full_disk_is_survived_counted_and_said(
    logs: Logs, directory: Path, witness: Witness, capfd: pytest.CaptureFixture[str]
) -> None:
    directory.mkdir()
    for name in ("log.txt", "log.error"):
        (directory / name).symlink_to("/dev/full")
    logs.open()
    log.info("lost")
    log.error("lost too")
    assert witness.next_line().endswith("]lost")
    assert witness.next_line().endswith("]lost too")
    for name in ("log.txt", "log.error"):
        (directory / name).unlink()
    log.info("there is room")
    logs.close()
    assert logs.lost == 2
    assert messages(directory / "log.txt") == [
        "2 log lines lost: log.txt: No space left on device, log.error: No space left on device",
        "there is room",
    ]
    assert "[WARNING]" in (directory / "log.txt").read_text()
    assert messages(directory / "log.error") == []
    assert capfd.readouterr() == ("", "")


def test_a_fifo_without_reader_does_not_stop_the_start(logs: Logs, directory: Path, witness: Witness) -> None:
    directory.mkdir()
    os.mkfifo(directory / "log.txt")
    logs.open()
    log.info("nobody reads")
    log.error("log.error is a file")
    witness.next_line()
    witness.next_line()
    assert messages(directory / "log.error") == ["log.error is a file"]
    reader = os.fdopen(os.open(directory / "log.txt", os.O_RDONLY | os.O_NONBLOCK), "rb")
    log.info("somebody reads")
    logs.close()
    with reader:
        assert [line.partition(b"]")[0] for line in reader] == [b"[WARNING", b"[NORMAL"]
    assert logs.lost == 1


def test_rotation_is_noticed_with_the_next_line(logs: Logs, directory: Path, witness: Witness) -> None:
    logs.open()
    log.info("one")
    witness.next_line()
    (directory / "log.txt").rename(directory / "log.txt.1")
    log.info("two")
    witness.next_line()
    shutil.rmtree(directory)
    log.info("three")
    witness.next_line()
    assert messages(directory / "log.txt") == ["three"]
    assert logs.lost == 0


def test_reopening_makes_the_files_now(logs: Logs, directory: Path, witness: Witness) -> None:
    logs.open()
    log.info("one")
    witness.next_line()
    (directory / "log.txt").rename(directory / "log.txt.1")
    logs.reopen()
    logs.close()
    assert messages(directory / "log.txt") == []
    assert messages(directory / "log.txt.1") == ["one"]


def test_reopening_what_cannot_be_opened_keeps_what_is_open(logs: Logs, directory: Path) -> None:
    logs.open()
    (directory / "log.error").rename(directory / "log.error.1")
    (directory / "log.error").mkdir()
    told: list[str] = []
    logs.reopen(told.append)
    log.error("still somewhere")
    logs.close()
    failure = f"cannot open {directory / 'log.error'}: Is a directory"
    assert messages(directory / "log.error.1") == [failure, "still somewhere"]
    assert told == [failure]


def test_a_blocked_copy_harms_nothing(logs: Logs, directory: Path) -> None:
    logs.open()
    for number in range(5000):  # more than the pipe takes
        log.info("line %d %s", number, "x" * 100)
    logs.close(timeout=30)
    assert len(messages(directory / "log.txt")) == 5000
    assert logs.lost == 0


def test_a_failed_start_writes_to_the_files_alone(logs: Logs, directory: Path, witness: Witness) -> None:
    log.critical("start failed")
    logs.open(copies=False)
    logs.close()
    assert messages(directory / "log.error") == ["start failed"]
    os.write(witness.write_end, b"nothing before this\n")
    assert witness.next_line() == "nothing before this"


def test_a_copy_to_a_closed_descriptor_harms_nothing(directory: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    os.close(write_end)
    logs = Logs(directory=directory, copy_to=write_end)
    logs.open()
    log.info("one")
    logs.close()
    assert messages(directory / "log.txt") == ["one"]


def test_a_bad_log_call_is_a_line_and_nothing_else(
    directory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logs = Logs(directory=directory)  # made here, for pytest adds its own handler to what a fixture makes
    logs.open()
    log.info("%d members", "many")
    logs.close()
    assert messages(directory / "log.txt")[0].startswith("log call at test_writer.py:")
    assert capfd.readouterr() == ("", "")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(LEVELS)), st.text())),
    st.sampled_from(["classic", "iso", "json"]),
)
def test_every_record_is_exactly_one_line(
    tmp_path: Path, records: list[tuple[str, str]], format: str
) -> None:
    shutil.rmtree(tmp_path)
    logs = Logs(directory=tmp_path, level="DEBUG", format=format)
    logs.open()
    for level, text in records:
        log.log(LEVELS[level], "%s", text)
    logs.close(timeout=10)
    for name, wanted in (("log.txt", ("DEBUG", "NORMAL", "WARNING")), ("log.error", ("ERROR", "FATAL"))):
        written = (tmp_path / name).read_bytes()
        assert written.count(b"\n") == sum(level in wanted for level, _ in records)
        assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", written)


def test_the_journal_is_wanted_where_stderr_is_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = os.fstat(2)
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    assert [journal_wanted(setting) for setting in ("auto", "on", "off")] == [False, True, False]
    monkeypatch.setenv("JOURNAL_STREAM", f"{stderr.st_dev}:{stderr.st_ino}")
    assert [journal_wanted(setting) for setting in ("auto", "on", "off")] == [True, True, False]
    monkeypatch.setenv("JOURNAL_STREAM", f"{stderr.st_dev}:{stderr.st_ino + 1}")
    assert not journal_wanted("auto")


def test_a_closed_stderr_is_no_journal() -> None:
    def ask() -> None:
        os.close(2)
        assert not journal_wanted("auto")

    assert in_a_child(ask) == 0


JOURNAL = """
import logging, pathlib, socket, threading
pathlib.Path("/run/systemd/journal").mkdir(parents=True)
journald = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journald.bind("/run/systemd/journal/socket")
from netechod.process.log.sinks import JournalCopy
from netechod.process.log.format import Entry
from netechod.process.log.writer import Logs
log = logging.getLogger("netechod.chat")
directory = pathlib.Path("/run/logs")
"""

TALKING = """
logs = Logs(directory=directory, journal=True, copy_to=2)
name = "192.0.2.1--4000"
log.info("chat online %s", name, extra={"event": "join", "service": "chat", "peer": name})
logs.open()
print(journald.recv(65536).decode())
log.critical("no way on")
print(journald.recv(65536).decode())
logs.close()
"""

STUCK = """
logs = Logs(directory=directory, journal=True)
logs.open()
for number in range(5000):  # more than the socket takes
    log.info("line %d", number)
logs.close(timeout=0)
print([thread.name for thread in threading.enumerate()])  # it still waits for the journal; we do not
writer = threading.enumerate()[1]
writer.join()
print(len((directory / "log.txt").read_text().splitlines()), logs.lost)
"""

RECOVERING = """
copy = JournalCopy()
for number in range(1000):
    copy.write(Entry(0.0, logging.INFO, f"line {number}", {}), b"")
journald.setblocking(False)
heard = 0
while True:
    try:
        heard += bool(journald.recv(65536))
    except BlockingIOError:
        break
copy.write(Entry(0.0, logging.INFO, "again", {}), b"")
print(0 < heard < 1000, journald.recv(65536).splitlines()[0])
copy.close()
"""


def beside_a_journal(script: str) -> subprocess.CompletedProcess[str]:
    """Run `script` in a mount namespace where it is journald itself: libsystemd knows one fixed path only."""
    namespace = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    return subprocess.run(
        [*namespace, "sh", "-c", 'mount -t tmpfs none /run && exec "$0" "$@"', sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


@pytest.mark.namespaces
def test_the_journal_gets_messages_with_their_fields() -> None:
    ended = beside_a_journal(JOURNAL + TALKING)
    assert ended.stderr == ""  # the journal is the copy
    first, second = ended.stdout.strip().split("\n\n")
    assert first.splitlines() == [
        "MESSAGE=chat online 192.0.2.1--4000",
        "PRIORITY=6",
        "SYSLOG_IDENTIFIER=netechod",
        "NETECHOD_EVENT=join",
        "NETECHOD_SERVICE=chat",
        "NETECHOD_PEER=192.0.2.1--4000",
    ]
    assert second.splitlines()[:2] == ["MESSAGE=no way on", "PRIORITY=2"]


@pytest.mark.namespaces
def test_a_stuck_journal_costs_the_files_no_line_and_the_caller_no_time() -> None:
    ended = beside_a_journal(JOURNAL + STUCK)
    assert (ended.stdout, ended.stderr) == ("['MainThread', 'log writer']\n5000 0\n", "")


@pytest.mark.namespaces
def test_a_journal_that_reads_again_hears_again() -> None:
    ended = beside_a_journal(JOURNAL + RECOVERING)
    assert (ended.stdout, ended.stderr) == ("True b'MESSAGE=again'\n", "")


def test_without_files_what_nobody_reads_from_the_descriptor_is_counted_and_said() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    logs = Logs(directory=None, copy_to=writer)
    logs.open()
    size = fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ)
    for _ in range(size // 512):
        log.info("%s", "x" * 1024)
    reopened = threading.Event()
    logs.reopen(lambda failures: reopened.set())  # when all lines before are written, or lost
    assert reopened.wait(20)
    lost = logs.lost
    assert lost > 0
    os.read(reader, size)
    log.error("after all")
    logs.close(20)
    said = os.read(reader, size).decode()
    assert f"{lost} log lines lost: nobody takes them from standard error or the journal" in said
    assert "[ERROR]" in said
    os.close(reader)
    os.close(writer)
