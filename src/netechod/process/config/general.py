"""The sections that concern the daemon as a whole, and the base class of every section.

The text below each key is its manual: scripts/make-man makes netechod.toml(5) of it.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from netechod.process.config.values import (
    MAX_COUNT,
    Addresses,
    BusUrl,
    Count,
    FileOrNone,
    Live,
    NameOrNumber,
    Networks,
    Node,
    Port,
    Realm,
    Seconds,
    networks,
)

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

NO_HIREDIS = "needs the library hiredis: apt install python3-hiredis, or pip install 'netechod[bus]'"


class Section(BaseModel):
    """Base of all sections. It refuses unknown keys, and no value changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Daemon(Section):
    """The process: its files, its user, its start and its end."""

    pidfile: FileOrNone = Path("/run/netechod/netechod.pid")
    """File with the process id. The daemon keeps it locked: a second daemon with the same file does not
    start. Empty: no file and no lock."""
    control: FileOrNone = Path("/run/netechod/control.sock")
    """Socket on which `netechoctl` reaches the daemon. Empty: none, and `netechoctl` cannot reach it."""
    user: NameOrNumber = ""
    """User that the daemon becomes after it has bound the sockets, by name or number. Empty: the user who
    started it."""
    group: NameOrNumber = ""
    """Group that the daemon becomes, by name or number. Empty: the group of `user`."""
    selector: Literal["epoll", "poll", "select"] = "epoll"
    """System call that waits for the sockets. With `select` the daemon refuses connections whose descriptor
    is above 1023."""
    reuse_port: bool = False
    """If true, several instances share the addresses, and so use several processors. The kernel gives each
    TCP connection, and each UDP source port, to one of them (SO_REUSEPORT). Only processes of the same user
    can join. Limits and rates hold for each instance. Chat and commands are off, because an instance does not
    know what the others do: a room over several instances needs the bus. `metrics.listen` is not shared."""
    freebind: bool = False
    """If true, an address of a `listen` that this machine does not have yet can be bound (IP_FREEBIND). The
    service answers there as soon as the machine has it."""
    conf_d: str = "conf.d"
    """Directory beside this file, with further files: `*.toml`, read in the order of their names. A key in a
    later file replaces the same key in an earlier one. Hidden files are not read. Empty: none. Only this file
    and `--set` can change this key."""
    strict_start: bool = False
    """If true, the start fails when an address cannot be bound. If false, only the service of that address
    stays off, and the daemon tries to bind it again until it can."""
    drain_timeout: Live[Seconds] = 10.0
    """Seconds that the daemon, when it stops, waits for clients to take unsent bytes. After that it closes
    the connections."""


class Log(Section):
    """The two log files and the journal."""

    directory: FileOrNone = Path("/var/log/netechod")
    """Directory of `log.txt` (DEBUG, NORMAL, WARNING) and `log.error` (ERROR, FATAL). Empty: no files. Then
    lines of all levels go to standard error, or to the journal if that gets them. Without the journal this
    needs `--foreground`."""
    level: Live[Literal["DEBUG", "NORMAL", "WARNING", "ERROR", "FATAL"]] = "NORMAL"
    """Lowest level that is written. DEBUG adds lines about single peers."""
    format: Live[Literal["classic", "iso", "json", "syslog"]] = "classic"
    """Form of a line. classic: `[LEVEL][unix seconds][pid:N]message`. iso: the same with local date and time
    (RFC 3339). json: a JSON object. syslog: a message of RFC 5424, with the facility daemon."""
    quiet: Live[Networks] = ()
    """Networks whose TCP connections write no lines, such as those of health checks. They are counted all the
    same. Behind a load balancer that speaks the PROXY protocol, its client's address counts."""
    journal: Literal["auto", "on", "off"] = "auto"
    """Whether the systemd journal gets the messages too. auto: if our standard error is connected to it."""


class Access(Section):
    """The peers that get answers. Rates, ports and the bounce limit apply to UDP, where sources can be
    forged."""

    allow: Live[Networks] = ()
    """Networks that get answers. Empty: all networks."""
    deny: Live[Networks] = ()
    """Networks that get no answers, even if they are in `allow` or `trusted`."""
    min_source_port: Live[Port] = 1024
    """Lowest UDP source port that gets answers. On lower ports are services, and two services can answer each
    other's errors without end."""
    refused_source_ports: Live[tuple[Port, ...]] = (1900, 5353, 11211)
    """UDP source ports from `min_source_port` on that get no answers, because services use them too."""
    rate: Live[Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]] = 50.0
    """Datagrams a second that one source, an IPv4 address or IPv6 /64, gets answered. Of the datagrams above
    the rate, one in four is answered."""
    burst: Live[Count] = 100
    """Datagrams that one source may send at once before `rate` applies."""
    bounce_limit: Live[Annotated[int, Field(ge=2, le=1_000_000_000)]] = 10_000
    """Of so many identical datagrams in succession from a peer, one is dropped. This ends an endless loop. Of
    other datagrams that repeat, in turns or one at a time without a pause, at most as many are dropped."""
    trusted: Live[Networks] = networks(TRUSTED)
    """Networks without `rate` and without the limit on answer sizes. They may use UDP echo, and they join the
    chat without a proof of their address."""


class Bus(Section):
    """One chat room over several nodes, by a stream in Redis 7 or Valkey 8. The library hiredis must be
    installed."""

    url: BusUrl = ""
    """Address of the server. Empty: the room of this node is alone. `redis://[user@]host:port[,host:port...][/db]`
    names one server, or several of which one is the master. `rediss://` is the same with TLS.
    `unix:///run/redis/redis.sock` is a Unix socket. `redis+sentinel://host:port,host:port.../name` and
    `rediss+sentinel://` name Sentinels and a master. For a cluster, name some of its nodes."""
    realm: Realm = "netechod"
    """Name of the shared room, 1 to 32 of `a-z`, `0-9` and `-`. Nodes with the same realm share a room."""
    node: Node = ""
    """Name of this node in the realm, 1 to 32 of `a-z`, `0-9`, `.` and `-`. No other node may have it. Empty:
    the host name up to its first dot."""
    password_file: Live[FileOrNone] = None
    """File with the password of the server in one line, that only root and the daemon's user can read. Empty:
    no password."""
    ca_file: Live[FileOrNone] = None
    """File of PEM certificates that the server's certificate is checked against, with its name. Empty: the
    authorities that the system trusts."""
    lease: Annotated[float, Field(ge=3, le=300, allow_inf_nan=False)] = 15.0
    """Seconds of trouble that nobody notices. After longer trouble, members of other nodes go offline until
    it is over."""
    history: Annotated[int, Field(ge=100, le=MAX_COUNT)] = 10_000
    """Entries that the stream keeps, in the memory of the server. An entry has about 105 bytes for one line,
    and 17 kB at most."""
    names: Live[Literal["plain", "node"]] = "plain"
    """Names of members of other nodes. plain: `ip--port`, and `node/ip--port` only where two members have the
    same name. node: always `node/ip--port`."""


class Metrics(Section):
    """Counters for a monitoring system. The library prometheus-client must be installed."""

    listen: Addresses = ()
    """TCP addresses that serve OpenMetrics over HTTP. Empty: none. `[::]` includes IPv4."""

    @property
    def enabled(self) -> bool:
        """Return whether the service is on."""
        return bool(self.listen)
