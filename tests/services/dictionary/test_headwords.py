"""Headwords in chunks: sorted, each once, and found from any word on."""

from hypothesis import given
from hypothesis import strategies as st

from netechod.services.dictionary.headwords import CHUNK, STEP, chunked, chunks_from, sorted_chunks

words = st.lists(st.one_of(st.sampled_from([b"a", b"b", b"c" * CHUNK, b"d" * 900]), st.binary(min_size=1)))
words = words.map(lambda some: [word.replace(b"\n", b"-") for word in some])


def chunks_of(some: list[bytes]) -> list[bytes]:
    sorting = sorted_chunks(some)
    try:
        while True:
            assert next(sorting) == b""
    except StopIteration as done:
        chunks: list[bytes] = done.value
        return chunks


def words_in(chunk: bytes) -> list[bytes]:
    assert chunk.startswith(b"\n")
    assert chunk.endswith(b"\n")
    return chunk[1:-1].split(b"\n")


@given(words)
def test_words_come_in_order_each_once(some: list[bytes]) -> None:
    chunks = chunks_of(some)
    assert [word for chunk in chunks for word in words_in(chunk)] == sorted(set(some))
    assert all(len(chunk) <= CHUNK or len(words_in(chunk)) == 1 for chunk in chunks)


@given(words, st.one_of(st.binary(), st.sampled_from([b"a", b"c", b"d"])))
def test_every_word_from_a_place_on_is_found(some: list[bytes], start: bytes) -> None:
    chunks = chunks_of(some * 3)
    found = list(chunks_from(start, chunks.__getitem__, len(chunks)))
    assert found == chunks[len(chunks) - len(found) :]
    left_out = chunks[: len(chunks) - len(found)]
    assert all(word < start for chunk in left_out for word in words_in(chunk))
    if len(found) > 1:
        assert words_in(found[1])[0] > start


def test_many_words_are_sorted_in_many_steps() -> None:
    numbers = [b"%06d" % (number * 7919 % 10_000) for number in range(10_000)]
    sorting = sorted_chunks(numbers)
    assert sum(1 for _ in sorting) >= 2 * 10_000 // STEP


def test_no_words_have_no_chunks() -> None:
    assert chunks_of([]) == []
    assert list(chunked([])) == []
    assert list(chunks_from(b"", [].__getitem__, 0)) == []
