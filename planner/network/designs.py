"""Designs of a scale-out network: what each is made of, how far it reaches, and what its tiers leave of a port.

Counts at N endpoints over switches of k ports, with p endpoints on a switch:

    fat_tree     full bisection; two tiers up to k^2/2, three up to k^3/4 (``bill_of_materials``)
    leaf_Rto1    leaves of d down and u up, d/u = R: N u/d links a tier above the leaves
    pods_Rto1    full bisection inside pods of two tiers, R:1 between them (Llama 3: pods of 3,072, 1:7)
    rails        an independent tree for each chip of a server, one tier up to k endpoints a rail, two up to k^2/2:
                 traffic between rails hops inside the server (arXiv:2505.09343, multi-plane fat tree)
    dragonfly    groups of a = 2p switches joined all to all, h = p global ports a switch, k = 4p - 1 of 4p:
                 g (a (a - 1) + a h) / 2 links between N/p switches, up to a h + 1 groups (Kim et al., ISCA 2008)
    optical      pods of two tiers joined by optical circuit switches in the place of a third tier: N/2 circuits
    torus        a 3D torus of the chips' own ports: 3 links a chip and no switch; cubes of 64 are wired, the 96
                 links of their faces go through optical circuit switches (TPU v4: 48 for 64 cubes)

What a port keeps beyond the part that has full bisection, R the rate of a port:

    evenly spread traffic (all-to-all)   R over the oversubscription; a torus of n^3 chips 4 R / (3 n)
    one flow between distant groups      the same; a dragonfly R / 2 (non-minimal paths take each global link twice),
                                         a torus R / 6 (one of six links)
    rings                                R: few of their hops leave a part, and a torus has a link for each

Every job that shares a tier may use it at once, and then has its share: oversubscribed tiers are priced at that, full
bisection has no contention by construction. Links between pods of an optical network are set for one job at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from planner.catalog import Catalog
from planner.errors import InputError, Problem
from planner.network.bill_of_materials import (
    BillOfMaterials,
    Optics,
    fat_tree,
    optics_2026,
    priced,
    split,
    switch_radix,
    tree_reach,
)
from planner.network.tiers import Tier
from planner.scenario.topology import Topology

CUBE = 64
"""Chips of a torus that are wired electrically."""
CUBE_FACES = 96
"""Their links that leave through optical circuit switches."""
CORE = "network core"
"""Name of the tier beyond the part of a network that has full bisection."""
OCS_PODS = 64
"""Pods or cubes that circuit switches of 136 ports join, two ports of each on every switch (TPU v4)."""
DRAGONFLY_FLOW = 0.5
TORUS_LINKS = 6


@dataclass(frozen=True)
class Design:
    """One design: a shape, and the oversubscription of its leaves or between its pods."""

    shape: str
    ratio: float = 1.0

    @property
    def is_full(self) -> bool:
        """Whether any part of it can talk to any other at full rate."""
        return self.shape in {"fat_tree", "rails", "optical"}


@lru_cache
def design_of(topology: Topology) -> Design:
    """The design that a name stands for."""
    shape, _, ratio = topology.partition("_")
    if ratio.endswith("to1"):
        return Design(shape, float(ratio[: -len("to1")]))
    return Design(topology)


def refusal(topology: Topology, *, server_chips: int, domain_chips: int, nic_access: str) -> str:
    """Why a system cannot stand in a network of a design; empty where it can."""
    if topology == "rails" and min(server_chips, domain_chips) < 2:
        return "rails need fast links between the chips of a server, over which traffic changes rails"
    if topology == "torus" and nic_access != "device":
        return "a torus joins ports on the chips themselves, this system has network cards"
    return ""


def bill(
    topology: Topology, endpoints: int, gbit_s: float, *, catalog: Catalog, server_chips: int = 8,
    optics: Optics | None = None,
) -> BillOfMaterials:  # fmt: skip
    """Parts, price and power of a network of a design for ``endpoints`` of ``gbit_s`` each.

    Raises ``InputError`` beyond its reach, ``UnknownFigureError`` where a part has no price.
    """
    design = design_of(topology)
    reach = whole_reach(topology, gbit_s, catalog=catalog, server_chips=server_chips)
    if endpoints > reach:
        raise InputError(Problem(f"more endpoints than {topology} holds", found=str(endpoints), allowed=str(reach)))
    if design.shape in {"fat_tree", "pods"}:
        pod = tree_reach(gbit_s, 2, catalog=catalog)
        ratio = design.ratio if endpoints > pod else 1.0
        return fat_tree(endpoints, gbit_s, oversubscription=ratio, catalog=catalog, optics=optics)
    if design.shape == "rails":
        return fat_tree(endpoints, gbit_s, catalog=catalog, planes=rails(server_chips), optics=optics)
    k, n = switch_radix(catalog, gbit_s), endpoints
    tiers, circuits = 2, 0
    if design.shape == "leaf":
        down, up = split(k, design.ratio)
        leaves = -(-n // down) if n > k else 1
        links = leaves * up if n > k else 0
        switches = leaves + -(-links // k)
        if n > k * down:  # what leaves send up takes a tree of two tiers of its own
            middle = -(-links // (k // 2))
            switches, tiers = leaves + middle + -(-middle * (k // 2) // k), 3
            links += middle * (k // 2)
        elif n <= k:
            tiers = 1
    elif design.shape == "dragonfly":
        p, a, h = dragonfly_parts(k)
        switches = -(-n // p)
        groups = -(-switches // a)
        # the last group is joined as far as it is built
        rest = switches - (groups - 1) * a
        links = (groups - 1) * a * (a - 1) // 2 + rest * (rest - 1) // 2 + (switches * h // 2 if groups > 1 else 0)
        tiers = 2 if groups > 1 else 1
    elif design.shape == "optical":
        pod = tree_reach(gbit_s, 2, catalog=catalog)
        if n <= pod:
            return fat_tree(n, gbit_s, catalog=catalog, optics=optics)
        half = k // 2
        leaves = -(-n // half)
        circuits = -(-leaves * half // 2)
        switches, links, tiers = 2 * leaves, leaves * half + circuits, 3
    else:  # a torus
        cubes = -(-n // CUBE)
        circuits = cubes * CUBE_FACES // 2 if cubes > 1 else 0
        return _torus(n, gbit_s, circuits, catalog, optics)
    one = np.asarray(1, np.int64)
    return priced(
        catalog, gbit_s, endpoints=one * n, tiers=one * tiers, planes=one, switches=one * switches, links=one * links,
        circuits=one * circuits, optics=optics,
    )  # fmt: skip


def _torus(n: int, gbit_s: float, circuits: int, catalog: Catalog, optics: Optics | None) -> BillOfMaterials:
    """Links of a sixth of a port: wired ones are cables, those through circuit switches have a module at both ends."""
    one, parts = np.asarray(1, np.int64), optics or optics_2026(catalog)
    optical = priced(
        catalog, gbit_s / TORUS_LINKS, endpoints=one * n, tiers=one, planes=one, switches=one * 0,
        links=one * circuits, endpoint_links=one * 0, circuits=one * circuits, optics=parts,
    )  # fmt: skip
    wired = (3 * n - circuits) * parts.fibre_usd
    price = {**optical.breakdown, "cables": optical.breakdown["cables"] + wired}
    return replace(optical, links=one * 3 * n, price_usd=optical.price_usd + wired, breakdown=price)


def rails(server_chips: int) -> int:
    """Independent trees of a rail network: one for each chip of a server, eight at most."""
    return max(1, min(8, server_chips))


def dragonfly_parts(radix: int) -> tuple[int, int, int]:
    """(endpoints on a switch, switches of a group, global ports of a switch) of a balanced dragonfly."""
    p = radix // 4
    return p, 2 * p, p


def part_reach(topology: Topology, gbit_s: float, *, catalog: Catalog, server_chips: int = 8) -> int:
    """Most chips of the smallest part: a pod, a rail's switches, a group; what replicas and smaller runs share."""
    k = switch_radix(catalog, gbit_s)
    design = design_of(topology)
    if design.shape == "rails":
        return rails(server_chips) * k
    if design.shape == "dragonfly":
        p, a, _ = dragonfly_parts(k)
        return p * a
    if design.shape == "leaf":
        return k * split(k, design.ratio)[0]
    if design.shape == "pods":
        return (k // 2) * split(k, design.ratio)[0]
    return CUBE * 8 if design.shape == "torus" else tree_reach(gbit_s, 2, catalog=catalog)


def whole_reach(topology: Topology, gbit_s: float, *, catalog: Catalog, server_chips: int = 8) -> int:
    """Most chips that a network of a design joins."""
    k = switch_radix(catalog, gbit_s)
    design = design_of(topology)
    if design.shape == "rails":
        return rails(server_chips) * tree_reach(gbit_s, 2, catalog=catalog)
    if design.shape == "dragonfly":
        p, a, h = dragonfly_parts(k)
        return p * a * (a * h + 1)
    if design.shape == "leaf":
        return k * (k // 2) * split(k, design.ratio)[0]
    if design.shape == "optical":
        return OCS_PODS * tree_reach(gbit_s, 2, catalog=catalog)
    return CUBE * CUBE if design.shape == "torus" else 8 * tree_reach(gbit_s, 3, catalog=catalog)


def tiers_in(topology: Topology, outer: Tier, gbit_s: float, *, catalog: Catalog) -> tuple[Tier, ...]:
    """The tiers of a network in the place of ``outer``, which has full bisection and spans everything.

    ``gbit_s``: of one chip, which sets the ports of the switches.
    """
    design = design_of(topology)
    if design.is_full:
        return (outer,)
    if design.shape == "torus":
        return (replace(outer, flow=1.0 / TORUS_LINKS, dimensions=3),)
    k = switch_radix(catalog, gbit_s)
    if design.shape == "dragonfly":
        p, a, _ = dragonfly_parts(k)
        return (replace(outer, size=p * a), replace(outer, name=CORE, flow=DRAGONFLY_FLOW))
    down = split(k, design.ratio)[0]
    size = down if design.shape == "leaf" else (k // 2) * down
    return (replace(outer, size=size), replace(outer, name=CORE, oversubscription=design.ratio))
