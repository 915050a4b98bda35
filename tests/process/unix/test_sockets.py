"""The daemon's sockets: what is set on them, what is said of them, and how each step can fail."""

import errno
import logging
import os
import re
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support.daemon import NETECHOD, Daemon, any_port

from netechod.errors import SocketError
from netechod.process.config.load import load
from netechod.process.config.values import Address, addresses
from netechod.process.listeners import Sockets, open_sockets
from netechod.process.unix.sockets import UDP_BUFFER, bound_to, uncovered

SECTIONS = {"echo-tcp": "echo.tcp", "echo-udp": "echo.udp", "dictionary": "dictionary", "chat": "chat"}


def open_only(
    service: str, *settings: str, listen: str = "127.0.0.1:0", passed: Sequence[int] = ()
) -> Sockets:
    """The sockets of one service, the others being off; `settings` are keys of its section or of [daemon]."""
    off = [f"{section}.enabled=false" for name, section in SECTIONS.items() if name != service]
    own = [
        setting if setting.startswith("daemon.") else f"{SECTIONS[service]}.{setting}"
        for setting in (f"listen={listen}", *settings)
    ]
    config = load(None, ["daemon.control=control.sock", *off, *own]).config
    return open_sockets(config, {service: list(passed)} if passed else {})


def every_socket(sockets: Sockets) -> list[socket.socket]:
    """Those of the services, then the control socket."""
    assert sockets.control is not None
    return [*(sock for socks in sockets.by_service.values() for sock in socks), sockets.control]


@contextmanager
def opened(
    service: str, *settings: str, listen: str = "127.0.0.1:0", passed: Sequence[int] = ()
) -> Iterator[Sequence[socket.socket]]:
    """The same for the length of a `with` block."""
    sockets = open_only(service, *settings, listen=listen, passed=passed)
    with ExitStack() as stack:
        for sock in every_socket(sockets):
            stack.enter_context(sock)
        yield sockets.of(service)


def refused(service: str, *settings: str, listen: str) -> tuple[int, str]:
    """The exit code and the sentence of a failure."""
    with pytest.raises(SocketError) as caught:
        open_only(service, *settings, listen=listen)
    return caught.value.exit_code, str(caught.value)


@pytest.fixture(autouse=True)
def _everything_is_logged(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "netechod")
    monkeypatch.chdir(tmp_path)  # relative paths of the configuration are meant from here


def test_a_tcp_listener_is_made_bound_and_listened_on(caplog: pytest.LogCaptureFixture) -> None:
    with opened("echo-tcp") as [sock]:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        assert not sock.getblocking()
        assert caplog.messages[:3] == [
            f"create socket success:{sock.fileno()}",
            f"bind socket success {bound_to(sock)}",
            f"listen socket success {bound_to(sock)}",
        ]


def test_connections_of_the_last_server_are_no_obstacle() -> None:
    with opened("echo-tcp") as [listener], socket.socket() as client:
        address = listener.getsockname()
        client.connect(address)
        listener.accept()[0].close()  # who closes first is left in TIME_WAIT
        assert client.recv(1) == b""
    with socket.socket() as careless, pytest.raises(OSError, match="Address already in use"):
        careless.bind(address)
    with opened("echo-tcp", listen="{}:{}".format(*address)) as [listener]:
        assert listener.getsockname() == address


@pytest.mark.parametrize("service", ["echo-udp", "dictionary", "chat"])
def test_a_udp_socket_is_never_shared(service: str, caplog: pytest.LogCaptureFixture) -> None:
    with opened(service) as [sock]:
        assert sock.type == socket.SOCK_DGRAM
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        assert not sock.getblocking()
        assert [re.sub(r"\d+$", "N", line) for line in caplog.messages[:2]] == [
            "create socket success:N",
            "bind socket success 127.0.0.1:N",
        ]


def test_the_buffers_of_a_udp_socket_are_as_large_as_the_kernel_grants() -> None:
    """Four megabytes of each for root (SO_RCVBUFFORCE), else what net.core.[rw]mem_max allows."""
    with opened("chat") as [sock]:
        for option, name in ((socket.SO_RCVBUF, "rmem_max"), (socket.SO_SNDBUF, "wmem_max")):
            limit = int(Path(f"/proc/sys/net/core/{name}").read_text(encoding="ascii"))
            assert sock.getsockopt(socket.SOL_SOCKET, option) >= 2 * min(UDP_BUFFER, limit)


def test_port_0_is_shown_as_the_port_it_became() -> None:
    with opened("chat") as [sock]:
        assert str(bound_to(sock)) == f"127.0.0.1:{sock.getsockname()[1]}"
        assert not str(bound_to(sock)).endswith(":0")
    with opened("chat", listen="[::1]:0") as [sock]:
        assert str(bound_to(sock)) == f"[::1]:{sock.getsockname()[1]}"


def test_a_service_has_every_address_of_its_list() -> None:
    with opened("dictionary", listen='["127.0.0.1:0", "[::1]:0", "127.0.0.2:0"]') as socks:
        assert [sock.getsockname()[0] for sock in socks] == ["127.0.0.1", "::1", "127.0.0.2"]


def test_what_is_off_has_no_socket() -> None:
    sockets = open_only("chat")
    assert sockets.filenos() == [sock.fileno() for sock in every_socket(sockets)]
    assert len(sockets.of("chat")) == 1
    assert sockets.of("echo-tcp") == ()
    for sock in every_socket(sockets):
        sock.close()


@pytest.mark.parametrize(("host", "only"), [("[::]", 0), ("[::1]", 1)])
def test_the_wildcard_of_ipv6_takes_ipv4_too_and_other_addresses_do_not(host: str, only: int) -> None:
    with opened("dictionary", listen=f"{host}:0") as [sock]:
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == only


@pytest.mark.parametrize("on", [True, False])
def test_connections_inherit_the_options_of_the_listener(on: bool) -> None:
    options = [f"nodelay={str(on).lower()}", f"keepalive={str(on).lower()}", "ttl=9", "receive_buffer=65536"]
    with opened("echo-tcp", *options) as [listener], socket.socket() as client:
        client.connect(listener.getsockname())
        listener.setblocking(True)
        served, _ = listener.accept()
        with served:
            assert bool(served.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) == on
            assert bool(served.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)) == on
            assert served.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 9
            assert served.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 * 65536


def test_the_ttl_holds_for_ipv6_as_well() -> None:
    with opened("echo-tcp", "ttl=9", listen="[::]:0") as [sock]:
        assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 9
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) == 9


def test_a_buffer_smaller_than_asked_for_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with opened("echo-tcp", "send_buffer=1GiB"):
        [warning] = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith(f"socket buffer of {1 << 30} bytes asked for, ")


def test_a_passed_socket_is_used_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as unit:
        unit.bind(("::1", 0))
        with opened("chat", passed=[unit.dup().detach()]) as [sock]:
            assert sock.getsockname() == unit.getsockname()
            assert not sock.getblocking()
            assert caplog.messages[0] == f"adopt socket success {bound_to(sock)}"


def test_several_sockets_may_be_passed_under_one_name() -> None:
    with ExitStack() as stack:
        units = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(3)]
        for unit in units:
            unit.bind(("127.0.0.1", 0))
        with opened("dictionary", passed=[unit.dup().detach() for unit in units]) as socks:
            assert [sock.getsockname() for sock in socks] == [unit.getsockname() for unit in units]


def test_a_passed_number_that_is_no_socket_is_code_2() -> None:
    with open("/dev/null") as file, pytest.raises(SocketError) as caught:  # noqa: PTH123
        open_only("chat", passed=[file.fileno()])
    assert caught.value.exit_code == 2
    assert str(caught.value).endswith("passed as chat: Socket operation on non-socket")


class NoIPv6(socket.socket):
    """The sockets of a kernel that was started without IPv6."""

    def __init__(
        self,
        family: int = socket.AF_INET,
        kind: int = socket.SOCK_STREAM,
        proto: int = 0,
        fileno: int | None = None,
    ) -> None:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        super().__init__(family, kind, proto, fileno)


@pytest.fixture
def _no_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", NoIPv6)


@pytest.mark.usefixtures("_no_ipv6")
@pytest.mark.parametrize("service", SECTIONS)
def test_without_ipv6_the_wildcard_gives_way_to_that_of_ipv4(
    service: str, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(service, listen="[::]:0") as [sock]:
        assert sock.getsockname()[0] == "0.0.0.0"
    [warning] = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith("no IPv6 on this machine (Address family not supported by protocol): 0.0.0.0:0")


@pytest.mark.usefixtures("_no_ipv6")
def test_without_ipv6_any_other_address_of_it_is_code_2() -> None:
    code, sentence = refused("chat", listen="[::1]:7")
    assert (code, sentence) == (
        2, "cannot create a socket for [::1]:7: Address family not supported by protocol",
    )  # fmt: skip


def test_an_address_of_another_machine_is_code_3() -> None:
    code, sentence = refused("chat", listen="192.0.2.1:7")
    assert code == 3
    assert sentence.startswith("cannot bind UDP 192.0.2.1:7: Cannot assign requested address")
    assert "daemon.freebind" in sentence


@pytest.mark.parametrize("listen", ["192.0.2.1:0", "[2001:db8::1]:0"])
@pytest.mark.parametrize("service", ["echo-tcp", "chat"])
def test_an_address_that_comes_later_can_be_bound_freely(service: str, listen: str) -> None:
    with opened(service, "daemon.freebind=true", listen=listen) as [sock]:
        assert bound_to(sock).host == listen.rpartition(":")[0].strip("[]")


@pytest.mark.parametrize("service", ["echo-tcp", "echo-udp", "dictionary"])
def test_instances_share_a_port_if_both_say_so(service: str) -> None:
    with opened(service, "daemon.reuse_port=true") as [sock]:
        place = str(bound_to(sock))
        assert refused(service, listen=place)[0] == 3
        [other] = open_only(service, "daemon.reuse_port=true", listen=place).of(service)
        with other:
            assert bound_to(other) == bound_to(sock)


def test_metrics_are_never_shared() -> None:
    settings = ["daemon.control=", "daemon.reuse_port=true"]
    settings += [f"{section}.enabled=false" for section in SECTIONS.values()]
    with ExitStack() as stack:
        first = open_sockets(load(None, [*settings, "metrics.listen=127.0.0.1:0"]).config, {})
        [sock] = map(stack.enter_context, first.of("metrics"))
        with pytest.raises(SocketError, match="Address already in use"):
            open_sockets(load(None, [*settings, f"metrics.listen={bound_to(sock)}"]).config, {})


@pytest.mark.parametrize(("service", "name"), [("chat", "the bus"), ("command", "again")])
def test_what_is_one_process_s_is_off_among_instances(service: str, name: str) -> None:
    off = [f"{section}.enabled=false" for section in SECTIONS.values()]
    on = [
        f"{service}.enabled=true",
        "command.key_file=/dev/null",
        "daemon.reuse_port=true",
        "daemon.control=",
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as passed:
        passed.bind(("127.0.0.1", 0))
        sockets = open_sockets(load(None, [*off, *on]).config, {service: [os.dup(passed.fileno())]})
    assert sockets.by_service == {}
    [complaint] = sockets.complaints
    assert complaint.startswith(f"{service} is off: daemon.reuse_port is true, and ")
    assert name in complaint


@pytest.mark.parametrize("listen", ["0.0.0.0%lo:0", "127.0.0.1%lo:0", "[::%lo]:0", "127.0.0.1%1:0"])
@pytest.mark.parametrize("service", ["echo-tcp", "dictionary"])
def test_a_socket_can_be_bound_to_an_interface(service: str, listen: str) -> None:
    with opened(service, listen=listen) as [sock]:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16) == b"lo\0"
        assert str(bound_to(sock)).rpartition(":")[0] == listen.replace("%1", "%lo").rpartition(":")[0]


class Unprivileged(socket.socket):
    """A socket of somebody who may not choose an interface, as before Linux 5.7."""

    def setsockopt(self, level: int, option: int, *value: object) -> None:
        """Refuse that one option."""
        if option == socket.SO_BINDTODEVICE:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        super().setsockopt(level, option, *value)  # type: ignore[call-overload]


def test_without_the_right_to_choose_an_interface_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", Unprivileged)
    code, sentence = refused("echo-tcp", listen="0.0.0.0%lo:0")
    assert (code, sentence) == (
        3,
        "cannot bind TCP 0.0.0.0%lo:0: Operation not permitted\n"
        "  hint: to listen on one interface needs Linux 5.7, or CAP_NET_RAW",
    )


@pytest.mark.parametrize(
    ("service", "kind", "named", "hint"),
    [("chat", socket.SOCK_DGRAM, "UDP", "-lunp"), ("echo-tcp", socket.SOCK_STREAM, "TCP", "-ltnp")],
)
def test_a_taken_port_is_code_3(service: str, kind: socket.SocketKind, named: str, hint: str) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        code, sentence = refused(service, listen=f"127.0.0.1:{port}")
    assert code == 3
    first, second = sentence.split("\n")
    assert first == f"cannot bind {named} 127.0.0.1:{port}: Address already in use"
    assert f"ss {hint} 'sport = :{port}'" in second


class Rival(logging.Handler):
    """Somebody who listens on an address in the moment between our bind(2) and our listen(2)."""

    def __init__(self) -> None:
        super().__init__()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("bind socket success"):
            self.socket.listen()

    def close(self) -> None:
        self.socket.close()
        super().close()


def test_a_port_on_which_a_rival_listens_first_is_code_4() -> None:
    rival = Rival()
    logging.getLogger("netechod").addHandler(rival)
    try:
        code, sentence = refused("echo-tcp", listen=f"127.0.0.1:{rival.port}")
    finally:
        logging.getLogger("netechod").removeHandler(rival)
        rival.close()
    assert (code, sentence) == (4, f"cannot listen on TCP 127.0.0.1:{rival.port}: Address already in use")


@pytest.mark.parametrize(
    ("listed", "needed"),
    [
        (["[::]:8080", "192.0.2.1:8080", "[::1]:8080"], ["[::]:8080"]),
        (["192.0.2.1:8080", "[::]:8080"], ["[::]:8080"]),
        (["0.0.0.0:8080", "192.0.2.1:8080", "[::1]:8080"], ["0.0.0.0:8080", "[::1]:8080"]),
        (["[::]:8080", "0.0.0.0:8080", "192.0.2.1:8080"], ["[::]:8080"]),
        (["[::]:8080", "192.0.2.1:8081"], ["[::]:8080", "192.0.2.1:8081"]),
        (["[::]:0", "127.0.0.1:0"], ["[::]:0", "127.0.0.1:0"]),
        (["[::%eth0]:8080", "0.0.0.0%eth0:8080", "[::1%eth0]:8080"], ["[::%eth0]:8080"]),
        (["[::%eth0]:8080", "0.0.0.0%eth1:8080"], ["[::%eth0]:8080", "0.0.0.0%eth1:8080"]),
        (["[::]:8080", "[::%eth0]:8080", "192.0.2.1%eth1:8080"], ["[::]:8080"]),
        (["0.0.0.0%eth0:8080", "192.0.2.1:8080"], ["0.0.0.0%eth0:8080", "192.0.2.1:8080"]),
    ],
)
def test_what_a_wildcard_covers_needs_no_socket_of_its_own(listed: list[str], needed: list[str]) -> None:
    assert uncovered(addresses(*listed)) == list(addresses(*needed))


@pytest.mark.parametrize("listen", ["[fe80::1%nosuch0]:0", "0.0.0.0%nosuch0:0", "[::%nosuch0]:0"])
@pytest.mark.parametrize("protocol", ["dictionary", "echo-tcp"])
def test_an_interface_that_is_not_there_is_told(protocol: str, listen: str) -> None:
    kind = "TCP" if protocol == "echo-tcp" else "UDP"
    code, sentence = refused(protocol, listen=listen)
    assert code == 3
    assert sentence == (
        f"cannot bind {kind} {listen}: there is no interface nosuch0\n  hint: see which there are: ip link"
    )


def test_an_address_of_ipv4_may_be_written_as_one_of_ipv6() -> None:
    with opened("dictionary", listen="[::ffff:127.0.0.1]:0") as [sock]:
        assert sock.family == socket.AF_INET
        assert sock.getsockname()[0] == "127.0.0.1"


def test_a_zone_with_a_dot_is_not_taken_for_ipv4() -> None:
    wildcard, vlan = Address("0.0.0.0", 1), Address("fe80::1%eth0.100", 1)
    assert uncovered([wildcard, vlan]) == [wildcard, vlan]


LINK = """
ip link add net0 index 7 type veth peer name net1 && ip link set net0 up && ip link set net1 up &&
ip link set lo up && ip address add fe80::1/64 dev net0 nodad && exec "$@"
"""


@pytest.mark.system
@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes interfaces")
def test_link_local_addresses_are_listened_on_by_name_and_number(tmp_path: Path) -> None:
    probe = subprocess.run(
        ["unshare", "-n", "sh", "-c", LINK, "sh", "true"], capture_output=True, text=True, check=False
    )
    if probe.returncode:
        pytest.skip(f"no namespace with an interface: {probe.stderr}")
    with Daemon(tmp_path, program=["unshare", "-n", "sh", "-c", LINK, "sh", *NETECHOD]) as daemon:
        listen = [
            *("echo.tcp.listen=[fe80::1%net0]:0", "echo.udp.listen=[fe80::1%7]:0"),
            "dictionary.listen=0.0.0.0%net0:0",
        ]
        daemon.start(*any_port(), *(word for setting in listen for word in ("--set", setting)))
        hosts = [host for host, _ in daemon.bound()]
        assert hosts == ["fe80::1%net0", "fe80::1%net0", "0.0.0.0%net0", "127.0.0.1"]
        assert daemon.stop() == 0
