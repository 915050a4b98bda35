"""netecho-watch@.service by a real systemd: what it reads, serves, and may do."""

import pytest
from support.machine import Machine

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]

UNIT = "netecho-watch@site.service"
TARGETS = "/etc/netechod/watch/site.targets"
ASK = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9864/').read().decode())"


def test_a_file_of_targets_is_watched_and_shown(machine: Machine) -> None:
    machine.run("systemctl", "start", "netechod")
    machine.write(TARGETS, "udp://127.0.0.1 echo interval=0.1\ntcp://127.0.0.1 tcp interval=0.1\n")
    machine.write("/etc/netechod/watch/site.env", "OPTIONS=--web 127.0.0.1:9864\n")
    with machine.listen(UNIT) as lines:
        machine.run("systemctl", "start", UNIT)
        lines.wait_for("echo answers, ")
    page = machine.run("python3", "-c", ASK)
    assert '<article class="up"><h2>echo</h2>' in page
    assert machine.show("DynamicUser", UNIT) == "yes"
    machine.run("systemctl", "stop", UNIT)
    assert machine.show("Result", UNIT) == "success"
    machine.run("rm", TARGETS, "/etc/netechod/watch/site.env")


def test_it_is_confined(machine: Machine) -> None:
    assert machine.exposure("netecho-watch@example.service") <= 1.3
