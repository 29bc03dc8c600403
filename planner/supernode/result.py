"""The answer about a supernode as data."""

from __future__ import annotations

from pydantic import Field

from planner.outlook.result import Document, Part


class Step(Part):
    """The best plan of the scenario on one system with one record assumed."""

    name: str
    what: str
    """What this step adds, or what was taken away."""
    assumed: dict[str, float | str] = Field(default_factory=dict)
    """Fields of the system or chip that were assumed."""
    status: str
    value: float | None = None
    """Of the scenario's objective; None without a plan."""
    worth: float | None = None
    """(value - reference) / reference of the objective, negative where it is better (of throughput: where it is less).
    The reference: of levels the one before, of mechanisms the highest level, of movers the cores."""
    days: float | None = None
    """End of the last run."""
    chips: int | None = None
    systems: int | None = None
    tco_usd: float | None = None
    worth_usd: float | None = None
    """Cost over the horizon that the step saves against its reference; where the objective is time or throughput, the
    share of the reference's cost that the time saved, or the work gained, is. Negative where it costs more."""
    facility_mw: float | None = None
    exposed_share: float | None = None
    """Share of the chips' time that is exposed communication."""
    binding_wall: str = ""
    fault_chips: int | None = None
    """Chips of the domain that a fault of its fabric may stop."""
    pays_usd_per_chip: float | None = None
    """Price of a chip up to which the step pays more than its reference: what it saves, in price of systems."""
    answer: str = ""


class SupernodeAnswer(Document):
    """What each level of remote memory, each mechanism and who moves the bytes is worth on a load."""

    objective: str
    unit: str
    system: str
    chip: str
    domain_chips: int
    best: Step
    """The scenario as it is, whatever system it chooses."""
    as_sold: Step
    """The best plan on this system alone, with the record that the catalog has of it."""
    even_usd_per_chip: float | None = None
    """Price of one of its chips at which ``as_sold`` costs what ``best`` costs; None where the objective is not cost or
    the price is not known."""
    price_usd_per_chip: float | None = None
    levels: tuple[Step, ...] = ()
    """Empty where the system's fast links join one server only."""
    taken_away: tuple[Step, ...] = ()
    movers: tuple[Step, ...] = ()
    findings: tuple[str, ...] = ()
