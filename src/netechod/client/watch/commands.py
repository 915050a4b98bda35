"""Programs that run when a target is lost, or back. No shell is involved."""

import os
import shlex
import subprocess
from collections import deque
from collections.abc import Sequence

from netechod.client.i18n.translate import reason_text, tr
from netechod.client.watch.events import Event, Kind, Recorder
from netechod.client.watch.recorders import Notify, sentence
from netechod.reactor.loop import Loop

MOST = 8  # programs that run at the same time; others wait
MOST_WAITING = 1000  # beyond it the oldest is dropped
FIELDS = ("label", "url", "address", "reason", "seconds", "text")


class Commands(Recorder):
    """Runs one program a loss, and one a return. Those of one target run one after the other."""

    def __init__(
        self, loop: Loop, notify: Notify, on_loss: Sequence[str], on_return: Sequence[str], *, is_quiet: bool
    ) -> None:
        self._loop = loop
        self._notify = notify
        self._argv = {Kind.DOWN: on_loss, Kind.BACK: on_return}
        self._output = subprocess.DEVNULL if is_quiet else 2  # it must not get into our own output
        self._waiting: deque[tuple[str, list[str]]] = deque(maxlen=MOST_WAITING)  # label and words
        self._running: set[str] = set()  # the labels of their targets

    def happened(self, event: Event) -> None:
        """See Recorder."""
        if argv := self._argv.get(event.kind):
            self._waiting.append((event.watched.target.label, [_filled(word, event) for word in argv]))
            self._start_next()

    def _start_next(self) -> None:
        """Start what can be started, in the order of the events."""
        for _ in range(len(self._waiting)):
            label, argv = self._waiting.popleft()
            if label in self._running or len(self._running) >= MOST:
                self._waiting.append((label, argv))  # all of them go round: their order stays
            else:
                self._start(label, argv)

    def _start(self, label: str, argv: list[str]) -> None:
        try:
            child = subprocess.Popen(  # noqa: S603 (the person's own program, without a shell)
                argv, stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output
            )
        except OSError as error:
            reason = reason_text(error.strerror or str(error))
            self._notify(tr("cannot run {program}: {reason}", program=argv[0], reason=reason))
        else:
            self._running.add(label)
            self._await(child, label)

    def _await(self, child: "subprocess.Popen[bytes]", label: str) -> None:
        """Take note of the end of a program (pidfd_open(2)), and let the next one start."""
        descriptor = os.pidfd_open(child.pid)

        def ended() -> None:
            self._loop.unwatch(descriptor)
            os.close(descriptor)
            self._running.remove(label)
            if status := child.wait():
                program = shlex.join(map(str, child.args))  # type: ignore[arg-type]
                self._notify(tr("{program} has ended with status {status}", program=program, status=status))
            self._start_next()

        self._loop.watch(descriptor, ended)


def _filled(word: str, event: Event) -> str:
    """Return a word of a command with the fields of an event filled in. They stay one word."""
    values = {
        "label": event.watched.target.label,
        "url": event.watched.target.url,
        "address": event.watched.where,
        "reason": event.reason,
        "seconds": f"{event.seconds:.1f}",
        "text": sentence(event),
    }
    for name in FIELDS:
        word = word.replace("{" + name + "}", values[name])
    return word
