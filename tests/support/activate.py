"""Starts a program as a service manager does: sockets as descriptors 3 and up, named, for its own pid.

    python activate.py NAME=FD[,NAME=FD...] PROGRAM [ARG...]

sd_listen_fds(3) compares LISTEN_PID with the pid of the reader, so somebody has to set it between fork and
exec; this is that somebody.
"""

import fcntl
import os
import sys


def main() -> None:
    """Move the descriptors out of the way, then into place, and become the program."""
    moved: list[tuple[str, int]] = []
    for name, _, number in (item.partition("=") for item in sys.argv[1].split(",")):
        moved.append((name, fcntl.fcntl(int(number), fcntl.F_DUPFD_CLOEXEC, 100)))
        os.close(int(number))  # a second copy in the program would stay open when it closes its own
    for target, (_, fd) in enumerate(moved, 3):
        os.dup2(fd, target, inheritable=True)
    os.environ.update(
        LISTEN_PID=str(os.getpid()),
        LISTEN_FDS=str(len(moved)),
        LISTEN_FDNAMES=":".join(name for name, _ in moved),
    )
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
