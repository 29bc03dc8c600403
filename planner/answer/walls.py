"""The three walls that a plan stands between, as data: communication, power and cooling, complexity.

``planner.walls`` computes them, ``planner.verify`` computes them again.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from planner.answer.part import Part

WallName = Literal["communication", "power and cooling", "complexity"]


class Exposed(Part):
    """Communication of one deployment that nothing hides."""

    workload: str
    role: str
    site: str
    system: str
    chip: str
    chips: int
    share: float
    """Of its time, 0 to 1."""
    by_tier: dict[str, float] = Field(default_factory=dict)
    """The same by the tier that the groups of each kind of traffic span: ``scale-up``, ``host bus``, ``scale-out``,
    ``host`` (memory behind the host link); sums to ``share``."""
    by_cause: dict[str, float] = Field(default_factory=dict)
    """The same by kind of traffic, in the names of ``predicted.breakdown``; sums to ``share``."""
    quantity: str
    """``days`` or ``chips``: what it would need less of without it: a run days, a load chips."""
    now: float
    without: float


class CommunicationWall(Part):
    """Time that chips spend on communication which no computation hides."""

    share: float
    """Of all chips' time: the mean over deployments, weighted by their chips."""
    by_tier: dict[str, float] = Field(default_factory=dict)
    """Sums to ``share``."""
    works: tuple[Exposed, ...] = ()


class Headroom(Part):
    """One limit of the power tree of a site."""

    place: str
    unit: str
    """``MW``, ``racks``, ``kW per rack``, ``PUE above 1`` or ``L of water per kWh``."""
    used: float
    of: float
    worth_per_unit: float | None = None
    """What one more of it is worth, found by solving again; None where nobody asked (racks' kilowatts) or where more of
    it changes nothing."""
    worth_unit: str = ""


class Lift(Part):
    """A cooling that would give a deployment more of a limit that holds it."""

    site: str
    system: str
    chip: str
    cooling: str
    instead: str
    """The cooling that lifts."""
    lifts: str
    """``MW`` or ``kW per rack``."""
    factor: float
    """IT power under one meter, or of one rack, over what the cooling in the plan leaves."""
    hosted: bool
    """Whether the site hosts it already."""


class PowerWall(Part):
    """What is left at every level of the power tree, and which cooling would leave more."""

    levels: tuple[Headroom, ...] = ()
    lifts: tuple[Lift, ...] = ()


class Simpler(Part):
    """The alternative with fewest kinds of systems that is within some share of the plan's objective."""

    within: float
    name: str
    kinds: int
    difference: float
    """(alternative - plan) / plan of the objective."""


class ComplexityWall(Part):
    """How much there is to run, and what running it takes."""

    kinds: int
    """Kinds of systems at work, as ``limits.kinds`` counts them: (system, chip, cooling)."""
    pools: int
    """Pools at work, as ``limits.pools`` counts them: what does one job of one workload on one kind at one site."""
    stacks: int
    """Different software stacks: a vendor's, with the framework or engine of a kind of work."""
    domains: int
    """Scale-up domains, each of which a fault of its fabric may stop."""
    largest_domain_chips: int
    spares: int
    """Spare systems of runs."""
    people: float
    """Operations staff, by the catalog's figure for a megawatt."""
    lost: float
    """Of the chips' time: spare systems, restarts, lost work and checkpoints of runs, 0 to 1."""
    simpler: tuple[Simpler, ...] = ()
    """Of the alternatives that the plan names, within 1, 2 and 5% of its objective; none where none is simpler."""


class Walls(Part):
    """What the plan presses against, hardest first."""

    binding: tuple[WallName, ...]
    """Walls that bind, hardest first; empty where none does."""
    pressure: dict[WallName, float]
    """How hard each presses; 1 and more binds (docs/supernodes.md says what each is measured by)."""
    sentence: str
    """The wall that binds, or the nearest limit, with its figures."""
    communication: CommunicationWall
    power: PowerWall
    complexity: ComplexityWall
