"""Chips: how many in all, and how many each workload may use."""

from __future__ import annotations

from planner.fleet.model import Draft, Limit


def add(draft: Draft) -> None:
    """One row for ``limits.chips``; for loads with a chip range a row for each end of it (runs are filtered before)."""
    total = draft.scenario.limits.chips
    if total is not None:
        draft.add_limit(
            Limit("chips[all]", "chips", f"{total} chips", float(total), "chips", 1e3, "limits.chips"),
            {draft.units[i]: float(o.chips) for i, o in enumerate(draft.options)},
        )
    for workload in draft.scenario.workloads:
        if workload.chips is None or workload.kind == "training":
            continue
        counts = {draft.units[i]: float(o.chips) for i, o in enumerate(draft.options) if o.workload == workload.name}
        path = f"workloads.{workload.name}.chips"
        if workload.chips.max is not None:
            most = float(workload.chips.max)
            draft.add_limit(
                Limit(
                    f"chips[{workload.name},max]",
                    "chips",
                    f"{workload.name} on at most {most:g} chips",
                    most,
                    "chips",
                    1e3,
                    f"{path}.max",
                ),
                counts,
            )
        if workload.chips.min is not None:
            least = float(workload.chips.min)
            draft.add_limit(
                Limit(
                    f"chips[{workload.name},min]",
                    "chips",
                    f"{workload.name} on at least {least:g} chips",
                    least,
                    "chips",
                    1e3,
                    f"{path}.min",
                    1,
                ),
                counts,
            )
