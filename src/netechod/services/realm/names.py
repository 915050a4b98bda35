"""The names under which the members of other nodes are shown.

A name is unique on its node only: two nodes behind two address translators may both have 10.0.2.15--40000. A
client would take the other one's lines for its own. So one of them is shown with its node: `node/ip--port`.
Existing clients read everything up to the `#` as the name.
"""

from collections import Counter
from typing import Literal


class Names:
    """The names that are in use on this node, and those of other nodes that are shown without their node."""

    def __init__(self) -> None:
        # Two members of a room have one name if they differ in the zone of their link-local address only.
        self._own: Counter[str] = Counter()
        self._plain: set[str] = set()

    def __len__(self) -> int:
        return len(self._own)

    def own(self) -> tuple[str, ...]:
        """Return the names on this node."""
        return tuple(self._own)

    def came(self, name: str) -> bool:
        """Add a member of this node. Return whether it is the only one with this name."""
        self._own[name] += 1
        return self._own[name] == 1

    def left(self, name: str) -> bool:
        """Remove a member of this node. Return whether it was the only one with this name."""
        self._own[name] -= 1
        if self._own[name] > 0:
            return False
        del self._own[name]
        return True

    def claim(self, name: str, node: str, style: Literal["plain", "node"]) -> str:
        """Return the name under which a member of another node is shown from now on."""
        if style == "node" or self.is_taken(name):
            return with_node(name, node)
        self._plain.add(name)
        return name

    def restore(self, shown: str) -> None:
        """Take back the name under which a member of another node was shown before a restart."""
        if "/" not in shown:
            self._plain.add(shown)

    def is_taken(self, name: str) -> bool:
        """Return whether somebody is shown by this name."""
        return name in self._own or name in self._plain

    def release(self, shown: str) -> None:
        """Give back what `claim` has returned."""
        self._plain.discard(shown)


def with_node(name: str, node: str) -> str:
    """Return the name of a member together with its node."""
    return f"{node}/{name}"
