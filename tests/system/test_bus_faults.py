"""One room over three daemons and a real server, and what goes wrong with the server.

Trouble that is shorter than the lease loses nothing, doubles nothing, and keeps the order of each sender.
"""

from collections.abc import Iterator

import pytest
from support.realm import Realm
from support.redis_server import RedisServer
from support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

KEY = "netechod:{test}:chat"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server.start()


@pytest.fixture(scope="module")
def serving(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    """Three nodes that tests share. Each test leaves them connected."""
    with Realm(tmp_path_factory.mktemp("realm"), server.url) as realm:
        yield realm.start()


@pytest.fixture
def realm(serving: Realm) -> Realm:
    """The shared nodes. Everybody has heard everything."""
    serving.check_quiet()
    return serving


def reconnected(realm: Realm, connects: list[int]) -> bool:
    """Whether each node has connected again."""
    return all(
        node.bus["state"] == "up" and node.bus["counters"]["connects"] > before
        for node, before in zip(realm.nodes.values(), connects, strict=True)
    )


def connects(realm: Realm) -> list[int]:
    return [node.bus["counters"]["connects"] for node in realm.nodes.values()]


def test_members_on_all_nodes_hear_one_another_in_order(realm: Realm) -> None:
    realm.talk(20)
    realm.check_quiet()


def test_the_operator_sees_all_nodes_and_their_members(realm: Realm) -> None:
    listed = {(each["node"], each["name"]) for each in realm["a"].operator("members")}
    assert listed == {("", realm.members[0].name), *((name, realm[name].member.name) for name in "bc")}
    assert all((each["silent"] is None) == bool(each["node"]) for each in realm["a"].operator("members"))
    bus = realm["a"].bus
    assert bus["state"] == "up"
    assert sorted((each["node"], each["members"]) for each in bus["nodes"]) == [("b", 1), ("c", 1)]
    assert realm["a"].operator("status")["complaints"] == []


def test_a_server_that_is_killed_and_comes_back_empty(realm: Realm, server: RedisServer) -> None:
    realm.talk(3)
    server.kill()
    realm.talk(3)
    server.start()
    realm.talk(3)
    realm.check_quiet()
    assert realm.log_of("a", "bus down: ")
    assert realm.log_of("a", "bus up ")


def test_a_server_that_stands_still_for_a_while(realm: Realm, server: RedisServer) -> None:
    server.freeze()
    realm.talk(5)
    eventually(lambda: all(len(member.lines(member.name)) == len(member.said) for member in realm.members))
    server.thaw()
    realm.check_quiet()


def test_all_connections_are_cut_again_and_again(realm: Realm, server: RedisServer) -> None:
    for _ in range(5):
        realm.talk(2)
        server.ask("CLIENT", "KILL", "TYPE", "normal")
    realm.check_quiet()


def test_a_server_without_memory_is_waited_for(realm: Realm, server: RedisServer) -> None:
    server.ask("CONFIG", "SET", "maxmemory", "1")
    realm.talk(3)
    eventually(lambda: realm.log_of("b", "bus refuses what we say"))
    assert realm["b"].bus["waiting"] > 0
    assert "OOM" in realm.log_of("b", "bus refuses what we say")[-1]
    server.ask("CONFIG", "SET", "maxmemory", "0")
    realm.check_quiet()


def test_a_master_that_wants_replicas_is_waited_for(realm: Realm, server: RedisServer) -> None:
    server.ask("CONFIG", "SET", "min-replicas-to-write", "1")
    refused = realm["c"].bus["counters"]["errors"].get("noreplicas", 0)
    realm.talk(3)
    eventually(lambda: realm["c"].bus["counters"]["errors"].get("noreplicas", 0) > refused)
    server.ask("CONFIG", "SET", "min-replicas-to-write", "0")
    realm.check_quiet()


def test_a_log_that_is_emptied_is_not_noticed(realm: Realm, server: RedisServer) -> None:
    realm.talk(3)
    realm.check()
    server.ask("FLUSHALL")
    realm.talk(3)
    realm.check()
    server.ask("DEL", KEY)
    realm.talk(3)
    realm.check_quiet()


def test_a_key_that_is_something_else_for_a_while(realm: Realm, server: RedisServer) -> None:
    before = connects(realm)
    server.ask("SET", KEY, "something else")
    realm.talk(3)
    eventually(lambda: realm.log_of("a", "WRONGTYPE"))
    server.ask("DEL", KEY)
    realm.talk(3)
    realm.check_quiet()
    eventually(lambda: reconnected(realm, before))


def test_ids_that_go_back_are_noticed_by_each_node(realm: Realm, server: RedisServer) -> None:
    server.ask("XADD", KEY, "9999999999999-0", "v", "0")
    realm.talk(1)
    realm.check()
    server.ask("DEL", KEY)
    realm.talk(3)
    realm.check_quiet()


def test_a_password_that_is_set_while_we_run(realm: Realm, server: RedisServer) -> None:
    server.ask("CONFIG", "SET", "requirepass", "secret")
    server.password = "secret"
    server.ask("CLIENT", "KILL", "TYPE", "normal")
    realm.talk(3)
    eventually(lambda: realm.log_of("a", "NOAUTH"))
    server.ask("CONFIG", "SET", "requirepass", "")
    server.password = ""
    realm.check_quiet()


def test_what_a_hostile_writer_appends_reaches_nobody(realm: Realm, server: RedisServer) -> None:
    junk: list[tuple[str | bytes, ...]] = [
        ("v", "1"),
        ("x", "y"),
        ("v", "1", "n", "../x", "e", "0" * 16, "s", "0", "m", "0", "b", "=1.2.3.4--5#hello"),
        ("v", "1", "n", "evil", "e", "0" * 16, "s", "-1", "m", "0", "b", "=1.2.3.4--5#hello"),
        ("v", "1", "n", "evil", "e", "f" * 16, "s", "0", "m", "1", "b", "=1.2.3.4--5#\x1b[2J"),
        ("v", "1", "n", "evil", "e", "f" * 16, "s", "1", "m", "1", "b", b"=1.2.3.4--5#\xff"),
        ("v", "1", "n", "evil", "e", "f" * 16, "s", "2", "m", "1", "b", b"x" * (1 << 20)),
        ("v", "1", "n", "evil", "e", "f" * 16, "s", "3", "m", "1", "b", b"x" * (9 << 20)),
    ]
    for fields in junk:
        server.ask("XADD", KEY, "*", *fields)
        realm.talk(1)
    eventually(lambda: realm["a"].bus["counters"]["errors"].get("size"))
    realm.talk(3)
    realm.check_quiet()
    texts = [event.get("text", "") for member in realm.members for event in member.events]
    assert not any("\x1b" in text or "xxx" in text for text in texts)
    assert sum(realm["a"].bus["counters"]["refused"].values()) >= len(junk) - 1
