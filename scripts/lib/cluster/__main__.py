"""Starts a server and three nodes, and shows lines that cross."""

import signal
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

from support.realm import Realm
from support.redis_server import PROGRAM, RedisServer
from support.waiting import eventually

EX_USAGE, EX_UNAVAILABLE = 64, 69  # sysexits.h


def main() -> int:
    """Run it, and return the exit status."""
    if sys.argv[1:] not in ([], ["--once"]):
        print("cluster: usage: scripts/cluster [--once]", file=sys.stderr)
        return EX_USAGE
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM)
    )  # so that the directory goes, too
    if PROGRAM is None:
        hint = "apt install redis-server, or valkey-server"
        print(f"cluster: error: no Redis and no Valkey here\n  hint: {hint}", file=sys.stderr)
        return EX_UNAVAILABLE
    with tempfile.TemporaryDirectory(prefix="netechod-cluster-") as name, ExitStack() as stack:
        directory = Path(name)
        server = stack.enter_context(RedisServer(directory / "redis").start())
        print(f"server     {server.url}")
        realm = stack.enter_context(Realm(directory / "realm", server.url).start())
        show(realm)
        if not talk(realm):
            return 1
        if sys.argv[1:] != ["--once"]:
            print("\nThey serve until Ctrl-C.", flush=True)
            with suppress(KeyboardInterrupt):
                signal.pause()
    return 0


def show(realm: Realm) -> None:
    """Show how to reach the nodes."""
    for name, node in realm.nodes.items():
        host, port = node.daemon.address("chat")
        control = node.daemon.directory / "control.sock"
        print(f"node {name}     netecho chat {host}:{port}     netechoctl -s {control} members")


def talk(realm: Realm) -> bool:
    """Have each member say a line, and show what the others hear. Return whether they heard it."""
    for name, node in realm.nodes.items():
        text = f"hello from {name}"
        node.member.say(text)
        print(f"\nthe member on {name} says: {text}")
        try:
            eventually(realm.heard_by)
        except AssertionError:
            print("  not everybody has heard it")
            return False
        for other in realm.nodes.values():
            print(
                f"  on {other.name} is heard: {node.member.name}: {other.member.lines(node.member.name)[-1]}"
            )
    return True


if __name__ == "__main__":
    sys.exit(main())
