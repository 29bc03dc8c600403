"""Every table of a plan in one list, for reports that have pages or sheets."""

from __future__ import annotations

from collections.abc import Mapping

from planner.answer.plan import Plan
from planner.report import fleet, summary
from planner.report import format as fmt
from planner.report.board import board, board_without
from planner.report.fleet import Sheet
from planner.report.names import readable
from planner.report.unit import simulation_sheets, unit_sheets
from planner.report.walls import wall_sheets


def every_sheet(plan: Plan, names: Mapping[str, str]) -> tuple[Sheet, ...]:
    """The tables of a plan, those that have rows, in the order of its page."""
    made = (
        _answer(plan, names), _deployments(plan, names), *fleet.sheets(plan), *wall_sheets(plan),
        *(unit_sheets(plan) if plan.fleet is None else ()), *simulation_sheets(plan),
        _parts("Cost over the horizon", summary.cost_lines(plan), "usd"),
        _parts("Average power at the meter", summary.power_lines(plan), "mw"),
        _confidence(plan), _binding(plan), _alternatives(plan, names), _assumptions(plan), _left_out(plan),
        _conflicts(plan),
        Sheet("Notes", "", ("Note",), tuple((fmt.clean(n),) for n in plan.notes)),
        Sheet("Proof", "", ("What", ""), summary.proof_facts(plan)),
    )  # fmt: skip
    return tuple(sheet for sheet in made if sheet.rows)


def _answer(plan: Plan, names: Mapping[str, str]) -> Sheet:
    cards = board(plan, names) if plan.has_plan else board_without(plan)
    rows = tuple((c.question, c.answer, "\n".join(c.lines)) for c in cards)
    return Sheet("The answer", fmt.clean(plan.answer), ("Question", "Answer", "More"), rows)


def _deployments(plan: Plan, names: Mapping[str, str]) -> Sheet:
    head = ("Workload", "Role", "Hardware", "Site", "From", "Chips", "Racks", "Peak power", "Result", "Layout",
            "Precision", "Cooling", "Cost")  # fmt: skip
    rows = tuple(
        (
            fmt.clean(d.served), fmt.ROLE_WORDS[d.role], f"{fmt.count(d.systems)} × {names.get(d.system, d.system)}",
            fmt.clean(d.site), d.period, fmt.count(d.chips), fmt.count(d.racks), fmt.power(d.power.facility_mw),
            ", ".join(summary.speed(d)[:3]), fmt.layout(d.parallelism, serving=d.role != "train"), d.precision,
            fmt.clean(d.cooled), fmt.usd(d.cost.total_usd),
        )
        for d in plan.deployments
    )  # fmt: skip
    return Sheet("Deployments", "", head, rows, frozenset({5, 6, 7, 12}))


def _parts(title: str, parts: Mapping[str, float], unit: str) -> Sheet:
    rows = tuple(
        (s.name, fmt.quantity(s.value, unit), fmt.share(s.fraction)) for s in summary.shares(parts, at_most=99)
    )
    whole = fmt.quantity(sum(parts.values()), unit)
    return Sheet(title, whole, ("Part", "Value", "Share"), rows, frozenset({1, 2}))


def _confidence(plan: Plan) -> Sheet:
    words = {"same": "the plan itself", "planned": "another plan", "out_of_reach": "none reaches it",
             "not_tried": "not tried"}  # fmt: skip
    rows = tuple(
        (fmt.percent(x.confidence), words[x.status], fmt.usd(x.cost_usd), fmt.usd(x.more_usd), fmt.clean(x.hardware))
        for x in plan.at_confidences
    )
    head = ("Every promise at", "Holds with", "Cost", "More than the plan", "Hardware")
    return Sheet("What confidence costs", "", head, rows, frozenset({0, 2, 3}))


def _binding(plan: Plan) -> Sheet:
    rows = tuple(
        (fmt.clean(b.limit), fmt.quantity(b.used, b.unit), fmt.quantity(b.of, b.unit),
         fmt.worth(b.worth_per_unit, b.worth_unit), fmt.clean(b.note))
        for b in plan.binding
    )  # fmt: skip
    return Sheet("What binds", "", ("Limit", "Used", "Of", "One more unit is worth", ""), rows, frozenset({1, 2}))


def _alternatives(plan: Plan, names: Mapping[str, str]) -> Sheet:
    rows = tuple(
        (readable(fmt.clean(a.name), names), fmt.quantity(a.objective, plan.objective.unit), fmt.percent(a.difference),
         fmt.clean(a.summary))
        for a in plan.alternatives
    )  # fmt: skip
    return Sheet("Alternatives", "", ("What", plan.objective.name.capitalize(), "Difference", "More"), rows,
                 frozenset({1, 2}))  # fmt: skip


def _assumptions(plan: Plan) -> Sheet:
    rows = tuple(
        (fmt.clean(a.path), fmt.quantity(a.value, a.unit) if isinstance(a.value, int | float) else fmt.clean(a.value),
         fmt.clean(a.source), fmt.clean(", ".join(a.rests_on_it)))
        for a in plan.assumptions
    )  # fmt: skip
    return Sheet("Assumptions", "figures that nobody has published", ("Figure", "Value", "Source", "Rests on it"), rows,
                 frozenset({1}))  # fmt: skip


def _left_out(plan: Plan) -> Sheet:
    rows = tuple(
        (reason, fmt.count(len(options)), ", ".join(options))
        for reason, options in summary.left_out_groups(plan.left_out)
    )
    return Sheet("Left out", "", ("Reason", "Options", "Which"), rows, frozenset({1}))


def _conflicts(plan: Plan) -> Sheet:
    rows = [("conflict", fmt.clean(c.message)) for c in plan.conflicts]
    rows += [("way out", way) for way in dict.fromkeys(fmt.clean(n.message) for n in plan.nearest)]
    return Sheet("Why there is no plan", "", ("", "What"), tuple(rows))
