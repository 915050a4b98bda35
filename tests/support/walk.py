"""Records a walk through the code: each function of ours that a program calls, in order.

As a program, `walk.py FILE MODULE [ARGUMENT...]` runs a module under sys.setprofile, and writes a line for
each call to FILE.
"""

import os
import runpy
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NamedTuple

SOURCE = Path(__file__).resolve().parents[2] / "src" / "netechod"


class Call(NamedTuple):
    """A call of one of our functions: the thread, the module's path below src/netechod, the function."""

    thread: str
    module: str
    function: str


def command(file: Path, module: str) -> list[str]:
    """Return the command that runs a module, and records its calls in `file`."""
    # With -P, the modules beside this file do not hide those of the library.
    return [sys.executable, "-P", __file__, str(file), module]


def read(file: Path) -> list[Call]:
    """Return the calls that were recorded in `file`."""
    return [Call(*line.split("\t")) for line in file.read_text(encoding="utf-8").splitlines()]


def between(calls: Sequence[Call], first: str, last: str, occurrence: int = 1) -> list[Call]:
    """Return the calls from the Nth one of the function `first` to the next one of `last`, which is left out.

    Raises AssertionError if one of them was not called.
    """
    starts = [place for place, call in enumerate(calls) if call.function == first]
    assert len(starts) >= occurrence, f"{first} was called {len(starts)} times"
    start = starts[occurrence - 1]
    ends = [place for place in range(start + 1, len(calls)) if calls[place].function == last]
    assert ends, f"{last} was not called after {first}"
    return list(calls[start : ends[0]])


def turns(calls: Sequence[Call], function: str, last: str = "Loop._turn", occurrence: int = 1) -> list[Call]:
    """Return the calls from the turn of the loop in which `function` was called for the Nth time.

    They go on to the next call of `last`. A turn begins when its wait is over.
    """
    places = [place for place, call in enumerate(calls) if call.function == function]
    assert len(places) >= occurrence, f"{function} was called {len(places)} times"
    begin = max(at for at in range(places[occurrence - 1]) if calls[at].function == "Loop._call_ready")
    return between(calls[begin:], "Loop._call_ready", last)


def rooms(calls: Sequence[Call]) -> dict[str, list[str]]:
    """Return the rooms in the order in which they were first entered, each with its modules in that order.

    A room is a folder within a floor, with the folders in it. A module that stands outside of these folders
    is a room by itself.
    """
    found: dict[str, list[str]] = {}
    for call in calls:
        names = call.module.split("/")
        is_in_room, name = len(names) > 2, "/".join(names[2:])
        modules = found.setdefault("/".join(names[:2]) + "/" if is_in_room else call.module, [])
        if is_in_room and name not in modules:
            modules.append(name)
    return found


def main() -> None:
    """Run the module that the command line names, with all its calls recorded."""
    target, module, *arguments = sys.argv[1:]
    file = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    known: dict[str, str] = {}  # paths below src/netechod by the names of files; "" for foreign files

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event != "call":
            return
        code = frame.f_code
        path = known.get(code.co_filename)
        if path is None:
            name = Path(code.co_filename)
            ours = name.is_relative_to(SOURCE) and name.stem != "__init__"
            path = known[code.co_filename] = str(name.relative_to(SOURCE).with_suffix("")) if ours else ""
        if path and code.co_name != "<module>":
            thread = threading.current_thread().name
            os.write(file, f"{thread}\t{path}\t{code.co_qualname}\n".encode())

    sys.argv = [module, *arguments]
    threading.setprofile(note)
    sys.setprofile(note)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
