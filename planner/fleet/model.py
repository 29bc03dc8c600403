"""The optimization model of a fleet: which options, how many units, where and from when.

Sets       o options (a unit of whole systems for one workload at one place from one period on)
           w workloads, l levels of the capacity tree, g groups of racks (same system and cooling at one place)
Columns    units[o]   whole, 0..max_units           units bought of option o
           racks[g]   whole                         racks that hold them
           served[w,s] continuous                   requests/s of serving workload w answered at site s (only where
                                                    prefill and decode are separate)
Rows       demand, power, racks, cooling (through options), budget, chips, supply, carbon, deadline: one file each.

Coefficients are scaled at the row: MW, M$, kilochips, kt, so that they stay within 1e-3..1e3 where the data allow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from planner.facility.capacity import Level, Location
from planner.options.counted import GOALS
from planner.options.option import Option
from planner.scenario.site import Hall, Site
from planner.scenario.types import Scenario
from planner.solve.form import Program, ProgramBuilder


@dataclass(frozen=True, slots=True)
class Limit:
    """What a row means to a person: ``limit`` in ``unit``; the row's coefficients are in ``unit`` / ``scale``.

    ``path`` is the leaf of the scenario that states it (for the remedy), ``sense`` -1 for at most, +1 for at least.
    Where the leaf says something else than the limit (installed supply of which a part is usable, rows of racks), the
    limit is ``share`` of the leaf, which is in ``leaf_unit``. ``whole``: the leaf is a whole number.
    """

    row: str
    kind: str
    label: str
    limit: float
    unit: str
    scale: float
    path: str
    sense: int = -1
    share: float = 1.0
    leaf_unit: str = ""
    whole: bool = False

    @property
    def leaf(self) -> float:
        """What the leaf says now."""
        return self.limit / self.share


def hall_of(site: Site, names: Sequence[str]) -> tuple[Hall, str]:
    """A hall of a site by the names above it and its own, and its path in the scenario."""
    halls, path, hall = (site.capacity.halls if site.capacity else ()), f"sites.{site.name}.capacity", None
    for name in names:
        hall = next(h for h in halls if h.name == name)
        halls, path = hall.halls, f"{path}.halls.{name}"
    assert hall is not None  # noqa: S101 - names are never empty
    return hall, path


@dataclass
class Draft:
    """A model in the making: what the files of the fleet room add their rows to."""

    scenario: Scenario
    options: Sequence[Option]
    levels: Mapping[str, Level]
    locations: Mapping[str, Location]
    builder: ProgramBuilder = field(default_factory=ProgramBuilder)
    units: list[int] = field(default_factory=list)
    limits: dict[str, Limit] = field(default_factory=dict)
    served: dict[int, float] = field(default_factory=dict)
    """{column served[w,s]: tokens a second that one of it stands for}; its workload's options then count none."""
    split: set[str] = field(default_factory=set)
    """Loads whose throughput is what ``served`` says."""
    answers: dict[int, dict[str, tuple[int, float]]] = field(default_factory=dict)
    """{option: {class of requests: (column, requests/s that one of it stands for)}}"""

    def add_limit(self, limit: Limit, coefficients: Mapping[int, float]) -> None:
        """One row for a limit. ``coefficients`` are in the limit's unit per unit of column."""
        scaled = {c: v / limit.scale for c, v in coefficients.items() if v}
        bound = limit.limit / limit.scale
        if limit.sense < 0:
            self.builder.add_row(limit.row, scaled, upper=bound, kind=limit.kind)
        else:
            self.builder.add_row(limit.row, scaled, lower=bound, kind=limit.kind)
        self.limits[limit.row] = limit


@dataclass(frozen=True)
class FleetModel:
    """A program, what its rows mean, and how to read its columns back."""

    program: Program
    options: tuple[Option, ...]
    units: tuple[int, ...]
    """Column of each option."""
    limits: Mapping[str, Limit]
    objectives: Mapping[str, NDArray[np.float64]]
    """Cost vector of each objective (throughput negated: all are minimised), in the scaled units of OBJECTIVE_UNITS."""
    answers: Mapping[int, Mapping[str, tuple[int, float]]] = field(default_factory=dict)
    """{option: {class of requests: (column, requests/s that one of it stands for)}}"""


def objective_vectors(
    model_columns: int,
    options: Sequence[Option],
    units: Sequence[int],
    served: Mapping[int, float],
    split: Set[str],
) -> dict[str, NDArray[np.float64]]:
    """A vector over all columns for each objective of a scenario; the solver always minimises."""
    vectors = {}
    for name, goal in GOALS.items():
        vector = np.zeros(model_columns)
        for option, column in zip(options, units, strict=True):
            if name == "throughput" and option.workload in split:
                continue  # what both of its phases answer, below
            vector[column] = goal.figure.read(option) / goal.per
        vectors[name] = vector
    for column, tokens in served.items():
        vectors["throughput"][column] = -tokens / 1e6
    return vectors


OBJECTIVE_UNITS: Mapping[str, tuple[str, float]] = {name: (goal.unit, goal.scale) for name, goal in GOALS.items()}
"""Unit people see, and what a solver's figure is multiplied by to get there."""
