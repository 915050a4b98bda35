"""The sections of the services. The text below each key is its manual (see `general`)."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ByteSize, Field, ValidationInfo, field_validator

from netechod.process.config.dictionaries import (
    DatabaseName,
    FileFormat,
    IndexFrom,
    MaxSize,
    MoreDictionary,
    Share,
    Title,
)
from netechod.process.config.general import Section
from netechod.process.config.values import (
    CommandName,
    Count,
    Deadline,
    Expression,
    FileName,
    FileOrNone,
    KeyId,
    Listen,
    Live,
    Networks,
    Seconds,
    Size,
    Word,
    ZeroIsNone,
    addresses,
)
from netechod.reactor.tcp.models import ModelName
from netechod.services.dictionary.parser import MAX_REPLY, MAX_SKIPPED
from netechod.services.wire import MAX_DATAGRAM, MISS


class EchoTcp(Section):
    """Echo of a byte stream (RFC 862)."""

    enabled: bool = True
    """Whether the service is on."""
    listen: Listen = addresses("[::]:8080")
    """TCP addresses to listen on. `[::]` includes IPv4."""
    mode: Literal["rfc862", "tutorial", "identify"] = "rfc862"
    """What a client gets. rfc862: the same bytes. tutorial: each chunk of up to 1023 bytes, followed by
    `[server echo]`. identify: for each line, a line of JSON that says who has answered whom (see
    IDENTIFY)."""
    proxy_protocol: Live[Networks] = ()
    """Networks of load balancers that speak the PROXY protocol, version 1 or 2. Each of their connections has
    to begin with its header, within 5 seconds, and counts as one of the client that the header names. A
    connection with a wrong header is closed and counted. Everybody else may not send a header."""
    model: ModelName = "select"
    """How connections are served at the same time: by one loop (select), one after the other (iterative), by
    a process each (fork), by a thread each (thread), or by `pool_size` threads (pool).

    All models but `select` are for comparison and teaching. The models `fork`, `thread` and `pool` end the
    connections at a restart.
    """
    pool_size: Annotated[int, Field(ge=1, le=1024)] = 3
    """Number of threads under the model `pool`. A thread serves one client until it leaves; more clients
    wait."""
    max_connections: Live[Count] = 10_000
    """Highest number of connections at once; more clients wait. The limit on descriptors may lower it. Under
    `fork` and `thread` it is 1024 at most.

    When it is reached, the connections that have been silent longest are closed if they have been silent for
    5 minutes.
    """
    max_connections_per_source: Live[Count] = 256
    """Highest number of connections at once from one IPv4 address or IPv6 /64; more are closed at once.

    An IPv6 /48 as a whole may have a quarter of `max_connections`, or this number if it is higher.
    """
    idle_timeout: Live[Seconds] = 0.0
    """Seconds after which a connection without a byte in either direction is closed. 0: never."""
    backlog: Annotated[int, Field(ge=1, le=65535)] = 1024
    """Highest number of connections that wait to be accepted. The kernel limits it to net.core.somaxconn."""
    nodelay: bool = True
    """If true, small pieces are sent at once (TCP_NODELAY): lower latency, more packets. If false, the kernel
    collects them."""
    keepalive: bool = True
    """If true, the kernel probes silent connections (SO_KEEPALIVE), and closes them if the host is gone."""
    receive_buffer: ZeroIsNone[Annotated[Size, Field(ge=0, le=1 << 30)]] = None
    """Bytes of the kernel's receive buffer of a connection. 0: the kernel adapts the size."""
    send_buffer: ZeroIsNone[Annotated[Size, Field(ge=0, le=1 << 30)]] = None
    """Bytes of the kernel's send buffer of a connection. 0: the kernel adapts the size."""
    ttl: ZeroIsNone[Annotated[int, Field(ge=0, le=255)]] = None
    """Number of hops that our packets may travel; 1 keeps them on the link. 0: the system's default."""


class EchoUdp(Section):
    """Echo of datagrams (RFC 862)."""

    enabled: bool = True
    """Whether the service is on."""
    listen: Listen = addresses("[::]:8080")
    """UDP addresses to listen on. `[::]` includes IPv4."""
    mode: Literal["rfc862", "identify"] = "rfc862"
    """What a client gets. rfc862: the same datagram. identify: a line of JSON that says who has answered
    whom (see IDENTIFY)."""
    public: Live[bool] = False
    """If true, everybody gets answers; if false, only `access.trusted`. With forged datagrams somebody can
    make a public echo and another service answer each other; the daemon slows such a loop but cannot prevent
    it."""


class Echo(Section):
    """The echo services."""

    tcp: EchoTcp = EchoTcp()
    udp: EchoUdp = EchoUdp()


class Dictionary(Section):
    """Words and their translations."""

    enabled: bool = True
    """Whether the service is on."""
    listen: Listen = addresses("[::]:8081")
    """UDP addresses to listen on; `[::]` takes IPv4 too."""
    file: Live[FileName] = Path("/etc/netechod/dict.txt")
    """File of words and meanings, UTF-8. A start without it fails; a failed reload keeps the words in use."""
    format: Live[FileFormat] = "auto"
    """Format of the file. lines: `key:value`. tsv: word, tab, meaning, as `netechoctl dict import` writes it.
    auto: tsv for a file whose name ends in .tsv or .tab, else lines."""
    name: Live[DatabaseName] = "main"
    """Name of the dictionary for DICT clients."""
    title: Live[Title] = ""
    """Title of the dictionary for DICT clients. Empty: the one in the file, or its name."""
    information: Live[FileOrNone] = None
    """File with the answer to SHOW INFO: UTF-8, 64 KiB at most. Empty: what the dictionary says about itself,
    or the title and the number of words."""
    unknown: Live[Annotated[str, Field(min_length=1, max_length=200)]] = MISS
    """What a miss is answered with."""
    match: Live[Literal["folded", "exact"]] = "folded"
    """Whether words that differ only in case or composition are found too, after the exact ones."""
    max_reply: Live[Annotated[int, Field(ge=16, le=MAX_DATAGRAM)]] = MAX_REPLY
    """Bytes of the longest answer; a longer one is cut at a character. 1200 is never fragmented."""
    max_size: Live[MaxSize] = ByteSize(1 << 30)
    """Bytes of the largest file that is loaded; a larger one is refused."""
    index: Live[FileOrNone] = Path("/var/cache/netechod/dictionary.index")
    """File into which a large dictionary is compiled, to be looked up there; empty: all is held in memory."""
    index_from: Live[IndexFrom] = ByteSize(4 << 20)
    """Bytes of the smallest file that is compiled; a smaller one is held in memory."""
    strict: Live[bool] = False
    """Whether one bad line fails the load instead of being skipped with a warning."""
    max_skipped: Live[Share] = MAX_SKIPPED
    """Largest share of lines that may be no entries. A file with more is refused as one of another format."""
    more: Live[dict[DatabaseName, MoreDictionary]] = Field(default_factory=dict)
    """More dictionaries, each in a section `[dictionary.more.NAME]`, in the order in which they are asked."""

    @field_validator("more")
    @classmethod
    def _with_index(cls, more: dict[str, MoreDictionary], info: ValidationInfo) -> dict[str, MoreDictionary]:
        """Give each dictionary whose section has no `index` a file beside that of the first one."""
        first = info.data.get("index")
        return {
            name: section
            if "index" in section.model_fields_set
            else section.model_copy(update={"index": first and first.with_name(f"{name}.index")})
            for name, section in more.items()
        }

    @property
    def all(self) -> dict[str, "Dictionary"]:
        """All dictionaries by their names, in order. What is set for the service holds for each of them."""
        own = MoreDictionary.model_fields.keys() & type(self).model_fields.keys()
        more = {
            name: self.model_copy(update={"name": name, **{key: getattr(section, key) for key in own}})
            for name, section in self.more.items()
        }
        return {self.name: self, **more}

    @property
    def sections(self) -> dict[str, "Dictionary"]:
        """The same, by the names of their sections."""
        first, *more = self.all.values()
        return {"dictionary": first, **{f"dictionary.more.{each.name}": each for each in more}}


class Chat(Section):
    """One chat room for everybody."""

    enabled: bool = True
    """Whether the service is on."""
    listen: Listen = addresses("[::]:8082")
    """UDP addresses to listen on. `[::]` includes IPv4."""
    join: Live[Literal["auto", "open", "cookie"]] = "auto"
    """Who must prove the source address, by a cookie, before joining. auto: everybody but `access.trusted`.
    open: nobody. cookie: everybody."""
    idle_timeout: Live[Seconds] = 120.0
    """Seconds of silence after which a member is offline. 0: never."""
    max_members: Live[Count] = 4096
    """Highest number of members at once; more are refused."""
    max_members_per_source: Live[Count] = 16
    """Highest number of members at once from one IPv4 address or IPv6 /64; more are refused."""
    max_message: Live[Annotated[int, Field(ge=1, le=60_000)]] = 1024
    """Bytes of the longest message; longer ones are refused."""
    rate: Live[Annotated[float, Field(ge=0, le=1_000_000)]] = 10.0
    """Messages a second that a member may send, after twice as many at once; more are refused. Members in
    `access.trusted` may send 100 times as many. 0: no limit."""
    history: Live[Annotated[int, Field(ge=0, le=1000)]] = 0
    """Latest lines that are kept in memory, 1 MiB at most, and sent to members when they have come online and
    proved their address by a cookie. 0: none, so that nobody reads what was said before."""


class AllowedCommand(Section):
    """One command that clients may run by its name."""

    argv: Annotated[tuple[Word, ...], Field(min_length=1)]
    """The program and its arguments. No shell reads them. `{1}` stands for the first argument of the
    request."""
    parameters: tuple[Expression, ...] = ()
    """A regular expression for each argument of the request. It must match the whole argument, in 20 ms of
    CPU."""
    secret: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Numbers of the parameters, from 1, whose arguments no log shows. While the command runs, `ps` shows
    them."""
    keys: tuple[KeyId, ...] = ()
    """Ids of the keys that may run the command. Empty: all keys."""
    timeout: ZeroIsNone[Seconds] = None
    """Seconds after which the command is killed. 0: the value of `command.timeout`."""


class Command(Section):
    """Named commands. Clients sign their requests with a key."""

    enabled: bool = False
    """Whether the service is on."""
    listen: Listen = addresses("[::]:8083")
    """UDP addresses to listen on. `[::]` includes IPv4."""
    key_file: Live[FileOrNone] = None
    """File of `<key id> <secret>` lines that only root and the daemon's user can read. The service needs it
    to start."""
    timeout: Live[Deadline] = 10.0
    """Seconds after which a command is killed with everything it started. The answer then has status 124."""
    max_running: Live[Annotated[int, Field(ge=1, le=1024)]] = 8
    """Highest number of commands at once; more requests are answered with status 75."""
    max_output: Live[Annotated[Size, Field(ge=0, le=1 << 20)]] = ByteSize(65536)
    """Bytes of output that are sent back. The rest is thrown away, and the answer says so."""
    window: Live[Annotated[int, Field(ge=1, le=3600)]] = 30
    """Seconds that the time of a request may differ from our clock. Other requests are not answered."""
    max_memory: Annotated[Size, Field(ge=0, le=1 << 50)] = ByteSize(1 << 30)
    """Bytes of data that each process of a command may have (RLIMIT_DATA). 0: the daemon's own limit."""
    max_file_size: Annotated[Size, Field(ge=0, le=1 << 50)] = ByteSize(1 << 30)
    """Bytes of the largest file that a command may write (RLIMIT_FSIZE). 0: the daemon's own limit."""
    max_processes: Annotated[int, Field(ge=0, le=1_000_000)] = 256
    """Processes and threads that all commands together may start, in addition to those that the machine has
    at the start (RLIMIT_NPROC). 0: no limit."""
    allow: Live[dict[CommandName, AllowedCommand]] = Field(default_factory=dict)
    """The commands, each in a section `[command.allow.NAME]`. Others cannot be run."""
