"""Why no plan exists, and what would make one possible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.catalog import Catalog
from planner.explain.confidence import with_confidence
from planner.explain.conflict import Diagnosis, arithmetic_findings, model_findings, unable
from planner.explain.lots import shared_findings, with_lead_time
from planner.explain.remedies import with_latencies, with_places, with_shares
from planner.fleet.leaves import by_leaf
from planner.options.stock import StockSet
from planner.planning.question import Question, built, searched
from planner.scenario.types import Scenario
from planner.solve import Limits, solve, with_objective


def diagnose(question: Question) -> Diagnosis:
    """Why there is no plan. Counting first; then, over options that reach beyond every limit, the model's conflict."""
    scenario, catalog, found, limits = question.scenario, question.catalog, question.found, question.limits
    relaxed = searched(scenario, catalog, relaxed=True)
    short = replace(limits, time_limit_s=min(limits.time_limit_s, 60.0))

    def possible(other: Scenario) -> bool:
        return _possible(other, catalog, short)

    if unable(scenario, relaxed.options):
        diagnosis = with_latencies(arithmetic_findings(scenario, relaxed), scenario, possible)
    else:
        model, stock = built(scenario, catalog, relaxed)
        leaves = by_leaf(model)[0]
        if stock is not None:
            assert isinstance(relaxed, StockSet)  # noqa: S101 - narrowed for the type checker
            if stock.stock.slot_days and not model_findings(leaves, short).conflicts:
                # what follows one another within a slot hides no conflict of whole slots
                model, _ = built(scenario, catalog, replace(relaxed, stock=replace(relaxed.stock, slot_days=())))
            diagnosis = shared_findings(model, short, arithmetic_findings(scenario, found))
        else:
            diagnosis = model_findings(leaves, short)
            diagnosis = diagnosis if diagnosis.conflicts else arithmetic_findings(scenario, found)
    diagnosis = with_places(diagnosis, scenario, catalog, relaxed.dropped, possible)
    diagnosis = with_shares(diagnosis, scenario, possible)
    diagnosis = with_lead_time(diagnosis, scenario, possible)
    return with_confidence(diagnosis, scenario, possible)


def _possible(scenario: Scenario, catalog: Catalog, limits: Limits) -> bool:
    """Whether a scenario has any plan at all, found in time."""
    found = searched(scenario, catalog)
    if unable(scenario, found.options):
        return False
    if isinstance(found, StockSet):  # in whole slots: what is possible there surely is
        found = replace(found, stock=replace(found.stock, slot_days=()))
    program = built(scenario, catalog, found)[0].program
    return solve(with_objective(program, np.zeros(program.column_count)), limits).status.has_plan
