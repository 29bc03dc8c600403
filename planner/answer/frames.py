"""A plan as pandas frames; ``Plan.deployments_frame()`` and its siblings call these. ``attrs['units']`` has units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.answer import rows
from planner.tables import frame_of

if TYPE_CHECKING:
    import pandas as pd

    from planner.answer.plan import Plan


def _about(plan: Plan) -> dict[str, object]:
    return {"scenario": plan.scenario, "variant": plan.variant, "status": plan.status, "catalog": plan.catalog_digest}


def deployments(plan: Plan) -> pd.DataFrame:
    """One row a deployment (``rows.DEPLOYMENT_COLUMNS``)."""
    return frame_of(rows.deployment_rows(plan), rows.DEPLOYMENT_COLUMNS, **_about(plan))


def costs(plan: Plan) -> pd.DataFrame:
    """One row a cost line of a part of the plan (``rows.COST_COLUMNS``)."""
    return frame_of(rows.cost_rows(plan), rows.COST_COLUMNS, **_about(plan))


def timeline(plan: Plan) -> pd.DataFrame:
    """One row for what is there or at work (``rows.TIMELINE_COLUMNS``); ``begin`` and ``end`` are dates."""
    import pandas as pd

    found = frame_of(rows.timeline_rows(plan), rows.TIMELINE_COLUMNS, **_about(plan))
    for name in ("begin", "end"):
        found[name] = pd.to_datetime(found[name])
    return found


def binding(plan: Plan) -> pd.DataFrame:
    """One row a limit that binds (``rows.BINDING_COLUMNS``)."""
    return frame_of(rows.binding_rows(plan), rows.BINDING_COLUMNS, **_about(plan))


def assumptions(plan: Plan) -> pd.DataFrame:
    """One row a figure nobody has published (``rows.ASSUMPTION_COLUMNS``)."""
    return frame_of(rows.assumption_rows(plan), rows.ASSUMPTION_COLUMNS, **_about(plan))
