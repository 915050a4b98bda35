"""Loading by way of an index: real processes, on a loop that runs until they have ended."""

import errno
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.indexes import until_given_back
from support.looping import run_until

from netechod.errors import DictionaryError, DictionaryIndexError
from netechod.process.config.schema import Dictionary as Settings
from netechod.process.dictionary import index_process as index_child
from netechod.process.dictionary import loader as dictionary_loader
from netechod.process.dictionary.file import Stamp, stamp_of
from netechod.process.dictionary.index import IndexedDictionary
from netechod.process.dictionary.loader import Loader, fits, is_large
from netechod.reactor.jobs.children import Children
from netechod.reactor.loop import Loop
from netechod.reactor.tasks import Task, finished
from netechod.services.api import Ending, Job
from netechod.services.dictionary.parser import Rules
from netechod.services.dictionary.service import Dictionary, MemoryDictionary

WORDS = "apple:苹果\nbanana:香蕉\n"


@pytest.fixture
def children(loop: Loop) -> Iterator[Children]:
    children = Children(loop)
    yield children
    children.kill_all()
    run_until(loop, lambda: not children.running)


@pytest.fixture
def loader(children: Children) -> Loader:
    return Loader(children)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a dictionary that counts as large."""
    (tmp_path / "dict.txt").write_text(WORDS, encoding="utf-8")
    (tmp_path / "cache").mkdir()
    values = {"file": str(tmp_path / "dict.txt"), "index": str(tmp_path / "cache/index"), "index_from": 0}
    return Settings.model_validate(values)


Load = Callable[..., Dictionary]


@pytest.fixture
def load(loop: Loop, loader: Loader) -> Iterator[Load]:
    """Loads a dictionary, to the end; in the end all editions are closed."""
    editions: list[Dictionary] = []

    def load(settings: Settings, current: Dictionary | None = None) -> Dictionary:
        edition = finished(loop, loader.load(settings, current))
        assert edition is not None
        editions.append(edition)
        return edition

    yield load
    for edition in editions:
        edition.close()
    until_given_back()


def stamp(settings: Settings) -> Stamp:
    """The stamp of the dictionary's file."""
    found = stamp_of(settings.file)
    assert found is not None
    return found


def opened(edition: Dictionary) -> IndexedDictionary:
    """The edition, which is one in an index."""
    assert isinstance(edition, IndexedDictionary)
    return edition


def places(settings: Settings) -> list[str]:
    """What is in the directory of the index."""
    assert settings.index is not None
    return sorted(file.name for file in settings.index.parent.iterdir())


def test_a_large_dictionary_is_looked_up_in_an_index(load: Load, settings: Settings) -> None:
    edition = load(settings)
    assert isinstance(edition, IndexedDictionary)
    assert edition.proven
    assert edition.exact(b"apple") == "苹果".encode()
    assert places(settings) == ["index"]


@pytest.mark.parametrize("reason", ["it is small", "none is wanted"])
def test_another_one_is_held_in_memory(load: Load, settings: Settings, reason: str) -> None:
    changes = {"index_from": len(WORDS.encode()) + 1} if reason == "it is small" else {"index": None}
    settings = settings.model_copy(update=changes)
    assert not is_large(settings, stamp(settings))
    assert isinstance(load(settings), MemoryDictionary)


def test_a_file_of_exactly_that_size_is_large(load: Load, settings: Settings) -> None:
    settings = settings.model_copy(update={"index_from": len(WORDS.encode())})
    assert isinstance(load(settings), IndexedDictionary)


def test_an_index_from_an_earlier_run_is_used_without_a_process(
    load: Load, settings: Settings, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(settings)
    monkeypatch.setattr(children, "spawn", lambda *_: pytest.fail("there is nothing to build"))
    first.close()
    until_given_back()
    again = load(settings)
    assert isinstance(again, IndexedDictionary)
    assert not again.proven
    assert load(settings, again) is again, "an index that is in use is not opened twice"


@pytest.mark.parametrize(
    "change",
    [
        lambda file: os.utime(file, ns=(1, 1)),
        lambda file: file.write_text(WORDS + "cherry:樱桃\n", encoding="utf-8"),
    ],
    ids=["time", "size"],
)
def test_a_file_that_has_changed_is_compiled_anew(
    load: Load, settings: Settings, change: Callable[[Path], object]
) -> None:
    first = load(settings)
    change(settings.file)
    again = load(settings, first)
    assert again is not first
    assert isinstance(again, IndexedDictionary)
    assert again.facts.since == first.sha256
    assert fits(settings, stamp(settings), again)


def test_an_index_of_a_lenient_load_is_none_of_a_strict_one(load: Load, settings: Settings) -> None:
    settings.file.write_text(WORDS + "pear\n", encoding="utf-8")
    assert load(settings).skipped == 1
    with pytest.raises(DictionaryError, match=r"dict\.txt:3: no ':'"):
        load(settings.model_copy(update={"strict": True}))


def test_a_file_above_the_largest_size_is_refused_whatever_index_there_is(
    load: Load, settings: Settings
) -> None:
    load(settings)
    with pytest.raises(DictionaryError, match=r"dictionary\.max_size is 10"):
        load(settings.model_copy(update={"max_size": 10}))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_text("# nothing\n"),
        lambda file: file.write_bytes("apple:x\n苹果:y\n".encode("gbk")),
        lambda file: file.write_bytes(b"a:b\n\0"),
        lambda file: file.write_text("a" * 200_000),
    ],
    ids=["empty", "gbk", "nul", "long"],
)
def test_a_bad_file_is_refused_in_the_same_words_as_ever(
    load: Load, settings: Settings, spoil: Callable[[Path], object]
) -> None:
    spoil(settings.file)
    refusals = []
    for choice in (settings, settings.model_copy(update={"index": None})):
        with pytest.raises(DictionaryError) as caught:
            load(choice)
        refusals.append((caught.type, str(caught.value)))
    assert refusals[0] == refusals[1]
    assert places(settings) == []


@pytest.mark.parametrize("make", [lambda path: None, os.mkfifo])
def test_what_is_no_file_is_not_given_to_a_process(
    load: Load, settings: Settings, make: Callable[[Path], object]
) -> None:
    settings.file.unlink()
    make(settings.file)
    with pytest.raises(DictionaryError, match=r"No such file|not a regular file"):
        load(settings)


@pytest.mark.parametrize("obstacle", ["directory", "other file"])
def test_without_a_place_words_are_held_in_memory_and_it_is_said_why(
    load: Load, settings: Settings, caplog: pytest.LogCaptureFixture, obstacle: str
) -> None:
    assert settings.index is not None
    if obstacle == "directory":
        settings.index.parent.rmdir()
    else:
        settings.index.write_text("precious")
    assert isinstance(load(settings), MemoryDictionary)
    [record] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage().startswith("dictionary not indexed, its words are held in memory: ")
    assert "index" in record.getMessage() or "cache" in record.getMessage()


def test_a_process_that_is_killed_fails_the_load(
    loop: Loop, loader: Loader, children: Children, settings: Settings
) -> None:
    def kill() -> None:
        for pid in children.running:
            os.kill(pid, signal.SIGKILL)
        loop.call_soon(kill)  # until there is one

    loop.call_soon(kill)
    with pytest.raises(DictionaryIndexError, match=r"ended by signal 9, for want of memory\?$"):
        finished(loop, loader.load(settings))
    assert places(settings) == []


def test_a_process_that_takes_too_long_fails_the_load(
    load: Load, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dictionary_loader, "LIMIT", 0.0)
    with pytest.raises(DictionaryIndexError, match=r"of .*dict\.txt: not done within 0 s$"):
        load(settings)
    assert places(settings) == []


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (("/bin/sh", "-c", "exit 7"), "the process ended with status 7"),
        (("/bin/sh", "-c", "echo one; echo two >&2; exit 1"), "two"),
        (("/bin/sh", "-c", "kill -15 $$"), "the process was ended by signal 15"),
        (("/nowhere/python",), "/nowhere/python: No such file or directory"),
        (("/bin/true",), "No such file or directory"),
    ],
)
def test_a_process_that_fails_is_quoted(
    load: Load, settings: Settings, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...], why: str
) -> None:
    monkeypatch.setattr(index_child.Task, "argv", argv)
    with pytest.raises(DictionaryIndexError) as caught:
        load(settings)
    assert str(caught.value) == f"no index could be built of {settings.file}: {why}"


def test_a_file_that_changes_while_its_index_is_built_is_for_the_next_reload(
    load: Load, children: Children, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawn = children.spawn

    def spawn_and_change(job: Job, done: Callable[[Ending], object]) -> None:
        def change(ending: Ending) -> None:
            os.utime(settings.file, ns=(1, 1))
            done(ending)

        spawn(job, change)

    monkeypatch.setattr(children, "spawn", spawn_and_change)
    with pytest.raises(DictionaryError, match="changed while it was read; reload when it is written"):
        load(settings)


def test_a_load_that_is_given_up_leaves_no_process_and_no_file(
    loop: Loop, loader: Loader, children: Children, settings: Settings
) -> None:
    task = Task(loop, loader.load(settings), lambda edition: None)
    run_until(loop, lambda: children.running)
    [pid] = children.running
    os.kill(pid, signal.SIGSTOP)  # wherever it is
    task.cancel()
    run_until(loop, lambda: not children.running)
    assert not Path(f"/proc/{pid}").exists()
    assert places(settings) == []


def test_an_index_that_is_the_one_of_its_file_is_left_alone(
    loop: Loop, loader: Loader, load: Load, children: Children, settings: Settings
) -> None:
    loader.verify(settings, opened(load(settings)), lambda: pytest.fail("nothing is wrong"))
    run_until(loop, lambda: not children.running)
    assert places(settings) == ["index"]


def test_an_index_that_only_looks_like_the_one_of_its_file_is_found_out(
    loop: Loop, loader: Loader, load: Load, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    edition = opened(load(settings))
    before = settings.file.stat()
    settings.file.write_text(WORDS.replace("果", "菓"), encoding="utf-8")
    os.utime(settings.file, ns=(before.st_atime_ns, before.st_mtime_ns))
    found: list[str] = []
    loader.verify(settings, edition, lambda: found.append("mismatch"))
    run_until(loop, lambda: found)
    assert places(settings) == []
    assert f"was made of another {settings.file}" in caplog.text
    assert load(settings).exact(b"apple") == "苹菓".encode()


def test_an_index_that_cannot_be_verified_stays_and_it_is_said_why(
    loop: Loop,
    load: Load,
    loader: Loader,
    children: Children,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    edition = opened(load(settings))
    assert settings.index is not None
    settings.index.unlink()
    loader.verify(settings, edition, lambda: pytest.fail("who knows"))
    run_until(loop, lambda: not children.running)
    assert f"dictionary index cannot be verified: {settings.index}: No such file or directory" in caplog.text


def test_a_loader_that_is_closed_says_no_more(
    loop: Loop,
    load: Load,
    loader: Loader,
    children: Children,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    edition = opened(load(settings))
    assert settings.index is not None
    settings.index.unlink()
    caplog.clear()
    loader.verify(settings, edition, lambda: pytest.fail("who knows"))
    loader.close()
    run_until(loop, lambda: not children.running)
    assert caplog.text == ""


def test_a_process_is_told_what_to_do_by_its_command_line_alone(settings: Settings) -> None:
    rules = Rules(strict=True, max_skipped=0.25, max_reply=99)
    task = index_child.Task(verify=False, source="a", index="b\udc80", max_size=3, rules=rules)
    assert index_child.Task.parse(task.argv[-1]) == task


def test_without_pidfds_an_index_is_built_and_verified_all_the_same(
    loop: Loop, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(pid: int) -> int:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "pidfd_open", refused)
    children = Children(loop)
    loader = Loader(children)
    edition = finished(loop, loader.load(settings))
    assert isinstance(edition, IndexedDictionary)
    edition.proven = False
    loader.look_after([(settings, edition)], lambda: pytest.fail("nothing is wrong"))
    run_until(loop, lambda: not children.running)
    loader.close()
    edition.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)  # none is left, not even a zombie


def test_a_process_steps_back_behind_the_daemon(load: Load, settings: Settings) -> None:
    program = (
        "import os; from pathlib import Path;"
        "from netechod.process.dictionary.index_process import step_back;"
        "os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0)); step_back();"
        "print(os.sched_getscheduler(0), Path('/proc/self/oom_score_adj').read_text())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(os.SCHED_OTHER), "1000"]


def test_the_index_of_an_edition_in_use_can_be_opened_by_others(load: Load, settings: Settings) -> None:
    edition = load(settings)
    program = (
        "import sys; from pathlib import Path; from netechod.process.dictionary.index import open_index;"
        "print(len(open_index(Path(sys.argv[1]))))"
    )
    command = [sys.executable, "-c", program, str(settings.index)]
    assert subprocess.check_output(command, text=True) == "2\n"
    assert len(edition) == 2


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A disk that answers when it is set."""
    gate = threading.Event()
    monkeypatch.setattr(dictionary_loader, "PATIENCE", 0.02)
    yield gate
    gate.set()
    for thread in threading.enumerate():
        if "dictionary" in thread.name:
            thread.join()


@pytest.mark.parametrize("call", ["stamp_of", "read_blocks"])
def test_a_disk_that_does_not_answer_costs_the_load_and_no_later_one(
    gate: threading.Event, load: Load, settings: Settings, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    settings = settings.model_copy(update={"index": None})
    real = getattr(dictionary_loader, call)

    def wait(*arguments: object, **more: object) -> object:
        gate.wait()
        return real(*arguments, **more)

    monkeypatch.setattr(dictionary_loader, call, wait)
    for why in ("takes longer than 0.02", "still waits since an earlier request"):
        with pytest.raises(DictionaryError, match=f"dict.txt: reading the dictionary {why}"):
            load(settings)
    gate.set()
    for thread in threading.enumerate():
        if thread.name == "reading the dictionary":
            thread.join()
    monkeypatch.undo()
    assert len(load(settings)) == 2


def test_an_index_that_cannot_be_opened_in_time_is_told_as_such(
    gate: threading.Event, load: Load, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dictionary_loader, "open_index", lambda index: gate.wait())
    with pytest.raises(DictionaryIndexError, match="opening the dictionary's index takes longer than"):
        load(settings)


@pytest.mark.parametrize("replace", ["in place", "by another file"])
@pytest.mark.parametrize("in_use", [True, False])
def test_other_content_with_the_old_size_and_time_is_loaded_at_once(
    load: Load, settings: Settings, replace: str, in_use: bool
) -> None:
    first = load(settings)
    before = settings.file.stat()
    if replace == "by another file":
        settings.file.unlink()
    settings.file.write_text(WORDS.replace("果", "菓"), encoding="utf-8")
    os.utime(settings.file, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = opened(load(settings, first if in_use else None))
    assert again.exact(b"apple") == "苹菓".encode()
    assert again.facts.stamp == stamp(settings)


def test_a_file_that_was_renamed_finds_its_index_which_is_verified_first(
    load: Load, settings: Settings
) -> None:
    first = opened(load(settings))
    settings.file.rename(settings.file.with_name("other"))
    settings.file.with_name("other").rename(settings.file)
    assert stamp(settings) != first.facts.stamp
    assert load(settings, first) is first
    first.close()
    until_given_back()
    again = opened(load(settings))
    assert again.facts == first.facts
    assert again.proven


@pytest.mark.parametrize("change", [{"max_skipped": 0.1}, {"max_reply": 20}])
def test_an_index_is_made_anew_when_what_is_allowed_has_changed(
    load: Load, settings: Settings, change: dict[str, float]
) -> None:
    settings.file.write_text(WORDS + "stray\n", encoding="utf-8")
    assert load(settings.model_copy(update={"max_skipped": 1.0})).skipped == 1
    changed = settings.model_copy(update=change)
    if "max_skipped" in change:
        with pytest.raises(DictionaryError, match="1 of 3 lines are no entries"):
            load(changed)
    else:
        assert opened(load(changed)).facts.max_reply == 20
