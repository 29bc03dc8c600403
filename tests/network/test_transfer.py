"""Staged copies against direct paths: closed forms, published measurements, and what plans feel of them."""

from __future__ import annotations

import numpy as np
import pytest

from planner.catalog import load_catalog
from planner.network.tiers import Tier
from planner.network.topology import tiers_of
from planner.network.transfer import (
    LINK_SHARE,
    Route,
    Stage,
    over_network,
    through_tcp,
    to_store,
    within_domain,
)
from planner.options.work.pools import pools_of
from planner.options.work.training import TrainingSearch
from planner.performance.compile import build_platform
from planner.performance.platform import Platform
from planner.performance.training.step import TrainingCandidates, TrainingJob, estimate_training
from planner.scenario.workloads import Training

CATALOG = load_catalog()
NET = Tier("net", 1 << 40, 50e9, 5e-6, 0.8, kind="scale_out")


def test_closed_forms() -> None:
    """t = m o + sum L + sum s/B one after another, s / min B pipelined; half the rate at B (o + L); M/D/1 waiting."""
    stages = (Stage("a", 20e9, 1e-6), Stage("b", 60e9, 2e-6))
    staged, piped = Route("x", stages, 5e-6), Route("y", stages, 5e-6, pipelined=True)
    assert staged.seconds(1e9, 10) == pytest.approx(10 * 5e-6 + 3e-6 + 1 / 20 + 1 / 60)
    assert piped.seconds(1e9, 10) == pytest.approx(10 * 5e-6 + 3e-6 + 1 / 20)
    assert staged.rate == pytest.approx(15e9)
    assert staged.effective_rate(staged.half_size) == pytest.approx(staged.rate / 2)
    assert staged.half_size == pytest.approx(15e9 * 8e-6)
    assert staged.seconds(1e9, 1, 0.5) - staged.seconds(1e9) == pytest.approx(0.5 * 1 / 20)
    assert np.all(np.diff(staged.seconds(1e9, 1, np.linspace(0, 0.9, 5))) > 0)


@pytest.mark.parametrize(
    ("access", "source", "target", "stages"),
    [
        ("both", "device", "device", 1), ("both", "host", "device", 1), ("device", "device", "device", 1),
        ("device", "host", "device", 2), ("host", "device", "device", 3), ("host", "host", "store", 1),
        ("device", "host", "store", 2), ("host", "device", "store", 2),
    ],
)  # fmt: skip
def test_direct_paths_drop_stages(access: str, source: str, target: str, stages: int) -> None:
    """A pass over the host's link at either end whose memory the network cards do not reach."""
    assert len(over_network(NET, 64e9, access, source, target).stages) == stages  # type: ignore[arg-type]


def measured(name: str) -> float:
    return CATALOG.interconnects[name].need("gb_s_unidir_per_chip")


def test_remote_host_memory_over_roce() -> None:
    """Ports of A3 are on the chip, so a remote host's memory is copied twice: 20 GB/s measured (HIXL design)."""
    platform = build_platform(CATALOG, "atlas_800_a3", "ascend_910c", "d2c_1p")
    route = over_network(platform.tiers[-1], platform.host_bandwidth, platform.nic_access, source="host")
    assert route.rate / 1e9 == pytest.approx(measured("remote_dram_roce_a3"), rel=0.2)
    assert platform.tiers[-1].bandwidth * platform.tiers[-1].efficiency / 1e9 > 1.5 * measured("remote_dram_roce_a3")


def test_transfer_engine_and_tcp() -> None:
    """Mooncake's engine on 4 x 200 Gb/s: 87 GB/s direct; on 8 x 400 190, and 4.6 times less through TCP."""
    direct = over_network(Tier("net", 1 << 40, 4 * 25e9, 5e-6, 0.8), 64e9, "both")
    assert direct.rate / 1e9 == pytest.approx(87, rel=0.2)
    assert through_tcp(87e9).rate / 1e9 == pytest.approx(87 / 2.4, rel=0.02)  # what the copy rate was read from
    assert through_tcp(190e9).rate / 1e9 == pytest.approx(190 / 4.6, rel=0.2)


def test_a_cache_over_the_fabric_and_over_roce() -> None:
    """4,096 tokens of DeepSeek-V3 (288 MB): 2.8 ms over the fabric of A3 and 14 ms over RoCE, of 612 of compute."""
    size = 70_272.0 * 4096
    fabric = within_domain(103e9, 2.9e-6)
    assert fabric.seconds(size) == pytest.approx(2.8e-3, rel=0.02)
    platform = build_platform(CATALOG, "atlas_800_a3", "ascend_910c", "d2c_1p")
    staged = over_network(platform.tiers[-1], platform.host_bandwidth, platform.nic_access, source="host")
    assert staged.seconds(size) == pytest.approx(14e-3, rel=0.2)


def platform_with(nic_access: str) -> Platform:
    known = CATALOG.with_assumptions({"systems": {"hgx_h100_oem": {"nic_access": nic_access, "host_dram_tb": 2}}})
    return build_platform(known, "hgx_h100_oem", "h100_sxm", "air_inrow")


def test_synchronisation_through_the_host() -> None:
    """Without direct access each synchronisation pays two copies of latency and the host link's rate; steps grow."""
    direct, copied = platform_with("both"), platform_with("host")
    out, away = direct.tiers[-1], copied.tiers[-1]
    assert away.latency == pytest.approx(out.latency + 2e-6)
    slow = CATALOG.with_assumptions(
        {"systems": {"hgx_h100_oem": {"nic_access": "host"}}, "chips": {"h100_sxm": {"host_gb_s_unidir": 8}}}
    )
    tiers = tiers_of(slow, slow.systems["hgx_h100_oem"], slow.chips["h100_sxm"])
    assert tiers[-1].bandwidth * tiers[-1].efficiency == pytest.approx(8e9 * LINK_SHARE)
    job = TrainingJob(CATALOG.model("llama-3.1-8b"), 4096, 256)
    layout = TrainingCandidates.of(tp=1, dp=64, zero_stage=3)
    steps = [
        float(estimate_training(job, p, layout).step_time_s[0])
        for p in (direct, copied, build_platform(slow, "hgx_h100_oem", "h100_sxm", "air_inrow"))
    ]
    assert steps[0] < steps[1] < steps[2]


def test_pools_and_checkpoints_take_the_same_ways() -> None:
    """A store on the network is read through as many copies as the route has; checkpoints end at the slowest stage."""
    direct, copied = platform_with("both"), platform_with("host")
    pools = [pools_of(CATALOG_HOST, p, network=True, block_bytes=9e6)[0] for p in (direct, copied)]
    assert pools[0].read_bytes_per_s > 1.5 * pools[1].read_bytes_per_s
    run = Training.model_validate(
        {"kind": "training", "name": "r", "model": "llama-3.1-8b", "tokens": 1e12, "sequence_length": 4096,
         "global_batch": 256, "precision": "bf16"}
    )  # fmt: skip
    assert TrainingSearch(run, CATALOG).checkpoint_rate(direct) == 1e9  # the store's own
    fast = CATALOG.with_assumptions({"costs": {"ckpt_bw": {"value": 1000}}})
    assert TrainingSearch(run, fast).checkpoint_rate(direct) == pytest.approx(40e9)
    assert to_store(over_network(NET, 64e9, "device", "host", "store"), 1e12).rate == pytest.approx(40e9)


CATALOG_HOST = CATALOG.with_assumptions({"systems": {"hgx_h100_oem": {"host_dram_tb": 2}}})
