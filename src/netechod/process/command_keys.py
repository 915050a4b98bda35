"""The keys of the command service, read at the start and at every reload."""

import os
import pwd
from collections.abc import Collection
from dataclasses import replace

from netechod.errors import ConfigError
from netechod.key_file import KeyFileError, read_keys
from netechod.process.config_file import Loaded


def with_keys(loaded: Loaded) -> Loaded:
    """Return `loaded` with the keys of `command.key_file`, if the service is on. Raises ConfigError."""
    command = loaded.config.command
    if not command.enabled or command.key_file is None:
        return loaded
    try:
        keys = read_keys(command.key_file, _owners(loaded.config.daemon.user))
    except KeyFileError as error:
        origin = loaded.origins.get("command.key_file", "default")
        hint = f"\n  = hint: {error.hint}" if error.hint else ""
        raise ConfigError(f"error: {origin}: command.key_file: {error}{hint}") from None
    return replace(loaded, keys=keys)


def _owners(user: str) -> Collection[int]:
    """Return who may own the file: root, who may read everything anyway, and the daemon's user."""
    try:
        return {0, pwd.getpwnam(user).pw_uid if user else os.geteuid()}
    except KeyError:
        return {0}  # there is no such user, as the start will say
