"""Every notebook runs from top to bottom, answers with what it claims, and is short and clean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
FEWER = {"VARIANTS": 3}
"""What makes a notebook quick here: fewer variants of the same loop."""


def cells(file: Path) -> list[str]:
    """The source of its code cells."""
    book = json.loads(file.read_text(encoding="utf-8"))
    assert book["nbformat"] == 4
    return ["".join(c["source"]) for c in book["cells"] if c["cell_type"] == "code"]


def test_they_hold_no_output_and_are_short() -> None:
    """Outputs are made where a notebook is read; in the repository they would only grow old."""
    assert len(NOTEBOOKS) >= 7
    for file in NOTEBOOKS:
        book = json.loads(file.read_text(encoding="utf-8"))
        assert all(not c.get("outputs") for c in book["cells"]), file.name
        assert sum(len(code.splitlines()) for code in cells(file)) < 60, file.name


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda f: f.stem)
def test_a_notebook_runs(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cell by cell in one namespace, the last expression of each shown as a notebook would."""
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {"__name__": "__main__", **FEWER}
    for number, code in enumerate(cells(file), 1):
        head, last = _split(code)
        exec(compile(head, f"{file.name}[{number}]", "exec"), space)  # noqa: S102 - our own notebooks
        if last:
            shown = eval(compile(last, f"{file.name}[{number}]", "eval"), space)  # noqa: S307
            assert shown is not None
            show = getattr(shown, "_repr_html_", None)
            if show is not None and "altair" not in type(shown).__module__:
                assert show()
            elif hasattr(shown, "to_dict") and "altair" in type(shown).__module__:
                assert shown.to_dict()["$schema"]


def _split(code: str) -> tuple[str, str]:
    """Statements, and the expression that the cell ends with, if it does."""
    import ast

    tree = ast.parse(code)
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.unparse(tree.body[-1].value)
        return ast.unparse(ast.Module(tree.body[:-1], [])), last
    return code, ""
