"""Facts with sources, read from catalog/."""

from planner.catalog.catalog import Catalog, load_catalog
from planner.catalog.records import Chip, Cooling, CostItem, Figure, Interconnect, Record, Region, System

__all__ = [
    "Catalog",
    "Chip",
    "Cooling",
    "CostItem",
    "Figure",
    "Interconnect",
    "Record",
    "Region",
    "System",
    "load_catalog",
]
