"""Kinds of systems and pools of work as whole counts: limits on how many a plan has, and the simplest of near plans.

A kind is a system with its chip and cooling that works: what spares are kept for, firmware is tested on and people are
trained for. A pool is what does one job of one workload on one kind at one site: what is watched, scaled and repaired
as one. Each is a yes/no column that is 1 where any column that uses it is above zero (x <= upper * y).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from planner.fleet.model import FleetModel, Limit
from planner.fleet.stock_model import StockModel
from planner.scenario.types import Scenario
from planner.solve import Limits, lexicographic, solve, with_objective, with_row
from planner.solve.form import Program, with_columns

Floats = NDArray[np.float64]
Model = FleetModel | StockModel
M = TypeVar("M", FleetModel, StockModel)
Kind = tuple[str, str, str]
"""(system, chip, cooling)"""
Pool = tuple[str, str, str, str, str, str]
"""(site, system, chip, cooling, workload, role)"""

LIMITED = (("kinds", "kind{} of system", "kind"), ("pools", "pool{} of work", "pool"))
"""(leaf of ``limits``, its words, what one is called)"""


@dataclass(frozen=True)
class Uses:
    """Columns that use each kind and each pool."""

    kinds: Mapping[Kind, tuple[int, ...]]
    pools: Mapping[Pool, tuple[int, ...]]

    def counts(self, values: Floats) -> tuple[int, int]:
        """(kinds, pools) that a point (n,) has."""
        kinds, pools = (
            sum(any(values[c] > 0.5 for c in columns) for columns in some.values()) for some in (self.kinds, self.pools)
        )
        return kinds, pools

    @property
    def least(self) -> tuple[int, int]:
        """Kinds and pools without which there is no plan: one, and one for each job of each workload."""
        return min(1, len(self.kinds)), len({(p[4], p[5]) for p in self.pools})


def uses_of(model: Model) -> Uses:
    """Which columns of a model's program use which kinds and pools."""
    kinds: dict[Kind, list[int]] = defaultdict(list)
    pools: dict[Pool, list[int]] = defaultdict(list)
    if isinstance(model, FleetModel):
        for o, column in zip(model.options, model.units, strict=True):
            kinds[o.system, o.chip, o.cooling].append(column)
            pools[o.site, o.system, o.chip, o.cooling, o.workload, o.role].append(column)
        return Uses({k: tuple(v) for k, v in kinds.items()}, {p: tuple(v) for p, v in pools.items()})
    groups = [(g.site, (g.system, g.chip, g.cooling)) for g in model.stock.groups]
    for work, columns in zip(model.stock.works, model.serve, strict=True):
        site, kind = groups[work.group]
        pools[site, *kind, work.workload, work.role].extend(columns)
        kinds[kind].extend(columns)
    for run, columns in zip(model.stock.runs, model.runs, strict=True):
        site, kind = groups[run.group]
        pools[site, *kind, run.workload, run.role].extend(columns)
        kinds[kind].extend(columns)
    return Uses({k: tuple(v) for k, v in kinds.items()}, {p: tuple(v) for p, v in pools.items()})


def _counted(program: Program, used: Mapping[Any, Sequence[int]], unit: str) -> tuple[Program, range]:
    """(the program with a yes/no column for each key, those columns)."""
    first = program.column_count
    names = [f"{unit}[{','.join(key)}]" for key in used]
    rows = []
    for i, (name, columns) in enumerate(zip(names, used.values(), strict=True)):
        for column in columns:
            # a column without an upper bound would make its yes/no column mean nothing
            most = float(program.upper[column])
            rows.append((f"{name} for {program.column_names[column]}", {column: 1.0 / most, first + i: -1.0}))
    rows = [(n, c) for n, c in rows if np.isfinite(list(c.values())).all()]
    return with_columns(program, names, rows, upper=0.0, kind="uses"), range(first, first + len(names))


def with_limits_on_kinds(model: M, scenario: Scenario) -> M:
    """The model with a row for ``limits.kinds`` and ``limits.pools``; itself where neither is stated."""
    asked = [(leaf, words, unit) for leaf, words, unit in LIMITED if getattr(scenario.limits, leaf) is not None]
    if not asked:
        return model
    uses, program, limits = uses_of(model), model.program, dict(model.limits)
    for leaf, words, unit in asked:
        most = int(getattr(scenario.limits, leaf))
        program, columns = _counted(program, getattr(uses, leaf), unit)
        row = f"{leaf}[all]"
        program = with_row(program, row, dict.fromkeys(columns, 1.0), upper=float(most), kind="kinds")
        label = f"{most} {words.format('s' * (most > 1))}"
        limits[row] = Limit(row, "kinds", label, float(most), leaf, 1.0, f"limits.{leaf}", whole=True)
    return replace(model, program=program, limits=limits, objectives=_padded(model.objectives, program))


def _padded(vectors: Mapping[str, Floats], program: Program) -> dict[str, Floats]:
    return {name: np.append(v, np.zeros(program.column_count - len(v))) for name, v in vectors.items()}


@dataclass(frozen=True)
class Simplest:
    """The plan with the fewest kinds, then pools, among those within a share of the best; ``values`` (n,)."""

    values: Floats
    kinds: int
    pools: int
    proven: bool
    """No plan within the share has fewer."""


def simplest(
    model: Model, uses: Uses, goals: Sequence[str], values: Floats | None, before: tuple[int, int], best: float,
    share: float, limits: Limits,
) -> Simplest | None:  # fmt: skip
    """The simplest plan whose first goal is within ``share`` of ``best``, and the best of those; None where none is
    simpler than the plan at hand, of ``before`` kinds and pools (``values`` (n,), where it is a point of this program).
    ``best``: in the program's units, which it minimises. The time limit is for all solves together.
    """
    program, kinds = _counted(model.program, uses.kinds, "kind")
    program, pools = _counted(program, uses.pools, "pool")
    vectors = _padded({g: model.objectives[g] for g in goals}, program)
    first = vectors[goals[0]]
    room = share * abs(best)
    near = with_row(
        program, "near[best]", {int(j): float(first[j]) for j in np.flatnonzero(first)}, upper=best + room, kind="near"
    )
    start = None if values is None else _marked(program, uses, kinds, pools, values)
    fewest = np.zeros(program.column_count)
    fewest[list(kinds)] = float(len(pools) + 1)  # a kind weighs more than all pools
    fewest[list(pools)] = 1.0
    half = replace(limits, time_limit_s=limits.time_limit_s / 2, gap=0.0)
    found = solve(with_objective(near, fewest), half, start=start)
    if found.values is None:
        return None
    after = uses.counts(found.values)
    if after >= before:
        return None
    # of the plans that are as simple, the best
    for columns, most, name in ((kinds, after[0], "kinds"), (pools, after[1], "pools")):
        near = with_row(near, f"as few {name}", dict.fromkeys(columns, 1.0), upper=float(most), kind="near")
    again = lexicographic(near, [vectors[g] for g in goals], replace(half, gap=limits.gap))
    chosen = next((s.values for s in reversed(again) if s.values is not None), found.values)
    proven = found.status.value == "proven_optimal"
    return Simplest(np.asarray(chosen[: model.program.column_count], np.float64), *uses.counts(chosen), proven)


def _marked(program: Program, uses: Uses, kinds: range, pools: range, values: Floats) -> Floats:
    """A point of the program without its yes/no columns, with them."""
    point = np.append(values, np.zeros(program.column_count - len(values)))
    for columns, used in ((kinds, uses.kinds), (pools, uses.pools)):
        for at, mine in zip(columns, used.values(), strict=True):
            point[at] = float(any(values[c] > 0.5 for c in mine))
    return point
