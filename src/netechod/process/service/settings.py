"""Rules of admission, as configured: the same for all services."""

from collections.abc import Collection

from netechod.process.config.schema import Config
from netechod.services.admission import Rules


def rules_of(config: Config, own_ports: Collection[int]) -> Rules:
    """Return the rules. `own_ports` are the UDP ports that this daemon answers on."""
    access = config.access
    return Rules(
        allow=access.allow,
        deny=access.deny,
        trusted=access.trusted,
        min_source_port=access.min_source_port,
        refused_source_ports=frozenset(access.refused_source_ports),
        own_ports=frozenset(own_ports),
        bounce_limit=access.bounce_limit,
    )
