"""Levels of remote memory: what the record of a system says, and that a level by itself changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.catalog import Catalog, load_catalog
from planner.network.capability import LEVELS, capability, host_bytes_per_chip, level_of
from planner.network.topology import tiers_of
from planner.options.work.pools import pools_of
from planner.performance.compile import build_platform
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


def test_one_address_space_is_what_pools_rest_on() -> None:
    """The mechanism (memory pooled over a domain) and the record never say different things of a system."""
    for system in CATALOG.systems.values():
        spans = system.text("address_scope") == "domain"
        assert spans == (system.text("unified_memory_addressing") == "yes"), system.id
        level = level_of(*(system.text(name) for name in ("remote_access", "address_scope", "coherent_scope")))
        assert not spans or (level or 0) >= 2, system.id


def without_record(catalog: Catalog, name: str) -> Catalog:
    """The catalog with a system whose record of remote memory is empty."""
    system = catalog.systems[name]
    kept = {k: v for k, v in system.attributes.items() if k not in {"remote_access", "coherent_scope", "address_scope"}}
    return replace(catalog, systems={**catalog.systems, name: replace(system, attributes=kept)})


def test_a_level_alone_gives_nothing() -> None:
    """Same links, same pools, same platform with and without the record: benefits come through mechanisms only."""
    known = CATALOG.with_assumptions({"systems": {"cloudmatrix384": {"host_dram_tb": 144}}})
    bare = without_record(known, "cloudmatrix384")
    system, chip = known.systems["cloudmatrix384"], known.chips["ascend_910c"]
    assert capability(bare, bare.systems["cloudmatrix384"], chip).level is None
    assert tiers_of(known, system, chip) == tiers_of(bare, bare.systems["cloudmatrix384"], chip)
    platforms = [build_platform(c, "cloudmatrix384", "ascend_910c", "d2c_1p") for c in (known, bare)]
    assert platforms[0] == platforms[1]
    assert pools_of(known, platforms[0], network=False) == pools_of(bare, platforms[1], network=False)
    assert capability(known, system, chip).pool_tb == pytest.approx(144.0)


def test_host_memory_is_of_the_whole_system() -> None:
    """NVL72 has 17 TB of host memory for its 72 chips, not for each tray of four."""
    host = host_bytes_per_chip(CATALOG.systems["gb200_nvl72"])
    assert host == pytest.approx(17e12 / 72)
    (pool,) = pools_of(CATALOG, build_platform(CATALOG, "gb200_nvl72", "gb200", "d2c_1p"), network=False)
    assert pool.bytes_per_chip == pytest.approx(0.8 * 17e12 / 72)
