"""Kinds that count their work in a unit of their own (steps, clips): what the rest of the planner reads of them.

A kind has a file here with its words, a performance model, and a search in ``planner.options.work`` that turns both
into units to buy (``planner.options.work.counted_kinds``). Nothing else needs to know it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from planner.scenario.base import Id, Name, Part, Precision, unit
from planner.scenario.workloads import CONFIDENCE, PRECISION, ChipRange


class Counted(Part):
    """Work in units of its own: run once, or there all the time."""

    runs_once: ClassVar[bool] = False
    """Whether it is run once, rather than there all the time."""
    growth_per_year: ClassVar[float] = 0.0

    name: Name = Field(description="Name of the workload, unique in the file.")
    confidence: float | None = Field(
        default=None,
        ge=0.5,
        le=0.99,
        description=CONFIDENCE,
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    model: Id = Field(description="Id of a model of the catalog.")
    precision: tuple[Precision, ...] = Field(default=("bf16",), min_length=1, description=PRECISION)
    chips: ChipRange | None = Field(
        default=None,
        description="Chips: a number for exactly that many, or {min, max}.",
        json_schema_extra=unit("chips"),
    )

    @property
    def asked(self) -> tuple[float, str, str]:
        """(how much is to be done, in what, the field that says so): what a plan's demand is counted in."""
        raise NotImplementedError

    @property
    def samples_per_s(self) -> float:
        """Units of work a second of a load; 0 of a run."""
        return 0.0 if self.runs_once else self.asked[0]

    @property
    def samples_path(self) -> Mapping[str, float]:
        """Demand does not change over time."""
        return {}
