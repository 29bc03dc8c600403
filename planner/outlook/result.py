"""The answers about an answer as data: JSON out, figures with their units in their names.

``schema`` names the version of each form; additions keep it, changes raise it.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from planner.answer.plan import Deployment, FleetLot, Plan, write_text

if TYPE_CHECKING:
    import pandas as pd

OUTLOOK_SCHEMA_VERSION = 1


class Part(BaseModel):
    """A part of such an answer."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True, populate_by_name=True
    )


class Document(Part):
    """What every answer says of itself."""

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=OUTLOOK_SCHEMA_VERSION)] = OUTLOOK_SCHEMA_VERSION
    planner_version: str
    scenario: str
    variant: str | None = None
    problem_digest: str
    catalog_digest: str
    answer: str
    """One sentence a person can repeat."""
    seconds: float
    """Wall clock; the only figure that two runs of one question do not share."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return self.model_dump(mode="json", by_alias=True)

    def to_json(self) -> str:
        """The text of the file."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"

    def write(self, path: Path) -> None:
        """Write the file whole or not at all. Raises ``InputError``."""
        write_text(path, self.to_json())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.scenario!r}: {self.answer}>"

    def __str__(self) -> str:
        return repr(self)


class Piece(Part):
    """A deployment in short: what, where, from when, how much."""

    workload: str
    role: str
    site: str
    period: str
    system: str
    chip: str
    cooling: str
    acquire: str
    systems: int
    chips: int

    @property
    def in_words(self) -> str:
        """``63 sgx5000 for pretrain``; of a lot that whatever needs it may use without what for."""
        return f"{self.systems:,} {self.system}" + (f" for {self.workload}" if self.workload else "")


class Choice(Part):
    """A verified plan in short. ``values``: every objective in people's units (USD, days, MW, t CO2e, tokens/s)."""

    answer: str
    values: dict[str, float]
    pieces: tuple[Piece, ...]
    capex_usd: float
    verified: bool


class ParetoPoint(Choice):
    """A plan that no other plan beats in every objective asked for."""

    proven: bool
    """Every solve behind it ended with a proof."""


class Axis(Part):
    """An objective of a front."""

    name: str
    unit: str
    best: Literal["least", "most"]
    low: float
    high: float


class ParetoFront(Document):
    """Plans of which none is better in one objective and as good in all others, by the first objective."""

    axes: tuple[Axis, ...]
    points: tuple[ParetoPoint, ...]
    complete: bool
    """Proven that there are no other such plans."""

    def plot(self) -> Any:
        """The points of a front of two objectives as an Altair chart, the one of the app."""
        return importlib.import_module("planner.plots.look_charts").front_chart(self)

    def _repr_html_(self) -> str:
        from planner.answer.notebook import table
        from planner.outlook.rows import front_rows

        names = [*(a.name for a in self.axes), "hardware", "proven"]
        return f"<p><b>{escape(self.answer)}</b></p>" + table(front_rows(self), names)

    def frame(self) -> pd.DataFrame:
        """One row a plan (``planner.outlook.rows``), as pandas."""
        from planner.outlook.rows import front_rows
        from planner.tables import frame_of

        return frame_of(front_rows(self), answer=self.answer, objectives={a.name: a.unit for a in self.axes})


class NearPlan(Choice):
    """A plan within the slack of the best one."""

    name: str
    difference: float
    """(its objective - the best) / the best."""
    changed: float
    """Share of the chips that are other hardware, elsewhere or acquired otherwise than in the best plan."""
    summary: str


class Alternatives(Document):
    """Plans nearly as good as the best one that differ from it most."""

    objective: str
    unit: str
    slack: float
    best: Choice
    plans: tuple[NearPlan, ...]

    def frame(self) -> pd.DataFrame:
        """The best plan and those near it (``planner.outlook.rows``), as pandas."""
        from planner.outlook.rows import alternatives_rows
        from planner.tables import frame_of

        return frame_of(alternatives_rows(self), answer=self.answer)


class Promise(Part):
    """Whether a workload gets what it asks for, over all futures."""

    workload: str
    what: Literal["date", "load"]
    probability: float
    error: float
    """Standard error of the probability, from the number of futures."""
    within_days: float | None = None
    finish_days_p10: float | None = None
    finish_days_p50: float | None = None
    finish_days_p90: float | None = None


class OutlookPlan(Choice):
    """A plan that is held to whatever comes. Costs are present values, what is done about late dates included."""

    name: str
    expected_cost_usd: float
    cost_at_risk_usd: float
    """Mean cost of the worst futures, a share of 1 - confidence of all."""
    promises: tuple[Promise, ...]
    all_kept: float
    """Share of futures in which every promise is kept: less than each of them is where they fail in different ones."""
    holds: bool
    """Every promise is kept with at least the stated confidence."""
    expected_regret_usd: float
    """Mean of what it costs more than the cheapest of these plans that keeps the dates of that future."""
    missed_in_vain: float
    """Share of futures in which it misses a date that another of these plans keeps."""


class SlipChange(Part):
    """What happens to the decision as the delivery of a system slips."""

    system: str
    before: str
    """The decision when it comes as announced."""
    changes_at_months: int | None
    """Least whole months later than announced at which planning again decides otherwise; None: not within the range."""
    after: str
    tried_months: int
    """Largest slip that was tried."""
    probability: float
    """Share of futures in which it slips so far."""


class Outlook(Document):
    """Plans in sampled futures; the first is the one that ``planner plan`` gives."""

    samples: int
    seed: int
    confidence: float
    plans: tuple[OutlookPlan, ...]
    slips: tuple[SlipChange, ...]
    findings: tuple[str, ...]
    notes: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """One row a promise of a plan (``planner.outlook.rows``), as pandas."""
        from planner.outlook.rows import outlook_rows
        from planner.tables import frame_of

        return frame_of(outlook_rows(self), answer=self.answer)


class Moved(Part):
    """A figure at both ends of its interval, as factors of its value."""

    path: str
    tag: str
    """Kind of figure: assumption, estimate, list_price, datasheet, measured."""
    basis: str
    low: float
    high: float
    value_low: float | None
    """The best objective at the low end; None: no plan."""
    value_high: float | None
    crossover: float | None
    """The least factor away from 1 at which another decision was found, to a 256th of the way; None: none."""
    after: str


class Sensitivity(Document):
    """Which figures change the decision; assumed and estimated ones first, widest bars first."""

    objective: str
    unit: str
    value: float
    decision: str
    inputs: tuple[Moved, ...]

    def frame(self) -> pd.DataFrame:
        """One row a figure (``planner.outlook.rows``), as pandas."""
        from planner.outlook.rows import sensitivity_rows
        from planner.tables import frame_of

        about = {"answer": self.answer, "objective": self.objective, "unit": self.unit, "value": self.value}
        return frame_of(sensitivity_rows(self), None, **about)


def pieces_of(deployments: Sequence[Deployment]) -> tuple[Piece, ...]:
    """Deployments in short."""
    return tuple(Piece(**{name: getattr(d, name) for name in Piece.model_fields}) for d in deployments)


def _piece_of(lot: FleetLot) -> Piece:
    return Piece(workload="the fleet", role="", period=lot.begin, **{
        name: getattr(lot, name) for name in ("site", "system", "chip", "cooling", "acquire", "systems", "chips")
    })  # fmt: skip


def choice_figures(plan: Plan) -> dict[str, Any]:
    """The fields of ``Choice`` from a plan; of a shared fleet the pieces are its lots."""
    lots = plan.fleet.lots if plan.fleet is not None else ()
    own = plan.deployments if plan.fleet is None else ()
    return {
        "answer": plan.answer,
        "values": dict(plan.objective.values),
        "pieces": (*pieces_of(own), *map(_piece_of, lots)),
        "capex_usd": plan.totals.capex_usd if plan.totals else 0.0,
        "verified": plan.verified,
    }


def headings(plan: Plan) -> dict[str, Any]:
    """The fields of ``Document`` that a plan knows."""
    names = ("planner_version", "scenario", "variant", "problem_digest", "catalog_digest")
    return {name: getattr(plan, name) for name in names}
