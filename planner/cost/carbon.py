"""Carbon: what the grid emits for the energy drawn, and what making the hardware emitted, spread over its life.

    operational = facility kWh x grid kg/kWh                          (PUE is already inside facility power)
    embodied    = base + board (m mem/80 + (1 - m) TDP/700)           kg per chip with its server share

The H100 figure is the catalog's ``co2_embodied_h100`` (250 kg with server share); its board part is 164 kg (HGX H100
baseboard 1,312 kg / 8). The board part scales with memory (stacks and their packaging) and with TDP (silicon area,
power stages, heat sinks); m = 0.38 is what NVIDIA's published H100 to B200 ratio implies: 0.50/0.66 kg per FLOP at 2.3
times the FLOPs is 1.74, and 0.38 x 180/80 + 0.62 x 1000/700 = 1.74 (developer.nvidia.com, HGX B200 embodied carbon).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.catalog import Catalog
from planner.catalog.records import Chip

Array = NDArray[np.float64]

BOARD_KG_H100 = 164.0
MEMORY_SHARE = 0.38
H100_MEMORY_GB, H100_TDP_W = 80.0, 700.0


def operational_kg(facility_kwh: ArrayLike, carbon_kg_per_kwh: ArrayLike) -> Array:
    """kg CO2e of the energy a facility draws (PUE inside), at the grid's average intensity."""
    return np.asarray(np.asarray(facility_kwh, np.float64) * np.asarray(carbon_kg_per_kwh, np.float64), np.float64)


def embodied_kg_per_chip(catalog: Catalog, chip: Chip) -> float:
    """kg CO2e of making one chip and its share of the server. Unknown memory or TDP counts as the H100's.

    A ratio that is not known is taken as 1: embodied carbon is a few per cent of the total on most grids.
    """
    h100: float = catalog.cost("co2_embodied_h100")
    board = min(BOARD_KG_H100, h100)
    memory = (chip.get("mem_gb") or H100_MEMORY_GB) / H100_MEMORY_GB
    tdp = (chip.get("tdp_w") or H100_TDP_W) / H100_TDP_W
    return (h100 - board) + board * (MEMORY_SHARE * memory + (1.0 - MEMORY_SHARE) * tdp)


def embodied_kg(kg_per_chip: ArrayLike, chips: ArrayLike, years: ArrayLike, life_years: float) -> Array:
    """Share of the hardware's embodied carbon that ``years`` of use out of its life carry; never more than all."""
    share = np.minimum(1.0, np.asarray(years, np.float64) / life_years)
    return np.asarray(np.asarray(kg_per_chip, np.float64) * np.asarray(chips, np.float64) * share, np.float64)
