"""What a sweep found: one row a case, as data, as CSV and as a table for the terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from planner.answer.plan import Plan
from planner.export.quoting import safe_cell
from planner.report import format as fmt
from planner.report.fit import Column, Fitted


@dataclass(frozen=True)
class CaseResult:
    """One case: what was asked and what came out. Figures are None where there is no plan."""

    name: str
    variant: str | None
    overrides: Mapping[str, Any]
    key: str
    status: str
    """A status of a plan, or ``failed``."""
    objective: str = ""
    objective_value: float | None = None
    objective_unit: str = ""
    gap: float | None = None
    hardware: str = ""
    chips: int | None = None
    systems: int | None = None
    facility_mw: float | None = None
    capex_usd: float | None = None
    opex_usd_per_year: float | None = None
    tco_usd: float | None = None
    carbon_t: float | None = None
    answer: str = ""
    seconds: float = 0.0
    error: str = ""
    file: str = ""
    """The plan, relative to the sweep's folder."""


@dataclass(frozen=True)
class SweepOutcome:
    """A whole sweep. ``expanded`` cases are ``distinct`` questions, of which ``already`` were known and ``ran`` ran."""

    name: str
    out: str
    cases: tuple[CaseResult, ...]
    expanded: int
    distinct: int
    already: int
    ran: int
    failed: int
    """Distinct questions without an answer; running the sweep again tries them again."""
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        found["cases"] = [
            {f.name: getattr(c, f.name) for f in fields(c)} | {"overrides": dict(c.overrides)} for c in self.cases
        ]
        return found


def result_of(
    plan: Plan | None, *, name: str, variant: str | None, overrides: Mapping[str, Any], key: str, **more: Any
) -> CaseResult:
    """The row of a case from its plan; ``plan`` None where it failed."""
    if plan is None:
        return CaseResult(name, variant, overrides, key, "failed", **more)
    totals = plan.totals
    hardware: dict[str, int] = {}
    for d in plan.holdings:
        hardware[d.system] = hardware.get(d.system, 0) + d.systems
    figures = {
        n: getattr(totals, n)
        for n in ("chips", "systems", "facility_mw", "capex_usd", "opex_usd_per_year", "tco_usd", "carbon_t")
    } if totals is not None else {}  # fmt: skip
    return CaseResult(
        name, variant, overrides, key, plan.status,
        objective=plan.objective.name, objective_value=plan.objective.value, objective_unit=plan.objective.unit,
        gap=plan.objective.gap, hardware=", ".join(f"{n} x {s}" for s, n in hardware.items()), answer=plan.answer,
        **figures, **more,
    )  # fmt: skip


def summary_csv(outcome: SweepOutcome, paths: tuple[str, ...]) -> str:
    """The sweep as CSV: one line a case, one column for every dot path that is varied."""
    plain = [f.name for f in fields(CaseResult) if f.name != "overrides"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = ["name", "variant", *paths, *(n for n in plain if n not in {"name", "variant"})]
    writer.writerow([safe_cell(h) for h in head])
    for c in outcome.cases:
        values = [c.overrides.get(p) for p in paths]
        rest = [getattr(c, n) for n in plain if n not in {"name", "variant"}]
        writer.writerow([safe_cell(v) for v in (c.name, c.variant, *values, *rest)])
    return text.getvalue()


def summary_rows(outcome: SweepOutcome) -> list[dict[str, Any]]:
    """One row a case: its name and variant, the values that vary, then what came out."""
    plain = [f.name for f in fields(CaseResult) if f.name not in {"overrides", "name", "variant"}]
    paths = dict.fromkeys(path for c in outcome.cases for path in c.overrides)
    return [
        {
            "name": c.name, "variant": c.variant, **{p: c.overrides.get(p) for p in paths},
            **{n: getattr(c, n) for n in plain},
        }
        for c in outcome.cases
    ]  # fmt: skip


def sweep_table(outcome: SweepOutcome, at_most: int = 60) -> RenderableType:
    """The sweep for the terminal; beyond ``at_most`` cases, the CSV has the rest."""
    table = Fitted(
        [
            Column("Case"), Column("Status"), Column("Objective", right=True), Column("Hardware"),
            Column("MW", right=True), Column("Cost", right=True),
        ]
    )  # fmt: skip
    for c in outcome.cases[:at_most]:
        planned = c.tco_usd is not None
        status = fmt.STATUS_WORDS.get(c.status, c.status) if not c.error else f"failed: {c.error}"
        table.add_row(
            Text(fmt.clean(c.name)),
            Text(fmt.clean(status), style="" if planned else "red"),
            Text(fmt.quantity(c.objective_value, c.objective_unit) if planned else fmt.DASH),
            Text(fmt.clean(c.hardware) or fmt.DASH),
            fmt.number(c.facility_mw),
            fmt.usd(c.tco_usd, short=True),
        )
    more = len(outcome.cases) - at_most
    lines = [f"{fmt.plural(more, 'more case')} in summary.csv."] if more > 0 else []
    lines.append(
        f"{fmt.plural(outcome.expanded, 'case')}, {fmt.count(outcome.distinct)} distinct:"
        f" {fmt.count(outcome.already)} known, {fmt.count(outcome.ran)} planned now,"
        f" {fmt.count(outcome.failed)} failed; {fmt.seconds(outcome.seconds)}."
    )
    return Group(table, Text("\n" + "\n".join(lines)))
