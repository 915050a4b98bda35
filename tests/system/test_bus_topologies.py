"""One room over servers that change: replicas, Sentinels, a cluster; and connections that are secured."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from support.certificates import Authority
from support.fake_redis import FakeRealm
from support.looping import run_until
from support.realm import Realm
from support.redis_server import RedisServer, free_port
from support.waiting import eventually

from netechod.reactor.bus.master import Master, Secrets
from netechod.reactor.bus.stream import StreamLog
from netechod.reactor.bus.url import Url
from netechod.reactor.loop import Loop

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

LEASE = 60.0  # seconds: a failover on a slow machine is shorter
KEY = "netechod:{test}:chat"
ACL = (
    "on >secret resetkeys ~netechod:{test}:* resetchannels -@all "
    "+ping +auth +client|setname +role +time +xadd +xread +xrange +xinfo|stream"
)


@pytest.fixture
def running() -> Iterator[ExitStack]:
    """What runs until the end of the test."""
    with ExitStack() as stack:
        yield stack


def talk_over(realm: Realm, moved: RedisServer) -> None:
    """Talk until each node uses another server, and check that nobody has noticed anything."""
    realm.talk(5)
    eventually(lambda: all(node.bus["server"] == f"127.0.0.1:{moved.port}" for node in realm.nodes.values()))
    realm.talk(5)
    realm.check_quiet()


def test_sentinel_names_another_master(tmp_path: Path, running: ExitStack) -> None:
    master = running.enter_context(RedisServer(tmp_path / "master").start())
    replica = running.enter_context(
        RedisServer(tmp_path / "replica", "--replicaof", "127.0.0.1", master.port).start()
    )
    eventually(lambda: "master_link_status:up" in str(replica.ask("INFO", "replication")))
    (tmp_path / "sentinel").mkdir()
    configuration = tmp_path / "sentinel" / "sentinel.conf"
    configuration.write_text(
        f"sentinel monitor room 127.0.0.1 {master.port} 1\n"
        "sentinel down-after-milliseconds room 500\nsentinel failover-timeout room 3000\n"
    )
    sentinel = running.enter_context(RedisServer(tmp_path / "sentinel", configuration=configuration).start())
    url = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{sentinel.port}/room"
    with Realm(tmp_path / "realm", url, "ab", bus__lease=LEASE).start() as realm:
        realm.talk(5)
        eventually(lambda: "slaves=1" in str(sentinel.ask("INFO", "sentinel")))
        master.freeze()  # its connections stay open
        talk_over(realm, replica)
        assert realm.log_of("a", "bus down: ")
        master.thaw()


def test_the_master_of_a_list_changes(tmp_path: Path, running: ExitStack) -> None:
    one = running.enter_context(RedisServer(tmp_path / "one").start())
    two = running.enter_context(RedisServer(tmp_path / "two", "--replicaof", "127.0.0.1", one.port).start())
    url = f"redis://127.0.0.1:{two.port},127.0.0.1:{one.port}"
    with Realm(tmp_path / "realm", url, "ab", bus__lease=LEASE).start() as realm:
        realm.talk(5)
        realm.check()
        two.ask("REPLICAOF", "NO", "ONE")
        one.ask("REPLICAOF", "127.0.0.1", two.port)
        talk_over(realm, two)


def test_a_cluster_moves_the_key_to_another_node(tmp_path: Path, running: ExitStack) -> None:
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", 1000)
    ports = [free_port() for _ in range(4)]  # for the nodes' own connections
    nodes = [
        running.enter_context(RedisServer(tmp_path / f"{port}", *options, "--cluster-port", port).start())
        for port in ports
    ]
    for node, slots in zip(nodes, ((0, 5460), (5461, 10922), (10923, 16383)), strict=False):
        node.ask("CLUSTER", "ADDSLOTSRANGE", *slots)
    for number, node in enumerate(nodes):
        node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
    for node in nodes[1:]:
        node.ask("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, ports[0])
    eventually(lambda: all("cluster_state:ok" in str(node.ask("CLUSTER", "INFO")) for node in nodes))
    slot = nodes[0].ask("CLUSTER", "KEYSLOT", KEY)
    assert isinstance(slot, int)
    master, replica = nodes[min(2, slot // 5461)], nodes[3]
    name = master.ask("CLUSTER", "MYID")
    assert isinstance(name, bytes)
    eventually(lambda: replica.ask("CLUSTER", "REPLICATE", name) == b"OK")
    eventually(lambda: "master_link_status:up" in str(replica.ask("INFO", "replication")))
    eventually(lambda: all(str(node.ask("CLUSTER", "NODES")).count("slave") == 1 for node in nodes))
    url = ",".join(f"127.0.0.1:{node.port}" for node in nodes if node is not master)
    with Realm(tmp_path / "realm", f"redis://{url}", "ab", bus__lease=LEASE).start() as realm:
        assert realm["a"].bus["server"] == f"127.0.0.1:{master.port}"
        realm.talk(5)
        master.kill()
        talk_over(realm, replica)


@pytest.fixture
def secured(tmp_path: Path, running: ExitStack) -> tuple[RedisServer, Authority, int]:
    """A server with TLS and a user for nodes, the authority of its certificate, and its port for TLS."""
    authority = Authority(tmp_path / "authority")
    certificate, key = authority.certificate("127.0.0.1")
    port = free_port()
    server = RedisServer(
        *(tmp_path / "redis", "--tls-port", port, "--tls-auth-clients", "no"),
        *("--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", authority.file),
    )
    running.enter_context(server.start())
    assert server.ask("ACL", "SETUSER", "netechod", *ACL.split()) == b"OK"
    return server, authority, port


def password_file(tmp_path: Path, text: str = "secret") -> Path:
    file = tmp_path / "password"
    file.touch(0o600)
    file.write_text(f"{text}\n")
    return file


def test_tls_and_a_user_that_may_do_no_more_than_it_needs(
    tmp_path: Path, secured: tuple[RedisServer, Authority, int]
) -> None:
    server, authority, port = secured
    settings = {"bus__ca_file": authority.file, "bus__password_file": password_file(tmp_path)}
    url = f"rediss://netechod@127.0.0.1:{port}"
    with Realm(tmp_path / "realm", url, "ab", **settings).start() as realm:
        realm.talk(5)
        realm.check_quiet()
        assert server.ask("ACL", "LOG") == []
        told = [*realm["a"].daemon.log(), *realm["a"].daemon.errors(), str(realm["a"].operator("status"))]
        assert not any("secret" in line or "netechod@" in line for line in told)


@pytest.mark.parametrize(
    ("url", "realm", "trusts", "password", "reason"),
    [
        ("rediss://netechod@127.0.0.1:TLS", "test", True, b"secret", ""),
        (
            "rediss://netechod@127.0.0.1:TLS",
            "test",
            False,
            b"secret",
            "TLS: self-signed certificate",
        ),
        ("rediss://netechod@localhost:TLS", "test", True, b"secret", "TLS: Hostname mismatch"),
        ("rediss://netechod@127.0.0.1:TLS", "test", True, b"wrong", "AUTH: WRONGPASS"),
        ("rediss://netechod@127.0.0.1:TLS", "other", True, b"secret", "XRANGE: NOPERM"),
        ("rediss://127.0.0.1:PLAIN", "test", True, b"", "TLS: "),
        ("redis://127.0.0.1:TLS", "test", True, b"", "; if the server expects TLS, use rediss"),
    ],
)
def test_what_is_wrong_with_a_secured_connection_is_said(
    secured: tuple[RedisServer, Authority, int],
    running: ExitStack,
    url: str,
    realm: str,
    trusts: bool,
    password: bytes,
    reason: str,
) -> None:
    server, authority, port = secured
    url = url.replace("TLS", str(port)).replace("PLAIN", str(server.port))
    master = Master(Url.parse(url), lambda: Secrets(password, authority.file if trusts else None))
    loop = running.enter_context(closing(Loop()))
    log = running.enter_context(closing(StreamLog(loop, FakeRealm(), master, f"netechod:{{{realm}}}:", 1)))
    reasons: list[str] = []
    log.on_up, log.on_down = lambda: reasons.append(""), reasons.append
    run_until(loop, lambda: reasons)
    assert reason in reasons[0]
    assert bool(reasons[0]) == bool(reason)
