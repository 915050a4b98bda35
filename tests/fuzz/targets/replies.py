"""Replies of a server of the bus, and the URL that names it."""

from contextlib import suppress

from fuzz.feed import Feed
from fuzz.target import STEPS, target

from netechod.reactor.bus.replies import entries_of, found_in
from netechod.reactor.bus.resp import LONG, NotRespError, Parser, Reply, ReplyError
from netechod.reactor.bus.url import Url
from netechod.services.realm.log import EntryId

WORDS = [b"*2\r\n", b"$1\r\n", b"$-1\r\n", b"+OK\r\n", b":1\r\n", b"-ERR\r\n", b"*-1\r\n", b"\r\n", b"1-0"]


@target(words=WORDS, largest=STEPS)
def bus_replies(feed: Feed) -> None:
    """A frugal parser reads what the plain one reads, however it is cut; replies are read or refused."""
    text = feed.piece(STEPS)
    plain: list[Reply] = []
    whole = Parser()
    with suppress(NotRespError):
        plain.extend(whole.replies(text))
    frugal = Parser(frugal=True)
    cut: list[Reply] = []
    with suppress(NotRespError):
        while text:
            size = 1 + feed.number(min(len(text), LONG) - 1)
            cut.extend(frugal.replies(text[:size]))
            text = text[size:]
    for one, other in zip(plain, cut, strict=False):
        assert isinstance(one, ReplyError) or isinstance(other, ReplyError) or one == other
    for reply in plain:
        with suppress(ValueError):
            assert all(isinstance(at, EntryId) for at, _ in entries_of(reply))
        with suppress(ValueError, TypeError, KeyError):
            found_in(reply if isinstance(reply, list) else [])


@target(words=[b"redis://", b"rediss://", b"unix://", b"+sentinel", b"@", b":", b"/", b",", b"[::1]"])
def bus_urls(feed: Feed) -> None:
    """A URL is read, or refused by a sentence that does not quote it."""
    text = feed.piece(1000).decode(errors="replace")
    try:
        url = Url.parse(text)
    except ValueError as error:
        assert str(error).startswith("must ")
        return
    assert url.path.startswith("/") or url.servers
    assert all(host and 0 < port < 1 << 16 for host, port in url.servers)
