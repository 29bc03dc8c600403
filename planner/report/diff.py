"""Plans side by side, as rows and as a table for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from planner.answer.plan import Plan
from planner.report import format as fmt
from planner.report import summary


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a comparison; ``differs`` where the plans do not all say the same."""

    section: str
    name: str
    values: tuple[str, ...]
    differs: bool


def diff_rows(plans: Sequence[Plan]) -> tuple[Row, ...]:
    """Plans side by side: one row a fact, one value a plan."""
    rows: list[Row] = []

    def add(section: str, name: str, values: Iterable[str]) -> None:
        shown = tuple(values)
        if any(v not in {"", fmt.DASH} for v in shown):
            rows.append(Row(section, name, shown, len(set(shown)) > 1))

    def total(name: str, show: Callable[[float], str]) -> list[str]:
        return [fmt.DASH if p.totals is None else show(getattr(p.totals, name)) for p in plans]

    add("Answer", "Status", [fmt.STATUS_WORDS[p.status] for p in plans])
    add("Answer", "Scenario", [fmt.clean(p.scenario) for p in plans])
    add("Answer", "Variant", [fmt.clean(p.variant or fmt.DASH) for p in plans])
    add(
        "Answer",
        "Objective",
        [f"{p.objective.name} {fmt.quantity(p.objective.value, p.objective.unit)}" for p in plans],
    )
    add("Answer", "Gap", [fmt.gap(p.objective.gap) for p in plans])
    add("Totals", "Chips", total("chips", fmt.count))
    add("Totals", "Systems", total("systems", fmt.count))
    add("Totals", "Racks", total("racks", fmt.count))
    add("Totals", "Power at the meter", total("facility_mw", fmt.power))
    add("Totals", "Capital", total("capex_usd", fmt.usd))
    add("Totals", "Running cost a year", total("opex_usd_per_year", fmt.usd))
    add("Totals", "Total cost", total("tco_usd", fmt.usd))
    add("Totals", "Carbon", total("carbon_t", lambda v: f"{fmt.number(v)} t"))
    add("Totals", "Water", total("water_m3", lambda v: f"{fmt.number(v)} m³"))
    work = [p.deployments for p in plans]
    for workload in dict.fromkeys(d.workload for mine in work for d in mine):
        per = [[d for d in mine if d.workload == workload] for mine in work]
        section = fmt.clean(workload)
        add(section, "Hardware", ["; ".join(summary.hardware(d) for d in ds) or fmt.DASH for ds in per])
        add(section, "Cooling", ["; ".join(dict.fromkeys(fmt.clean(d.cooled) for d in ds)) or fmt.DASH for ds in per])
        layouts = [[fmt.layout(d.parallelism, serving=d.role != "train") for d in ds] for ds in per]
        add(section, "Layout", ["; ".join(x) or fmt.DASH for x in layouts])
        add(
            section,
            "Precision",
            ["; ".join(dict.fromkeys(fmt.clean(d.precision) for d in ds)) or fmt.DASH for ds in per],
        )
        add(section, "Speed", ["; ".join(", ".join(summary.speed(d)[:3]) for d in ds) or fmt.DASH for ds in per])
        add(
            section,
            "USD per million tokens",
            [fmt.usd(p.totals.usd_per_m_tokens.get(workload)) if p.totals else fmt.DASH for p in plans],
        )
    for name in dict.fromkeys(n for p in plans for n in summary.cost_lines(p)):
        add("Cost over the horizon", fmt.label(name), [fmt.usd(summary.cost_lines(p).get(name)) for p in plans])
    for name in dict.fromkeys(n for p in plans for n in summary.power_lines(p)):
        add("Average power", fmt.label(name), [fmt.power(summary.power_lines(p).get(name)) for p in plans])
    limits = dict.fromkeys(b.limit for p in plans for b in p.binding)
    for limit in limits:
        values = []
        for p in plans:
            found = next((b for b in p.binding if b.limit == limit), None)
            values.append(f"binds at {fmt.quantity(found.of, found.unit)}" if found else "does not bind")
        add("Limits", fmt.clean(limit), values)
    return tuple(rows)


def diff_table(plans: Sequence[Plan], names: Sequence[str], *, everything: bool = False) -> RenderableType:
    """Plans side by side: what differs, or with ``everything`` also what does not."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("", style="dim", ratio=2)
    for name in names:
        table.add_column(Text(fmt.clean(name)), ratio=3, overflow="fold")
    section = ""
    for row in diff_rows(plans):
        if not everything and not row.differs:
            continue
        if row.section != section:
            section = row.section
            table.add_row(Text(section, style="bold cyan"))
        table.add_row(Text(row.name), *(Text(v, style="bold" if row.differs else "dim") for v in row.values))
    return table
