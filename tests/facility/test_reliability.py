"""Failures against published clusters and closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog import load_catalog
from planner.errors import InputError
from planner.facility.reliability import (
    checkpoint_floor_s,
    default_profile,
    domain_usable,
    drain_profile,
    effective_training_time,
    ettr,
    ettr_elastic,
    ettr_first_order,
    hazard,
    lost_chip_share,
    optimal_checkpoint_interval,
    spare_domains,
    spares,
    spares_for,
    with_rate,
)

PROFILE = default_profile(load_catalog())

R_LLAMA, R_RSC1, R_RSC2 = 3.8e-3, 6.5e-3, 2.34e-3


def best(chips: float, rate: float, restart: float, write: float) -> float:
    lam = hazard(chips / 8, rate)
    return float(ettr(lam, restart, write, optimal_checkpoint_interval(write, lam)))


@pytest.mark.parametrize(
    ("chips", "rate", "expected"),
    [
        (10_000, R_RSC2, (0.944, 0.982, 0.900, 0.988)),
        (10_000, R_LLAMA, (0.923, 0.973, 0.862, 0.983)),
        (10_000, R_RSC1, (0.888, 0.959, 0.802, 0.975)),
        (16_384, R_LLAMA, (0.892, 0.960, 0.808, 0.976)),
        (100_000, R_RSC2, (0.725, 0.880, 0.541, 0.935)),
        (100_000, R_RSC1, (0.465, 0.722, 0.226, 0.855)),
    ],
)
def test_renewal_table(chips: int, rate: float, expected: tuple[float, ...]) -> None:
    """Exact renewal ETTR at the best interval for (restart, write) of 600/20, 300/1, 1200/60 and 120/1 seconds."""
    policies = ((600, 20), (300, 1), (1200, 60), (120, 1))
    got = [best(chips, rate, restart, write) for restart, write in policies]
    assert got == pytest.approx(expected, abs=0.0015)


def test_llama3() -> None:
    """C2: 16,384 H100 for 54 days stopped unexpectedly 419 times and trained more than 0.90 of the time."""
    run = effective_training_time(16_384, 8, 405e9, PROFILE)
    assert float(run.stops_per_day) * 54 == pytest.approx(419, rel=0.35)
    assert float(run.value) >= 0.85
    assert float(run.low) < 0.90 < float(run.high)


@pytest.mark.parametrize(("chips", "hours"), [(16_384, 1.8), (131_072, 0.23)])
def test_rsc1_mttf(chips: int, hours: float) -> None:
    """C3: mean time to failure projected by Meta for RSC-1 (arXiv:2410.21680)."""
    assert 1.0 / float(hazard(chips / 8, R_RSC1)) / 3600.0 == pytest.approx(hours, rel=0.05)


def test_job_hazard_of_research_jobs() -> None:
    """1,024 GPUs stop every 7.9 h at RSC-1: nodes alone give 28.8 h, so the job itself adds 0.09 stops an hour."""
    assert 1.0 / float(hazard(128, R_RSC1)) / 3600.0 == pytest.approx(28.8, rel=0.01)
    assert 1.0 / float(hazard(128, R_RSC1, 0.09)) / 3600.0 == pytest.approx(7.9, rel=0.05)


@pytest.mark.parametrize("write", [1.0, 20.0, 60.0])
@pytest.mark.parametrize("chips", [1_000, 10_000])
def test_interval_and_closed_forms(write: float, chips: int) -> None:
    """C4: Daly's interval within 10%, Meta's first-order ETTR within 5% where failures are rare."""
    lam = hazard(chips / 8, R_LLAMA)
    interval = float(optimal_checkpoint_interval(write, lam))
    assert interval == pytest.approx(math.sqrt(2 * write / float(lam)) - write, rel=0.10)
    exact, first = float(ettr(lam, 300, write, interval)), float(ettr_first_order(lam, 300, write, interval))
    assert first == pytest.approx(exact, rel=0.05)


def test_100k_needs_two_minute_everything() -> None:
    """C5: at RSC-2's rate 100,000 chips reach 0.9 with about 2 minutes of restart and interval, not with 10."""
    lam = hazard(100_000 / 8, R_RSC2)
    assert float(ettr(lam, 120, 1, 120)) == pytest.approx(0.93, abs=0.03)
    assert float(ettr(lam, 600, 1, 600)) < 0.75


def test_byterobust() -> None:
    """C6: 9,600 GPUs at 0.97 with 0.04 s of blocking and a fast restart (five minutes)."""
    assert best(9_600, R_LLAMA, 300, 0.04) == pytest.approx(0.97, abs=0.02)


@pytest.mark.parametrize(
    ("nodes", "rate", "days", "expected"),
    [
        (1250, R_LLAMA, 1, 10),
        (1250, R_LLAMA, 3, 24),
        (1250, R_LLAMA, 7, 47),
        (1250, R_RSC1, 3, 37),
        (12500, R_LLAMA, 3, 171),
    ],
)
def test_spares_table(nodes: int, rate: float, days: float, expected: int) -> None:
    assert int(spares(nodes, rate, days * 86400.0)) == expected


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 300), st.floats(1e-8, 1e-2), st.floats(0.5, 2.0))
def test_interval_is_the_maximum(write: float, lam: float, factor: float) -> None:
    interval = optimal_checkpoint_interval(write, lam)
    assert ettr(lam, 100, write, interval) >= ettr(lam, 100, write, interval * factor) * (1 - 1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 200_000), st.integers(1, 200_000), st.floats(1e8, 2e12))
def test_more_chips_never_raise_ettr(a: int, b: int, parameters: float) -> None:
    few, many = effective_training_time([min(a, b), max(a, b)], 8, parameters, PROFILE).value
    assert many <= few * (1 + 1e-9)
    run = effective_training_time(a, 8, parameters, PROFILE)
    assert 0.0 <= float(run.low) <= float(run.value) <= float(run.high) <= 1.0


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 3000), st.floats(0.5, 0.999))
def test_spares_cover_and_one_less_does_not(mean: float, quantile: float) -> None:
    k = int(spares(mean, 1.0, 86400.0, quantile))
    logs = [i * math.log(mean) - mean - math.lgamma(i + 1) for i in range(k + 1)] if mean > 0 else [0.0]
    cdf = np.cumsum(np.exp(logs))
    assert cdf[-1] >= quantile * (1 - 1e-9)
    if k > 0:
        assert cdf[-2] < quantile * (1 + 1e-9)


def test_drain_floor_and_profiles() -> None:
    """A 405B checkpoint is 5.7 TB at 14 bytes a parameter: 28 s at 200 GB/s, longer from few chips."""
    assert float(checkpoint_floor_s(16_384, 405e9, PROFILE)) == pytest.approx(28.35, rel=1e-3)
    assert float(checkpoint_floor_s(64, 405e9, PROFILE)) > 60.0
    certain = effective_training_time(10_000, 8, 7e9, with_rate(PROFILE, R_RSC2))
    assert float(certain.high) - float(certain.low) < float(
        effective_training_time(10_000, 8, 7e9, PROFILE).high - effective_training_time(10_000, 8, 7e9, PROFILE).low
    )
    assert int(spares_for(10_000, 8, PROFILE)) == 24
    assert int(spares_for(0, 8, PROFILE)) == 0


@pytest.mark.parametrize(("availability", "expected"), [(0.98, (0.70, 0.95, 0.995)), (0.99, (0.83, 0.986, 0.9993))])
def test_domain_with_spare_trays(availability: float, expected: tuple[float, ...]) -> None:
    """18 compute trays: whole, and with one or two to spare (64 of 72 chips cost 11% and lift 0.8 to 0.999)."""
    assert domain_usable(18, [0, 1, 2], availability) == pytest.approx(expected, abs=0.006)
    assert float(domain_usable(18, 18, availability)) == pytest.approx(1.0)
    assert float(domain_usable(18, 2, 1.0)) == 1.0


def test_drained_racks_need_whole_spares() -> None:
    """Published: 139 racks at the worst rate (1 in 1,000 GPU-days), each fault draining its rack a day: 18 racks."""
    per_node = 8 / 1000.0
    assert int(spare_domains(139 * 72, 72, with_rate(PROFILE, per_node), 1.0, 86400.0)) == 18
    share, repair = drain_profile(load_catalog())
    few = int(spare_domains(139 * 72, 72, with_rate(PROFILE, per_node), share, repair))
    assert 0 < few < 5  # most faults are of trays, which the rack replaces itself


def test_blast_radius_and_shrinking() -> None:
    share, repair = 0.1, 8 * 3600.0
    rack = lost_chip_share(4, 72, PROFILE, share, repair, 2.5 * 3600.0)
    server = lost_chip_share(8, 8, PROFILE, share, repair, 2.5 * 3600.0)
    assert rack > server > 0.0
    by_hand = 3.8e-3 / 8 / 24 * (0.9 * 4 * 2.5 + 0.1 * 72 * 8)
    assert rack == pytest.approx(by_hand, rel=0.01)
    lam = hazard(1250, R_LLAMA)
    shrinks = float(ettr_elastic(lam, 60.0, 300.0, 0.004))
    assert shrinks == pytest.approx(1.0 - float(lam) * 210.0 - 0.004)
    assert float(ettr_elastic(1.0, 60.0, 300.0, 0.0)) == 0.0


def test_bad_inputs() -> None:
    with pytest.raises(InputError, match="chips"):
        effective_training_time(0, 8, 1e9, PROFILE)
    with pytest.raises(InputError, match="quantile"):
        spares(10, 1e-3, 86400.0, 1.0)


def test_interval_waits_for_the_storage() -> None:
    """64 chips at 1 GB/s drain 14 TB in 219 s; with frequent failures the best interval would be shorter than that."""
    shaky = with_rate(PROFILE, 200.0)
    run = effective_training_time(64, 8, 1e12, shaky)
    floor = float(checkpoint_floor_s(64, 1e12, shaky))
    assert floor == pytest.approx(14e12 / 64e9)
    assert float(optimal_checkpoint_interval(shaky.write_s.value, hazard(8, 200.0))) < floor
    assert float(run.checkpoint_interval_s) == floor
