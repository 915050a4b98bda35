"""A daemon with a large dictionary: it goes on whatever becomes of the process that builds the index."""

import os
import pwd
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from support.daemon import NETECHOD, PATIENCE, WORDS, Daemon, ask, wait_for_end
from support.indexes import overwrite

pytestmark = pytest.mark.system

ANY_SIZE = {"dictionary.index_from": 0}  # every dictionary is large, then
NOBODY = pwd.getpwnam("nobody")
IN_USE = "echo 0 connections, dictionary {} words (generation {}), chat 0 online"
MANY = "".join(f"word{number}:{number}\n" for number in range(100_000))


def large(directory: Path, words: str = WORDS, program: Sequence[str] = NETECHOD) -> Daemon:
    """A daemon that takes its dictionary for a large one."""
    daemon = Daemon(directory, words, program)
    daemon.configure(ANY_SIZE)
    return daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with large(tmp_path) as daemon:
        yield daemon


def look_up(daemon: Daemon, word: str) -> str:
    return ask(daemon.address("dictionary"), word.encode()).decode()


def write(daemon: Daemon, text: str) -> None:
    daemon.dictionary.write_text(text, encoding="utf-8")


@contextmanager
def building(daemon: Daemon, text: str) -> Iterator[int]:
    """A reload whose process has been stopped; it may go on in the end."""
    write(daemon, text)
    daemon.signal(signal.SIGHUP)
    daemon.manager.wait_for("RELOADING=1", PATIENCE)
    assert daemon.process is not None
    children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children")
    while not (pids := [pid for pid in children.read_text().split() if is_builder(pid)]):
        select.select([], [], [], 0.001)
    pid = int(pids[0])
    os.kill(pid, signal.SIGSTOP)
    yield pid
    if Path(f"/proc/{pid}").exists():
        os.kill(pid, signal.SIGCONT)


def is_builder(pid: str) -> bool:
    """Whether a process is what builds an index; before its exec(2) the daemon waits for it (vfork(2))."""
    try:
        return b"index_process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return False


def left_behind(daemon: Daemon) -> list[str]:
    """What is beside the index, but is not it."""
    return [file.name for file in daemon.directory.glob("dictionary.index?*")]


def ctl(daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run netechoctl."""
    socket = str(daemon.directory / "control.sock")
    command = [sys.executable, "-m", "netechod.cli.netechoctl", "--socket", socket, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def compiled(daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    return ctl(daemon, "dict", "compile", "-c", str(daemon.config), *arguments)


def test_words_are_looked_up_in_an_index(daemon: Daemon) -> None:
    daemon.start()
    assert [look_up(daemon, word) for word in ("apple", "Apple", "pear")] == ["苹果", "苹果", "unknown"]
    daemon.said(f"dictionary index built {daemon.index} seconds=")
    daemon.said("dictionary loaded entries=3 skipped=0 sha256=")
    assert '"store": "index"' in ctl(daemon, "status", "--json").stdout
    assert sorted(ctl(daemon, "dict", "dump").stdout.splitlines()) == sorted(
        WORDS.replace(":", "#").splitlines()
    )
    assert daemon.stop() == 0
    assert daemon.errors() == []


def test_a_reload_adds_changes_and_removes_words(daemon: Daemon) -> None:
    daemon.start()
    write(daemon, "apple:苹\ncherry:樱桃\nhello:你好\npear\n")
    assert "(+1 -1, 1 changed)" in ctl(daemon, "reload").stdout
    found = {word: look_up(daemon, word) for word in ("apple", "banana", "cherry", "hello")}
    assert found == {"apple": "苹", "banana": "unknown", "cherry": "樱桃", "hello": "你好"}
    daemon.said(f"{daemon.dictionary}:4: no ':'; write it as key:value; the line is skipped")
    assert left_behind(daemon) == []


@pytest.mark.parametrize("large_first", [True, False])
def test_a_dictionary_may_become_large_or_small(daemon: Daemon, large_first: bool) -> None:
    sizes = [{"dictionary.index_from": size} for size in (0, 1_000_000)]
    first, second = sizes if large_first else reversed(sizes)
    daemon.configure(first)
    daemon.start()
    daemon.configure(second)
    write(daemon, "apple:苹\ncherry:樱桃\nhello:你好\n")
    outcome = ctl(daemon, "reload").stdout
    assert "configuration  dictionary.index_from\n" in outcome
    assert "3 -> 3 words (+1 -1, 1 changed)" in outcome
    assert look_up(daemon, "cherry") == "樱桃"


def test_a_start_uses_the_index_of_the_last_run(daemon: Daemon) -> None:
    daemon.start()
    assert daemon.stop() == 0
    built = daemon.index.stat()
    daemon.start()
    daemon.said(f"dictionary index found {daemon.index}")
    assert look_up(daemon, "apple") == "苹果"
    assert daemon.stop() == 0
    assert daemon.index.stat().st_ino == built.st_ino
    assert daemon.errors() == []


def test_a_start_finds_out_that_the_index_was_made_of_something_else(daemon: Daemon) -> None:
    daemon.start()
    assert daemon.stop() == 0
    before = daemon.dictionary.stat()
    write(daemon, WORDS.replace("果", "菓"))
    os.utime(daemon.dictionary, ns=(before.st_atime_ns, before.st_mtime_ns))
    daemon.start()
    daemon.said(f"dictionary index was made of another {daemon.dictionary}; it is made anew")
    assert look_up(daemon, "apple") == "苹菓"
    assert daemon.stop() == 0


@contextmanager
def many_served(directory: Path) -> Iterator[Daemon]:
    """A daemon that serves MANY words out of an index."""
    with large(directory, MANY) as daemon:
        daemon.start()
        yield daemon
        assert [look_up(daemon, f"word{number}") for number in ASKED] == list(map(str, ASKED))
        assert daemon.stop() == 0
        assert len(daemon.errors()) == 1
        assert left_behind(daemon) == []


ASKED = range(0, 100_000, 500)


def lose_pages(index: Path) -> None:
    """Write over every page of the tables but those that each look-up meets."""
    for start in range(100 * 4096, index.stat().st_size - 100 * 4096, 4096):
        overwrite(index, start, bytes(4096))


def put_aside(daemon: Daemon) -> None:
    """Wait until the daemon has a new index."""
    daemon.said("dictionary index is damaged and is put aside: ")
    daemon.manager.wait_for("RELOADING=1", PATIENCE)
    daemon.manager.wait_for("READY=1", PATIENCE)


def test_an_index_that_is_damaged_while_it_serves_is_made_anew(tmp_path: Path) -> None:
    with many_served(tmp_path) as daemon:
        lose_pages(daemon.index)
        for number in ASKED:
            assert look_up(daemon, f"word{number}") in (str(number), "unknown")
        put_aside(daemon)
        daemon.said(f"dictionary index built {daemon.index}")


def test_an_index_that_is_damaged_is_made_anew_by_the_next_reload(tmp_path: Path) -> None:
    with many_served(tmp_path) as daemon:
        lose_pages(daemon.index)
        assert IN_USE.format(100_000, 2) in daemon.reload()


def test_an_index_that_is_damaged_between_two_runs_is_made_anew_by_the_start(tmp_path: Path) -> None:
    with large(tmp_path, MANY) as daemon:
        daemon.start()
        for damage in (lose_pages, lambda index: os.truncate(index, 100 * 4096)):
            assert daemon.stop() == 0
            damage(daemon.index)
            daemon.start()
            assert [look_up(daemon, f"word{number}") for number in ASKED] == list(map(str, ASKED))
        assert daemon.stop() == 0
        assert daemon.errors() == []


def test_an_index_is_compiled_over_a_damaged_one(daemon: Daemon) -> None:
    assert compiled(daemon).returncode == 0
    overwrite(daemon.index, 4096, bytes(daemon.index.stat().st_size - 8192))
    done = compiled(daemon)
    assert (done.returncode, done.stderr) == (0, "")
    daemon.start()
    daemon.said(f"dictionary index found {daemon.index}")
    assert look_up(daemon, "apple") == "苹果"


def test_an_index_can_be_made_ahead_of_the_start(daemon: Daemon) -> None:
    done = compiled(daemon)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{daemon.index}: 3 words of {daemon.dictionary}, 0 lines skipped, in ")
    daemon.start()
    daemon.said(f"dictionary index found {daemon.index}")


def test_an_index_can_be_made_ahead_of_the_reload(daemon: Daemon) -> None:
    daemon.start()
    fresh = daemon.directory / "dict.new"
    fresh.write_text("apple:苹\nno colon\n", encoding="utf-8")
    done = compiled(daemon, str(fresh))
    assert f"{fresh}:2: no ':'" in done.stdout
    assert look_up(daemon, "banana") == "香蕉", "what is in use stays in use"
    fresh.rename(daemon.dictionary)
    assert "3 -> 1 words (+0 -2, 1 changed)" in ctl(daemon, "reload").stdout
    daemon.said(f"dictionary index found {daemon.index}")
    assert look_up(daemon, "banana") == "unknown"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_root_makes_no_index_through_a_link_of_the_daemons_user(daemon: Daemon) -> None:
    with TemporaryDirectory() as name:
        victim, own = Path(name, "victim"), Path(name, "own")
        victim.mkdir()
        own.symlink_to(victim)
        os.chown(own, NOBODY.pw_uid, NOBODY.pw_gid, follow_symlinks=False)
        done = compiled(
            daemon,
            "--set",
            f"dictionary.index={own}/dictionary.index",
            "--set",
            f"daemon.user={NOBODY.pw_name}",
        )
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "Permission denied" in done.stderr
        assert list(victim.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_an_index_is_made_as_a_user_without_a_name_too(daemon: Daemon) -> None:
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        cache, words = Path(name, "cache"), Path(name, "dict.txt")
        cache.mkdir()
        os.chown(cache, 1000550000, 0)
        words.write_text(WORDS, encoding="utf-8")
        done = compiled(daemon, "--set", f"dictionary.index={cache}/dictionary.index", str(words))
        assert (done.returncode, done.stderr) == (0, "")
        assert (cache / "dictionary.index").stat().st_uid == 1000550000


def test_an_index_is_made_as_the_user_whose_directory_it_is(daemon: Daemon) -> None:
    with TemporaryDirectory() as name:  # where everybody can look, unlike pytest's
        cache, words = Path(name, "cache"), Path(name, "dict.txt")
        cache.parent.chmod(0o755)
        cache.mkdir()
        words.write_text(WORDS, encoding="utf-8")
        if os.geteuid() == 0:
            os.chown(cache, NOBODY.pw_uid, NOBODY.pw_gid)
        done = compiled(daemon, "--set", f"dictionary.index={cache}/index", str(words))
        assert (done.returncode, done.stderr) == (0, "")
        assert (cache / "index").stat().st_uid == cache.stat().st_uid


def test_what_cannot_be_compiled_is_told(daemon: Daemon) -> None:
    refusals = {
        ("missing",): (5, "missing: No such file or directory"),
        ("--set", "dictionary.index="): (1, "dictionary.index is empty"),
        ("--set", f"dictionary.index={daemon.directory}/none/index"): (1, "none: No such file or directory"),
        ("--set", "dictionary.indx=x"): (78, "dictionary.indx"),
    }
    for arguments, (status, why) in refusals.items():
        done = compiled(daemon, *arguments)
        assert (done.returncode, done.stdout) == (status, "")
        assert why in done.stderr
    done = compiled(daemon, "--set", "dictionary.index_from=1MiB")
    assert "the daemon holds it in memory all the same" in done.stdout


def test_a_process_that_is_killed_costs_the_reload_and_nothing_else(daemon: Daemon) -> None:
    daemon.start()
    with building(daemon, "cherry:樱桃\n") as pid:
        assert look_up(daemon, "apple") == "苹果"
        os.kill(pid, signal.SIGKILL)
        status = daemon.manager.wait_for("READY=1", PATIENCE)
    assert "last reload FAILED: no index could be built of " in status
    daemon.said("dictionary reload failed, 3 entries stay in use: no index could be built of ")
    assert look_up(daemon, "apple") == "苹果"
    assert daemon.reload() == IN_USE.format(1, 2)
    assert look_up(daemon, "cherry") == "樱桃"
    assert len(daemon.errors()) == 1
    assert left_behind(daemon) == []


def test_a_stop_during_a_reload_leaves_no_process_and_no_file(daemon: Daemon) -> None:
    daemon.start()
    with building(daemon, MANY) as pid:
        assert daemon.stop() == 0
        wait_for_end(pid)
    assert daemon.log()[-1] == "stopped reason=SIGTERM"
    assert daemon.errors() == []
    assert left_behind(daemon) == []


def test_however_many_signals_come_during_a_reload_one_more_follows(daemon: Daemon) -> None:
    daemon.start()
    with building(daemon, "cherry:樱桃\n"):
        for _ in range(10):
            daemon.signal(signal.SIGHUP)
        assert "pid" in ctl(daemon, "status", "--json").stdout, "it has turned meanwhile"
    for event in ("READY=1", "RELOADING=1", "READY=1"):
        daemon.manager.wait_for(event, PATIENCE)
    assert daemon.stop() == 0
    assert sum(message.startswith("RELOADING=1") for message in daemon.manager.messages) == 2


def test_a_dump_goes_on_while_another_edition_takes_over(tmp_path: Path) -> None:
    with large(tmp_path, MANY) as daemon:
        daemon.start()
        socket = str(tmp_path / "control.sock")
        command = [sys.executable, "-m", "netechod.cli.netechoctl", "--socket", socket, "dict", "dump"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as dumping:
            assert dumping.stdout is not None
            first = dumping.stdout.readline()
            write(daemon, WORDS)
            assert daemon.reload() == IN_USE.format(3, 2)
            dumped = [first, *dumping.stdout]
        assert dumping.returncode == 0
        assert sorted(dumped) == sorted(MANY.replace(":", "#").splitlines(keepends=True))
        assert daemon.stop() == 0


def test_a_full_disk_costs_the_reload_and_nothing_else(daemon: Daemon) -> None:
    daemon.start()
    assert daemon.process is not None
    subprocess.run(["prlimit", f"--pid={daemon.process.pid}", "--fsize=200000"], check=True)
    write(daemon, MANY)
    assert " MiB are free there" in daemon.reload()
    assert look_up(daemon, "apple") == "苹果"
    assert left_behind(daemon) == []


def test_a_start_does_without_the_index_that_it_cannot_build(tmp_path: Path) -> None:
    with large(tmp_path, MANY, ["prlimit", "--fsize=200000", *NETECHOD]) as daemon:
        daemon.start()
        daemon.said("dictionary not indexed, its words are held in memory: no index could be built of ")
        assert look_up(daemon, "word99999") == "99999"
        assert daemon.stop() == 0


def test_without_a_place_for_the_index_words_are_held_in_memory(daemon: Daemon) -> None:
    daemon.configure({**ANY_SIZE, "dictionary.index": daemon.directory / "missing" / "index"})
    daemon.start()
    daemon.said(f"are held in memory: {daemon.directory}/missing: No such file or directory")
    assert look_up(daemon, "apple") == "苹果"
    assert daemon.reload() == IN_USE.format(3, 2)


def test_a_start_that_is_stopped_while_it_loads_ends_cleanly(tmp_path: Path) -> None:
    with large(tmp_path, MANY) as daemon:
        process = daemon.spawn("--foreground", *("--set", "echo.tcp.listen=127.0.0.1:0"))
        daemon.said("netechod ")
        process.send_signal(signal.SIGTERM)
        assert daemon.wait() == 0
        assert daemon.errors() == []
        assert not daemon.pidfile.exists()
        assert left_behind(daemon) == []


def test_a_detached_start_whose_dictionary_is_bad_says_so(daemon: Daemon) -> None:
    write(daemon, "no colon\n")
    starter = daemon.spawn(*("--set", "echo.tcp.listen=127.0.0.1:0"))
    assert starter.wait(PATIENCE) == 5
    assert f"{daemon.dictionary}: holds no entry at all" in daemon.stderr()


def test_a_daemon_that_detaches_has_its_index_too(daemon: Daemon) -> None:
    daemon.bind()
    daemon.detach()
    assert look_up(daemon, "apple") == "苹果"
    assert daemon.index.exists()
    assert daemon.end() == "stopped reason=SIGTERM"
