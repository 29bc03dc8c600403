"""The columns of the optimization model: one priced way to run one workload at one place from one period on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from planner.errors import NOT_PUBLISHED
from planner.options.work.redundancy import Redundancy
from planner.scenario.topology import FAT_TREE, Topology

Role = Literal["train", "serve", "prefill", "decode", "recommend", "post_train", "generate"]
Acquire = Literal["buy", "rent", "installed"]
BEYOND = 1.25
"""Options reach this much past limits and deadlines. The rows of the model keep plans within them; what lies just
beyond is there so that one more unit of a limit can be priced by solving again."""


def milliseconds(value: float) -> str:
    """A latency in a reason, to three digits and never as a power of ten: 4.06, 24.3, 6949."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


@dataclass(frozen=True)
class Option:
    """One unit of an option: some whole systems doing one job. The solver chooses how many units.

    A training run is one unit (``max_units`` 1) of a fixed number of systems; serving counts units of one replica over
    whole systems, or of one system that holds several replicas. Figures are per unit, over the whole horizon unless
    the name says per year; money is present value at the scenario's start. ``rates`` is what a unit gives:
    ``{"run": 1}`` for training, ``{"prefill": requests/s, "decode": requests/s}`` for serving.
    """

    id: str
    workload: str
    role: Role
    location: str
    site: str
    period: int
    system: str
    chip: str
    cooling: str
    interconnect: str
    acquire: Acquire
    precision: str
    systems: int
    spares: int
    chips: int
    replicas: int
    max_units: int
    racks: float
    rates: Mapping[str, float]
    tokens_per_s: float
    finish_days: float
    """Days from the scenario's start until a run has ended, as predicted; 0 of a load."""
    it_peak_w: float
    it_average_w: float
    facility_peak_w: float
    facility_average_w: float
    capex_usd: float
    cost_usd: float
    carbon_t: float
    water_m3: float
    due_days: float = 0.0
    """Days until a run has ended with the confidence that is asked: what deadlines are held to; 0 of a load."""
    parallelism: Mapping[str, int] = field(default_factory=dict)
    redundancy: Redundancy | None = None
    """Of a load that must survive failures of its units: what it asks."""
    bought_chips: int = 0
    """Chips of all its systems, spares and idle ones too; 0 where they are the ones that work."""

    cache_pool: str = ""
    """Of a load whose phases may be apart: replicas that hand caches to each other (``work.serving.cache_pool``)."""
    power_cap: float = 1.0
    """Enforced share of the chips' TDP."""
    topology: Topology = FAT_TREE
    """Design of the scale-out network."""
    rent_term: str = ""
    """Commitment of what is rented."""
    opex_usd_by_year: tuple[float, ...] = ()
    carbon_t_by_year: tuple[float, ...] = ()
    water_m3_by_year: tuple[float, ...] = ()
    """What falls into each year of the plan."""
    mix: str = ""
    """Shared by the two options of a run on two kinds of systems, bought together or not at all; one has the rate."""

    @property
    def all_chips(self) -> int:
        """Chips that a limit on chips counts."""
        return self.bought_chips or self.chips

    @property
    def on_site(self) -> bool:
        """Whether it draws power and takes racks of a site."""
        return self.acquire != "rent"


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something that could not become an option, and why, in the user's words."""

    option: str
    reason: str

    @property
    def lacks_figure(self) -> bool:
        """Whether it is for want of a figure that nobody published."""
        return NOT_PUBLISHED in self.reason


@dataclass(frozen=True)
class OptionSet:
    """All options of a scenario and how they were found."""

    options: tuple[Option, ...]
    dropped: tuple[Dropped, ...]
    enumerated: int
    """Legal combinations generated, before the memory filter."""
    candidates: int
    """Legal combinations that fit in memory and were priced."""
    pruned: int
    """Priced options that another one dominates in every respect."""
    best_effort: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """{(workload, quantity): best value any candidate reached}: what to say when a latency or date is out of reach."""
    rivals: tuple[Option, ...] = ()
    """Of ``pruned``, those that only hardware of another kind dominates: no best plan needs them, a comparison does."""
