"""A scenario as it is solved, and the key that says whether two scenarios ask the same question."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from planner.scenario.types import Scenario
from planner.scenario.yaml import to_yaml

_HOW = ("solve",)
_LABELS = ("name", "description")
_APPLIED = ("overrides", "variants")


def resolve(scenario: Scenario) -> dict[str, Any]:
    """The scenario as plain data, overrides applied and defaults filled in; what is unset is left out.

    ``scenario_from_mapping`` reads it back to an equal scenario (but for ``overrides`` and ``variants``, which have
    been applied).
    """
    data = scenario.model_dump(mode="json", exclude_none=True, exclude=set(_APPLIED))
    return dict(_without_empty(data))


def _without_empty(value: Any) -> Any:
    """Lists and mappings without what says nothing. An empty list means the same as none everywhere in a scenario."""
    if isinstance(value, dict):
        filled = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in filled.items() if item not in ({}, [], "")}
    if isinstance(value, list):
        return [_without_empty(item) for item in value]
    return value


def resolve_yaml(scenario: Scenario) -> str:
    """``resolve`` as YAML text that ``load_scenario`` reads back."""
    return to_yaml(_canonical(resolve(scenario)))


def problem_digest(scenario: Scenario, catalog_digest: str, *, model_version: str = "") -> str:
    """sha256 (hex) of the question: the resolved scenario without how it is solved and what it is called.

    Names of sites and workloads count: they appear in the answer. ``catalog_digest`` and ``model_version`` stand for
    the facts and the formulas the answer rests on.
    """
    # what is at its default is left out, so that a field added later does not change what was asked before
    data = _without_empty(
        scenario.model_dump(mode="json", exclude_none=True, exclude_defaults=True, exclude=set(_APPLIED))
    )
    question = {key: value for key, value in data.items() if key not in (*_HOW, *_LABELS)}
    text = json.dumps(
        {"catalog": catalog_digest, "model": model_version, "scenario": _canonical(question)},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    """Numbers in one form: 8, 8.0 and 8e0 are the same figure, and so are 0.0 and -0.0."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
