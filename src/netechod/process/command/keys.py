"""The keys that services check signatures with, and the password of the bus.

A start reads them, as root perhaps; a reload, as the daemon's user.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from netechod.errors import ConfigError, PermissionRefusedError
from netechod.key_file import KeyFileError, read_keys, read_password
from netechod.process.config.load import Loaded
from netechod.process.unix.privileges import identity_of


def with_keys(loaded: Loaded, *, bus_may_fail: bool = False) -> Loaded:
    """Return `loaded` with the keys of the services that are on and use some. Raises ConfigError.

    With `bus_may_fail`, the reason why there is no password of the bus is part of the result: a start must
    not fail because of the bus.
    """
    password, problem = b"", ""
    try:
        password = _password(loaded)
    except ConfigError as error:
        if not bus_may_fail:
            raise
        problem = error.summary()
    command, stamp = loaded.config.command, loaded.config.stamp
    is_signed = stamp.enabled and stamp.authentication != "off"
    stamp_keys = _keys(loaded, "stamp.key_file", stamp.key_file if is_signed else None)
    if stamp_keys:
        from netechod.services.stamp.packets import DEFAULT_KEY  # only where it is used: it takes memory

        if odd := [key_id for key_id in stamp_keys if key_id != DEFAULT_KEY and not _is_ssid(key_id)]:
            raise _refused(loaded, "stamp.key_file", f"{odd[0]} is neither {DEFAULT_KEY} nor a session id")
    return replace(
        loaded,
        keys=_keys(loaded, "command.key_file", command.key_file if command.enabled else None),
        stamp_keys=stamp_keys,
        bus_password=password,
        bus_problem=problem,
    )


def _keys(loaded: Loaded, key: str, path: Path | None) -> Mapping[str, bytes]:
    """Return the keys of a file, if there is one, by their ids."""
    if path is None:
        return {}
    try:
        return read_keys(path, _owners(loaded.config.daemon.user))
    except KeyFileError as error:
        raise _unusable(loaded, key, error) from None


def _password(loaded: Loaded) -> bytes:
    """Return the password of the bus, if there is one."""
    bus = loaded.config.bus
    if not bus.url or bus.password_file is None:
        return b""
    try:
        return read_password(bus.password_file, _owners(loaded.config.daemon.user))
    except KeyFileError as error:
        raise _unusable(loaded, "bus.password_file", error) from None


def _unusable(loaded: Loaded, key: str, error: KeyFileError) -> ConfigError:
    return _refused(loaded, key, f"{error}" + (f"\n  = hint: {error.hint}" if error.hint else ""))


def _is_ssid(key_id: str) -> bool:
    return key_id.isdigit() and key_id == str(int(key_id)) and 0 < int(key_id) < 1 << 16


def _refused(loaded: Loaded, key: str, reason: str) -> ConfigError:
    return ConfigError(f"error: {loaded.origins.get(key, 'default')}: {key}: {reason}")


def _owners(user: str) -> Collection[int]:
    """Return the ids of the users who may read the keys: root and the daemon's user."""
    try:
        return {0, identity_of(user, "").uid}
    except PermissionRefusedError:
        return {0}  # there is no such user; the start reports that
