"""A service is one file, one row in the table, and a section: nothing else has to know its name."""

import socket
import sys
from pathlib import Path

import pytest
from support.daemon import Daemon, ask, client

from netechod.client.operator.control import ask as ask_control
from netechod.client.operator.control import dump
from netechod.client.operator.screens import status_lines

pytestmark = pytest.mark.system

UDP_FILE = """
from netechod.process.control.status import Gauge
from netechod.process.service.datagrams import UdpService


class Mirror:
    def __init__(self):
        from collections import Counter
        self.dropped = Counter()

    def datagrams_received(self, batch, now, out):
        out.send_all([(payload[::-1], peer) for payload, peer in batch])

    def next_deadline(self):
        return None

    def deadline_reached(self, now, out):
        pass


class Service(UdpService):
    def __init__(self, context, socks):
        super().__init__(context.datagrams, "mirror", socks, Mirror())

    def gauges(self):
        yield Gauge("mirrors", "Mirrors on the wall.", 7)

    def report(self):
        return {"mirrors": 7}

    def summary(self):
        return "7 mirrors"
"""

TCP_FILE = """
from dataclasses import asdict

from netechod.process.service.running import RunningService
from netechod.reactor.tcp.api import StreamService
from netechod.reactor.tcp.server import TcpServer
from netechod.services.api import StreamSession


class Shout(StreamSession):
    def data_received(self, data):
        return bytes(data).upper()

    def eof_received(self):
        return b""


class Service(RunningService):
    def __init__(self, context, socks):
        self._server = TcpServer(context.loop, StreamService("shout", lambda wake: Shout()), socks)

    def counters(self):
        return asdict(self._server.counters)

    def close(self, until):
        self._server.close()
"""

PROGRAM = """
import sys
sys.path.insert(0, {folder!r})
from pydantic import create_model
from netechod.process.config import schema
from netechod.process.config.general import Section
from netechod.process.config.values import Addresses, addresses

class Toy(Section):
    enabled: bool = True
    listen: Addresses = addresses("127.0.0.1:0")

schema.Config = create_model(
    "Config", __base__=schema.Config, mirror=(Toy, Toy()), shout=(Toy, Toy())
)
schema.KEYS = dict(schema._keys(schema.Config))
from netechod.process.config import listeners
listeners.LISTENERS += (
    listeners.Listener("mirror", "udp", "mirror", "mirror_service"),
    listeners.Listener("shout", "tcp", "shout", "shout_service"),
)
import netechod.__main__
"""


@pytest.fixture
def program(tmp_path: Path) -> list[str]:
    folder = tmp_path / "toys"
    folder.mkdir()
    (folder / "mirror_service.py").write_text(UDP_FILE)
    (folder / "shout_service.py").write_text(TCP_FILE)
    return [sys.executable, "-c", PROGRAM.format(folder=str(folder))]


def test_a_new_service_is_in_status_metrics_and_socket_activation(tmp_path: Path, program: list[str]) -> None:
    with Daemon(tmp_path, program=program) as daemon:
        daemon.bind()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as passed, socket.socket() as listening:
            passed.bind(("127.0.0.1", 0))
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            mirror, shout = passed.getsockname(), listening.getsockname()
            daemon.hand_over("mirror", passed)
            daemon.hand_over("shout", listening)
            daemon.start()
            assert ask(mirror, b"abc") == b"cba"
            with client(shout, socket.SOCK_STREAM) as sock:
                sock.sendall(b"hello")
                assert sock.recv(100) == b"HELLO"
            control = daemon.directory / "control.sock"
            status = ask_control(control, "status")
            metrics = b"".join(dump(control, "metrics")).decode()
        assert ["mirror", "{}:{}".format(*mirror)] in status["listeners"]
        assert ["shout", "{}:{}".format(*shout)] in status["listeners"]
        assert (status["mirrors"], status["counters"]["mirror"]["received"]) == (7, 1)
        assert status["counters"]["shout"]["accepted"] == 1
        assert any(line.startswith("mirror") for line in status_lines(status))
        assert "netechod_mirrors 7.0\n" in metrics
        assert 'netechod_datagrams_received_total{service="mirror"} 1.0\n' in metrics
        assert 'netechod_connections_accepted_total{service="shout"} 1.0\n' in metrics
        assert any("7 mirrors" in message for message in daemon.manager.messages)
        assert daemon.stop() == 0


def test_a_new_service_may_not_have_another_one_s_address(tmp_path: Path, program: list[str]) -> None:
    with Daemon(tmp_path, program=program) as daemon:
        daemon.spawn(
            "--check", "--set", "mirror.listen=127.0.0.1:4711", "--set", "chat.listen=127.0.0.1:4711"
        )
        assert daemon.wait() == 78
        assert "UDP 127.0.0.1:4711" in daemon.stderr()
        assert "mirror.listen" in daemon.stderr()
