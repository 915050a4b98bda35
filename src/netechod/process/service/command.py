"""Remote commands as they run: the service, its policy, its audit log, and the process that runs them."""

import json
import logging
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from netechod.process.command.helper import Limits, helper_argv
from netechod.process.config.schema import Command, Config
from netechod.process.config.values import expression
from netechod.process.control.status import Gauge
from netechod.process.log.format import quoted
from netechod.process.service.datagrams import UdpService, address_of_peers
from netechod.process.service.running import Context, Settings
from netechod.process.unix.clock import await_next_second, dated, wall_clock
from netechod.process.unix.handover import Outgoing
from netechod.reactor.event_log import EventLog
from netechod.reactor.jobs.runner import Runner
from netechod.services.command.service import Allowed, Audit, CommandService, Policy
from netechod.services.command.signing import DENIED
from netechod.services.wire import display_name

PAUSE = 0.01  # seconds between two looks at requests: each takes long, and a flood must not stop the others

log = logging.getLogger(__name__)


class Service(UdpService):
    """The policy, the audit log, and the process that runs the commands."""

    def __init__(self, context: Context, socks: Sequence[socket.socket]) -> None:
        self._address_of = address_of_peers(grouped=False)
        # A command that has run is always told; the runner starts few a second. The rest could be a flood.
        self._log = EventLog(context.loop, "command", request="requests without a program")
        limits = helper_argv(_limits(context.loaded.config.command))
        self._runner = Runner(context.loop, limits, on_lost=_on_lost)
        self._commands = CommandService(
            address_of=self._address_of,
            spawn=self._runner.spawn,
            wall_clock=wall_clock,
            on_audit=self._on_audit,
            on_unauthenticated=self._on_unauthenticated,
        )
        super().__init__(context.datagrams, "command", socks, self._commands)
        self.gather(PAUSE)

    @classmethod
    def prepare(cls, config: Config) -> None:
        """See RunningService: no request that an earlier process has run can be replayed to us."""
        await_next_second()

    def apply(self, settings: Settings) -> None:
        """Judge by other keys and another allow-list from now on. A signed request may have any answer."""
        self.admission.configure(settings.rules, rationed=False)
        command, keys = settings.loaded.config.command, settings.loaded.keys
        self._runner.max_running = command.max_running
        self._commands.configure(build_policy(command, keys))
        log.info("commands allowed=%d keys=%d", len(command.allow), len(keys))

    def counters(self) -> Mapping[str, int]:
        """See RunningService."""
        return {**super().counters(), **self._commands.counters}

    def gauges(self) -> Iterable[Gauge]:
        """See RunningService."""
        yield Gauge("commands_running", "Commands that run now.", self._runner.running)

    def report(self) -> Mapping[str, Any]:
        """See RunningService."""
        return {"commands": self._runner.running}

    def summary(self) -> str:
        """See RunningService."""
        return f"{self._runner.running} commands running"

    def complaints(self) -> Sequence[str]:
        """See RunningService: a clock that is set back has all commands refused."""
        until = self._commands.refused_before
        if wall_clock() >= until:
            return ()
        return [
            f"signed commands are refused until {dated(until)}, because they date from before the start of "
            "the daemon: when the clock is right, restart the daemon (systemctl restart netechod)"
        ]

    def drain(self, drained: Callable[[], object], left: Outgoing | None) -> None:
        """See RunningService: commands that run may end."""
        self._runner.drain(drained)

    def close(self, until: float) -> None:
        """See RunningService: commands are ended, and their askers answered."""
        self._runner.close()
        super().close(until)

    def _on_unauthenticated(self, address: str, reason: str) -> None:
        why = "; ".join([reason, *self.complaints()])
        fields = {"event": "drop", "service": "command", "peer": address}
        log.warning("command ignores requests from %s: %s", address, why, extra=fields)

    def _on_audit(self, audit: Audit) -> None:
        """Write a line about an authenticated request, unless there are too many of them."""
        level = logging.INFO if audit.has_run else self._log.noted("request")
        if not level:
            return
        if level == logging.INFO and DENIED in audit.flags:
            level = logging.WARNING
        name = display_name(*self._address_of(audit.peer))
        arguments = json.dumps(list(audit.arguments), ensure_ascii=False)
        self._log.say(
            level, "command", name,
            "command %s %s key=%s status=%d flags=%s seconds=%.3f bytes=%d arguments=%s",
            quoted(audit.name), name, audit.key_id, audit.status, ",".join(audit.flags) or "-",
            audit.seconds, audit.size, quoted(arguments),
        )  # fmt: skip


def _on_lost(why: str) -> None:
    fields = {"event": "helper-lost", "service": "command"}
    log.error("no process to run commands, the next request starts another one: %s", why, extra=fields)


def build_policy(command: Command, keys: Mapping[str, bytes]) -> Policy:
    """Make the policy that is configured."""
    commands = {
        name: Allowed(
            argv=allowed.argv,
            parameters=tuple(map(expression, allowed.parameters)),
            secret=frozenset(allowed.secret),
            keys=frozenset(allowed.keys),
            timeout=allowed.timeout or command.timeout,
        )
        for name, allowed in command.allow.items()
    }
    return Policy(keys, commands, window=command.window, max_output=command.max_output)


def _limits(command: Command) -> Limits:
    return Limits(command.max_memory, command.max_file_size, command.max_processes)
