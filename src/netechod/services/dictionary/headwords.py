r"""The headwords of a dictionary: its folded words, each once, in the order of their bytes.

They are kept in chunks of bytes, `\nword\nword\n`: `bytes.find` searches hundreds of words in one step.
"""

from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice

CHUNK = 4 * 4096 - 16
"""Bytes of a chunk: four pages of LMDB with the header of the first. A single word may be longer."""

STEP = 64  # words that are sorted, or merged, at a time: 0.1 ms


def chunked(batches: Iterable[Iterable[bytes]]) -> Iterator[list[bytes]]:
    """Yield for each batch the chunks that it completes, and the rest at the end.

    All words have to come in order. Repeated ones are dropped.
    """
    words: list[bytes] = [b""]
    size = 1
    for batch in batches:
        chunks = []
        for word in batch:
            if word == words[-1]:
                continue
            if size + len(word) + 1 > CHUNK and len(words) > 1:
                chunks.append(b"\n".join((*words, b"")))
                words, size = [b""], 1
            words.append(word)
            size += len(word) + 1
        yield chunks
    if len(words) > 1:
        yield [b"\n".join((*words, b""))]


def sorted_chunks(words: Iterable[bytes]) -> Generator[bytes, None, Sequence[bytes]]:
    """Sort words in steps, which yield b"". Return their chunks."""
    rest = iter(words)
    runs = []
    while run := sorted(islice(rest, STEP)):
        runs.append(run)
        yield b""
    merged = merge(*runs)
    chunks: list[bytes] = []
    for some in chunked(iter(lambda: list(islice(merged, STEP)), [])):
        chunks += some
        yield b""
    return chunks


def chunks_from(start: bytes, chunk_at: Callable[[int], bytes], count: int) -> Iterator[bytes]:
    """Return the chunks that may hold words from `start` on. `chunk_at` returns each of `count` chunks."""

    def first_word(number: int) -> bytes:
        chunk = chunk_at(number)
        return chunk[1 : chunk.find(b"\n", 1)]

    first = bisect_right(range(count), start, key=first_word)
    return map(chunk_at, range(max(0, first - 1), count))
