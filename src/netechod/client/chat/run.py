"""`netecho chat`: come online, say what is typed or piped, show what the others say, go offline."""

import asyncio
import selectors
import socket
import sys

from netechod.client.chat.conversation import ChatOptions, Conversation
from netechod.client.chat.events import ENQUIRY
from netechod.client.chat.lines_ui import JsonUI, LineUI
from netechod.client.chat.transcript import Transcript
from netechod.client.chat.transport import ChatSocket
from netechod.client.chat.ui import UserInterface
from netechod.client.i18n.translate import tr
from netechod.client.net import Server, Target
from netechod.client.resolver import is_numeric
from netechod.client.terminal.output import interactive, is_smart, takes_colors


def run(target: Target, dictionary: Target, options: ChatOptions) -> int:
    """Chat until the end of input or Ctrl-C; return 1 if a script's message did not get through."""
    ui = _ui(target, options)
    transcript = Transcript()
    if options.log:
        transcript.begin(options.log)
    server = Server(target, socket.SOCK_DGRAM)
    is_patient = ui.is_person or options.as_json
    # The room tells a stranger that he is not online, and shows the question to nobody else.
    server.choose(ENQUIRY)
    with _come_online(server, is_patient=is_patient) as chat_socket:
        talk = Conversation(chat_socket, ui, dictionary, options, transcript)
        # Not epoll(7), which refuses regular files: stdin may be one.
        with asyncio.Runner(
            loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
        ) as loop:
            loop.run(talk.talk())
    return 1 if talk.failures and not ui.is_person else 0


def _come_online(server: Server, *, is_patient: bool) -> ChatSocket:
    sock = server.datagram_socket()
    try:
        has_name = not is_numeric(server.target.host)
        resolve = server.resolve_again if has_name else None
        return ChatSocket(sock, server.target, is_patient=is_patient, resolve=resolve)
    except BaseException as error:  # a signal, too
        sock.close()
        if isinstance(error, OSError):
            raise server.failed(error) from None
        raise


def _ui(target: Target, options: ChatOptions) -> UserInterface:
    """Return the best user interface that is wanted and possible."""
    if options.as_json:
        return JsonUI()
    if not interactive():
        return LineUI()
    prompt = tr("say> ")
    if options.is_plain or not is_smart(sys.stdout):
        return LineUI(prompt)
    try:
        from netechod.client.chat.screen_ui import ScreenUI
    except ImportError:
        return LineUI(prompt)
    host = f"[{target.host}]" if ":" in target.host else target.host
    return ScreenUI(prompt, f"{host}:{target.port}", has_colors=takes_colors(sys.stdout))
