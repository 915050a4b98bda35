"""The configuration: whatever a file or the command line says, it is loaded or every problem is reported."""

import re
from pathlib import Path

from fuzz.feed import Feed
from fuzz.target import STEPS, scratch, target
from support.characters import is_harmless

from netechod.errors import ConfigError
from netechod.process.config.dump import dump
from netechod.process.config.load import load
from netechod.process.config.schema import KEYS as NAMES

KEYS = [key.encode() for key in NAMES]
FILE = Path("netechod.toml")
VALUES = (
    b" = ",
    b"true",
    b"3",
    b"1.5",
    b"1e999",
    b"-0",
    b"nan",
    b"1979-05-27",
    b"0x1_0",
    b'"64KiB"',
    b"'select'",
    b'["[::]:8080", "127.0.0.1:0"]',
    b'["10.0.0.0/8"]',
    b"{a = 1}",
    b"'''",
    b'"""',
    b"\\u0000",
    b"[[",
    b"]\n",
    b"[command.allow.x]\nargv = ['a']\n",
    b"\n[",
    b"#",
    b"\r\n",
    b"\xef\xbb\xbf",
)
SEEDS = (
    b"[chat]\nidle_timeout = 30\nlisten = ['127.0.0.1:0']\n[command.allow.x]\nargv = ['/bin/true', '{1}']\n",
    b"[echo.tcp]\nmax_connections = 3\n[access]\ndeny = ['192.0.2.0/24']\nrate = 1.5\n",
    b'dictionary.max_size = \'1GiB\'\ndictionary.unknown = """\n?\\\n"""\nlog.format = \'xml\'\n',
)
# Of these problems nobody can say in which line they are.
NOWHERE = ("begins with a byte order mark", "nested too deeply", "too many digits")


@target([*KEYS, *VALUES], SEEDS, largest=STEPS)
def configuration(feed: Feed) -> None:
    """A file is loaded, and its dump loads to the same; or every problem is told with its line."""
    data = feed.rest()
    (scratch() / FILE).write_bytes(data)
    try:
        loaded = load(FILE, base=scratch())
    except ConfigError as error:
        for problem in problems(error, str(FILE)):
            told = re.match(rf"error: {FILE}:(\d+): .", problem)
            assert told or any(known in problem for known in NOWHERE), problem
            assert told is None or 1 <= int(told[1]) <= 1 + data.count(b"\n")
        return
    (scratch() / FILE).write_text(dump(loaded), encoding="utf-8")
    assert load(FILE, base=scratch()).config == loaded.config


@target(
    [*KEYS, *VALUES, b"="], [b"chat.idle_timeout=30", b"chat.listen=127.0.0.1:0", b'"a.b".c=1'], largest=STEPS
)
def overrides(feed: Feed) -> None:
    """What `--set` says is taken, or every problem is told."""
    given = [text for text in feed.text().split("\n\n") if "\0" not in text]
    try:
        loaded = load(None, given, scratch())
    except ConfigError as error:
        for problem in problems(error, "command line"):
            assert problem.startswith("error: --set "), problem
        return
    (scratch() / FILE).write_text(dump(loaded), encoding="utf-8")
    assert load(FILE, base=scratch()).config == loaded.config


def problems(error: ConfigError, source: str) -> list[str]:
    """Return the first line of each problem shown. The report counts them all, and can be shown."""
    lines = str(error).split("\n")
    assert all(map(is_harmless, lines))
    found = [line for line in lines if line.startswith("error: ")]
    hidden = re.fullmatch(r"error: (\d+) more errors are not shown", found[-1])
    number = len(found) - 1 + int(hidden[1]) if hidden else len(found)
    count = f"{number} error{'s' * (number != 1)}"
    assert lines[-1] == f"{source}: {count}; the configuration was not applied"
    assert error.summary() == "; ".join(problem.removeprefix("error: ") for problem in found)
    return found[:-1] if hidden else found
