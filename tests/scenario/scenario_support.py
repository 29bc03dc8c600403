"""A small scenario that is right, and ways to make it wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planner.errors import InputError, Problem
from planner.scenario import load_text, scenario_from_mapping

BASE: dict[str, Any] = {
    "name": "base",
    "start": "2026-10",
    "sites": [
        {"name": "guizhou", "region": "cn_west", "power_mw": 20, "cooling": ["air_inrow", "d2c_1p"]},
        {"name": "v1.5", "region": "fi", "power_mw": 3},
    ],
    "hardware": {"systems": ["hgx_h800", "sgx5000"]},
    "limits": {"chips": 20000},
    "assume": {"chips": {"mtt_s5000_air": {"tdp_w": 600}}},
    "workloads": [
        {
            "name": "pretrain",
            "kind": "training",
            "model": "deepseek-v3",
            "tokens": 14.8e12,
            "sequence_length": 4096,
            "global_batch": 15360,
            "precision": ["fp8", "bf16"],
        },
        {
            "name": "api",
            "kind": "serving",
            "model": "deepseek-v3",
            "input_tokens": 4096,
            "output_tokens": 1024,
            "requests_per_s": 400,
        },
    ],
}

TEXT = """\
name: base
start: 2026-10
sites:
  - name: guizhou
    region: cn_west
    power_mw: 20
workloads:
  - name: api
    kind: serving
    model: deepseek-v3
    input_tokens: 4096
    output_tokens: 1024
    requests_per_s: 400
"""


def base() -> dict[str, Any]:
    """A copy of the small scenario, to change."""
    return copy.deepcopy(BASE)


def problems(make: Callable[[], object]) -> tuple[Problem, ...]:
    """What a call complains about; fails where it does not."""
    with pytest.raises(InputError) as caught:
        make()
    assert caught.value.exit_code == 2
    return caught.value.problems


def problems_in_text(text: str, file: str = "s.yaml") -> tuple[Problem, ...]:
    """What is wrong with a scenario text."""
    return problems(lambda: load_text(text, file))


def problems_in(data: Any) -> dict[str, Problem]:
    """What is wrong with a scenario given as plain data, by path."""
    return {p.path: p for p in problems(lambda: scenario_from_mapping(data))}


def write(folder: Path, content: str | bytes, name: str = "s.yaml") -> Path:
    """A file with a content."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
