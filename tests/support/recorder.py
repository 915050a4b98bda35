"""An outbox that writes down what a service wants sent, for tests that read as dialogues."""

from collections.abc import Sequence

from netechod.services.api import Outbox, Peer


class Recorder(list[tuple[str, bytes, object]], Outbox):
    """`("send", payload, peer)` and `("broadcast", payload, peers)`, in the order of asking."""

    def send(self, payload: bytes, peer: Peer) -> None:
        """See Outbox."""
        self.append(("send", payload, peer))

    def broadcast(self, payload: bytes, peers: Sequence[Peer]) -> None:
        """See Outbox. The peers as a sorted tuple: who hears it matters, the order does not."""
        self.append(("broadcast", payload, tuple(sorted(peers, key=str))))

    def take(self) -> list[tuple[str, bytes, object]]:
        """Return the output that was queued since the last call, and forget it."""
        taken = list(self)
        self.clear()
        return taken
