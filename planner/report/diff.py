"""Plans side by side, as rows and as a table for the terminal: what differs, and by how much from the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from rich.console import RenderableType
from rich.text import Text

from planner.answer.plan import Plan
from planner.report import format as fmt
from planner.report import summary
from planner.report.fit import Column, Fitted

Show = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a comparison; ``differs`` where the plans do not all say the same.

    ``numbers``: what ``values`` say, in ``unit``, where it is a figure; None of a plan that has none.
    """

    section: str
    name: str
    values: tuple[str, ...]
    differs: bool
    numbers: tuple[float | None, ...] = ()
    unit: str = ""
    show: Show = field(default=fmt.number, repr=False, compare=False)

    def change(self, i: int) -> float | None:
        """How much plan ``i`` has more than the first; None where one of them has no figure."""
        if not self.numbers:
            return None
        first, this = self.numbers[0], self.numbers[i]
        return None if first is None or this is None else this - first

    def relative(self, i: int) -> float | None:
        """The same as a fraction of the first; None where the first is zero or has no figure."""
        change = self.change(i)
        return None if change is None or not self.numbers[0] else change / abs(self.numbers[0])

    def change_text(self, i: int) -> str:
        """``+$12,000, +1.7%``; empty where there is no change or no figure."""
        change, relative = self.change(i), self.relative(i)
        if not change:
            return ""
        share = "" if relative is None else f", {relative:+.1%}"
        return f"{'+' if change > 0 else '-'}{self.show(abs(change))}{share}"


def diff_rows(plans: Sequence[Plan]) -> tuple[Row, ...]:
    """Plans side by side: one row a fact, one value a plan."""
    rows: list[Row] = []

    def add(section: str, name: str, values: Iterable[str]) -> None:
        shown = tuple(values)
        if any(v not in {"", fmt.DASH} for v in shown):
            rows.append(Row(section, name, shown, len(set(shown)) > 1))

    def figures(section: str, name: str, numbers: Iterable[float | None], unit: str, show: Show) -> None:
        held = tuple(numbers)
        if any(n is not None for n in held):
            shown = tuple(fmt.DASH if n is None else show(n) for n in held)
            rows.append(Row(section, name, shown, len(set(shown)) > 1, held, unit, show))

    def total(name: str) -> list[float | None]:
        return [None if p.totals is None else float(getattr(p.totals, name)) for p in plans]

    add("Answer", "Status", [fmt.status_words(p) for p in plans])
    add("Answer", "Scenario", [fmt.clean(p.scenario) for p in plans])
    add("Answer", "Variant", [fmt.clean(p.variant or fmt.DASH) for p in plans])
    said = tuple(f"{p.objective.name} {fmt.quantity(p.objective.value, p.objective.unit)}" for p in plans)
    o = plans[0].objective
    alike = all((p.objective.name, p.objective.unit) == (o.name, o.unit) for p in plans)
    values = tuple(p.objective.value for p in plans) if alike else ()
    differs = len(set(said)) > 1
    rows.append(Row("Answer", "Objective", said, differs, values, o.unit, lambda v: fmt.quantity(v, o.unit)))
    add("Answer", "Gap", [fmt.gap(p.objective.gap) for p in plans])
    for name, key, unit, show in (
        ("Chips", "chips", "", fmt.count), ("Systems", "systems", "", fmt.count), ("Racks", "racks", "", fmt.count),
        ("Power at the meter", "facility_mw", "MW", fmt.power), ("Capital", "capex_usd", "USD", fmt.usd),
        ("Running cost a year", "opex_usd_per_year", "USD/year", fmt.usd), ("Total cost", "tco_usd", "USD", fmt.usd),
        ("Carbon", "carbon_t", "t", lambda v: f"{fmt.number(v)} t"),
        ("Water", "water_m3", "m3", lambda v: f"{fmt.number(v)} m³"),
    ):  # fmt: skip
        figures("Totals", name, total(key), unit, show)
    chances = [None if p.chance is None else p.chance.all_kept_least for p in plans]
    figures("Totals", "Chance to keep all promises, at least", chances, "fraction", fmt.percent)
    ends = [max((d.predicted.finish_days or 0.0 for d in p.deployments), default=0.0) or None for p in plans]
    figures("Totals", "Done after", ends, "days", fmt.days)
    assumed = [{a.path: fmt.quantity(a.value, a.unit) if isinstance(a.value, int | float) else fmt.clean(a.value)
                for a in p.assumptions} for p in plans]  # fmt: skip
    for path in dict.fromkeys(path for mine in assumed for path in mine):
        add("Assumptions", fmt.clean(path), [mine.get(path, "not assumed") for mine in assumed])
    work = [p.deployments for p in plans]
    for workload in dict.fromkeys(d.workload for mine in work for d in mine):
        per = [[d for d in mine if d.workload == workload] for mine in work]
        section = fmt.clean(workload)
        add(section, "Hardware", ["; ".join(summary.hardware(d) for d in ds) or fmt.DASH for ds in per])
        add(section, "Cooling", ["; ".join(dict.fromkeys(fmt.clean(d.cooled) for d in ds)) or fmt.DASH for ds in per])
        layouts = [[fmt.layout(d.parallelism, serving=d.role not in fmt.OWN_LAYOUT) for d in ds] for ds in per]
        add(section, "Layout", ["; ".join(x) or fmt.DASH for x in layouts])
        add(
            section,
            "Precision",
            ["; ".join(dict.fromkeys(fmt.clean(d.precision) for d in ds)) or fmt.DASH for ds in per],
        )
        add(section, "Speed", ["; ".join(", ".join(summary.speed(d)[:3]) for d in ds) or fmt.DASH for ds in per])
        tokens = [p.totals.usd_per_m_tokens.get(workload) if p.totals else None for p in plans]
        figures(section, "USD per million tokens", tokens, "USD", fmt.usd)
    costs, powers = [summary.cost_lines(p) for p in plans], [summary.power_lines(p) for p in plans]
    for name in dict.fromkeys(n for lines in costs for n in lines):
        figures("Cost over the horizon", fmt.label(name), [x.get(name) for x in costs], "USD", fmt.usd)
    for name in dict.fromkeys(n for lines in powers for n in lines):
        figures("Average power", fmt.label(name), [x.get(name) for x in powers], "MW", fmt.power)
    limits = dict.fromkeys(b.limit for p in plans for b in p.binding)
    for limit in limits:
        binds = []
        for p in plans:
            found = next((b for b in p.binding if b.limit == limit), None)
            binds.append(f"binds at {fmt.quantity(found.of, found.unit)}" if found else "does not bind")
        add("Limits", fmt.clean(limit), binds)
    return tuple(rows)


def diff_data(plans: Sequence[Plan], names: Sequence[str]) -> dict[str, object]:
    """What differs as plain data: figures with their change and relative change against the first plan."""
    rows = []
    for r in diff_rows(plans):
        if not r.differs:
            continue
        row: dict[str, object] = {"section": r.section, "name": r.name, "values": list(r.values)}
        if r.numbers:
            every = range(len(plans))
            row |= {"unit": r.unit, "numbers": list(r.numbers), "change": [r.change(i) for i in every]}
            row["relative"] = [r.relative(i) for i in every]
        rows.append(row)
    return {"plans": list(names), "differences": rows}


def diff_flat(plans: Sequence[Plan], names: Sequence[str]) -> list[dict[str, object]]:
    """What differs as rows for CSV and Markdown: a column a plan, then its change and relative change."""
    found = []
    for r in diff_rows(plans):
        if not r.differs:
            continue
        row: dict[str, object] = {"section": r.section, "name": r.name, "unit": r.unit}
        for i, name in enumerate(names):
            row[name] = r.numbers[i] if r.numbers else r.values[i]
            if i:
                row[f"{name}: change"], row[f"{name}: relative"] = r.change(i), r.relative(i)
        found.append(row)
    return found


def diff_table(plans: Sequence[Plan], names: Sequence[str], *, everything: bool = False) -> RenderableType:
    """Plans side by side: what differs, or with ``everything`` also what does not; changes against the first."""
    table = Fitted([Column(""), *(Column(fmt.clean(name)) for name in names)])
    section = ""
    for row in diff_rows(plans):
        if not everything and not row.differs:
            continue
        if row.section != section:
            section = row.section
            table.add_row(Text(section, style="bold cyan"), *("" for _ in names))
        cells = []
        for i, value in enumerate(row.values):
            cell = Text(value, style="bold" if row.differs else "dim")
            if i and (change := row.change_text(i)):
                cell.append(f"\n{change}", style="not bold dim")
            cells.append(cell)
        table.add_row(Text(row.name, style="dim"), *cells)
    return table


def short_names(paths: Sequence[str]) -> list[str]:
    """Paths without what all of them share at either end: ``out/a/plan.json`` and ``out/b/plan.json`` are a and b."""
    parts = [path.replace("\\", "/").split("/") for path in paths]
    if len(set(paths)) < len(paths):
        return list(paths)
    while all(len(p) > 1 for p in parts) and len({p[-1] for p in parts}) == 1:
        parts = [p[:-1] for p in parts]
    while all(len(p) > 1 for p in parts) and len({p[0] for p in parts}) == 1:
        parts = [p[1:] for p in parts]
    return ["/".join(p) for p in parts]
