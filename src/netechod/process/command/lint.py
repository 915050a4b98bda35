"""Warnings about allow-lists that allow more than their author may intend, for `netechod --check`.

A warning is no error, because the author may know why. But most break-ins through command runners began with
an expression that matched more than it seemed to.
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
from netechod.services.command.placeholder import PLACEHOLDER
from netechod.services.wire import escape_controls

SHELLS = re.compile("(?:|a|ba|c|da|fi|k|mk|pw|rba|tc|z)sh|busybox")
INTERPRETERS = re.compile("awk|expect|gawk|lua|mawk|node|perl|php|python|ruby|sed|tclsh")
PROXIES = re.compile(  # programs that run the program in their arguments
    "chroot|doas|env|flock|ionice|nice|nohup|runuser|setpriv|setsid|su|sudo|taskset|timeout|xargs"
)

ANYTHING = (
    "x",
    "x y",
    "x;y",
    "$(x)",
    "../x",
    "-x",
)
"""An expression that matches all of these matches anything."""
OPTIONS = ("-", "-x", "-1", "--", "--x", "--x=y", "-x=/y")

_CLASS = re.compile(r"\[(?!\^)(?:\\.|[^]\\])*\]")  # a set of characters
_WIDE = re.compile(r"(?:\.|\\[SDW]|\[\^(?:\\.|[^]\\])*\])[*+{]")  # any number of almost any characters
_SINGLE = re.compile(r"\\[^SDW]")
_NESTED = re.compile(r"\((?:[^()]|\([^()]*\))*(?:[*+]|\{\d*,\d*\})[^()]*\)(?:[*+]|\{\d*,\d*\})")  # as (a+)+


def warning_line(loaded: Loaded, key: str, warning: str) -> str:
    """Return the line for a warning about a key of the configuration."""
    origin = loaded.origins.get(key.partition("[")[0], "default")
    return escape_controls(f"warning: {origin}: {key}: {warning}")


def warnings(loaded: Loaded) -> Iterator[str]:
    """Yield a line for each warning: `warning: FILE:LINE: KEY: SENTENCE`."""
    command = loaded.config.command
    if not command.enabled:
        return
    if not command.allow:
        yield warning_line(loaded, "command.allow", "is empty: there is nothing to run")
    for key_id, secret in loaded.keys.items():
        if len(secret) < WEAK:
            warning = (
                f"the secret of {key_id} is short and can be guessed: openssl rand -hex 32 makes a good one"
            )
            yield warning_line(loaded, "command.key_file", warning)
    for name, allowed in command.allow.items():
        for key, warning in _warnings_of(allowed, loaded.keys):
            yield warning_line(loaded, f"command.allow.{name}.{key}", warning)


def _warnings_of(allowed: AllowedCommand, keys: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the warnings about one command, each with its key."""
    for number, text in enumerate(allowed.parameters):
        if warning := _parameter_warning(text, f"{{{number + 1}}}", allowed.argv):
            yield f"parameters[{number}]", warning
    for key_id in allowed.keys:
        if key_id not in keys:
            yield "keys", f"{key_id} is in no line of command.key_file"
    for warning in (_program_warning(allowed.argv[0]), _argv_warning(allowed.argv)):
        if warning:
            yield "argv", warning


def _parameter_warning(text: str, placeholder: str, argv: Sequence[str]) -> str:
    """Return a warning if an expression matches too much, or if its argument is not used."""
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
    return _expression_warning(text)


def _expression_warning(text: str) -> str:
    """Return a warning about the text of an expression."""
    plain = _CLASS.sub("x", _SINGLE.sub("x", text))
    if wide := _WIDE.search(plain):
        return f"has {wide[0]!r}, which matches any number of almost any characters: say which"
    if _NESTED.search(plain):
        return "repeats what is repeated: that can take very long, and then does not match"
    if any("." in found and "/" in found for found in _CLASS.findall(text)):
        return "matches '/../': a path can lead anywhere"
    return ""


def _program_warning(program: str) -> str:
    """Return a warning if the program is missing, or if everybody can change it."""
    found = shutil.which(program if "/" not in program else Path("/", program), path=ENVIRONMENT["PATH"])
    if found is None:
        return f"there is no program {program}, or it must not be executed"
    if Path(found).stat().st_mode & stat.S_IWOTH:
        return f"everybody can change {found}"
    return ""


def _argv_warning(argv: Sequence[str]) -> str:
    """Return a warning if an argument of a request could be run as a program."""
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
    """Return whether the first word that is no option, so a script or a program, holds a placeholder."""
    first = next((word for word in words if PLACEHOLDER.search(word) or not word.startswith("-")), "")
    return PLACEHOLDER.search(first) is not None
