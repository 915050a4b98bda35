"""The directories of a person's files (XDG Base Directory Specification), if there is a home directory."""

import os
from pathlib import Path


def config_directory() -> Path | None:
    """Return the directory of netecho's configuration; None if there is no home directory."""
    return _directory("XDG_CONFIG_HOME", ".config")


def state_directory() -> Path | None:
    """Return the directory of netecho's histories; None if there is no home directory."""
    return _directory("XDG_STATE_HOME", ".local/state")


def _directory(variable: str, usual: str) -> Path | None:
    if path := os.environ.get(variable):
        return Path(path, "netecho")
    try:
        return Path.home() / usual / "netecho"
    except RuntimeError:  # neither $HOME nor an entry for our user id (getpwuid(3)), as in some containers
        return None
