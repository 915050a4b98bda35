"""The bench's own needs: programs in C, and peers in an environment of their own.

Everything is made in `.bench`, or where $NETECHOD_BENCH_HOME says, and the project's `.venv` stays as it is.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.lib.bench import ROOT

HOME = Path(os.environ.get("NETECHOD_BENCH_HOME") or ROOT / ".bench")
SOURCES = Path(__file__).parent / "c"
PROGRAMS = {  # and what they are compiled of
    "reference_tcp": ("reference_tcp.c",),
    "reference_udp": ("reference_udp.c",),
    "reference_chat": ("reference_chat.c",),
    "reference_stamp": ("reference_stamp.c",),
    "load_tcp": ("load_tcp.c", "load.c"),
    "load_connect": ("load_connect.c", "load.c"),
    "load_udp": ("load_udp.c", "load.c"),
    "load_chat": ("load_chat.c", "load.c"),
    "load_dict": ("load_dict.c", "load.c"),
    "load_beside": ("load_beside.c", "load.c"),
}
FLAGS = ("-O2", "-Wall", "-Wextra")
INSTALL_LIMIT = 300  # seconds that pip or apt-get may take


class MissingError(Exception):
    """Something cannot be had here; the text says what and why."""


def compiled() -> Path:
    """The directory with the programs in C, compiled now if their sources have changed."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise MissingError("a C compiler is needed; install one, with: apt-get install gcc libc6-dev")
    stamp = hashlib.sha256(repr((compiler, FLAGS)).encode())
    for source in sorted(SOURCES.iterdir()):
        stamp.update(source.read_bytes())
    place = HOME / f"c-{stamp.hexdigest()[:12]}"
    if not place.exists():
        making = HOME / f"making-{os.getpid()}"
        making.mkdir(parents=True)
        for program, sources in PROGRAMS.items():
            paths = [str(SOURCES / source) for source in sources]
            _run([compiler, *FLAGS, "-o", str(making / program), *paths], f"cannot compile {program}")
        making.rename(place)
    return place


def python_with(*packages: str) -> Path:
    """The Python of the bench's environment, with these packages in it."""
    python = HOME / "venv/bin/python"
    if not python.exists():
        _run([sys.executable, "-m", "venv", str(HOME / "venv")], "cannot make an environment for peers")
    missing = [name for name in packages if not _stamp(name).exists()]
    if missing:
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        _run([*pip, *missing], f"cannot install {', '.join(missing)}")
        for name in missing:
            _stamp(name).touch()
    return python


def system_program(name: str) -> str:
    """A program of the system, installed now if this is Debian and we are root."""
    if shutil.which(name) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", name]
        _run(install, f"cannot install {name}")
    program = shutil.which(name)
    if program is None:
        raise MissingError(f"{name} is not installed")
    return program


def _stamp(package: str) -> Path:
    return HOME / "venv" / f"has-{package}"


def _run(command: Sequence[str], trouble: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_LIMIT)
    except subprocess.TimeoutExpired:
        raise MissingError(f"{trouble}: it takes more than {INSTALL_LIMIT} seconds") from None
    except (subprocess.CalledProcessError, OSError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise MissingError(f"{trouble}: {said.strip().rpartition(chr(10))[2]}") from None
