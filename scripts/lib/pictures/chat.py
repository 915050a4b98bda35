"""Two people talk; one of them reads Chinese."""

import tempfile
from pathlib import Path

from support.daemon import Daemon
from support.tmux import Tmux

from scripts.lib.pictures.svg import Screen, draw

SIZE = (66, 10)


def picture() -> str:
    """Return a picture of the screens after a few lines of talk, with one more being typed."""
    with tempfile.TemporaryDirectory() as name, Daemon(Path(name)) as daemon:
        daemon.start()
        host, port = daemon.address("chat")
        words = f"{host}:{daemon.address('dictionary')[1]}"
        command = ("chat", "--mention", "bob", "--dictionary", words, f"{host}:{port}")
        directories = [Path(name, each) for each in ("xiaoming", "bob")]
        for directory in directories:
            directory.mkdir()
        colorful = {"TERM": "screen-256color", "NO_COLOR": ""}
        chinese = colorful | {"NETECHO_LANG": "zh"}
        with Tmux(directories[0], *command, size=SIZE, variables=chinese) as xiaoming:
            xiaoming.wait_for("在线 1")
            with Tmux(directories[1], *command, size=SIZE, variables=colorful) as bob:
                _talk(xiaoming, bob)
                titles = [f"小明 $ netecho chat {host}", f"bob $ netecho chat {host}"]
                both = zip(titles, (xiaoming, bob), strict=True)
                return draw([Screen(title, it.screen("-e"), SIZE[0], it.cursor()) for title, it in both])


def _talk(xiaoming: Tmux, bob: Tmux) -> None:
    xiaoming.wait_for("在线 2")
    for speaker, listener, text in (
        (xiaoming, bob, "大家好，今天的字典更新了吗？"),
        (bob, xiaoming, "SIGHUP done, 2019 words, no query lost"),
        (xiaoming, bob, "谢谢 bob！"),
        (bob, xiaoming, "不客气"),
    ):
        speaker.type(f"{text}\r")
        speaker.wait_for(f"{text} ✓")
        listener.wait_for(text)
    bob.type("/dict apple\r")
    bob.wait_for("苹果")
    xiaoming.type("/ping\r")
    xiaoming.wait_for("毫秒内应答")
    xiaoming.type("明天见, b")
    xiaoming.wait_for("Enter# 明天见, b")
