"""The placeholders in the argv of a command, in whose place the arguments of a request are put."""

import re
from collections.abc import Sequence

PLACEHOLDER = re.compile(r"\{([1-9][0-9]{0,3})\}")
"""The placeholder of one argument. It holds its number, from 1."""


def filled(argv: Sequence[str], arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the argv with the arguments in place of its placeholders. There must be enough of them."""
    return tuple(PLACEHOLDER.sub(lambda found: arguments[int(found[1]) - 1], part) for part in argv)
