"""The whole configuration: all sections of `netechod.toml`, and the list of its keys.

The sections are frozen, so a reload can only replace the configuration as a whole. Only the daemon imports
this module, because importing pydantic takes longer than everything else at a start.
"""

import warnings
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from netechod.process.config.dictionaries import Dict
from netechod.process.config.general import Access, Bus, Daemon, Log, Metrics, Section
from netechod.process.config.services import (
    AllowedCommand,
    Chat,
    Command,
    Dictionary,
    Echo,
    EchoTcp,
    EchoUdp,
)
from netechod.process.config.stamp import Stamp
from netechod.process.config.values import LIVE, Address

__all__ = [
    "KEYS",
    "LIVE_KEYS",
    "Address",
    "AllowedCommand",
    "Chat",
    "Command",
    "Config",
    "Daemon",
    "Dictionary",
    "EchoTcp",
    "EchoUdp",
    "Metrics",
]


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pydantic has an old method `dict`, which nobody uses here

    class Config(Section):
        """All sections. `Config()` has the default of every key."""

        daemon: Daemon = Daemon()
        log: Log = Log()
        access: Access = Access()
        echo: Echo = Echo()
        dictionary: Dictionary = Dictionary()
        dict: Dict = Dict()  # type: ignore[assignment]
        chat: Chat = Chat()
        command: Command = Command()
        stamp: Stamp = Stamp()
        bus: Bus = Bus()
        metrics: Metrics = Metrics()


def _keys(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


KEYS = dict(_keys(Config))
"""Each key by its dotted name, in the order of the sections. `command.allow` counts as one key."""

LIVE_KEYS = frozenset(key for key, field in KEYS.items() if LIVE in field.metadata)
"""The keys whose changes a reload applies."""
