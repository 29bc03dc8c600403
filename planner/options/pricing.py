"""What some whole systems at a place need and cost: power, racks, network, money, carbon, water.

One function over arrays of designs on one choice of hardware; ``verify`` calls the same function with arrays of length
one for what a plan chose. A design is a lot that stands from the day it is there until the horizon ends and the work
that occupies it: both are priced by ``ownership``, as every lot and every piece of work is, so a system costs the same
whoever may use it and however a question is planned.

- Money is present value at the scenario's start (``planner.cost.tco``): what is bought is charged for the years that it
  stands within the horizon. Energy, carbon, water and rent of a run are those of its own days; the systems stay bought
  after it.
- Systems take ports of the fabric that their work needs (``planner.network.fabric``): a run on one system none, others
  and every serving unit those of a pod, runs beyond a pod's tiers those of a larger fabric.
- What stands and does nothing is switched off, or idles where the scenario says ``fleet.idle_systems: powered``.
- What stands at a site already is paid for: capital is left out, its upkeep is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Catalog
from planner.cost.finance import HOURS_PER_YEAR
from planner.cost.tco import LINES
from planner.errors import InputError, Problem
from planner.facility.power import system_power
from planner.network.fabric import FABRICS, Fabric, fabrics_for, port, scale_out_rate
from planner.options.hardware.choices import Choice
from planner.options.hardware.offers import SPOT
from planner.options.hardware.timeline import DAYS_PER_MONTH, Timeline, span_of
from planner.options.ownership import RunPrice, Standing, price_lot, price_run, rented_for_run, standing
from planner.scenario.types import Scenario

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class Designs:
    """Designs to price, int64 or float64 arrays (n,).

    ``systems``: whole systems of a unit, spares in; ``spares``: of them; ``chips``: chips that work; ``activity``:
    share of a chip's power range while working; ``run_hours``: hours of work in the horizon; ``cluster``: whether the
    systems of a unit form one network of their own (a run) or take ports of a shared pod (a replica).
    """

    systems: Ints
    spares: Ints
    chips: Ints
    activity: Floats
    run_hours: Floats
    cluster: bool


@dataclass(frozen=True)
class Priced:
    """Figures of a unit of each design, float64 arrays (n,), in the units of the names. Lines sum to ``cost_usd``."""

    it_peak_w: Floats
    it_average_w: Floats
    facility_peak_w: Floats
    facility_average_w: Floats
    power_breakdown_w: Mapping[str, Floats]
    racks: Floats
    capex_usd: Floats
    capex_lines_usd: Mapping[str, Floats]
    cost_usd: Floats
    cost_lines_usd: Mapping[str, Floats]
    network: Mapping[str, Floats]
    pue: float
    opex_usd_by_year: Floats
    carbon_t_by_year: Floats
    water_m3_by_year: Floats
    """What falls into each year of the plan, (n, years)."""
    horizon_years: float
    rent_term: tuple[str, ...] = ()
    """Of rented designs the term of each."""

    @property
    def opex_usd_per_year(self) -> Floats:
        """Running cost of the mean year of the plan, (n,)."""
        return np.asarray(self.opex_usd_by_year.sum(axis=1) / self.horizon_years, np.float64)

    @property
    def carbon_t(self) -> Floats:
        """Of the whole plan, (n,)."""
        return np.asarray(self.carbon_t_by_year.sum(axis=1), np.float64)

    @property
    def water_m3(self) -> Floats:
        """Of the whole plan, (n,)."""
        return np.asarray(self.water_m3_by_year.sum(axis=1), np.float64)


def horizon_hours(scenario: Scenario, ready_days: float) -> float:
    """Hours from the day systems are there to the end of the horizon; raises ``InputError`` when none are left."""
    years = scenario.horizon_years - ready_days / DAYS_PER_YEAR
    if years <= 0:
        raise InputError(Problem("delivered after the horizon ends"))
    return years * HOURS_PER_YEAR


def price(scenario: Scenario, catalog: Catalog, choice: Choice, designs: Designs, ready_days: float) -> Priced:
    """Price designs on a choice of hardware that is there ``ready_days`` after the scenario's start.

    Raises ``UnknownFigureError`` for figures nobody published, ``InputError`` with the reason when the hardware does
    not fit the place (rack power) or arrives too late.
    """
    horizon_hours(scenario, ready_days)  # raises when nothing of the horizon is left
    line = span_of(scenario, catalog, ready_days)
    n, per_system = len(designs.systems), choice.system.unit_chips
    systems, spares = designs.systems.astype(np.float64), designs.spares.astype(np.float64)
    working = systems - spares
    stands = [
        (mine, standing(scenario, catalog, choice, line, fabric, loads=not designs.cluster))
        for fabric, mine in _fabrics(catalog, choice, designs)
    ]

    def of_stand(figure: str) -> Floats:
        """A figure of one system, as each design's stands, (n,)."""
        return _spread(n, ((mine, getattr(stand, figure)) for mine, stand in stands))

    def of_network(name: str) -> Floats:
        return _spread(n, ((mine, stand.network[name]) for mine, stand in stands))

    per_chip = of_network("power_w") / per_system
    busy = system_power(catalog, choice.system, choice.chip, choice.pair, activity=designs.activity,
                        power_cap=choice.power_cap, network_w_per_chip=per_chip,
                        swing_max=choice.swing_max if designs.cluster else 1.0)  # fmt: skip
    idle = system_power(catalog, choice.system, choice.chip, choice.pair, activity=0.0,
                        power_cap=choice.power_cap, network_w_per_chip=per_chip)  # fmt: skip
    breakdown = {name: _row(busy.breakdown[name] * working + idle.breakdown[name] * spares, n)
                 for name in busy.breakdown}  # fmt: skip
    it_average = _row(busy.it_average_w * working + idle.it_average_w * spares, n)
    facility_average: Floats = np.sum(list(breakdown.values()), axis=0)
    sums = _Sums(n, line.years)
    # a run is so many days, a load so much of the years that it is there
    hours_per_month = DAYS_PER_MONTH * 24.0 if designs.cluster else HOURS_PER_YEAR / 12.0
    months, days = np.full(n, line.edges[0]), designs.run_hours / hours_per_month * DAYS_PER_MONTH
    terms = np.full(n, "", dtype=object)
    for mine, stand in stands:
        count = systems[mine]
        if choice.acquire == "rent":
            for term, taken, offer in _rented(scenario, catalog, line, stand, designs, mine):
                terms[taken] = term
                sums.add(taken, offer.lines_usd, (offer.opex_usd, offer.carbon_t, offer.water_m3))
        else:
            lot = price_lot(scenario, catalog, line, stand, choice.acquire, 0, 1)
            sums.add(mine, {name: v * count for name, v in lot.lines_usd.items()},
                     [np.outer(count, v) for v in (lot.opex_usd, lot.carbon_t, lot.water_m3)])  # fmt: skip
            for name, usd in lot.capex_lines_usd.items():
                sums.capex.setdefault(name, np.zeros(n))[mine] += usd * count
        drawn = it_average[mine] - stand.it_base_w * count, facility_average[mine] - stand.facility_base_w * count
        work = price_run(line, stand, drawn, months[mine], days[mine], hours_per_month=hours_per_month)
        sums.add(mine, work.lines_usd, (work.opex_usd, work.carbon_t, work.water_m3))
    lines = {name: sums.lines[name] for name in LINES if name in sums.lines and sums.lines[name].any()}
    return Priced(
        it_peak_w=of_stand("it_peak_w") * systems,
        it_average_w=it_average,
        facility_peak_w=of_stand("facility_peak_w") * systems,
        facility_average_w=facility_average,
        power_breakdown_w=breakdown,
        racks=of_stand("racks") * systems,
        capex_usd=np.sum(list(sums.capex.values()), axis=0) if sums.capex else np.zeros(n),
        capex_lines_usd=sums.capex,
        cost_usd=np.sum(list(lines.values()), axis=0) if lines else np.zeros(n),
        cost_lines_usd=lines,
        network={name: of_network(name) * systems for name in port(catalog, None, "none")},
        pue=choice.pair.pue,
        opex_usd_by_year=sums.by_year[0],
        carbon_t_by_year=sums.by_year[1],
        water_m3_by_year=sums.by_year[2],
        horizon_years=float(scenario.horizon_years),
        rent_term=tuple(map(str, terms)) if choice.acquire == "rent" else (),
    )


class _Sums:
    """Money by line and figures by year of n designs, added up from lots, rents and work."""

    def __init__(self, n: int, years: int) -> None:
        self.lines: dict[str, Floats] = {}
        self.capex: dict[str, Floats] = {}
        self.by_year = tuple(np.zeros((n, years)) for _ in range(3))
        self._n = n

    def add(self, mine: NDArray[Any], lines_usd: Mapping[str, Floats], by_year: Sequence[Floats]) -> None:
        """Figures of some designs: lines (m,); running cost, carbon and water by year (m, years)."""
        for name, usd in lines_usd.items():
            self.lines.setdefault(name, np.zeros(self._n))[mine] += usd
        for total, more in zip(self.by_year, by_year, strict=True):
            total[mine] += more


def _rented(
    scenario: Scenario, catalog: Catalog, line: Timeline, stand: Standing, designs: Designs, mine: NDArray[np.bool_]
) -> Iterator[tuple[str, Ints, RunPrice]]:
    """(term, designs that take it, their rent): nothing but money depends on the term, so where none is asked for the
    cheapest at present value beats the others; of equals the first."""
    index = np.flatnonzero(mine)
    starts = np.full(len(index), line.edges[0])
    # what may be taken away lasts longer, so it is a choice of its own and never just the cheapest
    free = [name for name in scenario.hardware.rent_terms if name != SPOT]
    terms = [stand.choice.rent_term] if stand.choice.rent_term else free
    count, days = designs.systems[mine], designs.run_hours[mine] / 24.0
    offers = [rented_for_run(scenario, catalog, line, stand, term, count, starts, days) for term in terms]
    best = np.argmin([offer.cost_usd for offer in offers], axis=0)
    for k, (term, offer) in enumerate(zip(terms, offers, strict=True)):
        taken = best == k
        if taken.any():
            lines = {name: usd[taken] for name, usd in offer.lines_usd.items()}
            yield term, index[taken], RunPrice(
                offer.cost_usd[taken], lines, offer.opex_usd[taken], offer.carbon_t[taken], offer.water_m3[taken]
            )  # fmt: skip


def _fabrics(catalog: Catalog, choice: Choice, designs: Designs) -> Iterator[tuple[Fabric, NDArray[np.bool_]]]:
    """The fabrics in which designs stand, and which of them (n,)."""
    if not designs.cluster or choice.acquire == "rent":
        yield "pod", np.ones(len(designs.systems), dtype=np.bool_)
        return
    rate, chips = scale_out_rate(choice.system, choice.chip), choice.system.unit_chips
    needed = fabrics_for(catalog, rate, designs.systems, designs.systems * chips, *choice.network)
    for fabric in FABRICS:
        if (needed == fabric).any():
            yield fabric, needed == fabric


def _spread(n: int, parts: Iterable[tuple[NDArray[np.bool_], float]]) -> Floats:
    """A figure of each design (n,), from those of the designs' fabrics."""
    found = np.zeros(n)
    for mine, figure in parts:
        found[mine] = figure
    return found


def _row(value: float | Floats, n: int) -> Floats:
    """A number or an array as an array (n,) of its own."""
    return np.array(np.broadcast_to(np.asarray(value, np.float64), (n,)))
