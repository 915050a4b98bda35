"""How figures are put on lines."""

from collections.abc import Iterable, Iterator

from netechod.services.cells import cells


def ms(seconds: float) -> str:
    """Format a time in milliseconds: three significant digits, but none below a microsecond."""
    value = seconds * 1000
    size = abs(value)
    return f"{value:.{3 if size < 1 else 2 if size < 10 else 1 if size < 100 else 0}f}"


def wrapped(parts: Iterable[str], separator: str, width: int) -> Iterator[str]:
    """Put the parts on as few lines as possible."""
    end = cells(separator.rstrip())  # of a line that another one follows
    line = ""
    for part in parts:
        longer = line + separator + part if line else part
        if width and line and cells(longer) + end > width:
            yield (line + separator).rstrip()
            longer = part
        line = longer
    yield line
