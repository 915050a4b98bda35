"""DICT sessions on a real server: a client that floods or does not read costs the others nothing."""

import socket

from support.dictionaries import BANNER, edition_of, server_of
from support.looping import SMALL, FakeClock, TcpBench, push, receive_exactly, receive_rest, turn

from netechod.reactor.loop import Loop
from netechod.reactor.tcp.api import StreamService
from netechod.reactor.tcp.server import TcpServer
from netechod.services.dict.server import DictServer
from netechod.services.dict.session import PIECE, DictSession

DEFINE = b"DEFINE main apple\r\n"
TEXT = "apple\r\n  苹果\r\n.\r\n"
ANSWER = f'150 1 definitions retrieved\r\n151 "apple" main "The \'main\' words"\r\n{TEXT}250 ok\r\n'
EDITION = edition_of("apple:苹果\n")
READ_SIZE = 16 * 1024


def serve(tcp: TcpBench, dictionary: DictServer) -> TcpServer:
    service = StreamService(
        "dict",
        lambda wake: DictSession(dictionary, BANNER),
        READ_SIZE,
        denied=b"530 no\r\n",
        busy=b"420 no\r\n",
    )
    return tcp.serve(service=service)


def greeted(tcp: TcpBench, server: TcpServer, buffers: int = 0) -> socket.socket:
    """A client that has read the banner."""
    client = tcp.connected(server, buffers=buffers)
    assert receive_exactly(tcp.loop, client, len(BANNER)) == BANNER
    return client


def test_a_client_waits_few_turns_beside_others_that_flood_and_do_not_read(tcp: TcpBench, loop: Loop) -> None:
    server = serve(tcp, server_of(EDITION))
    flooders = [greeted(tcp, server, SMALL) for _ in range(8)]
    for flooder in flooders:
        flooder.send(DEFINE * 400)
    client = greeted(tcp, server)
    client.send(DEFINE)
    turn(loop, 3)
    assert client.recv(65536) == ANSWER.encode()
    turn(loop, 500)
    for connection in server.connections:
        assert connection.bytes_in <= 2 * READ_SIZE
        assert len(connection._unsent or b"") < 2 * PIECE  # type: ignore[attr-defined]


def test_thousands_of_commands_are_answered_in_order_up_to_the_end(tcp: TcpBench, loop: Loop) -> None:
    dictionary = server_of(EDITION)
    server = serve(tcp, dictionary)
    client = greeted(tcp, server)
    commands = DEFINE * 500 + b"match main suffix e\r\nstatus\r\n"
    push(loop, client, commands)
    client.shutdown(socket.SHUT_WR)
    heard = receive_rest(loop, client).decode()
    assert heard.startswith(ANSWER * 500)
    assert heard.endswith("210 status: 500 defined, 1 matched\r\n")


def test_what_is_behind_quit_does_not_cost_its_answer(tcp: TcpBench, loop: Loop) -> None:
    server = serve(tcp, server_of(EDITION))
    client = greeted(tcp, server)
    push(loop, client, b"quit\r\n" + DEFINE * 2000)
    assert receive_rest(loop, client) == b"221 bye\r\n"


def test_searches_of_many_clients_share_the_turns(tcp: TcpBench, loop: Loop, clock: FakeClock) -> None:
    edition = edition_of("".join(f"{number:06}:x\n" for number in range(20_000)))
    list(edition.heads())  # sorted
    dictionary = server_of(edition)
    server = serve(tcp, dictionary)
    clients = [greeted(tcp, server) for _ in range(10)]
    for client in clients:
        client.send(b"match main suffix x\r\n")
    for client in clients:
        assert receive_exactly(loop, client, len(b"552 no match\r\n")) == b"552 no match\r\n"
    assert dictionary.scans == 0
    assert dictionary.counters["scans"] == 10
