"""Echo in its mode `identify`, and PROXY headers, wired: from the configuration to what a client gets."""

import json
import select
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.daemon import Daemon, client
from support.netecho import netecho

from netechod.client.operator.control import ask

pytestmark = pytest.mark.system

IDENTIFY = {"echo.tcp.mode": "identify", "echo.udp.mode": "identify", "echo.udp.public": True}
HEADER = b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\n"


def told(sock: socket.socket, question: bytes) -> dict[str, Any]:
    """The fields of the answer to one question."""
    with sock:
        sock.sendall(question)
        fields: dict[str, Any] = json.loads(sock.recv(65536))
        return fields


def place(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def test_both_transports_say_who_has_answered_whom(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.configure(IDENTIFY)
        daemon.start(POD_NAME="echo-7f", POD_NAMESPACE="prod", NODE_NAME="n1")
        for service, kind in (("echo-tcp", socket.SOCK_STREAM), ("echo-udp", socket.SOCK_DGRAM)):
            host, port = daemon.address(service)
            sock = client((host, port), kind)
            asker = place(sock)
            assert told(sock, b"hello\n") == {
                "n": 1,
                "node": "n1",
                "client": asker,
                "server": f"{host}:{port}",
                "name": socket.gethostname(),
                "pod": "echo-7f",
                "namespace": "prod",
                "asked": "hello",
            }


def test_over_udp_the_address_that_was_asked_is_told_and_answers(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.configure({**IDENTIFY, "echo.udp.listen": "[::]:0"})
        daemon.start(
            "--set",
            "dictionary.listen=127.0.0.1:0",
            "--set",
            "chat.enabled=false",
            "--set",
            "echo.tcp.listen=127.0.0.1:0",
        )
        port = next(port for host, port in daemon.bound() if host == "::")
        for address in ("127.0.0.1", "127.0.0.9", "::1"):
            sock = client((address, port), source="::1" if ":" in address else "127.0.0.1")
            at = place(sock).rpartition(":")[0]
            fields = told(sock, b"x")
            assert fields["server"] == (f"[::1]:{port}" if ":" in address else f"{address}:{port}")
            assert fields["client"].startswith(at)


@pytest.mark.parametrize("model", ["iterative", "fork", "thread", "pool"])
def test_every_model_identifies_itself(tmp_path: Path, model: str) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.configure({**IDENTIFY, "echo.tcp.model": model})
        daemon.start()
        sock = client(daemon.address("echo-tcp"), socket.SOCK_STREAM)
        sock.sendall(b"a\nb\n" * 500)
        sock.shutdown(socket.SHUT_WR)
        with sock, sock.makefile("r", encoding="utf-8") as stream:
            assert [json.loads(line)["asked"] for line in stream] == ["a", "b"] * 500


def test_a_client_that_never_reads_costs_bounded_memory(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.configure(IDENTIFY)
        daemon.start()
        with client(daemon.address("echo-tcp"), socket.SOCK_STREAM) as sock:
            sock.setblocking(False)
            with suppress(BlockingIOError):  # it is not read any more
                while select.select([], [sock], [], 1)[1]:
                    sock.send(b"\n" * 65536)
            assert told(client(daemon.address("echo-tcp"), socket.SOCK_STREAM), b"x\n")["asked"] == "x"


def test_netecho_whoami_shows_it(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.configure(IDENTIFY)
        daemon.start()
        for options, service in (((), "echo-tcp"), (("-u",), "echo-udp")):
            host, port = daemon.address(service)
            run = netecho("whoami", *options, "-c", "20", "--json", f"{host}:{port}")
            [by] = json.loads(run.stdout)["by"]
            assert (run.returncode, by["count"], by["server"]) == (0, 20, f"{host}:{port}")


def test_headers_count_from_listed_networks_alone_and_a_reload_changes_the_list(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.configure({**IDENTIFY, "echo.tcp.proxy_protocol": ["127.0.0.2"]})
        daemon.start()
        address = daemon.address("echo-tcp")
        proxy = client(address, socket.SOCK_STREAM, "127.0.0.2")
        balancer = place(proxy)
        fields = told(proxy, HEADER + b"hello\n")
        assert (fields["client"], fields["proxy"]) == ("192.0.2.7:40000", balancer)
        other = told(client(address, socket.SOCK_STREAM), HEADER)
        assert other["asked"] == HEADER.decode().strip()
        assert "proxy" not in other
        with client(address, socket.SOCK_STREAM, "127.0.0.2") as sock:
            sock.sendall(b"hello\n")
            assert sock.recv(1) == b""
        counters = ask(tmp_path / "control.sock", "status")["counters"]["echo-tcp"]
        assert (counters["proxy_refused"], counters["accepted"]) == (1, 2)
        daemon.configure(IDENTIFY)
        daemon.reload()
        assert told(client(address, socket.SOCK_STREAM, "127.0.0.2"), b"hello\n")["client"].startswith(
            "127.0.0.2:"
        )
        assert any("accept 192.0.2.7--40000 " in line for line in daemon.log())


def test_quiet_networks_write_no_lines_and_are_counted(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.configure({"log.quiet": ["127.0.0.2/32"]})
        daemon.start()
        for source in ("127.0.0.2", "127.0.0.1"):
            with client(daemon.address("echo-tcp"), socket.SOCK_STREAM, source) as sock:
                sock.sendall(b"x")
                assert sock.recv(1) == b"x"
        daemon.said("close 127.0.0.1--")
        assert ask(tmp_path / "control.sock", "status")["counters"]["echo-tcp"]["accepted"] == 2
        daemon.stop()
        assert not any("127.0.0.2--" in line for line in daemon.log())


def test_what_the_kernel_drops_is_counted(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.bind("echo-tcp", "dictionary", "chat")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as small:
            small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            small.bind(("127.0.0.1", 0))
            with client(small.getsockname()) as flood:
                for _ in range(200):
                    flood.send(bytes(1000))
            daemon.hand_over("echo-udp", small.dup())
            daemon.start()
            counted = ask(tmp_path / "control.sock", "status")["counters"]
            assert counted["echo-udp"]["kernel_dropped"] > 100
            assert counted["dictionary"]["kernel_dropped"] == 0


def test_a_restart_says_that_it_ends_such_connections(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.configure(IDENTIFY)
        daemon.start(FDSTORE="100")
        assert any("end at a restart: echo.tcp.mode = identify" in line for line in daemon.log())
