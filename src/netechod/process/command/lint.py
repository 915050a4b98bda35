"""Warnings about allow-lists that let through more than their author may have meant, for `netechod --check`.

Nothing here is wrong by itself: the author may know why. But most break-ins through command runners began
with an expression that matched more than it seemed to.
"""

import re
import shutil
import stat
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePath

from netechod.key_file import WEAK
from netechod.process.config.load import Loaded
from netechod.process.config.schema import AllowedCommand
from netechod.process.config.values import expression
from netechod.reactor.jobs.children import ENVIRONMENT
from netechod.services.command.service import PLACEHOLDER
from netechod.services.wire import escape_controls

SHELLS = re.compile("(?:|a|ba|c|da|fi|k|mk|pw|rba|tc|z)sh|busybox")
INTERPRETERS = re.compile("awk|expect|gawk|lua|mawk|node|perl|php|python|ruby|sed|tclsh")
PROXIES = re.compile(  # programs that run another program, which their arguments name
    "chroot|doas|env|flock|ionice|nice|nohup|runuser|setpriv|setsid|su|sudo|taskset|timeout|xargs"
)

ANYTHING = ("x", "x y", "x;y", "$(x)", "../x", "-x")  # an expression for all of these matches anything
OPTIONS = ("-", "-x", "-1", "--", "--x", "--x=y", "-x=/y")

_CLASS = re.compile(r"\[(?!\^)(?:\\.|[^]\\])*\]")  # a set of characters
_WIDE = re.compile(r"(?:\.|\\[SDW]|\[\^(?:\\.|[^]\\])*\])[*+{]")  # any number of almost any characters
_SINGLE = re.compile(r"\\[^SDW]")
_NESTED = re.compile(r"\((?:[^()]|\([^()]*\))*(?:[*+]|\{\d*,\d*\})[^()]*\)(?:[*+]|\{\d*,\d*\})")  # as (a+)+


def doubts(loaded: Loaded) -> Iterator[str]:
    """Yield a line for each doubt, `warning: FILE:LINE: KEY: what may come of it`."""
    command = loaded.config.command
    if not command.enabled:
        return
    if not command.allow:
        yield _line(loaded, "command.allow", "is empty: there is nothing to run")
    for key_id, secret in loaded.keys.items():
        if len(secret) < WEAK:
            doubt = (
                f"the secret of {key_id} is short and can be guessed: openssl rand -hex 32 makes a good one"
            )
            yield _line(loaded, "command.key_file", doubt)
    for name, allowed in command.allow.items():
        for key, doubt in _doubts_of(allowed, loaded.keys):
            yield _line(loaded, f"command.allow.{name}.{key}", doubt)


def _line(loaded: Loaded, key: str, doubt: str) -> str:
    origin = loaded.origins.get(key.partition("[")[0], "default")
    return escape_controls(f"warning: {origin}: {key}: {doubt}")


def _doubts_of(allowed: AllowedCommand, keys: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the doubts about one command, each with its key."""
    for number, text in enumerate(allowed.parameters):
        if doubt := _doubt_of_parameter(text, f"{{{number + 1}}}", allowed.argv):
            yield f"parameters[{number}]", doubt
    for key_id in allowed.keys:
        if key_id not in keys:
            yield "keys", f"{key_id} is in no line of command.key_file"
    for doubt in (_doubt_of_program(allowed.argv[0]), _doubt_of_argv(allowed.argv)):
        if doubt:
            yield "argv", doubt


def _doubt_of_parameter(text: str, placeholder: str, argv: Sequence[str]) -> str:
    """Say what an expression lets through, or that its argument is not used at all."""
    places = [place for place, word in enumerate(argv) if placeholder in word]
    pattern = expression(text)
    if not places:
        return f"argv has no {placeholder}: the argument is thrown away"
    if not text:
        return "is empty: nothing but an empty argument matches it"
    if all(map(pattern.fullmatch, ANYTHING)):
        return f"{text!r} matches anything: options, paths, whatever the program understands"
    if any(argv[place].startswith(placeholder) and "--" not in argv[:place] for place in places):
        for option in filter(pattern.fullmatch, OPTIONS):
            return f"matches {option!r}, which may be an option: put '--' before {placeholder} in argv"
    return _doubt_of_expression(text)


def _doubt_of_expression(text: str) -> str:
    """Say what is doubtful about an expression as it is written."""
    plain = _CLASS.sub("x", _SINGLE.sub("x", text))
    if wide := _WIDE.search(plain):
        return f"has {wide[0]!r}, which matches any number of almost any characters: say which"
    if _NESTED.search(plain):
        return "repeats what is repeated: that can take very long, and then does not match"
    if any("." in found and "/" in found for found in _CLASS.findall(text)):
        return "matches '/../': a path can lead anywhere"
    return ""


def _doubt_of_program(program: str) -> str:
    """Say whether the program is missing, or everybody can change it."""
    found = shutil.which(program if "/" not in program else Path("/", program), path=ENVIRONMENT["PATH"])
    if found is None:
        return f"there is no program {program}, or it must not be executed"
    if Path(found).stat().st_mode & stat.S_IWOTH:
        return f"everybody can change {found}"
    return ""


def _doubt_of_argv(argv: Sequence[str]) -> str:
    """Say whether an argument of a request could be run as a program."""
    for place, name in _programs(argv):
        if SHELLS.fullmatch(name):
            return f"{name} is a shell: what reaches it can be a program; name the program itself"
        if (INTERPRETERS.fullmatch(name) or PROXIES.fullmatch(name)) and _reaches_code(argv[place + 1 :]):
            return f"{name} takes code or the name of a program where a request's argument stands"
    return ""


def _programs(argv: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the program, and the programs that it runs in turn, with their places."""
    for place, word in enumerate(argv):
        name = re.sub(r"[0-9.]+$", "", PurePath(word).name)
        yield place, name
        if place == 0 and not PROXIES.fullmatch(name):
            return


def _reaches_code(words: Sequence[str]) -> bool:
    """Return whether an argument is the first that is no option: a script, a program, a file."""
    first = next((word for word in words if PLACEHOLDER.search(word) or not word.startswith("-")), "")
    return PLACEHOLDER.search(first) is not None
