"""Ports of a scale-out fabric: what joining systems costs, as shares of the smallest fabric that holds their work.

One rule for every fleet (docs/cost.md): a system that works alone needs no fabric; systems that work together take
ports of a pod of ``POD_ENDPOINTS``; a job larger than the tiers of such a pod join takes ports of a fabric with one
tier more. A port costs the same whoever takes it, so work that shares a fabric pays what it would pay alone.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Catalog
from planner.catalog.records import Chip, System
from planner.network.bill_of_materials import fat_tree, tree_reach

Fabric = Literal["none", "pod", "large"]
"""No fabric, ports of a pod, ports of a fabric with a tier more than a pod has."""
FABRICS: tuple[Fabric, ...] = ("none", "pod", "large")
"""From the smallest to the largest; what a smaller one joins a larger one joins too."""

POD_ENDPOINTS = 512
"""Ports of the pod that replicas and smaller runs share."""
LARGE_ENDPOINTS = 131_072
"""Ports at which a fabric of one tier more is whole, so that its price a port is that of any other full one."""
COUNTS = ("switches", "links", "endpoint_links", "optics", "price_usd", "power_w")
PARTS = ("switches", "optics", "cables")


def scale_out_rate(system: System, chip: Chip) -> float | None:
    """Gb/s of scale-out a chip: the system's figure, else the chip's; None where neither is published."""
    rate = system.get("scaleout_gbit_s_per_chip")
    return chip.get("scaleout_gbit_s_per_chip") if rate is None else rate


def fabrics_for(
    catalog: Catalog, rate: float | None, systems: NDArray[np.int64], chips: NDArray[np.int64]
) -> NDArray[np.object_]:
    """The smallest fabric of each of some jobs, (n,) of ``Fabric``."""
    if not rate:
        return np.full(len(systems), "none", dtype=object)
    larger = np.where(chips <= pod_reach(catalog, rate), "pod", "large")
    return np.where(systems <= 1, "none", larger).astype(object)


def port(catalog: Catalog, rate: float | None, fabric: Fabric) -> dict[str, float]:
    """Counts, USD and watts of one port: ``COUNTS`` and ``{PARTS}_usd``."""
    if fabric == "none" or not rate:
        return dict.fromkeys((*COUNTS, *(f"{part}_usd" for part in PARTS)), 0.0)
    endpoints = POD_ENDPOINTS if fabric == "pod" else LARGE_ENDPOINTS
    whole = fat_tree(endpoints, rate, catalog=catalog)
    found = {name: float(getattr(whole, name)) / endpoints for name in COUNTS}
    return found | {f"{part}_usd": float(whole.breakdown[part]) / endpoints for part in PARTS}


def pod_reach(catalog: Catalog, rate: float) -> int:
    """Most chips that as many tiers as a pod has can join."""
    tiers = int(fat_tree(POD_ENDPOINTS, rate, catalog=catalog).tiers)
    return tree_reach(rate, tiers, catalog=catalog)
