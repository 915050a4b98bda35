"""What a watch serves over HTTP: charts for people, figures for monitoring systems."""

import re
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from support.daemon import client
from support.fake_servers import FakeUdpServer, echo_datagram, unused_udp_port
from support.netecho import COMMAND, environment

from netechod.client.watch.pages.server import Place, place

SVG = re.compile(r"<svg.*?</svg>", re.DOTALL)


class Watch:
    """`netecho watch` that serves pages."""

    def __init__(self, *arguments: str) -> None:
        quick = ("-i", "0.05", "--timeout", "0.2")
        self._process = subprocess.Popen(
            [*COMMAND, "watch", *quick, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )

    def said(self, text: str) -> str:
        """Wait until a line on stderr has this text."""
        assert self._process.stderr is not None
        return next(line for line in self._process.stderr if text in line)

    def told(self, *texts: str) -> None:
        """Wait until each of the texts has been in a line on stdout."""
        assert self._process.stdout is not None
        missing = set(texts)
        while missing:
            line = self._process.stdout.readline()
            assert line, missing
            missing -= {text for text in missing if text in line}

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=20)


@contextmanager
def watching(*arguments: str) -> Iterator[Watch]:
    watch = Watch(*arguments)
    try:
        yield watch
    finally:
        watch.close()


def fetch(url: str, **fields: str) -> tuple[str, str]:
    """A page, and its policy."""
    request = urllib.request.Request(url, headers={name.replace("_", "-"): it for name, it in fields.items()})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read().decode(), answer.headers.get("Content-Security-Policy", "")


def served(watch: Watch) -> str:
    return watch.said("serving ").split()[-1]


class Outline(HTMLParser):
    """The cards of a page, each by its class, and whatever would ask another server for something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.states: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "article":
            self.states.append(named["class"] or "")
        self.links += [it or "" for name, it in attrs if name in ("src", "href", "action")]


@pytest.fixture
def target() -> Iterator[str]:
    with FakeUdpServer(echo_datagram) as fake:
        yield f"udp://{fake.address}"


def test_the_page_has_a_chart_of_each_target_and_a_lost_one_is_marked(target: str) -> None:
    with watching("--web", "0", target, f"udp://127.0.0.1:{unused_udp_port()}") as watch:
        url = served(watch)
        watch.told(f"{target} answers", "is lost")
        text, policy = fetch(url)
        cards, _ = fetch(f"{url}cards")
    page = Outline(text)
    assert page.states == ["down", "up"]
    assert page.links == ["data:,"]
    assert "default-src 'none'" in policy
    assert Outline(cards).states == ["down", "up"]
    drawings = SVG.findall(text)
    assert len(drawings) == 2
    for drawing in drawings:
        ElementTree.fromstring(drawing)  # well-formed
    assert 'class="loss"' in drawings[0]
    assert "http" not in re.sub(r"udp://\S+", "", text).replace("http-equiv", "")


def test_the_script_of_the_page_is_the_one_that_its_policy_allows(target: str) -> None:
    import base64
    import hashlib

    with watching("--web", "127.0.0.1:0", target) as watch:
        text, policy = fetch(served(watch))
    script = text.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_the_page_speaks_the_language_of_the_browser(target: str) -> None:
    with watching("--web", "0", target) as watch:
        url = served(watch)
        chinese, _ = fetch(url, Accept_Language="zh-CN,zh;q=0.9,en;q=0.8")
        english, _ = fetch(url, Accept_Language="en-GB,zh;q=0.8")
    assert ('lang="zh-CN"' in chinese, "1 个目标" in chinese) == (True, True)
    assert ('lang="en"' in english, "1 targets" in english) == (True, True)


def test_labels_do_nothing_to_the_page(target: str, tmp_path: Path) -> None:
    file = tmp_path / "site"
    file.write_text(f'{target} "<script>alert(1)</script>&quot;"\n')
    with watching("--web", "0", "-f", str(file)) as watch:
        text, _ = fetch(served(watch))
    assert "<script>alert" not in text
    assert text.count("<script>") == 1


def test_a_reader_that_leaves_or_says_nothing_disturbs_nobody(target: str) -> None:
    with watching("--web", "0", target) as watch:
        url = served(watch)
        port = int(url.rsplit(":", 1)[1].strip("/"))
        for said in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01"):
            with client(("127.0.0.1", port), socket.SOCK_STREAM) as sock:
                sock.sendall(said)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetch(f"{url}etc/passwd")
        assert Outline(fetch(url)[0]).states


def test_figures_are_served_as_open_metrics(target: str) -> None:
    lost = f"udp://127.0.0.1:{unused_udp_port()}"
    with watching("--metrics", "0", target, lost) as watch:
        url = served(watch)
        watch.told(f"{target} answers", "is lost")
        text, _ = fetch(url, Accept="application/openmetrics-text; version=1.0.0")
        plain, _ = fetch(url)
    samples = {
        (sample.name, sample.labels.get("target", ""), sample.labels.get("reason", "")): sample.value
        for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        for sample in family.samples
        if "le" not in sample.labels
    }
    assert samples["netecho_up", target, ""] == 1
    assert samples["netecho_up", lost, ""] == 0
    assert samples["netecho_probes_lost_total", lost, ""] >= 2
    assert samples["netecho_errors_total", lost, "refused"] >= 2
    assert samples["netecho_rtt_seconds_count", target, ""] >= 1
    assert samples["netecho_rtt_seconds_count", lost, ""] == 0
    assert 'netecho_rtt_seconds_bucket{le="+Inf"' in text
    assert "# EOF" not in plain


def test_both_pages_may_have_one_address(target: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with watching("--metrics", str(port), "--web", str(port), target) as watch:
        said = watch.said("serving ")
        assert said == f"netecho: serving http://127.0.0.1:{port}/, http://127.0.0.1:{port}/metrics\n"
        assert "netecho_up" in fetch(f"http://127.0.0.1:{port}/metrics")[0]


def test_a_port_that_is_taken_is_told_and_the_watch_goes_on(target: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with watching("--web", str(port), target) as watch:
            said = watch.said("cannot listen")
            watch.told(" answers")
            where = f"127.0.0.1:{port}"
            assert said == (
                f"netecho: error: cannot listen on {where}: Address already in use; it is tried again\n"
            )
            holder.close()
            assert served(watch) == f"http://127.0.0.1:{port}/"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", Place("127.0.0.1", 80)),
        (":80", Place("127.0.0.1", 80)),
        ("0.0.0.0:0", Place("0.0.0.0", 0)),
        ("[::1]:80", Place("::1", 80)),
        ("localhost:80", Place("localhost", 80)),
    ],
)
def test_an_address_to_listen_on_is_loopback_unless_it_says_otherwise(text: str, expected: Place) -> None:
    assert place(text) == expected


@pytest.mark.parametrize("text", ["", "x", "a:b", "::1:80", "1:65536", "-1", "٣"])
def test_what_is_no_address_to_listen_on_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (whatever its text)
        place(text)
