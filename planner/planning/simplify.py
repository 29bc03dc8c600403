"""The simplest of the plans that are nearly as good as the best: fewer kinds of systems, then fewer pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from planner.answer.plan import Simplified
from planner.fleet.build import build_fleet
from planner.fleet.kinds import Simplest, simplest, uses_of
from planner.fleet.model import OBJECTIVE_UNITS, FleetModel
from planner.fleet.sequence import place
from planner.fleet.stock_model import plan_of
from planner.options.option import OptionSet
from planner.planning.question import Question
from planner.solve import Solution


def simplified(
    question: Question, model: FleetModel, goals: Sequence[str], solutions: Sequence[Solution]
) -> tuple[FleetModel, list[Solution], Simplified | None]:
    """(model, solutions, what was made simpler): as given where the plan is as simple as can be, or asked to be best.

    What hardware of another kind makes superfluous competes again: it may be the one that can do everything. Takes no
    longer than solving did, and two seconds.
    """
    share = question.scenario.solve.simplify
    last = max(i for i, s in enumerate(solutions) if s.values is not None)
    values = solutions[last].values
    assert values is not None  # noqa: S101 - chosen so
    stock = question.stock
    plain = uses_of(stock if stock is not None else model)
    before = plain.counts(values)
    if not share or before <= plain.least:
        return model, list(solutions), None
    best = float(model.objectives[goals[0]] @ values)
    spent = sum(s.seconds for s in solutions)
    short = replace(question.limits, time_limit_s=min(30.0, max(2.0, spent)))
    found: Simplest | None
    wider = model
    if stock is not None:
        found = simplest(stock, plain, goals, values, before, best, share, short)
        if found is not None and place(stock.stock, plan_of(stock, found.values), short)[1]:
            found = None  # its short runs do not fit one after another
    else:
        assert isinstance(question.found, OptionSet)  # noqa: S101 - narrowed for the type checker
        known = {o.id for o in question.found.options}
        rivals = tuple(o for o in question.found.rivals if o.id not in known)
        if rivals:
            wider = build_fleet(question.scenario, (*question.found.options, *rivals))
        start = None if rivals else values
        found = simplest(wider, uses_of(wider), goals, start, before, best, share, short)
    if found is None:
        return model, list(solutions), None
    value = float(wider.objectives[goals[last]] @ found.values)
    kept = [replace(s, values=found.values, objective=value) if i == last else s for i, s in enumerate(solutions)]
    told = Simplified(
        share=share, best=best * OBJECTIVE_UNITS[goals[0]][1], kinds_before=before[0], pools_before=before[1],
        kinds=found.kinds, pools=found.pools, proven=found.proven,
    )  # fmt: skip
    return wider, kept, told
