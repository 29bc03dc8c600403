"""Searches of kinds that count their work in a unit of their own, and the layouts behind what their plans print."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from planner.answer.plan import Parallelism
from planner.options.work.counted_kinds import CountedSearch
from planner.options.work.diffusion import DiffusionSearch, unit_layout
from planner.options.work.post_training import PostTrainingSearch, layout_of
from planner.scenario.kinds.counted import Counted
from planner.scenario.kinds.diffusion import Diffusion
from planner.scenario.kinds.post_training import PostTraining

SEARCHES: Mapping[type[Counted], type[CountedSearch]] = {
    PostTraining: PostTrainingSearch,
    Diffusion: DiffusionSearch,
}
LAYOUTS: Mapping[str, Callable[[Parallelism], dict[str, int]]] = {
    PostTrainingSearch.ROLE: layout_of,
    DiffusionSearch.ROLE: unit_layout,
}
"""By role."""
