"""The section of the dictionary server."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from netechod.process.config.general import Section
from netechod.process.config.values import (
    Count,
    Listen,
    Live,
    Seconds,
    addresses,
    database_name,
    one_line,
)

DatabaseName = Annotated[str, AfterValidator(database_name)]
Title = Annotated[str, Field(max_length=100), AfterValidator(one_line)]
Text = Annotated[str, Field(max_length=4096)]
StrategyName = Literal["exact", "prefix", "suffix", "substring", "word", "first", "last", "lev"]


class Dict(Section):
    """The dictionary for DICT clients (RFC 2229): `dict`, GoldenDict, Emacs, curl."""

    enabled: bool = False
    """Whether the service is on."""
    listen: Listen = addresses("[::]:2628")
    """TCP addresses to listen on; `[::]` takes IPv4 too."""
    max_connections: Live[Count] = 1000
    """Connections at once; beyond it newcomers are told so and closed."""
    max_connections_per_source: Live[Count] = 32
    """Connections at once from one IPv4 address or IPv6 /64; beyond it they are told so and closed."""
    idle_timeout: Live[Seconds] = 600.0
    """Seconds without a byte either way after which a connection is closed; 0: never."""
    max_matches: Live[Annotated[int, Field(ge=1, le=100_000)]] = 2000
    """Words in the answer to one MATCH; the rest is left out, and the answer says so."""
    default_strategy: Live[StrategyName] = "lev"
    """How words are matched for clients that leave it to the server, as they do to suggest a spelling."""
    information: Live[Text] = ""
    """What SHOW SERVER tells beside the version and the dictionaries."""
