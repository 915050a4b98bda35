"""UDP echo and dictionary as the textbooks have it: select, one `recvfrom`, one `sendto`, again.

python -m scripts.lib.bench.peers.recvfrom_peer echo-udp|dictionary [DICTIONARY]
"""

import selectors
import socket
import sys
from pathlib import Path

from scripts.lib.bench.words import MISS, load_words, text_of


def main(service: str, dictionary: str = "") -> None:
    """Serve until killed."""
    words = load_words(Path(dictionary)) if service == "dictionary" else {}
    with socket.socket(fileno=3) as sock, selectors.DefaultSelector() as selector:
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ)
        while True:
            selector.select()
            data, address = sock.recvfrom(65536)
            sock.sendto(words.get(text_of(data), MISS) if words else data, address)


if __name__ == "__main__":
    main(*sys.argv[1:])
