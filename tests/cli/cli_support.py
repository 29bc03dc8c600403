"""A small scenario, and the command line as a function."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.cli import run

SCENARIO = """\
name: small
start: 2026-10
sites:
  - name: hall
    region: us_va
    power_mw: 1
    cooling: [air_crah]
hardware: {systems: [hgx_h100_oem]}
workloads:
  - name: chat
    kind: serving
    model: llama-3.1-8b
    input_tokens: 1000
    output_tokens: 200
    requests_per_s: 5
    disaggregated: never
    parallelism: {tp: 1, pp: 1}
overrides:
  double: {workloads.chat.requests_per_s: 10}
  too_much: {workloads.chat.requests_per_s: 1e6}
"""


class Shell:
    """Runs commands; keeps the exit code and both outputs of the last."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.code, self.out, self.err = -1, "", ""

    def __call__(self, *arguments: object) -> int:
        self.capsys.readouterr()
        self.code = run([str(a) for a in arguments])
        self.out, self.err = self.capsys.readouterr()
        assert "Traceback" not in self.out + self.err
        return self.code


def write(folder: Path, text: str = SCENARIO, name: str = "small.yaml") -> Path:
    """A file in a folder."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def files_of(folder: Path) -> set[str]:
    """Everything below a folder."""
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*")}
