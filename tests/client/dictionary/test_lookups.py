"""Many words in flight: every answer goes to its word, whatever the network does to it."""

import os
import socket
from collections.abc import Iterator, Sequence

import pytest
from support.fake_servers import Address, FakeUdpServer, Replies, echo_datagram

from netechod.client.dictionary.lookups import LINGER, WINDOW, Dictionary, Lookups, Result, query_of
from netechod.client.errors import ClientError
from netechod.client.net import Server, Target
from netechod.client.sockets import connected_datagram_socket
from netechod.client.terminal.input import Input
from netechod.services.wire import MAX_DATAGRAM, text_of

WORDS = [b"word%d" % number for number in range(500)]


def meaning(payload: bytes, address: Address) -> tuple[bytes, Address]:
    """The word backwards."""
    return text_of(payload)[::-1], address


def look_up(
    port: int, words: Sequence[bytes] | Input, *, timeout: float = 20.0, retries: int = 2
) -> Iterator[Result]:
    target = Target("127.0.0.1", port, timeout=timeout, retries=retries)
    return Lookups(Dictionary(target)).results(words if isinstance(words, Input) else Input.of(words))


def is_right(results: Sequence[Result]) -> bool:
    """Whether each word has its own meaning."""
    return [(it.word, it.text) for it in results] == [(it.decode(), it[::-1].decode()) for it in WORDS]


def test_a_query_is_padded_so_that_the_whole_answer_is_earned() -> None:
    assert query_of(b"apple") == b"apple" + b"\0" * 395
    assert query_of(b"x" * 401) == b"x" * 401
    assert len(query_of(b"x" * MAX_DATAGRAM)) == MAX_DATAGRAM
    with pytest.raises(ClientError, match="65508 bytes"):
        query_of(b"x" * (MAX_DATAGRAM + 1))


def test_the_window_is_used_and_kept() -> None:
    held: list[tuple[bytes, Address]] = []
    in_flight: list[int] = []

    def slow(payload: bytes, address: Address) -> Replies:
        """After the first word, none is answered before as many as the window holds have come."""
        held.append((payload, address))
        in_flight.append(len(held))
        if len(fake.seen) > 1 and len(held) < WINDOW and len(fake.seen) < len(WORDS):
            return []
        answers = [meaning(*query) for query in reversed(held)]
        held.clear()
        return answers

    with FakeUdpServer(slow) as fake:
        assert is_right(list(look_up(fake.port, WORDS, retries=0)))
    assert max(in_flight) == WINDOW
    assert len(fake.seen) == len(WORDS)


def test_the_first_word_goes_alone() -> None:
    def count(payload: bytes, address: Address) -> Replies:
        seen.append(len(fake.seen))
        return [meaning(payload, address)] if len(seen) > 1 else []

    seen: list[int] = []
    with FakeUdpServer(count) as fake:
        results = look_up(fake.port, WORDS[:3], timeout=0.05, retries=100)
        assert next(results).text == "0drow"
        assert {text_of(query) for query in fake.seen[:2]} == {b"word0"}
        assert [it.text for it in results] == ["1drow", "2drow"]


def test_words_are_asked_from_ports_of_their_own() -> None:
    ports: list[int] = []

    def note(payload: bytes, address: Address) -> Replies:
        ports.append(address[1])
        return [meaning(payload, address)]

    with FakeUdpServer(note) as fake:
        assert len(list(look_up(fake.port, WORDS[:LINGER]))) == LINGER
    assert len(set(ports)) == LINGER


def test_what_is_lost_is_asked_again() -> None:
    def deaf_to_the_first_try(payload: bytes, address: Address) -> Replies:
        is_lost = fake.seen.count(payload) == 1 and text_of(payload).endswith(b"7")
        return [] if is_lost else [meaning(payload, address)]

    with FakeUdpServer(deaf_to_the_first_try) as fake:
        assert is_right(list(look_up(fake.port, WORDS)))
    assert len(fake.seen) >= len(WORDS) + len(WORDS) // 10


def test_copies_and_latecomers_answer_nobody_else() -> None:
    late: list[tuple[bytes, Address]] = []

    def careless(payload: bytes, address: Address) -> Replies:
        """Each answer comes twice at once, and a third time some words later."""
        answer = meaning(payload, address)
        late.append(answer)
        return [answer, answer, late[-min(len(late), LINGER // 2)]]

    with FakeUdpServer(careless) as fake:
        assert is_right(list(look_up(fake.port, WORDS)))


def test_the_port_of_the_first_answer_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ports: list[int] = []

    def noted(payload: bytes, address: Address) -> Replies:
        ports.append(address[1])
        return [meaning(payload, address)]

    def same_port(server: Server) -> socket.socket:
        """What the kernel rarely chooses."""
        sock = connected_datagram_socket(server.address)
        if sock.getsockname()[1] != ports[0] and not taken:
            sock.close()
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind(("127.0.0.1", ports[0]))
            taken.append(sock)
        return sock

    taken: list[socket.socket] = []
    with FakeUdpServer(noted) as fake:
        dictionary = Dictionary(Target("127.0.0.1", fake.port))
        assert dictionary.look_up(b"word0").text == "0drow"
        monkeypatch.setattr(Server, "datagram_socket", same_port)
        with dictionary.new_socket() as sock:
            assert sock.getsockname()[1] != ports[0]
    assert [sock.fileno() for sock in taken] == [-1]


def test_a_word_without_answer_does_not_stop_the_others() -> None:
    def deaf_to_one(payload: bytes, address: Address) -> Replies:
        return [] if text_of(payload) == b"word3" else [meaning(payload, address)]

    words = iter(WORDS)
    reader, writer = os.pipe()
    with FakeUdpServer(deaf_to_one) as fake, os.fdopen(reader), os.fdopen(writer, "wb", 0) as pipe:
        pipe.write(b"\n".join(WORDS[:5]) + b"\n")
        results = look_up(fake.port, Input(reader), timeout=0.05, retries=1)
        for result in results:
            expected = next(words)
            if result.trouble:
                assert (result.text, result.rtt_ms) == (None, None)
                assert result.trouble == "no answer for 'word3'"
                pipe.close()
            else:
                assert result.text == expected[::-1].decode()
    assert next(words) == b"word5"
    assert [text_of(query) for query in fake.seen].count(b"word3") == 2


def test_a_server_that_falls_silent_is_told() -> None:
    def deaf_after_ten(payload: bytes, address: Address) -> Replies:
        return [meaning(payload, address)] if len(fake.seen) <= 10 else []

    with FakeUdpServer(deaf_after_ten) as fake, pytest.raises(ClientError, match="unanswered"):
        list(look_up(fake.port, WORDS, timeout=0.05, retries=1))
    asked = [text_of(query) for query in fake.seen]
    assert max(map(asked.count, asked)) <= 2
    assert len(set(asked)) <= 10 + WINDOW


def test_a_server_that_is_gone_is_told_with_the_reason() -> None:
    with FakeUdpServer(lambda *query: [meaning(*query)]) as fake:
        results = look_up(fake.port, WORDS, timeout=0.05)
        next(results)
    with pytest.raises(ClientError, match="refused"):
        list(results)


def test_who_limits_our_rate_is_asked_as_fast_as_he_answers() -> None:
    """Every word is answered in the end, because none is asked while others wait for their last try."""
    budget = [100]

    def strict(payload: bytes, address: Address) -> Replies:
        """A hundred answers, and a hundred more once a word comes for the third time, after some silence."""
        if fake.seen.count(payload) > 2:
            budget[0] = 100
        budget[0] -= 1
        return [meaning(payload, address)] if budget[0] >= 0 else []

    with FakeUdpServer(strict) as fake:
        assert is_right(list(look_up(fake.port, WORDS, timeout=0.2)))
    asked = [text_of(query) for query in fake.seen]
    assert max(map(asked.count, asked)) <= 3


def test_a_pipe_is_answered_word_by_word() -> None:
    reader, writer = os.pipe()
    with FakeUdpServer(echo_datagram) as fake, os.fdopen(reader), os.fdopen(writer, "wb", 0) as pipe:
        results = look_up(fake.port, Input(reader))
        for word in ("apple", "苹果"):
            pipe.write(f"\n  \n{word}\r\n".encode())
            assert next(results).text == word
        pipe.write(b"last")
        pipe.close()
        assert [it.text for it in results] == ["last"]


def test_a_word_that_no_datagram_holds_is_told_in_its_place() -> None:
    with FakeUdpServer(echo_datagram) as fake:
        first, huge, last = look_up(fake.port, [b"a", b"x" * (MAX_DATAGRAM + 1), b"b"])
    assert (first.text, last.text) == ("a", "b")
    assert huge.trouble == "a word of 65508 bytes: a datagram holds 65507"


def test_nothing_is_asked_of_nothing() -> None:
    with FakeUdpServer(echo_datagram) as fake:
        assert list(look_up(fake.port, [b"", b" "])) == []
    assert fake.seen == []
