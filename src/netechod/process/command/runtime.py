"""The command service as it runs: its policy, its audit log, and the process that runs its commands."""

import json
import logging
from collections.abc import Mapping

from netechod.process.clock import wall_clock
from netechod.process.command.helper import Limits, helper_argv
from netechod.process.config.schema import Command, Config
from netechod.process.config.values import expression
from netechod.process.log.format import quoted
from netechod.reactor.event_log import EventLog
from netechod.reactor.jobs.runner import Runner
from netechod.reactor.loop import Callback, Loop
from netechod.services.admission.admission import AddressOf
from netechod.services.command.service import Allowed, Audit, CommandService, Policy
from netechod.services.command.signing import DENIED
from netechod.services.wire import display_name

PAUSE = 0.01  # seconds between two looks at requests: each takes long, and a flood must not stop the others

log = logging.getLogger(__name__)


class Commands:
    """Everything of the command service but its sockets."""

    def __init__(self, loop: Loop, config: Config, address_of: AddressOf) -> None:
        self._address_of = address_of
        # What has run is always told; the runner starts few programs a second. The rest could be a flood.
        self._log = EventLog(loop, "command", request="requests without a program")
        self._runner = Runner(loop, helper_argv(_limits(config.command)), on_lost=_on_lost)
        self.service = CommandService(
            address_of=address_of,
            spawn=self._runner.spawn,
            wall_clock=wall_clock,
            on_audit=self._on_audit,
            on_unauthenticated=_on_unauthenticated,
        )

    @property
    def running(self) -> int:
        """Return the number of commands that run."""
        return self._runner.running

    def configure(self, config: Config, keys: Mapping[str, bytes]) -> None:
        """Judge by other keys and another allow-list from now on."""
        self._runner.max_running = config.command.max_running
        self.service.configure(build_policy(config.command, keys))
        log.info("commands allowed=%d keys=%d", len(config.command.allow), len(keys))

    def drain(self, drained: Callback) -> None:
        """Run no more commands, and call `drained` when the last one has ended."""
        self._runner.drain(drained)

    def close(self) -> None:
        """End what still runs, and answer its askers."""
        self._runner.close()

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


def _on_unauthenticated(address: str, reason: str) -> None:
    fields = {"event": "drop", "service": "command", "peer": address}
    log.warning("command ignores requests from %s: %s", address, reason, extra=fields)


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
