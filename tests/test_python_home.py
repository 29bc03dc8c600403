"""Python as people use it: frames that add up, many plans as one table, charts, short texts, a whole namespace."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import planner
from planner import Plan, Plans
from planner.answer import rows
from planner.catalog import Catalog

ROOT = Path(__file__).resolve().parent.parent
SMALL: dict[str, Any] = {
    "name": "small <b>bold</b>", "start": "2026-10",
    "sites": [{"name": "hall", "region": "us_va", "power_mw": 1, "cooling": ["air_crah"]}],
    "hardware": {"systems": ["hgx_h100_oem"]},
    "workloads": [
        {
            "name": "chat", "kind": "serving", "model": "llama-3.1-8b", "input_tokens": 1000, "output_tokens": 200,
            "requests_per_s": 5, "disaggregated": "never", "parallelism": {"tp": 1, "pp": 1},
        }
    ],
}  # fmt: skip
SHARED = SMALL | {
    "name": "small fleet", "periods": ["2026-10", "2027-04"], "fleet": {"shared": True}, "horizon_years": 1,
    "workloads": [SMALL["workloads"][0] | {"requests_per_s": {"2026-10": 5, "2027-04": 4000}}],
}  # fmt: skip
FRAMES = {
    "deployments_frame": rows.DEPLOYMENT_COLUMNS, "costs_frame": rows.COST_COLUMNS,
    "timeline_frame": rows.TIMELINE_COLUMNS, "binding_frame": rows.BINDING_COLUMNS,
    "assumptions_frame": rows.ASSUMPTION_COLUMNS,
}  # fmt: skip


@pytest.fixture(scope="module")
def small(module_patch: pytest.MonkeyPatch) -> Plan:
    """A small plan."""
    return planner.plan(SMALL)


@pytest.fixture(scope="module")
def fleet(module_patch: pytest.MonkeyPatch) -> Plan:
    """A small shared fleet."""
    return planner.plan(SHARED)


@pytest.fixture(scope="module")
def module_patch() -> Any:
    """Solves in this process, for a whole module."""
    import planner.solve.child
    from planner.solve.drive import JOBS, solve_here
    from planner.solve.highs import solve_highs

    patch = pytest.MonkeyPatch()
    patch.setattr(
        planner.solve.child, "solve_in_child",
        lambda p, limits, backend, progress=None, start=None: solve_here(p, limits, backend)
        if start is None
        else solve_highs(p, limits, None, start),
    )  # fmt: skip
    patch.setattr(
        planner.solve.child, "run_in_child",
        lambda name, p, limits, options, *_, **__: JOBS[name](p, limits, options, lambda *_: None),
    )  # fmt: skip
    yield patch
    patch.undo()


@pytest.mark.parametrize("which", ["small", "fleet"])
def test_frames_of_a_plan_add_up(which: str, request: pytest.FixtureRequest) -> None:
    """Every frame has its columns; costs sum to the plan's; systems and dates are those of the plan."""
    plan: Plan = request.getfixturevalue(which)
    assert plan.totals is not None
    for name, columns in FRAMES.items():
        assert tuple(getattr(plan, name)().columns) == columns, name
    assert plan.costs_frame()["usd"].sum() == pytest.approx(plan.totals.tco_usd)
    timeline = plan.timeline_frame()
    assert (timeline["begin"] < timeline["end"]).all()
    bought = timeline[timeline["what"].isin(["deployment", "lot"])]
    assert bought["systems"].sum() >= plan.totals.systems
    deployments = plan.deployments_frame()
    assert set(deployments["workload"]) == {"chat"}
    assert deployments.attrs["units"]["ttft_ms"] == "ms"
    assert deployments.attrs["units"]["total_usd"] == "USD"
    assert "days" in deployments.attrs["units"]["days"]


def test_a_plan_that_is_none_has_empty_frames_of_the_same_columns(small: Plan) -> None:
    """Concatenating frames of many plans never changes their columns."""
    none = small.model_copy(update={"deployments": (), "totals": None, "status": "infeasible", "binding": ()})
    for name, columns in FRAMES.items():
        assert tuple(getattr(none, name)().columns) == columns
    assert none.deployments_frame().empty


def test_fifty_variants_are_fifty_rows(module_patch: pytest.MonkeyPatch) -> None:
    """Names, what was varied, costs that grow with the load; a case without a plan has a row too."""
    rates = [5.0, 2000.0, 4000.0, 1e6]
    plans = planner.plan_many(SMALL, overrides=[{"workloads.chat.requests_per_s": r} for r in rates])
    frame = plans.frame()
    assert list(frame["workloads.chat.requests_per_s"]) == rates
    assert tuple(frame.columns) == ("workloads.chat.requests_per_s", *rows.SUMMARY_COLUMNS)
    assert frame["tco_usd"].iloc[:3].is_monotonic_increasing
    assert frame["status"].iloc[3] == "infeasible"
    assert pd.isna(frame["tco_usd"].iloc[3])
    assert plans["workloads.chat.requests_per_s=2000.0"] is plans[1]
    assert isinstance(plans[:2], Plans)
    assert "Total cost" in set(plans[:3].diff()["name"])
    assert "&lt;b&gt;" not in plans._repr_html_()
    assert plans._repr_html_().count("<tr>") == 5


def test_every_bad_case_is_told_before_the_first_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty variants with a slip in two fail at once, with both."""
    monkeypatch.setattr("planner.planning.plan.plan", lambda *_, **__: pytest.fail("planned"))
    bad = [{"workloads.chat.requests_per_s": -1}, {"sites.hal.power_mw": 3}, {"workloads.chat.model": "lama-3.1-8b"}]
    with pytest.raises(planner.InputError) as error:
        planner.plan_many(SMALL, overrides=bad)
    assert {p.path for p in error.value.problems} >= {"workloads.chat.requests_per_s", "sites.hal.power_mw"}
    assert any("llama-3.1-8b" in p.nearest for p in error.value.problems)


def test_overrides_are_one_argument_of_plan(small: Plan, module_patch: pytest.MonkeyPatch) -> None:
    """The same as the value in the scenario, for mappings and loaded scenarios."""
    wanted = {"workloads.chat.requests_per_s": 2000}
    direct = planner.plan(SMALL | {"workloads": [SMALL["workloads"][0] | {"requests_per_s": 2000}]})
    assert planner.plan(SMALL, overrides=wanted).totals == direct.totals
    assert planner.plan(planner.scenario_from_mapping(SMALL), overrides=wanted).totals == direct.totals


def test_plans_are_saved_read_and_compared(small: Plan, fleet: Plan, tmp_path: Path) -> None:
    """Texts, paths and folders; names from what differs in the paths, or given."""
    for name, plan in (("a", small), ("b", fleet)):
        (tmp_path / name).mkdir()
        assert plan.save(str(tmp_path / name)) == tmp_path / name / "plan.json"
    assert Plan.read(str(tmp_path / "a" / "plan.json")) == small
    plans = planner.compare([tmp_path / "a", str(tmp_path / "b" / "plan.json")])
    assert plans.names == ("a", "b")
    assert list(plans.frame()["scenario"]) == [small.scenario, fleet.scenario]
    assert planner.compare({"mine": small, "other": fleet})["other"] is fleet
    assert planner.compare([small, small]).names == (small.scenario, f"{small.scenario} (2)")


def test_what_notebooks_show_is_short_and_escaped(small: Plan, shipped: Catalog) -> None:
    """One line of text, a little HTML; a name cannot bring markup."""
    scenario = planner.scenario_from_mapping(SMALL)
    estimate = planner.estimate_training(model="llama-3.1-8b", system="hgx_h100_oem", chips=16, catalog=shipped)
    for thing in (small, scenario, shipped, estimate, Plans([small], ["<i>x</i>"])):
        assert len(repr(thing)) < 400, type(thing)
        assert "\n" not in repr(thing)
        html = thing._repr_html_()
        assert len(html) < 20_000
        assert "<b>bold" not in html
        assert "<i>x" not in html
    assert "llama-3.1-8b" in repr(estimate)
    assert estimate.frame()["step_time_s"].iloc[0] == estimate.step_time_s


def test_catalog_frames_have_figures_units_and_sources(shipped: Catalog) -> None:
    """A figure of the frame is the record's; what is unknown is missing."""
    chips = shipped.frame("chips")
    assert chips.loc["h100_sxm", "tdp_w"] == shipped.chip("h100_sxm").need("tdp_w")
    assert chips.attrs["units"]["tdp_w"] == "w"
    figure = shipped.chip("h100_sxm").figure("tdp_w")
    assert figure is not None
    assert chips.loc["h100_sxm", "tdp_w.source"] == figure.source
    assert len(chips) == len(shipped.chips)
    assert not any(c.endswith(".source") for c in shipped.frame("systems", sources=False).columns)
    assert len(shipped.frame("models")) == len(shipped.models)
    with pytest.raises(planner.InputError, match="chips"):
        shipped.frame("chip")


@pytest.mark.parametrize("which", ["small", "fleet"])
def test_charts_are_whole_specifications(which: str, request: pytest.FixtureRequest) -> None:
    """Every chart compiles to a specification over the plan's own figures."""
    plan: Plan = request.getfixturevalue(which)
    charts = {"cost": plan.plot.cost(), "timeline": plan.plot.timeline(), "candidates": plan.plot.candidates()}
    if any(d.power.breakdown_mw for d in plan.deployments):
        charts["power"] = plan.plot.power()
    nothing = plan.model_copy(update={"deployments": ()})
    with pytest.raises(ValueError, match="nothing to draw"):
        nothing.plot.power()
    for name, chart in charts.items():
        assert chart.to_dict()["$schema"].startswith("https://vega.github.io/schema/vega-lite/"), name
    drawn = charts["timeline"].to_dict()["data"]["values"]
    assert [d["begin"] for d in drawn] == [r["begin"] for r in rows.timeline_rows(plan)]


def test_the_namespace_is_whole_and_documented() -> None:
    """Every public name resolves, is typed for checkers, and stands in docs/python.md."""
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    source = (ROOT / "planner" / "__init__.py").read_text(encoding="utf-8")
    typed = source.split("if TYPE_CHECKING:")[1].split("__all__")[0]
    for name in planner.__all__:
        assert getattr(planner, name) is not None
        assert re.search(rf"\b{name}\b", typed), name
    for name in (n for n in planner.__all__ if n[0].islower()):
        assert re.search(rf"\b{name}\b", text), f"{name} is not in docs/python.md"


def test_neither_pandas_nor_altair_is_imported_before_it_is_used() -> None:
    """Starting, planning's imports and reading a plan cost neither."""
    code = (
        "import sys, planner; planner.plan, planner.Plan, planner.plan_many, planner.pareto, planner.validate;"
        "planner.load_catalog();"
        "print(sorted({'pandas', 'altair', 'streamlit', 'ortools.sat.python.cp_model'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr
