"""The ways in which starting or reloading fails, each with the sentence a person can act on."""


class NetechodError(Exception):
    """Something that is the operator's or our own to mend, never a peer's fault.

    `exit_code` is what a start that fails on it exits with (sysexits.h, and the tutorials' own 2 to 5).
    """

    exit_code = 1


def reason_of(error: OSError) -> str:
    """What the system says about a call that failed, behind the name of the file if there is one."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


class ConfigError(NetechodError):
    """The configuration cannot be used; the text is a report of every problem found, with pictures."""

    exit_code = 78

    def summary(self) -> str:
        """The problems without their pictures, on one line."""
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
    """The index of a large dictionary could not be made, whatever its file is like."""


class StoppedError(NetechodError):
    """Somebody wants the daemon to stop before it has started."""

    exit_code = 0


class SocketError(NetechodError):
    """A socket could not be made, bound or listened on: codes 2, 3 and 4."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class AlreadyRunningError(NetechodError):
    """Another instance holds the pidfile (EX_TEMPFAIL)."""

    exit_code = 75


class PermissionRefusedError(NetechodError):
    """A user, a group or a file is not ours to use (EX_NOPERM)."""

    exit_code = 77
