"""Charts of a plan as files: SVG and PNG, drawn without a browser."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

from planner.answer.plan import Plan
from planner.errors import InputError, Problem
from planner.plots.answer_charts import candidates_chart, headroom_chart, timeline_chart
from planner.plots.charts import bars
from planner.plots.fleet_charts import gantt_chart, stock_chart
from planner.plots.of_plan import cost_series
from planner.report import summary

Names = Mapping[str, str]
_WIDTH, _SCALE = 820, 2.0


def charts_of(plan: Plan, names: Names) -> dict[str, Any]:
    """The charts of a plan that have something to show, by title."""
    if not plan.has_plan:
        return {}
    series = {"the fleet": summary.cost_lines(plan)} if plan.fleet is not None else cost_series(plan)
    power = dict(
        zip(summary.unique_names(plan.deployments), (d.power.breakdown_mw for d in plan.deployments), strict=True)
    )
    found: dict[str, Any] = {
        "Cost over the horizon": bars(series, "usd"),
        "Average power at the meter": bars(power, "mw") if plan.fleet is None else None,
        "The plan beside its rivals": candidates_chart(plan, names) if plan.alternatives else None,
        "What is there when": timeline_chart(plan, names),
        "Systems that stand": stock_chart(plan),
        "Runs": gantt_chart(plan),
        "Power, racks and what is left": headroom_chart(plan),
    }
    return {title: chart for title, chart in found.items() if chart is not None}


def svg(chart: Any) -> str:
    """A chart as SVG. Raises ``InputError`` where vl-convert is not installed."""
    return str(_converter().vegalite_to_svg(_spec(chart)))


def png(chart: Any) -> bytes:
    """A chart as PNG, two pixels a point. Raises ``InputError`` where vl-convert is not installed."""
    return bytes(_converter().vegalite_to_png(_spec(chart), scale=_SCALE))


def charts_zip(plan: Plan, names: Names) -> bytes:
    """Every chart of a plan as SVG and PNG in one archive. Raises ``InputError``."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for title, chart in charts_of(plan, names).items():
            stem = title.lower().replace(",", "").replace(" ", "-")
            archive.writestr(f"{stem}.svg", svg(chart))
            archive.writestr(f"{stem}.png", png(chart))
    return out.getvalue()


def _spec(chart: Any) -> str:
    spec = chart.properties(width=_WIDTH).to_dict()
    spec.setdefault("config", {})["background"] = "white"
    return json.dumps(spec)


def _converter() -> Any:
    try:
        import vl_convert
    except ImportError:
        remedy = 'pip install "ai-compute-planner[report]"'
        raise InputError(Problem("charts as files need vl-convert-python, not installed here", remedy=remedy)) from None
    return vl_convert
