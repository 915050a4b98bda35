"""The bus as it runs: this node's part in a realm, over a stream in Redis or Valkey.

It is imported only if there is a bus. A start neither fails nor waits because of it.
"""

import logging
import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from netechod.process.bus.journal import BusJournal
from netechod.process.config.load import Loaded
from netechod.process.control.status import Gauge
from netechod.process.unix.clock import wall_clock
from netechod.reactor.bus.master import Master, Secrets
from netechod.reactor.bus.stream import StreamLog
from netechod.reactor.bus.url import Url
from netechod.reactor.loop import Callback, Loop
from netechod.services.realm.events import Event
from netechod.services.realm.realm import Realm
from netechod.services.realm.terms import Settings, Terms

STOP_PATIENCE = 1.0  # seconds in which the log takes that this node stops
NOT_YET = "not connected yet"

log = logging.getLogger(__name__)


class Bus:
    """The link of room, realm and operator.

    `on_change` is called when the status has changed, once for all that happens in a turn of the loop.
    """

    def __init__(
        self,
        loop: Loop,
        loaded: Loaded,
        tell: Callable[[bytes], object],
        has_room: Callable[[], bool],
        on_change: Callback,
    ) -> None:
        self._loop = loop
        self._on_change = on_change
        self._has_changed = False
        self._since = loop.now  # of the present state, up or down
        self._why = NOT_YET  # empty: it is up
        self._is_renamed = False  # another process has taken our name
        self._on_stopped: Callback | None = None  # set while the daemon stops
        settings = loaded.config.bus
        self.realm = Realm(
            Settings(settings.realm, settings.node or host_name(os.uname().nodename), settings.lease),
            make_epoch=_new_epoch,
            tell=tell,
            has_room=has_room,
            on_event=self._on_event,
        )
        self._take_secrets(loaded)
        master = Master(Url.parse(settings.url), self._secrets_or_problem)
        key = f"netechod:{{{settings.realm}}}:chat"
        self._log = StreamLog(loop, self.realm, master, key, settings.history)
        self._log.on_up, self._log.on_down = self._on_up, self._on_down
        self._journal = BusJournal(loop, lambda: self.realm.waiting)
        self._log.on_refused, self._log.on_taken = self._journal.refused, self._on_taken
        self.realm.attach(self._log)

    def apply(self, loaded: Loaded) -> None:
        """Take over the configuration. The next connection uses a new password."""
        chat, bus = loaded.config.chat, loaded.config.bus
        terms = Terms(max_message=chat.max_message, max_members=chat.max_members, names=bus.names)
        self.realm.configure(terms)
        self._take_secrets(loaded)

    def _take_secrets(self, loaded: Loaded) -> None:
        self._secrets = Secrets(loaded.bus_password, loaded.config.bus.ca_file)
        self._problem = loaded.bus_problem

    def restore(self, state: object) -> None:
        """Go on as the node that the process before us was."""
        try:
            self.realm.restore(state, self._loop.now)
        except ValueError as error:
            log.error("bus: the state of the process before us cannot be read, this is a new node: %s", error)
        self._log.keep_time()

    def stop(self, stopped: Callback) -> None:
        """Say that this node stops. Call `stopped` when the log has that, or after STOP_PATIENCE."""
        self.realm.stop(self._loop.now)
        self._on_stopped = stopped
        if self._log.is_up:
            self._loop.call_at(self._loop.now + STOP_PATIENCE, self._finish)
        else:
            self._finish()

    def close(self) -> None:
        """Close the connections."""
        self._log.close()

    def summary(self, members: int) -> str:
        """Return the part of the status line about other nodes, behind the number of our own members."""
        nodes = self.realm.nodes(self._loop.now)
        if not nodes:
            return ""
        return f" ({members + sum(node.members for node in nodes)} on {1 + len(nodes)} nodes)"

    def complaints(self) -> Sequence[str]:
        """Return what is wrong, a sentence each."""
        down = f"bus down for {self._loop.now - self._since:.0f} s: {self._why}"
        taken = f"bus: name taken, now {self.realm.node}"
        return [*([] if self._log.is_up else [down]), *([taken] if self._is_renamed else [])]

    def gauges(self) -> Iterable[Gauge]:
        """Return the present state in numbers."""
        nodes = self.realm.nodes(self._loop.now)
        yield Gauge("bus_up", "Whether the bus can be used.", self._log.is_up)
        yield Gauge("bus_nodes", "Other nodes of the realm.", len(nodes))
        yield Gauge("bus_members", "Members of other nodes.", sum(node.members for node in nodes))
        yield Gauge("bus_waiting", "Lines that wait for the bus.", self.realm.waiting)
        yield Gauge("bus_lag_seconds", "Seconds that a line of ours took to come back.", self.realm.lag)

    def report(self) -> Mapping[str, Any]:
        """Return the status as JSON has it."""
        realm, line = self.realm, self._log
        return {
            "state": "up" if line.is_up else "down",
            "since": self._loop.now - self._since,
            "why": "" if line.is_up else self._why,
            "server": line.server,
            "node": realm.node,
            "nodes": [
                {
                    "node": node.name,
                    "members": node.members,
                    "heard": node.silent,
                    "received": node.received,
                    "missed": node.missed,
                }
                for node in realm.nodes(self._loop.now)
            ],
            "waiting": realm.waiting,
            "lag": realm.lag,
            "counters": {
                "lines": dict(realm.counters),
                "missed": dict(realm.missed),
                "lost": dict(realm.lost),
                "refused": dict(realm.refused),
                "connects": line.connects,
                "errors": dict(line.errors),
                "appends": line.appends,
                "append_seconds": line.append_seconds,
            },
        }

    def _secrets_or_problem(self) -> Secrets:
        """Return the secrets. Raises OSError if the password cannot be read. It is called on any thread."""
        if self._problem:
            raise OSError(0, self._problem)
        return self._secrets

    def _on_up(self) -> None:
        now = self._loop.now
        self._journal.up(self._log.server, 1 + len(self.realm.nodes(now)), now - self._since)
        self._since, self._why = now, ""
        self._change()

    def _on_down(self, why: str) -> None:
        """Tell of the loss of the bus, or of another reason for it."""
        if self._why == why:
            return
        is_news = not self._why
        if is_news:
            self._since = self._loop.now
        self._journal.down(why, is_news=is_news or self._why == NOT_YET)
        self._why = why
        self._change()

    def _change(self) -> None:
        if not self._has_changed:
            self._has_changed = True
            self._loop.call_before_sleep(self._tell_change)

    def _tell_change(self) -> None:
        self._has_changed = False
        self._on_change()

    def _on_taken(self) -> None:
        if not self.realm.waiting:
            self._finish()

    def _finish(self) -> None:
        stopped, self._on_stopped = self._on_stopped, None
        if stopped is not None:
            stopped()

    def _on_event(self, event: Event) -> None:
        self._is_renamed |= event.kind == "renamed"
        self._journal.told(event)
        self._change()


def host_name(text: str) -> str:
    """Return the name of a node on the host `text`.

    >>> host_name("Web_1.example.org"), host_name("-")
    ('web-1', 'node')
    """
    first = re.sub("[^a-z0-9-]", "-", text.partition(".")[0].lower())
    return first[:32].strip("-") or "node"


def _new_epoch() -> str:
    """Return 16 hexadecimal digits: the milliseconds of the wall clock, and 5 at random."""
    return f"{round(1000 * wall_clock()):011x}{secrets.randbits(20):05x}"
