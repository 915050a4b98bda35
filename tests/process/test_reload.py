"""Reloading in slices: never two at once, never one too few, and nobody who asks meanwhile notices."""

import errno
import os
import re
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from support.daemon import PATIENCE, Daemon, ask, client
from support.looping import run_until, turn

from netechod.client.errors import ClientError
from netechod.client.operator import commands as operator
from netechod.client.operator.control import Target
from netechod.client.operator.control import ask as ask_control
from netechod.process.config.load import Loaded, load
from netechod.process.control.status import Outcome
from netechod.process.dictionary.changes import STEP, Changes, compared
from netechod.process.dictionary.loader import Loader
from netechod.process.reload import Reading, Reload, Reloader
from netechod.reactor.jobs.children import Children
from netechod.reactor.loop import Loop
from netechod.reactor.tasks import Task
from netechod.services.dictionary.service import MemoryDictionary

WORDS = 120_000  # of which 6/7 are in every edition: more than 100,000 lines
RELOADS = 20
IN_FLIGHT = 8


class Steps:
    """Reloads of three steps, the last of which waits until it may end."""

    def __init__(self) -> None:
        self.begun = self.ended = 0
        self.may_end = False

    def __call__(self) -> Generator[None, None, Outcome]:
        self.begun += 1
        yield
        while not self.may_end:
            yield
        self.ended += 1
        return Outcome(error=f"number {self.ended}")


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def reloader(loop: Loop, steps: Steps) -> Reloader:
    return Reloader(loop, steps)


def test_a_reload_leaves_the_loop_its_turns(loop: Loop, steps: Steps, reloader: Reloader) -> None:
    turns: list[int] = []
    reloader.request()
    for number in range(5):
        loop.call_soon(partial(turns.append, number))
        turn(loop)
    assert turns == [0, 1, 2, 3, 4]
    assert (steps.begun, steps.ended) == (1, 0)


def test_a_reload_comes_to_its_end(loop: Loop, steps: Steps, reloader: Reloader) -> None:
    steps.may_end = True
    reloader.request()
    run_until(loop, lambda: steps.ended)
    turn(loop, 3)
    assert (steps.begun, steps.ended) == (1, 1)


def test_however_many_ask_during_a_reload_one_more_follows(
    loop: Loop, steps: Steps, reloader: Reloader
) -> None:
    reloader.request()
    turn(loop)
    for _ in range(5):
        reloader.request()
    assert steps.begun == 1
    steps.may_end = True
    run_until(loop, lambda: steps.ended == 2)
    turn(loop, 3)
    assert (steps.begun, steps.ended) == (2, 2)


def test_a_reload_asked_for_later_runs_as_well(loop: Loop, steps: Steps, reloader: Reloader) -> None:
    steps.may_end = True
    reloader.request()
    run_until(loop, lambda: steps.ended == 1)
    turn(loop, 3)
    reloader.request()
    run_until(loop, lambda: steps.ended == 2)
    assert steps.begun == 2


def test_whoever_asks_is_told_what_came_of_the_reload_that_began_after_it(
    loop: Loop, steps: Steps, reloader: Reloader
) -> None:
    told: list[tuple[str, str]] = []

    def tell(name: str, outcome: Outcome) -> None:
        told.append((name, outcome.error))

    for name in ("ann", "bob", "cyd"):
        reloader.request(partial(tell, name))
        turn(loop)
    steps.may_end = True
    run_until(loop, lambda: len(told) == 3)
    assert told == [("ann", "number 1"), ("bob", "number 2"), ("cyd", "number 2")]


def test_a_cancelled_reload_ends_where_it_is(loop: Loop, steps: Steps, reloader: Reloader) -> None:
    reloader.request()
    turn(loop)
    reloader.request()
    reloader.cancel()
    steps.may_end = True
    turn(loop, 5)
    assert (steps.begun, steps.ended) == (1, 0)
    reloader.cancel()


@pytest.mark.parametrize("size", [1, 10_000])
def test_two_editions_are_compared_word_by_word(size: int) -> None:
    old = {b"%d" % number: b"x" for number in range(size)} | {b"gone": b"x", b"other": b"x"}
    new = {b"%d" % number: b"x" for number in range(size)} | {b"other": b"y", b"b": b"x", b"c": b"x"}
    found: list[Changes] = []

    def run() -> Iterator[None]:
        editions = MemoryDictionary(old, sha256="old"), MemoryDictionary(new, sha256="new")
        found.append((yield from compared(*editions)))

    assert sum(1 for _ in run()) == len(old) // STEP
    assert found == [Changes(before=size + 2, after=size + 3, added=2, removed=1, changed=1)]


def meaning(edition: int, number: int) -> str:
    """What a word means in an edition; every seventh word is not in it."""
    return "unknown" if number % 7 == edition % 7 else f"第{edition}版{number}"


def text_of(edition: int) -> str:
    """The dictionary file of an edition."""
    meanings = ((number, meaning(edition, number)) for number in range(WORDS))
    return "".join(f"word{number}:{text}\n" for number, text in meanings if text != "unknown")


class LookUps:
    """Clients in a closed loop: each asks its next word when its last one is answered."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.answered = 0
        self.oldest = self.newest = 1  # the editions that may answer
        self.over = threading.Event()
        self._address = address
        self._asked = 0

    def run(self) -> int:
        """Ask until it is over; the questions that were answered, which is all of them."""
        with selectors.DefaultSelector() as selector:
            for _ in range(IN_FLIGHT):
                sock = client(self._address)
                self._ask(selector, sock)
            while selector.get_map():
                ready = selector.select(PATIENCE)
                assert ready, "a look-up was lost"
                for key, _ in ready:
                    assert isinstance(key.fileobj, socket.socket)
                    self._hear(key.fileobj, *key.data)
                    selector.unregister(key.fileobj)
                    if self.over.is_set():
                        key.fileobj.close()
                    else:
                        self._ask(selector, key.fileobj)
        return self.answered

    def _ask(self, selector: selectors.BaseSelector, sock: socket.socket) -> None:
        number = self._asked * 31 % WORDS
        self._asked += 1
        sock.send(f"word{number}".encode())
        selector.register(sock, selectors.EVENT_READ, (number, self.oldest))

    def _hear(self, sock: socket.socket, number: int, oldest: int) -> None:
        editions = range(oldest, self.newest + 1)
        assert sock.recv(2048).decode() in {meaning(edition, number) for edition in editions}
        self.answered += 1


def reload_often(daemon: Daemon, look_ups: LookUps) -> list[int]:
    """Load one edition after the other; the look-ups that were answered while each was loading."""
    meanwhile = []
    try:
        for edition in range(2, 2 + RELOADS):
            fresh = daemon.dictionary.with_suffix(".new")
            fresh.write_text(text_of(edition), encoding="utf-8")
            fresh.rename(daemon.dictionary)
            look_ups.newest = edition
            daemon.signal(signal.SIGHUP)
            daemon.manager.wait_for("RELOADING=1", PATIENCE)
            before = look_ups.answered
            daemon.manager.wait_for("READY=1", PATIENCE)
            meanwhile.append(look_ups.answered - before)
            look_ups.oldest = edition
    finally:
        look_ups.over.set()
    return meanwhile


@pytest.mark.system
def test_no_look_up_is_lost_while_a_big_dictionary_is_reloaded(tmp_path: Path) -> None:
    with Daemon(tmp_path, text_of(1)) as daemon, ThreadPoolExecutor(1) as pool:
        daemon.start()
        look_ups = LookUps(daemon.address("dictionary"))
        reloading = pool.submit(reload_often, daemon, look_ups)
        answered = look_ups.run()
        meanwhile = reloading.result()
        assert min(meanwhile) > 0, "it serves while it loads"
        assert answered > sum(meanwhile)
        assert daemon.stop() == 0
        assert daemon.errors() == []


SLOW = """
import netechod.process.reload as reloading
read, reloading.with_keys = reloading.with_keys, lambda loaded: open({pipe!r}).close() or read(loaded)
import netechod.__main__
"""


@pytest.mark.system
def test_a_disk_that_does_not_answer_holds_up_the_reload_and_nobody_else(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"  # to open it waits for its writer, as a hung mount waits for its server
    os.mkfifo(pipe)
    with Daemon(tmp_path, program=[sys.executable, "-c", SLOW.format(pipe=str(pipe))]) as daemon:
        daemon.start()
        daemon.signal(signal.SIGHUP)
        daemon.manager.wait_for("RELOADING=1", PATIENCE)
        for _ in range(3):
            assert ask(daemon.address("echo-udp"), b"echo") == b"echo"
        os.close(os.open(pipe, os.O_WRONLY))
        daemon.manager.wait_for("READY=1", PATIENCE)
        daemon.signal(signal.SIGHUP)
        daemon.manager.wait_for("RELOADING=1", PATIENCE)
        assert daemon.stop() == 0, "not even a stop waits for it"


@pytest.mark.system
def test_signals_during_a_reload_make_it_run_once_more(tmp_path: Path) -> None:
    with Daemon(tmp_path, text_of(1)) as daemon:
        daemon.start()
        daemon.signal(signal.SIGHUP)
        daemon.manager.wait_for("RELOADING=1", PATIENCE)
        for _ in range(10):
            daemon.signal(signal.SIGHUP)
        for event in ("READY=1", "RELOADING=1", "READY=1"):
            daemon.manager.wait_for(event, PATIENCE)
        daemon.signal(signal.SIGUSR2)
        daemon.said("status up=")
        assert daemon.stop() == 0
        assert sum(message.startswith("RELOADING=1") for message in daemon.manager.messages) == 2


@pytest.mark.system
def test_a_stop_during_the_reload_of_a_big_file_is_a_clean_one(tmp_path: Path) -> None:
    with Daemon(tmp_path, text_of(1)) as daemon:
        daemon.start()
        daemon.signal(signal.SIGHUP)
        daemon.manager.wait_for("RELOADING=1", PATIENCE)
        assert daemon.stop() == 0
        assert daemon.log()[-1] == "stopped reason=SIGTERM"
        assert daemon.errors() == []


@pytest.mark.system
def test_log_files_that_cannot_be_opened_are_a_part_of_the_answer(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.start()
        log = tmp_path / "log" / "log.txt"
        log.unlink()
        log.mkdir()
        trouble = f"cannot open {log}: Is a directory"
        outcome = ask_control(tmp_path / "control.sock", "reload")
        assert (outcome["error"], outcome["troubles"]) == ("", [trouble])
        assert daemon.reload().endswith(f"; {trouble}")
        control = Target(tmp_path / "control.sock")
        with pytest.raises(ClientError, match=f"^{re.escape(trouble)}$"):
            operator.reload(control, as_json=False)
        daemon.dictionary.unlink()
        with pytest.raises(ClientError, match=f"No such file.*; {re.escape(trouble)}$"):
            operator.reload(control, as_json=False)
        assert daemon.stop() == 0


@pytest.mark.system
def test_names_that_cannot_be_made_again_are_a_part_of_the_answer(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.start()
        daemon.pidfile.unlink()
        daemon.pidfile.mkdir()
        [trouble] = ask_control(tmp_path / "control.sock", "reload")["troubles"]
        assert trouble.startswith("the pidfile is lost, and cannot be made again: ")
        assert daemon.stop() == 0


def test_whatever_the_system_refuses_fails_the_reload_alone(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(loaded: Loaded) -> Loaded:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("netechod.process.reload.with_keys", refused)
    reading = Reading(loop, Loader(Children(loop)))
    outcomes: list[Outcome] = []
    loaded = load(None)
    reload = Reload(loaded.config, lambda: reading.steps(loaded, {}), lambda fresh: pytest.fail("adopted"))
    Task(loop, reload.steps(), outcomes.append)
    run_until(loop, lambda: outcomes)
    assert outcomes[0].error.endswith("Input/output error")


def test_a_reload_that_is_given_up_while_it_compares_closes_what_it_has_loaded(loop: Loop) -> None:
    class Edition(MemoryDictionary):
        closed = False

        def close(self) -> None:
            self.closed = True

    old, new = (Edition({b"%d" % word: b"x" for word in range(2 * STEP)}, sha256=name) for name in "ab")
    steps = Reading._compared({"main": old}, {"main": new}, {})
    next(steps)
    steps.close()
    assert (old.closed, new.closed) == (False, True)
