"""Alert rules and dashboard: what the real promtool and a real Prometheus say about them."""

import json
import re
import select
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.daemon import Daemon
from support.fake_servers import unused_udp_port
from support.netecho import COMMAND, environment

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "packaging" / "monitoring"
PROMETHEUS = ROOT / ".venv" / "monitoring"

pytestmark = [pytest.mark.monitoring, pytest.mark.timeout(120)]


def promtool(*arguments: str | Path) -> None:
    run = subprocess.run([PROMETHEUS / "promtool", *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_alert_rules_are_valid_and_fire_as_they_should() -> None:
    promtool("check", "rules", MONITORING / "alerts.yml")
    promtool("test", "rules", MONITORING / "alerts_test.yml")


def questions() -> Iterator[str]:
    """Every question that the dashboard asks, with its variables filled in."""
    dashboard = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield (
                target["expr"]
                .replace("$__rate_interval", "5s")
                .replace("$target", ".*")
                .replace("$instance", ".*")
            )


class Prometheus:
    """A server that scrapes once a second."""

    def __init__(self, directory: Path, *targets: str) -> None:
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(MONITORING / "alerts.yml")],
            "scrape_configs": [
                {"job_name": f"job{place}", "static_configs": [{"targets": [target]}]}
                for place, target in enumerate(targets)
            ],
        }
        file = directory / "prometheus.yml"
        file.write_text(json.dumps(config))  # JSON is YAML, too
        self._process = subprocess.Popen(
            [
                PROMETHEUS / "prometheus",
                f"--config.file={file}",
                f"--storage.tsdb.path={directory / 'data'}",
                "--web.listen-address=127.0.0.1:0",
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        self.log = ""
        for line in self._process.stderr:
            self.log += line
            if found := re.search(r'"Listening on" address=(\S+)', line):
                self.url = f"http://{found[1]}"
            if "Server is ready" in line:
                break

    def ask(self, question: str) -> list[dict[str, Any]]:
        """Return the answer to a question."""
        words = urllib.parse.urlencode({"query": question})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{words}", timeout=20) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=30)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A server that has scraped a watch of a daemon, and of nobody, and the daemon itself."""
    directory = tmp_path_factory.mktemp("monitoring")
    with ExitStack() as stack:
        daemon = stack.enter_context(Daemon(directory))
        daemon.start("--set", "metrics.listen=127.0.0.1:0")
        metrics = daemon.said("serving metrics on ").split("//")[-1].partition("/")[0]
        served, missing = f"127.0.0.1:{metrics.rpartition(':')[2]}", f"127.0.0.1:{unused_udp_port()}"
        watch = subprocess.Popen(
            [*COMMAND, "watch", "-i", "0.1", "--metrics", "0", f"udp://{missing}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        assert watch.stderr is not None
        stack.callback(watch.communicate)
        stack.callback(watch.terminate)
        where = watch.stderr.readline().split("//")[-1].partition("/")[0]
        server = Prometheus(directory, where, served)
        stack.callback(server.close)
        yield server


def answered(prometheus: Prometheus, question: str) -> list[dict[str, Any]]:
    """Ask until there is an answer: it scrapes once a second."""
    for _ in range(200):
        if found := prometheus.ask(question):
            return found
        select.select([], [], [], 0.25)
    raise AssertionError(question)


def test_a_real_prometheus_scrapes_both_and_knows_who_is_lost(prometheus: Prometheus) -> None:
    assert answered(prometheus, 'netecho_probes_lost_total{scheme="udp"} > 1')
    assert [it["value"][1] for it in answered(prometheus, "netecho_up == 0")] == ["0"]
    assert answered(prometheus, "netechod_uptime_seconds")
    assert answered(prometheus, "netecho_rtt_seconds_bucket")
    assert len(answered(prometheus, "up == 1")) == 2


@pytest.mark.parametrize("question", list(questions()))
def test_the_dashboard_asks_what_prometheus_understands(prometheus: Prometheus, question: str) -> None:
    prometheus.ask(question)  # an error is a status of 400, which raises


def test_the_dashboard_asks_for_figures_that_are_there(prometheus: Prometheus) -> None:
    words = urllib.parse.urlencode({"match[]": '{job=~"job."}'})
    answered(prometheus, "netecho_up")
    answered(prometheus, "netechod_uptime_seconds")
    with urllib.request.urlopen(f"{prometheus.url}/api/v1/label/__name__/values?{words}") as answer:
        known = set(json.load(answer)["data"])
    wanted = {name for it in questions() for name in re.findall(r"netechod?_\w+", it)}
    assert wanted - known == {"netechod_dropped_total"} - known  # nothing may have been dropped so far
