"""What a sweep found: one row a case, as data, as CSV and as a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from planner.answer.plan import Plan
from planner.answer.rows import summary_row
from planner.report import format as fmt
from planner.report.fit import Column, Fitted
from planner.tables import csv_text, frame_of

if TYPE_CHECKING:
    import pandas as pd


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
    days: float | None = None
    """The longest run."""
    ttft_ms: float | None = None
    """The worst, as TPOT and MFU are."""
    tpot_ms: float | None = None
    tokens_per_s: float | None = None
    """Sum over workloads, as requests are."""
    requests_per_s: float | None = None
    mfu: float | None = None
    usd_per_m_tokens: float | None = None
    """Where one workload has it."""
    binding: str = ""
    answer: str = ""
    seconds: float = 0.0
    error: str = ""
    file: str = ""
    """The plan, relative to the sweep's folder."""


@dataclass(frozen=True, repr=False)
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

    def frame(self) -> pd.DataFrame:
        """One row a case (``summary_rows``), as pandas."""
        return frame_of(summary_rows(self.cases))

    def __repr__(self) -> str:
        return f"<SweepOutcome {self.name!r}: {self.expanded} cases, {self.failed} failed; frame() has one row each>"

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
    row = summary_row(plan)
    names = {f.name for f in fields(CaseResult)} & set(row) - {"variant", "seconds"}
    return CaseResult(name, variant, overrides, key, **{n: row[n] for n in names}, **more)


def summary_csv(results: Sequence[CaseResult], paths: Sequence[str]) -> str:
    """Results as CSV: one line a case, one column for every dot path that is varied."""
    return csv_text(summary_rows(results), _columns(paths))


def summary_parquet(results: Sequence[CaseResult]) -> bytes:
    """The same as Parquet, numbers as numbers. Raises ``ImportError`` where pyarrow is not installed."""
    import pyarrow  # noqa: F401 - an engine that pandas needs; comes with the extras [app] and [parquet]

    rows = summary_rows(results)
    paths = dict.fromkeys(path for c in results for path in c.overrides)
    frame = frame_of(rows, _columns(paths))
    for path in paths:  # a path may be set to numbers here and texts there; a column has one type
        kinds = {type(v) for v in frame[path] if v is not None}
        if not (kinds <= {int, float} or len(kinds) <= 1) or kinds & {list, dict, tuple}:
            frame[path] = [None if v is None else str(v) for v in frame[path]]
    frame.attrs.clear()
    data: bytes = frame.to_parquet(index=False)
    return data


def _columns(paths: Iterable[str]) -> list[str]:
    plain = [f.name for f in fields(CaseResult) if f.name not in {"overrides", "name", "variant"}]
    return ["name", "variant", *paths, *plain]


def summary_rows(results: Sequence[CaseResult]) -> list[dict[str, Any]]:
    """One row a case: its name and variant, the values that vary, then what came out."""
    plain = [f.name for f in fields(CaseResult) if f.name not in {"overrides", "name", "variant"}]
    paths = dict.fromkeys(path for c in results for path in c.overrides)
    return [
        {
            "name": c.name, "variant": c.variant, **{p: c.overrides.get(p) for p in paths},
            **{n: getattr(c, n) for n in plain},
        }
        for c in results
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
