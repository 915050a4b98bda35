"""The errors of a start or a reload. The text of each is a sentence that the operator can act on."""


class NetechodError(Exception):
    """A fault of the operator or of the program, never of a peer.

    A start that fails with the error exits with `exit_code` (from sysexits.h; 2 to 5 are the tutorials').
    """

    exit_code = 1


def reason_of(error: OSError) -> str:
    """Return the reason of a failed system call, after the name of the file if there is one."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


class ConfigError(NetechodError):
    """The configuration cannot be used. The text is a report of all problems, which shows their lines."""

    exit_code = 78

    def summary(self) -> str:
        """Return the problems in one line, without the lines of the file."""
        problems = [line for line in str(self).splitlines() if line.startswith("error: ")]
        return "; ".join(problem.removeprefix("error: ") for problem in problems)


class DictionaryError(NetechodError):
    """The dictionary file cannot be used."""

    exit_code = 5


class DictionaryFormatError(DictionaryError):
    """The file is no `key:value` lines in UTF-8. `hint` is what else can be done than to convert it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class DictionaryIndexError(DictionaryError):
    """The index of a large dictionary cannot be made. The dictionary file is not at fault."""


class StoppedError(NetechodError):
    """A signal stopped the daemon before its start was complete."""

    exit_code = 0


class SocketError(NetechodError):
    """A socket cannot be created (exit code 2), bound (3) or listened on (4)."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class AlreadyRunningError(NetechodError):
    """Another daemon holds the pidfile (EX_TEMPFAIL)."""

    exit_code = 75


class PermissionRefusedError(NetechodError):
    """We may not use a user, a group or a file (EX_NOPERM)."""

    exit_code = 77
