"""What is shipped is current: schema, reference, starter, example files."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from scenario_support import base

from planner.catalog import Catalog, load_catalog
from planner.scenario import check_scenario, load_scenario, load_text, problem_digest, resolve, starter
from planner.scenario.reference import updated
from planner.scenario.schema import RECORDS, scenario_schema, schema_text
from planner.scenario.yaml import parse

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "scenarios").glob("*.yaml"))
ASKED_FOR = {
    "quickstart",
    "deepseek-v3-pretrain",
    "llama-405b-16k",
    "kuae-10k",
    "robobrain-1000-cards",
    "deepseek-v3-serving",
    "air-or-liquid",
    "supernode-or-servers",
    "wait-for-br20x",
    "infeasible",
}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = scenario_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_shipped_schema_is_current() -> None:
    shipped = (ROOT / "scenarios" / "schema.json").read_text(encoding="utf-8")
    assert shipped == schema_text(), "run: python -m planner.scenario.schema scenarios/schema.json"
    assert json.loads(shipped)["$schema"].endswith("2020-12/schema")


def test_the_reference_is_current() -> None:
    page = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    assert page == updated(page), "run: python -m planner.scenario.reference docs/scenarios.md"
    for record in RECORDS:
        for name in record.model_fields:
            assert f"`{name}`" in page


def test_every_field_is_described_and_every_figure_has_a_unit() -> None:
    for record in RECORDS:
        for name, info in record.model_fields.items():
            assert info.description, f"{record.__name__}.{name}"
            if "float" in str(info.annotation) and not str(info.annotation).startswith("dict"):
                extra = info.json_schema_extra
                assert isinstance(extra, dict), f"{record.__name__}.{name} has no unit"
                assert extra.get("unit"), f"{record.__name__}.{name} has no unit"


def test_the_examples_are_all_there() -> None:
    assert {f.stem for f in FILES} >= ASKED_FOR


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_an_example_reads_checks_and_resolves(
    path: Path, catalog: Catalog, validator: jsonschema.Draft202012Validator
) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")
    assert not list(validator.iter_errors(parse(text).data))
    scenario = load_scenario(path)
    assert scenario.description
    digests = set()
    for variant in [None, *scenario.overrides, *scenario.variants]:
        changed = load_scenario(path, variant)
        check_scenario(changed, catalog)
        resolved = resolve(changed)
        assert not list(validator.iter_errors(resolved))
        digests.add(problem_digest(changed, ""))
    assert len(digests) >= 1 + len(scenario.overrides), "an override that changes nothing is a mistake"


def test_the_starter_reads_and_checks(catalog: Catalog, validator: jsonschema.Draft202012Validator) -> None:
    assert not list(validator.iter_errors(parse(starter()).data))
    scenario = load_text(starter(), "scenario.yaml")
    for variant in [None, *scenario.overrides, *scenario.variants]:
        check_scenario(load_text(starter(), "scenario.yaml", variant), catalog)


def _with(path: str, value: Any) -> dict[str, Any]:
    data: Any = copy.deepcopy(base())
    node = data
    *parts, last = path.split(".")
    for part in parts:
        node = node[int(part)] if part.isdigit() else node.setdefault(part, {})
    node[last] = value
    return dict(data)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sites.0.power_mw", 20000),
        ("sites.0.power_kw", 20),
        ("sites.0.power_mw", "20 MW"),
        ("workloads.0.kind", "servin"),
        ("workloads.0.precision", "fp9"),
        ("workloads.0.chips", {"most": 3}),
        ("objective", ["cost", "beauty"]),
        ("start", "2026-13"),
        ("sites", []),
        ("assume.chips.x", 3),
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(
    path: str, value: Any, validator: jsonschema.Draft202012Validator
) -> None:
    assert list(validator.iter_errors(_with(path, value)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("objective", "carbon"),
        ("objective", ["cost", "carbon"]),
        ("workloads.0.precision", "fp8"),
        ("workloads.0.chips", 2048),
        ("workloads.0.chips", {"max": 3}),
        ("hardware.systems", "sgx5000"),
        ("variants", {"v": "x"}),
        ("periods", ["2026-10", "2027-04"]),
        ("assume.chips.x", {"available_from": "2027-01", "tdp_w": 3}),
    ],
)
def test_the_schema_takes_what_the_reader_takes(
    path: str, value: Any, validator: jsonschema.Draft202012Validator
) -> None:
    assert not list(validator.iter_errors(_with(path, value)))
