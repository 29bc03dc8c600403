"""Kinds of workloads: what must be computed. Each new one has a file of its own here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from planner.scenario.base import Part
from planner.scenario.kinds.agents import Agents
from planner.scenario.kinds.batch import Batch
from planner.scenario.kinds.counted import Counted
from planner.scenario.kinds.daily import Daily, Users
from planner.scenario.kinds.diffusion import Diffusion
from planner.scenario.kinds.encoding import Encoding
from planner.scenario.kinds.post_training import PostTraining
from planner.scenario.kinds.restated import Restated
from planner.scenario.kinds.window import ByADate
from planner.scenario.workloads import Recommendation, Serving, Training

__all__ = [
    "WORKLOAD_KINDS",
    "Agents",
    "Batch",
    "ByADate",
    "Counted",
    "Daily",
    "Diffusion",
    "Encoding",
    "PostTraining",
    "Restated",
    "Users",
    "Workload",
]

Workload = Annotated[
    Training | Serving | Recommendation | Batch | Encoding | PostTraining | Diffusion | Agents | Daily,
    Field(discriminator="kind"),
]
WORKLOAD_KINDS: Mapping[str, type[Part]] = {
    "training": Training,
    "serving": Serving,
    "recommendation": Recommendation,
    "batch": Batch,
    "encoding": Encoding,
    "post_training": PostTraining,
    "diffusion": Diffusion,
    "agents": Agents,
    "daily": Daily,
}
