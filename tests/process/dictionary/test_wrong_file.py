"""A daemon that is given the wrong file, or one on a disk that does not answer: it serves on and says so."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemon import PATIENCE, Daemon, ask, run_netechod
from torture.strace import obstacle

pytestmark = pytest.mark.system

MANY = "".join(f"word{number}:第{number}个\n" for number in range(300))
COURSE = "".join(
    f"word{number}      n. the meaning of it{':' if number % 20 == 0 else ''} 3\n" for number in range(300)
)


@pytest.fixture(params=[0, 1 << 20], ids=["index", "memory"])
def daemon(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Daemon]:
    with Daemon(tmp_path, MANY) as daemon:
        daemon.configure({"dictionary.index_from": request.param})
        yield daemon


def reload(daemon: Daemon, *options: str) -> subprocess.CompletedProcess[str]:
    socket = str(daemon.directory / "control.sock")
    command = [sys.executable, "-m", "netechod.cli.netechoctl", "--socket", socket, "reload", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def look_up(daemon: Daemon, word: str) -> str:
    return ask(daemon.address("dictionary"), word.encode().ljust(400, b"\0")).decode()


def test_a_file_of_another_format_is_refused_by_a_reload(daemon: Daemon) -> None:
    daemon.start()
    daemon.dictionary.write_text(COURSE, encoding="utf-8")
    done = reload(daemon)
    assert done.returncode == 1
    assert "285 of 300 lines are no entries, 15 words have a tab, a quote or another separator" in done.stderr
    assert "it looks like words and meanings separated by spaces: netechoctl dict import " in done.stderr
    assert "dictionary.max_skipped = 1 has it loaded all the same" in done.stderr
    daemon.said("dictionary reload failed, 300 entries stay in use: ")
    assert look_up(daemon, "word7") == "第7个"
    assert daemon.stop() == 0
    assert daemon.spawn("--foreground").wait(PATIENCE) == 5


def test_a_check_and_a_compile_refuse_it_as_well(daemon: Daemon) -> None:
    daemon.dictionary.write_text(COURSE, encoding="utf-8")
    checked = run_netechod("--check", "--config", str(daemon.config))
    assert checked.returncode == 78
    assert "285 of 300 lines are no entries" in checked.stderr
    command = [sys.executable, "-m", "netechod.cli.netechoctl", "dict", "compile", "-c", str(daemon.config)]
    compiled = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert compiled.returncode == 5
    assert "it looks like words and meanings separated by spaces" in compiled.stderr


def test_whoever_wants_such_a_file_gets_it(daemon: Daemon) -> None:
    daemon.start("--set", "dictionary.max_skipped=1")
    daemon.dictionary.write_text(COURSE, encoding="utf-8")
    done = reload(daemon, "--json")
    outcome = json.loads(done.stdout)
    assert (outcome["skipped"], outcome["lost"]) == (285, 300)
    daemon.said("dictionary reload loses most words: 300 of the 300 words in use are not in the file")


def test_a_file_without_most_words_is_refused_when_it_is_doubtful_besides(daemon: Daemon) -> None:
    daemon.start()
    fresh = "".join(f"fresh{number}:{number}\n" for number in range(80))
    daemon.dictionary.write_text(fresh + "stray\n" * 20, encoding="utf-8")
    done = reload(daemon)
    assert "300 of the 300 words in use are not in the file, and 20% of its lines are doubtful" in done.stderr
    assert look_up(daemon, "word7") == "第7个"
    daemon.dictionary.write_text(fresh, encoding="utf-8")
    assert reload(daemon).returncode == 0
    assert look_up(daemon, "fresh7") == "7"


def test_skipped_and_long_meanings_are_told(daemon: Daemon) -> None:
    daemon.dictionary.write_text(f"{MANY}ratio：比例（如 3:1）\nlong:{'长' * 500}\n", encoding="utf-8")
    checked = run_netechod("--check", "--config", str(daemon.config)).stdout
    assert ":301: a full-width '：' before the ':'; write it as key:value; the line is skipped" in checked
    assert "1 meanings are longer than dictionary.max_reply (1200 bytes), and are cut" in checked
    assert "301 words, 1 lines skipped" in checked
    daemon.start()
    daemon.said("1 meanings are longer than dictionary.max_reply (1200 bytes), and are cut")


def test_a_restart_serves_other_content_of_the_same_size_and_time(daemon: Daemon) -> None:
    daemon.start()
    assert daemon.stop() == 0
    before = daemon.dictionary.stat()
    daemon.dictionary.write_text(MANY.replace("个", "個"), encoding="utf-8")
    os.utime(daemon.dictionary, ns=(before.st_atime_ns, before.st_mtime_ns))
    daemon.start()
    assert look_up(daemon, "word7") == "第7個"


def test_the_text_for_a_miss_is_a_word_like_any_other(daemon: Daemon) -> None:
    daemon.start()
    assert look_up(daemon, "unknown") == "unknown"
    with_it = MANY + "unknown:未知\n"
    daemon.dictionary.write_text(with_it, encoding="utf-8")
    daemon.reload()
    assert look_up(daemon, "unknown") == "未知"


@pytest.mark.parametrize("call", ["openat", "read", "%%stat"], ids=["open", "read", "stat"])
def test_a_slow_disk_costs_nobody_an_answer(daemon: Daemon, call: str) -> None:
    if why := obstacle():
        pytest.skip(why)
    daemon.start()
    assert daemon.process is not None
    address = daemon.address("echo-udp")
    slow = ["--trace-path", str(daemon.dictionary), "-e", f"inject={call}:delay_enter=1500000"]
    trace = ["strace", "-f", "-o", os.devnull, *slow, "-p", str(daemon.process.pid)]
    with subprocess.Popen(trace, stderr=subprocess.PIPE) as tracer:
        assert tracer.stderr is not None
        assert b"attached" in tracer.stderr.readline()
        daemon.dictionary.write_text("fresh:新\n", encoding="utf-8")
        daemon.signal(signal.SIGHUP)
        daemon.manager.wait_for("RELOADING=1", PATIENCE)
        answers = 0
        while not daemon.manager.has("READY=1"):
            assert ask(address, b"%d" % answers) == b"%d" % answers
            answers += 1
        tracer.terminate()
    assert answers > 10  # while the disk was waited for
    assert look_up(daemon, "fresh") == "新"
