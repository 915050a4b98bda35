"""Named commands for those who hold a key. Nobody else gets an answer, and nobody gets a shell.

A request is authenticated before anything in it is believed, runs at most once, and can only choose among
what the operator has named; its arguments have to match expressions of the operator's, each as a whole, and
become arguments, whatever characters they have.
"""

import re
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from netechod.services.api import Datagram, Ending, Job, Outbox, Peer
from netechod.services.nonces import NonceCache
from netechod.services.reminder import Reminder
from netechod.services.signing import (
    BUSY,
    DENIED,
    LIST,
    TIMEOUT,
    TRUNCATED,
    Request,
    answer,
    read_request,
)

DENIED_STATUS, TIMEOUT_STATUS, BUSY_STATUS = 126, 124, 75  # as env(1), timeout(1) and sysexits.h have them

PLACEHOLDER = re.compile(r"\{([1-9][0-9]{0,3})\}")
"""What stands in a command's argv for an argument of the request, counted from 1."""


@dataclass(frozen=True)
class Allowed:
    """One command: what is run, what its arguments have to match, and which keys may run it (none: all)."""

    argv: Sequence[str]
    parameters: Sequence[re.Pattern[str]] = ()
    secret: frozenset[int] = frozenset()  # numbers of the parameters that no log shows, from 1
    keys: frozenset[str] = frozenset()
    timeout: float = 10.0  # seconds

    def is_for(self, key_id: str) -> bool:
        """Whether the holder of that key may run it."""
        return not self.keys or key_id in self.keys

    def objection(self, arguments: Sequence[str]) -> str | None:
        """Why these arguments are not taken, in words; None when they are."""
        if len(arguments) != len(self.parameters):
            return f"takes {len(self.parameters)} arguments, not {len(arguments)}"
        for number, (argument, parameter) in enumerate(zip(arguments, self.parameters, strict=True), 1):
            if not parameter.fullmatch(argument) or not _can_be_passed(argument):
                return f"does not take that argument {number}: it has to match {parameter.pattern}"
        return None

    def filled(self, arguments: Sequence[str]) -> tuple[str, ...]:
        """The argv with the arguments in place of its placeholders."""
        return tuple(PLACEHOLDER.sub(lambda found: arguments[int(found[1]) - 1], part) for part in self.argv)

    def shown(self, arguments: Sequence[str]) -> list[str]:
        """The arguments for a log. None of a wrong number of them: nobody knows which are secret."""
        if len(arguments) != len(self.parameters):
            return []
        return ["***" if number in self.secret else text for number, text in enumerate(arguments, 1)]


@dataclass(frozen=True)
class Policy:
    """Who may run what, replaced whole: secrets by key id, commands by name, seconds, bytes."""

    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    commands: Mapping[str, Allowed] = field(default_factory=dict)
    window: int = 30
    max_output: int = 65536


@dataclass(frozen=True)
class Audit:
    """What became of one authenticated request."""

    peer: Peer
    key_id: str
    name: str
    arguments: Sequence[str]
    status: int = 0
    flags: Sequence[str] = ()
    seconds: float = 0.0
    size: int = 0  # bytes of output that were sent


class CommandService:
    """Checks requests, has their commands run, and answers when these have ended.

    `spawn(job, done)` runs a job, or returns False when there is no room; `on_audit` is told of every
    authenticated request, `on_unauthenticated(address, reason)` of the others, once a source and minute.
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
        self._nobody = secrets.token_bytes(32)  # the secret of those who have none
        self._nonces = NonceCache(wall_clock())
        self._reminder = Reminder()
        self._waiting: dict[str, Peer] = {}  # who waits for the end of a command, by nonce
        self.counters: Counter[str] = Counter(ran=0, timed_out=0, denied=0, busy=0)  # what became of requests
        self.dropped: Counter[str] = Counter()  # what was not answered, by reason
        self.configure(Policy())

    def configure(self, policy: Policy) -> None:
        """Judge by another policy from now on; what runs already goes on."""
        self._policy = policy
        self._nonces.window = policy.window

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """Answer what is authenticated, sooner or later; be silent to all else."""
        for payload, peer in batch:
            request = read_request(payload)
            if request is None:
                self._ignore("malformed", peer, now)
                continue
            reason = self._flaw_of(request)
            words = None if reason else request.words()
            if reason == "replayed" and self._waiting.get(request.nonce) == peer:
                self.dropped["repeated"] += 1  # by a client that does not know whether it was heard
            elif words is None:
                self._ignore(reason or "malformed", peer, now)
            else:
                self._decide(request, words, peer, out)

    def next_deadline(self) -> float | None:
        """See DatagramService. The jobs have clocks of their own."""
        return None

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """See DatagramService."""

    def _flaw_of(self, request: Request) -> str | None:
        """Why a request is not authentic or not fresh; it is remembered if it is both.

        An unknown key id takes as long as a wrong mac: silence must not tell one from the other.
        """
        if not request.is_signed_with(self._policy.keys.get(request.key_id, self._nobody)):
            return "forged"
        return self._nonces.refusal(request.nonce, request.seconds, self._wall_clock())

    def _ignore(self, reason: str, peer: Peer, now: float) -> None:
        self.dropped[reason] += 1
        address, _ = self._address_of(peer)
        if self._reminder.is_due(address, now):
            self._on_unauthenticated(address, reason)

    def _decide(self, request: Request, words: Sequence[str], peer: Peer, out: Outbox) -> None:
        """Run the command, or say why not."""
        name, *arguments = words
        allowed = self._policy.commands.get(name)
        if allowed is not None and not allowed.is_for(request.key_id):
            allowed = None  # nobody learns what others may do
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
            job = Job(allowed.filled(arguments), allowed.timeout, self._policy.max_output)
            if self._spawn(job, partial(self._ended, asker)):
                self._waiting[request.nonce] = peer
            else:
                self.counters["busy"] += 1
                asker.answer(BUSY_STATUS, (BUSY,), b"too many commands run already, ask again later\n")

    def _deny(self, asker: "_Asker", why: str) -> None:
        self.counters["denied"] += 1
        asker.answer(DENIED_STATUS, (DENIED,), f"{why}\n".encode())

    def _ended(self, asker: "_Asker", ending: Ending) -> None:
        """A command has ended, or was ended."""
        del self._waiting[asker.nonce]
        self.counters["ran"] += 1
        self.counters["timed_out"] += ending.timed_out
        flags = [flag for flag, said in ((TRUNCATED, ending.truncated), (TIMEOUT, ending.timed_out)) if said]
        status = TIMEOUT_STATUS if ending.timed_out else ending.status
        asker.answer(status, flags, ending.output, ending.seconds)

    def _listed(self, key_id: str) -> bytes:
        """The commands for a key, a line each: the name and what its arguments have to match, by tabs."""
        return "".join(
            "\t".join([name, *(parameter.pattern for parameter in allowed.parameters)]) + "\n"
            for name, allowed in sorted(self._policy.commands.items())
            if allowed.is_for(key_id)
        ).encode()


@dataclass(frozen=True)
class _Asker:
    """Who waits for an answer, and how it is made: also after the key has been taken away."""

    out: Outbox
    secret: bytes = field(repr=False)
    nonce: str
    audit: Audit
    on_audit: Callable[[Audit], object]

    def answer(self, status: int, flags: Sequence[str], output: bytes, seconds: float = 0.0) -> None:
        """Send the answer in as many parts as it takes, and tell the operator."""
        parts = answer(self.secret, self.nonce, status, flags, output)
        self.out.send_all([(part, self.audit.peer) for part in parts])
        told = replace(self.audit, status=status, flags=tuple(flags), seconds=seconds, size=len(output))
        self.on_audit(told)


def _can_be_passed(argument: str) -> bool:
    """Whether a program can get it: it is text, which JSON strings need not be, and has no end in itself."""
    try:
        return b"\0" not in argument.encode()
    except UnicodeEncodeError:
        return False
