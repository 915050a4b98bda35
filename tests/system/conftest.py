"""Machines for the tests: what they are made of is prepared once in a run, for all suites at once."""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.machine import BENCH, Boot, Machine, build_root

SUITES = ("bookworm", "trixie")
BUILD_DEB = Path(__file__).parents[2] / "scripts" / "build-deb"
REMARKS = pytest.StashKey[list[str]]()

Remark = Callable[[str], None]


@dataclass(frozen=True)
class Materials:
    """What machines of one suite are made of."""

    root: Future[Path]
    package: Future[Path]


def build_package(suite: str, directory: Path) -> Path:
    """The package of the daemon as scripts/build-deb makes it, with that of the client beside it."""
    built = subprocess.run(
        [BUILD_DEB, "--suite", suite, "--output", directory], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, f"the package for {suite} cannot be built: {built.stderr}"
    return Path(built.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def materials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Materials]]:
    """Root file systems and packages. Two packages are not built at a time: apt lets only one in."""
    assert os.geteuid() == 0, (
        "machines can be booted by root only: run this as root, or with -m 'not machine'"
    )
    subprocess.run([BENCH, "tools"], check=True)
    output = tmp_path_factory.mktemp("packages")
    with ThreadPoolExecutor(1) as packager, ThreadPoolExecutor(len(SUITES)) as builder:
        yield {
            suite: Materials(builder.submit(build_root, suite), packager.submit(build_package, suite, output))
            for suite in SUITES
        }


@pytest.fixture(scope="session", params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    """The Debian release; the tests of one suite run one after the other."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def package(suite: str, materials: Mapping[str, Materials]) -> Path:
    """The package for the suite."""
    return materials[suite].package.result()


@pytest.fixture(scope="session")
def root(suite: str, materials: Mapping[str, Materials]) -> Path:
    """The root file system of the suite."""
    return materials[suite].root.result()


@pytest.fixture(scope="session")
def machine(root: Path, package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with the package installed, that tests share: each leaves it serving, as it was installed."""
    with Machine(root, tmp_path_factory.mktemp("machine")) as booted:
        booted.install(package)
        yield booted


@pytest.fixture
def boot(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boot]:
    """Boots machines that nobody else uses, without the package."""
    with ExitStack() as machines:
        yield lambda *init: machines.enter_context(Machine(root, tmp_path_factory.mktemp("machine"), init))


@pytest.fixture
def own_machine(boot: Boot, package: Path) -> Machine:
    """A machine that nobody else uses, with the package installed."""
    booted = boot()
    booted.install(package)
    return booted


@pytest.fixture
def remark(request: pytest.FixtureRequest) -> Remark:
    """Says, at the end of the run, what could not be shown where it runs."""
    remarks = request.config.stash.setdefault(REMARKS, [])
    return lambda text: remarks.append(f"{request.node.name}: {text}")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Print the remarks."""
    for text in config.stash.get(REMARKS, []):
        terminalreporter.write_line(f"remark: {text}")
