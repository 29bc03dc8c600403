"""``plan.plot.cost()``, ``.power()``, ``.timeline()``, ``.candidates()``, ``.tornado()``: Altair charts of one plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import altair as alt

from planner.plots.answer_charts import candidates_chart, timeline_chart
from planner.plots.charts import Chart, bars
from planner.plots.look_charts import tornado
from planner.report import summary
from planner.report.names import readable

_NO_NAMES: Mapping[str, str] = {}

if TYPE_CHECKING:
    from planner.answer.plan import Plan
    from planner.outlook.result import Sensitivity


class PlanPlots:
    """Charts of a plan, the same that the app shows. Each raises ``ValueError`` where there is nothing to draw."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def cost(self) -> Chart:
        """Cost over the horizon by cause, stacked by deployment."""
        return _there(bars(cost_series(self._plan), "usd"), "cost lines")

    def power(self) -> Chart:
        """Average power at the meter by cause, stacked by deployment."""
        names = summary.unique_names(self._plan.deployments)
        series = {n: d.power.breakdown_mw for n, d in zip(names, self._plan.deployments, strict=True)}
        return _there(bars(series, "mw"), "power by deployment")

    def timeline(self) -> alt.Chart:
        """What is there and at work from when until when, one bar each, coloured by place."""
        return timeline_chart(self._plan)

    def candidates(self) -> Chart:
        """The objective of the plan and of the best plan of every rival."""
        return candidates_chart(self._plan)

    def tornado(self, found: Sensitivity) -> Chart:
        """The objective at both ends of every figure's interval; ``found`` is ``planner.sensitivity(scenario)``."""
        return _there(tornado(found), "figures that move the objective")


def _there(chart: Chart | None, what: str) -> Chart:
    if chart is None:
        raise ValueError(f"there is nothing to draw: the plan has no {what}")
    return chart


def cost_series(plan: Plan, names_of: Mapping[str, str] = _NO_NAMES) -> dict[str, dict[str, float]]:
    """USD by cause of each deployment; of a shared fleet in one. ``names_of``: what systems are called, by id."""
    if plan.fleet is not None:
        return {"the fleet": summary.cost_lines(plan)}
    names = [readable(n, names_of) for n in summary.unique_names(plan.deployments)]
    return {n: d.cost.lines_usd for n, d in zip(names, plan.deployments, strict=True)}
