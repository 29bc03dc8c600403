"""What a network is made of, what it costs and what it draws: fat trees and the optics of supernodes.

A fat tree of k-port switches, d ports down and u up with d/u the oversubscription of its top tier:

    one tier     N <= k           1 switch
    two tiers    N <= k d         N/d leaves, leaves u / k spines, N u/d links
    three tiers  N <= k (k/2) d   leaves and aggregation 2N/k each, cores aggregation u / k; oversubscribed between pods

With full bisection these are the closed forms 3k/2 switches at k^2/2 endpoints and 5k^2/4 at k^3/4. Planes (rails) are
independent trees with one port of each endpoint's group: 8 planes of 2,048 serve 16,384 endpoints in two tiers.
Source of counts: arXiv:2505.09343 table 3; of prices and power: the catalog's switches and optics.

Ports below 400 Gb/s split a 400G switch; 800G has its own; faster endpoints use several 800G ports, each on a plane of
its own. Every link is optical, with a module at both ends, as in the sheets the prices come from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.catalog import Catalog
from planner.catalog.records import System
from planner.errors import InputError, Problem, UnknownFigureError

Ints = NDArray[np.int64]
Array = NDArray[np.float64]

FIBRE_USD_PER_LINK = 100.0
"""One multi-fibre cable of in-hall length, 30-50 m (planner estimate)."""
QM9700_BARE_W = 747.0
"""Quantum-2 with passive cables (its data sheet, as the catalog's power_basis quotes); the listed 1,720 W holds the
modules, which are counted apart here."""
LANE_GROUP_GBIT_S = 448.0
"""Raw rate of a 400G-class module: four lanes of 112 Gb/s."""
MAX_PLANES = 8
OCS_PORTS = 128
"""Of the 136 ports of an optical circuit switch those in use; the rest are spares (TPU v4: 48 switches for 6,144)."""
_PORT_SPEEDS = (100.0, 200.0, 400.0, 800.0)


@dataclass(frozen=True)
class Optics:
    """Prices and watts of the parts of one port speed class, USD and W.

    ``switch_module_*`` are of a twin-port 800G module, ``endpoint_module_*`` of one 400G module at the endpoint.
    """

    switch_module_usd: float
    switch_module_w: float
    endpoint_module_usd: float
    endpoint_module_w: float
    fibre_usd: float = FIBRE_USD_PER_LINK


@dataclass(frozen=True)
class BillOfMaterials:
    """A network. Arrays over the designs asked for (0-d for one).

    ``links``: between switches; ``endpoint_links``: to endpoints; ``optics``: modules. ``breakdown`` {switches, optics,
    cables} sums exactly to ``price_usd``, ``power_breakdown`` {switches, optics} to ``power_w``.
    """

    endpoints: Ints
    tiers: Ints
    planes: Ints
    switches: Ints
    links: Ints
    endpoint_links: Ints
    optics: Ints
    price_usd: Array
    power_w: Array
    breakdown: Mapping[str, Array] = field(default_factory=dict)
    power_breakdown: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class ScaleUpFabric:
    """Optical modules of one supernode. ``price_usd`` is None when no price of the module is known.

    ``in_system`` tells that the maker's price and power of the whole system already hold the fabric; add nothing then.
    """

    scale_up_optics: int
    scale_out_optics: int
    power_w: float
    price_usd: float | None
    in_system: bool

    @property
    def optics(self) -> int:
        """All modules."""
        return self.scale_up_optics + self.scale_out_optics


def optics_2026(catalog: Catalog) -> Optics:
    """Parts at mid-2026 prices: 800G SR8 twin-port at switches, 400G DR4 at endpoints. The planner's default."""
    switch, endpoint = _item(catalog, "opt_800g_sr8"), _item(catalog, "opt_400g_dr4")
    return Optics(
        switch.need("price_usd"), switch.need("power_w"), endpoint.need("price_usd"), endpoint.need("power_w")
    )


def optics_2024(catalog: Catalog) -> Optics:
    """Parts at the 2024 prices of the published cost sheets; reproduces the catalog's topology rows.

    The sheets give the twin-port module (1,100 USD) and 1,900 USD per GPU for one tier; the endpoint module is what
    remains of it after a 64th of a switch, half a twin-port module and a cable.
    """
    twin, switch = _item(catalog, "opt_nvidia_800g_2024"), _item(catalog, "sw_qm9700")
    one_tier = _item(catalog, "topo_rail_512").need("cost_usd_per_endpoint")
    share = switch.need("price_usd") / switch.need("radix_ports")
    endpoint = one_tier - share - twin.need("price_usd") / 2.0 - FIBRE_USD_PER_LINK
    return Optics(
        twin.need("price_usd"), twin.need("power_w"), endpoint, _item(catalog, "opt_400g_dr4").need("power_w")
    )


def fat_tree(
    endpoints: ArrayLike,
    gbit_s_per_endpoint: float,
    *,
    oversubscription: float = 1.0,
    catalog: Catalog,
    planes: int = 1,
    optics: Optics | None = None,
) -> BillOfMaterials:
    """Fat tree for each number of ``endpoints`` (array or number) at ``gbit_s_per_endpoint``, smallest tiers that fit.

    ``oversubscription`` >= 1 of the top tier (leaf uplinks of two tiers, pod uplinks of three). ``planes`` independent
    trees share the endpoints evenly (rails); endpoints too many for one three-tier tree take the fewest planes that
    hold them, up to 8. ``optics`` defaults to mid-2026 parts.

    Raises ``InputError`` for no endpoints, an oversubscription below 1, or more endpoints than 8 planes hold.
    """
    n = np.asarray(endpoints, np.int64)
    if np.any(n < 1):
        raise InputError(Problem("a network needs at least one endpoint", found=f"{endpoints!r}"))
    if not oversubscription >= 1.0 or not math.isfinite(oversubscription):
        raise InputError(
            Problem("oversubscription is down over up", found=f"{oversubscription:g}", allowed="1 or more")
        )
    if planes < 1 or not gbit_s_per_endpoint > 0.0:
        raise InputError(Problem("a network needs planes and a port speed", found=f"{planes}, {gbit_s_per_endpoint:g}"))
    _, speed = _ports(gbit_s_per_endpoint)
    radix = switch_radix(catalog, gbit_s_per_endpoint)
    parts = optics or optics_2026(catalog)

    down, up = split(radix, oversubscription)
    half = radix // 2
    capacity = radix * half * down
    used = np.maximum(planes, -(-n // capacity))
    if np.any(used > max(planes, MAX_PLANES)):
        most = f"{capacity * MAX_PLANES} endpoints in {MAX_PLANES} planes of {speed:g} Gb/s ports"
        raise InputError(Problem("more endpoints than a fat tree holds", found=f"{int(n.max())}", allowed=most))

    per_plane = -(-n // used)
    tiers = np.where(per_plane <= radix, 1, np.where(per_plane <= radix * down, 2, 3))
    two = _two_tiers(per_plane, radix, down, up)
    three = _three_tiers(per_plane, radix, half, down, up)
    switches_plane = np.select([tiers == 1, tiers == 2], [np.ones_like(n), two[0]], three[0])
    links_plane = np.select([tiers == 1, tiers == 2], [np.zeros_like(n), two[1]], three[1])
    return priced(
        catalog, gbit_s_per_endpoint, endpoints=n, tiers=tiers, planes=used, switches=switches_plane * used,
        links=links_plane * used, optics=parts,
    )  # fmt: skip


def priced(
    catalog: Catalog,
    gbit_s_per_endpoint: float,
    *,
    endpoints: Ints,
    tiers: Ints,
    planes: Ints,
    switches: Ints,
    links: Ints,
    endpoint_links: Ints | None = None,
    circuits: Ints | int = 0,
    optics: Optics | None = None,
) -> BillOfMaterials:
    """The bill of counted parts, for one port of each endpoint (endpoints of several ports take as many planes more).

    ``endpoint_links``: one for each endpoint where not given. ``circuits``: of ``links``, those through optical circuit
    switches, whose ports are counted and priced with the switches: two a circuit, and two fibres. Raises
    ``UnknownFigureError`` where circuit switches have no price.
    """
    ports, speed = _ports(gbit_s_per_endpoint)
    _, switch_usd, switch_w = _switch(catalog, speed)
    parts = optics or optics_2026(catalog)
    own = endpoints if endpoint_links is None else endpoint_links
    switches, links, own = switches * ports, links * ports, own * ports
    optical = -(-2 * np.asarray(circuits, np.int64) * ports // OCS_PORTS)
    twins = -(-(2 * links + own) * int(speed) // 800)  # switch-side modules, each 800 Gb/s of ports
    endpoint_module = _endpoint_module(parts, speed)
    optical_usd, optical_w = (0.0, 0.0)
    if np.any(optical):
        ocs = _item(catalog, "ocs_mems")
        optical_usd, optical_w = ocs.need("price_usd"), ocs.need("power_w")
    fibres = links + own + np.asarray(circuits, np.int64) * ports
    price = {
        "switches": _floats(switches * switch_usd + optical * optical_usd),
        "optics": _floats(twins * parts.switch_module_usd + own * endpoint_module[0]),
        "cables": _floats(fibres * parts.fibre_usd),
    }
    power = {
        "switches": _floats(switches * switch_w + optical * optical_w),
        "optics": _floats(twins * parts.switch_module_w + own * endpoint_module[1]),
    }
    return BillOfMaterials(
        endpoints=endpoints,
        tiers=tiers,
        planes=planes * ports,
        switches=switches + optical,
        links=links,
        endpoint_links=own,
        optics=twins + own,
        price_usd=_floats(price["switches"] + price["optics"] + price["cables"]),
        power_w=_floats(power["switches"] + power["optics"]),
        breakdown=price,
        power_breakdown=power,
    )


def tree_reach(gbit_s_per_endpoint: float, tiers: int, *, catalog: Catalog) -> int:
    """Most endpoints that ``tiers`` (1 to 3) full tiers of switches join."""
    radix = switch_radix(catalog, gbit_s_per_endpoint)
    down = radix // 2
    return (radix, radix * down, radix * (radix // 2) * down)[tiers - 1]


def switch_radix(catalog: Catalog, gbit_s_per_endpoint: float) -> int:
    """Ports of the switch that endpoints of a speed take, split to their speed."""
    return _switch(catalog, _ports(gbit_s_per_endpoint)[1])[0]


def scale_up_fabric(system: System, catalog: Catalog) -> ScaleUpFabric:
    """Optical modules inside one system that spans racks: scale-up links and a two-tier scale-out network.

    Scale-up: each chip drives ceil(link / 448 Gb/s) modules and the switch tier as many; scale-out: two links per 400G
    port (chip to leaf, leaf to spine), a module at each end. CloudMatrix384: 14 + 4 per chip, 6,912 in all. Systems of
    one rack, of servers, or joined by copper have none. Raises ``UnknownFigureError`` when link figures are missing.
    """
    in_system = system.get("price_usd") is not None or system.get("power_kw_total") is not None
    if not _optical(system):
        return ScaleUpFabric(0, 0, 0.0, 0.0, in_system)
    chips = int(system.need("chips_total"))
    link_gbit = system.need("scaleup_gb_s_unidir_per_chip") * 8.0
    up = chips * 2 * math.ceil(link_gbit / LANE_GROUP_GBIT_S - 1e-9)
    out_gbit = system.get("scaleout_gbit_s_per_chip") or 0.0
    out = chips * 4 * math.ceil(out_gbit / 400.0)
    module = _item(catalog, "lpo_400g")
    price = module.get("price_usd")
    return ScaleUpFabric(
        up, out, (up + out) * module.need("power_w"), None if price is None else (up + out) * price, in_system
    )


def _optical(system: System) -> bool:
    """A supernode that spans more than two racks, or says optics, and does not say it is all copper."""
    topology = system.text("scaleup_topology").lower()
    if system.kind != "supernode" or "copper" in topology or "electri" in topology:
        return False
    return "optic" in topology or (system.get("racks") or 1.0) > 2.0


def _ports(gbit_s: float) -> tuple[int, float]:
    """(ports of one endpoint, Gb/s of each): the smallest standard speed that carries it, or several of 800G."""
    for speed in _PORT_SPEEDS:
        if gbit_s <= speed:
            return 1, speed
    return math.ceil(gbit_s / _PORT_SPEEDS[-1]), _PORT_SPEEDS[-1]


def _switch(catalog: Catalog, speed: float) -> tuple[int, float, float]:
    """(ports, USD, W without modules) of the switch for ports of ``speed``: SN5600 at 800G, else QM9700, split."""
    if speed > 400.0:
        found = _item(catalog, "sw_sn5600")
        return int(found.need("radix_ports")), found.need("price_usd"), found.need("power_w")
    found = _item(catalog, "sw_qm9700")
    return int(found.need("radix_ports") * 400.0 / speed), found.need("price_usd"), QM9700_BARE_W


def _endpoint_module(parts: Optics, speed: float) -> tuple[float, float]:
    """(USD, W) at the endpoint: the 400G module up to that speed, the twin-port module above."""
    if speed > 400.0:
        return parts.switch_module_usd, parts.switch_module_w
    return parts.endpoint_module_usd, parts.endpoint_module_w


def split(radix: int, oversubscription: float) -> tuple[int, int]:
    """Ports (down, up) of the oversubscribed tier: the most down that keeps down/up within the ratio."""
    down = min(radix - 1, math.floor(radix * oversubscription / (1.0 + oversubscription) + 1e-9))
    return down, max(1, math.ceil(down / oversubscription - 1e-9))


def _two_tiers(n: Ints, radix: int, down: int, up: int) -> tuple[Ints, Ints]:
    """(switches, links): leaves with ``down`` endpoints, spines that carry all uplinks."""
    leaves = -(-n // down)
    links = leaves * up
    return leaves + -(-links // radix), links


def _three_tiers(n: Ints, radix: int, half: int, down: int, up: int) -> tuple[Ints, Ints]:
    """(switches, links): a pod joins ``down`` leaves of half down, half up by ``half`` aggregation switches.

    The last pod is built only as far as its leaves need: aggregation in proportion, never fewer than they have uplinks.
    """
    leaves = -(-n // half)
    aggregation = -(-leaves * half // down)
    uplinks = aggregation * up
    return leaves + aggregation + -(-uplinks // radix), leaves * half + uplinks


def _item(catalog: Catalog, name: str) -> Any:
    found = catalog.interconnects.get(name)
    if found is None:
        raise UnknownFigureError("interconnects", name, "price_usd")
    return found


def _floats(value: Any) -> Array:
    return np.asarray(value, np.float64)
