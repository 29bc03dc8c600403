"""The documents are true: links lead somewhere, the site has every page, names exist, code blocks run."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.cli import run

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"])


def blocks(file: Path, language: str) -> list[str]:
    """Fenced code of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", file.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("file", PAGES, ids=lambda f: f.name)
def test_links_lead_to_files_that_are_there(file: Path) -> None:
    """Relative links, and anchors within the documents."""
    text = re.sub(r"```.*?```", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (file.parent / target).exists(), f"{file.name}: {target}"


def test_the_site_has_every_page_once() -> None:
    """A page that is not in the navigation is not found by anybody."""
    found: list[str] = []

    def walk(part: Any) -> None:
        if isinstance(part, str):
            found.append(part)
        else:
            for child in part.values() if isinstance(part, dict) else part:
                walk(child)

    walk(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    assert sorted(found) == sorted(p.name for p in DOCS.glob("*.md"))


def test_the_reference_names_what_exists() -> None:
    """Every ``::: name`` is a public object with a docstring; so is every member asked for."""
    text = (DOCS / "reference.md").read_text(encoding="utf-8")
    for name, members in re.findall(r"^::: (\S+)(?:\n    options: \{members: \[([^\]]*)\]\})?", text, re.MULTILINE):
        home, _, last = name.rpartition(".")
        thing = getattr(importlib.import_module(home), last)
        assert thing.__doc__, name
        for member in filter(None, (m.strip() for m in members.split(","))):
            assert getattr(thing, member).__doc__, f"{name}.{member}"


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("name", ["python.md", "index.md"])
def test_python_blocks_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From top to bottom in one namespace, as somebody who copies them would."""
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {}
    for number, code in enumerate(blocks(DOCS / name, "python"), 1):
        exec(compile(code, f"{name}[{number}]", "exec"), space)  # noqa: S102 - our own documents
    assert "planner" in space


@pytest.mark.usefixtures("in_process")
def test_commands_of_the_first_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every ``planner ...`` of docs/index.md, in order."""
    monkeypatch.chdir(tmp_path)
    lines = [line.strip() for block in blocks(DOCS / "index.md", "bash") for line in block.splitlines()]
    commands = [
        line.removeprefix(".venv/bin/") for line in lines if line.removeprefix(".venv/bin/").startswith("planner ")
    ]
    assert len(commands) >= 4
    for command in commands:
        assert run(shlex.split(command)[1:]) == 0, command
