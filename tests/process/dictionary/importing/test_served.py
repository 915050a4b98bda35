"""An imported dictionary is served: what a daemon answers over UDP and DICT is what was imported."""

import shlex
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
from support.daemon import PATIENCE, Daemon, ask, run_netechod
from support.foreign_dictionaries import imported, write_dictd

from netechod.process.dictionary import external_sort
from netechod.process.dictionary.index import open_index
from netechod.process.dictionary.index_builder import build
from netechod.services.dictionary.parser import Rules

pytestmark = pytest.mark.system

ENTRIES = [
    (["apple", "apples"], "apple /ˈapəl/\nApfel\n  1. a fruit\n"),
    (["bank"], "bank\nHaus\n"),
    (["bank"], "bank\nUfer\n"),
]
HEADERS = {"short": "00-database-short\nTiny\n", "info": "00-database-info\nLicensed for all\n"}
IMPORT = [sys.executable, "-m", "netechod.cli.netechoctl", "dict", "import"]


def look_up(daemon: Daemon, word: str) -> str:
    return ask(daemon.address("dictionary"), word.encode().ljust(400, b"\0")).decode()


def defined(daemon: Daemon, word: str) -> list[str]:
    """The lines of the answer over DICT."""
    with socket.create_connection(daemon.address("dict"), PATIENCE) as sock:  # noqa: TID251 (a client)
        sock.sendall(f"DEFINE * {word}\r\nQUIT\r\n".encode())
        with sock.makefile("rb") as answer:
            return answer.read().decode().split("\r\n")


@pytest.mark.parametrize("index_from", [0, 1 << 20], ids=["index", "memory"])
def test_words_and_texts_are_served_as_they_were_imported(tmp_path: Path, index_from: int) -> None:
    index = write_dictd(tmp_path / "tiny", ENTRIES, HEADERS)
    with Daemon(tmp_path) as daemon:
        daemon.dictionary = tmp_path / "tiny.tsv"
        made = imported(index, daemon.dictionary)
        daemon.configure({"dict.enabled": True, "dictionary.index_from": index_from})
        daemon.bind("dictionary", "dict")
        daemon.start()
        assert made.words == {
            "apple": "apple /ˈapəl/\nApfel\n  1. a fruit",
            "apples": "apple /ˈapəl/\nApfel\n  1. a fruit",
            "bank": "Haus\n\nUfer",
        }
        assert {word: look_up(daemon, word) for word in made.words} == made.words
        assert look_up(daemon, "BANK") == "Haus\n\nUfer"
        lines = defined(daemon, "apples")
        start = lines.index("apples")
        assert lines[start : start + 5] == [
            "apples",
            "  apple /ˈapəl/",
            "  Apfel",
            "    1. a fruit",
            ".",
        ]


def test_a_file_of_another_name_is_served_with_the_format_that_is_set(tmp_path: Path) -> None:
    with Daemon(tmp_path, "a|b\tone\\ntwo\na\tthree\n") as daemon:
        daemon.configure({"dictionary.format": "tsv", "dictionary.index_from": 0})
        daemon.start()
        assert look_up(daemon, "a") == "one\ntwo\n\nthree"
        daemon.configure({"dictionary.format": "lines", "dictionary.index_from": 0})
        daemon.dictionary.write_text("a:b\n")
        daemon.reload()
        assert look_up(daemon, "a") == "b"


@pytest.mark.parametrize("separator", ["\t", "   ", "，", "：", " = "])
def test_the_refusal_of_a_list_names_the_import_that_makes_a_dictionary_of_it(
    tmp_path: Path, separator: str
) -> None:
    text = "".join(f"word{number}{separator}第{number}个\n" for number in range(9))
    with Daemon(tmp_path, text) as daemon:
        daemon.configure({})
        checked = run_netechod("--check", "--config", str(daemon.config))
        assert checked.returncode == 78
        line = checked.stderr.partition("netechoctl dict import ")[2].partition("; dictionary.max_skipped")[0]
        subprocess.run([*IMPORT, *shlex.split(line)], cwd=tmp_path, check=True, capture_output=True)
        daemon.dictionary = tmp_path / "dict.tsv"
        daemon.configure({})
        assert run_netechod("--check", "--config", str(daemon.config)).stdout.endswith(
            "dict.tsv: ok, 9 words, 0 lines skipped\n"
        )


def test_an_index_that_is_sorted_in_little_memory_keeps_the_lines_of_all_meanings(tmp_path: Path) -> None:
    text = "".join(f"word{number}\t{number}\\nline\n" for number in range(500)) + "word7\tagain\n"
    (tmp_path / "x.tsv").write_text(text)
    with patch.multiple(external_sort, RUN=300, BLOCK=60):
        build(tmp_path / "x.tsv", tmp_path / "index", max_size=1 << 20, rules=Rules(format="tsv"))
    with closing(open_index(tmp_path / "index")) as edition:
        words = {word.decode(): meaning.decode() for word, meaning in edition.items()}
    expected = {f"word{number}": f"{number}\nline" for number in range(500)}
    assert words == expected | {"word7": "7\nline\n\nagain"}
