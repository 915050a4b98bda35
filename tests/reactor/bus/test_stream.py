"""The log over a scripted server: what is asked in which order, and what follows each reply."""

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from support.fake_redis import (
    FakeRealm,
    FakeRedis,
    array,
    bulk,
    entries,
    entry,
)
from support.looping import FakeClock, TcpBench, run_until, turn

from netechod.reactor.bus.dialogue import PATIENCE
from netechod.reactor.bus.master import Master, Secrets
from netechod.reactor.bus.stream import BLOCK, COUNT, SHORTEST, SLICE, StreamLog
from netechod.reactor.bus.url import Url
from netechod.reactor.loop import Loop
from netechod.reactor.outgoing.dialer import LONGEST
from netechod.services.realm.log import EntryId


class Bench:
    """A log with its realm and its server."""

    def __init__(self, loop: Loop, clock: FakeClock, redis: FakeRedis, url: str = "redis://{}") -> None:
        self.loop = loop
        self.clock = clock
        self.redis = redis
        self.realm = FakeRealm()
        self.secrets = Secrets()
        host, port = redis.listener.getsockname()
        self.master = Master(Url.parse(url.format(f"{host}:{port}")), lambda: self.secrets)
        self.downs: list[str] = []
        self.refusals: list[str] = []

    def open(self) -> StreamLog:
        """Begin to connect."""
        self.log = StreamLog(self.loop, self.realm, self.master, "key", 1000)
        self.log.on_down, self.log.on_refused = self.downs.append, self.refusals.append
        return self.log

    def up(self) -> None:
        """Open it, and wait until it reads."""
        self.open()
        self.until(lambda: "XREAD" in self.redis.waiting)

    def until(self, condition: Callable[[], object]) -> None:
        """Run the loop until then."""
        run_until(self.loop, condition)

    def down(self, reason: str) -> None:
        """Run until it is down for this reason."""
        self.until(lambda: self.downs)
        assert self.downs[-1].endswith(reason)
        assert self.realm.told[-1] == "disconnected"


@pytest.fixture
def redis(loop: Loop, tcp: TcpBench) -> Iterator[FakeRedis]:
    fake = FakeRedis(loop, tcp.listen())
    yield fake
    fake.close()


@pytest.fixture
def bench(loop: Loop, clock: FakeClock, redis: FakeRedis) -> Iterator[Bench]:
    bench = Bench(loop, clock, redis)
    yield bench
    bench.log.close()


def test_it_greets_looks_and_reads(bench: Bench) -> None:
    bench.up()
    names = bench.redis.names()
    assert names == ["CLIENT", "ROLE", "CLIENT", "ROLE", "XRANGE", "XRANGE", "TIME", "XINFO", "XREAD"]
    assert bench.redis.commands[0] == [b"CLIENT", b"SETNAME", b"netechod-a-reader"]
    assert bench.redis.commands[2] == [b"CLIENT", b"SETNAME", b"netechod-a-writer"]
    assert bench.redis.commands[-1] == b"XREAD COUNT 128 BLOCK 2000 STREAMS key 0-0".split()
    assert bench.realm.found is not None
    assert bench.realm.found == (1700500, None, EntryId(0), False, False)
    assert (bench.log.is_up, bench.log.connects) == (True, 1)
    assert bench.log.server == "{}:{}".format(*bench.redis.listener.getsockname())


def test_the_state_of_the_stream_is_read(bench: Bench) -> None:
    known = array(entry("5-1", b"v", b"1"))
    bench.realm.positions, bench.realm.start = (EntryId(5, 1), EntryId(6)), EntryId(4)
    bench.redis.replies["XRANGE"] = known
    bench.redis.replies["XINFO"] = array(
        bulk(b"last-generated-id"), bulk(b"9-9"), bulk(b"first-entry"), entry("3-0")
    )
    bench.up()
    assert [bytes(command[2]) for command in bench.redis.commands[4:6]] == [b"5-1", b"6-0"]
    assert bench.realm.found == (1700500, EntryId(3), EntryId(9, 9), True, True)
    assert bench.redis.commands[-1][-1] == b"4-0"


def test_entries_are_given_to_the_realm(bench: Bench) -> None:
    bench.up()
    bench.redis.reply("XREAD", entries(entry("7-1", b"v", b"1"), array(bulk(b"8-0"), b"*-1\r\n")))
    bench.until(lambda: "XREAD" in bench.redis.waiting)
    assert bench.realm.reads == [(EntryId(7, 1), [b"v", b"1"]), (EntryId(8), None)]
    assert bench.realm.told[-1] == "caught up"
    assert bench.redis.commands[-1][-1] == b"8-0"


def test_a_full_reply_has_not_caught_up_and_an_empty_one_has(bench: Bench) -> None:
    bench.up()
    bench.redis.reply("XREAD", entries(*(entry(f"{number}-0") for number in range(COUNT))))
    bench.until(lambda: "XREAD" in bench.redis.waiting)
    assert "caught up" not in bench.realm.told
    bench.redis.reply("XREAD", b"*-1\r\n")
    bench.until(lambda: "XREAD" in bench.redis.waiting)
    assert bench.realm.told[-1] == "caught up"


def test_nothing_is_read_while_the_realm_has_no_room(bench: Bench) -> None:
    bench.realm.is_open = False
    bench.open()
    bench.until(lambda: bench.log.is_up)
    turn(bench.loop, 3)
    assert "XREAD" not in bench.redis.names()
    bench.realm.is_open = True
    bench.log.read_soon()
    bench.log.read_soon()
    bench.until(lambda: "XREAD" in bench.redis.waiting)
    bench.realm.is_open = False
    bench.redis.reply("XREAD", entries(entry("1-0")))
    turn(bench.loop, 5)
    assert not bench.realm.reads
    bench.realm.is_open = True
    bench.log.read_soon()
    bench.until(lambda: bench.realm.reads)


def test_a_turn_reads_no_longer_than_its_slice(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.up()
    read = bench.realm.read

    def slow(at: EntryId, fields: object, now: float) -> None:
        read(at, fields, now)
        bench.clock.advance(SLICE)

    monkeypatch.setattr(bench.realm, "read", slow)
    bench.redis.reply("XREAD", entries(*(entry(f"{number}-0") for number in range(5))))
    bench.until(lambda: bench.realm.reads)
    assert len(bench.realm.reads) == 1
    bench.until(lambda: "XREAD" in bench.redis.waiting)
    assert len(bench.realm.reads) == 5


def test_an_entry_is_written_when_there_is_one(bench: Bench) -> None:
    taken: list[bool] = []
    bench.up()
    bench.log.on_taken = lambda: taken.append(True)
    turn(bench.loop, 3)
    bench.realm.entries.extend([[b"v", b"1"], [b"v", b"2"]])
    bench.log.append_soon()
    bench.log.append_soon()
    bench.until(lambda: not bench.realm.entries)
    written = [command for command in bench.redis.commands if command[0] == b"XADD"]
    assert written == [f"XADD key MAXLEN ~ 1000 * v {number}".encode().split() for number in (1, 2)]
    assert bench.realm.told[-1] == "taken 1700500-0"
    assert (bench.log.appends, len(taken)) == (2, 2)


@pytest.mark.parametrize("error", ["OOM command not allowed", "NOREPLICAS Not enough good replicas"])
def test_an_entry_that_the_server_refuses_goes_again(bench: Bench, error: str) -> None:
    bench.redis.replies["XADD"] = f"-{error}\r\n".encode()
    bench.up()
    bench.realm.entries.append([b"v", b"1"])
    bench.log.append_soon()
    bench.until(lambda: bench.refusals)
    bench.log.append_soon()  # more lines do not end the pause
    turn(bench.loop, 3)
    assert (bench.refusals, bench.realm.told[-1]) == ([error], "not taken")
    bench.redis.replies["XADD"] = bulk(b"5-0")
    bench.clock.advance(SHORTEST)
    bench.until(lambda: not bench.realm.entries)
    assert bench.log.is_up
    assert bench.log.errors == {error.partition(" ")[0].lower(): 1}


@pytest.mark.parametrize(
    ("command", "reply", "reason"),
    [
        ("ROLE", b"*1\r\n$5\r\nslave\r\n", " is not the master"),
        ("ROLE", b"-NOAUTH Authentication required.\r\n", "ROLE: NOAUTH Authentication required."),
        ("XRANGE", b"-WRONGTYPE \x1b[2J\r\n", r"XRANGE: WRONGTYPE \x1b[2J"),
        ("XINFO", b"-NOPERM no\r\n", "XINFO: NOPERM no"),
        ("XINFO", b":1\r\n", "a reply that is none: no description of a stream"),
        ("TIME", b":1\r\n", "a reply that is none: 'int' object is not iterable"),
        ("XREAD", b":1\r\n", "a reply that is none: no entries of a stream"),
        ("XREAD", array(b":1\r\n"), "a reply that is none: no entries of a stream"),
        ("XREAD", entries(b":1\r\n"), "a reply that is none: no entry of a stream"),
        ("XREAD", b"-UNBLOCKED the master has changed\r\n", "XREAD: UNBLOCKED the master has changed"),
    ],
)
def test_any_other_error_takes_the_log_down(bench: Bench, command: str, reply: bytes, reason: str) -> None:
    bench.redis.replies[command] = reply
    bench.open()
    bench.down(reason)


def test_an_error_of_an_append_takes_the_log_down_and_the_entry_stays(bench: Bench) -> None:
    bench.redis.replies["XADD"] = b"-READONLY You can't write against a read only replica.\r\n"
    bench.up()
    bench.realm.entries.append([b"v", b"1"])
    bench.log.append_soon()
    bench.down("XADD: READONLY You can't write against a read only replica.")
    assert len(bench.realm.entries) == 1


def test_it_connects_again_after_a_loss_and_tries_later_each_time(bench: Bench) -> None:
    bench.up()
    bench.redis.cut()
    bench.down("closed by the server")
    bench.redis.replies["ROLE"] = b"-CLUSTERDOWN The cluster is down\r\n"
    bench.clock.advance(LONGEST)
    bench.until(lambda: len(bench.downs) == 2)
    del bench.redis.replies["ROLE"]
    bench.redis.replies["ROLE"] = b"*1\r\n$6\r\nmaster\r\n"
    bench.clock.advance(LONGEST)
    bench.until(lambda: bench.log.is_up)
    assert bench.log.connects == 2


def test_a_writer_that_is_lost_takes_the_reader_along(bench: Bench) -> None:
    bench.up()
    bench.redis.connections[1].shutdown(2)
    bench.down("closed by the server")
    bench.until(lambda: all(sock.fileno() < 0 for sock in bench.redis.connections))


def test_a_server_that_takes_no_second_connection_is_of_no_use(bench: Bench) -> None:
    replies = iter([b"*1\r\n$6\r\nmaster\r\n"])

    def once() -> bytes | None:
        reply = next(replies, None)
        bench.redis.loop.unwatch(bench.redis.listener.fileno())
        bench.redis.listener.close()
        return reply

    bench.redis.replies["ROLE"] = once
    bench.open()
    bench.down(": Connection refused")


def test_a_server_that_falls_silent_is_given_up(bench: Bench) -> None:
    bench.up()
    bench.clock.advance(BLOCK + PATIENCE)
    bench.down("no reply in time")


def test_a_server_that_closes_without_a_word_may_expect_tls(bench: Bench) -> None:
    bench.redis.replies["CLIENT"] = bench.redis.cut
    bench.open()
    bench.until(lambda: bench.downs)
    assert bench.downs[0].endswith("; if the server expects TLS, use rediss")


def test_the_realm_may_ask_for_new_connections(bench: Bench) -> None:
    bench.open().connect_anew("nobody is there")
    bench.until(lambda: "XREAD" in bench.redis.waiting)
    bench.log.connect_anew("our own lines do not come back")
    bench.log.connect_anew("our own lines do not come back")
    bench.down("our own lines do not come back")
    assert bench.log.errors["realm"] == 1


def test_a_reply_that_is_too_long_is_read_by_the_next_connection(bench: Bench) -> None:
    bench.up()
    long = entries(entry("5-0", b"b", b"x" * (9 << 20)))
    sock = bench.redis.waiting.pop("XREAD")
    sent = 0

    def push() -> None:
        nonlocal sent
        with suppress(BrokenPipeError, ConnectionResetError):
            sent += sock.send(memoryview(long)[sent:])
            return
        bench.loop.unwatch(sock.fileno())

    bench.loop.watch(sock.fileno(), None, push)
    bench.down("a reply of more than 8 MiB")
    bench.redis.cut()
    bench.clock.advance(LONGEST)
    bench.until(lambda: "XREAD" in bench.redis.waiting)
    bench.redis.reply("XREAD", entries(entry("5-0", b"b", b"x" * (1 << 17))))
    bench.until(lambda: bench.realm.reads)
    assert bench.realm.reads == [(EntryId(5), [b"b", None])]


def test_the_realm_is_called_at_its_deadline(bench: Bench) -> None:
    bench.open()
    bench.realm.deadline = bench.clock.now + 5
    bench.log.keep_time()
    bench.realm.deadline += 1
    bench.clock.advance(5)
    turn(bench.loop)
    assert "deadline" not in bench.realm.told
    bench.clock.advance(1)
    turn(bench.loop)
    assert "deadline" in bench.realm.told


def test_it_proves_itself_and_chooses_a_database(loop: Loop, clock: FakeClock, redis: FakeRedis) -> None:
    bench = Bench(loop, clock, redis, "redis://me@{}/2")
    bench.secrets = Secrets(b"secret")
    bench.up()
    assert bench.redis.names()[:4] == ["AUTH", "CLIENT", "SELECT", "ROLE"]
    assert bench.redis.commands[0] == [b"AUTH", b"me", b"secret"]
    bench.log.close()


def test_a_wrong_password_is_said(bench: Bench) -> None:
    bench.secrets = Secrets(b"secret")
    bench.redis.replies["AUTH"] = b"-WRONGPASS invalid username-password pair\r\n"
    bench.open()
    bench.down("AUTH: WRONGPASS invalid username-password pair")
    assert bench.redis.commands[0] == [b"AUTH", b"secret"]


def test_the_log_follows_a_redirection_of_the_cluster(
    bench: Bench, loop: Loop, clock: FakeClock, tcp: TcpBench
) -> None:
    other = FakeRedis(loop, tcp.listen())
    host, port = other.listener.getsockname()
    bench.redis.replies["XRANGE"] = f"-MOVED 1234 {host}:{port}\r\n".encode()
    bench.open()
    bench.down(f"XRANGE: MOVED 1234 {host}:{port}")
    clock.advance(LONGEST)
    bench.until(lambda: "XREAD" in other.waiting)
    assert bench.log.server == f"{host}:{port}"
    other.close()


def test_it_can_be_closed_before_it_is_connected(bench: Bench) -> None:
    bench.open()
    assert bench.log.server == ""
    bench.log.close()
    bench.log.connect_anew("not any more")
    turn(bench.loop, 3)
    assert bench.redis.commands == []


def test_a_server_without_tls_is_of_no_use_where_it_is_wanted(
    loop: Loop, clock: FakeClock, redis: FakeRedis
) -> None:
    bench = Bench(loop, clock, redis, "rediss://{}")
    bench.open()
    bench.down("TLS: the server does not speak TLS")
    assert bench.log.errors == {"tls": 1, "connect": 1}
    bench.log.close()
