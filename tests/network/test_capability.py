"""Levels of remote memory: what the record of a system says, and what each step of it changes."""

from __future__ import annotations

import pytest

from planner.catalog import load_catalog
from planner.network.capability import LEVELS, capability, host_bytes_per_chip, level_of
from planner.options.work.pools import pools_of
from planner.performance.compile import build_platform
from planner.performance.platform import Platform
from planner.report.catalog import list_rows, show_dict

CATALOG = load_catalog()


@pytest.mark.parametrize(
    ("record", "level"),
    [
        (("", "", ""), None), (("nic", "", ""), 0), (("copy", "server", ""), 1), (("copy", "domain", "none"), 2),
        (("load_store", "domain", "package"), 3), (("load_store", "domain", "domain"), 4),
    ],
)  # fmt: skip
def test_levels_of_records(record: tuple[str, str, str], level: int | None) -> None:
    """L0 NIC copy; L1 peer DMA; L2 one address space and asynchronous copies; L3 load and store; L4 coherent."""
    assert level_of(*record) == level


@pytest.mark.parametrize(
    ("system", "level", "chips"),
    [
        # synchronous load and store over the domain is documented of UB Memory (Ascend 950), not of the 910C's cores
        ("cloudmatrix384", 2, 384), ("atlas_950_8192", 3, 8192), ("gb200_nvl72", 3, 72), ("hgx_h100_oem", 3, 8),
        ("tpu_v5p_pod", 1, 8960), ("gaudi3_8", 0, 8), ("kuae_10k_s5000", None, 8), ("mtt_c256", None, 256),
    ],
)  # fmt: skip
def test_levels_of_systems(system: str, level: int | None, chips: int) -> None:
    """Claims without a documented mechanism have no level; nothing on the market is coherent over its domain."""
    record = CATALOG.systems[system]
    found = capability(CATALOG, record, CATALOG.chips[record.chip_ids[0]])
    assert (found.level, found.chips) == (level, chips)
    assert found.words.startswith(f"L{level}: {LEVELS[level]}" if level is not None else "not documented")
    rows = {row["id"]: row["remote_memory"] for row in list_rows(CATALOG, "systems")}
    assert rows[system] == (None if level is None else f"L{level}")
    assert found.words in show_dict(CATALOG, system)["remote_memory"].values()


def test_levels_agree_with_what_is_pooled() -> None:
    """Memory is pooled over a domain where the record's address space spans it, which is level 2 and more."""
    for system in CATALOG.systems.values():
        level = level_of(*(system.text(name) for name in ("remote_access", "address_scope", "coherent_scope")))
        assert system.text("address_scope") != "domain" or (level or 0) >= 2, system.id


def at_level(**record: object) -> Platform:
    """The 910C supernode with another record of remote memory."""
    known = CATALOG.with_assumptions({"systems": {"cloudmatrix384": {"host_dram_tb": 144, **record}}})
    return build_platform(known, "cloudmatrix384", "ascend_910c", "d2c_1p")


def test_levels_give_what_they_say() -> None:
    """L0 ends fast links at the server, L1 reaches the domain, L2 pools memory, L3 and L4 drop messages."""
    nic = at_level(remote_access="nic", address_scope="server")
    peer = at_level(remote_access="copy", address_scope="server")
    pooled = at_level()
    loads = at_level(remote_access="load_store")
    coherent = at_level(remote_access="load_store", coherent_scope="domain")
    assert (nic.tiers[0].size, peer.tiers[0].size) == (8, 384)
    scopes = [pools_of(CATALOG_HOST, x, network=False)[0].scope for x in (nic, peer, pooled, loads)]
    assert scopes == ["server", "server", "domain", "domain"]
    reads = [x.remote.small_read_s for x in (nic, pooled, loads, coherent)]
    assert reads == pytest.approx([6.9e-6, 2.9e-6, 1.9e-6, 1.9e-6])  # 1.9 us measured; 5 and 1 us of software
    assert loads.remote.small_write_s > coherent.remote.small_write_s == coherent.remote.small_read_s


CATALOG_HOST = CATALOG.with_assumptions({"systems": {"cloudmatrix384": {"host_dram_tb": 144}}})


def test_host_memory_is_of_the_whole_system() -> None:
    """NVL72 has 17 TB of host memory for its 72 chips, not for each tray of four."""
    host = host_bytes_per_chip(CATALOG.systems["gb200_nvl72"])
    assert host == pytest.approx(17e12 / 72)
    (pool,) = pools_of(CATALOG, build_platform(CATALOG, "gb200_nvl72", "gb200", "d2c_1p"), network=False)
    assert pool.bytes_per_chip == pytest.approx(0.8 * 17e12 / 72)
