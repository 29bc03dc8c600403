"""The shape of the code: data goes one way, no room prints, nothing of where it was written stays in it."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "planner"

ROAD = (
    "errors", "catalog", "scenario", "answer", "workload", "network", "performance",
    "facility", "cost",
    "uncertainty", "options", "walls", "validation", "verify", "fleet", "solve", "explain", "planning", "faces",
)  # fmt: skip
"""docs/architecture.md: a room may import those before it."""
ROOM = {
    "settings": "errors", "kept": "errors", "plugins": "errors", "tables": "errors",
    "__init__": "faces", "__main__": "faces", "cli": "faces", "estimate": "faces", "export": "faces",
    "outlook": "faces", "supernode": "faces",
    "plots": "faces", "report": "faces", "sweep": "faces", "ui": "faces",
}  # fmt: skip
"""Modules beside the rooms."""
FLEET_SEES = {"solve"}
"""The fleet writes its model in the solver room's form, which knows no chip."""


def sources() -> list[Path]:
    """Every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    """The room of ``planner.x.y``."""
    part = module.split(".")[1] if "." in module else "__init__"
    return ROOM.get(part, part)


@cache
def tree_of(path: Path) -> ast.Module:
    """A module, read once for all tests."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> tuple[tuple[int, str], ...]:
    """(line, module) of everything a module imports, in functions too; for type checking only is not importing."""
    return tuple(_imports(tree_of(path)))


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            skipped.update(x for part in node.body for x in ast.walk(part))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{ast.unparse(node)}: relative import"
            assert node.module is not None
            yield node.lineno, node.module


def test_every_module_has_a_room() -> None:
    """A new folder must be put on the road, or beside it, on purpose."""
    for path in sources():
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        assert room_of(module) in ROAD, f"{module} is in no room of docs/architecture.md"


def test_rooms_import_only_what_stands_above() -> None:
    """errors, catalog, scenario, ... faces: never the other way round."""
    wrong = []
    for path in sources():
        here = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        room = room_of(here)
        for line, module in imports(path):
            if not module.startswith("planner."):
                continue
            other = room_of(module)
            if other == room or (room == "fleet" and other in FLEET_SEES):
                continue
            if ROAD.index(other) >= ROAD.index(room):
                wrong.append(f"{here}:{line} ({room}) imports {module} ({other})")
    assert not wrong, "\n".join(wrong)


def test_no_circles_of_imports() -> None:
    """What a module needs when it is imported never needs that module; a package's own ``__init__`` is its parts'."""
    modules = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in sources()}
    needs: dict[str, set[str]] = {}
    for name, path in modules.items():
        body = tree_of(path).body
        at_once = [x for x in body if isinstance(x, ast.Import | ast.ImportFrom)]
        named = {a.name for x in at_once if isinstance(x, ast.Import) for a in x.names}
        named |= {m for x in at_once if isinstance(x, ast.ImportFrom) and x.module for m in
                  (x.module, *(f"{x.module}.{a.name}" for a in x.names))}  # fmt: skip
        needs[name] = {m for m in named if m in modules and m != name and not f"{name}.".startswith(f"{m}.")}
    order = TopologicalSorter(needs)
    order.prepare()  # raises CycleError, which names the circle


def test_the_solver_room_knows_no_chip() -> None:
    """``planner/solve`` imports nothing of the package but errors."""
    for path in sorted((PACKAGE / "solve").rglob("*.py")):
        for line, module in imports(path):
            allowed = not module.startswith("planner") or module.startswith(("planner.solve", "planner.errors"))
            assert allowed, f"{path}:{line} imports {module}"


def test_no_room_prints() -> None:
    """What people see goes through the faces' own consoles; a library says nothing by itself."""
    for path in sources():
        for node in ast.walk(tree_of(path)):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            assert not called, f"{path}:{node.lineno}"


def test_only_declared_packages_at_run_time() -> None:
    """No scipy, and nothing else that installing the planner does not bring."""
    declared = {
        "numpy", "pydantic", "yaml", "pulp", "highspy", "ortools", "typer", "rich", "streamlit", "altair", "planner",
        "pandas",  # comes with streamlit and altair, whose tables are its frames
        "threadpoolctl", "platformdirs", "pydantic_core", "annotated_types",  # come with pydantic
        "click",  # comes with typer
    }  # fmt: skip
    import sys

    optional = {  # extras: without them the modules say so
        "report/workbook.py": {"openpyxl"}, "report/pdf.py": {"typst"}, "plots/files.py": {"vl_convert"},
        "ui/store/store.py": {"sqlalchemy"}, "ui/store/tables.py": {"sqlalchemy"},
        "export/bom.py": {"openpyxl"}, "sweep/cluster.py": {"distributed"}, "sweep/outcome.py": {"pyarrow"},
    }  # fmt: skip
    for path in sources():
        extra = optional.get(path.relative_to(PACKAGE).as_posix(), set())
        for line, module in imports(path):
            top = module.split(".")[0]
            assert top in declared | extra or top in sys.stdlib_module_names, f"{path}:{line} imports {module}"


def tracked() -> list[Path]:
    """Files in git; none where this is no checkout."""
    try:
        found = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, timeout=30)
    except OSError:
        return []
    if found.returncode:
        return []
    return [ROOT / name.decode() for name in found.stdout.split(b"\0") if name and (ROOT / name.decode()).is_file()]


def test_nothing_says_where_it_was_written() -> None:
    """No tracked file names a folder that exists on one machine only."""
    files = tracked()
    if not files:
        pytest.skip("not a git checkout")
    workplace = re.compile(
        "|".join((r"(?<!options)/wor" + r"k/", r"\.\./shar" + r"ed", r"(?<!options)/wor" + r"k\b(?!\S)")).encode()
    )
    found = []
    for path in files:
        data = path.read_bytes()
        for number, line in enumerate(data.splitlines(), 1):
            if workplace.search(line) and not line.startswith(b"http"):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line[:100]!r}")
    assert not found, "\n".join(found)
