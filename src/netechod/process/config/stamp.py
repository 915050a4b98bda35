"""The section `[stamp]`."""

from typing import Annotated, Literal

from pydantic import Field

from netechod.process.config.general import Section
from netechod.process.config.values import FileOrNone, Listen, Live, Seconds, addresses


class Stamp(Section):
    """A reflector that routers and `netecho ping --stamp` measure delay and loss with (RFC 8762)."""

    enabled: bool = False
    """Whether the service is on."""
    listen: Listen = addresses("[::]:862")
    """UDP addresses to listen on; `[::]` takes IPv4 too. Port 862 needs its socket unit, or root."""
    public: Live[bool] = False
    """Answer everybody, not `access.trusted` alone. Where keys are required, they decide instead."""
    stateful: Live[bool] = True
    """Number the answers of each session, so that losses have a direction; else copy the sender's numbers."""
    max_sessions: Live[Annotated[int, Field(ge=1, le=65536)]] = 4096
    """Sessions at once, 0.5 KiB each; others are answered with the sender's numbers."""
    session_timeout: Live[Annotated[Seconds, Field(ge=1)]] = 900.0
    """Seconds of silence after which a session makes room for a new one."""
    authentication: Live[Literal["off", "optional", "required"]] = "off"
    """Whether packets may be signed, or have to be. A signed packet can be replayed."""
    key_file: Live[FileOrNone] = None
    """File of `<key id> <secret>` lines that only root and the daemon's user can read; the id is a session id
    in decimal, or `default`. Needed unless `authentication` is `off`."""
    dscp: Live[Literal["copy", "default"]] = "copy"
    """Traffic class of answers: that of the request, or the one that it asks for; or none, for anybody."""
