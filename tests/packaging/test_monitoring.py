"""Alert rules and dashboard: what the real promtool and a real Prometheus say about them."""

import json
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
            if found := re.search(r"Listening on\D*address=(\S+)", line):
                self._address = found[1]
            if "Server is ready" in line:
                break

    def ask(self, question: str) -> list[dict[str, Any]]:
        """Return the answer to a question."""
        words = urllib.parse.urlencode({"query": question})
        with urllib.request.urlopen(f"http://{self._address}/api/v1/query?{words}", timeout=20) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=30)
