"""From the catalog's records to the platform the performance model reads: figures in SI units, unknowns named."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from planner.catalog import Catalog
from planner.catalog.records import Chip, System
from planner.errors import InputError, Problem
from planner.network.designs import whole_reach
from planner.network.fabric import scale_out_rate
from planner.network.movers import mover_of
from planner.network.remote import remote_memory
from planner.network.topology import EVERYWHERE, tiers_of
from planner.performance.laws import family_of
from planner.performance.measured.calibration import efficiency_of, shipped_training_calibration
from planner.performance.measured.neighbours import shipped_neighbours
from planner.performance.platform import Platform
from planner.scenario.topology import FAT_TREE, Topology

GIB = float(1 << 30)
# A device shows about 99% of its nominal memory (binary gigabytes): an 80 GB H100 79.2-79.6 GiB.
USABLE_SHARE = 0.99
DEFAULT_HOST_GB_S = 25.0

PEAK_FIELDS: Mapping[str, str] = {
    "bf16": "bf16_fp16_tflops_dense",
    "fp8": "fp8_tflops_dense",
    "int8": "int8_tops_dense",
    "fp4": "fp4_tflops_dense",
}

# Chips whose matrix units were cut for export (H20: a quarter of its family's peak per watt) keep the power, caches and
# bandwidth of the whole chip, so products wait for neither: published prefill of H20 (SGLang, vLLM, Mooncake) takes
# 0.5-0.75 of the time that the family's share of the peak would give. Bounded so that no product passes 0.95 of it.
CUT_DENSITY, UNTHROTTLED = 1.0 / 3.0, 1.35
AIR = frozenset({"air_crah", "air_inrow", "rdhx"})
"""Cooling options that bring air to a chip."""


def clock_factor(catalog: Catalog, chip: Chip, cooling_id: str) -> float:
    """Compute rate in a cooling over the chip's own figures.

    Liquid cooling lifts sustained clocks of silicon that is also sold for air; a variant with a row of its own for
    its cooling (one kind of cooling only) has the figures of that cooling already.
    """
    if not cooling_id or cooling_id in AIR:
        return 1.0
    kinds = {option in AIR for option in chip.cooling}
    if len(kinds) < 2 or not chip.cooling:
        return 1.0
    factor = catalog.cooling_option(cooling_id).get("relative_chip_throughput")
    return 1.0 if factor is None else factor


def _host_memory(system: System) -> float | None:
    """Bytes of host memory per chip, None where the system's is not published."""
    whole = system.get("host_dram_tb")
    return None if whole is None else whole * 1e12 / max(system.unit_chips, 1)


def headroom(catalog: Catalog, chip: Chip) -> float:
    """What large products sustain of a chip's peak over what its family does: more where matrix units were cut."""
    return UNTHROTTLED if matrix_share(catalog, chip) < 1.0 else 1.0


def matrix_share(catalog: Catalog, chip: Chip) -> float:
    """The 16-bit peak of a chip whose matrix units were cut over the median of its family's; 1 of every other."""
    family = family_of(chip.id, chip.text("family"))
    own, others = _peak_per_watt(chip), []
    for other in catalog.chips.values():
        density = _peak_per_watt(other)
        if density is not None and family_of(other.id, other.text("family")) == family:
            others.append((density, other.get(PEAK_FIELDS["bf16"]) or 0.0))
    if own is None or own >= CUT_DENSITY * median(d for d, _ in others):
        return 1.0
    return (chip.get(PEAK_FIELDS["bf16"]) or 0.0) / median(peak for _, peak in others)


def _peak_per_watt(chip: Chip) -> float | None:
    peak, power = chip.get("bf16_fp16_tflops_dense"), chip.get("tdp_w")
    return peak / power if peak and power else None


def build_platform(
    catalog: Catalog, system_id: str, chip_id: str, cooling_id: str = "", topology: Topology = FAT_TREE
) -> Platform:
    """The platform of one chip variant in one system and cooling, in a scale-out network of some design.

    Raises ``InputError`` on an unknown id or a chip that the system is not sold with, ``UnknownFigureError`` when
    memory, its bandwidth, the 16-bit peak, or a link figure is not published and not assumed.
    """
    key = (system_id, chip_id, cooling_id, topology)
    found: Platform | None = catalog.platforms.get(key)
    if found is None:
        found = catalog.platforms[key] = _compiled(catalog, system_id, chip_id, cooling_id, topology)
    return found


def _compiled(catalog: Catalog, system_id: str, chip_id: str, cooling_id: str, topology: Topology) -> Platform:
    system, chip = catalog.system(system_id), catalog.chip(chip_id)
    if system.chip_ids and chip.id not in system.chip_ids:
        raise InputError(
            Problem(f"system {system.id} is not sold with chip {chip.id}", allowed=", ".join(system.chip_ids))
        )
    peaks = {name: value * 1e12 for name, column in PEAK_FIELDS.items() if (value := chip.get(column)) is not None}
    if "bf16" not in peaks:
        chip.need(PEAK_FIELDS["bf16"])
    usable = chip.get("usable_mem_gib")
    if usable is None:
        usable = chip.need("mem_gb") * USABLE_SHARE
    host = chip.get("host_gb_s_unidir")
    family = family_of(chip.id, chip.text("family"))
    per_server = system.server_chips
    tiers, mover = tiers_of(catalog, system, chip, topology=topology), mover_of(catalog, chip)
    largest, rate = int(system.get("largest_job_chips") or EVERYWHERE), scale_out_rate(system, chip)
    if topology != FAT_TREE and rate:
        largest = min(largest, whole_reach(topology, rate, catalog=catalog, server_chips=per_server))
    own, cut = catalog.measured, headroom(catalog, chip)
    return Platform(
        system_id=system.id,
        chip_id=chip.id,
        cooling_id=cooling_id,
        vendor=chip.vendor,
        family=family,
        peak_flops=peaks,
        memory_bytes=usable * GIB,
        memory_bandwidth=chip.need("mem_bw_tb_s") * 1e12,
        host_memory_bytes=_host_memory(system),
        host_bandwidth=(DEFAULT_HOST_GB_S if host is None else host) * 1e9,
        tiers=tiers,
        system_chips=system.unit_chips,
        part_chips=system.part_chips,
        server_chips=per_server,
        largest_job=largest,
        comm_core_share=mover.core_share,
        overlap_factor=mover.overlap_factor,
        clock_factor=clock_factor(catalog, chip, cooling_id) * cut,
        matrix_share=matrix_share(catalog, chip),
        cut_headroom=cut,
        efficiency=efficiency_of(chip, family),
        neighbours=getattr(own, "neighbours", None) or shipped_neighbours(),
        serving=getattr(own, "serving", None),
        spread=shipped_training_calibration().spread,
        nic_access=system.text("nic_access") or "both",
        remote=remote_memory(catalog, system, tiers[0].size, tiers[0].latency, tiers[0].bandwidth),
    )
