"""A network of the test's own: one thread lives in it, and what that starts does, too. It ends with both."""

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

CLONE_NEWNET = 0x40000000  # sched.h; os.unshare() came with Python 3.12

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class Namespace:
    """A network namespace (network_namespaces(7)), with nothing but `lo`."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name, leave_the_network)
        self.path: str = self.run(own_path)
        self.ip("link set lo up")

    def run(
        self, deed: Callable[_Parameters, _Result], *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> _Result:
        """Do something in there."""
        return self._thread.submit(deed, *args, **kwargs).result()

    def ip(self, words: str) -> None:
        """Run ip(8) in there; it must succeed."""
        done = self.run(
            subprocess.run, ["ip", *words.split()], check=False, stderr=subprocess.PIPE, text=True
        )
        assert done.returncode == 0, f"ip {words}: {done.stderr}"

    def close(self) -> None:
        """Leave it, when nothing runs in there any more."""
        self._thread.shutdown()


def own_path() -> str:
    """The network of this thread, as a file for other programs (proc_pid_ns(5))."""
    return f"/proc/{os.getpid()}/task/{threading.get_native_id()}/ns/net"


def leave_the_network() -> None:
    """Give this thread, and what it starts, a network of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"no network of our own: {os.strerror(number)}; this needs root")
