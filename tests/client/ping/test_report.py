"""What is known at the end: golden records, as the published schema describes them, and lines for people."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from netechod.client.ping.json_views import JsonLinesView
from netechod.client.ping.layout import ms, wrapped
from netechod.client.ping.report import About, RunInfo, Samples, histogram, record, summary
from netechod.client.ping.tally import Tally
from netechod.client.ping.views import LineView, LiveView, OutputOptions, headline
from netechod.services.cells import cells

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "json" / "ping.schema.json").read_text("utf-8"))
ABOUT = About("example.test", "192.0.2.10", 8080, "udp", 56, 0.5)
AROUND = RunInfo(3.0004, "kernel", None, 2)

GOLDEN: dict[str, Any] = {
    "schema": "netecho.ping/1",
    "host": "example.test",
    "addr": "192.0.2.10",
    "port": 8080,
    "proto": "udp",
    "bytes": 56,
    "interval_s": 0.5,
    "seconds": 3.0,
    "clock": "kernel",
    "connect_ms": None,
    "sent": 7,
    "received": 4,
    "lost": 2,
    "loss_percent": 28.571,
    "pending": 1,
    "late": 1,
    "duplicates": 1,
    "reordered": 1,
    "corrupted": 1,
    "corrupted_bytes": 3,
    "strangers": 2,
    "reasons": {"timeout": 1, "refused": 1},
    "passed_over": [],
    "rtt_ms": {
        "min": 0.381,
        "avg": 0.798,
        "p50": 0.39,
        "p90": 2.008,
        "p95": 2.008,
        "p99": 2.008,
        "max": 2.008,
        "mdev": 0.699,
    },
    "histogram": [
        {"le_ms": 0.4, "count": 2},
        {"le_ms": 0.5, "count": 3},
        {"le_ms": 0.7, "count": 3},
        {"le_ms": 1.0, "count": 3},
        {"le_ms": 2.0, "count": 3},
        {"le_ms": 3.0, "count": 4},
    ],
    "samples_ms": [0.39, None, 0.381, 0.412, 2.008, None],
}


def validate(value: object, part: str) -> None:
    """Check a value against a part of the schema."""
    jsonschema.validate(
        value, SCHEMA | {"oneOf": [{"$ref": f"#/$defs/{part}"}]}, jsonschema.Draft202012Validator
    )


@pytest.fixture
def run() -> tuple[Tally, Samples]:
    """Seven probes, each with a fate of its own."""
    tally, samples = Tally(wait=2.0), Samples()
    for now in range(7):
        tally.send(now / 2)
    for event in (
        tally.answered(1, 0.00039, 56, 0),
        tally.answered(1, 0.0005, 56, 0),
        tally.answered(4, 1.500412, 56, 3),
        tally.answered(3, 1.000381, 56, 0),
        *tally.expired(2.5),
        tally.answered(2, 2.6, 56, 0),
        tally.answered(5, 2.002008, 56, 0),
        tally.failed(6, "refused", "192.0.2.10"),
    ):
        assert event is not None
        samples.note(event)
    return tally, samples


def test_the_record_is_golden(run: tuple[Tally, Samples]) -> None:
    tally, samples = run
    made = record(ABOUT, tally, AROUND, samples)
    assert made == GOLDEN
    assert list(made) == list(GOLDEN)
    validate(json.loads(json.dumps(made)), "record")


def test_a_record_of_nothing_fits_the_schema_too() -> None:
    made = record(ABOUT, Tally(2.0), RunInfo(0.0, None, None, 0), None)
    assert (made["rtt_ms"], made["clock"], made["histogram"], made["loss_percent"]) == (None, None, [], 0.0)
    assert "samples_ms" not in made
    validate(made, "record")


@pytest.mark.parametrize("missing", [name for name in GOLDEN if name != "samples_ms"])
def test_the_schema_refuses_a_record_that_is_not_whole(missing: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validate({name: value for name, value in GOLDEN.items() if name != missing}, "record")


def test_the_schema_explains_every_key() -> None:
    properties = SCHEMA["$defs"]["record"]["properties"]
    assert set(properties) == {"type", "stamp", *GOLDEN}
    assert all(about["description"] for about in properties.values())


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        (
            "en",
            [
                "--- example.test 8080/udp ---",
                "7 sent, 4 received, 2 lost (28.6 %), 1 under way, 1 too late, 1 duplicated, 1 reordered, "
                "3 B corrupted, 2 not ours, 3.0 s",
                "RTT ms  min 0.381  avg 0.798  p50 0.390  p90 2.01  p95 2.01  p99 2.01  max 2.01  mdev 0.699",
                "times of arrival are the kernel's",
            ],
        ),
        (
            "zh",
            [
                "--- example.test 8080/udp ---",
                "发送 7，收到 4，丢失 2 (28.6 %)，途中 1，太迟 1，重复 1，乱序 1，"
                "损坏 3 字节，无关 2，用时 3.0 秒",
                "往返 ms  最小 0.381  平均 0.798  中位 0.390  p90 2.01  p95 2.01  p99 2.01  "
                "最大 2.01  偏差 0.699",
                "到达时间由内核记录",
            ],
        ),
    ],
)
def test_the_summary_says_it_all_in_both_languages(
    language: str, lines: list[str], run: tuple[Tally, Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETECHO_LANG", language)
    assert list(summary(ABOUT, run[0], AROUND, 0)) == lines
    narrow = list(summary(ABOUT, run[0], AROUND, 40))
    assert all(cells(line) <= 40 for line in narrow)
    assert "".join(narrow).replace(" ", "") == "".join(lines).replace(" ", "")


@pytest.mark.parametrize(
    ("clock", "text"),
    [
        ("program", "times of arrival are this program's: the kernel tells none"),
        ("mixed", "times of arrival are partly the kernel's, partly this program's"),
    ],
)
def test_it_is_said_whose_clock_it_is(clock: str, text: str, run: tuple[Tally, Samples]) -> None:
    info = AROUND._replace(clock=clock, connect_seconds=0.0042)
    assert [*summary(ABOUT, run[0], info, 0)][-1] == f"{text}; connected in 4.20 ms"


def test_an_ipv6_server_stands_in_brackets() -> None:
    assert ABOUT._replace(host="2001:db8::1").where == "[2001:db8::1] 8080/udp"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0.000"), (4.1e-5, "0.041"), (0.00041, "0.410"), (0.0041, "4.10"), (0.041, "41.0"), (4.1, "4100")],
)
def test_milliseconds_have_three_digits(seconds: float, text: str) -> None:
    assert ms(seconds) == text


def test_parts_are_put_on_as_few_lines_as_hold_them() -> None:
    assert list(wrapped(["aa", "bb", "cc"], ", ", 7)) == ["aa, bb,", "cc"]
    assert list(wrapped(["aa", "bb", "cc"], ", ", 0)) == ["aa, bb, cc"]
    assert list(wrapped(["too long for it", "b"], ", ", 5)) == ["too long for it,", "b"]
    assert list(wrapped(["苹果", "b"], ", ", 6)) == ["苹果,", "b"]


def test_a_histogram_is_drawn(run: tuple[Tally, Samples]) -> None:
    assert list(histogram(run[0].times, ascii_only=False)) == [
        "  0.3 - 0.4 ms |██████████████████████████████ 2   50.0 %",
        "  0.4 - 0.5 ms |███████████████                1   25.0 %",
        "  0.5 - 0.7 ms |                               0    0.0 %",
        "  0.7 - 1 ms   |                               0    0.0 %",
        "  1 - 2 ms     |                               0    0.0 %",
        "  2 - 3 ms     |███████████████                1   25.0 %",
    ]
    assert [*histogram(run[0].times, ascii_only=True)][
        1
    ] == "  0.4 - 0.5 ms |###############                1   25.0 %"
    assert list(histogram(Tally(2.0).times, ascii_only=True)) == []


def test_what_is_rare_is_seen_in_a_histogram() -> None:
    tally = Tally(2.0)
    for seconds in [0.001] * 1000 + [0.0015]:
        tally.times.add(seconds)
    assert [line[13:15] for line in histogram(tally.times, ascii_only=False)] == ["|█", "|▏"]
    assert [line[13:15] for line in histogram(tally.times, ascii_only=True)] == ["|#", "|#"]


def test_a_move_is_told_in_every_form(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    for view in (
        JsonLinesView(ABOUT),
        LineView(ABOUT, OutputOptions(ascii_only=True)),
        LiveView(ABOUT, OutputOptions(ascii_only=True)),
    ):
        view.moved("192.0.2.7")
    as_json, *texts = capfdbinary.readouterr().out.decode().rstrip().split("\n")
    made = json.loads(as_json)
    assert made["addr"] == "192.0.2.7"
    jsonschema.validate(made, SCHEMA, jsonschema.Draft202012Validator)
    assert all(text.endswith(f"{ABOUT.host} is at 192.0.2.7 now") for text in texts)
    assert len(texts) == 2


def test_other_addresses_of_a_silent_server_are_told_in_every_form(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    for view in (
        JsonLinesView(ABOUT),
        LineView(ABOUT, OutputOptions(ascii_only=True), "h1"),
        LiveView(ABOUT, OutputOptions(ascii_only=True)),
    ):
        view.has_others("2001:db8::1", ["192.0.2.7", "192.0.2.8"])
    as_json, *texts = capfdbinary.readouterr().out.decode().rstrip().split("\n")
    made = json.loads(as_json)
    assert (made["type"], made["addr"], made["others"]) == (
        "silent",
        "2001:db8::1",
        ["192.0.2.7", "192.0.2.8"],
    )
    jsonschema.validate(made, SCHEMA, jsonschema.Draft202012Validator)
    sentence = f"2001:db8::1 does not answer; {ABOUT.host} has also 192.0.2.7, 192.0.2.8"
    assert [texts[0], texts[1].removeprefix("\r\x1b[K")] == [f"h1  {sentence}", sentence]


def test_addresses_that_were_passed_over_are_told_in_every_form(run: tuple[Tally, Samples]) -> None:
    about = ABOUT._replace(passed_over=(("2001:db8::1", "timeout"), ("2001:db8::2", "refused")))
    assert [*headline(about, 0)][1:] == [
        "2001:db8::1 is passed over (silent): 192.0.2.10 answers",
        "2001:db8::2 is passed over (refused): 192.0.2.10 answers",
    ]
    made = record(about, run[0], AROUND, None)
    assert made["passed_over"] == [
        {"addr": "2001:db8::1", "reason": "timeout"},
        {"addr": "2001:db8::2", "reason": "refused"},
    ]
    validate(json.loads(json.dumps(made)), "record")
