"""The sections of the dictionary server, and of the dictionaries beside the first one."""

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
FileFormat = Literal["auto", "lines", "tsv"]
StrategyName = Literal["exact", "prefix", "suffix", "substring", "word", "first", "last", "lev"]
MaxSize = Annotated[Size, Field(ge=1, le=1 << 40)]
IndexFrom = Annotated[Size, Field(ge=0, le=1 << 40)]
Share = Annotated[float, Field(ge=0, le=1)]


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
    information: Live[FileOrNone] = None
    """File with a text that SHOW SERVER adds to version and dictionaries: UTF-8, 64 KiB at most."""


class MoreDictionary(Section):
    """One more dictionary. NAME is its name for DICT clients."""

    file: FileName
    """File of words and meanings, UTF-8. A start without it fails; a failed reload keeps all words in use."""
    format: FileFormat = "auto"
    """Format of the file, as in `dictionary.format`."""
    title: Title = ""
    """Title of the dictionary for DICT clients. Empty: the one in the file, or its name."""
    information: FileOrNone = None
    """File with the answer to SHOW INFO, as in `dictionary.information`."""
    udp: bool = True
    """Whether look-ups over UDP find its words, too, after those of the dictionaries before it."""
    max_size: MaxSize = ByteSize(1 << 30)
    """Bytes of the largest file that is loaded; a larger one is refused."""
    index: FileOrNone = Path("/var/cache/netechod/NAME.index")
    """File into which a large dictionary is compiled, by default beside `dictionary.index`. Empty: all is
    held in memory."""
    index_from: IndexFrom = ByteSize(4 << 20)
    """Bytes of the smallest file that is compiled; a smaller one is held in memory."""
    strict: bool = False
    """Whether one bad line fails the load instead of being skipped with a warning."""
    max_skipped: Share = MAX_SKIPPED
    """Largest share of lines that may be no entries. A file with more is refused as one of another format."""
