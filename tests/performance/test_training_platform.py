"""Platforms compiled from the catalog: figures, tiers, unknowns, cooling."""

from __future__ import annotations

import pytest
from training_fixtures import dense_model

from planner.catalog import load_catalog
from planner.errors import InputError, UnknownFigureError
from planner.network.topology import EVERYWHERE
from planner.performance.compile import build_platform, clock_factor
from planner.performance.training.step import TrainingCandidates, TrainingJob, estimate_training


@pytest.fixture(scope="module")
def catalog():
    return load_catalog()


def test_a_server_has_two_tiers_in_si_units(catalog):
    p = build_platform(catalog, "dgx_h100", "h100_sxm")
    inner, outer = p.tiers
    assert (inner.size, inner.bandwidth, outer.size, outer.bandwidth) == (8, 450e9, EVERYWHERE, 50e9)
    assert 0.6 < inner.efficiency < 0.8
    assert p.peak_flops["bf16"] == pytest.approx(989.4e12)
    assert "fp4" not in p.peak_flops
    assert p.memory_bytes == pytest.approx(79.3 * 2**30, rel=0.01)
    assert (p.family, p.system_chips, p.server_chips) == ("nvidia_hopper", 8, 8)


def test_domains_are_those_of_the_system(catalog):
    assert build_platform(catalog, "gb200_nvl72", "gb200").tiers[0].size == 72
    assert build_platform(catalog, "cloudmatrix384", "ascend_910c").tiers[0].size == 384
    bridged = build_platform(catalog, "h100_pcie_8", "h100_pcie").tiers
    assert [t.size for t in bridged[:2]] == [2, 8]
    assert bridged[1].bandwidth < bridged[0].bandwidth


def test_unknown_network_is_named_and_may_be_assumed(catalog):
    with pytest.raises(UnknownFigureError, match="scaleout_gbit_s_per_chip"):
        build_platform(catalog, "sgx5000", "mtt_s5000_liquid")
    assumed = catalog.with_assumptions({"systems": {"sgx5000": {"scaleout_gbit_s_per_chip": 400}}})
    p = build_platform(assumed, "sgx5000", "mtt_s5000_liquid")
    assert p.tiers[-1].bandwidth == 50e9
    assert p.comm_core_share == 0.0
    air = build_platform(assumed, "sgx5000", "mtt_s5000_air")
    assert air.peak_flops["fp8"] / p.peak_flops["fp8"] == pytest.approx(0.92)


def test_a_pod_without_outer_network_refuses_larger_jobs(catalog):
    pod = build_platform(catalog, "tpu_v6e_pod", "tpu_v6e")
    assert len(pod.tiers) == 1
    job = TrainingJob(dense_model(), 4096, 1024)
    inside = estimate_training(job, pod, TrainingCandidates.of(dp=256, zero_stage=3), "xla")
    assert inside.step_time_s[0] > 0
    with pytest.raises(UnknownFigureError, match="scaleout_gbit_s_per_chip"):
        estimate_training(job, pod, TrainingCandidates.of(dp=512, zero_stage=3), "xla")


def test_only_silicon_sold_for_both_runs_faster_in_liquid(catalog):
    for chip in catalog.chips.values():
        factor = clock_factor(catalog, chip, "d2c_1p")
        airs = {option in {"air_crah", "air_inrow", "rdhx"} for option in chip.cooling}
        assert factor == (1.05 if len(airs) == 2 else 1.0), chip.id
        assert clock_factor(catalog, chip, "air_inrow") == 1.0
    assert clock_factor(catalog, catalog.chip("mtt_s5000_liquid"), "d2c_1p") == 1.0


def test_a_chip_the_system_is_not_sold_with_is_refused(catalog):
    with pytest.raises(InputError, match="not sold with"):
        build_platform(catalog, "dgx_h100", "gb200")


def test_every_system_compiles_or_names_what_is_missing(catalog):
    compiled, unknown = 0, set()
    for system in catalog.systems.values():
        for chip in system.chip_ids:
            try:
                p = build_platform(catalog, system.id, chip)
            except UnknownFigureError as missing:
                unknown.add(missing.field)
                continue
            compiled += 1
            assert all(t.bandwidth > 0 and 0 < t.efficiency <= 1 for t in p.tiers)
    assert compiled > 50
    assert unknown
    assert all(unknown)
