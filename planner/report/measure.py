"""Runs worth making, and decisions in two stages, on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from planner.report import format as fmt
from planner.report.fit import Column, Fitted

if TYPE_CHECKING:
    from planner.outlook.measure.result import Measure
    from planner.outlook.recourse.result import Recourse


def measure_table(found: Measure) -> RenderableType:
    """Runs by what they are worth: a row a run, then how to make the first and what its results decide."""
    heads = (("Run", False), ("Chips", True), ("Hours", True), ("Rent", True), ("Worth", True), ("Changes", True),
             ("Interval", True))  # fmt: skip
    table = Fitted([Column(name, right=right) for name, right in heads])
    for r in found.runs:
        cost = fmt.DASH if r.cost_usd is None else fmt.usd(r.cost_usd, short=True)
        worth = fmt.usd(r.worth, short=True) if found.unit == "USD" else fmt.quantity(r.worth, found.unit)
        name = Text(fmt.clean(f"{r.workload} on {r.system} ({r.chip})"))
        table.add_row(name, f"{r.chips:,}", f"{r.hours:.1f}", cost, worth, f"{r.changes:.0%}", f"x {r.width:.2f}")
    parts: list[RenderableType] = [Text(fmt.clean(found.answer), style="bold"), table]
    if found.runs:
        first = found.runs[0]
        parts.append(
            Text(f"Predicted {first.quantity} {first.predicted:.3g} ({first.low80:.3g} to {first.high80:.3g}):")
        )
        for d in first.decisions:
            between = f"{d.low:.3g} to {d.high:.3g}" if d.high > d.low else f"{d.low:.3g}"
            parts.append(Text(f" · {between} ({d.chance:.0%}): {fmt.clean(d.words)}"))
        if first.command:
            parts += [Text("How to make it:"), Text("\n".join(fmt.clean(line) for line in first.command.splitlines()))]
        cells = {**first.row, first.quantity: ""}
        parts += [
            Text("The row to fill in, for --measurements:"),
            Text(fmt.clean(",".join(cells))), Text(fmt.clean(",".join(cells.values()))),
        ]  # fmt: skip
        parts += [Text(f" · {fmt.clean(note)}") for note in first.notes]
    parts += [Text(f" · {fmt.clean(note)}") for note in found.notes]
    return Group(*parts)


def recourse_table(found: Recourse) -> RenderableType:
    """What is bought first, and a row for each answer to what comes."""
    heads = (("Then", False), ("Systems", True), ("Of futures", True), ("Cost in them", True))
    table = Fitted([Column(name, right=right) for name, right in heads])
    for x in found.later:
        few, many = f"{x.least_systems:,}", f"{x.most_systems:,}"
        count = few if few == many else f"{few} to {many}"
        table.add_row(Text(fmt.clean(x.words)), count, f"{x.share:.0%}", fmt.usd(x.expected_cost_usd, short=True))
    worth = (
        ("waiting", "over buying everything now", found.value_of_waiting_usd),
        ("the stochastic solution", "over buying first for central figures", found.value_of_stochastic_solution_usd),
        ("perfect information", "beyond this", found.value_of_perfect_information_usd),
    )
    lines = [
        f"Worth of {what} ({over}): "
        + ("the other keeps the promises too seldom" if x is None else fmt.usd(x, short=True))
        for what, over, x in worth
    ]
    lines += [
        f"Expected cost {fmt.usd(found.expected_cost_usd, short=True)}, bound {fmt.usd(found.bound_usd, short=True)}"
        f" ({found.status}, gap {found.gap:.2%}); worst {1 - found.confidence:.0%} of"
        f" {found.futures} futures {fmt.usd(found.cost_at_risk_usd, short=True)};"
        f" {found.fresh_futures} other futures {fmt.usd(found.expected_cost_fresh_usd, short=True)}",
        *found.notes,
    ]
    return Group(Text(fmt.clean(found.answer), style="bold"), table, *(Text(f" · {fmt.clean(x)}") for x in lines))
