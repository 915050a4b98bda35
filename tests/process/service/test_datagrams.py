"""A datagram service on its sockets: which socket answers, and the warning when the kernel takes nothing."""

import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from support.looping import receive

from netechod.process.service.datagrams import UdpService
from netechod.process.service.running import Shared
from netechod.reactor.loop import Loop
from netechod.services.echo import EchoService
from netechod.services.log_throttle import TROUBLE_INTERVAL


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop(clock=lambda: 1000.0)
    yield loop
    loop.close()


def udp_socket(resources: ExitStack) -> socket.socket:
    sock = resources.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    return sock


def test_without_members_each_socket_answers_for_itself_and_sends_back_what_lies_there(loop: Loop) -> None:
    with ExitStack() as resources:
        socks = [udp_socket(resources), udp_socket(resources)]
        service = UdpService(Shared(loop), "echo-udp", socks, EchoService())
        assert all(endpoint.out is endpoint for endpoint in service.endpoints)
        for sock in socks:
            client = udp_socket(resources)
            client.connect(sock.getsockname())
            client.send(b"hello")
            assert receive(loop, client) == b"hello"
        service.close(loop.clock() + 1)


def test_one_line_warns_of_a_kernel_that_takes_no_answers(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as resources, caplog.at_level(logging.WARNING):
        service = UdpService(Shared(loop), "chat", [udp_socket(resources)], EchoService())
        for _ in range(100):
            service.endpoints[0].on_dropped(7)
        [record] = caplog.records
        assert record.getMessage().startswith(
            "chat: the kernel takes no answers, 7 of them dropped: see whether"
        )
        loop.now += TROUBLE_INTERVAL
        service.endpoints[0].on_dropped(7)
        assert len(caplog.records) == 2
        service.close(0.0)
