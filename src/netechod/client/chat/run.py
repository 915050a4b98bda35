"""`netecho chat`: come online, say what is typed or piped, show what the others say, go offline."""

import asyncio
import selectors
import socket
import sys
from collections.abc import Sequence
from typing import NamedTuple

from netechod.client.chat.conversation import Conversation
from netechod.client.chat.lines_ui import JsonForm, LineForm
from netechod.client.chat.roster import Mentions
from netechod.client.chat.transport import Presence
from netechod.client.chat.ui import Form
from netechod.client.i18n.translate import tr
from netechod.client.net import Server, Target
from netechod.client.terminal.output import interactive, is_smart, takes_colors


class Manner(NamedTuple):
    """How somebody wants to take part."""

    as_json: bool = False
    is_plain: bool = False
    mentions: Sequence[str] = ()  # words that ring the bell


def run(target: Target, dictionary: Target, manner: Manner) -> int:
    """Chat until the end of input or Ctrl-C; 1 if not all was heard that a pipe said."""
    form = _form(target, manner)
    server = Server(target, socket.SOCK_DGRAM)
    is_patient = form.is_person or manner.as_json
    with server.first(lambda sock: Presence(sock, target, is_patient=is_patient)) as presence:
        talk = Conversation(presence, form, Mentions(manner.mentions), dictionary)
        # Not epoll(7), which refuses regular files: a file may be redirected into a conversation.
        with asyncio.Runner(
            loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
        ) as loop:
            loop.run(talk.talk())
    return 1 if talk.failures and not form.is_person else 0


def _form(target: Target, manner: Manner) -> Form:
    """The best form that is wanted and possible."""
    if manner.as_json:
        return JsonForm()
    if not interactive():
        return LineForm()
    prompt = tr("say> ")
    if manner.is_plain or not is_smart(sys.stdout):
        return LineForm(prompt)
    try:
        from netechod.client.chat.screen_ui import ScreenForm
    except ImportError:
        return _readline_form(prompt)
    host = f"[{target.host}]" if ":" in target.host else target.host
    return ScreenForm(prompt, f"{host}:{target.port}", has_colors=takes_colors(sys.stdout))


def _readline_form(prompt: str) -> Form:
    """The form for who has no prompt_toolkit."""
    try:
        from netechod.client.chat.readline_ui import ReadlineForm
    except ImportError:  # a Python without readline
        return LineForm(prompt)
    return ReadlineForm(prompt)
