"""A plan on a terminal: readable on 80 columns, plain where there is no colour.

``console(plan)`` gives a rich renderable. User text goes in as ``Text``, never as markup, cleaned of
control characters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from planner.answer.plan import Deployment, Plan
from planner.report import fleet, summary
from planner.report import format as fmt
from planner.report.fit import Column, Fitted
from planner.report.unit import simulation_sheets, unit_sheets
from planner.report.walls import wall_sheets

_BAR = 16
_ASSUMPTIONS = 14
_SHEET_ROWS = 60
_EIGHTHS = " ▏▎▍▌▋▊▉"


def console(plan: Plan, names: Mapping[str, str] | None = None) -> RenderableType:
    """The plan, or the reason there is none, for ``rich.console.Console.print``.

    ``names``: what systems are called, by id; shown beside the ids.
    """
    parts: list[RenderableType] = [Text(""), _answer(plan), _status(plan)]
    if plan.deployments and plan.fleet is None:
        parts += [_heading("Deployments"), _deployments(plan.deployments, names or {})]
    for sheet in (*fleet.sheets(plan), *wall_sheets(plan), *unit_sheets(plan), *simulation_sheets(plan)):
        parts += [_heading(sheet.title, sheet.note), _sheet(sheet)]
    parts += _split("Cost", "over the horizon", summary.cost_lines(plan), "usd")
    parts += _split("Power", "average at the meter", summary.power_lines(plan), "mw")
    parts += _where_it_goes(plan)
    parts += _no_plan(plan)
    parts += _binding(plan)
    parts += _alternatives(plan)
    parts += _assumptions(plan)
    parts += _left_out(plan)
    if plan.notes:
        parts += [_heading("Notes"), *(_bullet(note) for note in plan.notes)]
    parts += [_heading("Proof"), _facts(summary.proof_facts(plan)[4:12])]
    return Group(*parts)


def _answer(plan: Plan) -> RenderableType:
    return Text(fmt.clean(plan.answer), style="bold" if plan.has_plan else "bold red")


def _status(plan: Plan) -> RenderableType:
    line = Text(fmt.status_words(plan), style="green" if plan.has_plan else "red")
    if plan.has_plan:
        o = plan.objective
        line.append(f" · gap {fmt.gap(o.gap)}")
        line.append(f" · bound {fmt.quantity(o.bound if o.bound is not None else plan.proof.bound, o.unit)}")
        line.append(" · verified" if plan.verified else " · NOT verified", style="" if plan.verified else "bold red")
    line.append(f" · {fmt.seconds(plan.proof.seconds)}")
    about = f"{plan.scenario}, variant {plan.variant}" if plan.variant else plan.scenario
    return Group(line, Text(fmt.clean(about), style="dim"))


def _heading(title: str, note: str = "") -> RenderableType:
    text = Text("\n")
    text.append(title, style="bold cyan")
    if note:
        text.append(f"  {note}", style="dim")
    return text


def _bullet(text: str, style: str = "") -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_row(Text(" ·"), Text(fmt.clean(text), style=style, overflow="fold"))
    return grid


def _deployments(deployments: Sequence[Deployment], names: Mapping[str, str]) -> RenderableType:
    table = Fitted(
        [
            Column("What, where"), Column("Hardware"), Column("Layout"), Column("Result"),
            Column("MW", right=True), Column("Cost", right=True),
        ]
    )  # fmt: skip
    for d in deployments:
        what = Text(fmt.clean(d.served), style="bold")
        what.append(f"\n{fmt.ROLE_WORDS[d.role]}\n{fmt.clean(d.site)}\n{fmt.clean(d.period)}", style="not bold")
        spare = f", {fmt.count(d.spares)} spare" if d.spares else ""
        machine = Text(f"{fmt.count(d.systems)} × {fmt.clean(d.system)}{spare}\n")
        machine.append(f"{fmt.count(d.chips)} × {fmt.clean(d.chip)}\n", style="bold")
        if (name := names.get(d.system, d.system)) != d.system:
            machine.append(f"{fmt.clean(name)}\n")
        machine.append(f"{fmt.clean(d.cooled)}, {fmt.plural(d.racks, 'rack')}, {d.acquire}", style="dim")
        plan_of = Text(f"{fmt.layout(d.parallelism, serving=d.role not in fmt.OWN_LAYOUT)} · {fmt.clean(d.precision)}")
        facts = summary.speed(d)
        result = Text("\n".join(facts))
        if d.predicted.interval is not None:
            result.append(f"\n80%: {summary.interval_text(d)}", style="dim")
        table.add_row(
            what,
            machine,
            plan_of,
            result,
            fmt.number(d.power.facility_mw),
            fmt.usd(d.cost.total_usd, short=True),
        )
    return table


def _sheet(sheet: fleet.Sheet) -> RenderableType:
    groups = sheet.narrow or tuple((i,) for i in range(len(sheet.head)))
    table = Fitted(
        [
            Column(
                ", ".join(sheet.head[i].lower() if i != group[0] else sheet.head[i] for i in group),
                right=group[0] in sheet.numeric,
            )
            for group in groups
        ]
    )
    for row in sheet.rows[:_SHEET_ROWS]:
        table.add_row(*(Text("\n".join(row[i] for i in group)) for group in groups))
    more = len(sheet.rows) - _SHEET_ROWS
    return Group(table, Text(f" and {fmt.plural(more, 'more row')}, in plan.json", style="dim")) if more > 0 else table


def _bar(fraction: float) -> Text:
    eighths = round(max(0.0, min(1.0, fraction)) * _BAR * 8)
    whole, rest = divmod(eighths, 8)
    return Text("█" * whole + (_EIGHTHS[rest] if rest else ""), style="cyan")


def _split(title: str, note: str, parts: Mapping[str, float], unit: str) -> list[RenderableType]:
    if not parts:
        return []
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=24, overflow="fold")
    table.add_column(justify="right")
    table.add_column(justify="right", style="dim")
    table.add_column(width=_BAR)
    for share in summary.shares(parts):
        table.add_row(
            Text(f" {share.name}"), fmt.quantity(share.value, unit), fmt.share(share.fraction), _bar(share.fraction)
        )
    table.add_row(Text(" Total", style="bold"), Text(fmt.quantity(sum(parts.values()), unit), style="bold"), "", "")
    return [_heading(title, note), table]


def _where_it_goes(plan: Plan) -> list[RenderableType]:
    """Time and memory of each deployment in a line each."""
    lines: list[RenderableType] = []
    for name, d in zip(summary.unique_names(plan.deployments), plan.deployments, strict=True):
        p = d.predicted
        for what, parts, unit in (("time", p.breakdown, "s"), ("memory", p.memory_gb, "gb")):
            if not parts:
                continue
            whole = fmt.quantity(sum(parts.values()), unit)
            named = ", ".join(f"{s.name} {fmt.share(s.fraction)}" for s in summary.shares(parts, at_most=6))
            of = f" ({summary.step_text(d)})" if what == "time" and d.role in summary.SERVES else ""
            line = Text(f"{name}, {what}{of} {whole}: ", style="bold")
            line.append(named, style="not bold")
            grid = Table.grid(padding=(0, 1))
            grid.add_row(Text(" ·"), line)
            lines.append(grid)
    return [_heading("Where time and memory go"), *lines] if lines else []


def _no_plan(plan: Plan) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if plan.conflicts:
        parts += [_heading("These cannot hold together"), *(_bullet(c.message) for c in plan.conflicts)]
    if plan.nearest:
        parts.append(_heading("Smallest changes that make a plan possible"))
        for n in {n.message: n for n in plan.nearest}.values():
            parts.append(_bullet(n.message + ("" if n.helps else " (not confirmed by re-solving)")))
    return parts


def _binding(plan: Plan) -> list[RenderableType]:
    if not plan.binding:
        return []
    heads = (("Limit", False), ("Used", True), ("Of", True), ("One more unit is worth", True))
    table = Fitted([Column(name, right=right) for name, right in heads])
    for b in plan.binding:
        table.add_row(
            Text(fmt.clean(b.limit)),
            fmt.quantity(b.used, b.unit),
            fmt.quantity(b.of, b.unit),
            Text(fmt.worth(b.worth_per_unit, b.worth_unit)),
        )
    return [_heading("What binds"), table]


def _alternatives(plan: Plan) -> list[RenderableType]:
    if not plan.alternatives:
        return []
    parts: list[RenderableType] = [_heading("Alternatives")]
    for a in plan.alternatives:
        change = "" if a.difference is None else f" ({'+' if a.difference >= 0 else ''}{fmt.percent(a.difference)})"
        parts.append(_bullet(f"{a.name}{change}: {a.summary}"))
    return parts


def _assumptions(plan: Plan) -> list[RenderableType]:
    if not plan.assumptions:
        return []
    parts: list[RenderableType] = [_heading("Assumptions", "not published; the plan rests on them")]
    for a in plan.assumptions[:_ASSUMPTIONS]:
        value = fmt.quantity(a.value, a.unit) if isinstance(a.value, int | float) else fmt.clean(a.value)
        rests = f"; decides {', '.join(a.rests_on_it)}" if a.rests_on_it else ""
        worth = summary.worth_of(plan, a)
        parts.append(_bullet(f"{a.path} = {value}{rests}" + (f"; {worth}" if worth else "")))
    more = len(plan.assumptions) - _ASSUMPTIONS
    if more > 0:
        parts.append(_bullet(f"{fmt.plural(more, 'more assumption')}, in plan.json", style="dim"))
    return parts


def _left_out(plan: Plan) -> list[RenderableType]:
    if not plan.left_out:
        return []
    parts: list[RenderableType] = [_heading("Left out", fmt.plural(len(plan.left_out), "option"))]
    groups = summary.left_out_groups(plan.left_out)
    for reason, options in groups[:8]:
        named = ", ".join(options[:3]) + (f" and {fmt.count(len(options) - 3)} more" if len(options) > 3 else "")
        parts.append(_bullet(f"{reason}: {named}"))
    if len(groups) > 8:
        parts.append(_bullet(f"{fmt.plural(len(groups) - 8, 'more reason')}, in plan.json", style="dim"))
    return parts


def _facts(facts: Sequence[tuple[str, str]]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", overflow="fold")
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(Text(name), Text(value))
    return Padding(table, (0, 0, 1, 1))
