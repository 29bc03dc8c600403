"""What reaching the memory of another chip, or of another host, costs a chip of a system: the record that acts.

    access   nic         messages through the network card: the fast links join the chips of one server only
             copy        engines copy between memories of the scale-up domain (DMA, remote DMA)
             load_store  cores load and store remote memory themselves
    scope    chip        each chip sees its own memory, and the host's share behind it
             server      one address space over the chips and the host of a server
             domain      one address space over the scale-up domain, host memory in it
    coherent none | package | server | domain: over what hardware keeps copies coherent

    small access  = read_s + message_s          copies and messages, and writes that software keeps coherent
                  = read_s                      loads, and writes that hardware keeps coherent over the scope
    many at once  = min(link, outstanding x bytes / small access)      Little's law

Where a system says nothing, memory is copied by engines and shared inside a server. Sources of the defaults stand
beside them; each may be supplied by ``assume: systems``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from planner.catalog import Catalog
from planner.catalog.records import System

MESSAGE_S: Mapping[str, float] = {"nic": 5e-6, "copy": 1e-6, "load_store": 1e-6}
"""Software seconds of one message or copy where a system's ``remote_message_us`` is not published: the 5 us between
7 us through a protocol stack and 2 us by addresses (vendor's figure, Huawei Connect 2026); a doorbell and a completion
of an asynchronous copy (planner estimate)."""
READ_DRAM, WRITE_DRAM = "remote_dram_read_a3", "remote_dram_write_a3"
"""Measured rates of remote host memory over a supernode's fabric."""


@dataclass(frozen=True, slots=True)
class RemoteMemory:
    """Of one chip of a system. Times in seconds, rates in bytes/s, one direction."""

    access: str = "copy"
    scope: str = "server"
    coherent: str = "none"
    chips: int = 1
    """Chips that one address space spans."""
    read_s: float = 4e-6
    """Of a small read in the domain."""
    message_s: float = 1e-6
    read_rate: float = 1e12
    """Large reads of host memory elsewhere in the domain."""
    write_rate: float = 1e12

    @property
    def spans_domain(self) -> bool:
        """Whether chips reach memory of the whole scale-up domain by addresses."""
        return self.scope == "domain" and self.access != "nic"

    @property
    def small_read_s(self) -> float:
        """One small read, software included."""
        return self.read_s + (0.0 if self.access == "load_store" else self.message_s)

    @property
    def small_write_s(self) -> float:
        """One small write that others may have copies of: software keeps them coherent unless hardware does."""
        kept = self.access == "load_store" and self.coherent == "domain"
        return self.read_s + (0.0 if kept else self.message_s)


def inner_chips(system: System, domain: int, per_server: int) -> int:
    """Chips of the innermost tier: the domain, or one server where only network cards reach beyond it."""
    return min(domain, per_server) if system.text("remote_access") == "nic" else domain


def remote_memory(
    catalog: Catalog, system: System, inner_size: int, latency_s: float, bandwidth: float
) -> RemoteMemory:
    """The record of a system whose innermost tier has ``inner_size`` chips, ``latency_s`` and ``bandwidth``.

    Never raises for what is not published: latency is then that of the link, rates those measured on A3.
    """
    access = system.text("remote_access") or "copy"
    scope = system.text("address_scope") or "server"
    spans = {"chip": 1, "server": min(system.server_chips, inner_size), "domain": inner_size}[scope]
    read_us, message_us = system.get("remote_read_us"), system.get("remote_message_us")
    rates = []
    for field, measured in (("remote_read_gb_s", READ_DRAM), ("remote_write_gb_s", WRITE_DRAM)):
        own = system.get(field)
        known = catalog.interconnects[measured].need("gb_s_unidir_per_chip") if own is None else own
        rates.append(min(known * 1e9, bandwidth))
    return RemoteMemory(
        access=access, scope=scope, coherent=system.text("coherent_scope") or "none", chips=spans,
        read_s=latency_s if read_us is None else read_us * 1e-6,
        message_s=MESSAGE_S[access] if message_us is None else message_us * 1e-6,
        read_rate=rates[0], write_rate=rates[1],
    )  # fmt: skip
