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
from planner.network.designs import bill, part_reach, whole_reach
from planner.scenario.topology import FAT_TREE, Topology

Fabric = Literal["none", "pod", "large"]
"""No fabric, ports of a pod, ports of a fabric with a tier more than a pod has."""
FABRICS: tuple[Fabric, ...] = ("none", "pod", "large")
"""From the smallest to the largest; what a smaller one joins a larger one joins too."""

POD_ENDPOINTS = 512
"""Ports of the pod that replicas and smaller runs share."""
LARGE_ENDPOINTS = 131_072
"""Ports at which a fabric of one tier more is whole, so that its price a port is that of any other full one."""
WHOLE_PARTS: tuple[Topology, ...] = ("rails", "dragonfly")
"""Designs whose smallest part is one tier of switches: built whole, whoever shares it."""
COUNTS = ("switches", "links", "endpoint_links", "optics", "price_usd", "power_w")
PARTS = ("switches", "optics", "cables")


def scale_out_rate(system: System, chip: Chip) -> float | None:
    """Gb/s of scale-out a chip: the system's figure, else the chip's; None where neither is published."""
    rate = system.get("scaleout_gbit_s_per_chip")
    return chip.get("scaleout_gbit_s_per_chip") if rate is None else rate


def fabrics_for(
    catalog: Catalog, rate: float | None, systems: NDArray[np.int64], chips: NDArray[np.int64],
    topology: Topology = FAT_TREE, server_chips: int = 8,
) -> NDArray[np.object_]:  # fmt: skip
    """The smallest fabric of each of some jobs, (n,) of ``Fabric``."""
    if not rate:
        return np.full(len(systems), "none", dtype=object)
    larger = np.where(chips <= pod_reach(catalog, rate, topology, server_chips), "pod", "large")
    return np.where(systems <= 1, "none", larger).astype(object)


def port(
    catalog: Catalog, rate: float | None, fabric: Fabric, topology: Topology = FAT_TREE, server_chips: int = 8
) -> dict[str, float]:
    """Counts, USD and watts of one port: ``COUNTS`` and ``{PARTS}_usd``."""
    if fabric == "none" or not rate:
        return dict.fromkeys((*COUNTS, *(f"{part}_usd" for part in PARTS)), 0.0)
    endpoints = _endpoints(catalog, rate, fabric, topology, server_chips)
    whole = bill(topology, endpoints, rate, catalog=catalog, server_chips=server_chips)
    found = {name: float(getattr(whole, name)) / endpoints for name in COUNTS}
    return found | {f"{part}_usd": float(whole.breakdown[part]) / endpoints for part in PARTS}


def _endpoints(catalog: Catalog, rate: float, fabric: Fabric, topology: Topology, server_chips: int) -> int:
    """Ports of the network that a port's price is a share of: a full one."""
    if fabric == "large":
        return min(LARGE_ENDPOINTS, whole_reach(topology, rate, catalog=catalog, server_chips=server_chips))
    if topology in WHOLE_PARTS:
        return part_reach(topology, rate, catalog=catalog, server_chips=server_chips)
    return POD_ENDPOINTS


def pod_reach(catalog: Catalog, rate: float, topology: Topology = FAT_TREE, server_chips: int = 8) -> int:
    """Most chips that as many tiers as a pod has can join."""
    if topology != FAT_TREE:
        return part_reach(topology, rate, catalog=catalog, server_chips=server_chips)
    tiers = int(fat_tree(POD_ENDPOINTS, rate, catalog=catalog).tiers)
    return tree_reach(rate, tiers, catalog=catalog)
