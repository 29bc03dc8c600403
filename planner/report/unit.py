"""What a unit of work costs, as a table: for people who compare a plan with a price list."""

from __future__ import annotations

from planner.answer.plan import Plan
from planner.report import format as fmt
from planner.report.fleet import Sheet

_NAMES = {
    "chip_hour": "a chip-hour",
    "run": "a run",
    "million_tokens": "a million tokens",
    "million_input_tokens": "a million prompt tokens, computed",
    "million_cached_tokens": "a million prompt tokens, cached",
    "million_output_tokens": "a million answer tokens",
}


def unit_sheets(plan: Plan) -> tuple[Sheet, ...]:
    """The table of unit costs, with joules where tokens have them; none where no work has a unit."""
    if plan.totals is None or not plan.totals.unit_cost_usd:
        return ()
    rows = []
    for workload, kinds in plan.totals.unit_cost_usd.items():
        joules = plan.totals.joules_per_token.get(workload, {})
        for kind, lines in kinds.items():
            energy = joules.get(kind.removeprefix("million_").removesuffix("_tokens"))
            rows.append(
                (
                    fmt.clean(workload), _NAMES.get(kind, kind), unit_price(lines["total"]),
                    f"{fmt.number(energy)} J" if energy is not None else fmt.DASH,
                )
            )  # fmt: skip
    head = ("Workload", "Unit", "Cost", "Energy a token")
    note = "over the horizon; prompts and answers pay what they take of the time"
    return (Sheet("What a unit costs", note, head, tuple(rows), frozenset({2, 3})),)


def simulation_sheets(plan: Plan) -> tuple[Sheet, ...]:
    """The table of what single requests met, beside what was planned; none where nobody asked."""
    if not plan.simulations:
        return ()

    def beside(planned: float | None, found: float | None, limit: float | None) -> str:
        if found is None:
            return fmt.DASH
        mark = ""
        if limit and found > limit:
            mark = f", {fmt.percent(found / limit - 1.0)} above the limit of {fmt.seconds(limit / 1e3)}"
        return f"{fmt.seconds(found / 1e3)} (planned {fmt.seconds((planned or 0.0) / 1e3)}){mark}"

    rows = tuple(
        (
            fmt.clean(s.workload), f"{fmt.ROLE_WORDS[s.role]}, {fmt.clean(s.system)}, {fmt.clean(s.site)}",
            beside(s.planned_ttft_ms, s.ttft_ms, s.ttft_limit_ms),
            beside(s.planned_tpot_ms, s.tpot_ms, s.tpot_limit_ms), fmt.percent(s.waited),
        )
        for s in plan.simulations
    )  # fmt: skip
    at = sorted({s.percentile for s in plan.simulations})
    note = f"{fmt.count(plan.simulations[0].requests)} requests each; percentile {', '.join(f'{p:g}' for p in at)}"
    head = ("Workload", "Replica", "To the first token", "Each token after", "Waited")
    return (Sheet("Beside a simulation of single requests", note, head, rows, frozenset({4})),)


def unit_price(usd: float) -> str:
    """Small amounts with their cents: '$0.0213', '$2.41'; from $100 as any other amount."""
    return fmt.usd(usd, short=True) if abs(usd) >= 100 else f"${fmt.number(usd)}"
