"""What becomes of the probes of `netecho ping`, whatever comes back of them."""

from collections import Counter
from itertools import pairwise
from unittest.mock import patch

from fuzz.feed import Feed
from fuzz.target import target

from netechod.client.ping import payload
from netechod.client.ping.payload import HEADER, Payloads, Reading, Stream
from netechod.client.ping.tally import Kind, Tally
from netechod.services.echo import TUTORIAL_SUFFIX

RECENT = 5  # probes whose sizes are remembered: the real number is more than any input has


@target([TUTORIAL_SUFFIX, b"\0" * 8], largest=1024)  # each step looks at all probes
def probe(feed: Feed) -> None:
    """Lost, late, doubled, damaged, foreign: each probe has one fate, and what was not changed is whole."""
    payloads, tally = Payloads(), Tally(wait=2.0)
    sent: list[bytes] = []
    kinds = Counter[Kind]()
    now = 0.0
    while feed:
        now += feed.pick([0.0, 0.0, 0.5, 2.0])
        kinds.update(event.kind for event in tally.expired(now))
        if feed.number(1) or not sent:
            sent.append(payloads.make(tally.send(now), HEADER + feed.number(60)))
            continue
        original = feed.pick(sent)
        answer = feed.pick([original, original, changed(original, feed), feed.piece(60)])
        reading = payloads.read(answer)
        if answer == original:
            assert reading == Reading(sent.index(original) + 1, len(original), 0)
        if reading is not None:
            assert reading.size == len(answer)
            assert (reading.damaged == 0) == (sent[reading.number - 1] == answer)
            event = tally.answered(reading.number, now, reading.size, reading.damaged)
            assert event is not None
            kinds[event.kind] += 1
    assert tally.sent == tally.received + tally.lost + tally.pending == len(sent)
    assert (tally.received, tally.lost) == (kinds[Kind.ANSWERED], kinds[Kind.LOST])
    assert (tally.late, tally.duplicates) == (kinds[Kind.LATE], kinds[Kind.DUPLICATE])


def changed(data: bytes, feed: Feed) -> bytes:
    """One byte another, or some less, or more behind."""
    place = feed.number(len(data) - 1)
    flipped = data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]
    return feed.pick([flipped, data[:place], data + TUTORIAL_SUFFIX])


@target()
def probe_stream(feed: Feed) -> None:
    """Echoes in a stream, in any pieces, with or without the tutorials' text behind each: all are whole."""
    with patch.object(payload, "RECENT", RECENT):
        payloads = Payloads()
        stream = Stream(payloads)
        suffix = feed.pick([b"", TUTORIAL_SUFFIX])
        sizes = [HEADER + feed.number(60) for _ in range(1 + feed.number(11))]
        echoed = b""
        for number, size in enumerate(sizes, 1):
            stream.expect(number, size)
            echoed += payloads.make(number, size) + suffix
        readings = []
        edges = sorted({0, len(echoed), *(feed.number(len(echoed)) for _ in range(feed.number(7)))})
        for start, end in pairwise(edges):
            readings += stream.feed(echoed[start:end])
    assert readings == [Reading(number, size, 0) for number, size in enumerate(sizes, 1)]
    assert stream.inserted == len(suffix) * (len(sizes) - 1)
