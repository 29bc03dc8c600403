"""Plans of a shared fleet, end to end: against paper, against the fleet without sharing, and against tampering."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from tools import load, round_scenario, run

from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.errors import InputError
from planner.fleet.sequence import solved_and_placed
from planner.options.hardware.timeline import DAYS_PER_MONTH
from planner.outlook import pareto
from planner.planning.plan import answered, plan
from planner.planning.question import ask
from planner.scenario.types import Scenario
from planner.solve import Limits, Solution, solve, with_objective
from planner.solve.form import Program
from planner.verify.plan import verify_plan

Data = dict[str, Any]
IDLE_KW, TRAINING_KW = 3.6, 0.9 * 6.4
"""A box of round numbers: 2 kW and a fifth of 8 kW while idle; training adds nine tenths of the rest."""
USD_PER_KWH, PUE, HOURS = 0.1, 1.25, 4 * 8760


def shared(*workloads: Data, **fields: Any) -> Scenario:
    """A scenario of round numbers whose systems serve whatever needs them."""
    return round_scenario(*workloads, fleet={"shared": True} | fields.pop("fleet", {}), **fields)


def two_runs(**more: Any) -> tuple[Data, Data]:
    """Runs that keep one box busy for some 14 days each."""
    size: Data = {"tokens": 1e11, "mfu": 0.5, "chips": 8, "global_batch": 512}
    return run("first", **size), run("second", **size, **more)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("idle", ["switched_off", "powered"])
def test_two_runs_after_one_another_share_a_box(round_catalog: Catalog, idle: str) -> None:
    """One box in the place of two: its price and what both runs draw; with four years of idling where it stays on."""
    how = {"idle_systems": idle}
    alone = plan(round_scenario(*two_runs(), fleet=how), catalog=round_catalog)
    found = plan(shared(*two_runs(after=["first"]), fleet=how), catalog=round_catalog)
    assert found.status == "proven_optimal"
    assert found.verified
    assert alone.totals is not None
    assert found.totals is not None
    assert found.fleet is not None
    assert found.schedule is not None
    assert alone.totals.systems == 2
    assert [x.systems for x in found.fleet.lots] == [1]
    days = [d.predicted.days for d in alone.deployments]
    assert [r.predicted.days for r in found.schedule.runs] == pytest.approx(days)
    hours = sum(24 * d for d in days if d)
    idling = IDLE_KW * (HOURS if idle == "powered" else hours)
    paper = 100_000 + PUE * USD_PER_KWH * (idling + TRAINING_KW * hours)
    each = 100_000 + PUE * USD_PER_KWH * (
        IDLE_KW * (HOURS if idle == "powered" else hours / 2) + TRAINING_KW * hours / 2
    )
    assert alone.totals.tco_usd == pytest.approx(2 * each, rel=1e-9)
    assert found.totals.tco_usd == pytest.approx(paper, rel=1e-9)
    assert found.objective.value == math.fsum(
        v for x in (*found.fleet.lots, *found.schedule.runs) for v in x.money.lines_usd.values()
    )
    first, second = found.schedule.runs
    assert (first.workload, second.workload) == ("first", "second")
    assert first.start_day == 0  # nothing is gained by waiting: the schedule does not
    assert second.start_day == pytest.approx(first.end_day, abs=1e-3)  # and the slot's rest is not waited for
    busy = first.systems * (days[0] or 0) + (days[1] or 0)
    assert found.fleet.standing[0].utilisation == pytest.approx(busy / (48 * DAYS_PER_MONTH))


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("goal", ["cost", "carbon"])
def test_a_load_alone_costs_the_same_shared_or_not(round_catalog: Catalog, goal: str) -> None:
    """Where nothing can be shared, a box that works all the time costs what one of its own does."""
    work = load(1000, ttft_ms=60_000, tpot_ms=200, precision=["bf16"], disaggregated="never")
    alone = plan(round_scenario(work, objective=[goal]), catalog=round_catalog)
    found = plan(shared(work, objective=[goal]), catalog=round_catalog)
    assert alone.totals is not None
    assert found.totals is not None
    for name in ("systems", "chips", "racks", "facility_mw", "capex_usd", "tco_usd", "carbon_t"):
        assert getattr(found.totals, name) == pytest.approx(getattr(alone.totals, name), rel=1e-9), name


@pytest.mark.usefixtures("in_process")
def test_runs_side_by_side_where_dates_leave_no_other_way(round_catalog: Catalog) -> None:
    """With a date that one after the other would miss, there are two boxes, and both runs begin at once."""
    date = {"finish_within_days": 20}
    found = plan(shared(*(w | date for w in two_runs())), catalog=round_catalog)
    assert found.schedule is not None
    assert found.totals is not None
    assert found.totals.systems == 2
    assert all(r.end_day <= 20 for r in found.schedule.runs)


@pytest.mark.usefixtures("in_process")
def test_a_growing_load_is_bought_for_in_stages(round_catalog: Catalog) -> None:
    """What is needed in the second half is bought then, and the run uses what stands over."""
    work = load({"2026-10": 1000, "2028-10": 2500}, ttft_ms=60_000, tpot_ms=200, precision=["bf16"],
                disaggregated="never")  # fmt: skip
    found = plan(shared(work, periods=["2026-10", "2028-10"]), catalog=round_catalog)
    assert found.fleet is not None
    assert found.schedule is not None
    assert [x.begin for x in found.fleet.lots] == ["2026-10", "2028-10"]
    early, late = ([s.systems for s in found.fleet.standing if s.period == p] for p in ("2026-10", "2028-10"))
    assert sum(early) < sum(late)
    (demand,) = found.schedule.demand
    assert demand.asked == (1000.0, 2500.0)
    assert all(a >= b for a, b in zip(demand.answered, demand.asked, strict=True))


# -- tampering ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def question() -> Scenario:
    """A load that grows, two runs in a row, and something of every limit with a little to spare."""
    work = load({"2026-10": 1000, "2028-10": 5000}, ttft_ms=60_000, tpot_ms=200, precision=["bf16"],
                disaggregated="never", peak_to_mean=1.5)  # fmt: skip
    return shared(
        work,
        *two_runs(after=["first"], finish_within_days=1400),
        periods=["2026-10", "2028-10"],
        site={"power_mw": 0.1, "racks": 3, "installed": [{"system": "plain_8", "count": 1, "since": "2025-01"}]},
        hardware={"systems": ["plain_8", "big_8"], "supply": {"plain_8": {"2026-10": 6}}},
        limits={"chips": 64, "capex_usd": 1e6, "capex_usd_per_year": 9e5, "opex_usd_per_year": 1e5,
                "carbon_t_per_year": 500, "cost_usd": 2e6},
    )  # fmt: skip


@pytest.fixture(scope="module")
def answer(question: Scenario, round_catalog: Catalog) -> Plan:
    """Its plan."""
    asked = ask(question, catalog=round_catalog)
    assert asked.model is not None
    assert asked.stock is not None
    cost = asked.model.objectives["cost"]

    def solved(program: Program, _seconds: float, _start: Any = None) -> list[Solution]:
        return [solve(with_objective(program, cost), Limits(gap=1e-3, threads=1), in_child=False)]

    model, solutions = solved_and_placed(asked.stock, solved, Limits())
    found = answered(asked, solutions, model.as_fleet())
    assert found.status in {"proven_optimal", "within_gap"}
    return found


def tampered(true: Plan, change: Callable[[Data], None]) -> Plan:
    """The plan with a change made to its JSON; it still reads as a plan."""
    data = copy.deepcopy(true.to_dict()) | {"seal": ""}
    change(data)
    return Plan.model_validate(data)


def test_the_true_plan_is_accepted_after_a_journey_through_json(
    answer: Plan, question: Scenario, round_catalog: Catalog
) -> None:
    """Saved and read back, the plan passes."""
    assert verify_plan(Plan.from_json(answer.to_json()), question, round_catalog) == []


def leaves(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every figure and word under a part of a plan, of the first of a list."""
    items = data.items() if isinstance(data, dict) else enumerate(data[:1]) if isinstance(data, list) else None
    if items is None:
        yield path, data
        return
    for key, value in items:
        # a label of the model's column; a table of its own where it is there at all
        if key != "option" and not (key == "drafting" and value is None):
            yield from leaves(value, (*path, key))


WORDS: Data = {"role": "decode", "acquire": "rent", "recompute": "full", "precision": "fp8", "schedule": "1F1B",
         "sharding": "row-wise", "fabric": "large", "drafting": {
             "method": "mtp", "drafts": 1, "acceptance": 0.5, "acceptance_source": "x", "tokens_a_step": 1.5,
             "tpot_ms_without": 1.0, "tokens_per_s_without": 1.0}}  # fmt: skip


def _other(name: str, value: Any) -> Any:
    if name in WORDS:
        return WORDS[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 1.0001 + 1e-6
    return f"{value}x" if isinstance(value, str) else 1


@pytest.mark.usefixtures("described_once")
def test_every_leaf_is_held_to_account(answer: Plan, question: Scenario, round_catalog: Catalog) -> None:
    """No figure or word of fleet, schedule, totals or objective can be changed unnoticed."""
    unnoticed = []
    count = 0
    data = answer.to_dict() | {"seal": ""}
    for part in ("fleet", "schedule", "totals", "objective"):
        for path, value in leaves(data[part], (part,)):

            def change(data: Data, path: tuple[str | int, ...] = path, value: Any = value) -> None:
                for step in path[:-1]:
                    data = data[step]  # type: ignore[index]
                data[path[-1]] = _other(str(path[-1]), value)  # type: ignore[index]

            count += 1
            try:
                other = tampered(answer, change)
            except ValidationError:
                continue  # it is no plan any more
            if not verify_plan(other, question, round_catalog):
                unnoticed.append(".".join(map(str, path)))
    assert not unnoticed
    assert count > 150


@pytest.mark.parametrize(
    ("limit", "tight", "word"),
    [
        ("limits.chips", 8, "chips stand"),
        ("limits.capex_usd", 1e4, "limits.capex_usd"),
        ("limits.capex_usd_per_year", 1e4, "limits.capex_usd_per_year"),
        ("limits.opex_usd_per_year", 100, "limits.opex_usd_per_year"),
        ("limits.carbon_t_per_year", 1, "limits.carbon_t_per_year"),
        ("limits.cost_usd", 1e4, "limits.cost_usd"),
        ("limits.power_mw", 0.01, "all sites draw"),
        ("limits.vendor_share", {"Round": 0.5}, "a share of 0.5 allowed"),
        ("sites.0.power_mw", 0.01, "here draws"),
        ("sites.0.power_path", {"2028-10": 0.01}, "here draws"),
        ("sites.0.racks", 1, "here holds"),
        ("sites.0.installed", [], "does not allow"),
        ("hardware.supply", {"plain_8": {"2026-10": 0}}, "more than are delivered"),
        ("workloads.0.requests_path", {"2026-10": 1000, "2028-10": 19000}, "is served at"),
        ("workloads.0.chips", {"max": 8}, "at most 8 allowed"),
        ("workloads.0.tpot_ms", 0.11, "tpot_ms"),
        ("workloads.1.start", "2030-09", "before it may"),
        ("workloads.2.finish_within_days", 5, "5 allowed"),
        ("workloads.1.after", ["second"], "which it waits for"),
        ("workloads.1.chips", {"max": 1}, "at most 1 allowed"),
    ],
)
def test_each_limit_is_checked_by_itself(
    answer: Plan, question: Scenario, round_catalog: Catalog, limit: str, tight: Any, word: str
) -> None:
    """Against a scenario that allows less than the plan uses, the check names what is too much."""
    data = question.model_dump(mode="json")
    at: Any = data
    *parents, leaf = limit.split(".")
    for part in parents:
        at = at[int(part)] if part.isdigit() else at[part]
    at[leaf] = tight
    if limit == "workloads.1.after":
        data["workloads"][2]["after"] = []
    failures = verify_plan(answer, Scenario.model_validate(data), round_catalog)
    assert any(word in text for text in failures), failures


def test_systems_that_are_not_there_cannot_work(answer: Plan, question: Scenario, round_catalog: Catalog) -> None:
    """More units than stand are refused for that, not only for their price."""

    def change(data: Data) -> None:
        lot = data["fleet"]["lots"][-1]
        data["fleet"]["lots"].remove(lot)

    assert any("stand there" in text for text in verify_plan(tampered(answer, change), question, round_catalog))


def test_a_run_larger_than_its_fabric_is_refused() -> None:
    """The fabric is priced for so many chips: a run on more would be on one that nobody pays."""
    with pytest.raises(InputError, match="one fabric joins"):
        shared(run(chips=64), fleet={"fabric_chips": 32})


@pytest.mark.usefixtures("in_process")
def test_no_plan_says_what_conflicts_and_what_would_help(round_catalog: Catalog) -> None:
    """A site too small for both dates at once: the conflict names dates and site, and a change that was tried."""
    scenario = shared(*(w | {"finish_within_days": 20} for w in two_runs()), site={"power_mw": 0.0145})
    found = plan(scenario, catalog=round_catalog)
    assert found.status == "infeasible"
    assert found.conflicts
    assert any("MW" in text for text in found.conflicts[0].limits)
    assert any(n.confirmed for n in found.nearest)


@pytest.mark.usefixtures("in_process")
def test_a_limit_of_many_periods_is_one(round_catalog: Catalog) -> None:
    """Chips limit every period; asked about they are one figure, worth what planning again with more shows."""
    work = load({"2026-10": 1000, "2028-10": 9000}, ttft_ms=60_000, precision=["bf16"], disaggregated="never")
    fields: Data = {"periods": ["2026-10", "2028-10"], "fleet": {"keep": "periods"}, "hardware": {
        "systems": ["plain_8", "big_8"]}}  # fmt: skip
    free = plan(shared(work, **fields), catalog=round_catalog)
    assert free.totals is not None
    most = free.totals.chips - 8
    found = plan(shared(work, **fields, limits={"chips": most}), catalog=round_catalog)
    assert found.objective.value is not None
    binding = [b for b in found.binding if b.limit == f"{most} chips"]
    assert [b.of for b in binding] == [most]
    step = float(binding[0].note.removeprefix("solved again with ").split()[0])
    again = plan(shared(work, **fields, limits={"chips": math.floor(most + step)}), catalog=round_catalog)
    assert binding[0].worth_per_unit
    assert again.objective.value is not None
    assert binding[0].worth_per_unit == pytest.approx((found.objective.value - again.objective.value) / step, rel=1e-6)


@pytest.mark.usefixtures("in_process")
def test_a_run_that_waits_is_named_in_the_conflict(round_catalog: Catalog) -> None:
    """Each date alone could be kept; waiting for the other run is what makes it impossible."""
    first, second = two_runs(after=["first"], finish_within_days=20)
    found = plan(shared(first, second), catalog=round_catalog)
    assert found.status == "infeasible"
    assert found.conflicts[0].limits == ("second within 20 days", "second begins after first has ended")
    assert [n.limit for n in found.nearest if n.confirmed] == ["workloads.second.finish_within_days"]


@pytest.mark.usefixtures("in_process")
def test_a_front_of_a_shared_fleet(round_catalog: Catalog) -> None:
    """Faster chips cost more and draw less: both ends are there, each the best of its own plan; throughput is none."""
    work = load({"2026-10": 1000, "2028-10": 9000}, ttft_ms=60_000, precision=["bf16"], disaggregated="never")
    fields: Data = {"periods": ["2026-10", "2028-10"], "hardware": {"systems": ["plain_8", "big_8"]}}
    front = pareto(shared(work, **fields), ("cost", "power"), points=3, catalog=round_catalog)
    assert front.complete or len(front.points) == 3
    for axis in front.axes:
        alone = plan(shared(work, **fields, objective=[axis.name]), catalog=round_catalog)
        assert axis.low == pytest.approx(alone.objective.value, rel=2e-3)
    assert all(p.verified and p.pieces for p in front.points)
    with pytest.raises(InputError, match="throughput"):
        pareto(shared(work, **fields), ("cost", "throughput"), catalog=round_catalog)


@pytest.mark.usefixtures("in_process")
def test_a_lead_time_that_is_too_long_is_named(round_catalog: Catalog) -> None:
    """A load is there from the start, what is bought is not; systems that arrive in time are the change that helps."""
    work = load(1060, ttft_ms=60_000, precision=["bf16"], disaggregated="never")
    hardware: Data = {"systems": ["plain_8"], "lead_months": 3}
    site: Data = {"installed": [{"system": "plain_8", "count": 1}]}
    found = plan(shared(work, hardware=hardware, site=site, periods=["2026-10", "2027-10"]), catalog=round_catalog)
    assert found.status == "infeasible"
    assert "nothing bought arrives before 3 months have passed" in found.conflicts[0].limits
    assert next((n.limit, n.needed) for n in found.nearest if n.confirmed) == ("hardware.lead_months", 0.0)


@pytest.mark.usefixtures("in_process")
def test_large_programs_are_explained_by_their_relaxation(
    round_catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one more unit is worth to the program without whole numbers; bounds, not plans, of the rivals."""
    monkeypatch.setattr("planner.explain.lots.MANY_COLUMNS", 0)
    work = load({"2026-10": 1000, "2028-10": 9000}, ttft_ms=60_000, precision=["bf16"], disaggregated="never")
    fields: Data = {"periods": ["2026-10", "2028-10"], "hardware": {"systems": ["plain_8", "big_8"]}}

    def relaxed(chips: float) -> float:
        model = ask(shared(work, **fields, limits={"chips": round(chips)}), catalog=round_catalog).model
        assert model is not None
        none = np.zeros(model.program.column_count, dtype=np.bool_)
        program = replace(with_objective(model.program, model.objectives["cost"]), integer=none, structure=none)
        return 1e6 * solve(program, Limits(threads=1), in_child=False).objective

    free = plan(shared(work, **fields), catalog=round_catalog)
    assert free.totals is not None
    chips = free.totals.chips - 16
    found = plan(shared(work, **fields, limits={"chips": chips}), catalog=round_catalog)
    (binding,) = [b for b in found.binding if b.unit == "chips"]
    assert "relaxation" in binding.note
    assert binding.worth_per_unit == pytest.approx((relaxed(chips) - relaxed(chips + 8)) / 8, rel=1e-5)
    rivals = {a.name: a for a in found.alternatives}
    assert all("bound" in a.summary or a.summary.startswith("not possible") for a in rivals.values())
    assert {"only plain_8", "only big_8"} & rivals.keys()


def test_a_plan_of_schema_1_is_read_with_its_deployments(answer: Plan) -> None:
    """Plans over lots had no deployments then: reading fills in the view; what the schema does not know is an error."""
    old = answer.to_dict() | {"schema": 1, "deployments": [], "seal": ""}
    for part in (*old["fleet"]["lots"], *old["fleet"]["standing"], *old["schedule"]["runs"], *old["schedule"]["loads"]):
        part.pop("fabric")
    read = Plan.from_json(json.dumps(old))
    assert [d.workload for d in read.deployments] == [d.workload for d in answer.deployments]
    assert math.fsum(d.cost.total_usd for d in read.deployments) == pytest.approx(answer.totals.tco_usd)  # type: ignore[union-attr]
    with pytest.raises(InputError, match="lots_of_old"):
        Plan.from_json(json.dumps(old | {"lots_of_old": 1}))
