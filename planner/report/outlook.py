"""Answers about an answer on a terminal. User text goes in as ``Text``, cleaned of control characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from planner.report import format as fmt
from planner.report.fit import Column, Fitted

if TYPE_CHECKING:
    from planner.outlook.result import Alternatives, Outlook, ParetoFront, Piece, Sensitivity


def pareto_table(front: ParetoFront) -> RenderableType:
    """A front as a table: a row a plan."""
    table = _table([(f"{a.name} ({a.unit})", True) for a in front.axes] + [("Hardware", False)])
    for p in front.points:
        figures = [fmt.quantity(p.values[a.name], a.unit) for a in front.axes]
        table.add_row(*figures, Text(_hardware(p.pieces) + ("" if p.proven else " (not proven)")))
    return Group(Text(fmt.clean(front.answer), style="bold"), table)


def alternatives_table(found: Alternatives) -> RenderableType:
    """Plans near the best one: a row a plan."""
    heads = [("Plan", False), (f"{found.objective} ({found.unit})", True), ("more", True), ("changed", True)]
    table = _table([*heads, ("Hardware", False), ("What else changes", False)])
    best = fmt.quantity(found.best.values[found.objective], found.unit)
    table.add_row("best", best, fmt.DASH, fmt.DASH, Text(_hardware(found.best.pieces)), "")
    for p in found.plans:
        value = fmt.quantity(p.values[found.objective], found.unit)
        shares = (f"{p.difference:.2%}", f"{p.changed:.0%}")
        table.add_row(p.name, value, *shares, Text(_hardware(p.pieces)), Text(fmt.clean(p.summary)))
    return Group(Text(fmt.clean(found.answer), style="bold"), table)


def outlook_table(found: Outlook) -> RenderableType:
    """Plans in sampled futures: a row a plan, then what each rests on."""
    heads = [("Plan", False), ("Expected cost", True), (f"{found.confidence:.0%} worst case", True), ("In time", False)]
    table = _table([*heads, ("Regret", True), ("Hardware", False)])
    for p in found.plans:
        kept = "; ".join(f"{t.workload} {t.probability:.1%} (± {t.error:.1%})" for t in p.promises)
        kept += f"; all {p.all_kept:.1%}" if len(p.promises) > 1 else ""
        figures = (fmt.usd(p.expected_cost_usd, short=True), fmt.usd(p.cost_at_risk_usd, short=True))
        regret = fmt.usd(p.expected_regret_usd, short=True)
        table.add_row(Text(fmt.clean(p.name)), *figures, Text(fmt.clean(kept)), regret, Text(_hardware(p.pieces)))
    parts: list[RenderableType] = [Text(fmt.clean(found.answer), style="bold"), table]
    parts += [Text(f" · {fmt.clean(note)}") for note in (*found.findings, *found.notes)]
    return Group(*parts)


def sensitivity_table(found: Sensitivity) -> RenderableType:
    """A tornado as a table: a row a figure, the interval as factors of it."""
    heads = [("Figure", False), ("Kind", False), ("From", True), ("To", True), ("At low", True), ("At high", True)]
    table = _table([*heads, ("Decision changes at", True), ("to", False)])
    for m in found.inputs:
        values = ["no plan" if v is None else fmt.quantity(v, found.unit) for v in (m.value_low, m.value_high)]
        at = fmt.DASH if m.crossover is None else f"{m.crossover:.3f}"
        table.add_row(Text(fmt.clean(m.path)), m.tag, f"{m.low:.3g}", f"{m.high:.3g}", *values, at, Text(m.after))
    return Group(Text(fmt.clean(found.answer), style="bold"), table)


def _hardware(pieces: Sequence[Piece]) -> str:
    return "; ".join(
        fmt.clean(f"{p.systems:,} {p.system} in {p.cooling} at {p.site} from {p.period} for {p.workload}")
        for p in pieces
    )


def _table(heads: Sequence[tuple[str, bool]]) -> Fitted:
    return Fitted([Column(name, right=right) for name, right in heads])
