"""Find datagrams that go round for ever, because somebody answers our answers, and have one of them dropped.

A loop between two services is one datagram in flight, so a single drop ends it for good. Three things are
counted, because whoever forges one datagram can forge many, and a loop need not repeat itself:

- a streak: a peer says the same again and again;
- repetitions: a datagram comes again and again with something else in between;
- an exchange: a peer says whatever it likes, but one datagram at a time and without a long pause.

The last two are counted in samples. A few samples are cheap, and enough: a loop goes on until it is sampled.
A client can look like each of these. It loses at most one datagram in `limit`, and has to ask again.

Two kinds of exchange may last, because they look like clients: one of less than some 20 rounds a second, and
several at once with the same peer, if none of them ever repeats itself.
"""

from collections import Counter
from collections.abc import Sequence
from operator import itemgetter

from netechod.services.api import Datagram, Peer

# Datagrams whose repetitions are counted. When there are more, the half that was repeated least is forgotten.
MAX_REPEATED = 4096
# Samples before a datagram is dropped, at least: a few words by turns are no attack.
MIN_SAMPLES = 32
# Datagrams between two samples, at most, where they arrive one by one.
LONGEST_SKIP = 15
# Bits of the seed. The sample that has none of them picks the peer whose exchange is followed next.
PICK = 0xF0
# Seconds without a sample of the peer that end its exchange. A loop never pauses.
PAUSE = 5.0
# The mark of no payload: hash() never returns -1.
NOTHING = -1


class LoopGuard:
    """Count what may be a loop, peer by peer. Only hashes of payloads are kept, whose key no sender knows.

    A peer that is `fast` is let through by `passes`, many datagrams at a time; any other by `drops` alone.
    """

    def __init__(self, min_samples: int = MIN_SAMPLES) -> None:
        self.limit = 10_000
        self._min_samples = min_samples
        self._marks: dict[Peer, int] = {}  # of fast peers: the hash of the last payload
        self._slow_marks: dict[Peer, int] = {}  # of the others
        self._streaks: Counter[Peer] = Counter()  # how often each peer has repeated its last payload
        self._repeated: dict[int, int] = {}  # how often each datagram was sampled, by its hash
        self._seed = 0
        self._until_sample = 0  # datagrams that pass before one is sampled
        self._suspect: Datagram | None = None  # of the batch at hand: to be dropped
        self._partner: Peer | None = None  # the peer whose exchange is followed
        self._rounds = 0  # samples of it in succession
        self._last_seen = 0.0  # when it was sampled last

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
        """Note the datagrams of fast peers up to the first that needs a closer look; return their number.

        From there on the caller has to ask `drops` about each datagram of the batch. This is the only code
        of the guard that runs for every datagram.
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
        """Note a datagram of a peer, known or not; return whether it is to be dropped."""
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
            self._partner = None  # whatever went round has ended
        return True

    def _up_to_suspect(self, batch: Sequence[Datagram], now: float) -> Sequence[Datagram]:
        """Take a sample; return the batch up to the datagram that is to be dropped, all of it if none is."""
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
        """Count the datagram with this hash, which was sampled; return whether it has come too often."""
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
        """Count a round of the partner's exchange; return its place in the batch if there were too many.

        Two datagrams in one batch were in flight together, as those of a busy client are.
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
