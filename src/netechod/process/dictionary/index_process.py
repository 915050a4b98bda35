"""The process that builds or verifies an index for the daemon: its command line and its exit status."""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from netechod.errors import DictionaryError, reason_of
from netechod.process.dictionary.index_builder import NoPlaceError, build
from netechod.process.dictionary.index_facts import UnusableIndexError
from netechod.process.dictionary.index_verifier import Verdict, verify
from netechod.services.dictionary_parser import Rules

NICENESS = 3  # nice(1) value; beside a busy daemon the process then gets a third of a CPU

# Exit statuses.
DONE = 0
FAILED = 1
BAD_SOURCE = DictionaryError.exit_code
OTHER_SOURCE = 65  # EX_DATAERR (sysexits.h): the index was made from another file
NO_PLACE = 69  # EX_UNAVAILABLE: no index can be made here
DAMAGED = 74  # EX_IOERR: the index has been changed since it was written

STATUSES = {Verdict.WHOLE: DONE, Verdict.OTHER_SOURCE: OTHER_SOURCE, Verdict.DAMAGED: DAMAGED}


@dataclass(frozen=True, kw_only=True)
class Task:
    """Build an index, or verify it."""

    verify: bool
    source: str
    index: str
    max_size: int
    rules: Rules

    @property
    def argv(self) -> Sequence[str]:
        """The command line that does the task, with this program from the same directory."""
        code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import main; sys.exit(main())"
        return [sys.executable, "-I", "-c", code, json.dumps(asdict(self))]

    @classmethod
    def parse(cls, text: str) -> "Task":
        """The task in the last word of a command line."""
        values = json.loads(text)
        return cls(**values | {"rules": Rules(**values["rules"])})


def main() -> int:
    """Do the task on the command line. After a failure the output is the reason."""
    step_back()
    task = Task.parse(sys.argv[1])
    try:
        return _done(task)
    except DictionaryError as error:
        status, reason = BAD_SOURCE, str(error)
    except NoPlaceError as error:
        status, reason = NO_PLACE, str(error)
    except (OSError, UnusableIndexError) as error:
        status, reason = FAILED, reason_of(error) if isinstance(error, OSError) else str(error)
    sys.stdout.buffer.write(reason.encode(errors="surrogateescape"))
    return status


def _done(task: Task) -> int:
    source, index = Path(task.source), Path(task.index)
    if task.verify:
        return STATUSES[verify(source, index)]
    build(source, index, max_size=task.max_size, rules=task.rules)
    return DONE


def step_back() -> None:
    """Get less CPU than other processes, and be the first to be killed if memory runs out."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # not the scheduling policy of the daemon
    with suppress(OSError):  # a sandbox may forbid it
        Path("/proc/self/oom_score_adj").write_text("1000")
