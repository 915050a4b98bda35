"""TCP echo with gevent: a greenlet for every connection."""

from gevent import socket
from gevent.server import StreamServer


def echo(sock: socket.socket, address: tuple[str, int]) -> None:
    """Serve one connection, in the style of blocking code."""
    with sock:
        while data := sock.recv(65536):
            sock.sendall(data)


if __name__ == "__main__":
    StreamServer(socket.socket(fileno=3), echo).serve_forever()
