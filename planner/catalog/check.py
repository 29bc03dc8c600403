"""What is thin in a catalog: nothing here stops a plan, but someone should know."""

from __future__ import annotations

from collections.abc import Iterator

from planner.catalog.catalog import Catalog
from planner.catalog.fields import RECORD_KINDS
from planner.errors import Problem

_PLACE = ("tariff_usd_per_kwh", "carbon_kg_per_kwh", "build_capex_usd_per_mw", "design_dry_bulb_c", "design_wet_bulb_c")


def check_catalog(catalog: Catalog) -> list[Problem]:
    """Warnings about a catalog that loaded without errors, each with the path ``kind.id.field``.

    An estimate without a range; a figure without a date; a chip that no system is sold with or that nothing can cool;
    a system whose chips are not named; a system that can be neither bought nor rented without an assumption; a region
    that no figure of its own or of its parents places.
    """
    return [*_figures(catalog), *_chips(catalog), *_systems(catalog), *_regions(catalog)]


def _figures(catalog: Catalog) -> Iterator[Problem]:
    for kind in RECORD_KINDS:
        records = catalog.own_regions if kind == "regions" else catalog.records(kind)
        for record in records.values():
            for name, figure in record.figures.items():
                if figure.value is None:
                    continue
                path = f"{kind}.{record.id}.{name}"
                if figure.kind == "estimate" and figure.low is None and figure.high is None:
                    yield Problem("estimate without a range", path=path, found=f"{figure.value:g} {figure.unit}")
                if not figure.as_of and figure.kind != "assumption":
                    yield Problem("figure without a date", path=path, remedy="Fill in as_of.")


def _chips(catalog: Catalog) -> Iterator[Problem]:
    sold = {chip for system in catalog.systems.values() for chip in system.chip_ids}
    for chip in catalog.chips.values():
        path = f"chips.{chip.id}"
        if chip.id not in sold and not chip.edge:
            yield Problem(
                "no system is sold with this chip", path=path, remedy="Add a system that names it in chip_ids."
            )
        if not chip.cooling:
            yield Problem("how it is cooled is unknown", path=f"{path}.cooling")
        if not chip.text("family"):
            yield Problem("family is missing: calibration falls back to its widest group", path=f"{path}.family")


def _systems(catalog: Catalog) -> Iterator[Problem]:
    for system in catalog.systems.values():
        path = f"systems.{system.id}"
        if not system.chip_ids:
            yield Problem("which chip it is sold with is unknown", path=f"{path}.chip_ids")
            continue
        rented = any(catalog.chips[chip].get("rent_usd_per_h") is not None for chip in system.chip_ids)
        rented = rented or system.get("rent_usd_per_h") is not None
        if system.get("price_usd") is None and system.text("role") not in {"accounting", "instance"}:
            message = "price is unknown: it can only be rented" if rented else "neither a price nor a rent is known"
            yield Problem(message, path=f"{path}.price_usd")
        if system.get("chips_total") is None:
            yield Problem("how many chips one unit has is unknown", path=f"{path}.chips_total")
        for chip in system.chip_ids:
            if system.cooling and not set(system.cooling) & set(catalog.chips[chip].cooling):
                yield Problem(f"no cooling suits both the system and chip {chip}", path=f"{path}.cooling")


def _regions(catalog: Catalog) -> Iterator[Problem]:
    for region in catalog.regions.values():
        for name in _PLACE:
            if region.get(name) is None:
                yield Problem("unknown here and in every parent", path=f"regions.{region.id}.{name}")
