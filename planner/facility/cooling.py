"""Cooling as a bundle: what a (system, chip) pair gains, draws, costs and drinks in one way of cooling in one climate.

Air against liquid is not a PUE tweak: the same choice moves chip power, server fans, rack density, plant cost and
water, so everything that depends on it is read here, once, into one ``CoolingPair``.

The climate law. A region's *burden* b runs from 0 (free cooling all year) to 1 (mechanical cooling all year, or a 45 C
design day). Each option publishes three figures (low, typical, high) of PUE and WUE; they are read as the values at
b = 0, 1/2, 1 and joined by straight lines. The breadth of an option's range is what the climate can do to it: wide for
room air, narrow for warm water, so one burden serves all options.

    b_year = 1 - free_cooling_hours / 8760           hours below 18 C; else clip((wet bulb - 15) / 15), else 1/2
    b_peak = max(b_year, clip((dry bulb - 20) / 25)) the design day, on which the connection must still hold
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner.catalog import Catalog
from planner.catalog.records import Chip, Cooling, Record, Region, System
from planner.errors import InputError, Problem

AIR = ("air_crah", "air_inrow", "rdhx")
COLD_PLATE = ("d2c_1p", "d2c_1p_hybrid", "d2c_2p")
IMMERSION = ("immersion_1p", "immersion_2p")
OPTIONS = (*AIR, *COLD_PLATE, *IMMERSION)
"""Every option a chip can live in, air first; the rest of the cooling table is plant behind them."""

WORDS: dict[str, tuple[str, ...]] = {
    "air": AIR,
    "liquid": COLD_PLATE,
    "liquid_cold_plate": COLD_PLATE,
    "immersion": IMMERSION,
}
"""Words that stand for several options in a site's or a record's list."""

HOURS_PER_YEAR = 8760.0
WET_BULB_EASY_C, WET_BULB_HARD_C = 15.0, 30.0
"""Design wet bulb at which burden is 0 and 1 where the hours of free cooling are not known (documented default)."""
DRY_BULB_EASY_C, DRY_BULB_HARD_C = 20.0, 45.0
"""Design dry bulb at which the design-day burden is 0 and 1. 45 C less the 8-12 K approach of a dry cooler leaves no
margin to 30-45 C supply water; at 20 C every option but chilled room air runs free (documented default)."""
UNKNOWN_BURDEN = 0.5


@dataclass(frozen=True)
class CoolingPair:
    """One way to cool one (system, chip) in one region.

    ``pue`` is the yearly average and prices energy; ``pue_peak`` is of the design day and sizes the connection.
    ``pue_low`` and ``pue_high`` are the option's published range. ``fan_fraction``: share of server power that its own
    fans take. ``fan_fraction_rated``: that share inside the system's nameplate. ``rack_kw_max``: IT kW of one rack.
    ``capex_usd_per_kw``: cooling plant per kW of IT. ``wue_l_per_kwh``: litres per kWh of IT energy.
    ``throughput_factor`` multiplies compute rates; 1 where the chip has separate rows for air and liquid.
    """

    cooling_id: str
    pue: float
    pue_low: float
    pue_high: float
    pue_peak: float
    fan_fraction: float
    fan_fraction_rated: float
    rack_kw_max: float
    capex_usd_per_kw: float
    wue_l_per_kwh: float
    throughput_factor: float
    burden: float


def expand_cooling(words: Sequence[str]) -> tuple[str, ...]:
    """Cooling option ids behind a list that may use ``air``, ``liquid``, ``immersion``; order of first mention."""
    found: dict[str, None] = {}
    for word in words:
        for option in WORDS.get(word, (word,)):
            found[option] = None
    return tuple(found)


def cooling_choices(system: System, chip: Chip, hosted: Sequence[str]) -> tuple[str, ...]:
    """Cooling options that the system is sold in, the chip can live in and the site hosts; air first.

    ``hosted`` is the site's list of ids or words. An empty list of the system or of the chip means that the record
    does not say, and leaves the choice to the other one. Empty result: nothing fits.
    """
    allowed = set(expand_cooling(hosted))
    for own in (system.cooling, chip.cooling):
        if own:
            allowed &= set(expand_cooling(own))
    known = [option for option in OPTIONS if option in allowed]
    return (*known, *sorted(allowed.difference(OPTIONS)))


def climate_burden(region: Region) -> tuple[float, float]:
    """(yearly, design-day) burden of a region's climate, each in [0, 1]; see the law at the head of this module."""
    hours, wet, dry = (
        region.get("free_cooling_hours_per_year"),
        region.get("design_wet_bulb_c"),
        region.get("design_dry_bulb_c"),
    )
    if hours is not None:
        year = float(np.clip(1.0 - hours / HOURS_PER_YEAR, 0.0, 1.0))
    elif wet is not None:
        year = float(np.clip((wet - WET_BULB_EASY_C) / (WET_BULB_HARD_C - WET_BULB_EASY_C), 0.0, 1.0))
    else:
        year = UNKNOWN_BURDEN
    if dry is None:
        return year, year
    day = float(np.clip((dry - DRY_BULB_EASY_C) / (DRY_BULB_HARD_C - DRY_BULB_EASY_C), 0.0, 1.0))
    return year, max(year, day)


def at_burden(record: Record, name: str, burden: float) -> float:
    """A figure of a cooling option at a climate burden: its low, value and high at 0, 1/2 and 1, linear between.

    Raises ``UnknownFigureError`` when the central value is unknown; a missing end takes the central value.
    """
    value = record.need(name)
    figure = record.figure(name)
    low = value if figure is None or figure.low is None else figure.low
    high = value if figure is None or figure.high is None else figure.high
    return float(np.interp(burden, (0.0, 0.5, 1.0), (low, value, high)))


def cooling_refusal(catalog: Catalog, system: System, chip: Chip, cooling_id: str) -> str | None:
    """Why this (system, chip) cannot live in this cooling, or None when it can.

    Checks what the system is sold in, what the chip can live in, and the chip's TDP against the option's limit (its
    high figure where the catalog gives one: the best product). A chip whose TDP is unknown is not refused here:
    pricing its power will ask for the figure.
    """
    option = catalog.cooling_option(cooling_id)
    if not cooling_choices(system, chip, (option.id,)):
        which = system.id if system.cooling and option.id not in expand_cooling(system.cooling) else chip.id
        return f"{which} is not made for {option.id}"
    figure, tdp = option.figure("chip_tdp_w_max"), chip.get("tdp_w")
    limit = None if figure is None else (figure.value if figure.high is None else figure.high)
    if limit is not None and tdp is not None and tdp > limit:
        return f"{option.id} takes chips up to {limit:g} W, {chip.id} draws {tdp:g} W"
    return None


def cooling_pair(catalog: Catalog, system: System, chip: Chip, cooling_id: str, region: Region) -> CoolingPair:
    """The bundle of one cooling option for one (system, chip) in one region.

    Rack limit: racks filled from servers are planned at the option's typical limit; a system that is sold as a rack or
    more was qualified with its cooling by its maker, so it takes the largest product and never less than its own rack.
    Throughput: an option's factor holds against the air-cooled variant, so it applies only to a chip that lives in both
    air and liquid with one row of figures.

    Raises ``InputError`` with the reason of ``cooling_refusal``, ``UnknownFigureError`` for missing figures of the
    option. Figures: the cooling table of the catalog.
    """
    reason = cooling_refusal(catalog, system, chip, cooling_id)
    if reason is not None:
        raise InputError(Problem(reason, remedy="Choose another cooling, system or chip."))
    option = catalog.cooling_option(cooling_id)
    year, peak = climate_burden(region)
    figure = option.figure("pue")
    pue = at_burden(option, "pue", year)
    fan = option.need("server_fan_power_fraction")
    lives_in = set(expand_cooling(chip.cooling))
    both = bool(lives_in & set(AIR)) and bool(lives_in - set(AIR))
    return CoolingPair(
        cooling_id=option.id,
        pue=pue,
        pue_low=pue if figure is None or figure.low is None else figure.low,
        pue_high=pue if figure is None or figure.high is None else figure.high,
        pue_peak=at_burden(option, "pue", peak),
        fan_fraction=fan,
        fan_fraction_rated=_rated_fan_fraction(catalog, system, fan),
        rack_kw_max=_rack_kw_max(system, option),
        capex_usd_per_kw=option.need("capex_usd_per_kw"),
        wue_l_per_kwh=at_burden(option, "wue_l_per_kwh", year),
        throughput_factor=(option.get("relative_chip_throughput") or 1.0) if both else 1.0,
        burden=year,
    )


def _rated_fan_fraction(catalog: Catalog, system: System, own: float) -> float:
    """Fan share inside the system's published power: of air for a server that is sold in air (its rating covers it);
    the least of its options for racks and supernodes, whose power is stated for the liquid they ship with."""
    options = expand_cooling(system.cooling)
    if system.kind == "server":
        options = tuple(option for option in options if option in AIR)
    shares = [catalog.cooling_option(option).get("server_fan_power_fraction") for option in options]
    known = [share for share in shares if share is not None]
    if not known:
        return own
    return max(known) if system.kind == "server" else min(known)


def _rack_kw_max(system: System, option: Cooling) -> float:
    typical: float = option.need("rack_kw_typical_max")
    if system.kind == "server":
        return typical
    own = system.get("power_kw_rack") or 0.0
    return max(typical, option.get("rack_kw_product_max") or 0.0, own)
