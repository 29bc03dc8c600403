"""What a date and the share of a vendor are worth in a fleet over time: what planning with more of them shows."""

from __future__ import annotations

import pytest
from tools import load, round_scenario, run

from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.planning.plan import plan
from planner.scenario.types import Scenario

RUN = {"tokens": 2e11, "mfu": 0.5, "global_batch": 512, "chips": {"max": 32}}


def value_of(found: Plan) -> float:
    assert found.objective.value is not None
    return found.objective.value


@pytest.fixture(scope="module")
def dated() -> Scenario:
    """Two runs that one box could do after one another, were there time."""
    runs = [run(f"run{i}", finish_within_days=days, **RUN) for i, days in enumerate((50, 50))]
    return round_scenario(*runs, fleet={"shared": True}, start="2026-10")


@pytest.mark.usefixtures("in_process")
def test_a_date_is_worth_what_a_later_one_saves(dated: Scenario, round_catalog: Catalog) -> None:
    first = plan(dated, catalog=round_catalog)
    dates = [b for b in first.binding if b.kind == "deadline"]
    assert dates, first.answer
    for b in dates:
        assert b.worth_per_unit
        step = float(b.note.split("with ")[1].split(" ")[0])
        moved = plan(dated, catalog=round_catalog, overrides={b.path: b.of + step})
        assert value_of(first) - value_of(moved) == pytest.approx(b.worth_per_unit * step, rel=1e-4)


@pytest.mark.usefixtures("in_process")
def test_the_share_of_a_vendor_is_worth_what_a_larger_one_saves(round_catalog: Catalog) -> None:
    """The cheaper box is of a vendor that may sell a third of the chips."""
    other = round_catalog.with_assumptions({"chips": {"big_chip": {"vendor": "Other"}}})
    question = round_scenario(load(6400, disaggregated="never"), hardware={"systems": ["plain_8", "big_8"]},
                              limits={"vendor_share": {"Round": 0.33}})  # fmt: skip
    first = plan(question, catalog=other)
    (limit,) = [b for b in first.binding if b.kind == "share"]
    assert limit.path == "limits.vendor_share.Round"
    assert limit.worth_per_unit
    assert limit.used <= limit.of == pytest.approx(33)
    step = float(limit.note.split("with ")[1].split(" ")[0])
    moved = plan(question, catalog=other, overrides={limit.path: (limit.of + step) / 100})
    assert value_of(first) - value_of(moved) == pytest.approx(limit.worth_per_unit * step, rel=1e-4)


@pytest.mark.usefixtures("in_process")
def test_a_run_takes_the_systems_that_a_quiet_season_leaves(round_catalog: Catalog) -> None:
    """A load needs three boxes in winter and one in summer: a run of some weeks that may wait costs no box more."""
    seasons = ["2026-10", "2027-04", "2027-10"]
    path = dict(zip(seasons, (2500, 500, 2500), strict=True))
    busy = load(path, disaggregated="never", ttft_ms=60_000)  # type: ignore[arg-type]
    quiet = run("train", **RUN)
    fields = {"fleet": {"shared": True}, "periods": seasons, "horizon_years": 1.5}
    alone, both = (plan(round_scenario(*work, **fields), catalog=round_catalog) for work in ([busy], [busy, quiet]))
    assert alone.totals is not None
    assert both.totals is not None
    assert both.schedule is not None
    assert both.totals.systems == alone.totals.systems == 3
    assert both.schedule.runs[0].start_date.startswith("2027-0")
    hurried = round_scenario(busy, quiet | {"finish_within_days": 60}, **fields)
    rushed = plan(hurried, catalog=round_catalog)
    assert rushed.totals is not None
    assert rushed.totals.systems > 3
