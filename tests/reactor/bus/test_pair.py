"""Two connections that live and die together: what the log's own tests do not reach."""

from support.looping import turn

from netechod.reactor.bus.dialogue import LinkError
from netechod.reactor.bus.master import Master, Secrets
from netechod.reactor.bus.pair import Owner, Pair
from netechod.reactor.bus.url import Url
from netechod.reactor.loop import Loop


def test_without_connections_nobody_is_woken_or_lost(loop: Loop) -> None:
    told: list[object] = []
    owner = Owner(lambda: iter(()), lambda: iter(()), told.append, lambda: None, told.append)  # type: ignore[arg-type, return-value]
    pair = Pair(loop, Master(Url.parse("unix:///nonexistent"), Secrets), owner)
    pair.wake_reader()
    pair.wake_writer()
    pair.lose(LinkError("nobody is there", "test"))
    pair.close()
    turn(loop, 3)
    assert told == []
