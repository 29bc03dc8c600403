"""The money of a plan so that it adds up: what is spent, what of it these years are charged, what running costs."""

from __future__ import annotations

from dataclasses import dataclass

from planner.answer.plan import Plan
from planner.report import format as fmt
from planner.report import summary


@dataclass(frozen=True, slots=True)
class Reconciled:
    """USD. ``charged + running`` is the plan's total; ``charged + left`` is the capital spent."""

    capital: float
    charged: float
    """Of the capital, what the plan's years are charged: the share of each thing's life that they use."""
    left: float
    running: float
    """Energy, upkeep, rent and the like over the horizon, at present value."""
    per_year: float
    total: float
    years: float

    def lines(self) -> tuple[tuple[str, str], ...]:
        """(what, how much) as a sum: charged and running make the total."""
        usd = fmt.usd
        rows = [
            ("Capital to spend", usd(self.capital)),
            ("of it charged to these years", usd(self.charged)),
            (f"Running, {usd(self.per_year, short=True)} a year", usd(self.running)),
            ("Total, present value", usd(self.total)),
        ]
        return tuple(rows if self.capital else rows[2:])

    def rule(self) -> str:
        """Why the capital and the running cost do not sum to the total."""
        if not self.capital or abs(self.left) < 1e-6 * self.capital:
            return ""
        years = f"{fmt.number(self.years)} year{'' if self.years == 1 else 's'}"
        if self.left < 0:
            more = fmt.usd(-self.left)
            return f"What lives shorter than {years} is replaced: {more} more than the capital is charged."
        return f"What outlives {years} is charged for the part of its life that is used: {fmt.usd(self.left)} is left."


def reconciled(plan: Plan) -> Reconciled | None:
    """The money of a plan; None where there is none."""
    t = plan.totals
    if t is None:
        return None
    costs = (
        [p.money for p in summary.shared_parts(plan)] if plan.fleet is not None else [d.cost for d in plan.deployments]
    )
    charged = sum(value for cost in costs for line, value in cost.lines_usd.items() if line in cost.capex_lines_usd)
    return Reconciled(
        t.capex_usd, charged, t.capex_usd - charged, t.tco_usd - charged, t.opex_usd_per_year, t.tco_usd,
        plan.horizon_years,
    )  # fmt: skip
