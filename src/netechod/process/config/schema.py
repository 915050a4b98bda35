"""The configuration: every section and key of `netechod.toml`, with its bounds, default and meaning.

Frozen, so that a reload can only replace it whole. The texts below the keys are their reference: unit first,
then the consequence. Imported by the daemon alone, because importing pydantic takes longer than all the rest.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ByteSize, Field
from pydantic.fields import FieldInfo

from netechod.process.config.dictionaries import DatabaseName, Dict, Text, Title
from netechod.process.config.section import Section
from netechod.process.config.values import (
    LIVE,
    Address,
    Addresses,
    CommandName,
    Count,
    Deadline,
    Expression,
    FileName,
    FileOrNone,
    KeyId,
    Listen,
    Live,
    NameOrNumber,
    Networks,
    Port,
    Seconds,
    Size,
    Word,
    ZeroIsNone,
    addresses,
    available,
    networks,
)
from netechod.reactor.tcp.models import ModelName
from netechod.services.dictionary_parser import MAX_REPLY, MAX_SKIPPED
from netechod.services.wire import MAX_DATAGRAM, MISS

__all__ = ["KEYS", "LIVE_KEYS", "Address", "Config", "EchoTcp"]

TRUSTED = (
    "127.0.0.0/8",  # loopback (RFC 1122, 3.2.1.3)
    "::1/128",
    "10.0.0.0/8",  # private (RFC 1918)
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",  # link-local (RFC 3927)
    "fc00::/7",  # unique local (RFC 4193)
    "fe80::/10",  # link-local (RFC 4291)
)
# Not 100.64.0.0/10 (RFC 6598): behind a carrier's NAT the neighbours are strangers.


class Daemon(Section):
    """The process."""

    pidfile: FileName = Path("/run/netechod/netechod.pid")
    """File with the process id, locked while the daemon runs: a second instance on it does not start."""
    control: FileName = Path("/run/netechod/control.sock")
    """Socket on which `netechoctl` reaches the daemon."""
    user: NameOrNumber = ""
    """User to become once the sockets are bound, by name or number; empty: stay who started it."""
    group: NameOrNumber = ""
    """Group to become, by name or number; empty: the group of `user`."""
    selector: Literal["epoll", "poll", "select"] = "epoll"
    """How the kernel is asked which sockets are ready. `select` refuses connections past descriptor 1023."""
    strict_start: bool = False
    """Whether a start fails when one address cannot be bound; else that service stays off until it can be."""
    drain_timeout: Live[Seconds] = 10.0
    """Seconds that connections get to take what they are owed when the daemon stops; then they are cut."""


class Log(Section):
    """The two log files and the journal."""

    directory: FileName = Path("/var/log/netechod")
    """Directory of `log.txt` (DEBUG, NORMAL, WARNING) and `log.error` (ERROR, FATAL)."""
    level: Live[Literal["DEBUG", "NORMAL", "WARNING", "ERROR", "FATAL"]] = "NORMAL"
    """Least level that is written. DEBUG adds a line for what single peers do."""
    format: Live[Literal["classic", "iso", "json"]] = "classic"
    """Look of a line: `[LEVEL][unix seconds][pid:N]message`, the same with RFC 3339 time, or an object."""
    journal: Literal["auto", "on", "off"] = "auto"
    """Whether the systemd journal gets the messages too; auto: where it is our standard error already."""


class Access(Section):
    """Who is answered. Rates, ports and bounces concern UDP, where a source can be forged."""

    allow: Live[Networks] = ()
    """Networks that are answered; empty: everybody."""
    deny: Live[Networks] = ()
    """Networks that are not answered, even when `allow` or `trusted` has them."""
    min_source_port: Live[Port] = 1024
    """Lowest UDP source port that is answered. Below it live services, whose errors could loop with ours."""
    refused_source_ports: Live[tuple[Port, ...]] = (1900, 5353, 11211)
    """UDP source ports from that number on that are services all the same, and are not answered."""
    rate: Live[Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]] = 50.0
    """Datagrams a second that one IPv4 address or IPv6 /64 gets answered; of the rest, one in four is."""
    burst: Live[Count] = 100
    """Datagrams that such a source may send at once before `rate` holds."""
    bounce_limit: Live[Annotated[int, Field(ge=2, le=1_000_000_000)]] = 10_000
    """One in so many identical datagrams in succession from a peer is dropped, which ends an endless loop. Of
    other datagrams, those that come again by turns or one at a time without a pause, at most as many are."""
    trusted: Live[Networks] = networks(TRUSTED)
    """Networks without `rate`, without the limit on answer sizes, and with UDP echo and chat at once."""


class EchoTcp(Section):
    """Echo of a byte stream (RFC 862)."""

    enabled: bool = True
    """Whether the service is on."""
    listen: Listen = addresses("[::]:8080")
    """TCP addresses to listen on; `[::]` takes IPv4 too."""
    mode: Literal["rfc862", "tutorial"] = "rfc862"
    """Answer: the same bytes, or each chunk of up to 1023 bytes followed by `[server echo]`."""
    model: ModelName = "select"
    """How connections are served side by side: multiplexed, one by one, by processes, threads, some threads.

    All but `select` are for comparison and teaching; all but it and `iterative` end connections at a restart.
    """
    pool_size: Annotated[int, Field(ge=1, le=1024)] = 3
    """Threads that serve under the model `pool`, a client each until it leaves; more clients wait."""
    max_connections: Live[Count] = 10_000
    """Connections at once, descriptors permitting, 1024 at most under `fork` and `thread`; others wait.

    Once all places are taken, those that have been silent longest, for 5 minutes at least, are closed.
    """
    max_connections_per_source: Live[Count] = 256
    """Connections at once from one IPv4 address or IPv6 /64; beyond it they are closed at once.

    All of an IPv6 /48 together get a quarter of `max_connections`, or this if it is more.
    """
    idle_timeout: Live[Seconds] = 0.0
    """Seconds without a byte either way after which a connection is closed; 0: never."""
    backlog: Annotated[int, Field(ge=1, le=65535)] = 1024
    """Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn."""
    nodelay: bool = True
    """Send small pieces at once (TCP_NODELAY) instead of collecting them: lower latency, more packets."""
    keepalive: bool = True
    """Probe silent connections (SO_KEEPALIVE), so that those to vanished hosts end some day."""
    receive_buffer: ZeroIsNone[Annotated[Size, Field(ge=0, le=1 << 30)]] = None
    """Bytes of the kernel's receive buffer a connection; 0: the kernel adapts it."""
    send_buffer: ZeroIsNone[Annotated[Size, Field(ge=0, le=1 << 30)]] = None
    """Bytes of the kernel's send buffer a connection; 0: the kernel adapts it."""
    ttl: ZeroIsNone[Annotated[int, Field(ge=0, le=255)]] = None
    """Hops that our packets may travel (1 stays on the link); 0: as the system has it."""


class EchoUdp(Section):
    """Echo of datagrams (RFC 862)."""

    enabled: bool = True
    """Whether the service is on."""
    listen: Listen = addresses("[::]:8080")
    """UDP addresses to listen on; `[::]` takes IPv4 too."""
    public: Live[bool] = False
    """Answer everybody, not `access.trusted` alone. A UDP echo can be slowed but never made free of loops."""


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
    """File of `key:value` lines, UTF-8. A start without it fails; a failed reload keeps the words in use."""
    name: Live[DatabaseName] = "main"
    """By what name DICT clients ask for it."""
    title: Live[Title] = ""
    """What they show; empty: the name of the file."""
    information: Live[Text] = ""
    """What SHOW INFO tells them; empty: title and number of words."""
    unknown: Live[Annotated[str, Field(min_length=1, max_length=200)]] = MISS
    """What a miss is answered with."""
    match: Live[Literal["folded", "exact"]] = "folded"
    """Whether words that differ only in case or composition are found too, after the exact ones."""
    max_reply: Live[Annotated[int, Field(ge=16, le=MAX_DATAGRAM)]] = MAX_REPLY
    """Bytes of the longest answer; a longer one is cut at a character. 1200 is never fragmented."""
    max_size: Live[Annotated[Size, Field(ge=1, le=1 << 40)]] = ByteSize(1 << 30)
    """Bytes of the largest file that is loaded; a larger one is refused."""
    index: Live[FileOrNone] = Path("/var/cache/netechod/dictionary.index")
    """File into which a large dictionary is compiled, to be looked up there; empty: all is held in memory."""
    index_from: Live[Annotated[Size, Field(ge=0, le=1 << 40)]] = ByteSize(4 << 20)
    """Bytes of the smallest file that is compiled; a smaller one is held in memory."""
    strict: Live[bool] = False
    """Whether one bad line fails the load instead of being skipped with a warning."""
    max_skipped: Live[Annotated[float, Field(ge=0, le=1)]] = MAX_SKIPPED
    """Largest share of lines that may be no entries; a file with more is refused as one of another format."""


class Chat(Section):
    """One room for everybody."""

    enabled: bool = True
    """Whether the service is on."""
    listen: Listen = addresses("[::]:8082")
    """UDP addresses to listen on; `[::]` takes IPv4 too."""
    join: Live[Literal["auto", "open", "cookie"]] = "auto"
    """Who proves the source address by a cookie before joining: all but `access.trusted`, nobody, all."""
    idle_timeout: Live[Seconds] = 120.0
    """Seconds of silence after which a member is offline; 0: never."""
    max_members: Live[Count] = 4096
    """Members at once; beyond it newcomers are refused."""
    max_members_per_source: Live[Count] = 16
    """Members at once from one IPv4 address or IPv6 /64; beyond it newcomers are refused."""
    max_message: Live[Annotated[int, Field(ge=1, le=60_000)]] = 1024
    """Bytes of the longest message; a longer one is refused."""
    rate: Live[Annotated[float, Field(ge=0, le=1_000_000)]] = 10.0
    """Messages a second of one member, and two seconds' worth at once; more is refused. `access.trusted`
    members have 100 times as many. 0: no limit."""


class AllowedCommand(Section):
    """One command that may be run from afar, by its name."""

    argv: Annotated[tuple[Word, ...], Field(min_length=1)]
    """Program and arguments, never a shell's line; `{1}` stands for the first argument of the request."""
    parameters: tuple[Expression, ...] = ()
    """A regular expression for each argument of the request: it has to match the whole, in 20 ms of CPU."""
    secret: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Numbers of the parameters whose arguments no log shows, from 1; `ps` shows them while it runs."""
    keys: tuple[KeyId, ...] = ()
    """Ids of the keys that may run it; empty: all."""
    timeout: ZeroIsNone[Seconds] = None
    """Seconds until it is killed; 0: `command.timeout`."""


class Command(Section):
    """Named commands for those who sign their requests with a key."""

    enabled: bool = False
    """Whether the service is on."""
    listen: Listen = addresses("[::]:8083")
    """UDP addresses to listen on; `[::]` takes IPv4 too."""
    key_file: Live[FileOrNone] = None
    """File of `<key id> <secret>` lines that only root and the daemon's user can read; needed to start."""
    timeout: Live[Deadline] = 10.0
    """Seconds until a command is killed with all it started; the answer then has status 124."""
    max_running: Live[Annotated[int, Field(ge=1, le=1024)]] = 8
    """Commands at once; beyond it the answer has status 75."""
    max_output: Live[Annotated[Size, Field(ge=0, le=1 << 20)]] = ByteSize(65536)
    """Bytes of output that are sent back; the rest is read away and the answer flagged."""
    window: Live[Annotated[int, Field(ge=1, le=3600)]] = 30
    """Seconds by which the clock of a request may differ from ours; beyond it nothing is answered."""
    max_memory: Annotated[Size, Field(ge=0, le=1 << 50)] = ByteSize(1 << 30)
    """Bytes of data that each process of a command may have (RLIMIT_DATA); 0: as many as the daemon."""
    max_file_size: Annotated[Size, Field(ge=0, le=1 << 50)] = ByteSize(1 << 30)
    """Bytes of the largest file that a command may write (RLIMIT_FSIZE); 0: as many as the daemon."""
    max_processes: Annotated[int, Field(ge=0, le=1_000_000)] = 256
    """Processes and threads that commands may add to those of the machine (RLIMIT_NPROC); 0: any number."""
    allow: Live[dict[CommandName, AllowedCommand]] = Field(default_factory=dict)
    """The commands, each in a section `[command.allow.NAME]`; what is not there cannot be run."""


class Bus(Section):
    """A room over several nodes. It is not available yet."""

    url: Annotated[str, available("")] = ""
    """Where the bus is; empty: this node's room is alone."""
    realm: str = ""
    """Nodes that name the same realm share a room."""


class Metrics(Section):
    """Counters for a monitoring system, through the library prometheus-client."""

    listen: Addresses = ()
    """TCP addresses on which OpenMetrics are served over HTTP; empty: off. `[::]` takes IPv4 too."""

    @property
    def enabled(self) -> bool:
        """Whether the service is on."""
        return bool(self.listen)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pydantic has an old method `dict`, which nobody uses here

    class Config(Section):
        """All of it; as `Config()`, the defaults."""

        daemon: Daemon = Daemon()
        log: Log = Log()
        access: Access = Access()
        echo: Echo = Echo()
        dictionary: Dictionary = Dictionary()
        dict: Dict = Dict()  # type: ignore[assignment]
        chat: Chat = Chat()
        command: Command = Command()
        bus: Bus = Bus()
        metrics: Metrics = Metrics()


def _keys(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


KEYS = dict(_keys(Config))
"""Every key by its dotted name, in the order of the sections; `command.allow` counts as one."""

LIVE_KEYS = frozenset(key for key, field in KEYS.items() if LIVE in field.metadata)
"""Those whose change a reload applies."""
