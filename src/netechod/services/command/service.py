"""Named commands for the holders of keys. Requests without a valid key get no answer. No shell is involved.

A request is authenticated first. It runs at most once, and can only choose among the commands that the
operator has named. Its arguments have to match the operator's regular expressions. The process that runs the
command checks that: a match may take long, and this service must not block.
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
from netechod.services.command.placeholder import filled
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


@dataclass(frozen=True)
class Allowed:
    """One command: its program, the expressions for its arguments, and the keys that may run it."""

    argv: Sequence[str]
    parameters: Sequence[re.Pattern[str]] = ()
    secret: frozenset[int] = frozenset()  # numbers, from 1, of the arguments that are not logged
    keys: frozenset[str] = frozenset()  # empty: all keys
    timeout: float = 10.0  # seconds

    def is_for(self, key_id: str) -> bool:
        """Return whether the holder of the key may run it."""
        return not self.keys or key_id in self.keys

    def objection(self, arguments: Sequence[str]) -> str | None:
        """Return what is wrong with these arguments, apart from the expressions; None if they are right."""
        if len(arguments) != len(self.parameters):
            return f"takes {len(self.parameters)} arguments, not {len(arguments)}"
        for number, argument in enumerate(arguments, 1):
            if not _can_be_passed(argument):
                return self.refusal(number)
        return None

    def refusal(self, number: int) -> str:
        """Return the text for the argument with this number, from 1, that does not match."""
        pattern = self.parameters[number - 1].pattern
        return f"does not take that argument {number}: it has to match {pattern}"

    def checks(self, arguments: Sequence[str]) -> tuple[Check, ...]:
        """Return the checks that have to hold before the command is run."""
        pairs = zip(self.parameters, arguments, strict=True)
        return tuple(Check(parameter.pattern, parameter.flags, argument) for parameter, argument in pairs)

    def filled(self, arguments: Sequence[str]) -> tuple[str, ...]:
        """Return the argv with the arguments in place of its placeholders."""
        return filled(self.argv, arguments)

    def shown(self, arguments: Sequence[str]) -> list[str]:
        """Return the arguments for a log. If their number is wrong, return none: any may be a secret."""
        if len(arguments) != len(self.parameters):
            return []
        return ["***" if number in self.secret else text for number, text in enumerate(arguments, 1)]


@dataclass(frozen=True)
class Policy:
    """The keys' secrets by id, the commands by name, and limits. A reload replaces it as a whole."""

    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    commands: Mapping[str, Allowed] = field(default_factory=dict)
    window: int = 30  # seconds
    max_output: int = 65536  # bytes


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
    has_run: bool = False  # a program was started for it


class CommandService:
    """Checks requests, has their commands run, and answers when these have ended.

    `spawn(job, finished)` starts a job and calls `finished` at its end. It returns False if too many jobs
    run. `on_audit` is called for every authenticated request. `on_unauthenticated(address, reason)` is called
    for other requests, once per source and minute.
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
        self._nobody = secrets.token_bytes(32)  # stands for the secret of unknown keys
        self._started = wall_clock()
        self._nonces: dict[str, NonceCache] = {}  # by key id: a flood with one key does not affect the others
        self._throttle = SourceThrottle()
        self._waiting: dict[tuple[str, str], Peer] = {}  # senders of running requests, by key id and nonce
        self.counters: Counter[str] = Counter(ran=0, timed_out=0, denied=0, busy=0)  # outcomes of requests
        self.dropped: Counter[str] = Counter()  # requests without an answer, by reason
        self.configure(Policy())

    def configure(self, policy: Policy) -> None:
        """Use another policy from now on. Running commands go on."""
        self._policy = policy
        for cache in self._nonces.values():
            cache.window = policy.window

    @property
    def refused_before(self) -> int:
        """The second, since the epoch, before which the requests of a key are refused. It lies in the past,
        unless the clock is set back."""
        return max([int(self._started), *(cache.refused_before for cache in self._nonces.values())])

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """Handle requests. Answers to commands follow when they have ended."""
        for payload, peer in batch:
            request = read_request(payload)
            if request is None:
                self._ignore("malformed", peer, now)
                continue
            reason = self._refusal(request)
            words = None if reason else request.words()
            if reason == "replayed" and self._waiting.get((request.key_id, request.nonce)) == peer:
                self.dropped["repeated"] += 1  # the client repeats its request until it gets the answer
            elif words is None:
                self._ignore(reason or "malformed", peer, now)
            else:
                self._decide(request, words, peer, out)

    def next_deadline(self) -> float | None:
        """See DatagramService. There are no deadlines: jobs have timers of their own."""
        return None

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """See DatagramService."""

    def _refusal(self, request: Request) -> str | None:
        """Return why a request is refused. If it is authentic and fresh, remember it and return None.

        The check of an unknown key id takes as long as that of a wrong mac: the time must not reveal which
        it was.
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
        """Run the command, or answer why not."""
        name, *arguments = words
        allowed = self._policy.commands.get(name)
        if allowed is not None and not allowed.is_for(request.key_id):
            allowed = None  # a key must not learn about the commands of others
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
        """Answer the request of a job that has ended, was killed, or whose arguments do not match."""
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
        """Return the commands for a key, one a line: the name and the expressions, separated by tabs."""
        return "".join(
            "\t".join([name, *(parameter.pattern for parameter in allowed.parameters)]) + "\n"
            for name, allowed in sorted(self._policy.commands.items())
            if allowed.is_for(key_id)
        ).encode()


@dataclass(frozen=True)
class _Asker:
    """The sender of a request, with everything for the answer. A reload may remove the key meanwhile."""

    out: Outbox
    secret: bytes = field(repr=False)
    nonce: str
    audit: Audit
    on_audit: Callable[[Audit], object]

    def answer(self, status: int, flags: Sequence[str], output: bytes, ending: Ending | None = None) -> None:
        """Send the answer in parts, and report the audit. `ending` is that of the job, if one has run."""
        parts = answer(self.secret, self.nonce, status, flags, output)
        self.out.send_all([(part, self.audit.peer) for part in parts])
        audit = replace(self.audit, status=status, flags=tuple(flags), size=len(output))
        if ending is not None:
            audit = replace(audit, seconds=ending.seconds, has_run=True)
        self.on_audit(audit)


def _can_be_passed(argument: str) -> bool:
    """Return whether a program can get the argument: it has no NUL and, unlike JSON, no lone surrogate."""
    try:
        return b"\0" not in argument.encode()
    except UnicodeEncodeError:
        return False
