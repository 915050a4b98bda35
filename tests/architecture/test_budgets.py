"""The house rules that can be counted. Where a rule would make the code worse, say why here."""

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "src" / "netechod").rglob("*.py"))
FOREIGN = re.compile(r"\b(issues?/?\s*#?\d+|TODO|FIXME|XXX)\b")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def functions() -> Iterator[tuple[str, Function]]:
    for module in MODULES:
        for node in ast.walk(parsed(module)):
            if isinstance(node, Function):
                yield f"{module.name}:{node.name}", node


def length(function: Function) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT / "src")))
def test_a_module_can_be_read_in_one_sitting(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= 300


def test_functions_are_short() -> None:
    lengths = sorted(length(function) for _, function in functions())
    assert {name for name, function in functions() if length(function) > 50} == set()
    assert lengths[int(len(lengths) * 0.9)] <= 30
    assert statistics.median(lengths) <= 10


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT / "src")))
def test_a_module_says_what_it_is(module: Path) -> None:
    assert ast.get_docstring(parsed(module))


def test_the_composition_root_stays_small() -> None:
    app = ROOT / "src" / "netechod" / "process" / "app.py"
    assert len(app.read_text(encoding="utf-8").splitlines()) <= 250


def test_nobody_sleeps() -> None:
    sleepers = {
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in [*MODULES, *(ROOT / "tests").rglob("*.py")]
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "sleep"
    }
    assert sleepers == set()


def test_only_the_command_lines_and_the_clients_print() -> None:
    printers = {
        str(module.relative_to(ROOT / "src" / "netechod"))
        for module in MODULES
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print"
    }
    assert {name for name in printers if not name.startswith(("cli/", "client/"))} == set()


def test_imports_form_no_cycle() -> None:
    graph = {name_of(module): set(imported_by(module)) for module in MODULES}
    graph = {name: imports & graph.keys() for name, imports in graph.items()}
    while leaves := {name for name, imports in graph.items() if not imports}:
        graph = {name: imports - leaves for name, imports in graph.items() if name not in leaves}
    assert graph == {}


def name_of(module: Path) -> str:
    parts = module.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_by(module: Path) -> Iterator[str]:
    """Modules of ours that this one imports, wherever it does."""
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module != name_of(module):
                yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("folder", ["src", "etc", "scripts", "packaging"])
def test_the_project_speaks_of_what_is_and_not_of_what_is_planned(folder: str) -> None:
    files = [file for file in (ROOT / folder).rglob("*") if file.is_file() and file.suffix != ".pyc"]
    found = {str(file.relative_to(ROOT)) for file in files if FOREIGN.search(file.read_text(errors="ignore"))}
    assert found == set()
