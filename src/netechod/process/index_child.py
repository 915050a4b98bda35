"""The process beside the daemon that builds or verifies an index: what it is told, and what it says."""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from netechod.errors import DictionaryError, reason_of
from netechod.process.dictionary_index import UnusableIndexError
from netechod.process.index_builder import NoPlaceError, build, verify

NICENESS = 3  # how far it steps back behind the daemon (nice(1)): beside a busy one it has a third of a CPU

# Exit statuses.
DONE = 0
FAILED = 1
BAD_SOURCE = DictionaryError.exit_code
OTHER_SOURCE = 65  # EX_DATAERR (sysexits.h): what is to be verified was made of something else
NO_PLACE = 69  # EX_UNAVAILABLE: no index can be made here at all


@dataclass(frozen=True, kw_only=True)
class Task:
    """What there is to do: build an index, or verify it."""

    verify: bool
    source: str
    index: str
    max_size: int
    strict: bool

    @property
    def argv(self) -> Sequence[str]:
        """The command line that does it: this program again, from wherever this one was loaded."""
        code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import main; sys.exit(main())"
        return [sys.executable, "-I", "-c", code, json.dumps(asdict(self))]


def main() -> int:
    """Do the task on the command line. What goes wrong is told in the last line of the output."""
    step_back()
    task = Task(**json.loads(sys.argv[1]))
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
        return DONE if verify(source, index) else OTHER_SOURCE
    build(source, index, max_size=task.max_size, strict=task.strict)
    return DONE


def step_back() -> None:
    """Let others go first; have memory last."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # whatever the daemon has
    with suppress(OSError):  # the system has no such thing, or a sandbox forbids it
        Path("/proc/self/oom_score_adj").write_text("1000")
