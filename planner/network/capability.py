"""What chips of one scale-up domain can do with each other's memory: a record, and the level that sums it up.

    L0  copies by the network card only
    L1  engines copy between memories of the domain (DMA, remote DMA)
    L2  one address space over the domain, host memory in it, copied by engines
    L3  loads, stores and atomics of the cores themselves; coherence is the software's
    L4  the same, kept coherent by hardware over the whole domain

A level is a word for people, read from the record that acts (``network.remote``): how far fast links reach, what host
memory is pooled over, what a small access costs. Two systems of one level may differ in all of these, and a level holds
over the chips of the domain, which for a plain server are eight.
"""

from __future__ import annotations

from dataclasses import dataclass

from planner.catalog import Catalog
from planner.catalog.records import Chip, System
from planner.errors import UnknownFigureError
from planner.network.remote import remote_memory
from planner.network.topology import tiers_of

LEVELS = (
    "copies by the network card only",
    "engines copy between memories",
    "one address space, copied by engines",
    "loads and stores, coherent by software",
    "coherent by hardware",
)


RECORD = ("remote_access", "address_scope", "coherent_scope")
"""The texts of the catalog that a level is read from."""


@dataclass(frozen=True, slots=True)
class Capability:
    """Of one system with one chip. Texts are empty and figures None where nothing is documented."""

    level: int | None
    chips: int | None
    """Chips of the domain that the level holds over."""
    remote_access: str
    address_scope: str
    coherent_scope: str
    bandwidth_gb_s: float | None
    """Of one chip into the domain, one direction."""
    latency_us: float | None
    """Of a small read of another chip's memory, software included, as the performance model takes it."""
    pool_tb: float | None
    """Host memory of the domain that its chips share by addresses."""

    @property
    def label(self) -> str:
        """``L2``, or nothing where the level is not known."""
        return "" if self.level is None else f"L{self.level}"

    @property
    def words(self) -> str:
        """The record in one line for people."""
        if self.level is None:
            return "not documented"
        parts = [f"{self.label}: {LEVELS[self.level]}"]
        if self.chips:
            parts.append("1 chip" if self.chips == 1 else f"{self.chips:,} chips")
        if self.bandwidth_gb_s:
            parts.append(f"{self.bandwidth_gb_s:,.4g} GB/s a chip")
        if self.latency_us:
            parts.append(f"{self.latency_us:.3g} us")
        if self.pool_tb:
            parts.append(f"{self.pool_tb:,.4g} TB of host memory in it")
        return ", ".join(parts)


def level_of(remote_access: str, address_scope: str, coherent_scope: str) -> int | None:
    """The level of a record; None where how memory is reached is not documented."""
    if remote_access == "load_store":
        return 4 if coherent_scope == "domain" else 3
    if remote_access == "copy":
        return 2 if address_scope == "domain" else 1
    return 0 if remote_access == "nic" else None


def host_bytes_per_chip(system: System) -> float | None:
    """Host memory behind one chip: that of the whole system, shared evenly; None where it is not published."""
    dram = system.get("host_dram_tb")
    return None if dram is None else dram * 1e12 / system.need("chips_total")


def domain_chips(system: System, chip: Chip) -> int:
    """Chips of one scale-up domain: the system's figure, else the chip's; 1 where neither is published."""
    return int(system.get("scaleup_domain_chips") or chip.get("scaleup_domain_chips") or 1)


def capability(catalog: Catalog, system: System, chip: Chip) -> Capability:
    """The record of one system with one chip; never raises for what is not published."""
    access, scope, coherent = (system.text(name) for name in RECORD)
    domain = system.get("scaleup_domain_chips") or chip.get("scaleup_domain_chips")
    try:
        inner = tiers_of(catalog, system, chip)[0]
    except UnknownFigureError:
        inner = None
    host = host_bytes_per_chip(system)
    pool = host * domain / 1e12 if scope == "domain" and host and domain else None
    return Capability(
        level=level_of(access, scope, coherent),
        chips=int(domain) if domain else None,
        remote_access=access,
        address_scope=scope,
        coherent_scope=coherent,
        bandwidth_gb_s=None if inner is None else inner.bandwidth / 1e9,
        latency_us=None
        if inner is None
        else remote_memory(catalog, system, inner.size, inner.latency, inner.bandwidth).small_read_s * 1e6,
        pool_tb=pool,
    )
