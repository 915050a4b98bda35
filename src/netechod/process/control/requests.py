"""What `netechoctl` can ask of the daemon."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from netechod.errors import ConfigError
from netechod.exposition import MISSING
from netechod.levels import LEVELS
from netechod.process.control.metrics import text_of
from netechod.process.control.server import Command, ControlSession
from netechod.process.control.status import Outcome, Presence, Status
from netechod.process.dictionary.in_use import Words
from netechod.reactor.loop import Loop
from netechod.reactor.tasks import Task, Work
from netechod.services.dict.catalogue import Databases, chosen
from netechod.services.dict.words import ALL
from netechod.services.dictionary.service import dump_lines, look_up

if TYPE_CHECKING:
    from netechod.services.dict.strategies import Match

MAX_MATCHES = 100_000  # words in the answer to one search
NO_DATABASE = "no dictionary has this name; `netechoctl dict list` shows the names"


class Operated(Protocol):
    """The daemon, as its operator sees it."""

    def status(self) -> Status:
        """What is going on."""
        ...

    def members(self) -> Sequence[Presence]:
        """Who is online."""
        ...

    def sessions(self) -> Sequence[Mapping[str, Any]]:
        """Who measures."""
        ...

    def reload(self, done: Callable[[Outcome], None]) -> None:
        """Reload, then call `done` with what came of it."""
        ...

    def stop(self, reason: str) -> None:
        """Stop in the ordinary way."""
        ...

    def reopen_logs(self, done: Callable[[str], object]) -> None:
        """Open the log files anew, then call `done` with a sentence about what failed, or nothing."""
        ...

    def set_log_level(self, level: str) -> None:
        """Write from this level on, until the next reload."""
        ...

    @property
    def words(self) -> Words:
        """The dictionaries in use."""
        ...

    @property
    def loop(self) -> Loop:
        """The loop on which long work runs in slices."""
        ...


def commands(daemon: Operated) -> Mapping[str, Command]:
    """The commands by name."""
    return {
        "status": Command(lambda asked, _: asked.answer(daemon.status().as_json())),
        "members": Command(
            lambda asked, _: asked.answer([asdict(presence) for presence in daemon.members()])
        ),
        "sessions": Command(lambda asked, _: asked.answer(daemon.sessions())),
        "dict-list": Command(lambda asked, _: asked.answer([asdict(each) for each in daemon.words.status()])),
        "dict-lookup": Command(lambda asked, words: _look_up(asked, daemon.words.databases, words)),
        "dict-lookup-in": Command(
            lambda asked, words: _look_up(
                asked, chosen(daemon.words.databases, "".join(words[:1])), words[1:]
            )
        ),
        "dict-match": Command(lambda asked, words: _match(asked, daemon, *words)),
        "dict-dump": Command(lambda asked, words: _dump(asked, daemon.words, *words[:1])),
        "metrics": Command(lambda asked, _: _metrics(asked, daemon.status())),
        "reload": Command(
            lambda asked, _: daemon.reload(lambda outcome: _report(asked, outcome)), changes=True
        ),
        "reopen": Command(
            lambda asked, _: daemon.reopen_logs(
                lambda error: asked.refuse(error) if error else asked.answer()
            ),
            changes=True,
        ),
        "stop": Command(lambda asked, _: asked.answer(then=partial(daemon.stop, "netechoctl")), changes=True),
        "log-level": Command(lambda asked, words: _set_level(asked, daemon, words), changes=True),
    }


def _done(asked: ControlSession, action: Callable[[], object]) -> None:
    """Do it and say so."""
    action()
    asked.answer()


def _metrics(asked: ControlSession, status: Status) -> None:
    try:
        asked.answer(body=text_of(status))
    except ConfigError:
        asked.refuse(MISSING)
    except (ImportError, OSError) as error:  # the library is there, and no descriptor to read it
        asked.refuse(f"no metrics: {error}")


def _report(asked: ControlSession, outcome: Outcome) -> None:
    """A reload that failed is an error to whoever asked for it."""
    if outcome.error:
        asked.refuse("; ".join([outcome.error, *outcome.troubles]))
    else:
        asked.answer(asdict(outcome))


def _set_level(asked: ControlSession, daemon: Operated, words: list[str]) -> None:
    if len(words) != 1 or words[0] not in LEVELS:
        asked.refuse(f"the level is one of {', '.join(LEVELS)}")
    else:
        _done(asked, lambda: daemon.set_log_level(words[0]))


def _look_up(asked: ControlSession, databases: Databases, words: Sequence[str]) -> None:
    """Answer with the value of each word as the file has it, without the limits of the wire.

    None stands for a miss.
    """
    if not databases:
        asked.refuse(NO_DATABASE)
        return
    dictionaries = [database.dictionary for database in databases]
    found = {}
    for word in words:
        text = word.encode(errors="surrogatepass")  # no entry is like that, and JSON may be
        value = look_up(dictionaries, text)
        found[word] = None if value is None else value.decode()
    asked.answer(found)


def _dump(asked: ControlSession, words: Words, name: str = "") -> None:
    """Answer with the entries of a dictionary, of the first one without a name."""
    databases = chosen(words.databases, name) if name else words.databases
    if not databases:
        asked.refuse(NO_DATABASE)
        return
    edition = databases[0].dictionary
    asked.answer(len(edition), dump_lines(edition))


def _match(
    asked: ControlSession, daemon: Operated, method: str = "", word: str = "", name: str = ALL
) -> None:
    """Search headwords as the service does, in slices; answer with lines of database and word."""
    from netechod.services.dict.strategies import (  # only where it is used: it takes memory
        STRATEGIES,
        matches,
    )

    databases = chosen(daemon.words.databases, name)
    strategy = STRATEGIES.get(method)
    if not databases:
        asked.refuse(NO_DATABASE)
    elif strategy is None or not word.strip():
        asked.refuse(f"what is needed is one of {', '.join(STRATEGIES)}, and a word")
    else:
        text = word.encode(errors="replace").decode()  # JSON may hold what no headword can
        Task(daemon.loop, _in_steps(matches(databases, strategy, text, MAX_MATCHES)), partial(_listed, asked))


def _in_steps(search: "Generator[bytes, None, Sequence[Match]]") -> "Work[Sequence[Match]]":
    """Run a search as a task runs work."""
    while True:
        try:
            next(search)
        except StopIteration as end:
            found: Sequence[Match] = end.value
            return found
        yield None


def _listed(asked: ControlSession, found: "Sequence[Match]") -> None:
    asked.answer(len(found), (f"{name}\t{word.decode()}" for name, word in found))
