"""The sections of the dictionary server, and of the dictionaries that it serves beside the first one."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, ByteSize, Field

from netechod.process.config.general import Section
from netechod.process.config.values import (
    Count,
    FileName,
    FileOrNone,
    Listen,
    Live,
    Seconds,
    Size,
    addresses,
    database_name,
    one_line,
)
from netechod.services.dictionary.parser import MAX_SKIPPED

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


class MoreDictionary(Section):
    """One more dictionary, for DICT clients, who ask for it by its name or for all."""

    file: Live[FileName]
    """File of its words, UTF-8."""
    format: Live[Literal["auto", "lines", "tsv"]] = "auto"
    """`key:value` lines or tab-separated ones; auto: the latter where the name ends in .tsv or .tab."""
    title: Live[Title] = ""
    """What clients show; empty: the name of the file."""
    information: Live[Text] = ""
    """What SHOW INFO tells; empty: title and number of words."""
    udp: Live[bool] = False
    """Whether look-ups over UDP find its words too, after those of the dictionaries before it."""
    max_size: Live[Annotated[Size, Field(ge=1, le=1 << 40)]] = ByteSize(1 << 30)
    """Bytes of the largest file that is loaded; a larger one is refused."""
    index: Live[FileOrNone] = None
    """File into which it is compiled if it is large; empty: `NAME.index` beside `dictionary.index`."""
    index_from: Live[Annotated[Size, Field(ge=0, le=1 << 40)]] = ByteSize(4 << 20)
    """Bytes of the smallest file that is compiled; a smaller one is held in memory."""
    strict: Live[bool] = False
    """Whether one bad line fails the load instead of being skipped with a warning."""
    max_skipped: Live[Annotated[float, Field(ge=0, le=1)]] = MAX_SKIPPED
    """Largest share of lines that may be no entries; a file with more is refused as one of another format."""


def index_of(name: str, settings: MoreDictionary, first: Path | None) -> Path | None:
    """The file of the index of a dictionary; `first` is that of the first one, None for no index at all."""
    return settings.index or (first and first.with_name(f"{name}.index"))
