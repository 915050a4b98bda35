"""Commands, as dialogues: a request comes in, a job goes out, and what became of it goes back."""

import re
from collections.abc import Callable, Sequence
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.recorder import Recorder

from netechod.reactor.jobs.matching import first_mismatch
from netechod.services.api import Check, Ending, Job, Peer
from netechod.services.command import nonces
from netechod.services.command.service import Allowed, Audit, CommandService, Policy
from netechod.services.command.signing import LIST, PART, Part, mac_of, read_answer, request

KEYS = {"ops": b"open sesame", "guest": b"guest's own"}
ANN, EVE = ("192.0.2.1", 40001), ("203.0.113.9", 40009)
NOW = 1_700_000_000.25

COMMANDS = {
    "uptime": Allowed(("/usr/bin/uptime",)),
    "disk": Allowed(("/bin/df", "-h", "--", "{1}"), (re.compile("/(home|srv)"),), timeout=3.0),
    "login": Allowed(
        ("/bin/login", "{1}", "--with={2}", "{1}:{2}"),
        (re.compile("[a-z]+"), re.compile("(?s).+")),
        secret=frozenset({2}),
        keys=frozenset({"ops"}),
    ),
    "say": Allowed(("/bin/echo", "{1}"), (re.compile("(?s).*"),)),
}


class Site:
    """A service with its keys, its clients, and the jobs that it starts."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.wall = NOW
        self.room = 8
        self.jobs: list[Job] = []
        self.failures: list[Callable[[], object]] = []  # whose arguments do not match: soon to be told
        self.audits: list[Audit] = []
        self.warnings: list[tuple[str, str]] = []
        self.out = Recorder()
        self._ended: list[Callable[[Ending], object]] = []
        self._nonces = count()
        self.service = CommandService(
            address_of=_address_of,
            spawn=self._spawn,
            wall_clock=lambda: self.wall,
            on_audit=self.audits.append,
            on_unauthenticated=lambda address, reason: self.warnings.append((address, reason)),
        )
        self.service.configure(policy or Policy(KEYS, COMMANDS))

    def _spawn(self, job: Job, ended: Callable[[Ending], object]) -> bool:
        if len(self._ended) >= self.room:
            return False
        if failed := first_mismatch(job.checks):
            self.failures.append(lambda: ended(Ending(126, b"", 0.0, failed_check=failed)))
        else:
            self.jobs.append(job)
            self._ended.append(ended)
        return True

    def request(self, *words: str, key: str = "ops", secret: bytes = b"", later: int = 0) -> bytes:
        """A datagram with a nonce of its own."""
        seconds = int(self.wall) + later
        return request(key, secret or KEYS[key], seconds, f"{next(self._nonces):024x}", words)

    def hears(self, payload: bytes, peer: Peer = ANN, now: float = 0.0) -> list[Part]:
        """Return the parts that are sent at once. All go to the sender of the request."""
        self.service.datagrams_received([(payload, peer)], now, self.out)
        while self.failures:
            self.failures.pop()()
        return self.answers(peer)

    def asks(self, *words: str, key: str = "ops") -> list[Part]:
        return self.hears(self.request(*words, key=key))

    def ends(self, ending: Ending) -> list[Part]:
        """The job that was started first ends, and what goes back then."""
        self._ended.pop(0)(ending)
        return self.answers()

    def answers(self, peer: Peer = ANN) -> list[Part]:
        parts = []
        for verb, payload, to in self.out.take():
            [part] = [part for secret in KEYS.values() if (part := read_answer(payload, secret))]
            assert (verb, to) == ("send", peer)
            parts.append(part)
        return parts


def _address_of(peer: Peer) -> tuple[str, int]:
    assert isinstance(peer, tuple)
    return peer


@pytest.fixture
def site() -> Site:
    return Site()


def told(parts: Sequence[Part]) -> tuple[int, set[str], bytes]:
    """Status, flags and output of a whole answer."""
    assert [part.number for part in parts] == list(range(1, parts[0].parts + 1))
    return parts[0].status, set(parts[0].flags), b"".join(part.output for part in parts)


def signed(text: str) -> bytes:
    """A request whose text our own client would not make."""
    nonce = "ab" * 12
    mac = mac_of(KEYS["ops"], f"NX1|ops|{int(NOW)}|{nonce}|{text}".encode()).decode()
    return f"NX1 ops {int(NOW)} {nonce} {mac} {text}".encode()


# What is authentic, and what is allowed.


def test_a_command_is_run_and_answered_when_it_has_ended(site: Site) -> None:
    assert site.asks("disk", "/srv") == []
    checks = (Check("/(home|srv)", re.UNICODE, "/srv"),)
    assert site.jobs == [Job(("/bin/df", "-h", "--", "/srv"), 3.0, 65536, checks=checks)]
    assert told(site.ends(Ending(3, b"out\0", 0.5))) == (3, set(), b"out\0")


def test_the_answer_carries_the_request_s_nonce(site: Site) -> None:
    first, second = site.request("uptime"), site.request("uptime")
    site.hears(first)
    site.hears(second)
    assert [part.nonce for part in site.ends(Ending(0, b"", 0.0))] == [first.split()[3].decode()]
    assert [part.nonce for part in site.ends(Ending(0, b"", 0.0))] == [second.split()[3].decode()]


def test_a_long_output_comes_in_parts(site: Site) -> None:
    site.asks("uptime")
    output = bytes(range(256)) * (PART // 64)
    parts = site.ends(Ending(0, output, 0.0))
    assert len(parts) == 4
    assert told(parts) == (0, set(), output)


def test_the_flags_say_what_was_cut_and_what_was_killed(site: Site) -> None:
    site.asks("uptime")
    assert told(site.ends(Ending(137, b"x", 10.0, truncated=True, timed_out=True))) == (
        124,
        {"truncated", "timeout"},
        b"x",
    )
    site.asks("uptime")
    assert told(site.ends(Ending(0, b"x", 1.0, truncated=True))) == (0, {"truncated"}, b"x")


def test_arguments_fill_their_placeholders_and_nothing_else(site: Site) -> None:
    site.asks("login", "root", "{1} $(id) `id` ; id | id > id & \n")
    assert site.jobs[0].argv == (
        "/bin/login",
        "root",
        "--with={1} $(id) `id` ; id | id > id & \n",
        "root:{1} $(id) `id` ; id | id > id & \n",
    )


@settings(deadline=None)
@given(st.text(max_size=250))
def test_an_argument_is_one_argument_or_none(argument: str) -> None:
    site = Site()
    answers = site.asks("say", argument)
    if "\0" in argument:
        assert told(answers)[:2] == (126, {"denied"})
        assert site.jobs == []
    else:
        assert [job.argv for job in site.jobs] == [("/bin/echo", argument)]


@pytest.mark.parametrize("text", ['["say","\\ud800"]', '["say","\\u0000"]', '["say","a\\udcffb"]'])
def test_what_no_program_can_be_given_is_denied(site: Site, text: str) -> None:
    assert told(site.hears(signed(text)))[:2] == (126, {"denied"})
    assert site.jobs == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("rm",), b"no such command for this key\n"),
        (("",), b"no such command for this key\n"),
        ((LIST, "x"), b"no such command for this key\n"),
        (("uptime", "now"), b"takes 0 arguments, not 1\n"),
        (("disk",), b"takes 1 arguments, not 0\n"),
        (("disk", "/srv", "/home"), b"takes 1 arguments, not 2\n"),
        (("disk", "/etc"), b"does not take that argument 1: it has to match /(home|srv)\n"),
        (("disk", "/srv/x"), b"does not take that argument 1: it has to match /(home|srv)\n"),
        (("disk", "x/srv"), b"does not take that argument 1: it has to match /(home|srv)\n"),
        (("disk", "/srv\n"), b"does not take that argument 1: it has to match /(home|srv)\n"),
        (("disk", "/srv;id"), b"does not take that argument 1: it has to match /(home|srv)\n"),
        (("disk", "-h"), b"does not take that argument 1: it has to match /(home|srv)\n"),
        (("login", "root2", "x"), b"does not take that argument 1: it has to match [a-z]+\n"),
    ],
)
def test_what_is_not_allowed_is_denied_with_the_reason(
    site: Site, words: tuple[str, ...], why: bytes
) -> None:
    assert told(site.asks(*words)) == (126, {"denied"}, why)
    assert site.jobs == []


def test_a_key_runs_its_own_commands_and_does_not_learn_of_others(site: Site) -> None:
    unknown = told(site.asks("no-such-thing", key="guest"))
    assert told(site.asks("login", "root", "x", key="guest")) == unknown
    assert site.asks("login", "root", "x", key="ops") == []
    assert site.asks("disk", "/srv", key="guest") == []
    assert len(site.jobs) == 2


def test_a_key_can_list_its_commands(site: Site) -> None:
    assert told(site.asks(LIST)) == (
        0,
        set(),
        b"disk\t/(home|srv)\nlogin\t[a-z]+\t(?s).+\nsay\t(?s).*\nuptime\n",
    )
    assert told(site.asks(LIST, key="guest")) == (0, set(), b"disk\t/(home|srv)\nsay\t(?s).*\nuptime\n")
    assert told(Site(Policy(KEYS)).asks(LIST)) == (0, set(), b"")


def test_without_room_a_request_is_told_so(site: Site) -> None:
    site.room = 1
    site.asks("uptime")
    assert told(site.asks("uptime")) == (75, {"busy"}, b"too many commands run already, ask again later\n")
    site.ends(Ending(0, b"", 0.0))
    assert site.asks("uptime") == []
    assert len(site.jobs) == 2


# Attacks.


def test_whoever_has_no_key_hears_nothing(site: Site) -> None:
    assert site.hears(site.request("uptime", secret=b"guessed")) == []
    assert site.hears(site.request("uptime", key="guest", secret=KEYS["ops"])) == []
    assert site.hears(request("root", KEYS["ops"], int(NOW), "0" * 24, ["uptime"])) == []
    assert site.hears(b"apple") == []
    assert site.hears(b"") == []
    assert site.service.dropped == {"forged": 3, "malformed": 2}
    assert site.jobs == []
    assert site.audits == []


def test_a_replay_is_ignored_from_wherever_it_comes(site: Site) -> None:
    datagram = site.request("uptime")
    assert site.hears(datagram) == []
    assert len(site.jobs) == 1
    assert site.hears(datagram, EVE) == []
    site.ends(Ending(0, b"done", 0.1))
    assert site.hears(datagram) == []
    assert site.hears(datagram, EVE) == []
    assert len(site.jobs) == 1
    assert site.service.dropped == {"replayed": 3}


def test_who_repeats_itself_while_its_command_runs_is_no_reason_for_a_warning(site: Site) -> None:
    datagram = site.request("uptime")
    assert site.hears(datagram) == site.hears(datagram) == []
    assert (site.service.dropped, site.warnings) == ({"repeated": 1}, [])
    assert site.hears(datagram, EVE) == []
    assert (site.service.dropped, site.warnings) == ({"repeated": 1, "replayed": 1}, [(EVE[0], "replayed")])
    site.ends(Ending(0, b"", 0.1))
    assert site.hears(datagram) == []
    assert site.service.dropped == {"repeated": 1, "replayed": 2}


def test_a_request_that_was_denied_or_came_too_many_cannot_be_replayed_either(site: Site) -> None:
    site.room = 0
    denied, busy = site.request("rm"), site.request("uptime")
    assert told(site.hears(denied))[0] == 126
    assert told(site.hears(busy))[0] == 75
    site.room = 8
    assert site.hears(denied) == site.hears(busy) == []
    assert site.jobs == []


@pytest.mark.parametrize("later", [-3600, -31, 31, 3600, -1_700_000_000])
def test_a_request_out_of_time_is_ignored(site: Site, later: int) -> None:
    assert site.hears(site.request("uptime", later=later)) == []
    assert site.service.dropped == {"stale": 1}


def test_a_request_from_before_the_start_is_ignored(site: Site) -> None:
    assert site.hears(site.request("uptime", later=-1)) == []
    assert site.service.dropped == {"before-start": 1}
    assert site.hears(site.request("uptime")) == []
    assert len(site.jobs) == 1


def test_a_restart_brings_nothing_back(site: Site) -> None:
    datagram = site.request("uptime")
    site.hears(datagram)
    site.wall += 1
    successor = Site()
    successor.wall = site.wall
    successor.service = CommandService(
        address_of=_address_of,
        spawn=successor._spawn,
        wall_clock=lambda: site.wall,
        on_audit=successor.audits.append,
        on_unauthenticated=lambda address, reason: None,
    )
    successor.service.configure(Policy(KEYS, COMMANDS))
    assert successor.hears(datagram) == []
    assert successor.jobs == []


@settings(deadline=None)
@given(st.data())
def test_a_flipped_bit_anywhere_gets_silence(data: st.DataObject) -> None:
    site = Site()
    payload = bytearray(site.request("disk", "/srv"))
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert site.hears(bytes(payload)) == []
    assert site.jobs == []
    assert sum(site.service.dropped.values()) == 1


@settings(deadline=None)
@given(st.binary(max_size=1300))
def test_no_bytes_are_answered(payload: bytes) -> None:
    site = Site()
    assert site.hears(payload) == []
    assert site.jobs == []


def test_what_is_signed_and_makes_no_sense_gets_silence(site: Site) -> None:
    assert site.hears(signed("[" * 1000)) == []
    assert site.service.dropped == {"malformed": 1}


def test_without_room_for_nonces_nothing_runs(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nonces, "MAX_NONCES", 20)
    for _ in range(20):
        site.asks("rm")
    assert site.hears(site.request("uptime")) == []
    assert site.service.dropped == {"nonces-full": 1}
    site.wall += 31
    assert site.hears(site.request("uptime")) == []
    assert len(site.jobs) == 1


def test_a_flood_with_one_key_silences_no_other_key(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nonces, "MAX_NONCES", 20)
    for _ in range(21):
        site.asks("rm", key="guest")
    assert site.service.dropped == {"nonces-full": 1}
    assert site.asks("uptime", key="ops") == []
    assert len(site.jobs) == 1


def test_two_keys_may_use_the_same_nonce(site: Site) -> None:
    nonce = "ab" * 12
    for key in ("ops", "guest"):
        assert site.hears(request(key, KEYS[key], int(NOW), nonce, ["uptime"])) == []
    assert [part.nonce for part in site.ends(Ending(0, b"", 0.0)) + site.ends(Ending(0, b"", 0.0))] == [
        nonce
    ] * 2


def test_an_argument_that_is_still_being_matched_can_be_repeated(site: Site) -> None:
    datagram = site.request("disk", "/etc")
    site.service.datagrams_received([(datagram, ANN), (datagram, ANN)], 0.0, site.out)
    assert site.answers() == []
    assert site.service.dropped == {"repeated": 1}


def test_a_warning_shows_an_ipv4_address_as_such(site: Site) -> None:
    site.hears(b"apple", ("::ffff:192.0.2.9", 40001))
    assert site.warnings == [("192.0.2.9", "malformed")]


def test_a_batch_is_handled_one_by_one(site: Site) -> None:
    batch = [(b"apple", EVE), (site.request("rm"), ANN), (site.request("uptime"), ANN)]
    site.service.datagrams_received(batch, 0.0, site.out)
    assert told(site.answers())[:2] == (126, {"denied"})
    assert len(site.jobs) == 1


# What the operator hears of it.


def test_every_authenticated_request_is_told_when_it_is_answered(site: Site) -> None:
    site.asks("disk", "/srv")
    assert site.audits == []
    site.ends(Ending(137, b"12345", 3.0, truncated=True, timed_out=True))
    site.asks("rm", "-rf", "/")
    site.asks("disk", "/etc")
    assert site.audits == [
        Audit(ANN, "ops", "disk", ["/srv"], 124, ("truncated", "timeout"), 3.0, 5, has_run=True),
        Audit(ANN, "ops", "rm", [], 126, ("denied",), 0.0, 29),
        Audit(ANN, "ops", "disk", ["/etc"], 126, ("denied",), 0.0, 59),
    ]


def test_a_secret_argument_is_told_to_nobody(site: Site) -> None:
    site.asks("login", "root", "sesame")
    site.asks("login", "ROOT", "sesame")
    site.asks("login", "sesame")
    site.asks("login", "root", "sesame", key="guest")
    site.ends(Ending(0, b"", 0.0))
    assert [list(audit.arguments) for audit in site.audits] == [["ROOT", "***"], [], [], ["root", "***"]]


def test_the_counters_say_what_became_of_requests(site: Site) -> None:
    site.room = 1
    site.asks("uptime")
    site.asks("uptime")
    site.asks("rm")
    site.asks(LIST)
    site.ends(Ending(137, b"", 1.0, timed_out=True))
    assert site.service.counters == {"ran": 1, "timed_out": 1, "denied": 1, "busy": 1}


def test_who_is_not_authenticated_is_told_of_once_a_minute(site: Site) -> None:
    for now in (0.0, 1.0, 59.0):
        site.hears(b"apple", EVE, now)
        site.hears(b"apple", ANN, now)
    assert site.warnings == [(EVE[0], "malformed"), (ANN[0], "malformed")]
    site.hears(site.request("uptime", secret=b"x"), EVE, 60.0)
    assert site.warnings[2:] == [(EVE[0], "forged")]


# Changes while it runs.


def test_another_policy_holds_at_once_and_what_runs_is_answered_all_the_same(site: Site) -> None:
    site.asks("uptime", key="guest")
    site.service.configure(Policy({"ops": KEYS["ops"]}, {"say": COMMANDS["say"]}, window=5, max_output=10))
    assert told(site.ends(Ending(0, b"still here", 1.0))) == (0, set(), b"still here")
    assert site.asks("uptime", key="guest") == []
    assert told(site.asks("disk", "/srv"))[0] == 126
    assert site.hears(site.request("say", "x", later=6)) == []
    assert site.service.dropped == {"forged": 1, "stale": 1}
    site.asks("say", "x")
    assert site.jobs[-1].max_output == 10


def test_it_keeps_no_time_of_its_own(site: Site) -> None:
    assert site.service.next_deadline() is None
    site.service.deadline_reached(0.0, site.out)
    assert site.answers() == []


def test_it_knows_until_when_a_clock_that_is_set_back_has_requests_refused() -> None:
    site = Site()
    assert site.service.refused_before == int(NOW)
    for seconds in (100, 200):
        site.wall = NOW + seconds
        site.asks("uptime")
    assert site.service.refused_before == int(NOW) + 101
