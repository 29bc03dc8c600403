"""Charts, for the app and for notebooks: one set of functions. Altair comes with the extra ``[app]``."""

from planner.errors import InputError, Problem

try:
    import altair as _altair  # noqa: F401
except ImportError as error:
    raise InputError(
        Problem(
            f"charts need Altair, which is not installed ({error.name})",
            remedy='Install it: pip install "ai-compute-planner[app]".',
        )
    ) from None

from planner.plots.of_plan import PlanPlots

__all__ = ["PlanPlots"]
