"""The manifests: they fit one another, the daemon's defaults and the strictest rules for pods."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from netechod.process.config.listeners import enabled
from netechod.process.config.load import load
from netechod.process.config.overrides import overrides
from netechod.process.config.schema import Config

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ROOT / "packaging" / "kubernetes" / "netechod.yaml"
DEPLOYMENT, *SERVICES = yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8"))
POD = DEPLOYMENT["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]


def ports(config: Config) -> set[tuple[str, str, int]]:
    """Name, protocol and port of each service that is on."""
    return {
        (listener.name, listener.kind.upper(), address.port)
        for listener in enabled(config)
        for address in listener.section(config).listen
    }


def test_the_container_has_the_ports_of_the_services_that_are_on() -> None:
    opened = {(port["name"], port["protocol"], port["containerPort"]) for port in CONTAINER["ports"]}
    assert opened == ports(Config())


def test_a_service_for_each_protocol_leads_to_all_ports_of_the_pod() -> None:
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert DEPLOYMENT["spec"]["selector"]["matchLabels"] == labels
    reached = set()
    for service in SERVICES:
        assert service["spec"]["selector"] == labels
        assert service["spec"]["externalTrafficPolicy"] == "Local"  # access rules judge clients' addresses
        assert len({port["protocol"] for port in service["spec"]["ports"]}) == 1
        reached |= {(port["targetPort"], port["protocol"], port["port"]) for port in service["spec"]["ports"]}
    assert reached == ports(Config())


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_a_probe_is_the_health_check_and_waits_longer_than_it(probe: str) -> None:
    assert CONTAINER[probe]["exec"]["command"] == ["netechod", "--health"]
    assert CONTAINER[probe]["timeoutSeconds"] >= 5


def test_the_pod_meets_the_restricted_standard() -> None:
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    context: dict[str, Any] = CONTAINER["securityContext"]
    assert context == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["automountServiceAccountToken"] is False
    assert POD["terminationGracePeriodSeconds"] > Config().daemon.drain_timeout


def test_the_variables_are_keys_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {variable["name"]: variable["value"] for variable in CONTAINER["env"]}
    assert [override.problem for override in overrides([], variables)] == [""] * len(variables)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert set(load(None).origins.values()) == set(variables)
