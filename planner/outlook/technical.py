"""Assumed technical figures moved: peaks, memory, links, power. What they change is searched again.

Only systems that rest on a figure are enumerated again, each by itself as a view has all of them; the others' options
stay. Both ends are tried, a quarter either way where no range is stated; there is no halving between them, each step of
which would be a search.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from planner.catalog import Catalog
from planner.errors import PlannerError
from planner.options.enumerate import enumerate_options
from planner.options.option import Option
from planner.outlook.ahead import View
from planner.outlook.moves import Decided, decided, ends_of
from planner.outlook.result import Moved
from planner.planning.surer import depth_of

LONGEST_S = 30.0
"""Seconds that a fast answer spends on technical figures."""
MONEY = frozenset({"price_usd", "rent_usd_per_h"})
"""Figures that scale options and are moved without a search."""


@dataclass(frozen=True)
class _Figure:
    kind: str
    record: str
    field: str
    value: float
    low: float
    high: float
    basis: str

    @property
    def path(self) -> str:
        """As ``assume`` has it."""
        return f"{self.kind}.{self.record}.{self.field}"


def assumed_figures(view: View) -> Iterator[_Figure]:
    """Numbers that the scenario assumes, money apart, in its order."""
    for kind, records in view.scenario.assume.as_mapping().items():
        for record, fields in records.items():
            for name, value in fields.items():
                if name in MONEY or isinstance(value, bool) or not isinstance(value, int | float) or not value:
                    continue
                figure = view.question.catalog.records(kind)[record].figure(name)
                if figure is None or figure.value is None:
                    continue
                low, high, basis = ends_of(figure)
                if low < high:
                    yield _Figure(kind, record, name, float(value), low, high, basis)


def technical(view: View, base: Decided, tell: Callable[[float], None]) -> list[Moved]:
    """Every assumed technical figure at both ends, those of what the decision buys first.

    In a fast answer (``solve.answers``) no longer than ``LONGEST_S``; what was not tried says so.
    """
    bought = {kind[1] for kind in base.kinds}
    figures = [(f, rested) for f in assumed_figures(view) if (rested := _systems(view, f))]
    figures.sort(key=lambda pair: not bought & set(pair[1]))
    until = math.inf if depth_of(view.scenario) == "full" else time.perf_counter() + LONGEST_S
    found = []
    for i, (f, rested) in enumerate(figures):
        tell(i / len(figures))
        if time.perf_counter() > until:
            found.append(
                Moved(
                    path=f.path, tag="assumption", basis=f"{f.basis}; not tried: time ran out (solve.answers: full)",
                    low=f.low, high=f.high, value_low=base.value, value_high=base.value, crossover=None, after="",
                )
            )  # fmt: skip
            continue
        at = [_decided(view, f, factor, rested) for factor in (f.low, f.high)]
        changes = [
            (factor, "no plan" if d is None else d.words)
            for factor, d in zip((f.low, f.high), at, strict=True)
            if d is None or d.words != base.words
        ]
        nearest = min(changes, key=lambda c: abs(c[0] - 1.0), default=None)
        low, high = (None if d is None else d.value for d in at)
        found.append(
            Moved(
                path=f.path, tag="assumption", basis=f.basis, low=f.low, high=f.high, value_low=low, value_high=high,
                crossover=None if nearest is None else nearest[0], after="" if nearest is None else nearest[1],
            )
        )  # fmt: skip
    return found


def _systems(view: View, f: _Figure) -> list[str]:
    """Systems whose options rest on a figure."""
    every = dict.fromkeys([*view.scenario.hardware.systems, *(o.system for o in view.options)])
    if f.kind == "systems":
        return [s for s in every if s == f.record]
    if f.kind == "chips":
        systems = view.question.catalog.systems
        return [s for s in every if s in systems and f.record in systems[s].chip_ids]
    return list(every)


def _decided(view: View, f: _Figure, factor: float, rested: list[str]) -> Decided | None:
    known: Catalog = view.question.catalog.with_assumptions({f.kind: {f.record: {f.field: f.value * factor}}})
    options: dict[str, Option] = {o.id: o for o in view.options if o.system not in rested}
    for system in rested:
        alone = view.scenario.model_copy(
            update={"hardware": view.scenario.hardware.model_copy(update={"systems": (system,)})}
        )
        try:
            options |= {o.id: o for o in enumerate_options(alone, known).options}
        except PlannerError:
            continue  # at this value the system is none
    return decided(view, [list(options.values())])[0]
