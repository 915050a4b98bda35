"""The types of the values: addresses, networks, sizes, seconds and paths.

Each type converts a TOML value to a Python value, checks its bounds, and can be written as TOML again. The
conversion is strict: "8080" is no integer, and true is no number.
"""

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ByteSize,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from netechod.services.command.signing import KEY_ID
from netechod.services.wire import escape_controls

MAX_PORT = 65535
MAX_COUNT = 1_000_000  # connections, members, bursts; more is a typing error
MAX_SECONDS = 604_800  # a week; epoll_wait(2) counts milliseconds in an int, which ends at 24 days

RELATIVE = "must be an absolute name: the working directory has been removed"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Address:
    """An address to listen on: numeric IPv4 or IPv6, with `%` and interface if there is one, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Parse `192.0.2.1:8080` or `[::]:8080` (RFC 3986, 3.2.2). Host names are refused: DNS is slow.

        Behind the host `%` and the name of an interface can stand: `0.0.0.0%eth0:8080`, `[::%eth0]:8080`.

        >>> str(Address.parse("[0:0::1]:8080"))
        '[::1]:8080'
        >>> str(Address.parse("[::ffff:192.0.2.1]:8080"))
        '192.0.2.1:8080'
        """
        host, _, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        name, percent, zone = (host[1:-1] if bracketed else host).partition("%")
        try:
            ip = ip_address(name)
        except ValueError:
            ip = None
        if bool(percent) != bool(zone) or not re.fullmatch(r"[^\s/%]*", zone):
            ip = None  # no name that an interface can have
        if ip is None or not (port.isascii() and port.isdigit()) or bracketed != (ip.version == 6):
            raise ValueError("must be a numeric ADDRESS:PORT such as '192.0.2.1:8080' or '[::]:8080'")
        if isinstance(ip, IPv6Address):
            if ip.is_link_local and not zone:
                raise ValueError(
                    f"must name the interface, such as '[{ip}%eth0]:{port}', because it is link-local"
                )
            ip = ip.ipv4_mapped or ip  # a socket of IPv6 alone, as ours are, takes no IPv4 (RFC 3493, 5.3)
        if len(port) > len(str(MAX_PORT)) or int(port) > MAX_PORT:
            raise ValueError(f"must have a port of at most {MAX_PORT}")
        return cls(f"{ip}{percent}{zone}", int(port))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    return value


def _address(value: object) -> Address:
    return Address.parse(_text(value))


def _network(value: object) -> IPv4Network | IPv6Network:
    """Parse a network or a single host. `10.0.0.1/8` is refused: its host bits are a mistake."""
    text = _text(value)
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError("must be a network such as '192.0.2.0/24' or 'fd00::/8', or an address") from None
    if network.network_address != ip_address(text.partition("/")[0]):
        raise ValueError(f"must be the network's own address, here '{network}'")
    return network


def _listed(value: object) -> object:
    """Convert a string to a list of one, and an empty string to an empty list.

    So `--set echo.tcp.listen=127.0.0.1:0` needs no quotes in a shell.
    """
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(value) if isinstance(value, list) else value


def _short(value: object) -> object:
    """Refuse more digits than a float can hold. ByteSize itself would raise an OverflowError."""
    if isinstance(value, str) and len(value) > 32:
        raise PydanticCustomError("byte_size", "too many digits")
    return value


def _digits(value: object) -> object:
    """Convert a number to its digits: users and groups may be given by number."""
    return str(value) if type(value) is int else value


def _named(value: object) -> object:
    """Refuse an empty name, and one with a NUL, which open(2) would cut."""
    if isinstance(value, str) and (not value or "\0" in value):
        raise ValueError("must be the name of a file")
    return value


def _absolute(path: Path, info: ValidationInfo) -> Path:
    """Resolve a relative path now, because the daemon moves to `/` (daemon(7), step 10)."""
    base = info.context["base"] if info.context else Path()
    if base is None and not path.is_absolute():
        raise ValueError(RELATIVE)
    return path if base is None else base / path


def _file_or_none(value: object, info: ValidationInfo) -> Path | None:
    text = _text(value)
    _named(text or "-")
    return _absolute(Path(text), info) if text else None


def expression(text: str) -> re.Pattern[str]:
    r"""Compile a regular expression in which \d, \w and \s match ASCII only. Raises ValueError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "possible nested set" speaks of later Python versions
            return re.compile(text, re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"must be a regular expression: {error}") from None


def _expression(text: str) -> str:
    expression(text)
    return one_line(text)


def one_line(text: str) -> str:
    """Refuse control characters: the text is listed in one line."""
    if escape_controls(text) != text:
        raise ValueError("must not have control characters")
    return text


def _passable(text: str) -> str:
    """Refuse a NUL: no argument of a program can hold it (execve(2))."""
    if "\0" in text:
        raise ValueError("must not have a NUL")
    return text


def _key_id(text: str) -> str:
    if not KEY_ID.fullmatch(text):
        raise ValueError("must be the id of a key: 1 to 32 of a-z, 0-9 and -")
    return text


def database_name(text: str) -> str:
    """A name that DICT clients can write without quotes, and that has no meaning of its own, as `*` has."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,31}", text):
        raise ValueError("must be a name of up to 32 of a-z, 0-9, _ . and -, with a letter or digit first")
    return text


def _command_name(text: str) -> str:
    """Check a name: it fits a log line and a list, and is not the `?` that asks for the list."""
    if not re.fullmatch(r"\w[\w.-]{0,63}", text):
        raise ValueError("must be a name of up to 64 letters, digits and _ . -")
    return text


def _bus_url(text: str) -> str:
    """Check a URL. The message does not quote it: there may be a password in it."""
    if text:
        from netechod.reactor.bus.url import Url  # only where there is a bus

        try:
            Url.parse(text)
        except ValueError as error:
            raise PydanticCustomError("bus_url", "{error}", {"error": str(error)}) from None
    return text


def _realm(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]{1,32}", text):
        raise ValueError("must have 1 to 32 of a-z, 0-9 and -")
    return text


def _node(text: str) -> str:
    """Check a name that stands in front of members' names."""
    if text and not NODE.fullmatch(text):
        raise ValueError("must have 1 to 32 of a-z, 0-9, . and -, with a letter or digit first and last")
    return text


NODE = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,30}[a-z0-9])?")

LIVE = object()
Live: TypeAlias = Annotated[T, LIVE]
"""A key whose change a reload applies. A change of any other key waits for a restart."""

Network: TypeAlias = Annotated[IPv4Network | IPv6Network, PlainValidator(_network), PlainSerializer(str)]
Networks: TypeAlias = Annotated[tuple[Network, ...], BeforeValidator(_listed)]

Addresses: TypeAlias = Annotated[
    tuple[Annotated[Address, PlainValidator(_address), PlainSerializer(str)], ...], BeforeValidator(_listed)
]
Listen: TypeAlias = Annotated[Addresses, Field(min_length=1)]

Port: TypeAlias = Annotated[int, Field(ge=0, le=MAX_PORT)]
Count: TypeAlias = Annotated[int, Field(ge=1, le=MAX_COUNT)]
Seconds: TypeAlias = Annotated[float, Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False)]
Deadline: TypeAlias = Annotated[float, Field(gt=0, le=MAX_SECONDS, allow_inf_nan=False)]

Size: TypeAlias = Annotated[ByteSize, BeforeValidator(_short)]

ZeroIsNone: TypeAlias = Annotated[
    T | None, AfterValidator(lambda value: value or None), PlainSerializer(lambda value: value or 0)
]
"""0 in the file is None in the program: the value of the system or of the section applies."""

NameOrNumber: TypeAlias = Annotated[str, BeforeValidator(_digits)]
Word: TypeAlias = Annotated[str, AfterValidator(_passable)]
Expression: TypeAlias = Annotated[str, AfterValidator(_expression)]
KeyId: TypeAlias = Annotated[str, AfterValidator(_key_id)]
CommandName: TypeAlias = Annotated[str, AfterValidator(_command_name)]

BusUrl: TypeAlias = Annotated[str, AfterValidator(_bus_url)]
Realm: TypeAlias = Annotated[str, AfterValidator(_realm)]
Node: TypeAlias = Annotated[str, AfterValidator(_node)]

FileName: TypeAlias = Annotated[Path, BeforeValidator(_named), AfterValidator(_absolute)]
FileOrNone: TypeAlias = Annotated[
    Path | None, PlainValidator(_file_or_none), PlainSerializer(lambda path: str(path or ""))
]


def addresses(*texts: str) -> tuple[Address, ...]:
    """Parse addresses for a default."""
    return tuple(map(Address.parse, texts))


def networks(texts: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Parse networks for a default."""
    return tuple(map(_network, texts))
