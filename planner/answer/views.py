"""How a plan is looked at from Python: frames, charts, short text, HTML. ``Plan`` inherits these."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import pandas as pd

    from planner.answer.plan import Plan
    from planner.plots import PlanPlots


class PlanViews:
    """Views of a plan; pandas and Altair are imported when one of theirs is asked for."""

    def deployments_frame(self) -> pd.DataFrame:
        """One row a deployment (of a shared fleet: a run, a load), with layout, speed, power and cost.

        Columns are ``planner.answer.rows.DEPLOYMENT_COLUMNS`` whatever the plan, units in ``attrs["units"]``.
        """
        from planner.answer.frames import deployments

        return deployments(cast("Plan", self))

    def costs_frame(self) -> pd.DataFrame:
        """One row a cost line of each part: what, workload, site, system, line, usd over the horizon."""
        from planner.answer.frames import costs

        return costs(cast("Plan", self))

    def timeline_frame(self) -> pd.DataFrame:
        """What is there or at work from when (``begin``) until when (``end``, the first day after)."""
        from planner.answer.frames import timeline

        return timeline(cast("Plan", self))

    def binding_frame(self) -> pd.DataFrame:
        """Limits that bind: limit, used, of, unit, worth_per_unit, worth_unit, note."""
        from planner.answer.frames import binding

        return binding(cast("Plan", self))

    def assumptions_frame(self) -> pd.DataFrame:
        """Figures that nobody has published and that the plan rests on: path, value, unit, source, rests_on_it."""
        from planner.answer.frames import assumptions

        return assumptions(cast("Plan", self))

    @property
    def plot(self) -> PlanPlots:
        """Altair charts: ``plan.plot.cost()``, ``.power()``, ``.timeline()``, ``.candidates()``, ``.tornado(found)``.

        Raises ``InputError`` where Altair is not installed (extra ``[app]``).
        """
        # charts are a face, which this room does not know: found by name, and only when somebody looks
        return cast("PlanPlots", importlib.import_module("planner.plots").PlanPlots(self))

    def save(self, path: str | Path) -> Path:
        """Write plan.json to a file, or into a folder that is there; whole or not at all. Returns the file."""
        file = Path(path)
        if file.is_dir():
            file /= "plan.json"
        cast("Plan", self).write(file)
        return file

    def __repr__(self) -> str:
        from planner.answer.notebook import short

        return short(cast("Plan", self))

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        from planner.answer.notebook import html

        return html(cast("Plan", self))
