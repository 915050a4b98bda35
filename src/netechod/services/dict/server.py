"""What all connections of DICT share."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from netechod.services.dict.catalogue import Databases

COUNTERS = (
    "defined",  # definitions that were sent
    "matched",  # matches that were sent
    "missed",  # words that found nothing
    "refused",  # commands that were not understood
    "busy",  # searches that were refused because too many ran
    "scans",  # searches through all headwords
)


@dataclass(slots=True)
class Terms:
    """What clients get."""

    max_matches: int = 2000  # in an answer; the rest is left out, and the answer says so
    default_strategy: str = "lev"  # what "." stands for


class DictServer:
    """What all connections share: the databases, and what clients get of them."""

    def __init__(
        self, databases: Callable[[], Databases], about: Callable[[], str], terms: Terms | None = None
    ) -> None:
        """Commands ask for the databases of their moment. `about` begins the text about this server."""
        self.databases = databases
        self.about = about
        self.terms = terms or Terms()
        self.scans = 0  # that run now
        self.counters = Counter[str](
            dict.fromkeys(("defined", "missed", "matched", "refused", "busy", "scans"), 0)
        )
