"""What pip installs on a bare machine, of a wheel and of an sdist: no compiler, and no systemd-python."""

import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support.daemon import Daemon, any_port, ask
from support.netecho import environment
from support.notify_socket import NotifySocket

from netechod.client.operator import control

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
KINDS = {"wheel": ".whl", "sdist": ".tar.gz"}


def run(*command: str | Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command that must succeed. With `path`, no other program is found, and so no compiler."""
    variables = environment(**({"PATH": str(path)} if path else {}))
    variables.pop("PYTHONPATH", None)
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The sdist, and the wheel that is made of it."""
    output = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", output, ROOT)
    files = {kind: list(output.glob(f"*{suffix}")) for kind, suffix in KINDS.items()}
    return {kind: file for kind, [file] in files.items()}


def test_both_have_the_dictionary_manual_pages_completions_and_units(built: Mapping[str, Path]) -> None:
    with zipfile.ZipFile(built["wheel"]) as wheel:
        in_wheel = {
            name.partition(".data/data/share/")[2]: len(wheel.read(name)) for name in wheel.namelist()
        }
    with tarfile.open(built["sdist"]) as sdist:
        in_sdist = {name.partition("/")[2] for name in sdist.getnames()}
    expected = {
        "netechod/dict.txt": "etc/dict.txt",
        "netechod/netechod.toml": "etc/netechod.toml",
        "netechod/systemd/netechod.service": "packaging/systemd/netechod.service",
        "man/man1/netecho.1": "packaging/man/netecho.1",
        "man/man5/netechod.toml.5": "packaging/man/netechod.toml.5",
        "man/man8/netechod.8": "packaging/man/netechod.8",
        "man/man8/netechoctl.8": "packaging/man/netechoctl.8",
        "bash-completion/completions/netecho": "packaging/completions/netecho.bash",
        "zsh/site-functions/_netechod": "packaging/completions/_netechod",
        "fish/vendor_completions.d/netechoctl.fish": "packaging/completions/netechoctl.fish",
    }
    for installed, source in expected.items():
        assert in_wheel[installed] == (ROOT / source).stat().st_size
        assert source in in_sdist
    assert in_sdist >= {"README.md", "LICENSE", "tests/conftest.py", "scripts/setup"}


@pytest.mark.parametrize("kind", KINDS)
def test_pip_installs_it_where_no_compiler_is_and_it_serves(
    kind: str, built: Mapping[str, Path], tmp_path: Path, remark: Callable[[str], None]
) -> None:
    begun = time.monotonic()
    place = tmp_path / "venv"
    programs = place / "bin"
    run(PYTHON, "-m", "venv", *([] if kind == "wheel" else ["--without-pip"]), place)
    # A new pip takes ten seconds on a slow machine: once is enough.
    pip = (
        [programs / "pip"]
        if kind == "wheel"
        else [sys.executable, "-m", "pip", "--python", programs / "python"]
    )
    run(*pip, "install", "--quiet", built[kind], path=programs)
    installed = time.monotonic() - begun
    assert not list(place.glob("lib/*/site-packages/systemd*"))
    for program in ("netechod", "netecho", "netechoctl"):  # they start with the venv's own Python
        assert run(programs / program, "--version", path=programs).stdout.startswith(f"{program} ")
    files = tmp_path / "files"
    assert str(files / "netechod.toml") in run(programs / "netechod", "--init", files, path=programs).stdout
    assert (place / "share" / "man" / "man8" / "netechod.8").exists()
    with Daemon(tmp_path, program=[str(programs / "netechod")]) as daemon:
        daemon.configure({"dictionary.file": files / "dict.txt"})
        started = time.monotonic()
        daemon.start(PATH=str(programs), PYTHONPATH=None)
        assert ask(daemon.address("dictionary"), b"apple").decode() == "苹果"
        remark(f"nothing to first answer by pip, {kind}: {installed + time.monotonic() - started:.1f} s")
        host, port = daemon.address("dictionary")
        assert run(programs / "netecho", "dict", f"{host}:{port}", "apple", path=programs).stdout == "苹果\n"
        run(programs / "netechoctl", "-s", tmp_path / "control.sock", "status", path=programs)
        assert daemon.reload()
        assert daemon.stop() == 0
        taken = [line for line in daemon.log() if line.startswith("sockets passed by systemd are taken by ")]
        assert [line.partition(" by netechod itself, ")[2] for line in taken] == [
            "because systemd-python is not installed"
        ]
        assert [line for line in daemon.log() if line.startswith("adopt socket success ")]
    assert os.access(files / "systemd" / "netechod.service", os.R_OK)


def test_a_checkout_serves_after_one_command(tmp_path: Path, remark: Callable[[str], None]) -> None:
    place = tmp_path / "netechod"
    left_out = shutil.ignore_patterns(".git", ".venv", ".run", ".*_cache", ".hypothesis", "__pycache__")
    shutil.copytree(ROOT, place, symlinks=True, ignore=left_out)
    begun = time.monotonic()
    with NotifySocket(tmp_path / "notify") as manager:
        variables = environment(NOTIFY_SOCKET=manager.address)
        with subprocess.Popen([place / "scripts" / "run", *any_port()], env=variables) as daemon:
            try:
                manager.wait_for("READY=1", 500)
                status = control.ask(place / ".run" / "control.sock", "status")
                address = dict(status["listeners"])["dictionary"]
                host, _, port = address.rpartition(":")
                assert ask((host, int(port)), b"apple").decode() == "苹果"
                remark(f"nothing to first answer by scripts/run: {time.monotonic() - begun:.1f} s")
            finally:
                daemon.terminate()
        assert daemon.returncode == 0
