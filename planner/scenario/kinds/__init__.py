"""Kinds of workloads: what must be computed. Each new one has a file of its own here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Union, get_args

from pydantic import Field

from planner import plugins
from planner.errors import InputError, Problem
from planner.scenario.base import Part
from planner.scenario.kinds.agents import Agents
from planner.scenario.kinds.batch import Batch
from planner.scenario.kinds.counted import Counted
from planner.scenario.kinds.daily import Daily, Users
from planner.scenario.kinds.diffusion import Diffusion
from planner.scenario.kinds.encoding import Encoding
from planner.scenario.kinds.post_training import PostTraining
from planner.scenario.kinds.recurring import RecurringTraining
from planner.scenario.kinds.restated import OtherWords, Restated
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
    "OtherWords",
    "PostTraining",
    "RecurringTraining",
    "Restated",
    "Users",
    "Workload",
]

SHIPPED: tuple[type[Part], ...] = (
    Training, Serving, Recommendation, Batch, Encoding, PostTraining, Diffusion, Agents, Daily, RecurringTraining,
)  # fmt: skip


def kind_of(record: type[Part]) -> str:
    """The word by which a file asks for a kind of workload."""
    field = record.model_fields.get("kind")
    words = () if field is None else get_args(field.annotation)
    return str(words[0]) if len(words) == 1 else ""


def kinds_of_plugins(shipped: Mapping[str, type[Part]]) -> dict[str, type[Restated]]:
    """Kinds that other packages add, by name (docs/plugins.md). What such a kind restates is a serving load, so it is
    priced, verified, exported and explained as one.

    Raises ``InputError`` for a plugin that is no such kind, or whose name is taken.
    """
    found: dict[str, type[Restated]] = {}
    for name, package in plugins.names(plugins.WORKLOADS).items():
        record = plugins.load(plugins.WORKLOADS, name)
        if not (isinstance(record, type) and issubclass(record, Restated)):
            wrong = "is no class of planner.scenario.kinds.Restated"
        elif kind_of(record) != name:
            wrong = f"calls itself {kind_of(record)!r}"
        elif name in shipped:
            wrong = "has the name of a shipped kind"
        else:
            found[name] = record
            continue
        message = f"the workload kind {name!r} of the package {package} {wrong}"
        raise InputError(Problem(message, remedy=f"Mend or uninstall {package}; PLANNER_PLUGINS=off does without."))
    return found


_shipped = {kind_of(record): record for record in SHIPPED}
WORKLOAD_KINDS: Mapping[str, type[Part]] = {**_shipped, **kinds_of_plugins(_shipped)}
"""Every kind by its word; another is a file of its own and a name in ``SHIPPED``, and below for type
checkers, which cannot read a table."""

if TYPE_CHECKING:
    Workload = (
        Training | Serving | Recommendation | Batch | Encoding | PostTraining | Diffusion | Agents | Daily
        | RecurringTraining
    )  # fmt: skip
else:
    Workload = Annotated[Union[tuple(WORKLOAD_KINDS.values())], Field(discriminator="kind")]  # noqa: UP007
