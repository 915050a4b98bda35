"""The operator's limits of the room."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Terms:
    """The operator's limits. `trusts` returns whether an address is in a trusted network."""

    join: Literal["auto", "open", "cookie"] = "open"
    trusts: Callable[[str], bool] = lambda address: True
    idle_timeout: float = 120.0  # seconds of silence after which a member is offline; 0 for never
    max_members: int = 4096
    max_members_per_source: int = 4096
    max_message: int = 1024  # bytes
    rate: float = 0.0  # messages a second of a member that is not trusted; 0: no limit
    history: int = 0  # lines that are kept for members that come back
