"""The image: buildah makes it of the Containerfile, and runc runs it as strict platforms do."""

import os
import select
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from signal import SIGCONT, SIGSTOP, SIGTERM

import pytest
from support.daemon import PATIENCE
from support.image import Container, Store
from system.conftest import Materials

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
BASE, IMAGE = "localhost/base", "localhost/netechod"
ANYBODY = 1_000_660_000  # as OpenShift numbers users: passwd(5) does not know it
RunContainer = Callable[[str], Container]


@pytest.fixture(scope="module")
def store(
    materials: Mapping[str, Materials], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, float]]:
    """The image, and the seconds that it took to make it."""
    root = materials["trixie"].root.result()
    with Store(tmp_path_factory.mktemp("images")) as made:
        made.base(BASE, root)
        begun = time.monotonic()
        made.build(IMAGE, BASE, ROOT, ROOT / "packaging" / "container" / "Containerfile")
        yield made, time.monotonic() - begun


@pytest.fixture(scope="module")
def container(store: tuple[Store, float]) -> RunContainer:
    """Makes containers by name, which share one root file system: none can write to it."""
    root = store[0].unpack(IMAGE)
    return lambda name: Container(store[0], name, IMAGE, root)


def children(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()


def test_the_image_runs_as_nobody_in_particular_and_knows_its_health_check(
    store: tuple[Store, float],
) -> None:
    config = store[0].inspect(IMAGE)
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/usr/bin/netechod", "--foreground"]
    assert config["Healthcheck"]["Test"] == ["CMD", "/usr/bin/netechod", "--health"]
    assert set(config["ExposedPorts"]) == {"8080/tcp", "8080/udp", "8081/udp", "8082/udp"}


def test_any_user_without_rights_serves_on_a_read_only_root_as_process_1(
    store: tuple[Store, float], container: RunContainer, remark: Callable[[str], None]
) -> None:
    made = container("serving")
    begun = time.monotonic()
    with made.running(ANYBODY, NETECHOD__CHAT__IDLE_TIMEOUT="30") as process:
        made.stderr.wait_for("ready: ")
        asked = made.execute("netecho", "dict", "localhost", "apple")
        assert (asked.returncode, asked.stdout) == (0, "苹果\n"), asked.stderr
        took = store[1] + time.monotonic() - begun
        remark(f"nothing to first answer by the image, on a base that is there: {took:.1f} s")
        assert made.execute("netecho", "ping", "-c", "1", "localhost").returncode == 0
        shown = made.execute("netechod", "--dump-config").stdout
        assert "\nidle_timeout = 30  # NETECHOD__CHAT__IDLE_TIMEOUT\n" in shown
        assert '\npidfile = ""  # NETECHOD__DAEMON__PIDFILE\n' in shown
        assert made.execute("sh", "-c", ": >/etc/netechod/x").returncode != 0
        healthy = made.execute("netechod", "--health")
        assert (healthy.returncode, healthy.stderr) == (0, "")
        first = made.pid()
        assert Path(f"/proc/{first}/status").read_text().partition("\nUid:\t")[2].startswith(str(ANYBODY))
        made.execute("sh", "-c", "sleep 0.1 & exit 0")
        while children(first):  # the time limit of the test ends this
            select.select([], [], [], 0.05)
        os.kill(first, SIGSTOP)
        hung = made.execute("netechod", "--health")
        os.kill(first, SIGCONT)
        assert hung.returncode == 1
        assert "timed out" in hung.stderr
        os.kill(first, SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert "stopped reason=SIGTERM" in made.stderr.rest()


def test_a_wrong_variable_ends_the_container_with_its_name(container: RunContainer) -> None:
    made = container("wrong")
    with made.running(ANYBODY, NETECHOD__CHAT__IDEL_TIMEOUT="30") as process:
        assert process.wait(PATIENCE) == 78
    told = made.stderr.rest()
    assert "error: NETECHOD__CHAT__IDEL_TIMEOUT: chat.idel_timeout: unknown key" in told
    assert "did you mean 'idle_timeout'?" in told
