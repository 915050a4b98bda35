"""The conversation in a file."""

import os
import re
import stat
from datetime import date
from pathlib import Path

import pytest

from netechod.client.chat.transcript import Transcript
from netechod.client.errors import ClientError


def test_lines_are_appended_with_their_times_below_the_date(tmp_path: Path) -> None:
    file = tmp_path / "log"
    for text in ("ann: hi", "ann: 你好\x1b"):
        transcript = Transcript()
        transcript.begin(str(file))
        transcript.write(text)
        transcript.end()
    transcript.write("nobody writes this")
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    day = r"--- \d{4}-\d\d-\d\d [+-]\d{4} ---"
    expected = f"{day}\n{stamp} ann: hi\n{day}\n{stamp} ann: 你好\\\\x1b\n"
    assert re.fullmatch(expected, file.read_text(encoding="utf-8"))
    assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0


def test_another_day_begins_with_its_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transcript = Transcript()
    transcript.begin(str(tmp_path / "log"))
    transcript.look_at_clock()
    monkeypatch.setattr(transcript, "_day", date(2026, 1, 1))
    transcript.look_at_clock()
    transcript.end()
    assert (tmp_path / "log").read_text().count("--- ") == 2


def test_the_home_directory_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    transcript = Transcript()
    transcript.begin("~/log")
    transcript.end()
    assert (tmp_path / "log").exists()


@pytest.mark.parametrize("name", ["missing/log", ".", "fifo", "nul\0"])
def test_a_file_that_cannot_be_written_is_an_error_with_a_reason(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ClientError, match=r"cannot write the log .*: ."):
        Transcript().begin(str(tmp_path / name))


def test_a_full_disk_ends_the_log() -> None:
    transcript = Transcript()
    with pytest.raises(ClientError, match="No space left on device"):
        transcript.begin("/dev/full")
    assert transcript.path is None
    transcript.write("nobody writes this")
