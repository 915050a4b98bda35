"""Detect loops: another service answers our answers, and a datagram circulates for ever.

A loop is one datagram in flight, so to drop it once ends the loop. One forged datagram starts a loop, and an
attacker can forge many. A loop need not repeat itself. So three things are counted:

- a streak: a peer sends the same payload again and again;
- repetitions: a datagram comes again and again, with others in between;
- an exchange: a peer sends any payloads, but one datagram at a time and without a long pause.

Repetitions and exchanges are counted in samples. A few samples are cheap and enough: a looping datagram comes
back until it is sampled. A client can look like each of the three. It loses at most one datagram in `limit`,
and has to ask again.

Two kinds of exchange are not detected, because clients look the same: one of less than some 20 rounds a
second, and several at once with the same peer, if none of them ever repeats itself.
"""

from collections import Counter
from collections.abc import Sequence
from operator import itemgetter

from netechod.services.api import Datagram, Peer

# Datagrams whose repetitions are counted. When there are more, the half with the fewest is forgotten.
MAX_REPEATED = 4096
# Samples of a datagram, at least, before it is dropped: a few words by turns are no attack.
MIN_SAMPLES = 32
# Datagrams between two samples, at most, if they arrive one by one.
LONGEST_SKIP = 15
# A mask for the seed. If none of these bits is set, the sampled peer is the next whose exchange is counted.
PICK = 0xF0
# Seconds without a sample of the peer that end its exchange. A loop never pauses.
PAUSE = 5.0
# The mark for no payload: hash() never returns -1.
NOTHING = -1


class LoopGuard:
    """Counts datagrams that may be part of a loop. It keeps only hashes of payloads, with a secret key.

    `passes` handles the datagrams of `fast` peers, many at a time. `drops` handles those of other peers.
    """

    def __init__(self, min_samples: int = MIN_SAMPLES) -> None:
        self.limit = 10_000
        self._min_samples = min_samples
        self._marks: dict[Peer, int] = {}  # hashes of the last payloads of fast peers
        self._slow_marks: dict[Peer, int] = {}  # the same of the other peers
        self._streaks: Counter[Peer] = Counter()  # repetitions of each peer's last payload
        self._repeated: dict[int, int] = {}  # samples of each datagram, by its hash
        self._seed = 0
        self._until_sample = 0  # datagrams that pass before one is sampled
        self._suspect: Datagram | None = None  # the datagram of the current batch that has to be dropped
        self._partner: Peer | None = None  # the peer whose exchange is counted
        self._rounds = 0  # samples of it in succession
        self._last_seen = 0.0  # the time of its last sample

    def __len__(self) -> int:
        return len(self._marks) + len(self._slow_marks)

    def __contains__(self, peer: Peer) -> bool:
        return peer in self._marks or peer in self._slow_marks

    def is_fast(self, peer: Peer) -> bool:
        """Return whether `peer` is known and was fast."""
        return peer in self._marks

    def forget(self, keep: int = 0) -> None:
        """Forget all peers but those with the `keep` longest streaks."""
        kept = {peer for peer, _ in self._streaks.most_common(keep)}
        for table in (self._marks, self._slow_marks, self._streaks):
            for peer in table.keys() - kept:
                del table[peer]

    def passes(self, batch: Sequence[Datagram], now: float) -> int:
        """Count the datagrams of a batch up to the first that needs a closer look. Return their number.

        The caller has to call `drops` for each further datagram of the batch. This is the only code of the
        guard that runs for every datagram.
        """
        self._until_sample -= len(batch)
        if self._until_sample < 0:
            batch = self._up_to_suspect(batch, now)
        marks, streaks, limit = self._marks, self._streaks, self.limit
        for place, (payload, peer) in enumerate(batch):
            mark, last = hash(payload), marks.get(peer)
            if last is None:
                return place  # an unknown peer, or a slow one
            if last != mark:
                marks[peer] = mark
                if streaks:
                    streaks.pop(peer, None)
            elif streaks[peer] + 2 < limit:
                streaks[peer] += 1
            else:
                return place  # the streak is too long
        return len(batch)

    def drops(self, datagram: Datagram, *, fast: bool) -> bool:
        """Count one datagram. Return whether it has to be dropped."""
        payload, peer = datagram
        marks, mark = self._marks if fast else self._slow_marks, hash(payload)
        if datagram is self._suspect:
            self._suspect = None
        elif marks.get(peer) != mark:
            marks[peer] = mark
            del self._streaks[peer]
            return False
        else:
            self._streaks[peer] += 1
            if self._streaks[peer] + 1 < self.limit:
                return False
        marks[peer] = NOTHING
        del self._streaks[peer]
        self._repeated.pop(hash(datagram), None)
        if peer == self._partner:
            self._partner = None  # the drop has ended its loop
        return True

    def _up_to_suspect(self, batch: Sequence[Datagram], now: float) -> Sequence[Datagram]:
        """Sample one datagram of the batch. Return the batch up to the one that has to be dropped, if any."""
        place = self._seed % len(batch)
        mark, peer = hash(batch[place]), batch[place][1]
        self._seed = seed = hash((self._seed, mark))
        self._until_sample = seed & LONGEST_SKIP
        suspect = None if peer in self._streaks or not self._is_repeated(mark) else place
        if self._partner is not None:
            lasting = self._follow(batch, now)
            suspect = suspect if lasting is None else lasting
        elif not seed & PICK and peer in self:  # a peer that is new may never come again
            self._partner, self._rounds, self._last_seen = peer, 0, now
        if suspect is None:
            return batch
        self._suspect = batch[suspect]
        return batch[:suspect]

    def _is_repeated(self, mark: int) -> bool:
        """Count the sampled datagram with this hash. Return whether it has come too often."""
        repeated = self._repeated
        times = repeated.pop(mark, 0) + 1
        if times >= self.limit and times >= self._min_samples:
            return True
        repeated[mark] = times
        if len(repeated) > MAX_REPEATED:
            most = sorted(repeated.items(), key=itemgetter(1), reverse=True)
            self._repeated = dict(most[: MAX_REPEATED // 2])
        return False

    def _follow(self, batch: Sequence[Datagram], now: float) -> int | None:
        """Count a round of the partner's exchange. If it has too many, return the index of its datagram.

        Two datagrams of the partner in one batch were in flight together. So it is a busy client and no loop.
        """
        peers = [peer for _, peer in batch]
        number = peers.count(self._partner)
        if number > 1 or now - self._last_seen > PAUSE:
            self._partner = None
        elif number:
            self._last_seen = now
            self._rounds += 1
            if self._rounds >= max(self.limit, self._min_samples):
                place = peers.index(self._partner)
                self._partner = None
                return place
        return None
