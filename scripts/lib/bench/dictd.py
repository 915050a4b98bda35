"""dictd as a peer: its dictionary, its configuration and its command line.

It serves each connection in a process of its own, whose CPU time is not counted.
"""

from pathlib import Path

from scripts.lib.bench.environment import system_program

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
HEADERS = ("00-database-allchars", "00-database-utf8")  # letters and signs count; the text is UTF-8


def command(home: Path, dictionary: Path) -> list[str]:
    """The command line; `PORT` stands for the port. Raises MissingError."""
    program = system_program("dictd")
    index, data, configuration = home / "words.index", home / "words.dict", home / "dictd.conf"
    home.parent.chmod(0o711)  # started by root, it reads its files as another user
    _write(dictionary, index, data)
    configuration.write_text(
        f"""global {{ pid_file "{home}/dictd.pid" }}
access {{ allow * }}
database main {{ data {data}
 index {index} }}
""",
        encoding="utf-8",
    )
    loopback = ["--listen-to", "127.0.0.1", "--port", "PORT"]
    return [program, "-d", "nodetach", "--config", str(configuration), "--locale", "C.UTF-8", *loopback]


def _write(dictionary: Path, index: Path, data: Path) -> None:
    """Write the entries of a file of `key:value` lines as dictd has them (dictfmt(1)): an index and texts."""
    entries = [(header, "") for header in HEADERS]
    entries += [(word, meaning) for word, _, meaning in map(_split, dictionary.open(encoding="utf-8"))]
    rows, start = [], 0
    with data.open("wb") as texts:
        for word, meaning in entries:
            text = f"{word}\n  {meaning}\n".encode()
            texts.write(text)
            rows.append(f"{word}\t{_number(start)}\t{_number(len(text))}\n")
            start += len(text)
    index.write_text("".join(sorted(rows)), encoding="utf-8")


def _split(line: str) -> tuple[str, str, str]:
    return line.rstrip("\n").partition(":")


def _number(value: int) -> str:
    """A number in base 64, the most significant digit first."""
    text = ""
    while value:
        value, digit = divmod(value, 64)
        text = DIGITS[digit] + text
    return text or DIGITS[0]
