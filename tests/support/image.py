"""Images without a registry: buildah makes them of a root file system and a Containerfile, runc runs them.

Both keep their files on a tmpfs in a mount namespace of its own, so that everything ends with the namespace.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.daemon import PATIENCE, Lines

BUILD = 280.0  # seconds; it takes some twenty
LEFT_OUT = (
    "usr/share/doc",
    "usr/share/man",
    "usr/lib/systemd",
    "usr/share/zoneinfo",
    "var/lib/apt",
    "var/cache",
)
HOLD = 'mount -t tmpfs tmpfs "$0" && echo ready && exec cat'
NO_CAPABILITIES: Mapping[str, Sequence[str]] = {
    kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")
}


class Store:
    """Where the images and containers are."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", HOLD, directory],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._holder.communicate()

    def enter(self, *command: str | Path) -> list[str]:
        """The command line that runs a command in the namespace."""
        return ["nsenter", "-t", str(self._holder.pid), "-m", f"--wd={Path.cwd()}", *map(str, command)]

    def run(self, *command: str | Path) -> str:
        """Run a command that must succeed, and return what it prints."""
        done = subprocess.run(
            self.enter(*command), capture_output=True, text=True, timeout=BUILD, check=False
        )
        assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def buildah(self, *words: str | Path) -> str:
        """Run buildah."""
        places = ("--root", self.directory / "images", "--runroot", self.directory / "buildah")
        return self.run("buildah", *places, "--storage-driver", "overlay", *words)

    def base(self, name: str, root: Path) -> None:
        """Make an image of a root file system, as a registry would have it."""
        container = self.buildah("from", "scratch")
        place = self.buildah("mount", container)
        left_out = " ".join(f"--exclude=./{path}" for path in LEFT_OUT)
        self.run("sh", "-c", f"tar -C {root} {left_out} -c . | tar -C {place} -x")
        self.buildah("commit", "--quiet", "--rm", "--disable-compression", container, name)

    def build(self, name: str, base: str, context: Path, file: Path) -> None:
        """Build an image. Nothing is pulled, and no privileged container is needed."""
        words = ("--isolation", "chroot", "--format", "docker", "--layers=false", "--pull-never")
        self.buildah("build", *words, "--build-arg", f"BASE={base}", "--file", file, "--tag", name, context)

    def inspect(self, name: str) -> dict[str, Any]:
        """What an image says of the containers that are made of it."""
        config: dict[str, Any] = json.loads(self.buildah("inspect", "--type", "image", name))["Docker"][
            "config"
        ]
        return config

    def unpack(self, name: str) -> Path:
        """The root file system of a container of this image."""
        return Path(self.buildah("mount", self.buildah("from", "--pull-never", name)))


class Container:
    """A container as strict platforms run it: no capabilities, nothing that can be written, any user."""

    def __init__(self, store: Store, name: str, image: str, root: Path) -> None:
        self._store = store
        self._name = name
        self._config = store.inspect(image)
        self._root = root
        self.stderr = Lines()

    @contextmanager
    def running(self, uid: int, *options: str, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Run the image's program; it is process 1 in there."""
        bundle = self._store.directory / self._name
        self._store.run("mkdir", bundle)
        text = json.dumps(self._bundle(uid, options, environment))
        self._store.run("sh", "-c", 'printf %s "$1" >"$0"', bundle / "config.json", text)
        command = self._store.enter(*self._runc("run", "--bundle", bundle, self._name))
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.stderr.fileno()
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    self._store.run(*self._runc("kill", self._name, "KILL"))
                process.wait(PATIENCE)
                self.stderr.rest()

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the container, as its user."""
        return subprocess.run(
            self._store.enter(*self._runc("exec", self._name, *command)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def pid(self) -> int:
        """Process 1, as this machine numbers it."""
        state: dict[str, int] = json.loads(self._store.run(*self._runc("state", self._name)))
        return state["pid"]

    def _runc(self, *words: str | Path) -> list[str | Path]:
        return ["runc", "--root", self._store.directory / "runc", *words]

    def _bundle(self, uid: int, options: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
        """The container in the words of the OCI's runtime specification."""
        variables = [f"{name}={value}" for name, value in environment.items()]
        places = {"/proc": "proc", "/dev": "tmpfs", "/sys": "sysfs"}
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": uid, "gid": 0},
                "args": [*self._config["Entrypoint"], *options],
                "env": [*self._config["Env"], *variables],
                "cwd": "/",
                "capabilities": NO_CAPABILITIES,
                "noNewPrivileges": True,
            },
            "root": {"path": str(self._root), "readonly": True},
            "mounts": [
                {"destination": place, "type": kind, "source": kind} for place, kind in places.items()
            ],
            "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]},
        }
