"""What PyPI and pip get: a client without libraries, the files beside the code, and links that work."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
DATA = ROOT / "packaging" / "data" / "share"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PAGE = ROOT / PROJECT["readme"]
ALL_OFF = (
    "daemon.control=",
    *(f"{service}.enabled=false" for service in ("echo.tcp", "echo.udp", "dictionary", "chat")),
)
OPTIONAL = {"prompt_toolkit", "prometheus_client", "cairosvg"}
"""For the screen of the chat, `watch --metrics` and PNG. Without them the client says so or does less."""


def modules_of_the_client() -> list[Path]:
    """The modules that netecho can import, wherever it does: those of its Debian package."""
    walk: list[str | Path] = [sys.executable, ROOT / "packaging" / "debian" / "client-modules", SRC]
    run = subprocess.run(walk, capture_output=True, text=True, check=True)
    return [SRC / line for line in run.stdout.splitlines()]


def imported(file: Path) -> Iterator[str]:
    """Everything that a module imports."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_netecho_can_import_nothing_beyond_the_standard_library_and_its_own_modules() -> None:
    modules = modules_of_the_client()
    names = {name.partition(".")[0] for file in modules for name in imported(file)}
    assert names - sys.stdlib_module_names - {"netechod"} <= OPTIONAL
    assert SRC / "netechod" / "cli" / "netecho.py" in modules
    assert not [file for file in modules if file.is_relative_to(SRC / "netechod" / "process")]


@pytest.mark.parametrize("program", ["netechod --health", "netecho dict localhost:1 --timeout 0.1 word"])
def test_a_program_that_needs_no_library_runs_without_any(program: str) -> None:
    name, *arguments = program.split()
    code = (
        "import sys; sys.path = [it for it in sys.path if 'packages' not in it] + [sys.argv.pop(1)];"
        f"from netechod.cli.{name} import main; status = main(sys.argv[1:]);"
        "ours = {it.partition('.')[0] for it in sys.modules} - sys.stdlib_module_names;"
        "print(status, *sorted(ours - {'__main__', '__mp_main__'}))"
    )
    if name == "netechod":
        arguments += [word for setting in ALL_OFF for word in ("--set", setting)]
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, SRC, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.splitlines()[-1:] == ["1 netechod"], run.stderr


def test_only_what_every_machine_can_install_is_required() -> None:
    required = {re.match(r"[\w-]+", line)[0] for line in PROJECT["dependencies"]}  # type: ignore[index]
    assert required == {"python-daemon", "pydantic"}
    assert [line for line in PROJECT["optional-dependencies"]["systemd"] if "systemd-python" in line]


def linked(folder: str) -> set[Path]:
    """The files to which links in a folder of the data lead."""
    return {link.resolve() for link in (DATA / folder).rglob("*") if link.is_symlink()}


def test_manual_pages_completions_and_units_are_installed_with_the_code() -> None:
    packaging = ROOT / "packaging"
    assert linked("man") == set(packaging.glob("man/*.[158]"))
    completions = linked("bash-completion") | linked("zsh") | linked("fish")
    assert completions == set(packaging.glob("completions/*"))
    units = {file for file in packaging.glob("systemd/*") if file.suffix in (".service", ".socket", ".path")}
    assert linked("netechod/systemd") == units
    assert linked("netechod") >= {ROOT / "etc" / name for name in ("dict.txt", "netechod.toml")}
    links = [link for link in DATA.rglob("*") if link.is_symlink()]
    assert [link for link in links if not link.is_file()] == []


def test_every_link_of_the_page_on_pypi_is_absolute_and_leads_to_a_file_of_ours_or_elsewhere() -> None:
    text = PAGE.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    assert links
    assert [link for link in links if not link.startswith("https://")] == []
    home = PROJECT["urls"]["Homepage"]
    places = (f"{home}/blob/main/", f"{home}/raw/main/")
    ours = [link.partition("#")[0] for link in [*links, *PROJECT["urls"].values()]]
    named = [link.removeprefix(place) for link in ours for place in places if link.startswith(place)]
    assert len(named) >= 5
    assert [name for name in named if not (ROOT / name).exists()] == []
