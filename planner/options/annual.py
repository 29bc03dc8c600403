"""Limits of each year of a plan: one table from which rows of both forms, dominance over time and the check follow.

A limit by year is a leaf of ``limits`` (``planner.scenario.types``) and an entry here that says which figure it reads:
of an option, of a lot, a unit at work and a start of a run, and of what a plan prices. Nothing else knows which there
are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from planner.answer.plan import Priced
from planner.scenario.types import Limits


@dataclass(frozen=True, slots=True)
class Annual:
    """A limit on a figure in each year of the plan: ``limits.<leaf>``, in ``unit`` a year; ``scale`` of it make one in
    the program.

    ``option``: the figure by year of an option and of its price; ``lot``, ``work``, ``start``: of the columns of a
    fleet over time (of ``work`` by period); ``told``: where a part of a plan says it, by year. ``words``: the limit to
    a person.
    """

    leaf: str
    name: str
    kind: str
    unit: str
    scale: float
    words: Callable[[float], str]
    option: str
    lot: str
    work: str
    start: str
    told: str

    def of(self, limits: Limits) -> float | None:
        """What a scenario says; None where it says nothing."""
        said = getattr(limits, self.leaf)
        return None if said is None else float(said)

    def by_year(self, part: Priced) -> Sequence[float]:
        """Of a part of a plan in each year."""
        found: Sequence[float] = attrgetter(self.told)(part)
        return found


ANNUAL: tuple[Annual, ...] = (
    Annual("opex_usd_per_year", "opex", "budget", "USD", 1e6, lambda x: f"running cost of ${x / 1e6:g} M",
           "opex_usd_by_year", "opex_usd", "opex_usd", "opex_usd", "money.opex_usd_by_year"),
    Annual("carbon_t_per_year", "carbon", "carbon", "t CO2e", 1e3, lambda x: f"carbon of {x:g} t CO2e",
           "carbon_t_by_year", "carbon_by_year_t", "carbon_t", "carbon_by_year_t", "carbon_t_by_year"),
    Annual("water_m3_per_year", "water", "water", "m3", 1e3, lambda x: f"water of {x:g} m3",
           "water_m3_by_year", "water_by_year_m3", "water_m3", "water_by_year_m3", "water_m3_by_year"),
)  # fmt: skip


def stated(limits: Limits) -> list[tuple[Annual, float]]:
    """The limits by year that a scenario states, with what it says. Then work counts in the year that it is in."""
    return [(of, said) for of in ANNUAL if (said := of.of(limits)) is not None]
