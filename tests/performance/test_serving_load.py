"""Percentiles under load: closed forms, relations, and the simulation of single events beside them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog import Catalog
from planner.errors import InputError
from planner.performance.compile import build_platform
from planner.performance.platform import Platform
from planner.performance.serving.grid import ServingGrid, serving_grid
from planner.performance.serving.lengths import Lengths
from planner.performance.serving.load import Traffic, _large_population, _two_waits, curves_of, under_load
from planner.performance.serving.replica import ServingJob, estimate_serving, one_candidate
from planner.performance.serving.simulation import simulate


@pytest.fixture(scope="module")
def h200(shipped: Catalog) -> Platform:
    return build_platform(shipped, "dgx_h200", "h200_sxm", "")


@pytest.fixture(scope="module")
def job(shipped: Catalog) -> ServingJob:
    return ServingJob(shipped.model("qwen3-32b"), "fp8", "bf16", 2000, 300)


# --- lengths


@given(st.floats(10.0, 1e5), st.floats(0.0, 3.0))
@settings(max_examples=50, deadline=None)
def test_a_spread_keeps_its_mean(mean: float, cv: float) -> None:
    found = Lengths.lognormal(mean, cv)
    assert found.mean == pytest.approx(mean, rel=1e-9)
    assert found.shares.sum() == pytest.approx(1.0)
    assert np.all(np.diff(found.tokens) >= 0)


def test_percentiles_give_their_lognormal() -> None:
    found = Lengths.from_percentiles(1000.0, 4000.0)
    draws = found.draw(200_000, np.random.default_rng(3))
    assert np.percentile(draws, [50, 90]) == pytest.approx([1000.0, 4000.0], rel=0.02)
    assert draws.mean() == pytest.approx(found.mean, rel=0.03)
    with pytest.raises(InputError, match="p90"):
        Lengths.from_percentiles(10.0, 5.0)


def test_histogram() -> None:
    found = Lengths.histogram({100.0: 1.0, 300.0: 3.0})
    assert found.mean == 250.0 and found.longest == 300.0  # noqa: PT018
    assert found.cv == pytest.approx(math.sqrt(0.25 * 150**2 + 0.75 * 50**2) / 250)
    assert found.mean_inverse == pytest.approx(0.25 / 100 + 0.75 / 300)
    with pytest.raises(InputError, match="histogram"):
        Lengths.histogram({})


# --- queueing in closed form


def _erlang_c(servers: int, rho: float) -> float:
    load, blocking = servers * rho, 1.0
    for k in range(1, servers + 1):
        blocking = load * blocking / (k + load * blocking)
    return blocking / (1.0 - rho * (1.0 - blocking))


@pytest.mark.parametrize("rho", [0.7, 0.85, 0.95])
def test_many_servers_meet_erlang_c(rho: float) -> None:
    """For X(n) = n mu the law of a large population is that of M/M/c."""
    for servers in (65, 200, 1000):
        cap = np.array([float(servers)])
        found = _large_population(cap, cap * rho, np.sqrt(cap * rho), np.array([-math.log(rho)]))
        assert found[0] == pytest.approx(_erlang_c(servers, rho), abs=0.02)


def test_sum_of_two_waits() -> None:
    random = np.random.default_rng(5)
    n = 400_000
    u = random.exponential(2.0, n) * (random.random(n) < 0.3)
    v = random.exponential(0.5, n) * (random.random(n) < 0.6)
    one = np.ones(1)
    for t in (0.0, 0.5, 2.0, 5.0):
        found = _two_waits(one * t, 0.3 * one, 0.5 * one, 0.6 * one, 2.0 * one)
        assert found[0] == pytest.approx(np.mean(u + v > t), abs=0.004)


def test_grid_and_single_candidate_agree(job: ServingJob, h200: Platform) -> None:
    grid = serving_grid(job, h200, 8, ServingGrid(batch=(1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)))
    whole = under_load(job, h200, grid, 0.7, curves=curves_of(grid, estimate_serving(job, h200, grid)))
    ttft, tpot = whole.ttft_s(95), whole.tpot_s(95)
    for i in range(0, len(grid), 37):
        one = under_load(job, h200, grid.take(np.array([i])), 0.7)
        assert one.ttft_s(95)[0] == pytest.approx(ttft[i], rel=1e-11)
        assert one.tpot_s(95)[0] == pytest.approx(tpot[i], rel=1e-11)
    # what exceeds the percentile is the rest
    assert np.all(whole.ttft_exceeds(ttft * (1 + 1e-9)) <= 0.05 + 1e-9)


def test_more_load_more_spread_and_higher_percentiles_take_longer(job: ServingJob, h200: Platform) -> None:
    shape = one_candidate(tp=4, batch=64, chunk=4096)
    loads = [under_load(job, h200, shape, u) for u in (0.2, 0.5, 0.8, 0.95)]
    for measure in ("ttft_s", "tpot_s"):
        by_load = [float(getattr(x, measure)(95)[0]) for x in loads]
        assert by_load == sorted(by_load)
        by_percentile = [float(getattr(loads[2], measure)(p)[0]) for p in (10, 50, 90, 99)]
        assert by_percentile == sorted(by_percentile)
    calm = under_load(job, h200, shape, 0.8)
    bursty = under_load(job, h200, shape, 0.8, traffic=Traffic(arrival_cv=3.0))
    spread = under_load(job, h200, shape, 0.8, traffic=Traffic(Lengths.lognormal(1.0, 1.0)))
    assert bursty.ttft_s(95)[0] > calm.ttft_s(95)[0]
    assert spread.ttft_s(95)[0] > 1.4 * calm.ttft_s(95)[0]


# --- the simulation beside it


def test_light_load_is_one_request_alone(job: ServingJob, h200: Platform) -> None:
    shape = one_candidate(tp=4, batch=32, chunk=4096)
    alone = estimate_serving(job, h200, one_candidate(tp=4, batch=1, chunk=4096))
    found = simulate(job, h200, shape, 0.02, requests=200)
    assert found.tpot_mean_s == pytest.approx(alone.tpot_s[0], rel=0.03)
    assert found.ttft_s(50) == pytest.approx(alone.ttft_s[0], rel=0.06)


def test_saturation_is_the_closed_loop(job: ServingJob, h200: Platform) -> None:
    """More than it can take: the cap is full and the pace is that of a closed loop of as many clients."""
    shape = one_candidate(tp=4, batch=32, chunk=4096)
    closed = estimate_serving(job, h200, shape)
    found = simulate(job, h200, shape, 3.0 * float(closed.requests_per_s[0]), requests=1500)
    assert found.tpot_mean_s == pytest.approx(closed.tpot_s[0], rel=0.12)
    assert found.waited > 0.95


def test_prefill_alone_is_a_queue_of_one_server(job: ServingJob, h200: Platform) -> None:
    """M/D/1: fixed prompts, one at a time. Mean wait rho s / (2 (1 - rho)) (Pollaczek and Khinchine)."""
    shape = one_candidate(tp=4, batch=1, chunk=4096, role=1)
    service = 1.0 / float(estimate_serving(job, h200, shape).requests_per_s[0])
    profile_s = simulate(job, h200, shape, 1e-3 / service, requests=200).ttft_mean_s - service
    for rho in (0.3, 0.6):
        found = simulate(job, h200, shape, rho / service, requests=20_000)
        wait = found.ttft_mean_s - service - profile_s
        assert wait == pytest.approx(rho * service / (2.0 * (1.0 - rho)), rel=0.08)


@pytest.mark.parametrize(("batch", "load"), [(64, 0.3), (64, 0.7), (8, 0.5), (512, 0.7)])
def test_queueing_model_agrees_with_single_events(job: ServingJob, h200: Platform, batch: int, load: float) -> None:
    shape = one_candidate(tp=4, batch=batch, chunk=4096)
    model = under_load(job, h200, shape, load)
    found = simulate(job, h200, shape, float(model.rate[0]), requests=4000)
    assert found.in_service == pytest.approx(model.in_service[0], rel=0.07)
    assert found.tpot_mean_s == pytest.approx(model.tpot_mean_s[0], rel=0.07)
    assert found.tpot_s(95) == pytest.approx(model.tpot_s(95)[0], rel=0.08)
    assert found.ttft_s(50) == pytest.approx(model.ttft_s(50)[0], rel=0.10)
    if model.wait_probability[0] < 0.01:
        assert found.ttft_s(95) == pytest.approx(model.ttft_s(95)[0], rel=0.25)


def test_simulation_is_seeded_and_conserves_requests(job: ServingJob, h200: Platform) -> None:
    shape = one_candidate(tp=2, pp=2, batch=32, chunk=1024)
    traffic = Traffic(Lengths.lognormal(1.0, 0.8), Lengths.lognormal(1.0, 0.8), 1.5)
    varied = replace(job, input_cv=0.8, output_cv=0.8)
    first = simulate(varied, h200, shape, 2.0, traffic=traffic, requests=800, seed=7)
    again = simulate(varied, h200, shape, 2.0, traffic=traffic, requests=800, seed=7)
    other = simulate(varied, h200, shape, 2.0, traffic=traffic, requests=800, seed=8)
    assert first.ttft_s(95) == again.ttft_s(95) != other.ttft_s(95)
    assert first.requests == 640
    # Little's law: in service = rate x time from slot to end
    longest = first.requests_per_s * (first.ttft_mean_s + varied.answer_of_a_token * first.tpot_mean_s)
    assert 0.0 < first.in_service < longest
