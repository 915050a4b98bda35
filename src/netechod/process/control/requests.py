"""What `netechoctl` can ask of the daemon."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Protocol

from netechod.errors import ConfigError
from netechod.levels import LEVELS
from netechod.process.control.metrics import MISSING, text_of
from netechod.process.control.server import Command, ControlSession
from netechod.process.control.status import Outcome, Presence, Status
from netechod.services.dictionary.service import Dictionary, dump_lines


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
    def edition(self) -> Dictionary:
        """The dictionary in use."""
        ...


def commands(daemon: Operated) -> Mapping[str, Command]:
    """The commands by name."""
    return {
        "status": Command(lambda asked, _: asked.answer(daemon.status().as_json())),
        "members": Command(
            lambda asked, _: asked.answer([asdict(presence) for presence in daemon.members()])
        ),
        "sessions": Command(lambda asked, _: asked.answer(daemon.sessions())),
        "dict-lookup": Command(lambda asked, words: asked.answer(_looked_up(daemon.edition, words))),
        "dict-dump": Command(lambda asked, _: asked.answer(len(daemon.edition), dump_lines(daemon.edition))),
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
        asked.refuse(outcome.error)
    else:
        asked.answer(asdict(outcome))


def _set_level(asked: ControlSession, daemon: Operated, words: list[str]) -> None:
    if len(words) != 1 or words[0] not in LEVELS:
        asked.refuse(f"the level is one of {', '.join(LEVELS)}")
    else:
        _done(asked, lambda: daemon.set_log_level(words[0]))


def _looked_up(edition: Dictionary, words: list[str]) -> dict[str, str | None]:
    """Each word's value as the file has it, without the limits of the wire; None for a miss."""
    found = {}
    for word in words:
        text = word.encode(errors="surrogatepass")  # no entry is like that, and JSON may be
        value = edition.exact(text) or edition.lookup_folded(text)
        found[word] = None if value is None else value.decode()
    return found
