"""A plan.json from elsewhere: read whole and within bounds, or refused in a few words; never a traceback later on."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from planner import plan
from planner.answer.check import MOST_PROBLEMS
from planner.answer.plan import SCHEMA_VERSION, Plan
from planner.catalog import Catalog
from planner.cli import run
from planner.errors import InputError
from planner.report.diff import diff_table


@pytest.fixture(scope="module")
def data(shipped: Catalog) -> dict[str, Any]:
    """A plan of one load, as plain data."""
    found = plan(
        {
            "name": "small", "start": "2026-10", "horizon_years": 3,
            "sites": [{"name": "here", "region": "us_va", "power_mw": 10}],
            "hardware": {"systems": ["hgx_h100_oem"], "acquire": ["buy"]},
            "workloads": [{"name": "chat", "kind": "serving", "model": "llama-3.1-8b", "input_tokens": 500,
                           "output_tokens": 100, "requests_per_s": 5, "disaggregated": "never"}],
        },
        catalog=shipped,
    )  # fmt: skip
    return found.to_dict()


def changed(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one leaf replaced; ``path`` with dots, numbers index lists."""
    copy: dict[str, Any] = json.loads(json.dumps(data))
    at: Any = copy
    *most, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    for part in most:
        at = at[part]
    at[last] = value
    return copy


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("deployments.0.systems", 0, "deployments[0].systems: is out of bounds"),
        ("deployments.0.systems", 10**15, "out of bounds"),
        ("deployments.0.systems", "1", "deployments.0.systems"),
        ("deployments.0.replicas", 0, "out of bounds"),
        ("deployments.0.parallelism.tp", 0, "parallelism.tp"),
        ("deployments.0.power.pue", 0.0, "power.pue"),
        ("deployments.0.power.facility_mw", -1.0, "facility_mw"),
        ("deployments.0.cost.total_usd", 1e200, "cost.total_usd"),
        ("deployments.0.spares", 10**6, "are more than its"),
        ("deployments.0.period", "2030-01", "none of the plan's periods"),
        ("deployments.0.site", "a\nb", "line break"),
        ("deployments.0.chip", "$(x)", "an id of the catalog"),
        ("deployments.0.mix", "abc", "shared by two"),
        ("totals", None, "a plan has totals"),
        ("totals.unit_cost_usd", {"chat": {"run": {"energy": 1.0}}}, "has no total"),
        ("deployments", [], "has nothing to deploy"),
        ("status", "infeasible", "status cannot mean"),
        ("horizon_years", 0.0, "horizon_years"),
        ("periods", ["2026-13"], "YYYY-MM"),
        ("answer", "x" * 50_000, "too long"),
        ("workloads", [{"name": "a", "kind": "training", "model": "x"}] * 2, "two workloads have one name"),
        ("schedule", {"runs": []}, "come together"),
        ("extra", 1, "Extra inputs"),
    ],
)  # fmt: skip
def test_what_breaks_the_schema_or_its_bounds_is_refused(
    data: dict[str, Any], path: str, value: Any, says: str
) -> None:
    """With the file and the place."""
    with pytest.raises(InputError) as caught:
        Plan.from_json(json.dumps(changed(data, path, value)), file="p.json")
    assert says in str(caught.value)
    assert "p.json" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", "not json", "[" * 100_000, '{"schema": 1}', '{"schema": NaN}'])
def test_what_is_no_plan_is_refused_in_one_line(text: str) -> None:
    """Neither JSON nor depth gets further."""
    with pytest.raises(InputError) as caught:
        Plan.from_json(text, file="p.json")
    assert len(caught.value.problems) == 1
    assert "is no plan" in str(caught.value)


def test_another_schema_says_what_it_is_and_what_reads_it(data: dict[str, Any]) -> None:
    """A plan of a later planner, and one whose schema is no number."""
    later = data | {"schema": SCHEMA_VERSION + 1, "planner_version": "7.0.0", "something_new": [1]}
    with pytest.raises(InputError) as caught:
        Plan.from_json(json.dumps(later), file="p.json")
    assert len(caught.value.problems) == 1
    for word in (f"found {SCHEMA_VERSION + 1}", "7.0.0", f"up to {SCHEMA_VERSION}", "Read it with that planner"):
        assert word in str(caught.value)
    with pytest.raises(InputError):
        Plan.from_json(json.dumps(data | {"schema": "one"}))


def test_a_file_that_is_wrong_throughout_is_refused_in_few_words(data: dict[str, Any]) -> None:
    """The first problems and how many more."""
    wrong = changed(data, "left_out", [{"option": "a\nb", "reason": "c"}] * 500)
    with pytest.raises(InputError) as caught:
        Plan.from_json(json.dumps(wrong))
    assert len(caught.value.problems) == MOST_PROBLEMS + 1
    assert "492 more" in str(caught.value)


def test_what_is_read_comes_back_and_compares(data: dict[str, Any], tmp_path: Path) -> None:
    """Reading is no change; and the command line ends in exit code 2 for each wrong file."""
    again = Plan.from_json(json.dumps(data))
    assert again.to_dict() == data
    Console(file=io.StringIO()).print(diff_table([again, again], ["a", "b"], everything=True))
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    again.write(good)
    bad.write_text(json.dumps(changed(data, "deployments.0.systems", 0)), encoding="utf-8")
    assert run(["diff", str(good), str(good)]) == 0
    assert run(["diff", str(good), str(bad)]) == 2
    assert run(["export", str(bad), "--for", "bom"]) == 2
    assert run(["diff", str(good), str(tmp_path)]) == 2
