"""What the catalog knows of ways to get a system, and why one of them is not open to a plan."""

from __future__ import annotations

from collections.abc import Iterator

from planner.catalog import Catalog
from planner.catalog.records import Chip, System
from planner.cost.tco import RentTerm, rent_terms
from planner.options.option import Dropped
from planner.scenario.types import Scenario

TERMS = ("on_demand", "1y", "3y")
SPOT = "spot"


def known_terms(scenario: Scenario, catalog: Catalog) -> dict[str, RentTerm]:
    """The terms a rent can have: the catalog's, and spot where the scenario says what it costs."""
    spot = scenario.hardware.spot
    more = {} if spot is None else {SPOT: RentTerm(SPOT, 0.0, 1.0 - spot.price_share)}
    return rent_terms(catalog) | more


def closed_offers(scenario: Scenario, catalog: Catalog) -> Iterator[Dropped]:
    """Offers of the systems that a scenario names which it leaves closed, each with the word that would open it.

    Only of named systems: of a whole catalog nobody reads them.
    """
    hardware = scenario.hardware
    for name in dict.fromkeys(hardware.systems):
        system = catalog.system(name)
        chip = next((catalog.chips[c] for c in system.chip_ids if c in catalog.chips), None)
        if chip is None:
            continue
        yield from _closed(scenario, system, chip)
        for other in catalog.systems.values():
            single = other.text("role") == "instance" and other.chip_ids == system.chip_ids
            if single and other.id not in hardware.systems and system.text("role") != "instance":
                usd = chip.get("rent_usd_per_h")
                rate = f" at {usd:g} USD an hour" if usd is not None else ""
                yield Dropped(
                    f"{other.id}, one chip by the hour{rate}",
                    "hardware.systems does not name it",
                )


def _closed(scenario: Scenario, system: System, chip: Chip) -> Iterator[Dropped]:
    hardware = scenario.hardware
    price, rent = system.get("price_usd"), chip.get("rent_usd_per_h")
    if "buy" not in hardware.acquire and price is not None:
        yield Dropped(f"{system.id}, bought at {price:,.0f} USD", "hardware.acquire leaves buy out")
    if rent is None:
        return
    offer = f"{system.id}, rented at {rent:g} USD a chip-hour"
    if "rent" not in hardware.acquire:
        yield Dropped(offer, "hardware.acquire leaves rent out")
        return
    closed = [t for t in TERMS if t not in hardware.rent_terms]
    if closed:
        yield Dropped(f"{offer}, {' or '.join(closed)}", "hardware.rent_terms leaves it out")
    if hardware.spot is None:
        yield Dropped(f"{offer}, spot", "hardware.spot says no price and no rate of interruptions")
