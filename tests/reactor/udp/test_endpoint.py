"""The datagram endpoint: receiving, sending, and waiting for a kernel that takes nothing."""

import errno
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import pytest
from support.looping import FakeClock, receive, run_until, settle, turn, waiting_turn

from netechod.reactor.loop import Loop
from netechod.reactor.udp.budget import BATCH, QUEUE_LIMIT, SEND_LIMIT, SEND_PATIENCE, TURN_LIMIT
from netechod.reactor.udp.datagram_io import DatagramIO
from netechod.reactor.udp.endpoint import DRAIN_BATCHES, HEARINGS, UdpEndpoint
from netechod.reactor.udp.mmsg import BatchMemory, MmsgDatagramIO
from netechod.services.api import Datagram, DatagramService, Outbox, Peer
from netechod.services.echo import EchoService

EPERM = OSError(errno.EPERM, os.strerror(errno.EPERM))  # a firewall's refusal (sendmsg(2))
EIO = OSError(errno.EIO, os.strerror(errno.EIO))


class FlakyIO:
    """A socket's datagrams, with a kernel that refuses when the test says so and notes what it took."""

    def __init__(self, io: DatagramIO) -> None:
        self._io = io
        self.address_of = io.address_of
        self.full = False
        self.interruptions = 0  # calls of send that a signal interrupts
        self.receive_error: OSError | None = None
        self.spurious = False
        self.refused: set[Peer] = set()  # peers that nothing can be sent to
        self.swallows = False  # take what is sent and send nothing, for peers that no kernel knows
        self.attempts = 0
        self.taken: list[list[Datagram]] = []

    def send_back(self, batch: Sequence[Datagram]) -> int:
        """See DatagramIO. It has the same troubles."""
        return self.send(batch)

    def all_taken(self) -> list[Datagram]:
        """Return the datagrams that the kernel took, in order."""
        return [datagram for batch in self.taken for datagram in batch]

    def receive(self) -> Sequence[Datagram]:
        """Fail once, find nothing once, or receive."""
        error, self.receive_error = self.receive_error, None
        if error is not None:
            raise error
        if self.spurious:
            self.spurious = False
            return ()
        return self._io.receive()

    def send(self, datagrams: Sequence[Datagram]) -> int:
        """Refuse, or send up to the first datagram for a refused peer."""
        self.attempts += 1
        if self.full:
            raise BlockingIOError
        if self.interruptions:
            self.interruptions -= 1
            raise InterruptedError
        good = next((i for i, (_, peer) in enumerate(datagrams) if peer in self.refused), len(datagrams))
        if not good:
            raise EPERM
        sent = good if self.swallows else self._io.send(datagrams[:good])
        self.taken.append(list(datagrams[:sent]))
        return sent

    def close(self) -> None:
        """See DatagramIO."""
        self._io.close()


def test_the_kernel_tells_how_many_datagrams_it_has_dropped(loop: Loop) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        sock.bind(("127.0.0.1", 0))
        endpoint = UdpEndpoint(loop, sock, MmsgDatagramIO(sock, BatchMemory()), EchoService())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for _ in range(100):
                client.sendto(bytes(1000), sock.getsockname())
        kept = len(endpoint._io.receive())
        assert endpoint.kernel_drops == 100 - kept
        endpoint.close()
        assert endpoint.kernel_drops == 0


class Alarm(EchoService):
    """An echo that also wants to be called at `deadline`."""

    def __init__(self) -> None:
        self.deadline: float | None = None
        self.reached: list[float] = []
        self.peers: list[Peer] = []

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """A payload is the number of seconds from now to the deadline; an empty one takes it back."""
        for payload, peer in batch:
            self.peers.append(peer)
            self.deadline = now + float(payload) if payload else None

    def next_deadline(self) -> float | None:
        """See DatagramService."""
        return self.deadline

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """Tell everybody, but only when it is time."""
        self.reached.append(now)
        if self.deadline is not None and now >= self.deadline:
            self.deadline = None
            out.broadcast(b"time", self.peers)


class Bench:
    """An endpoint on a real socket, and its clients."""

    def __init__(self, loop: Loop, service: DatagramService, resources: ExitStack) -> None:
        self.loop = loop
        self._resources = resources
        self.sock = resources.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.address = self.sock.getsockname()
        self.io = FlakyIO(MmsgDatagramIO(self.sock, BatchMemory()))
        self.endpoint = UdpEndpoint(loop, self.sock, self.io, service)
        self.counters = self.endpoint.counters
        resources.callback(self.endpoint.close)

    def client(self) -> socket.socket:
        """A client that can be waited for on the loop."""
        client = self._resources.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        client.connect(self.address)
        client.setblocking(False)
        return client

    def say(self, client: socket.socket, *payloads: bytes) -> None:
        """Send, and run the loop until everything is with the service."""
        wanted = self.counters.received + len(payloads)
        for payload in payloads:
            client.send(payload)
        run_until(self.loop, lambda: self.counters.received >= wanted)


Make = Callable[[DatagramService], Bench]


@pytest.fixture
def make(loop: Loop) -> Iterator[Make]:
    with ExitStack() as resources:
        yield lambda service: Bench(loop, service, resources)


@pytest.fixture
def bench(make: Make) -> Bench:
    return make(EchoService())


def silent(client: socket.socket) -> bool:
    """Return whether nothing has come for `client`."""
    try:
        client.recv(65536)
    except BlockingIOError:
        return True
    return False


def test_what_comes_in_goes_to_the_service_and_its_answer_comes_out(bench: Bench, loop: Loop) -> None:
    client = bench.client()
    for payload in (b"hello", b"", b"x" * 65507):
        client.send(payload)
        assert receive(loop, client) == payload
    assert (bench.counters.received, bench.counters.sent) == (3, 3)


def test_all_answers_of_a_turn_leave_in_one_flush(bench: Bench, loop: Loop) -> None:
    client = bench.client()
    bench.say(client, b"hello")
    peer = bench.io.taken.pop()[0][1]
    bench.endpoint.send(b"one", peer)
    bench.endpoint.broadcast(b"two", [peer, peer])
    assert bench.io.taken == []
    turn(loop)
    assert bench.io.all_taken() == [(b"one", peer), (b"two", peer), (b"two", peer)]


def test_a_long_queue_leaves_in_parts_and_no_question_is_taken_meanwhile(bench: Bench, loop: Loop) -> None:
    client = bench.client()
    bench.io.swallows = True
    bench.endpoint.broadcast(b"news", range(2 * SEND_LIMIT + 100))
    turn(loop)
    assert bench.counters.sent == SEND_LIMIT
    assert {len(batch) for batch in bench.io.taken} == {BATCH}
    client.send(b"question")
    settle()
    turn(loop)
    assert (bench.counters.sent, bench.counters.received) == (2 * SEND_LIMIT, 0)
    run_until(loop, lambda: bench.counters.received)
    run_until(loop, lambda: bench.counters.sent == 2 * SEND_LIMIT + 101)


def test_no_turn_does_more_than_its_budget(bench: Bench, loop: Loop) -> None:
    client = bench.client()
    bench.io.swallows = True
    for _ in range(3 * BATCH):
        client.send(b"question")
    settle()
    for count in (1, BATCH - 1, SEND_LIMIT, 40 * SEND_LIMIT):
        bench.endpoint.broadcast(b"news", range(count))
        loop.call_soon(lambda: bench.endpoint.broadcast(b"more news", range(100)))
        turn(loop)
    run_until(loop, lambda: bench.counters.received == 3 * BATCH)
    assert SEND_LIMIT <= loop.longest_turn <= TURN_LIMIT


def test_a_full_kernel_keeps_the_answers_and_questions_are_taken_meanwhile(bench: Bench, loop: Loop) -> None:
    client = bench.client()
    bench.io.full = True
    bench.say(client, b"one", b"two")
    client.send(b"three")
    settle()
    turn(loop, 2)
    assert (bench.counters.received, bench.counters.sent) == (3, 0)
    assert silent(client)
    bench.io.full = False
    assert [receive(loop, client) for _ in range(3)] == [b"one", b"two", b"three"]
    assert (bench.counters.blocked, bench.counters.overflowed) == (1, 0)


def test_answers_that_a_full_kernel_does_not_take_in_time_are_dropped_and_later_ones_are_not(
    bench: Bench, loop: Loop, clock: FakeClock
) -> None:
    dropped: list[int] = []
    bench.endpoint.on_dropped = dropped.append
    client = bench.client()
    bench.io.full = True
    bench.say(client, b"one", b"two")
    clock.advance(SEND_PATIENCE / 2)
    bench.say(client, b"three")
    clock.advance(SEND_PATIENCE / 2)
    turn(loop)
    assert (dropped, bench.counters.overflowed) == ([2], 2)
    bench.say(client, b"four")
    bench.io.full = False
    assert [receive(loop, client) for _ in range(2)] == [b"three", b"four"]
    clock.advance(10 * SEND_PATIENCE)
    turn(loop, 2)
    assert bench.counters.overflowed == 2


def test_when_all_that_waited_is_dropped_the_next_answer_is_tried_at_once(
    bench: Bench, loop: Loop, clock: FakeClock
) -> None:
    client = bench.client()
    bench.io.full = True
    bench.say(client, b"one")
    clock.advance(SEND_PATIENCE)
    turn(loop)
    assert bench.counters.overflowed == 1
    bench.io.full = False
    attempts = bench.io.attempts
    bench.say(client, b"two")
    assert bench.io.attempts == attempts + 1
    assert receive(loop, client) == b"two"


def test_a_kernel_that_takes_some_now_and_then_costs_nothing(
    bench: Bench, loop: Loop, clock: FakeClock
) -> None:
    """Datagrams are dropped when the kernel takes none, not when many wait."""
    client = bench.client()
    bench.say(client, b"hello")
    peer = bench.io.taken[0][0][1]
    bench.io.swallows = True
    bench.endpoint.broadcast(b"news", [peer] * (20 * SEND_LIMIT))
    for _ in range(19):
        bench.io.full = True
        turn(loop)
        bench.io.full = False
        clock.advance(0.9 * SEND_PATIENCE)
        turn(loop)
    run_until(loop, lambda: bench.counters.sent == 20 * SEND_LIMIT + 1)
    assert bench.counters.overflowed == 0


def test_what_a_signal_interrupts_is_sent_again(bench: Bench, loop: Loop) -> None:
    client = bench.client()
    bench.io.interruptions = 2
    bench.say(client, b"one")
    assert receive(loop, client) == b"one"
    assert (bench.counters.sent, bench.counters.send_errors) == (1, 0)


def test_what_is_queued_while_the_kernel_is_full_follows_in_order(bench: Bench, loop: Loop) -> None:
    client = bench.client()
    bench.io.full = True
    bench.say(client, b"one")
    turn(loop)
    attempts = bench.io.attempts
    bench.endpoint.send(b"two", 0)
    bench.endpoint.send(b"three", 0)
    turn(loop)
    assert bench.io.attempts == attempts + 1
    bench.io.full, bench.io.swallows = False, True
    turn(loop)
    assert [payload for payload, _ in bench.io.all_taken()] == [b"one", b"two", b"three"]


def test_a_full_queue_drops_the_oldest_and_counts_them(bench: Bench, loop: Loop) -> None:
    bench.io.full = True
    bench.endpoint.broadcast(b"news", range(QUEUE_LIMIT + 10))
    assert bench.counters.overflowed == 10
    bench.endpoint.send(b"last", "somebody")
    assert bench.counters.overflowed == 11
    bench.io.full, bench.io.swallows = False, True
    turn(loop)
    assert [peer for _, peer in bench.io.all_taken()] == list(range(11, SEND_LIMIT + 11))
    run_until(loop, lambda: bench.counters.sent == QUEUE_LIMIT)
    assert bench.io.all_taken()[-1] == (b"last", "somebody")


def test_a_datagram_that_can_not_be_sent_is_counted_and_the_others_leave(bench: Bench, loop: Loop) -> None:
    bench.io.swallows = True
    bench.io.refused = {1, 3}
    bench.endpoint.broadcast(b"news", range(5))
    turn(loop)
    assert [peer for _, peer in bench.io.all_taken()] == [0, 2, 4]
    assert (bench.counters.sent, bench.counters.send_errors) == (3, 2)


def test_refused_datagrams_count_towards_what_one_turn_sends(bench: Bench, loop: Loop) -> None:
    bench.io.refused = set(range(SEND_LIMIT + 1))
    bench.endpoint.broadcast(b"news", range(SEND_LIMIT + 1))
    turn(loop)
    assert bench.counters.send_errors == SEND_LIMIT
    turn(loop)
    assert bench.counters.send_errors == SEND_LIMIT + 1


def test_a_receive_error_is_counted_and_the_next_call_receives(bench: Bench, loop: Loop) -> None:
    client = bench.client()
    bench.io.receive_error = EIO
    client.send(b"hello")
    assert receive(loop, client) == b"hello"
    assert (bench.counters.receive_errors, bench.counters.received) == (1, 1)


def test_a_spurious_wake_up_is_no_batch_for_the_service(make: Make, loop: Loop) -> None:
    """A datagram with a wrong checksum wakes the loop and is gone when it is read (select(2), BUGS)."""
    alarm = Alarm()
    bench = make(alarm)
    bench.io.spurious = True
    bench.client().send(b"5")
    run_until(loop, lambda: not bench.io.spurious)
    assert (bench.counters.received, bench.counters.receive_errors) == (0, 0)
    run_until(loop, lambda: alarm.peers)


def test_a_deadline_of_the_service_is_reached_on_the_loop(make: Make, loop: Loop, clock: FakeClock) -> None:
    alarm = Alarm()
    bench = make(alarm)
    client = bench.client()
    bench.say(client, b"60")
    clock.advance(59.9)
    turn(loop)
    assert alarm.reached == []
    clock.advance(0.1)
    waiting_turn(loop)
    assert alarm.reached == [1060.0]
    assert receive(loop, client) == b"time"
    clock.advance(600.0)
    turn(loop, 2)
    assert alarm.reached == [1060.0]


class RollCall(EchoService):
    """Counts the peers that have sent something a minute after the first, and answers none."""

    def __init__(self) -> None:
        super().__init__()
        self.deadline: float | None = None
        self.present = self.counted = 0

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """See DatagramService."""
        self.present += len(batch)
        self.deadline = self.deadline or now + 60

    def next_deadline(self) -> float | None:
        """See DatagramService."""
        return None if self.counted else self.deadline

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """See DatagramService."""
        self.counted = self.present


def test_who_has_spoken_before_a_deadline_is_heard_before_it_however_late_that_is(
    make: Make, loop: Loop, clock: FakeClock
) -> None:
    service = RollCall()
    bench = make(service)
    client = bench.client()
    bench.say(client, b"first")
    for _ in range(3 * BATCH):
        client.send(b"here")
    clock.advance(1000.0)  # as a process that was stopped
    run_until(loop, lambda: service.counted)
    assert service.counted == 1 + 3 * BATCH


def test_a_deadline_is_met_although_the_questions_do_not_end(
    make: Make, loop: Loop, clock: FakeClock
) -> None:
    class Crowd(RollCall):
        def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
            super().datagrams_received(batch, now, out)
            for _ in range(BATCH):
                client.send(b"here")

    service = Crowd()
    bench = make(service)
    client = bench.client()
    bench.say(client, b"first")
    clock.advance(1000.0)
    run_until(loop, lambda: service.counted)
    assert service.counted >= HEARINGS * BATCH


def test_a_deadline_that_comes_nearer_is_met(make: Make, loop: Loop, clock: FakeClock) -> None:
    alarm = Alarm()
    bench = make(alarm)
    client = bench.client()
    bench.say(client, b"60")
    bench.say(client, b"5")
    clock.advance(5.0)
    turn(loop)
    assert alarm.reached == [1005.0]
    clock.advance(60.0)
    turn(loop)
    assert alarm.reached == [1005.0]


def test_a_deadline_that_moves_away_is_met_when_it_is_due(make: Make, loop: Loop, clock: FakeClock) -> None:
    alarm = Alarm()
    bench = make(alarm)
    client = bench.client()
    bench.say(client, b"5")
    bench.say(client, b"60")
    clock.advance(5.0)
    turn(loop)
    assert silent(client)
    clock.advance(55.0)
    turn(loop)
    assert receive(loop, client) == b"time"


def test_a_deadline_taken_back_is_not_met(make: Make, loop: Loop, clock: FakeClock) -> None:
    alarm = Alarm()
    bench = make(alarm)
    client = bench.client()
    bench.say(client, b"5")
    bench.say(client, b"")
    clock.advance(5.0)
    turn(loop, 2)
    assert silent(client)


def test_what_follows_a_question_gathers_for_the_pause(bench: Bench, loop: Loop, clock: FakeClock) -> None:
    client = bench.client()
    bench.endpoint.gather(0.5)
    bench.say(client, b"first")
    for payload in (b"second", b"third"):
        client.send(payload)
    turn(loop, 3)
    assert bench.counters.received == 1
    bench.endpoint.send(b"said meanwhile", bench.io.taken[0][0][1])
    turn(loop)
    assert [client.recv(64) for _ in range(2)] == [b"first", b"said meanwhile"]
    clock.advance(0.5)
    turn(loop, 2)
    assert bench.counters.received == 3
    assert [payload for payload, _ in bench.io.taken[-1]] == [b"second", b"third"]


def test_what_is_said_in_the_turn_in_which_a_pause_ends_prolongs_it_not(
    bench: Bench, loop: Loop, clock: FakeClock
) -> None:
    client = bench.client()
    bench.endpoint.gather(0.5)
    bench.say(client, b"first")
    clock.advance(0.5)
    loop.call_soon(lambda: bench.endpoint.send(b"in the last moment", bench.io.taken[0][0][1]))
    turn(loop)
    bench.say(client, b"second")
    assert [client.recv(64) for _ in range(3)] == [b"first", b"in the last moment", b"second"]


def test_a_full_batch_is_followed_by_the_next_without_a_pause(bench: Bench, loop: Loop) -> None:
    bench.endpoint.gather(0.5)
    bench.say(bench.client(), *([b"x"] * (2 * BATCH + 1)))


def test_a_kernel_that_takes_answers_again_ends_no_pause(bench: Bench, loop: Loop, clock: FakeClock) -> None:
    client = bench.client()
    bench.endpoint.gather(0.5)
    bench.say(client, b"first")
    bench.io.full = True
    bench.endpoint.send(b"answer", bench.io.taken[0][0][1])
    turn(loop)
    bench.io.full = False
    client.send(b"second")
    turn(loop, 3)
    assert [receive(loop, client) for _ in range(2)] == [b"first", b"answer"]
    assert bench.counters.received == 1
    clock.advance(0.5)
    assert receive(loop, client) == b"second"
    bench.endpoint.close()
    clock.advance(0.5)
    turn(loop, 2)  # nobody looks at a socket that is closed


def test_draining_answers_what_has_arrived(bench: Bench, loop: Loop) -> None:
    client = bench.client()
    payloads = [b"%d" % number for number in range(3 * BATCH)]
    for payload in payloads:
        client.send(payload)
    settle()
    bench.endpoint.drain(loop.clock() + 1)
    assert [receive(loop, client) for _ in payloads] == payloads
    assert bench.sock.fileno() == -1
    turn(loop, 2)


def test_draining_sends_what_this_very_turn_has_queued(bench: Bench, loop: Loop) -> None:
    """A signal is handled after the sockets of the same turn, and before the flush."""
    client = bench.client()
    bench.say(client, b"hello")
    receive(loop, client)
    loop.call_soon(lambda: bench.endpoint.send(b"queued", bench.io.taken[0][0][1]))
    loop.call_soon(lambda: bench.endpoint.drain(loop.clock() + 1))
    turn(loop)
    assert receive(loop, client) == b"queued"


def test_draining_sends_what_a_full_kernel_left_behind(bench: Bench, loop: Loop) -> None:
    client = bench.client()
    bench.io.full = True
    bench.say(client, b"hello")
    turn(loop)
    bench.io.full = False
    bench.endpoint.drain(loop.clock() + 1)
    assert receive(loop, client) == b"hello"


def test_draining_ends_although_the_questions_do_not(make: Make, loop: Loop) -> None:
    class Talkative(EchoService):
        def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
            client.send(b"and another one")

    bench = make(Talkative())
    client = bench.client()
    client.send(b"one")
    settle()
    bench.endpoint.drain(loop.clock() + 1)
    assert 1 <= bench.counters.received <= DRAIN_BATCHES
    assert bench.sock.fileno() == -1


def test_closing_cancels_the_deadline_and_what_is_queued(make: Make, loop: Loop, clock: FakeClock) -> None:
    alarm = Alarm()
    bench = make(alarm)
    client = bench.client()
    bench.say(client, b"5")
    bench.endpoint.send(b"never", alarm.peers[0])
    bench.endpoint.close()
    clock.advance(5.0)
    turn(loop, 2)
    assert alarm.reached == []
    assert bench.io.attempts == 0
    assert silent(client)


def test_draining_ends_when_its_time_is_over(bench: Bench, loop: Loop, clock: FakeClock) -> None:
    client = bench.client()
    for _ in range(3 * BATCH):
        client.send(b"question")
    settle()
    bench.endpoint.drain(loop.clock())
    assert (bench.counters.received, bench.sock.fileno()) == (0, -1)


def test_draining_does_not_wait_for_a_full_kernel(bench: Bench, loop: Loop) -> None:
    client = bench.client()
    bench.io.full = True
    bench.say(client, b"hello")
    bench.endpoint.drain(loop.clock() + 1000)
    assert bench.sock.fileno() == -1


def test_an_endpoint_that_receives_no_more_still_sends(bench: Bench, loop: Loop) -> None:
    client = bench.client()
    bench.say(client, b"hello")
    assert receive(loop, client) == b"hello"
    bench.endpoint.stop_receiving()
    client.send(b"left in the kernel")
    bench.endpoint.send(b"last words", bench.io.taken[0][0][1])
    turn(loop)
    assert receive(loop, client) == b"last words"
    bench.endpoint.broadcast(b"news", [bench.io.taken[0][0][1]] * 3)
    bench.endpoint.drain(loop.clock() + 1)
    assert [receive(loop, client) for _ in range(3)] == [b"news"] * 3
    assert bench.counters.received == 1


class Expiry(EchoService):
    """Has something to tell so many peers at each of so many deadlines, all of them at once."""

    def __init__(self, deadlines: int, copies: int) -> None:
        super().__init__()
        self.left = deadlines
        self.copies = copies

    def next_deadline(self) -> float | None:
        """See DatagramService."""
        return 0.0 if self.left else None

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """See DatagramService."""
        self.left -= 1
        out.broadcast(b"time", range(self.copies))


def test_what_is_sent_at_deadlines_leaves_before_the_next_deadline_is_told(make: Make, loop: Loop) -> None:
    service = Expiry(deadlines=5, copies=3 * SEND_LIMIT)
    bench = make(service)
    bench.io.swallows = True
    bench.endpoint.set_timer()
    run_until(loop, lambda: bench.counters.sent == 5 * 3 * SEND_LIMIT)
    assert bench.counters.overflowed == 0
    assert loop.longest_turn <= TURN_LIMIT


def test_deadlines_wait_for_a_full_kernel(make: Make, loop: Loop, clock: FakeClock) -> None:
    service = Expiry(deadlines=2, copies=3 * SEND_LIMIT)
    bench = make(service)
    bench.io.full = True
    bench.endpoint.set_timer()
    turn(loop, 5)
    assert service.left == 1
    clock.advance(SEND_PATIENCE)
    turn(loop, 2)
    assert (service.left, bench.counters.overflowed) == (0, 3 * SEND_LIMIT)


def test_what_a_full_queue_has_dropped_is_not_dropped_again_for_its_age(
    bench: Bench, loop: Loop, clock: FakeClock
) -> None:
    bench.io.full = True
    bench.endpoint.send(b"old", "somebody")
    turn(loop)
    bench.endpoint.broadcast(b"news", range(QUEUE_LIMIT))
    clock.advance(SEND_PATIENCE)
    turn(loop)
    assert bench.counters.overflowed == 1


class Answers(EchoService):
    """Answers a batch with itself, with itself twice, or with one payload for all of its peers."""

    def __init__(self) -> None:
        self.taken: Callable[[], int] = lambda: 0
        self.taken_at_once: list[int] = []

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """Note how many datagrams the kernel has taken before the call returns."""
        if batch[0][0] == b"all":
            out.broadcast(b"news", [peer for _, peer in batch])
        elif batch[0][0] == b"more":
            out.send_all([*batch, *batch])
        else:
            out.send_all(batch)
        self.taken_at_once.append(self.taken())


def test_answers_and_a_broadcast_leave_at_once(make: Make, loop: Loop) -> None:
    service = Answers()
    bench = make(service)
    service.taken = lambda: len(bench.io.all_taken())
    client = bench.client()
    for payload, answers in ((b"one", [b"one"]), (b"all", [b"news"]), (b"more", [b"more", b"more"])):
        bench.say(client, payload)
        assert [receive(loop, client) for _ in answers] == answers
    assert service.taken_at_once == [1, 2, 4]
    assert bench.endpoint.queued == 0
    bench.endpoint.send_all([])
    turn(loop)
    assert (bench.counters.received, bench.counters.sent) == (3, 4)
