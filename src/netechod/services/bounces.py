"""Bounces: datagrams that come and come again, because somebody sends our answers back for ever.

A loop between two services is one datagram in flight: a single drop ends it for good. Whoever forges one can
forge many, and an answer can bring another question: so what is counted is not only what a peer repeats in a
row, but also what it repeats with something else in between.
"""

from collections import Counter
from collections.abc import Sequence
from operator import itemgetter

from netechod.services.api import Datagram, Peer

MAX_SEEN = 4096  # datagrams remembered that are not in a row; beyond it those go that have come again least
MIN_LOOKS = 32  # at a datagram that is not in a row before one is dropped: two words in turn are no attack
LONGEST_SKIP = 15  # datagrams that pass, where they come one by one, before one is looked at closely
NOTHING = -1  # the mark of no payload at all: no hash is -1


class Bounces:
    """Counts what comes again, by peer and by payload. Only hashes are kept, whose key no sender knows."""

    def __init__(self, min_looks: int = MIN_LOOKS) -> None:
        self._min_looks = min_looks
        self.rows: Counter[Peer] = Counter()  # how often each peer has repeated what it said last
        self._seen: dict[int, int] = {}  # how often a datagram was looked at that was not in a row
        self._dice = 0
        self.skip = 0  # datagrams that pass before `suspect` is asked again

    def ends_row(self, datagram: Datagram, marks: dict[Peer, int], limit: int) -> bool:
        """Note what the peer says in `marks`; whether it says it in a row for the `limit`-th time."""
        payload, peer = datagram
        mark = hash(payload)
        if marks.get(peer) != mark:
            marks[peer] = mark
            del self.rows[peer]
            return False
        self.rows[peer] += 1
        if self.rows[peer] + 1 < limit:
            return False
        marks[peer] = NOTHING
        del self.rows[peer]
        self._seen.pop(hash(datagram), None)  # what begins each row is part of it
        return True

    def suspect(self, batch: Sequence[Datagram], limit: int) -> int | None:
        """The place of one to drop that is not in a row: in the end each that comes again and again.

        None of them before it was looked at `limit` times, and MIN_LOOKS times. To look at few is enough, and
        all that a look-up can afford: what goes round comes again until it is its turn.
        """
        place = self._dice % len(batch)
        mark = hash(batch[place])
        self._dice = hash((self._dice, mark))
        self.skip = self._dice & LONGEST_SKIP
        if batch[place][1] in self.rows:
            return None
        if len(self._seen) >= MAX_SEEN:
            most = sorted(self._seen.items(), key=itemgetter(1), reverse=True)
            self._seen = dict(most[: MAX_SEEN // 2])
        times = self._seen.pop(mark, 0) + 1
        if times >= max(limit, self._min_looks):
            return place
        self._seen[mark] = times
        return None
