"""What is watched: addresses as on the command line, and files with one a line."""

import math
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from netechod.client.i18n.translate import reason_text, tr
from netechod.client.net import ANY_FAMILY, IPV4, IPV6, split_address
from netechod.client.watch.thresholds import Limits
from netechod.services.stamp.packets import OPEN
from netechod.services.stamp.packets import PORT as STAMP_PORT
from netechod.services.stamp.tlv import HEAD
from netechod.services.wire import MAX_DATAGRAM

ECHO_PORT = 8080
USUAL_SIZE = 56  # bytes of a payload, as of ping(8)
SMALLEST = 8  # bytes: the token of a target, and the number of a probe
PADDED = OPEN.size + HEAD  # octets of the smallest STAMP probe with padding
MIN_INTERVAL = 0.01  # seconds: this is no tool to flood with
SCHEMES = ("tcp", "udp", "stamp")


class Target(NamedTuple):
    """A server, and how it is probed."""

    label: str
    scheme: str  # one of SCHEMES
    host: str
    port: int
    family: int = ANY_FAMILY
    interval: float = 1.0  # seconds between probes
    timeout: float = 2.0  # seconds after which a probe is lost
    size: int = 0  # bytes of a payload; 0: the usual one
    limits: Limits = Limits()

    @property
    def url(self) -> str:
        """The server as a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def payload_size(self) -> int:
        """The bytes of a payload."""
        return self.size or self.usual_size

    @property
    def usual_size(self) -> int:
        """The bytes of a payload, unless something else is said."""
        return OPEN.size if self.scheme == "stamp" else USUAL_SIZE


class Targets(NamedTuple):
    """The targets that can be watched, and a sentence about each one that cannot."""

    targets: list[Target]
    problems: list[str]


def read_targets(words: Iterable[str], files: Iterable[Path], usual: Target) -> Targets:
    """Read the targets of a command line. `usual` has what a target does not say itself."""
    found = Targets([], [])
    for word in words:
        _take(found, "", lambda word=word: parsed([word], usual))  # type: ignore[misc]
    for file in files:
        for place, line in _lines(file, found.problems):
            _take(found, f"{place}: ", lambda line=line: parsed(_split(line), usual))  # type: ignore[misc]
    return found


def _take(found: Targets, place: str, parse: Callable[[], Target | None]) -> None:
    """Add a target, or the sentence why it is none."""
    try:
        target = parse()
        if target is not None:
            _refuse_duplicates(target, found.targets)
            found.targets.append(target)
    except ValueError as error:
        found.problems.append(f"{place}{error}")


def _refuse_duplicates(target: Target, others: Iterable[Target]) -> None:
    for other in others:
        if other.url == target.url and other.family == target.family:
            raise ValueError(tr("{url} is there already, and is watched once", url=target.url))
        if other.label == target.label:
            raise ValueError(tr("the label {label!r} is that of {url}", label=target.label, url=other.url))


def _lines(file: Path, problems: list[str]) -> Iterator[tuple[str, str]]:
    """Return the lines of a file, each with its place."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        problems.append(f"{file}: {reason_text(str(error.strerror))}")
        return
    except UnicodeDecodeError as error:
        place = 1 + error.object[: error.start].count(b"\n")
        problems.append(f"{file}:{place}: {tr('not UTF-8')}")
        return
    for number, line in enumerate(text.splitlines(), 1):
        yield f"{file}:{number}", line


def _split(line: str) -> list[str]:
    """Split a line as a shell does: quotes hold a label together. Raises ValueError."""
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        raise ValueError(tr("a quotation mark is missing")) from None


def parsed(words: list[str], usual: Target) -> Target | None:
    """Parse `URL [LABEL] [option=value ...]`; None if there are no words. Raises ValueError."""
    if not words:
        return None
    url, *rest = words
    target = _server(url, usual)._replace(label=url)
    for word in rest:
        name, is_option, value = word.partition("=")
        if not is_option:
            if target.label != url:
                raise ValueError(tr("a second label: {text!r}", text=word))
            target = target._replace(label=word)
        elif name not in OPTIONS:
            names = ", ".join(OPTIONS)
            raise ValueError(tr("no option {name!r}; they are {names}", name=name, names=names))
        else:
            target = with_option(target, name, value)
    _check_size(target)
    return target


def _check_size(target: Target) -> None:
    """Raise ValueError for a size that a probe cannot have."""
    if not target.size:
        return
    least = PADDED if target.scheme == "stamp" else SMALLEST
    if target.size != target.usual_size and not least <= target.size <= MAX_DATAGRAM:
        raise ValueError(
            tr(
                "{text}: a payload has {least} to {most} bytes",
                text=target.size,
                least=least,
                most=MAX_DATAGRAM,
            )
        )


def with_option(target: Target, name: str, value: str) -> Target:
    """Return a target with an option of OPTIONS. Raises ValueError with a sentence."""
    try:
        return OPTIONS[name](target, value)
    except ValueError as error:
        reason = str(error) if isinstance(error, OptionError) else tr("not a valid value")
        raise ValueError(f"{name}={value}: {reason}") from None


class OptionError(ValueError):
    """A value that cannot be used, and a sentence about it."""


def _server(text: str, usual: Target) -> Target:
    scheme, is_url, address = text.partition("://")
    if not is_url:
        scheme, address = usual.scheme, text
    if scheme.lower() not in SCHEMES:
        raise ValueError(
            tr("{text!r}: no such scheme; there are {names}", text=text, names=", ".join(SCHEMES))
        )
    scheme = scheme.lower()
    host, port = split_address(address.rstrip("/"), STAMP_PORT if scheme == "stamp" else ECHO_PORT)
    return usual._replace(scheme=scheme, host=host.lower(), port=port)


def _seconds(text: str, least: float) -> float:
    value = float(text.removesuffix("s"))
    if not least <= value < math.inf:
        raise OptionError(tr("at least {least} s", least=least))
    return value


def interval(text: str) -> float:
    """Parse the seconds between probes. Raises ValueError."""
    return _seconds(text, MIN_INTERVAL)


FAMILIES = {"4": IPV4, "6": IPV6}


def _family(text: str) -> int:
    if text not in FAMILIES:
        raise ValueError
    return FAMILIES[text]


OPTIONS: dict[str, Callable[[Target, str], Target]] = {
    "interval": lambda target, text: target._replace(interval=interval(text)),
    "timeout": lambda target, text: target._replace(timeout=_seconds(text, MIN_INTERVAL)),
    "size": lambda target, text: target._replace(size=int(text)),
    "family": lambda target, text: target._replace(family=_family(text)),
    "warning": lambda target, text: target._replace(limits=target.limits.with_warning(text)),
    "critical": lambda target, text: target._replace(limits=target.limits.with_critical(text)),
}
"""The options of a line, by name. Their functions raise ValueError."""
