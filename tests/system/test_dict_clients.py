"""The DICT clients that people have, as Debian packages them, against the daemon."""

import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from support.daemon import PATIENCE, Daemon
from support.dictionaries import WORDS

pytestmark = pytest.mark.system

TEXT = "apple\r\n  苹果\r\n.\r\n"
APPLE = f'150 1 definitions retrieved\r\n151 "apple" main "dict.txt"\r\n{TEXT}250 ok\r\n221 bye\r\n'

EMACS = """
(require 'dictionary)
(setq dictionary-server "127.0.0.1" dictionary-port {port} dictionary-create-buttons nil)
(defun show (title)
  (princ (format "<%s>\\n%s\\n" title (buffer-substring-no-properties (point-min) (point-max)))))
(dolist (word '("apple" "aple" "don't" "say \\"hi\\"" "dots" "苹果"))
  (dictionary-search word) (show (concat "define " word)))
(dictionary-match-words "esse") (show "match esse")
(dictionary-select-dictionary) (show "databases")
(dictionary-select-strategy) (show "strategies")
(dictionary-display-more-info '("main" . "x")) (show "information")
"""

PERL = """
use Net::Dict;
my $dict = Net::Dict->new("127.0.0.1", Port => $ARGV[0], Client => "test");
my %databases = $dict->dbs; print join(";", map { "$_=$databases{$_}" } sort keys %databases), "\\n";
my %strategies = $dict->strategies; print join(",", sort keys %strategies), "\\n";
for my $word ("apple", "dots", "don't") {
    for my $entry (@{$dict->define($word, "main")}) {
        print "$word: ", join("|", @$entry) =~ s/\\n/~/gr, "\\n"
    }
}
for my $match (@{$dict->match("e", "prefix", "main")}) { print "match ", join("|", @$match), "\\n" }
print $dict->serverInfo, $dict->dbInfo("main");
"""

DICOCLIENT = """
import sys, dicoclient
client = dicoclient.DicoClient()
client.open("127.0.0.1", int(sys.argv[1]))
print(client.show_databases(), client.show_strategies()["count"])
for word in "apple", "dots", "苹果":
    found = client.define("*", word)
    print(found["count"], found["definitions"][0]["desc"].replace("\\n", "~"))
print(client.match("main", "prefix", "e")["matches"])
client.close()
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("dict"), WORDS) as daemon:
        daemon.configure({"dict.enabled": True})
        daemon.bind("dictionary", "dict")
        yield daemon.start()


def ran(argv: Sequence[str], status: int = 0) -> str:
    """What a program says, and that it ends so."""
    ended = subprocess.run(
        argv, capture_output=True, timeout=PATIENCE, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )
    said = ended.stdout.decode() + ended.stderr.decode()
    assert ended.returncode == status, said
    return said


def port_of(daemon: Daemon) -> str:
    return str(daemon.address("dict")[1])


@pytest.mark.parametrize(
    ("options", "status", "texts"),
    [
        (["apple"], 0, ["1 definition found", "  apple\n    苹果\n"]),
        (["-M", "apple"], 0, ["  apple\n    苹果\n"]),
        (["aple"], 21, ['No definitions found for "aple", perhaps you mean', "apple"]),
        (["zzzz"], 20, ['No definitions found for "zzzz"']),
        (['say "hi"'], 0, ['say "hi"\n    a word with quotes']),
        (["back\\slash"], 0, ["back\\slash\n    a word with a backslash"]),
        (["don't"], 0, ["don't\n    an apostrophe"]),
        (["dots"], 0, ["dots\n    .one dot\n"]),
        (["苹果"], 0, ["苹果\n    apple\n"]),
        (["工業|工业"], 0, ["industry"]),
        (["-m", "-s", "prefix", "e"], 0, ["empty line", "Essen", "essen"]),
        (["-s", "prefix", "e"], 0, ["empty line\n    one", "Essen\n    das Essen", "essen\n    to eat"]),
        (["-D"], 0, ["main ", "dict.txt"]),
        (["-S"], 0, ["lev ", "substring "]),
        (["-i", "main"], 0, ["dict.txt, 10 words"]),
        (["-I"], 0, ["netechod "]),
        (["-d", "nosuch", "x"], 39, ["nosuch is not a valid database"]),
        (["-s", "nosuch", "x"], 40, ["nosuch is not a valid search strategy"]),
        (["-u", "joe", "-k", "secret", "apple"], 35, ["command not implemented"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_dict(daemon: Daemon, options: list[str], status: int, texts: list[str]) -> None:
    said = ran(["dict", "-P", "-", "-h", "127.0.0.1", "-p", port_of(daemon), *options], status)
    for text in texts:
        assert text in said


def test_curl(daemon: Daemon) -> None:
    def asked(path: str) -> str:
        banner, greeting, rest = ran(["curl", "-sS", f"dict://127.0.0.1:{port_of(daemon)}/{path}"]).split(
            "\r\n", 2
        )
        assert banner.startswith("220 netechod ")
        assert greeting == "250 ok"
        return rest

    assert asked("d:apple") == APPLE
    assert asked("d:%E8%8B%B9%E6%9E%9C:main").startswith('150 1 definitions retrieved\r\n151 "苹果" main')
    assert asked("d:say%20%22hi%22").startswith('150 1 definitions retrieved\r\n151 "say \\"hi\\"" main')
    assert asked("m:aple") == '152 1 matches found\r\nmain "apple"\r\n.\r\n250 ok\r\n221 bye\r\n'
    assert asked("show:db").startswith('110 1 databases present\r\nmain "dict.txt"\r\n.\r\n')


def test_dico(daemon: Daemon) -> None:
    dico = ["dico", "--host", "127.0.0.1", "--port", port_of(daemon)]
    assert ran([*dico, "apple"]).startswith("From main, dict.txt:\napple\n  苹果\n")
    assert 'main "dict.txt"' in ran([*dico, "--dbs"])
    assert ran([*dico, "--match", "--strategy=prefix", "e"]).splitlines()[:3] == [
        f'main "{word}"' for word in ("empty line", "essen", "Essen")
    ]


def test_dicoclient(daemon: Daemon) -> None:
    said = ran(["/usr/bin/python3", "-c", DICOCLIENT, port_of(daemon)])
    assert "'main'" in said
    assert " 8\n" in said
    assert "1 apple~  苹果" in said
    assert "1 dots~  .one dot" in said
    assert "['empty line', 'essen', 'Essen']" in said


def test_net_dict_of_perl(daemon: Daemon) -> None:
    said = ran(["perl", "-e", PERL, port_of(daemon)]).splitlines()
    assert said[:8] == [
        "main=dict.txt",
        "exact,first,last,lev,prefix,substring,suffix,word",
        "apple: main|apple~  苹果~",
        "dots: main|dots~  .one dot~",
        "don't: main|don't~  an apostrophe~",
        "match main|empty line",
        "match main|essen",
        "match main|Essen",
    ]
    assert said[-1] == "dict.txt, 10 words"


def test_emacs(daemon: Daemon, tmp_path: Path) -> None:
    script = tmp_path / "test.el"
    script.write_text(EMACS.format(port=port_of(daemon)), encoding="utf-8")
    said = ran(["emacs", "-Q", "--batch", "-l", str(script)])
    parts = dict(part.split(">\n", 1) for part in said.split("<")[1:])
    assert "apple\n  苹果" in parts["define apple"]
    assert "apple" in parts["define aple"]
    assert "an apostrophe" in parts["define don't"]
    assert "a word with quotes" in parts['define say "hi"']
    assert "  .one dot" in parts["define dots"]
    assert "  apple" in parts["define 苹果"]
    assert "Essen" in parts["match esse"]
    assert "dict.txt" in parts["databases"]
    assert "Headwords that begin so" in parts["strategies"]
    assert "10 words" in parts["information"]


def test_old_clients_that_end_lines_with_lf_and_send_nuls(daemon: Daemon) -> None:
    with socket.create_connection(daemon.address("dict"), PATIENCE) as sock:  # noqa: TID251 (a client)
        sock.sendall(b'define * "apple"\n\n\0quit\n')
        with sock.makefile("r", encoding="utf-8", newline="") as file:
            assert file.read().partition("\r\n")[2] == APPLE
