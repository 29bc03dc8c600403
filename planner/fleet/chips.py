"""Chips: how many in all, and how many each workload may use."""

from __future__ import annotations

from planner.fleet.model import Draft, Limit


def add(draft: Draft) -> None:
    """One row for ``limits.chips``; for each workload with a chip range a row for each end of it.

    Sizes of a run outside its range are left out before, save when a diagnosis wants them back, so a run has these
    rows only where one of its options breaks them.
    """
    total = draft.scenario.limits.chips
    if total is not None:
        draft.add_limit(
            Limit("chips[all]", "chips", f"{total} chips", float(total), "chips", 1e3, "limits.chips", whole=True),
            {draft.units[i]: float(o.all_chips) for i, o in enumerate(draft.options)},
        )
    for workload in draft.scenario.workloads:
        if workload.chips is None:
            continue
        counts = {draft.units[i]: float(o.chips) for i, o in enumerate(draft.options) if o.workload == workload.name}
        is_run = workload.kind == "training" or getattr(workload, "mode", "") == "training"
        for end, words, sense in (("max", "at most", -1), ("min", "at least", 1)):
            bound = getattr(workload.chips, end)
            if bound is None or (is_run and all((bound - c) * sense <= 0 for c in counts.values())):
                continue
            row, path = f"chips[{workload.name},{end}]", f"workloads.{workload.name}.chips.{end}"
            label = f"{workload.name} on {words} {bound:g} chips"
            draft.add_limit(Limit(row, "chips", label, float(bound), "chips", 1e3, path, sense, whole=True), counts)
