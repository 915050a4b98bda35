"""The services, each wired to its sockets, its rules and its limits."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from functools import partial

from netechod.process.building import (
    Service,
    Shared,
    UdpService,
    build_chat,
    build_echo_tcp,
    build_limits,
    build_rules,
    build_terms,
)
from netechod.process.commanding import PAUSE, Commands
from netechod.process.config import Config
from netechod.process.config_file import Loaded
from netechod.process.handover import Estate, Legacy
from netechod.process.listeners import Socket, Sockets
from netechod.process.status import Presence
from netechod.reactor.error_queue import Place
from netechod.reactor.loop import Loop
from netechod.reactor.tcp import TcpServer
from netechod.services.admission import AddressOf
from netechod.services.api import Outbox
from netechod.services.chat import ChatRoom
from netechod.services.command import CommandService
from netechod.services.dictionary import Dictionary, DictionaryService
from netechod.services.echo import EchoService


class House:
    """What the daemon serves. A service that is off has no sockets, and is None or missing here."""

    def __init__(self, loop: Loop, loaded: Loaded, sockets: Sockets, dictionary: Dictionary) -> None:
        config = loaded.config
        self._loop = loop
        self._sockets = sockets
        self.dictionary = DictionaryService(dictionary)
        self.chat: ChatRoom | None = None
        self.commands: Commands | None = None
        self.echo_tcp: TcpServer | None = None
        self.udp: dict[str, UdpService] = {}
        self._shared = Shared(loop)
        for name, socks in sockets.by_service.items():
            self._open(name, socks, config)
        self.apply(loaded)

    def add(self, name: str, sockets: Sockets, loaded: Loaded) -> None:
        """Begin to serve what was off because its addresses were taken."""
        self._sockets = sockets
        self._open(name, sockets.of(name), loaded.config)
        self.apply(loaded)

    def _open(self, name: str, socks: Sequence[Socket], config: Config) -> None:
        if name == "echo-tcp":
            self.echo_tcp = build_echo_tcp(self._loop, socks, config)
            return
        makers: dict[str, Callable[[AddressOf], Service]] = {
            "echo-udp": lambda address_of: EchoService(),
            "dictionary": lambda address_of: self.dictionary,
            "chat": self._build_chat,
            "command": partial(self._build_commands, config),
        }
        refused = self._chat_refused if name == "chat" else None
        self.udp[name] = UdpService(self._shared, name, socks, makers[name], refused)
        if name == "command":
            self.udp[name].gather(PAUSE)

    def _build_commands(self, config: Config, address_of: AddressOf) -> CommandService:
        self.commands = Commands(self._loop, config, address_of)
        return self.commands.service

    def _build_chat(self, address_of: AddressOf) -> ChatRoom:
        self.chat = build_chat(self._loop, address_of)
        return self.chat

    def _chat_refused(self, places: Collection[Place], out: Outbox) -> None:
        if self.chat is not None:
            self.chat.unreachable(places, out)

    def apply(self, loaded: Loaded) -> None:
        """Give the services the settings that can change while they run."""
        config = loaded.config
        rules = build_rules(config, self._sockets)
        for name, service in self.udp.items():
            private = name == "echo-udp" and not config.echo.udp.public
            service.admission.configure(rules, trusted_only=private, rationed=name != "command")
        self._shared.buckets.configure(rate=config.access.rate, burst=config.access.burst)
        if self.echo_tcp is not None:
            self.echo_tcp.configure(build_limits(config, rules))
        answers = config.dictionary
        self.dictionary.configure(unknown=answers.unknown, match=answers.match, max_reply=answers.max_reply)
        if self.chat is not None:
            self.chat.configure(build_terms(config, rules))
            self.udp["chat"].keep_time()
        if self.commands is not None:
            self.commands.configure(config, loaded.keys)

    @property
    def connections(self) -> int | None:
        """How many TCP connections there are."""
        return None if self.echo_tcp is None else self.echo_tcp.count

    @property
    def hands_over(self) -> bool:
        """Whether TCP connections, if there are any, can go over to the process after us."""
        return self.echo_tcp is None or self.echo_tcp.hands_over

    def counters(self) -> dict[str, dict[str, int]]:
        """What happened, by service."""
        tcp = {} if self.echo_tcp is None else {"echo-tcp": asdict(self.echo_tcp.counters)}
        counters = tcp | {name: service.counters() for name, service in self.udp.items()}
        if "dictionary" in counters:
            counters["dictionary"] |= self.dictionary.counters
        if self.commands is not None:
            counters["command"] |= self.commands.service.counters
        return counters

    @property
    def member_count(self) -> int | None:
        """How many are online in the chat."""
        return None if self.chat is None else self.chat.size

    def members(self) -> Sequence[Presence]:
        """Who is online in the chat."""
        if self.chat is None:
            return ()
        now = self._loop.now
        return [
            Presence(name, now - since, now - heard) for name, since, heard in self.chat.presence.values()
        ]

    def inherit(self, legacy: Legacy) -> None:
        """Go on where the process before us has stopped."""
        for sock, owed in legacy.connections:
            if self.echo_tcp is None:
                sock.close()
            else:
                self.echo_tcp.adopt(sock, owed)
        if self.chat is None:
            return
        now, room = self._loop.now, self.udp["chat"]
        for text, online, silent in legacy.members:
            peer = room.read(text)
            if peer is not None:
                self.chat.restore(peer, now - online, now - silent)
        room.keep_time()

    def drain(self, drained: Callable[[], object], estate: Estate | None) -> None:
        """Take nobody new; hand every connection over, or serve it until it is silent; then call `drained`.

        Commands that run may end. UDP goes on until then: a look-up waits no longer than the restart takes.
        """
        busy = {"connections", "commands"}

        def over(part: str) -> None:
            busy.discard(part)
            if not busy:
                drained()

        if self.commands is None:
            over("commands")
        else:
            self.commands.drain(partial(over, "commands"))
        if self.echo_tcp is None:
            over("connections")
        elif estate is not None:
            self.echo_tcp.hand_over(estate.keep, partial(over, "connections"))
        else:
            self.echo_tcp.drain(partial(over, "connections"))

    def leave_members(self, estate: Estate) -> None:
        """Leave to the process after us who is online."""
        if self.chat is not None:
            now, written = self._loop.now, self.udp["chat"].written
            for peer, (_, since, heard) in self.chat.presence.items():
                estate.members.append((written(peer), now - since, now - heard))

    def close(self) -> None:
        """Close everything: connections and commands at once, UDP when what has arrived is answered."""
        if self.commands is not None:
            self.commands.close()
        if self.echo_tcp is not None:
            self.echo_tcp.close()
        for service in self.udp.values():
            service.drain()
