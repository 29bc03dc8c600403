"""Chips: how many each workload may use."""

from __future__ import annotations

from planner.fleet.model import Draft, Limit
from planner.options.counted import WORKING_CHIPS


def add(draft: Draft) -> None:
    """For each workload with a chip range a row for each end of it.

    Sizes of a run outside its range are left out before, save when a diagnosis wants them back, so a run has these
    rows only where one of its options breaks them.
    """
    for workload in draft.scenario.workloads:
        if workload.chips is None:
            continue
        mine = [(draft.units[i], o) for i, o in enumerate(draft.options) if o.workload == workload.name]
        counts = {column: WORKING_CHIPS.read(o) for column, o in mine}
        for end, words, sense in (("max", "at most", -1), ("min", "at least", 1)):
            bound = getattr(workload.chips, end)
            if bound is None or (workload.runs_once and all((bound - c) * sense <= 0 for c in counts.values())):
                continue
            row, path = f"chips[{workload.name},{end}]", f"workloads.{workload.name}.chips.{end}"
            label = f"{workload.name} on {words} {bound:g} chips"
            draft.add_limit(Limit(row, "chips", label, float(bound), "chips", 1e3, path, sense, whole=True), counts)
