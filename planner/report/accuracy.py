"""Predicted against measured on a terminal: in sum, beside the one-constant baseline, and the worst cases by name."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from planner.report import format as fmt
from planner.validation.cases import CaseResult
from planner.validation.report import ValidationReport
from planner.validation.summary import overall, time_error

_WORST = 10


def accuracy_table(report: ValidationReport) -> RenderableType:
    """The report for ``rich.console.Console.print``: errors are relative, means over groups of one source."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("Measured", overflow="fold")
    for title in ("Rows", "Answered", "Groups", "Mean error", "Median", "Baseline", "Inside 80%"):
        table.add_column(title, justify="right")
    parts = [("training speed", report.step_times()), ("training memory", report.select("training", "peak_memory_gib"))]
    serving = report.select("serving")
    parts += [(f"serving {q}", report.select("serving", q)) for q in sorted({r.quantity for r in serving})]
    for name, results in parts:
        whole = overall(results)
        if whole is not None:
            table.add_row(
                Text(fmt.label(name)), fmt.count(whole.rows), fmt.count(whole.answered), fmt.count(whole.groups),
                fmt.percent(whole.mean), fmt.percent(whole.median), fmt.percent(whole.baseline_mean),
                fmt.percent(whole.coverage80),
            )  # fmt: skip
    unanswered = sum(1 for r in report.results if r.predicted is None)
    told = (
        f"\n{fmt.count(len(report.results))} measurements, {fmt.count(unanswered)} without an answer (--json says why)."
    )
    return Group(table, Text(told), *_worst(report.results))


def _worst(results: Sequence[CaseResult]) -> list[RenderableType]:
    ranked = sorted(((abs(e), r) for r in results if (e := time_error(r)) is not None), key=lambda pair: -pair[0])
    if not ranked:
        return []
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("Case", overflow="fold")
    table.add_column("Quantity", overflow="fold")
    table.add_column("Measured", justify="right")
    table.add_column("Predicted", justify="right")
    table.add_column("Error", justify="right")
    for error, r in ranked[:_WORST]:
        table.add_row(
            Text(fmt.clean(r.case_id)), Text(r.quantity), fmt.number(r.measured), fmt.number(r.predicted),
            fmt.percent(error),
        )  # fmt: skip
    return [Text("\nWorst cases", style="bold cyan"), table]
