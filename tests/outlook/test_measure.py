"""What to measure next: runs that decide are worth something, and feeding one back does what it said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tools import load, round_scenario, run, scenario_of

from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.errors import InputError
from planner.outlook.measure import Measure, measure
from planner.outlook.measure.ask import decision_of
from planner.outlook.measure.worth import decide
from planner.planning.plan import plan
from planner.planning.question import ask
from planner.scenario.types import Scenario
from planner.validation.own.read import with_measurements

pytestmark = pytest.mark.usefixtures("in_process")
BOTH = {"systems": ["plain_8", "big_8"]}


@pytest.fixture(scope="module", autouse=True)
def few_results() -> Iterator[None]:
    """Seven results of a run instead of fifteen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("planner.outlook.measure.worth.POINTS", 7)
        yield


def training(big_usd: float) -> Scenario:
    """A run on plain servers at 100,000 USD, or on big ones."""
    work = run(tokens=3e12, finish_within_days=100)
    return round_scenario(
        work, hardware=BOTH, site={"power_mw": 5}, assume={"systems": {"big_8": {"price_usd": big_usd}}},
        solve={"simplify": 0},
    )  # fmt: skip


def test_what_cannot_win_is_worth_little_to_measure(round_catalog: Catalog) -> None:
    found = measure(training(2e6), catalog=round_catalog)
    assert {r.system for r in found.runs} == {"plain_8", "big_8"}
    by = {r.system: r for r in found.runs}
    assert by["big_8"].changes == 0.0
    assert found.runs[0].system == "plain_8"
    assert by["big_8"].worth < by["plain_8"].worth
    assert all(r.worth >= 0 and r.width < 1 for r in found.runs)
    for r in found.runs:
        assert sum(d.chance for d in r.decisions) == pytest.approx(1.0)
        assert r.low80 < r.predicted < r.high80
        assert [d.low for d in r.decisions] == sorted(d.low for d in r.decisions)
    assert Measure.model_validate_json(found.to_json()) == found


def test_a_plan_at_hand_is_the_decision_that_runs_are_to_better(round_catalog: Catalog) -> None:
    """The best plan, read from its file, is what is decided anew; a plan of another scenario is refused."""
    scenario = training(2e6)
    made = Plan.from_json(plan(scenario, catalog=round_catalog).to_json())
    question = ask(scenario, catalog=round_catalog, whole=True)
    told, anew = decision_of(made, question), decide(question)
    assert anew is not None
    assert (told.words, told.kinds) == (anew.words, anew.kinds)
    assert told.value == pytest.approx(anew.value)
    with pytest.raises(InputError, match="another scenario"):
        measure(training(1e6), plan=made, catalog=round_catalog)


@pytest.fixture(scope="module")
def serving(shipped: Catalog) -> tuple[Scenario, Measure]:
    """A load on two kinds of servers, and what could be measured of it."""
    asked = scenario_of(
        load(20, model="llama-3.1-70b", input_tokens=2000, output_tokens=400, disaggregated="never", tpot_ms=40),
        hardware={"systems": ["dgx_h200", "mi300x_8"]},
    )
    return asked, measure(asked, catalog=shipped)


def filled(folder: Path, found: Measure, number: int, value: float) -> Path:
    """The rows to fill in with one of them filled in."""
    lines = found.table().splitlines()
    heads, cells = lines[0].split(","), lines[1 + number].split(",")
    at = heads.index(found.runs[number].quantity)
    cells[at] = repr(value)
    file = folder / "runs.csv"
    file.write_text("\n".join([lines[0], ",".join(cells)]) + "\n", encoding="utf-8")
    return file


def test_a_result_fed_back_decides_what_it_said(
    serving: tuple[Scenario, Measure], shipped: Catalog, tmp_path: Path
) -> None:
    """On either side of where the decision changes, by the table that a user fills in."""
    asked, found = serving
    first = found.runs[0]
    assert len(first.decisions) > 1
    assert first.worth > 0
    for before, after in zip(first.decisions[:-1], first.decisions[1:], strict=True):
        for d, value in ((before, before.high), (after, after.low)):
            known = with_measurements(shipped, filled(tmp_path, found, 0, value))
            decided = decide(ask(asked, catalog=known, whole=True))
            assert (decided is None) == (d.words == "no plan")
            assert decided is None or decided.words == d.words


def test_a_run_says_how_to_make_it(serving: tuple[Scenario, Measure]) -> None:
    _, found = serving
    for r in found.runs:
        serve, bench = r.command.splitlines()
        assert serve.startswith("vllm serve llama-3.1-70b")
        assert f"--tensor-parallel-size {r.row['tp']}" in serve
        assert f"--max-concurrency {r.row['concurrency_or_batch']}" in bench
        assert r.chip_hours == pytest.approx(r.chips * r.hours)
    known = [r for r in found.runs if r.cost_usd is not None]
    assert known
    assert all(r.net_usd == pytest.approx(r.worth - (r.cost_usd or 0.0)) for r in known)
