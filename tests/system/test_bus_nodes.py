"""One room over several daemons: nodes that die, stand still, stop and start; trouble beyond the lease."""

import signal
import socket
from pathlib import Path

import pytest
from support.realm import Member, Node, Realm
from support.redis_server import RedisServer
from support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

SHORT = 3.0  # seconds: the shortest lease
KEY = "netechod:{test}:chat"


@pytest.fixture
def server(tmp_path: Path) -> RedisServer:
    return RedisServer(tmp_path / "redis")


def missed(node: Node, other: str) -> int:
    """The lines of another node that this one has missed."""
    return sum(each["missed"] for each in node.bus["nodes"] if each["node"] == other)


def heard_with(sock: socket.socket, text: bytes) -> bytes:
    """The next line that has this text."""
    while text not in (line := sock.recv(100)):
        pass
    return line


def test_a_node_that_dies_is_lost_and_its_members_go_offline(tmp_path: Path, server: RedisServer) -> None:
    with server.start(), Realm(tmp_path / "realm", server.url, "ac", bus__lease=SHORT).start() as realm:
        name = realm["c"].member.name
        realm["c"].daemon.signal(signal.SIGKILL)
        eventually(lambda: realm["a"].member.presence(name)[-1:] == ["leave"])
        assert "chat node c lost members=1 reason=lease" in realm.log_of("a", "chat node c lost")[0]
        assert realm["a"].bus["nodes"] == []


def test_a_node_that_stops_says_so(tmp_path: Path, server: RedisServer) -> None:
    with server.start(), Realm(tmp_path / "realm", server.url, "ab").start() as realm:
        name = realm["b"].member.name
        assert realm["b"].daemon.stop() == 0
        eventually(lambda: realm["a"].member.presence(name)[-1:] == ["leave"])
        assert realm.log_of("a", "chat node b lost members=1 reason=bye")


def test_a_node_that_stood_still_hears_first_and_judges_later(tmp_path: Path, server: RedisServer) -> None:
    with server.start(), Realm(tmp_path / "realm", server.url, "ac", bus__lease=SHORT).start() as realm:
        a, c = realm["a"].member, realm["c"].member
        realm["c"].daemon.signal(signal.SIGSTOP)
        eventually(lambda: a.presence(c.name)[-1:] == ["leave"])
        realm["c"].daemon.signal(signal.SIGCONT)
        eventually(lambda: a.presence(c.name)[-1:] == ["join"])
        realm.settled()
        realm.talk(3)
        realm.check()
        assert not any(event["type"] == "leave" for event in c.events)
        assert realm.log_of("c", "bus: we were stopped for")


def test_trouble_beyond_the_lease_splits_the_room_and_each_line_is_counted(
    tmp_path: Path, server: RedisServer
) -> None:
    with server.start(), Realm(tmp_path / "realm", server.url, "ab", bus__lease=SHORT).start() as realm:
        a, b = realm["a"].member, realm["b"].member
        server.kill()
        realm.talk(10)
        eventually(lambda: a.presence(b.name)[-1:] == ["leave"] and b.presence(a.name)[-1:] == ["leave"])
        assert realm.log_of("a", "reason=cut off")
        assert len(a.lines(a.name)) == 10
        assert "bus down for" in realm["a"].operator("status")["complaints"][0]
        server.start()
        eventually(lambda: a.presence(b.name)[-1:] == ["join"] and b.presence(a.name)[-1:] == ["join"])
        realm.talk(5)
        eventually(lambda: b.lines(a.name)[-1:] == a.said[-1:] and a.lines(b.name)[-1:] == b.said[-1:])
        heard = b.lines(a.name)
        assert heard == a.said[len(a.said) - len(heard) :]
        assert missed(realm["b"], "a") == len(a.said) - len(heard)
        assert sum(realm["a"].bus["counters"]["lost"].values()) == len(a.said) - len(heard)
        assert realm.log_of("b", "lines of a missed")


def test_what_was_trimmed_while_a_node_stood_still_is_counted(tmp_path: Path, server: RedisServer) -> None:
    with server.start(), Realm(tmp_path / "realm", server.url, "ab", bus__lease=60.0).start() as realm:
        a, b = realm["a"].member, realm["b"].member
        realm["b"].daemon.signal(signal.SIGSTOP)
        for _ in range(30):
            realm.talk(1, "a")
            eventually(lambda: len(a.lines(a.name)) == len(a.said))
        eventually(lambda: realm["a"].bus["waiting"] == 0)
        server.ask("XTRIM", KEY, "MAXLEN", 3)
        realm["b"].daemon.signal(signal.SIGCONT)
        realm.talk(1, "a")
        eventually(lambda: b.lines(a.name)[-1:] == a.said[-1:])
        heard = b.lines(a.name)
        assert len(heard) < len(a.said)
        assert missed(realm["b"], "a") == len(a.said) - len(heard)
        assert f"bus: {len(a.said) - len(heard)} lines of a missed (gap)" in realm.log_of("b", "missed")[0]


def restart(realm: Realm, name: str) -> None:
    """Restart a node while the others talk. Its own member waits, because it repeats what gets no receipt."""
    daemon, begun = realm[name].daemon, len(realm.log_of(name, "bus up "))
    realm.talk(2)
    realm.check()
    assert daemon.stop() == 0
    realm.talk(2, "abc".replace(name, ""))
    realm[name].start()
    daemon.manager.forget()
    eventually(lambda: len(realm.log_of(name, "bus up ")) > begun)
    realm.talk(2)


def test_a_restart_with_the_descriptor_store_shows_nobody_anything(
    tmp_path: Path, server: RedisServer
) -> None:
    with server.start(), Realm(tmp_path / "realm", server.url) as realm:
        for node in realm.nodes.values():
            node.keeps = True
        realm.start()
        for name in "abc":
            restart(realm, name)
        realm.check_quiet()
        assert not realm.log_of("a", " lost members=")
        assert not realm.log_of("a", "missed")


def test_a_server_that_comes_back_with_an_older_dump(tmp_path: Path, server: RedisServer) -> None:
    with server.start(), Realm(tmp_path / "realm", server.url, "ab").start() as realm:
        realm.talk(5)
        realm.check()
        server.ask("SAVE")
        realm.talk(5)
        realm.check()
        server.kill()
        realm.talk(5)
        server.start()
        realm.talk(5)
        realm.check_quiet()
        assert realm.log_of("a", "bus: the log is another one")


def test_a_second_node_of_the_same_name_takes_another_one(tmp_path: Path, server: RedisServer) -> None:
    with server.start(), Realm(tmp_path / "realm", server.url, "ab").start() as realm:
        twin = Node(tmp_path / "twin", "a", {"bus.url": server.url, "bus.lease": 15.0})
        realm.nodes["twin"] = twin
        twin.start()
        eventually(lambda: realm.log_of("twin", "bus up "))
        twin.join()
        realm.settled()
        realm.talk(3)
        realm.check()
        eventually(lambda: realm.log_of("a", "bus: another process calls itself a, we go on as a-"))
        renamed = realm["a"].bus["node"]
        assert f"bus: name taken, now {renamed}" in realm["a"].operator("status")["complaints"]


def test_members_with_the_same_name_are_told_apart_by_their_nodes(
    tmp_path: Path, server: RedisServer
) -> None:
    with server.start(), Realm(tmp_path / "realm", server.url, "ab").start() as realm:
        socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "ab"]
        port = 0
        for sock, node in zip(socks, realm.nodes.values(), strict=True):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.settimeout(10)
            sock.bind(("127.0.0.1", port))
            port = sock.getsockname()[1]
            sock.connect(node.daemon.address("chat"))
            sock.send(b"online")
            assert sock.recv(100).endswith(b"#online")
        name = f"127.0.0.1--{port}"
        eventually(lambda: any(each["name"] == f"b/{name}" for each in realm["a"].operator("members")))
        socks[1].send(b"it is me")
        assert heard_with(socks[1], b"it is me") == f"{name}#it is me".encode()
        eventually(lambda: realm["a"].member.lines(name) == ["it is me"])
        (event,) = [event for event in realm["a"].member.events if event.get("text") == "it is me"]
        assert event["from"] == f"b/{name}"
        assert heard_with(socks[0], b"it is me") == f"b/{name}#it is me".encode()
        for sock in socks:
            sock.close()


def test_without_a_server_the_room_is_alone_and_serves(tmp_path: Path, server: RedisServer) -> None:
    with Realm(tmp_path / "realm", server.url, "a") as realm:
        realm["a"].start()
        eventually(lambda: realm.log_of("a", "bus down: "))
        member: Member = realm["a"].join()
        member.say("alone")
        eventually(lambda: member.lines(member.name) == ["alone"])
        assert realm.log_of(
            "a", f"bus down: 127.0.0.1:{server.port}: Connection refused, the chat goes on alone"
        )
        assert realm["a"].bus["state"] == "down"
        server.start()
        eventually(lambda: realm.log_of("a", f"bus up 127.0.0.1:{server.port} nodes=1 after="))
        server.kill()
