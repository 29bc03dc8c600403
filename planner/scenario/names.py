"""A scenario that calls everything by its catalog id, so that nothing later has to know aliases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from planner.catalog import Catalog
from planner.scenario.kinds import Workload
from planner.scenario.site import Hall, Site
from planner.scenario.types import Scenario
from planner.scenario.workloads import Training

V = TypeVar("V")


def with_catalog_ids(scenario: Scenario, catalog: Catalog) -> Scenario:
    """The same question with ids in the place of aliases and display names; ``check_scenario`` has accepted it.

    Region, systems, vendors, chips, models: whoever compares them compares ids.
    """

    def system(name: str) -> str:
        return catalog.system(name).id

    def either(name: str) -> str:
        return excluded_id(name, catalog) or name

    vendors = {chip.vendor.lower(): chip.vendor for chip in catalog.chips.values() if chip.vendor}

    def vendor(name: str) -> str:
        return vendors.get(name.lower(), name)

    hardware, limits, outcomes = scenario.hardware, scenario.limits, scenario.outcomes
    changes: dict[str, Any] = {
        "sites": tuple(_site(site, catalog) for site in scenario.sites),
        "hardware": hardware.model_copy(
            update={
                "systems": tuple(dict.fromkeys(system(name) for name in hardware.systems)),
                "vendors": tuple(dict.fromkeys(vendor(name) for name in hardware.vendors)),
                "exclude": tuple(dict.fromkeys(either(name) for name in hardware.exclude)),
                "rent_region": catalog.region(hardware.rent_region).id if catalog.regions else hardware.rent_region,
                "supply": _keys(hardware.supply, system),
                "price_usd": _keys(hardware.price_usd, system),
            }
        ),
        "limits": limits.model_copy(update={"vendor_share": _keys(limits.vendor_share, vendor)}),
        "workloads": tuple(
            w.model_copy(update=_of_workload(w, catalog, either)) if catalog.models else w for w in scenario.workloads
        ),
    }
    if outcomes is not None:
        by_system = {name: _keys(getattr(outcomes, name), either) for name in OUTCOMES_BY_SYSTEM}
        changes["outcomes"] = outcomes.model_copy(update=by_system)
    return scenario.model_copy(update=changes)


def _of_workload(w: Workload, catalog: Catalog, either: Callable[[str], str]) -> dict[str, object]:
    ids: dict[str, object] = {"model": catalog.model(w.model).id}
    return ids | ({"mfu_of": _keys(w.mfu_of, either)} if isinstance(w, Training) and w.mfu_of else {})


OUTCOMES_BY_SYSTEM = ("slip_quarters", "time_factor", "price_factor")
"""Distributions of ``outcomes`` that are told by system."""


def excluded_id(name: str, catalog: Catalog) -> str | None:
    """Id of the system or chip that ``hardware.exclude`` or a slip of ``outcomes`` names, or None."""
    return catalog.id_of("systems", name) or catalog.id_of("chips", name)


def _keys(given: Mapping[str, V], known: Callable[[str], str]) -> dict[str, V]:
    return {known(name): value for name, value in given.items()}


def _site(site: Site, catalog: Catalog) -> Site:
    def cooling(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(catalog.cooling_option(name).id for name in names))

    def hall(one: Hall) -> Hall:
        return one.model_copy(update={"cooling": cooling(one.cooling), "halls": tuple(map(hall, one.halls))})

    changes: dict[str, Any] = {
        "region": catalog.region(site.region).id,
        "cooling": cooling(site.cooling),
        "installed": tuple(
            block.model_copy(
                update={
                    "system": catalog.system(block.system).id,
                    "cooling": None if block.cooling is None else catalog.cooling_option(block.cooling).id,
                }
            )
            for block in site.installed
        ),
    }
    if site.capacity is not None:
        halls = tuple(hall(one) for one in site.capacity.halls)
        changes["capacity"] = site.capacity.model_copy(update={"halls": halls})
    return site.model_copy(update=changes)
