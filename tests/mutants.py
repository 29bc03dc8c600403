"""Whether the tests would notice: small faults planted in the code, one at a time, and the tests run on each.

    python tests/mutants.py planner/cost planner/facility --tests tests/cost tests/facility [--count 100] [--seed 0]

A mutant changes one thing that decides a figure: an operator, a comparison, a bound, a constant (by one, by a thousand:
kW for W; by 3600: hours for seconds). Messages, annotations and docstrings are left alone. Each runs in a process
forked before the package is imported. It is killed when a test fails or takes ten times its time; survivors are printed
with their line. docs/security.md states the share killed. ``--list`` prints mutants without running them.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div, ast.Pow: ast.Mult,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
_CALLS = {
    "min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "ceil": "floor", "floor": "ceil",
    "any": "all", "all": "any",
}  # fmt: skip
_SILENT = (ast.Raise, ast.Assert, ast.JoinedStr, ast.ImportFrom, ast.Import)


@dataclass(frozen=True)
class Mutant:
    """One fault: where, what stood there and what stands there now."""

    file: Path
    line: int
    before: str
    after: str
    code: CodeType

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}: {self.before}  ->  {self.after}"


def _places(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that decide a figure: none of messages, annotations, defaults of data classes' text, docstrings."""
    for field, value in ast.iter_fields(tree):
        if field in {"annotation", "returns", "decorator_list"}:
            continue
        for node in value if isinstance(value, list) else [value]:
            if not isinstance(node, ast.AST) or isinstance(node, _SILENT):
                continue
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"Problem", "InputError", "field"}:
                continue
            yield node
            yield from _places(node)


def _faults(node: ast.AST) -> list[Callable[[Any], None]]:
    """Ways to change a node in place."""

    def constant(value: float) -> Callable[[Any], None]:
        return lambda n: setattr(n, "value", value)

    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        v = node.value
        found = [constant(v + 1)]
        if isinstance(v, float) and v:
            found += [constant(v * 1000.0), constant(v / 1000.0), constant(v * 3600.0)]
        return found
    if isinstance(node, ast.BinOp) and type(node.op) in _SWAPS:
        return [lambda n: setattr(n, "op", _SWAPS[type(n.op)]())]
    if isinstance(node, ast.BoolOp):
        return [lambda n: setattr(n, "op", _SWAPS[type(n.op)]())]
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _SWAPS:
        return [lambda n: n.ops.__setitem__(0, _SWAPS[type(n.ops[0])]())]
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _CALLS:
            key = "attr" if isinstance(node.func, ast.Attribute) else "id"
            return [lambda n: setattr(n.func, key, _CALLS[name])]
    if isinstance(node, ast.Return) and isinstance(node.value, ast.BinOp):
        return [lambda n: setattr(n, "value", ast.BinOp(n.value, ast.Mult(), ast.Constant(1000.0)))]
    return []


def drawn(files: Sequence[Path], count: int, seed: int) -> tuple[list[Mutant], int]:
    """``count`` mutants of some modules, drawn from all that there are, and how many those are."""
    every = [
        (file, index, which)
        for file in files
        for index, node in enumerate(_places(ast.parse(file.read_text(encoding="utf-8"))))
        for which in range(len(_faults(node)))
    ]
    return [_mutant(*x) for x in random.Random(seed).sample(every, min(count, len(every)))], len(every)


def _mutant(file: Path, index: int, which: int) -> Mutant:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    node = next(n for i, n in enumerate(_places(tree)) if i == index)
    before = ast.unparse(node)
    _faults(node)[which](node)
    after, line = ast.unparse(node), getattr(node, "lineno", 0)
    return Mutant(file, line, before, after, compile(ast.fix_missing_locations(tree), str(file), "exec"))


class _Planted(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a mutant's code."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        self.name = ".".join(mutant.file.relative_to(ROOT).with_suffix("").parts)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """A spec for the mutated module alone."""
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.mutant.file, loader=self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """As usual."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """The mutant's code instead of the file's."""
        exec(self.mutant.code, module.__dict__)  # noqa: S102 - our own module, one node changed


def _tests_pass(mutant: Mutant | None, tests: Sequence[str], seconds: float) -> bool | None:
    """Whether the tests pass in a process of their own; None where they take too long."""
    pid = os.fork()
    if not pid:
        import pytest

        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        if mutant is not None:
            sys.meta_path.insert(0, _Planted(mutant))
        os._exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests])))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def main() -> int:
    """0; the share killed is for people to judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rooms", nargs="+", type=Path, help="folders or modules to plant faults in")
    parser.add_argument("--tests", nargs="+", required=True, help="tests that should notice")
    parser.add_argument("--count", type=int, default=100, help="mutants drawn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="print them, run nothing")
    asked = parser.parse_args()
    files = [f.resolve() for room in asked.rooms for f in (sorted(room.rglob("*.py")) if room.is_dir() else [room])]
    found, every = drawn(files, asked.count, asked.seed)
    print(f"{len(found)} of {every} mutants of {len(files)} modules", flush=True)  # noqa: T201
    if asked.list:
        print("\n".join(map(str, found)))  # noqa: T201
        return 0
    import hypothesis  # noqa: F401 - read before forking, so that each child need not
    import numpy as np  # noqa: F401
    import pydantic  # noqa: F401
    import pytest  # noqa: F401

    begun = time.monotonic()
    if not _tests_pass(None, asked.tests, 3600):
        print("the tests fail without any fault")  # noqa: T201
        return 1
    seconds = 10 * (time.monotonic() - begun) + 10
    alive = []
    for mutant in found:
        if _tests_pass(mutant, asked.tests, seconds):
            alive.append(mutant)
            print(f"survives: {mutant}", flush=True)  # noqa: T201
    print(f"{len(found) - len(alive)} of {len(found)} killed ({1 - len(alive) / len(found):.0%})", flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
