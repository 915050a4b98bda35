"""`netechod --init`: writes a configuration, a dictionary and systemd units for this installation.

They are made of the files that the package has in `share/netechod`. Root gets units for the system, with the
sandbox and the users of the Debian package. Anybody else gets units for `systemctl --user`, and a
configuration that keeps every file of the daemon in the directory.
"""

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import netechod
from netechod.errors import NetechodError, PermissionRefusedError, reason_of
from netechod.process.config.locations import quoted

SHARE = Path("share", "netechod")
PACKAGED = "/etc/netechod"  # where the packaged files expect their neighbours
HIDDEN = ("/home", "/root", "/run/user")  # ProtectHome= of the packaged unit hides them
_NOT_FOR_USERS = re.compile(r"netechod-(command|stamp)\.")  # they need another user, and a privileged port


def initialize(directory: Path, program: Path) -> Iterator[str]:
    """Write the files that are missing in `directory`, and yield lines that say what to do with them.

    `program` is the path of `netechod` for the units. Raises NetechodError.
    """
    os.umask(0o022)  # the service's user has to read them
    kind = _ForRoot if os.geteuid() == 0 else _ForUser
    target = kind(directory.absolute(), program.absolute())
    for path in (target.directory, target.program):
        if not str(path).isprintable():
            raise NetechodError(f"{str(path)!r} has characters that units cannot have")
    try:
        share = shared_files()
        for name, text in target.files(share):
            yield _write(target.directory / name, text)
    except PermissionError as error:
        raise PermissionRefusedError(f"cannot write {reason_of(error)}") from error
    except OSError as error:
        raise NetechodError(f"cannot write {reason_of(error)}") from error
    yield from target.advice()


def shared_files() -> Path:
    """Return the directory of the files that were installed with this program. Raises NetechodError.

    It is below the same prefix as the package, whatever kind of installation it is.
    """
    prefixes = (*Path(netechod.__file__).parents, Path(sys.prefix))
    for prefix in prefixes:
        if (prefix / SHARE / "netechod.toml").exists():
            return prefix / SHARE
    raise NetechodError(
        f"this installation has no {SHARE}\n  hint: install the whole package: pip install netechod"
    )


def _write(path: Path, text: str) -> str:
    """Write a new file, and say so. A file that is there is left alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return f"{path}: kept as it is"
    return f"{path}: written"


def _set(text: str, values: Mapping[str, Path]) -> str:
    """Return the configuration with the values of some keys set, which it has commented out."""
    for line, value in values.items():
        key, _, default = line.partition(" = ")
        assert f"\n#{line}\n" in text, f"the packaged configuration has no default {default} of {key}"  # noqa: S101
        text = text.replace(f"\n#{line}\n", f"\n{key} = {quoted(str(value))}\n", 1)
    return text


def _word(path: Path) -> str:
    """Return a path as one word of a command line in a unit (systemd.service(5), COMMAND LINES)."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{text}"' if re.search(r"[\s\"';\\]", text) else text


@dataclass(frozen=True)
class _Target:
    """Where the files go, and the program of this installation."""

    directory: Path
    program: Path

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.directory / "netechod.toml"

    @property
    def shell_name(self) -> str:
        """The directory, as a shell takes it."""
        return shlex.quote(str(self.directory))

    def unit(self, text: str, control: Path) -> str:
        """Return a packaged unit for this installation. `control` is where netechoctl reaches the daemon."""
        return "".join(self._line(line, control) for line in text.splitlines(keepends=True))

    def _line(self, line: str, control: Path) -> str:
        """Return a line of a unit with the paths of this installation."""
        key = line.partition("=")[0]
        if key in ("ExecStart", "ExecReload"):
            if "--config" not in line:
                line = line.replace(" --foreground", f" --foreground --config {_word(self.config)}")
            if "--socket" not in line:
                line = line.replace("/netechoctl ", f"/netechoctl --socket {_word(control)} ")
            for name in ("netechod", "netechoctl"):
                line = line.replace(f"/usr/bin/{name} ", f"{_word(self.program.with_name(name))} ")
            line = line.replace(
                f"{PACKAGED}/netechod-command.toml", _word(self.directory / "netechod-command.toml")
            )
        if key == "ExecStartPre":
            line = line.replace(" netechod.conf", f" {_word(self.directory / 'tmpfiles.conf')}")
        return line.replace(f"{PACKAGED}/", f"{self.directory}/".replace("%", "%%"))


class _ForRoot(_Target):
    """Files for the system."""

    def files(self, share: Path) -> Iterator[tuple[str, str]]:
        """Yield the files by their names in the directory."""
        for name in ("dict.txt", "sysusers.conf", "tmpfiles.conf"):
            yield name, (share / name).read_text(encoding="utf-8")
        values = {f'file = "{PACKAGED}/dict.txt"': self.directory / "dict.txt"}
        yield self.config.name, _set((share / "netechod.toml").read_text(encoding="utf-8"), values)
        commands = (share / "netechod-command.toml").read_text(encoding="utf-8")
        inner = quoted(f"{self.directory}/")[1:-1]
        yield "netechod-command.toml", commands.replace(f"{PACKAGED}/", inner)
        for unit in sorted((share / "systemd").iterdir()):
            text = unit.read_text(encoding="utf-8")
            yield f"systemd/{unit.name}", self.unit(text, Path("/run/netechod/control.sock"))

    def advice(self) -> Iterator[str]:
        """Yield what to do next."""
        yield f"to start it:            netechod --config {self.shell_name}/netechod.toml"
        yield f"or, as a service:       systemd-sysusers {self.shell_name}/sysusers.conf"
        yield f"                        systemctl link {self.shell_name}/systemd/*"
        yield "                        systemctl enable --now netechod.service"
        hidden = [path for path in (self.program, self.directory) if str(path).startswith(HIDDEN)]
        for path in hidden:
            yield f"warning: the service cannot see {path}: choose a place outside of homes, such as /opt"


class _ForUser(_Target):
    """Files for the systemd of one user."""

    def files(self, share: Path) -> Iterator[tuple[str, str]]:
        """Yield the files by their names in the directory."""
        yield "dict.txt", (share / "dict.txt").read_text(encoding="utf-8")
        values = {
            'pidfile = "/run/netechod/netechod.pid"': self.directory / "run" / "netechod.pid",
            'control = "/run/netechod/control.sock"': self._control,
            'directory = "/var/log/netechod"': self.directory / "log",
            f'file = "{PACKAGED}/dict.txt"': self.directory / "dict.txt",
            'index = "/var/cache/netechod/dictionary.index"': self.directory / "dictionary.index",
        }
        yield self.config.name, _set((share / "netechod.toml").read_text(encoding="utf-8"), values)
        for unit in sorted((share / "systemd").iterdir()):
            if not _NOT_FOR_USERS.match(unit.name):
                text = _without_sandbox(unit.read_text(encoding="utf-8"))
                yield f"systemd/{unit.name}", self.unit(text, self._control)

    @property
    def _control(self) -> Path:
        return self.directory / "run" / "control.sock"

    def advice(self) -> Iterator[str]:
        """Yield what to do next."""
        yield f"to start it:            netechod --config {self.shell_name}/netechod.toml"
        yield f"or, as a service:       systemctl --user link {self.shell_name}/systemd/*"
        yield "                        systemctl --user enable --now netechod.service"


def _without_sandbox(text: str) -> str:
    """Return a unit without what the systemd of a user cannot do: other users, and the sandbox."""
    text = re.sub(
        r"^# --- identity and files\n.*?(?=^\[Install\]\n)", "", text, flags=re.MULTILINE | re.DOTALL
    )
    text = re.sub(r"^(#.*\n)*ExecStartPre=\+.*\n", "", text, flags=re.MULTILINE)
    text = text.replace("multi-user.target", "default.target")
    return text.replace("/usr/bin/systemctl ", "/usr/bin/systemctl --user ")
