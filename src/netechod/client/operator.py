"""The operator's commands: what `netechoctl` asks the daemon, and how it shows the answers."""

import os
import select
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from netechod.client.control import NotRunningError, ask, dump
from netechod.client.net import ClientError
from netechod.client.operator_screens import (
    diff_lines,
    member_lines,
    reload_lines,
    status_lines,
)
from netechod.client.screen import put, put_bytes, put_json
from netechod.errors import DictionaryError
from netechod.services.dictionary import DictionaryParser
from netechod.services.wire import harmless

RELOAD_TIMEOUT = 600.0  # seconds: three million words take a few
STOP_TIMEOUT = 120.0  # seconds; the daemon's own drain timeout ends earlier
NOT_RUNNING = 3  # what init scripts exit with for "program is not running" (LSB 5.0, 22.2)


def status(path: Path, as_json: bool) -> int:
    """Show what the daemon is doing; the exit status says whether it runs."""
    try:
        answer = ask(path, "status")
    except NotRunningError as error:
        put(f"netechod is not running: {error}\n")
        return NOT_RUNNING
    if as_json:
        put_json(answer)
    else:
        _show(status_lines(answer))
    return 0


def watch(path: Path, interval: float) -> int:
    """Show the status again and again, until interrupted."""
    with suppress(KeyboardInterrupt):
        while True:
            screen = "\n".join(status_lines(ask(path, "status")))
            put(f"\x1b[H\x1b[2J{screen}\n" if sys.stdout.isatty() else f"{screen}\n\n")
            select.select((), (), (), interval)
    return 0


def reload(path: Path, as_json: bool) -> int:
    """Reload, wait for it, and show what has changed. A reload that failed raises."""
    outcome = ask(path, "reload", timeout=RELOAD_TIMEOUT)
    if as_json:
        put_json(outcome)
    else:
        _show(reload_lines(outcome))
    return 0


def members(path: Path, as_json: bool) -> int:
    """Show who is online in the chat."""
    answer = ask(path, "members")
    if as_json:
        for member in answer:
            put_json(member)
    else:
        _show(member_lines(answer))
    return 0


def tell(path: Path, *words: str) -> int:
    """Have something done of which there is nothing to show."""
    ask(path, *words)
    return 0


def stop(path: Path) -> int:
    """Stop the daemon and wait until it has gone."""
    pid = ask(path, "status")["pid"]
    descriptor = os.pidfd_open(pid)
    try:
        ask(path, "stop")
        ended, _, _ = select.select([descriptor], (), (), STOP_TIMEOUT)
    finally:
        os.close(descriptor)
    if not ended:
        raise ClientError(f"netechod (pid {pid}) still runs after {STOP_TIMEOUT:g} s", f"kill -INT {pid}")
    return 0


def show(path: Path, *words: str) -> int:
    """Show a long text as it comes: `dict-dump` has an entry a line, `key#value`, `metrics` OpenMetrics."""
    for line in dump(path, *words):
        put_bytes(line)
    return 0


def dict_lookup(path: Path, words: Sequence[str]) -> int:
    """Show the whole value of each word, without the limits of the wire; 1 when one is missing."""
    found = ask(path, "dict-lookup", *words)
    for word, value in found.items():
        if value is not None:
            put(f"{word}\t{harmless(value)}\n")
        else:
            print(f"netechoctl: {word!r} is not in the dictionary", file=sys.stderr)
    return int(None in found.values())


def dict_diff(path: Path, file: Path) -> int:
    """Show what a reload from `file` would change, as diff(1) does: 1 when anything would."""
    used = dict(_entries(dump(path, "dict-dump")))
    changes = list(diff_lines(used, _parsed(file)))
    _show(changes)
    return int(bool(changes))


def _entries(lines: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    for line in lines:
        word, _, meaning = line.decode().removesuffix("\n").partition("#")
        yield word, meaning


def _parsed(file: Path) -> dict[str, str]:
    """The entries of a dictionary file, as the daemon would load them."""
    parser = DictionaryParser(str(file))
    try:
        parser.feed(file.read_bytes())
        edition = parser.finish()
    except OSError as error:
        raise ClientError(f"{file}: {error.strerror}") from None
    except DictionaryError as error:
        raise ClientError(str(error)) from None
    return {word.decode(): meaning.decode() for word, meaning in edition.entries.items()}


def _show(lines: Sequence[str] | Iterator[str]) -> None:
    for line in lines:
        put(f"{harmless(line)}\n")
