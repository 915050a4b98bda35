"""`netechod --dump-config`: writes the configuration in effect as TOML, each value with its origin."""

from collections.abc import Iterable

from netechod.process.config.load import Loaded
from netechod.process.config.locations import dotted, leaves, quoted
from netechod.services.wire import escape_controls


def dump(loaded: Loaded, warnings: Iterable[tuple[str, str]] = ()) -> str:
    """Return all keys with value and origin. Loading the text gives the same configuration.

    `warnings` are keys, which may be empty, and sentences. They stand above the sections as comments.
    """
    lines = [f"# warning: {escape_controls(': '.join(filter(None, warning)))}" for warning in warnings]
    section: tuple[str, ...] = ()
    for path, value in leaves(loaded.config.model_dump(mode="json")):
        if path[:-1] != section:
            section = path[:-1]
            lines += ["", f"[{dotted(section)}]"]
        origin = loaded.origins.get(dotted(path), "default")
        lines.append(f"{dotted(path[-1:])} = {_toml(value)}  # {escape_controls(origin)}")
    return "\n".join(lines).lstrip("\n") + "\n"


def _toml(value: object) -> str:
    """Return a value as TOML. No value of the configuration is a date or a table."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # people write 30 seconds, not 30.0
    return str(value)
