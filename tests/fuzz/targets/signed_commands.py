"""Signed commands: whatever comes, what is run is what the operator allows; and the key file."""

import json
import os
import re
from collections.abc import Callable

from fuzz.feed import Feed
from fuzz.target import STEPS, scratch, target
from support.characters import is_harmless
from support.recorder import Recorder

from netechod.file_access import parse_acl
from netechod.key_file import KeyFileError, read_keys
from netechod.reactor.jobs.matching import first_mismatch
from netechod.services.api import Ending, Job
from netechod.services.command.service import Allowed, Audit, CommandService, Policy
from netechod.services.command.signing import answer, mac_of, read_answer, read_request

KEYS = {"ops": b"open sesame", "guest": b"guest's own"}
COMMANDS = {
    "uptime": Allowed(("/bin/uptime",)),
    "disk": Allowed(("/bin/df", "--", "{1}"), (re.compile("/(home|srv)"),)),
    "say": Allowed(
        ("/bin/echo", "{1}:{2}", "{2}"), (re.compile("(?s).*"), re.compile("[a-z]*")), keys=frozenset({"ops"})
    ),
}
START, WINDOW = 1_700_000_000, 30
PEER = ("192.0.2.1", 4000)


class Site:
    """A command service, and a model of what it may take."""

    def __init__(self) -> None:
        self.wall = START
        self.jobs: list[tuple[Job, Callable[[Ending], object]]] = []
        self.audits: list[Audit] = []
        self.out = Recorder()
        self.seen: dict[tuple[str, str], int] = {}  # the second of each key's nonce that was taken
        self.service = CommandService(
            address_of=lambda peer: PEER,
            spawn=self._spawn,
            wall_clock=lambda: float(self.wall),
            on_audit=self.audits.append,
            on_unauthenticated=lambda address, reason: None,
        )
        self.service.configure(Policy(KEYS, COMMANDS, window=WINDOW))

    def _spawn(self, job: Job, done: Callable[[Ending], object]) -> bool:
        self.jobs.append((job, done))
        return True

    def hears(self, payload: bytes) -> list[bytes]:
        """What it answers at once."""
        self.service.datagrams_received([(payload, PEER)], 0.0, self.out)
        return [text for _, text, _ in self.out.take()]

    def takes(self, key: str, nonce: str, seconds: int) -> bool:
        """Whether an authentic request is fresh, and its nonce has not been seen; it is from now on."""
        fresh = abs(seconds - self.wall) <= WINDOW and seconds >= START
        if not fresh or self.seen.get((key, nonce), 0) >= self.wall - WINDOW:
            return False
        self.seen[key, nonce] = seconds
        return True


def allowed(key: str, text: bytes) -> tuple[str, ...] | None:
    """What is to be run for a text, if anything is."""
    try:
        name, *arguments = json.loads(text)
        command = COMMANDS[name]
        fits = all(map(re.Pattern.fullmatch, command.parameters, arguments))
        is_text = b"\0" not in "".join(arguments).encode()
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    is_theirs = not command.keys or key in command.keys
    if len(arguments) != len(command.parameters) or not (fits and is_text and is_theirs):
        return None
    filled = {f"{{{number}}}": argument for number, argument in enumerate(arguments, 1)}
    parts = (re.split(r"(\{\d\})", part) for part in command.argv)
    return tuple("".join(filled.get(str(piece), str(piece)) for piece in pieces) for pieces in parts)


WORDS = (
    *(b'["uptime"]', b'["disk","/srv"]', b'["say","; rm -rf /","ab"]', b'["say","{2}","x"]', b'["?"]', b"["),
    *(b'"\\ud800"', b'"\\u0000"', b'","', b"/home\\n", b"NX1 ops 1700000000 "),
)


@target(WORDS, largest=STEPS)
def signed_command(feed: Feed) -> None:
    """Authentic or not, fresh or not, allowed or not: what is run and answered is what a model says."""
    site, heard = Site(), 0
    while feed:
        heard += 1
        site.wall += feed.pick([0, 0, 1, 20, 31])
        key, seconds = (
            feed.pick(list(KEYS)),
            site.wall + feed.pick([0, 0, 0, -1, WINDOW, -WINDOW, WINDOW + 1, -99]),
        )
        nonce = f"{feed.number(3):024x}"
        text = feed.pick([*WORDS[:5], feed.piece(60)])
        signed = f"NX1|{key}|{seconds}|{nonce}|".encode() + text
        mac = mac_of(feed.pick([KEYS[key], KEYS[key], KEYS[key], b"another"]), signed)
        payload = f"NX1 {key} {seconds} {nonce} ".encode() + mac + b" " + text
        is_authentic = bool(text) and mac == mac_of(KEYS[key], signed)
        if not feed.number(7):
            payload, is_authentic = changed(payload, feed)
        answers = site.hears(payload)
        if not is_authentic or not site.takes(key, nonce, seconds):
            assert (answers, site.jobs) == ([], [])
            continue
        expect(site, key, nonce, text, answers)
    assert site.service.dropped.total() + len(site.audits) == heard


def changed(payload: bytes, feed: Feed) -> tuple[bytes, bool]:
    """The same but for one byte, which makes it worth nothing."""
    place = feed.number(len(payload) - 1)
    return payload[:place] + bytes([payload[place] ^ (1 + feed.number(254))]) + payload[place + 1 :], False


def expect(site: Site, key: str, nonce: str, text: bytes, answers: list[bytes]) -> None:
    """What becomes of a request that is taken."""
    argv = allowed(key, text)
    if site.jobs:
        [(job, done)] = site.jobs
        assert answers == []
        assert job.argv == (argv or job.argv)
        site.jobs.clear()
        failed = first_mismatch(job.checks)
        done(Ending(126, b"", 0.0, failed_check=failed) if failed else Ending(7, b"output" * 500, 0.1))
        answers = [told for _, told, _ in site.out.take()]
    assert site.jobs == []
    parts = [read_answer(told, KEYS[key]) for told in answers]
    assert all(part is not None and part.nonce == nonce for part in parts)
    output = b"".join(part.output for part in parts if part)
    assert (output == b"output" * 500) == (argv is not None)


@target([b"NX1 ", b"-", b"truncated,timeout", b"\n", b"1/1"])
def signed_answer(feed: Feed) -> None:
    """Nothing but what the holder of the key has made is an answer; nor is anything else a request."""
    flags = feed.pick([[], ["denied"], ["truncated", "timeout"]])
    output, nonce = feed.piece(255) * feed.number(20), f"{feed.number(255):024x}"
    made = answer(b"secret", nonce, feed.number(255), flags, output)
    parts = [read_answer(told, b"secret") for told in made]
    assert b"".join(part.output for part in parts if part) == output
    assert [(part.number, part.parts) for part in parts if part] == [
        (number, len(made)) for number in range(1, len(made) + 1)
    ]
    assert read_answer(made[0], b"another") is None
    assert read_answer(changed(made[-1], feed)[0], b"secret") is None
    payload = feed.rest()
    assert read_answer(payload, b"secret") is None
    request = read_request(payload)
    assert request is None or not request.is_signed_with(b"secret")


@target([b"ops open-sesame\n", b"# ", b"\r\n", b"guest ", b"\0", b"\xff", "\u2028".encode(), b"UPPER x\n"])
def key_file(feed: Feed) -> None:
    """A key file has keys, or there is a sentence that says in which line it is wrong, and no secret."""
    path, content = scratch() / "keys", feed.rest()
    path.touch(0o600)
    path.write_bytes(content)
    try:
        keys = read_keys(path, {os.geteuid()})
    except KeyFileError as error:
        assert is_harmless(str(error))
        assert not any(
            len(word) > 12 and word in str(error) for word in content.decode(errors="ignore").split()
        )
    else:
        assert keys
        assert all(re.fullmatch("[a-z0-9-]{1,32}", key_id) and secret for key_id, secret in keys.items())


@target([b"\2\0\0\0" + b"\1\0\6\0\xff\xff\xff\xff", b"\2\0\4\0\7\0\0\0", b"\x10\0\0\0\xff\xff\xff\xff"])
def access_list(feed: Feed) -> None:
    """An access list of a file: whatever it says, it is understood, or taken to grant everything to all."""
    text = feed.rest()
    grants = list(parse_acl(text, 99))
    whole = len(text) >= 4 and len(text) % 8 == 4 and text[:4] == b"\2\0\0\0"
    assert whole or [str(grant) for grant in grants] == ["others"]
    assert len(grants) <= max(1, len(text) // 8)
