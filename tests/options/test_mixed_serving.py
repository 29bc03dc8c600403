"""Loads with classes of requests: how they are written, which units are counted, what is answered by which.

With two classes the best split of fixed units is known in closed form (comparative advantage): the first class goes to
the units that give up least of the second for it. Counting all numbers of units with it is the reference.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tools import load, option, scenario_of

from planner import plan
from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.errors import InputError
from planner.fleet.build import build_fleet
from planner.options.option import Option
from planner.options.work.classes import MixedServingSearch, worth_counting
from planner.options.work.serving import NO_MARGIN
from planner.scenario import resolve, scenario_from_mapping
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving
from planner.solve import Limits, solve, with_objective
from planner.verify.plan import verify_plan

TWO = [
    {"name": "short", "input_tokens": 100, "output_tokens": 50, "share": 0.75},
    {"name": "long", "input_tokens": 4000, "output_tokens": 200, "share": 0.25},
]


def classed(requests_per_s: float = 10.0, **fields: Any) -> dict[str, Any]:
    """A load of two classes."""
    data = load(requests_per_s, request_classes=TWO, **fields)
    return {k: v for k, v in data.items() if k not in {"input_tokens", "output_tokens"}}


def serving(scenario: Scenario) -> Serving:
    """Its load."""
    (found,) = scenario.workloads
    assert isinstance(found, Serving)
    return found


# -- the form --------------------------------------------------------------------------------------------------------


def test_a_table_is_its_classes() -> None:
    """Weights of any sum; zeros left out; mean lengths; read back from what `resolve` prints."""
    table = {"input_tokens": [100, 1000], "output_tokens": [10, 50], "weights": [[3, 1], [0, 4]]}
    data = {k: v for k, v in load(8).items() if k not in {"input_tokens", "output_tokens"}} | {"request_table": table}
    found = serving(scenario_of(data))
    assert [(c.label, c.share) for c in found.request_classes] == [
        ("100+10", 3 / 8), ("100+50", 1 / 8), ("1000+50", 4 / 8),
    ]  # fmt: skip
    assert (found.input_tokens, found.output_tokens) == (550, 35)
    again = scenario_from_mapping(resolve(scenario_of(data)))
    assert again.workloads == scenario_of(data).workloads


def test_rates_of_classes_are_their_shares() -> None:
    """4 and 12 requests a second are a quarter and three quarters of 16."""
    classes = [{"input_tokens": n, "output_tokens": 10, "requests_per_s": r} for n, r in ((100, 4), (300, 12))]
    data = {k: v for k, v in load().items() if k not in {"input_tokens", "output_tokens", "requests_per_s"}}
    found = serving(scenario_of({**data, "request_classes": classes}))
    assert found.requests_per_s == 16
    assert [c.share for c in found.request_classes] == [0.25, 0.75]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"request_classes": [{**TWO[0], "share": 0.5}]}, "shares must sum to one"),
        ({"request_classes": [TWO[0] | {"share": 0.5}, TWO[0] | {"share": 0.5}]}, "there is a class short already"),
        ({"input_tokens": 77}, "the classes have a mean of 1075"),
        ({"disaggregated": "always"}, "answered by whole replicas"),
        ({"request_table": {"input_tokens": [1], "output_tokens": [1], "weights": [[1]]}}, "not both"),
        ({"request_classes": (), "request_table": {"input_tokens": [1], "output_tokens": [1], "weights": [[1, 2]]}},
         "weights need a row"),
        ({"request_classes": (), "request_table": {"input_tokens": [1], "output_tokens": [1], "weights": [[0]]}},
         "not all zero"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(change: dict[str, Any], words: str) -> None:
    """With a reason, never a traceback of the reader."""
    with pytest.raises(InputError, match=words):
        scenario_of({**classed(), **change})


# -- the model -------------------------------------------------------------------------------------------------------


def unit(name: str, short: float, long: float, cost: float, most: int = 3) -> Option:
    """A unit by hand."""
    return option(name, rates={"short": short, "long": long}, cost_usd=cost * 1e6, max_units=most)


def enough(units: list[tuple[Option, int]], short: float, long: float) -> bool:
    """Whether fixed units answer both classes: the first goes where it costs least of the second."""
    left = short
    rest = 0.0
    for o, n in sorted(units, key=lambda x: x[0].rates["long"] / max(x[0].rates["short"], 1e-12)):
        able = n * o.rates["short"]
        used = min(left, able)
        left -= used
        rest += (n - (used / o.rates["short"] if o.rates["short"] else 0.0)) * o.rates["long"]
    return left <= 1e-9 and rest >= long - 1e-9


rate = st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0, 5.0])


@settings(max_examples=60, deadline=None)
@given(
    units=st.lists(st.tuples(rate, rate, st.sampled_from([1.0, 1.5, 2.0, 3.5])), min_size=1, max_size=4),
    asked=st.sampled_from([1.0, 4.0, 10.0]),
)
def test_the_model_is_what_counting_gives(units: list[tuple[float, float, float]], asked: float) -> None:
    """The cheapest whole counts, by trying all of them; every class at its rate; time never more than the units."""
    options = [unit(f"u{i}", s, g, c) for i, (s, g, c) in enumerate(units)]
    scenario = scenario_of(classed(asked))
    best = min(
        (
            sum(n * o.cost_usd for o, n in zip(options, counts, strict=True))
            for counts in itertools.product(range(4), repeat=len(options))
            if enough(list(zip(options, counts, strict=True)), asked * 0.75, asked * 0.25)
        ),
        default=None,
    )
    model = build_fleet(scenario, options)
    found = solve(
        with_objective(model.program, model.objectives["cost"]), Limits(gap=0.0), backend="highs", in_child=False
    )
    if best is None:
        assert not found.status.has_plan
        return
    assert found.objective * 1e6 == pytest.approx(best)
    assert found.values is not None
    answered = {"short": 0.0, "long": 0.0}
    for i, o in enumerate(options):
        amounts = {c: found.values[at] * each for c, (at, each) in model.answers[i].items()}
        assert sum(a / o.rates[c] for c, a in amounts.items()) <= found.values[model.units[i]] + 1e-6
        for c, a in amounts.items():
            answered[c] += a
    assert answered["short"] >= asked * 0.75 - 1e-6
    assert answered["long"] >= asked * 0.25 - 1e-6


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_units_left_out_are_replaced_by_whole_ones(data: st.DataObject) -> None:
    """Each unit that goes has one that stays, a whole number of which is as good at every class on no more systems."""
    n = data.draw(st.integers(1, 12))
    systems = np.array(data.draw(st.lists(st.sampled_from([1, 2, 3, 4]), min_size=n, max_size=n)))
    rates = np.array(data.draw(st.lists(st.lists(rate, min_size=3, max_size=3), min_size=n, max_size=n)))
    kept = worth_counting(systems, rates)
    for i in set(range(n)) - set(kept.tolist()):
        assert any(np.all((systems[i] // systems[k]) * rates[k] >= rates[i]) for k in kept)


# -- plans -----------------------------------------------------------------------------------------------------------

HARDWARE = {"systems": ["l40s_8", "hgx_h100_oem"], "acquire": ["rent"]}


@pytest.fixture(scope="module")
def question() -> Scenario:
    """Short questions and long documents, two chips by the hour."""
    classes = [
        {"name": "question", "input_tokens": 200, "output_tokens": 100, "share": 0.9},
        {"name": "document", "input_tokens": 16000, "output_tokens": 300, "share": 0.1, "ttft_ms": 4000},
    ]
    data = load(20, model="qwen3-32b", precision=["fp8"], request_classes=classes, ttft_ms=1500, tpot_ms=40)
    data = {k: v for k, v in data.items() if k not in {"input_tokens", "output_tokens"}}
    return scenario_of(
        data, hardware=HARDWARE, horizon_years=1, sites=[{"name": "s", "region": "us_va", "power_mw": 5}]
    )


@pytest.fixture(scope="module")
def answer(question: Scenario, shipped: Catalog) -> Plan:
    """Its plan."""
    return plan(question, catalog=shipped)


def test_each_class_goes_where_it_is_cheap(answer: Plan, question: Scenario, shipped: Catalog) -> None:
    """Documents only where their limit is kept; no chip alone is cheaper; the sums are those of the question."""
    assert answer.status == "proven_optimal"
    got: dict[str, float] = {}
    for d in answer.deployments:
        assert 0 < sum(a.share_of_time for a in d.answers) <= 1 + 1e-6
        assert d.predicted.requests_per_s == pytest.approx(sum(a.requests_per_s for a in d.answers))
        for a in d.answers:
            got[a.name] = got.get(a.name, 0.0) + a.requests_per_s
            assert a.ttft_ms <= (4000 if a.name == "document" else 1500)
            assert a.tpot_ms <= 40
    assert got == {"question": pytest.approx(18), "document": pytest.approx(2)}
    for system in HARDWARE["systems"]:
        data = resolve(question)
        data["hardware"]["systems"] = [system]
        alone = plan(data, catalog=shipped)
        if alone.has_plan:
            assert (alone.objective.value or 0) >= (answer.objective.value or 0) * (1 - 1e-9)


def test_a_plan_that_answers_otherwise_is_refused(answer: Plan, question: Scenario, shipped: Catalog) -> None:
    """Fewer requests of a class, more than the time holds, faster than the model says, a class of nobody's."""
    assert verify_plan(answer, question, shipped) == []

    def told(**change: Any) -> str:
        first = answer.deployments[0]
        answers = (first.answers[0].model_copy(update=change), *first.answers[1:])
        deployments = (first.model_copy(update={"answers": answers}), *answer.deployments[1:])
        return "; ".join(verify_plan(answer.model_copy(update={"deployments": deployments}), question, shipped))

    now = answer.deployments[0].answers[0]
    assert "asked" in told(requests_per_s=now.requests_per_s * 0.9)
    assert "units of time" in told(requests_per_s=now.requests_per_s * 5)
    assert "tpot_ms" in told(tpot_ms=now.tpot_ms * 0.9)
    assert "not answered within its limits" in told(name="nobody's")


def test_a_load_of_one_class_is_an_ordinary_load(shipped: Catalog) -> None:
    """The same cost as the plain load that whole replicas answer."""
    site = {"sites": [{"name": "s", "region": "us_va", "power_mw": 5}], "hardware": HARDWARE, "horizon_years": 1}
    plain = load(30, model="llama-3.1-70b", precision=["fp8"], input_tokens=1000, output_tokens=200, tpot_ms=40,
                 disaggregated="never")  # fmt: skip
    one = {k: v for k, v in plain.items() if k not in {"input_tokens", "output_tokens"}}
    one["request_classes"] = [{"input_tokens": 1000, "output_tokens": 200, "share": 1}]
    costs = [plan(scenario_of(w, **site), catalog=shipped).objective.value for w in (plain, one)]
    assert costs[0] == pytest.approx(costs[1])


def test_rates_are_those_of_each_class_alone(question: Scenario, shipped: Catalog) -> None:
    """A shape's rate for a class is the best the ordinary search finds for it among shapes of the same width."""
    from planner.performance.compile import build_platform

    platform = build_platform(shipped, "hgx_h100_oem", "h100_sxm", "air_crah")
    search = MixedServingSearch(serving(question), shipped)
    found = search.shapes(platform, 8)
    for c, part in enumerate(search.parts):
        units = part._search(None, platform, 8, NO_MARGIN).units  # type: ignore[arg-type]
        best = max(u.requests_per_s / u.systems for u in units)
        assert (found.rates[:, c] / found.systems).max() == pytest.approx(best)


def test_the_report_lists_the_classes_and_the_bill(answer: Plan) -> None:
    """Every class with its settings; systems, and nothing that loads from elsewhere."""
    from planner.report import html_page

    page = html_page(answer)
    for d in answer.deployments:
        for a in d.answers:
            assert f"<td>{a.name}</td>" in page
            assert f"{a.batch} in flight, chunks of {a.chunk_tokens}" in page
    assert "Requests it answers, by class" in page
