"""Several daemons that form one chat room over a real server, and members that are `netecho chat`."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.daemon import Daemon
from support.netecho import COMMAND, environment
from support.waiting import PATIENCE, eventually

from netechod.client.operator.control import ask

LEASE = 15.0  # seconds


class Member:
    """One `netecho chat --jsonl`, and what it has told."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.events: list[dict[str, Any]] = []
        self.said: list[str] = []
        self._process = subprocess.Popen(
            [*COMMAND, "chat", "--jsonl", f"{address[0]}:{address[1]}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
        )
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()
        self.name = ""

    def await_name(self) -> None:
        """Wait until it is online."""
        eventually(lambda: self.events, "a member is online")
        self.name = self.events[0]["from"]

    def _collect(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.events.append(json.loads(line))

    def say(self, text: str) -> None:
        """Say a line."""
        assert self._process.stdin is not None
        self.said.append(text)
        self._process.stdin.write(f"{text}\n".encode())
        self._process.stdin.flush()

    def lines(self, name: str) -> list[str]:
        """The texts of one sender, in the order in which they came. `node/` before the name is ignored."""
        return [
            event["text"]
            for event in self.events
            if event["type"] == "message" and _plain(event["from"]) == name
        ]

    def presence(self, name: str) -> list[str]:
        """What was told of the presence of one member: join and leave, in order."""
        return [
            event["type"]
            for event in self.events
            if event["type"] in ("join", "leave") and _plain(event["from"]) == name
        ]

    def close(self) -> None:
        """Leave."""
        self._process.kill()
        self._process.wait()
        self._thread.join()
        for pipe in filter(None, (self._process.stdin, self._process.stdout)):
            pipe.close()


def _plain(name: str) -> str:
    return name.rpartition("/")[2]


class Node:
    """One daemon of the realm, and a member on it."""

    def __init__(self, directory: Path, name: str, settings: dict[str, object]) -> None:
        directory.mkdir(exist_ok=True)
        self.name = name
        self.settings: dict[str, object] = {
            "bus.realm": "test",
            "bus.node": name,
            "bus.lease": LEASE,
            "chat.idle_timeout": 0,
            **settings,
        }
        self.keeps = False  # whether the service manager keeps descriptors over a restart
        self.daemon = Daemon(directory)
        self.daemon.configure(self.settings)
        self.daemon.bind("chat", "echo-udp")
        self.member: Member

    def spawn(self) -> None:
        """Start it with no services but those, and wait for nothing."""
        off = ("echo.tcp", "dictionary")
        options = (word for section in off for word in ("--set", f"{section}.enabled=false"))
        self.daemon.spawn("--foreground", *options, FDSTORE="100" if self.keeps else None)

    def start(self) -> Self:
        """Start it, and wait until it serves."""
        self.spawn()
        self.daemon.manager.wait_for("READY=1", PATIENCE)
        return self

    def join(self) -> Member:
        """Have a member come online."""
        self.member = Member(self.daemon.address("chat"))
        self.member.await_name()
        return self.member

    def operator(self, *words: str) -> Any:  # noqa: ANN401 (as JSON has it)
        """What `netechoctl` would show."""
        return ask(self.daemon.directory / "control.sock", *words)

    @property
    def bus(self) -> Any:  # noqa: ANN401 (as JSON has it)
        """The state of the bus."""
        return self.operator("status")["bus"]


class Realm:
    """Nodes a, b, c, each with a member. They talk; a test does something meanwhile."""

    def __init__(self, directory: Path, url: str, names: Sequence[str] = "abc", **settings: object) -> None:
        directory.mkdir(exist_ok=True)
        options = {"bus.url": url, **{key.replace("__", "."): value for key, value in settings.items()}}
        self.nodes = {name: Node(directory / name, name, options) for name in names}
        self.round = 0

    def start(self) -> Self:
        """Start all nodes and members, and wait until each member knows all others."""
        try:
            for node in self.nodes.values():
                node.spawn()
            eventually(lambda: all(self.log_of(name, "bus up ") for name in self.nodes), "all are up")
            self.join()
        except BaseException:
            self.close()
            raise
        return self

    def join(self) -> None:
        """Have a member come online on each node, and wait until the presence is known everywhere."""
        for node in self.nodes.values():
            node.member = Member(node.daemon.address("chat"))
        for member in self.members:
            member.await_name()
        self.settled()

    def settled(self) -> None:
        """Wait until each node knows the members of all."""
        eventually(
            lambda: all(len(node.operator("members")) == len(self.nodes) for node in self.nodes.values())
        )

    @property
    def members(self) -> list[Member]:
        """The members, one of each node."""
        return [node.member for node in self.nodes.values()]

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def talk(self, lines: int = 5, names: Iterable[str] = ()) -> None:
        """Have members (all of them when none is named) say lines, one after the other."""
        for _ in range(lines):
            self.round += 1
            for name in names or self.nodes:
                self.nodes[name].member.say(f"{name} {self.round}")

    def heard_by(self, hearers: Iterable[Member] = ()) -> bool:
        """Whether every member has every line of everybody, or more."""
        return all(
            len(hearer.lines(sender.name)) >= len(sender.said)
            for hearer in hearers or self.members
            for sender in self.members
        )

    def check(self) -> None:
        """Wait for all lines. Nothing may be lost, doubled, or out of order."""
        eventually(self.heard_by, "everybody has heard everything")
        for hearer in self.members:
            for sender in self.members:
                assert hearer.lines(sender.name) == sender.said

    def check_quiet(self) -> None:
        """As `check`; and nobody has seen anybody leave."""
        self.check()
        for hearer in self.members:
            assert not any(event["type"] == "leave" for event in hearer.events)

    def log_of(self, name: str, text: str) -> list[str]:
        """The log lines of a node that have `text`."""
        daemon = self.nodes[name].daemon
        return [line for line in [*daemon.log(), *daemon.errors()] if text in line]

    def close(self) -> None:
        """End everything."""
        for node in self.nodes.values():
            if hasattr(node, "member"):
                node.member.close()
            node.daemon.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def while_away(realm: Realm, fault: Callable[[], object], cure: Callable[[], object], lines: int = 5) -> None:
    """Talk, do a fault, talk, undo it, and talk."""
    realm.talk(lines)
    fault()
    realm.talk(lines)
    cure()
    realm.talk(lines)
