"""The keys of the command service. A start may read them as root, a reload as the daemon's user."""

from collections.abc import Collection
from dataclasses import replace

from netechod.errors import ConfigError, PermissionRefusedError
from netechod.key_file import KeyFileError, read_keys
from netechod.process.config.load import Loaded
from netechod.process.unix.privileges import identity_of


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
    """Return the ids of the users who may read the keys: root and the daemon's user."""
    try:
        return {0, identity_of(user, "").uid}
    except PermissionRefusedError:
        return {0}  # there is no such user; the start reports that
