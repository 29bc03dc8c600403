"""The tiers a chip of a system talks through, from the catalog."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from planner.catalog import Catalog
from planner.catalog.records import Chip, Interconnect, System
from planner.errors import UnknownFigureError
from planner.network.designs import tiers_in
from planner.network.remote import inner_chips
from planner.network.tiers import Tier
from planner.network.transfer import over_network
from planner.scenario.topology import FAT_TREE, Topology

EVERYWHERE = 1 << 40
"""Size of a tier that spans all chips there are."""


@dataclass(frozen=True, slots=True)
class NetworkDefaults:
    """What is used where the catalog has neither a measured collective nor a link's own figure.

    Efficiencies are shares of the raw one-direction rate that large collectives reach: 0.68-0.75 measured on NVLink 3-5
    (gather and scatter), 0.6-0.8 between nodes. Latencies are seconds of one step.
    """

    scale_up_efficiency: float = 0.70
    scale_up_latency_s: float = 4e-6
    host_bus_efficiency: float = 0.35
    scale_out_efficiency: float = 0.80
    scale_out_latency_s: float = 6e-6
    oversubscription: float = 1.0


DEFAULTS = NetworkDefaults()
_BRIDGED = 8  # cards joined in pairs or fours by a bridge
_BIG_DOMAIN = 256  # a pod: jobs inside it need no scale-out network


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _base(chip_id: str) -> str:
    return re.sub(r"_(sxm|40_sxm|80_sxm|80|40|liquid|air|oam)$", "", chip_id)


def link_of(catalog: Catalog, chip: Chip) -> Interconnect | None:
    """The catalog's link record a chip's scale-up link is, or None."""
    name = _plain(chip.text("scaleup_link"))
    if not name:
        return None
    links = [i for i in catalog.interconnects.values() if i.kind == "link" and i.vendor in {chip.vendor, "multi"}]
    scored = []
    for link in links:
        keys = {_plain(link.id), _plain(link.name.split("(")[0])}
        own = max((len(k) for k in keys if k and (name.startswith(k) or k.startswith(name))), default=0)
        if own:
            scored.append((_base(chip.id) in link.id or _base(chip.id).upper() in link.name, own, link.id, link))
    return max(scored)[3] if scored else None


def measured_efficiency(catalog: Catalog, chip: Chip) -> float | None:
    """Mean share of the link rate of measured all-gather, reduce-scatter and all-to-all on this chip, or None."""
    wanted = _base(chip.id)
    shares = []
    for record in catalog.interconnects.values():
        if record.kind != "measured" or not record.id.startswith(f"meas_{wanted}_"):
            continue
        share = record.get("busbw_fraction_of_link")
        if share is not None and "all_reduce" not in record.id:
            shares.append(share)
    return sum(shares) / len(shares) if shares else None


def _figure(system: System, chip: Chip, field: str) -> float | None:
    own = system.get(field)
    return own if own is not None else chip.get(field)


def tiers_of(
    catalog: Catalog, system: System, chip: Chip, defaults: NetworkDefaults = DEFAULTS, topology: Topology = FAT_TREE
) -> tuple[Tier, ...]:
    """Innermost first: the scale-up domain, then the scale-out network that spans everything, in a design's parts.

    A supernode's servers share their domain's link, so they are no tier of their own; a torus pod is one scale-up
    tier. Bandwidths and sizes are the system's figures, else the chip's. Raises ``UnknownFigureError`` naming the
    system's field where neither is published; a pod of 256 chips or more without a scale-out figure has one tier, and
    jobs larger than it raise when they are priced.
    """
    domain = _figure(system, chip, "scaleup_domain_chips")
    per_server = system.server_chips
    rate = _figure(system, chip, "scaleup_gb_s_unidir_per_chip")
    if domain is None:
        raise UnknownFigureError("systems", system.id, "scaleup_domain_chips")
    if rate is None:
        raise UnknownFigureError("systems", system.id, "scaleup_gb_s_unidir_per_chip")
    link = link_of(catalog, chip)
    efficiency = measured_efficiency(catalog, chip)
    if efficiency is None:
        own = link.get("efficiency_default") if link else None
        efficiency = own if own is not None else defaults.scale_up_efficiency
    bus = domain <= 1  # chips of a server that talk over the host's bus
    if bus:
        efficiency = min(efficiency, defaults.host_bus_efficiency)
    latency_us = link.get("latency_us_typical") if link else None
    latency = latency_us * 1e-6 if latency_us is not None else defaults.scale_up_latency_s
    inner = Tier(
        name=link.name if link else "scale-up",
        size=inner_chips(system, int(per_server if bus else domain), per_server),
        bandwidth=rate * 1e9,
        latency=latency,
        efficiency=efficiency,
        in_switch_reduction=chip.text("in_switch_reduction") == "yes" and not bus,
        kind="scale_up",
    )
    tiers = [inner]
    host = chip.get("host_gb_s_unidir")
    if per_server > inner.size and domain < _BRIDGED and host is not None:  # bridged cards: the rest over the host bus
        bus_rate = host * 1e9
        tiers.append(
            Tier("host bus", int(per_server), bus_rate, defaults.scale_up_latency_s, defaults.host_bus_efficiency)
        )
    out = _figure(system, chip, "scaleout_gbit_s_per_chip")
    if out is None:
        if inner.size >= _BIG_DOMAIN:
            return tuple(tiers)
        raise UnknownFigureError("systems", system.id, "scaleout_gbit_s_per_chip")
    outer = Tier(
        name="scale-out",
        size=EVERYWHERE,
        bandwidth=out * 1e9 / 8.0,
        latency=defaults.scale_out_latency_s,
        efficiency=defaults.scale_out_efficiency,
        oversubscription=defaults.oversubscription,
        kind="scale_out",
    )
    access = system.text("nic_access") or "both"
    if access == "host" and host is not None:  # collectives pass the host's memory at both ends, in pieces
        route = over_network(outer, host * 1e9, access, pipelined=True)
        copies = sum(stage.latency_s for stage in route.stages) - outer.latency
        outer = replace(
            outer, bandwidth=min(outer.bandwidth, route.rate / outer.efficiency), latency=outer.latency + copies
        )
    return (*tiers, *tiers_in(topology, outer, out, catalog=catalog))
