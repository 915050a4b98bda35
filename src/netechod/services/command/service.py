"""Named commands for those who hold a key. Nobody else gets an answer, and nobody gets a shell.

A request is authenticated before anything in it is believed, runs at most once, and can only choose among the
commands that the operator has named. Its arguments have to match the operator's regular expressions. That is
checked where the command runs: an expression may take very long for some argument, and here nobody may wait.
"""

import re
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from netechod.services.admission.log_throttle import SourceThrottle
from netechod.services.api import Check, Datagram, Ending, Job, Outbox, Peer
from netechod.services.command.nonces import NonceCache
from netechod.services.command.signing import (
    BUSY,
    DENIED,
    LIST,
    TIMEOUT,
    TRUNCATED,
    Request,
    answer,
    read_request,
)
from netechod.services.wire import unmapped

DENIED_STATUS, TIMEOUT_STATUS, BUSY_STATUS = 126, 124, 75  # as env(1), timeout(1) and sysexits.h have them

PLACEHOLDER = re.compile(r"\{([1-9][0-9]{0,3})\}")
"""The place of an argument of the request in a command's argv, counted from 1."""


@dataclass(frozen=True)
class Allowed:
    """One command: its program, expressions for its arguments, and the keys that may run it (none: all)."""

    argv: Sequence[str]
    parameters: Sequence[re.Pattern[str]] = ()
    secret: frozenset[int] = frozenset()  # numbers, from 1, of the arguments that no log shows
    keys: frozenset[str] = frozenset()
    timeout: float = 10.0  # seconds

    def is_for(self, key_id: str) -> bool:
        """Return whether the holder of that key may run it."""
        return not self.keys or key_id in self.keys

    def objection(self, arguments: Sequence[str]) -> str | None:
        """Say what is wrong with these arguments before they are matched; None if nothing is."""
        if len(arguments) != len(self.parameters):
            return f"takes {len(self.parameters)} arguments, not {len(arguments)}"
        for number, argument in enumerate(arguments, 1):
            if not _can_be_passed(argument):
                return self.refusal(number)
        return None

    def refusal(self, number: int) -> str:
        """Say that the argument with this number, from 1, is not taken."""
        pattern = self.parameters[number - 1].pattern
        return f"does not take that argument {number}: it has to match {pattern}"

    def checks(self, arguments: Sequence[str]) -> tuple[Check, ...]:
        """Return what has to hold before the command is run."""
        pairs = zip(self.parameters, arguments, strict=True)
        return tuple(Check(parameter.pattern, parameter.flags, argument) for parameter, argument in pairs)

    def filled(self, arguments: Sequence[str]) -> tuple[str, ...]:
        """Return the argv with the arguments in place of its placeholders."""
        return tuple(PLACEHOLDER.sub(lambda found: arguments[int(found[1]) - 1], part) for part in self.argv)

    def shown(self, arguments: Sequence[str]) -> list[str]:
        """Return the arguments for a log; none if their number is wrong: any may be a secret then."""
        if len(arguments) != len(self.parameters):
            return []
        return ["***" if number in self.secret else text for number, text in enumerate(arguments, 1)]


@dataclass(frozen=True)
class Policy:
    """The keys' secrets by id, the commands by name, seconds and bytes. A reload replaces it whole."""

    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    commands: Mapping[str, Allowed] = field(default_factory=dict)
    window: int = 30
    max_output: int = 65536


@dataclass(frozen=True)
class Audit:
    """The outcome of one authenticated request."""

    peer: Peer
    key_id: str
    name: str
    arguments: Sequence[str]
    status: int = 0
    flags: Sequence[str] = ()
    seconds: float = 0.0
    size: int = 0  # bytes of output that were sent
    has_run: bool = False  # whether a program was started for it


class CommandService:
    """Check requests, have their commands run, and answer when these have ended.

    `spawn(job, done)` runs a job, or returns False when there is no room. `on_audit` is called for every
    authenticated request, `on_unauthenticated(address, reason)` for the others, once per source and minute.
    """

    def __init__(
        self,
        *,
        address_of: Callable[[Peer], tuple[str, int]],
        spawn: Callable[[Job, Callable[[Ending], object]], bool],
        wall_clock: Callable[[], float],
        on_audit: Callable[[Audit], object],
        on_unauthenticated: Callable[[str, str], object],
    ) -> None:
        self._address_of = address_of
        self._spawn = spawn
        self._wall_clock = wall_clock
        self._on_audit = on_audit
        self._on_unauthenticated = on_unauthenticated
        self._nobody = secrets.token_bytes(32)  # the secret of unknown keys
        self._started = wall_clock()
        self._nonces: dict[str, NonceCache] = {}  # by key id: one key's flood silences no other key
        self._throttle = SourceThrottle()
        self._waiting: dict[tuple[str, str], Peer] = {}  # the askers of running commands, by key id and nonce
        self.counters: Counter[str] = Counter(ran=0, timed_out=0, denied=0, busy=0)  # outcomes of requests
        self.dropped: Counter[str] = Counter()  # requests without an answer, by reason
        self.configure(Policy())

    def configure(self, policy: Policy) -> None:
        """Judge by another policy from now on. Commands that run already go on."""
        self._policy = policy
        for cache in self._nonces.values():
            cache.window = policy.window

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """Answer authenticated requests, sooner or later, and nothing else."""
        for payload, peer in batch:
            request = read_request(payload)
            if request is None:
                self._ignore("malformed", peer, now)
                continue
            reason = self._refusal(request)
            words = None if reason else request.words()
            if reason == "replayed" and self._waiting.get((request.key_id, request.nonce)) == peer:
                self.dropped["repeated"] += 1  # the client does not know whether it was heard
            elif words is None:
                self._ignore(reason or "malformed", peer, now)
            else:
                self._decide(request, words, peer, out)

    def next_deadline(self) -> float | None:
        """See DatagramService. The jobs have clocks of their own."""
        return None

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """See DatagramService."""

    def _refusal(self, request: Request) -> str | None:
        """Say why a request is not authentic or not fresh. If it is both, it is remembered.

        An unknown key id takes as long as a wrong mac: the time must not tell one from the other.
        """
        if not request.is_signed_with(self._policy.keys.get(request.key_id, self._nobody)):
            return "forged"
        if request.key_id not in self._nonces:
            self._nonces[request.key_id] = NonceCache(self._started, self._policy.window)
        return self._nonces[request.key_id].refusal(request.nonce, request.seconds, self._wall_clock())

    def _ignore(self, reason: str, peer: Peer, now: float) -> None:
        self.dropped[reason] += 1
        address, _ = self._address_of(peer)
        if self._throttle.admits(address, now):
            self._on_unauthenticated(unmapped(address), reason)

    def _decide(self, request: Request, words: Sequence[str], peer: Peer, out: Outbox) -> None:
        """Run the command, or say why not."""
        name, *arguments = words
        allowed = self._policy.commands.get(name)
        if allowed is not None and not allowed.is_for(request.key_id):
            allowed = None  # nobody learns what other keys may do
        shown = allowed.shown(arguments) if allowed else []
        audit = Audit(peer, request.key_id, name, shown)
        asker = _Asker(out, self._policy.keys[request.key_id], request.nonce, audit, self._on_audit)
        if words == [LIST]:
            asker.answer(0, (), self._listed(request.key_id))
        elif allowed is None:
            self._deny(asker, "no such command for this key")
        elif objection := allowed.objection(arguments):
            self._deny(asker, objection)
        else:
            argv, max_output = allowed.filled(arguments), self._policy.max_output
            job = Job(argv, allowed.timeout, max_output, checks=allowed.checks(arguments))
            if self._spawn(job, partial(self._ended, asker, allowed)):
                self._waiting[request.key_id, request.nonce] = peer
            else:
                self.counters["busy"] += 1
                asker.answer(BUSY_STATUS, (BUSY,), b"too many commands run already, ask again later\n")

    def _deny(self, asker: "_Asker", why: str) -> None:
        self.counters["denied"] += 1
        asker.answer(DENIED_STATUS, (DENIED,), f"{why}\n".encode())

    def _ended(self, asker: "_Asker", allowed: Allowed, ending: Ending) -> None:
        """Answer whoever waits for a job: it has ended, or was killed, or its arguments do not match."""
        del self._waiting[asker.audit.key_id, asker.nonce]
        if ending.failed_check:
            self._deny(asker, allowed.refusal(ending.failed_check))
            return
        self.counters["ran"] += 1
        self.counters["timed_out"] += ending.timed_out
        flags = [flag for flag, said in ((TRUNCATED, ending.truncated), (TIMEOUT, ending.timed_out)) if said]
        status = TIMEOUT_STATUS if ending.timed_out else ending.status
        asker.answer(status, flags, ending.output, ending)

    def _listed(self, key_id: str) -> bytes:
        """Return the commands for a key, a line each: the name and the expressions, separated by tabs."""
        return "".join(
            "\t".join([name, *(parameter.pattern for parameter in allowed.parameters)]) + "\n"
            for name, allowed in sorted(self._policy.commands.items())
            if allowed.is_for(key_id)
        ).encode()


@dataclass(frozen=True)
class _Asker:
    """The sender of a request, and all that its answer needs, even if a reload has removed the key."""

    out: Outbox
    secret: bytes = field(repr=False)
    nonce: str
    audit: Audit
    on_audit: Callable[[Audit], object]

    def answer(self, status: int, flags: Sequence[str], output: bytes, ending: Ending | None = None) -> None:
        """Send the answer in as many parts as it takes, and tell the operator. `ending`: of what has run."""
        parts = answer(self.secret, self.nonce, status, flags, output)
        self.out.send_all([(part, self.audit.peer) for part in parts])
        audit = replace(self.audit, status=status, flags=tuple(flags), size=len(output))
        if ending is not None:
            audit = replace(audit, seconds=ending.seconds, has_run=True)
        self.on_audit(audit)


def _can_be_passed(argument: str) -> bool:
    """Return whether a program can get it: it has no NUL, and no lone surrogate as JSON strings may have."""
    try:
        return b"\0" not in argument.encode()
    except UnicodeEncodeError:
        return False
