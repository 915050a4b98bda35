"""Everything at once, against a daemon that has detached: echoes, chat, look-ups, and reloads in between."""

import os
import selectors
import signal
import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.daemon import PATIENCE, Daemon

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

CLIENTS = 200
MEBIBYTE = bytes(range(256)) * 4096
MEMBERS = 50
ROUNDS = 12  # messages that every member says, each after the receipt of the one before
WORDS = 200
RELOADS_PER_SECOND = 2


def meaning_in(edition: int, word: int) -> str:
    """What a word means in an edition: every meaning changes every time, and some words come and go."""
    return "unknown" if word % 7 == edition % 7 else f"{word} 的第 {edition} 个意思"


def text_of(edition: int) -> str:
    """The dictionary file of an edition."""
    meanings = ((word, meaning_in(edition, word)) for word in range(WORDS))
    return "".join(f"word{word}:{meaning}\n" for word, meaning in meanings if meaning != "unknown")


def echo_everything(address: tuple[str, int]) -> list[int]:
    """200 connections, each sending a mebibyte and half-closing; the bytes that each got back in order."""
    back = [0] * CLIENTS
    with selectors.DefaultSelector() as selector:
        for number in range(CLIENTS):
            sock = socket.create_connection(address)  # noqa: TID251 (a client of the test's own)
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, (sock, [number, 0]))
        while selector.get_map():
            ready = selector.select(PATIENCE)
            assert ready, "the echoes have stopped"
            for key, events in ready:
                sock, state = key.data
                if events & selectors.EVENT_WRITE:
                    state[1] += sock.send(MEBIBYTE[state[1] : state[1] + 65536])
                    if state[1] == len(MEBIBYTE):
                        sock.shutdown(socket.SHUT_WR)
                        selector.modify(sock, selectors.EVENT_READ, key.data)
                if events & selectors.EVENT_READ:
                    data = sock.recv(65536)
                    place = back[state[0]]
                    assert data == MEBIBYTE[place : place + len(data)], "a byte came back as another"
                    back[state[0]] += len(data)
                    if not data:
                        selector.unregister(sock)
                        sock.close()
    return back


class Member:
    """A member of the chat that says its next message when its last one has come back."""

    def __init__(self, address: tuple[str, int], number: int) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.bind((f"127.0.1.{1 + number // 10}", 0))
        self.sock.connect(address)
        self.name = "{}--{}".format(*self.sock.getsockname())
        self.heard: Counter[str] = Counter()
        self.said = 0

    def say_next(self) -> None:
        self.said += 1
        self.sock.send(f"第{self.said}句".encode())

    def line(self, number: int) -> str:
        return f"{self.name}#第{number}句"


def chat_with_everybody(address: tuple[str, int]) -> list[Counter[str]]:
    """50 members, all online, each saying its messages; what each of them heard after all were online."""
    members = [Member(address, number) for number in range(MEMBERS)]
    for member in members:
        member.sock.settimeout(PATIENCE)
        member.sock.send(b"online")
        member.sock.recv(2048)
    with selectors.DefaultSelector() as selector:
        for member in members:
            member.sock.setblocking(False)
            selector.register(member.sock, selectors.EVENT_READ, member)
            member.say_next()
        expected = MEMBERS * MEMBERS * ROUNDS
        while sum(member.heard.total() for member in members) < expected:
            ready = selector.select(PATIENCE)
            assert ready, "a line has been lost"
            for key, _ in ready:
                line = key.data.sock.recv(2048).decode()
                if line.endswith("#online"):
                    continue  # those who came after
                key.data.heard[line] += 1
                if line == key.data.line(key.data.said) and key.data.said < ROUNDS:
                    key.data.say_next()
    for member in members:
        member.sock.close()
    return [member.heard for member in members]


class Reloads:
    """Writes a new edition twice a second and has it loaded: answers come from `loaded` to `written`."""

    def __init__(self, daemon: Daemon, pid: int) -> None:
        self._daemon = daemon
        self._pid = pid
        self.loaded = self.written = 1
        self.over = threading.Event()
        self.news = threading.Condition()

    def run(self) -> int:
        while not self.over.wait(1 / RELOADS_PER_SECOND):
            fresh = self._daemon.dictionary.with_suffix(".new")
            fresh.write_text(text_of(self.written + 1), encoding="utf-8")
            self.written += 1
            fresh.rename(self._daemon.dictionary)
            os.kill(self._pid, signal.SIGHUP)
            self._daemon.manager.wait_for("RELOADING=1", PATIENCE)
            self._daemon.manager.wait_for("READY=1", PATIENCE)
            with self.news:
                self.loaded = self.written
                self.news.notify_all()
        return self.loaded


def look_everything_up(address: tuple[str, int], reloads: Reloads) -> int:
    """Look words up until the reloads are over: every answer is out of an edition in use meanwhile."""
    asked = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(address)
        while not reloads.over.is_set():
            number = asked % WORDS
            oldest = reloads.loaded
            sock.send(f"word{number}".encode())
            answer = sock.recv(2048).decode()
            editions = range(oldest, reloads.written + 1)
            assert answer in {meaning_in(edition, number) for edition in editions}
            asked += 1
    return asked


def test_everything_at_once(tmp_path: Path) -> None:
    with Daemon(tmp_path, text_of(1)) as daemon, ThreadPoolExecutor(4) as pool:
        daemon.bind()
        pid = daemon.detach()
        reloads = Reloads(daemon, pid)
        reloading = pool.submit(reloads.run)
        lookups = pool.submit(look_everything_up, daemon.address("dictionary"), reloads)
        echoes = pool.submit(echo_everything, daemon.address("echo-tcp"))
        chat = pool.submit(chat_with_everybody, daemon.address("chat"))
        try:
            echoed, heard = echoes.result(), chat.result()
            with reloads.news:
                assert reloads.news.wait_for(lambda: reloads.loaded >= 4, PATIENCE)
        finally:
            reloads.over.set()
        assert echoed == [len(MEBIBYTE)] * CLIENTS
        assert all(set(lines.values()) == {1} for lines in heard), "a line came twice"
        assert {len(lines) for lines in heard} == {MEMBERS * ROUNDS}
        assert lookups.result() > 100
        assert reloading.result() == reloads.written
        assert daemon.end() == "stopped reason=SIGTERM"
        assert daemon.errors() == []
