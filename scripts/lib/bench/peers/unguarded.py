"""netechod without admission: datagrams go to their services at once. The difference is what admission costs.

python -m scripts.lib.bench.peers.unguarded [netechod's options]
"""

import sys
from collections.abc import Sequence

from netechod.cli.netechod import main
from netechod.services.admission.admission import Admission
from netechod.services.api import Datagram, Outbox


def pass_on(self: Admission, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
    """Judge nobody."""
    self._service.datagrams_received(batch, now, out)


if __name__ == "__main__":
    Admission.datagrams_received = pass_on  # type: ignore[method-assign]
    sys.exit(main())
