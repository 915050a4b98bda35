"""Numbers and bytes of probes: what comes back is told from what does not belong to it."""

from hypothesis import given
from hypothesis import strategies as st

from netechod.client.ping import payload
from netechod.client.ping.payload import HEADER, RECENT, SUSPECTS, Payloads, Reading, Stream
from netechod.services.wire import MAX_DATAGRAM


def flipped(data: bytes, *places: int) -> bytes:
    changed = bytearray(data)
    for place in places:
        changed[place] ^= 0x55
    return bytes(changed)


def test_a_payload_has_its_size_and_comes_back_whole() -> None:
    payloads = Payloads()
    for number, size in ((1, HEADER), (2, 56), (3, MAX_DATAGRAM), (252, 56), (2**32 - 1, 1000)):
        made = payloads.make(number, size)
        assert len(made) == size
        assert payloads.read(made) == Reading(number, size, 0)


def test_payloads_of_neighbours_and_of_other_runs_differ_in_nearly_all_bytes() -> None:
    payloads = Payloads()
    first, second = payloads.make(1, 1000)[HEADER:], payloads.make(2, 1000)[HEADER:]
    assert sum(a == b for a, b in zip(first, second, strict=True)) < 100
    payload._noise.cache_clear()  # as in another process
    assert Payloads().make(1, 1000)[HEADER:] != first


@given(st.sets(st.integers(HEADER, 55)))
def test_every_byte_that_is_not_as_it_was_is_counted(places: set[int]) -> None:
    payloads = Payloads()
    assert payloads.read(flipped(payloads.make(7, 56), *places)) == Reading(7, 56, len(places))


@given(st.sets(st.integers(0, 55), max_size=20))
def test_an_answer_whose_number_is_damaged_is_known_by_the_rest(places: set[int]) -> None:
    payloads = Payloads()
    made = [payloads.make(number, 56) for number in range(1, SUSPECTS)]
    assert payloads.read(flipped(made[10], *places)) == Reading(11, 56, len(places))


def test_bytes_that_are_missing_or_too_many_are_damage() -> None:
    payloads = Payloads()
    made = payloads.make(1, 56)
    assert payloads.read(made[:50]) == Reading(1, 50, 6)
    assert payloads.read(made + b"[server echo]") == Reading(1, 69, 13)


def test_what_is_not_ours_is_not_taken_for_it() -> None:
    payloads = Payloads()
    assert payloads.read(b"hello") is None
    for number in range(1, 100):
        payloads.make(number, 56)
    assert payloads.read(b"") is None
    assert payloads.read(Payloads().make(1, 56)) is None
    assert payloads.number_of(payloads.make(100, 56)[:HEADER]) == 100
    assert payloads.number_of(payloads.header(200)) == 0


def test_the_memory_for_sizes_is_bounded() -> None:
    payloads = Payloads()
    first = payloads.make(1, 56)
    for number in range(2, RECENT + 2):
        payloads.make(number, 8)
    assert payloads.read(first) is None


def sent_into(stream: Stream, payloads: Payloads, *numbers: int, size: int = 56) -> list[bytes]:
    made = [payloads.make(number, size) for number in numbers]
    for number in numbers:
        stream.expect(number, size)
    return made


@given(st.lists(st.integers(1, 60), min_size=1))
def test_a_stream_is_cut_where_the_probes_were(cuts: list[int]) -> None:
    payloads = Payloads()
    stream = Stream(payloads)
    data = b"".join(sent_into(stream, payloads, *range(1, 6)))
    readings: list[Reading] = []
    for cut in cuts:
        readings += stream.feed(data[:cut])
        data = data[cut:]
    readings += stream.feed(data)
    assert readings == [Reading(number, 56, 0) for number in range(1, 6)]
    assert stream.inserted == 0


def test_what_a_server_adds_between_the_answers_is_passed_over_and_counted() -> None:
    payloads = Payloads()
    stream = Stream(payloads)
    made = sent_into(stream, payloads, 1, 2, 3)
    readings = stream.feed(b"".join(it + b"[server echo]" for it in made))
    assert readings == [Reading(number, 56, 0) for number in (1, 2, 3)]
    assert stream.inserted == 26


def test_what_a_server_adds_is_no_answer_however_small_the_probe_and_whenever_it_comes() -> None:
    payloads = Payloads()
    stream = Stream(payloads)
    one, two, three = sent_into(stream, payloads, 1, 2, 3, size=HEADER)
    assert stream.feed(one + b"[server e") == [Reading(1, HEADER, 0)]
    assert stream.feed(b"cho]") == []
    assert stream.feed(two + b"[server echo]" + flipped(three, 0)) == [
        Reading(2, HEADER, 0),
        Reading(3, HEADER, 1),
    ]
    assert stream.inserted == 26


def test_a_stream_whose_answers_come_very_late_is_read_as_well() -> None:
    payloads = Payloads()
    stream = Stream(payloads)
    first, *_ = sent_into(stream, payloads, *range(1, RECENT + 2))
    assert stream.feed(first) == [Reading(1, 56, 0)]


def test_damage_in_a_stream_is_counted_even_in_a_header() -> None:
    payloads = Payloads()
    stream = Stream(payloads)
    one, two = sent_into(stream, payloads, 1, 2)
    assert stream.feed(flipped(one, 0, 50) + two) == [Reading(1, 56, 2), Reading(2, 56, 0)]
