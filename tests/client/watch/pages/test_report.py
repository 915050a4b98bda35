"""`netecho report`: recordings as pages and pictures."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support.netecho import netecho

from netechod.client.watch.pages.recording import Recording

TIME = "2026-11-30T12:{:02}:{:02}.000000+00:00"
TARGETS = [{"target": label, "url": f"udp://{label}:8080"} for label in ("a<b", "c")]


def lines() -> list[bytes]:
    """A recording of ten minutes: `a<b` answers, and `c` is lost in the second half."""
    records: list[dict[str, object]] = [{"type": "begin", "targets": TARGETS}]
    for second in range(600):
        time = TIME.format(*divmod(second, 60))
        records.append({"type": "answered", "time": time, "target": "a<b", "rtt_ms": 1 + second % 7})
        kind = {"type": "answered", "rtt_ms": 20.0} if second < 300 else {"type": "lost", "rtt_ms": None}
        records.append({**kind, "time": time, "target": "c", "reason": "timeout"})
    records.append({"type": "down", "target": "c"})
    return [json.dumps(record).encode() + b"\n" for record in records]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    file = tmp_path / "r.jsonl"
    file.write_bytes(b"".join(lines()))
    return file


def test_a_recording_becomes_a_page_that_needs_no_network(recording: Path) -> None:
    page = recording.with_suffix(".html")
    run = netecho("report", str(recording), "-o", str(page))
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")
    text = page.read_text(encoding="utf-8")
    assert text.index(">c</h2>") < text.index(">a&lt;b</h2>")  # what has trouble comes first
    assert ("<script" in text, "50.00 %" in text, "http://" in text) == (False, True, False)
    assert "2 targets, " in text


def test_a_recording_becomes_a_picture(recording: Path) -> None:
    picture = recording.with_suffix(".svg")
    assert netecho("report", str(recording), "-o", str(picture), NETECHO_LANG="zh").returncode == 0
    root = ElementTree.fromstring(picture.read_text(encoding="utf-8"))
    texts = ["".join(it.itertext()) for it in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "a<b" in texts
    assert any("丢失 50.00 %" in text for text in texts)
    classes = [it.get("class") for it in root.iter()]
    assert {"median", "band", "smoke", "loss"} <= set(classes)


def test_a_recording_becomes_pixels(recording: Path) -> None:
    picture = recording.with_suffix(".png")
    assert netecho("report", str(recording), "-o", str(picture)).returncode == 0
    head = picture.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(head[16:20], "big") == 2 * 688


def test_lines_that_are_none_are_told_and_left_out(recording: Path) -> None:
    recording.write_bytes(b'{"type": "begin"}\nnonsense\n[1]\n' + b"".join(lines()) + b'{"type": "answ')
    run = netecho("report", str(recording), "-o", str(recording.with_suffix(".svg")))
    assert run.stderr.decode() == f"netecho: {recording}:1: no record; lines left out: 4\n"
    assert run.returncode == 0


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("hello\n")
    run = netecho("report", str(file), "-o", str(tmp_path / "x.svg"))
    assert run.stderr.decode().startswith(f"netecho: error: {file} is no recording of a watch\nhint: ")
    assert run.returncode == 1
    run = netecho("report", f"{file}2", "-o", str(tmp_path / "x.svg"))
    assert run.stderr.decode() == f"netecho: error: cannot read {file}2: No such file or directory\n"


def test_a_form_that_nobody_draws_is_refused(recording: Path) -> None:
    run = netecho("report", str(recording), "-o", "x.gif")
    assert run.stderr.decode() == (
        "netecho: error: x.gif: what is it to be? the suffixes are .html, .svg, .png\n"
    )


def test_a_file_that_cannot_be_written_is_told(recording: Path) -> None:
    run = netecho("report", str(recording), "-o", "/nosuch/x.svg")
    assert run.stderr.decode() == "netecho: error: cannot write /nosuch/x.svg: No such file or directory\n"
    assert run.returncode == 1


def test_a_recording_has_the_figures_of_its_watch() -> None:
    recording = Recording()
    recording.read(lines())
    lost = recording.targets["c"]
    assert (lost.statistics.sent, lost.statistics.lost, lost.state) == (600, 300, "down")
    assert lost.statistics.longest_outage(recording.ended).seconds == 299.0
    assert len(recording.targets["a<b"].samples()) == 600
    assert recording.broken == []
