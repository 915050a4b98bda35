"""DICT sessions: whatever comes, every answer is one of the protocol, in bounded pieces."""

import re

from fuzz.feed import Feed
from fuzz.target import STEPS, target
from support.dictionaries import BANNER, WORDS, edition_of, server_of

from netechod.services.dict.session import MAX_COMMAND, MAX_REFUSED, PIECE, DictSession

EDITION = edition_of(WORDS)
CODES = {110, 111, 112, 113, 114, 150, 151, 152, 210, 221, 250, 421, 500, 501, 502, 550, 551, 552}
TEXTS = {110, 111, 112, 113, 114, 151, 152}  # codes behind whose line a text follows
STATUS = re.compile(rb"([1-5][0-9][0-9]) [^\r\n]*\Z")


@target(
    words=[
        *(b"DEFINE ", b"match ", b"SHOW ", b"DB", b"STRAT", b"INFO ", b"SERVER", b"OPTION MIME", b"client "),
        *(b"HELP", b"STATUS", b"QUIT", b"AUTH a b", b"\r\n", b"\n", b"\0", b"\t", b'"', b"'", b"\\"),
        *(b"* ", b"! ", b"main ", b"two ", b". ", b"exact ", b"prefix ", b"suffix ", b"substring ", b"word "),
        *(b"first ", b"last ", b"lev ", b"apple", b"say", b"essen", "苹果".encode(), b"x" * MAX_COMMAND),
    ],
    seeds=[
        b'client "dict 1.13.0/rf on Linux"\r\ndefine * "apple"\r\nmatch * . "aple"\r\nquit\r\n',
        b"CLIENT libcurl\r\nDEFINE main \\\xe8\\\x8b\\\xb9\\\xe6\\\x9e\\\x9c\r\nQUIT\r\n",
        b"define * \"say \"hi\"\"\r\nDEFINE * 'don'\\''t'\r\n\n\0show db\r\noption mime\r\nhelp\r\n",
    ],
    largest=4 * STEPS,
)
def dict_session(feed: Feed) -> None:
    """Commands in any pieces get whole answers, in bounded pieces and memory, and nothing after the last."""
    session = DictSession(server_of(EDITION, EDITION), BANNER)
    said = bytearray()
    while feed and not session.ended:
        data = feed.piece(255) if feed.number(3) else feed.piece(16_384)
        piece: bytes | None = session.data_received(memoryview(data))
        while piece is not None:
            assert len(piece) < 2 * PIECE
            said += piece
            piece = None if session.ended else session.more()
        assert session.ended or len(session._begun) <= MAX_COMMAND + 1
        assert session._server.scans == 0
    check(bytes(said))
    assert session.ended == bytes(said).endswith((b"221 bye\r\n", b"421 too many errors\r\n"))


def check(said: bytes) -> None:
    """Every line is a status, or belongs to the text behind one."""
    refused = 0
    *lines, rest = said.split(b"\r\n")
    assert rest == b""
    left = iter(lines)
    for line in left:
        status = STATUS.match(line)
        assert status is not None, line
        code = int(status[1])
        assert code in CODES
        refused = refused + 1 if code in (500, 501) else refused if code == 421 else 0
        assert refused <= MAX_REFUSED + 1
        if code in TEXTS:
            for text_line in left:
                assert len(text_line.decode()) <= 1022
                assert b"\n" not in text_line
                if text_line == b".":
                    break
