"""Several instances on one machine: each has a control socket of its own, and they are asked in turn."""

import sys
from collections.abc import Callable, Sequence
from glob import glob
from pathlib import Path

from netechod.client.errors import ClientError
from netechod.client.operator.control import NotRunningError, Target
from netechod.client.terminal.output import put
from netechod.services.wire import escape_controls

PATTERNS = ("/run/netechod/control.sock", "/run/netechod@*/control.sock")
"""Where netechod.service and the instances of netechod@.service have their control sockets."""


def ask_all(
    patterns: Sequence[str], timeout: float | None, run: Callable[[Target], int], *, headed: bool
) -> int:
    """Run a command for the daemon behind each control socket. Return the highest exit status.

    If a daemon does not answer, or refuses, the others are asked all the same. With `headed`, the name of its
    socket stands above what each answers.
    """
    paths = sorted({path for pattern in patterns for path in glob(pattern)})  # noqa: PTH207 (not below one root)
    if not paths:
        raise NotRunningError(f"there is no control socket {' or '.join(patterns)}", "is netechod running?")
    worst = 0
    for number, path in enumerate(paths):
        if headed:
            put(f"{chr(10) if number else ''}{escape_controls(path)}\n")
        try:
            worst = max(worst, run(Target(Path(path), timeout, is_one_of_many=True)))
        except ClientError as error:
            hint = f"hint: {error.hint}\n" if error.hint else ""
            print(
                f"netechoctl: error: {escape_controls(f'{path}: {error}')}\n{hint}", end="", file=sys.stderr
            )
            worst = max(worst, error.exit_code)
    return worst
