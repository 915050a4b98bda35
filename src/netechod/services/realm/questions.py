"""The questions between nodes about who is there: when to ask, and when to answer."""

from netechod.services.realm.entry import ASK
from netechod.services.realm.names import Names
from netechod.services.realm.sending import Sending

INTERVAL = 1.0  # seconds between two questions, and between two answers: one answer is for all that ask


class Questions:
    """Asks who is there, and tells it, both at most once an interval."""

    def __init__(self, sending: Sending, names: Names) -> None:
        self._sending = sending
        self._names = names
        self._asks = self._answers = False
        self._may_ask = self._may_answer = 0.0

    def ask(self) -> None:
        """Ask all other nodes for the names of their members."""
        self._asks = True

    def answer(self) -> None:
        """Tell all other nodes the names of the members here."""
        self._answers = True

    def next_deadline(self) -> float | None:
        """Return the time for the next `put`; None: there is nothing to say."""
        due = [
            at for is_due, at in ((self._asks, self._may_ask), (self._answers, self._may_answer)) if is_due
        ]
        return min(due, default=None)

    def put(self, now: float) -> bool:
        """Queue what is due. Return whether that was something."""
        asks = self._asks and now >= self._may_ask
        answers = self._answers and now >= self._may_answer
        if asks:
            self._asks, self._may_ask = False, now + INTERVAL
            self._sending.add(ASK, now)
        if answers:
            self._answers, self._may_answer = False, now + INTERVAL
            self._sending.add_snapshot(self._names.own(), now)
        return asks or answers
