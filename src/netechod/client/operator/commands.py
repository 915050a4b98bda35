"""The commands of `netechoctl`: each sends a request to the daemon, and shows the answer."""

import os
import select
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from netechod.client.errors import ClientError
from netechod.client.operator.control import NotRunningError, Target
from netechod.client.operator.screens import (
    database_lines,
    diff_lines,
    member_lines,
    reload_lines,
    session_lines,
    status_lines,
)
from netechod.client.terminal.output import put, put_bytes, put_json
from netechod.client.terminal.text import decoded
from netechod.errors import DictionaryError
from netechod.regular_file import open_regular
from netechod.services.dictionary.memory_parser import DictionaryParser
from netechod.services.dictionary.parser import Rules
from netechod.services.dictionary.service import dump_lines
from netechod.services.dictionary.tabfile import is_tabfile
from netechod.services.wire import escape_controls

RELOAD_TIMEOUT = 600.0  # seconds: three million words take a few
STOP_TIMEOUT = 120.0  # seconds; the daemon's own drain timeout ends earlier
NOT_RUNNING = 3  # what init scripts exit with for "program is not running" (LSB 5.0, 22.2)
BLOCK = 1 << 20  # bytes of a file that are read at once
CLEAR = "\x1b[H\x1b[2J"  # cursor home, erase the screen (ECMA-48, 8.3.21 and 8.3.39)


def status(daemon: Target, as_json: bool, database: str | None = None) -> int:
    """Show what the daemon is doing. Raises NotRunningError with an exit status of its own.

    With the name of a `database`, no other dictionary is shown.
    """
    try:
        answer = daemon.ask("status")
    except NotRunningError as error:
        error.exit_code = NOT_RUNNING
        raise
    if database is not None:
        answer["databases"] = [_described(answer.get("databases", ()), database)]
        answer["dictionary"] = answer["databases"][0]
    if as_json:
        put_json({**daemon.label, **answer})
    else:
        put(_screen(status_lines(answer)))
    return 0


def watch(daemon: Target, interval: float) -> int:
    """Show the status again and again, until interrupted."""
    with suppress(KeyboardInterrupt):
        while True:
            screen = _screen(status_lines(daemon.ask("status")))
            put(f"{CLEAR}{screen}" if sys.stdout.isatty() else f"{screen}\n")
            select.select((), (), (), interval)
    return 0


def reload(daemon: Target, as_json: bool) -> int:
    """Reload, wait for it, and show what has changed. If anything has failed, raise ClientError."""
    outcome = daemon.ask("reload", usual=RELOAD_TIMEOUT)
    if as_json:
        put_json({**daemon.label, **outcome})
    else:
        put(_screen(reload_lines(outcome)))
    if troubles := outcome.get("troubles"):  # a daemon of version 0.1.0 does not tell
        raise ClientError("; ".join(troubles))
    return 0


def members(daemon: Target, as_json: bool) -> int:
    """Show the members of the chat."""
    answer: Sequence[Mapping[str, Any]] = daemon.ask("members")
    if as_json:
        for member in answer:
            put_json(member)
    else:
        put(_screen(member_lines(answer)))
    return 0


def sessions(daemon: Target, as_json: bool) -> int:
    """Show who measures with the STAMP reflector."""
    answer: Sequence[Mapping[str, Any]] = daemon.ask("sessions")
    if as_json:
        for session in answer:
            put_json(session)
    else:
        put(_screen(session_lines(answer)))
    return 0


def tell(daemon: Target, *words: str) -> int:
    """Have something done that has no answer to show."""
    daemon.ask(*words)
    return 0


def stop(daemon: Target) -> int:
    """Stop the daemon, and wait until it has exited."""
    pid = daemon.ask("status")["pid"]
    patience = daemon.patience(STOP_TIMEOUT)
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        raise ClientError(
            f"no process {pid} to wait for", "is the daemon in a container? ask there"
        ) from None
    try:
        daemon.ask("stop")
        ended, _, _ = select.select([descriptor], (), (), patience)
    finally:
        os.close(descriptor)
    if not ended:
        raise ClientError(f"netechod (pid {pid}) still runs after {patience:g} s", f"kill -INT {pid}")
    return 0


def _described(databases: Iterable[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """Return the status of the dictionary with this name. Raises ClientError if there is none."""
    known = {each["name"]: each for each in databases}
    try:
        return known[name]
    except KeyError:
        raise ClientError(f"no dictionary is named {name}", f"there are: {', '.join(known)}") from None


def metrics(daemon: Target, database: str | None = None) -> int:
    """Show every counter as OpenMetrics text, or the lines about one dictionary."""
    for block in daemon.dump("metrics"):
        lines = block.splitlines(keepends=True)
        wanted = b"" if database is None else f'{{database="{database}"}}'.encode()
        put_bytes(b"".join(line for line in lines if wanted in line))
    return 0


def dict_list(daemon: Target, as_json: bool) -> int:
    """Show the dictionaries in use, in the order in which they are asked."""
    databases = daemon.ask("dict-list")
    if as_json:
        for each in databases:
            put_json(each)
    else:
        put(_screen(database_lines(databases)))
    return 0


def dict_dump(daemon: Target, database: str | None = None) -> int:
    """Show the entries of a dictionary as lines `key#value`, as they come."""
    for block in _dump_of(daemon, database):
        put(decoded(block))
    return 0


def _dump_of(daemon: Target, database: str | None = None) -> Iterator[bytes]:
    return daemon.dump("dict-dump", *(() if database is None else (database,)))


def dict_match(daemon: Target, strategy: str, word: str, database: str | None = None) -> int:
    """Show the words that are like a word, each behind the name of its dictionary; return 1 for none."""
    found = False
    for block in daemon.dump("dict-match", strategy, word, *(() if database is None else (database,))):
        found = True
        put(decoded(block))
    return int(not found)


def dict_lookup(daemon: Target, words: Sequence[str], database: str | None = None) -> int:
    """Show the whole value of each word; return 1 if one is missing."""
    missing = 0
    where = ("dict-lookup",) if database is None else ("dict-lookup-in", database)
    for word in words:  # one request each: the daemon limits the length of a request
        value = daemon.ask(*where, word)[word]
        if value is not None:
            put(f"{escape_controls(word)}\t{escape_controls(value)}\n")
        else:
            missing += 1
            print(f"netechoctl: {word!r} is not in the dictionary", file=sys.stderr)
    return int(missing > 0)


def dict_diff(daemon: Target, file: Path, database: str | None = None) -> int:
    """Show what a reload from `file` would change; return 1 if anything would, as diff(1) does."""
    used = b"".join(_dump_of(daemon, database)).decode().split("\n")[:-1]
    changes = list(diff_lines(used, _dumped(file)))
    put(_screen(changes))
    return int(bool(changes))


def _dumped(file: Path) -> list[str]:
    """Return the entries of a dictionary file as the daemon would dump them.

    Only dumps can be compared: `c##音名`, made of `c#` and `音名`, cannot be taken apart again.
    """
    parser = DictionaryParser(str(file), Rules(format="tsv" if is_tabfile(file.name) else "lines"))
    try:
        with os.fdopen(open_regular(file), "rb") as opened:
            while block := opened.read(BLOCK):
                parser.feed(block)
        edition = parser.finish()
    except OSError as error:
        raise ClientError(f"{file}: {error.strerror}") from None
    except DictionaryError as error:
        raise ClientError(str(error)) from None
    return list(dump_lines(edition))


def _screen(lines: Iterable[str]) -> str:
    """Join lines, with control characters escaped."""
    return "".join(f"{escape_controls(line)}\n" for line in lines)
