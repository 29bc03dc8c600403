"""Estimates: the model behind plans on one configuration, and the nearest legal layout where there is none."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from planner import estimate_serving, estimate_training
from planner.catalog import Catalog
from planner.errors import InputError, UnknownFigureError
from planner.options.work.serving import ServingSearch
from planner.performance.compile import build_platform
from planner.performance.serving.grid import serving_grid
from planner.performance.serving.load import under_load
from planner.performance.serving.replica import ServingCandidates
from planner.performance.serving.replica import estimate_serving as price_serving
from planner.performance.training.grid import training_grid
from planner.performance.training.step import TrainingJob
from planner.performance.training.step import estimate_training as price_training
from planner.report.estimate import estimate_table
from planner.scenario import Serving

SYSTEM = "hgx_h100_oem"
CHIP = "h100_sxm"


def problem(error: pytest.ExceptionInfo[InputError]) -> str:
    """The first problem, as it is told."""
    return str(error.value.problems[0])


def test_an_estimate_is_the_plans_model_on_arrays_of_length_one(shipped: Catalog) -> None:
    found = estimate_training(
        model="llama-3.1-70b", system=SYSTEM, chips=64, tp=8, pp=2, sequence_length=8192, global_batch=128,
        recompute="selective", catalog=shipped,
    )  # fmt: skip
    platform = build_platform(shipped, SYSTEM, CHIP, found.cooling)
    job = TrainingJob(shipped.model("llama-3.1-70b"), 8192, 128, "bf16")
    grid = training_grid(job, platform, 64)
    wanted = {"tp": 8, "pp": 2, "vpp": 1, "cp": 1, "ep": 1, "micro_batch": 1, "zero_stage": 1, "recompute": 1}
    mask = np.logical_and.reduce([getattr(grid, k) == v for k, v in wanted.items()])
    one = price_training(job, platform, grid.take(mask))
    assert one.step_time_s.tolist() == [found.step_time_s]
    assert one.mfu.tolist() == [found.mfu]
    assert found.parallelism.dp == 4
    assert found.parallelism.sp
    assert found.tokens_per_s == pytest.approx(8192 * 128 / found.step_time_s)
    assert found.model_tflops_per_chip == pytest.approx(found.mfu * found.peak_tflops_per_chip)
    assert sum(found.breakdown_s.values()) == pytest.approx(found.step_time_s)
    assert sum(found.memory_gb.values()) == pytest.approx(found.memory_gb_per_chip)
    assert found.fits == (found.memory_gb_per_chip <= found.memory_limit_gb_per_chip)
    assert json.loads(json.dumps(found.to_dict()))["parallelism"]["recompute"] == "selective"


def test_the_best_layout_is_the_fastest_of_all_that_fit(shipped: Catalog) -> None:
    found = estimate_training(
        model="llama-3.1-8b", system=SYSTEM, chips=32, global_batch=64, best=True, catalog=shipped
    )
    platform = build_platform(shipped, SYSTEM, CHIP, found.cooling)
    job = TrainingJob(shipped.model("llama-3.1-8b"), 4096, 64, "bf16")
    grid = training_grid(job, platform, 32)
    every = price_training(job, platform, grid)
    assert found.enumerated == grid.size
    assert found.candidates == int(every.fits.sum())
    assert found.step_time_s == every.step_time_s[every.fits].min()
    assert found.fits


@pytest.mark.parametrize("pin", [{"tp": 4}, {"pp": 2}, {"zero_stage": 3}, {"recompute": "full"}, {"micro_batch": 2}])
def test_a_search_keeps_what_is_given_and_never_gains_by_it(shipped: Catalog, pin: dict[str, int | str]) -> None:
    ask = {"model": "llama-3.1-8b", "system": SYSTEM, "chips": 16, "global_batch": 64, "best": True, "catalog": shipped}
    free = estimate_training(**ask)
    kept = estimate_training(**ask, **pin)
    for name, value in pin.items():
        assert getattr(kept.parallelism, name) == value
    assert kept.step_time_s >= free.step_time_s
    assert kept.enumerated < free.enumerated


def test_measured_runs_near_an_estimate_are_named_with_what_they_change(shipped: Catalog) -> None:
    """Llama 3.1 70B on 512 H100 is a published run of a tuned stack; it is no run of one out of the box."""
    wanted = {
        "model": "llama-3.1-70b", "system": "hgx_h100_oem", "chips": 512, "tp": 4, "pp": 4, "micro_batch": 1,
        "vpp": 5, "catalog": shipped,
    }  # fmt: skip
    found = estimate_training(**wanted, framework="nemo_2024")
    assert found.framework == "nemo_2024"
    assert found.measured_correction is not None
    assert 0.8 < found.measured_correction < 1.25
    nearest = found.measured_runs[0]
    assert (nearest.model, nearest.chip, nearest.chips) == ("llama-3.1-70b", "h100_sxm", 512)
    assert 0.0 < nearest.likeness < 1.0
    assert json.loads(json.dumps(found.to_dict()))["measured_runs"][0]["case_id"] == nearest.case_id
    plain = estimate_training(**wanted, framework="plain")
    assert plain.step_time_s > found.step_time_s
    with pytest.raises(InputError, match="tuned"):
        estimate_training(**wanted, framework="tunned")


def test_a_search_does_not_run_after_corrections_that_no_measured_run_has(shipped: Catalog) -> None:
    """Published runs of Llama 3.1 70B on H100 are within 8% of the model; so is the layout that a search finds."""
    found = estimate_training(
        model="llama-3.1-70b", system="hgx_h100_oem", chips=256, global_batch=2048, framework="nemo_2024", best=True,
        catalog=shipped,
    )  # fmt: skip
    assert found.measured_correction == pytest.approx(1.0, abs=0.1)


def test_what_does_not_fit_is_said_and_still_estimated(shipped: Catalog) -> None:
    found = estimate_training(model="llama-3.1-405b", system=SYSTEM, chips=8, catalog=shipped)
    assert not found.fits
    assert found.candidates == 0
    with pytest.raises(InputError) as error:
        estimate_training(model="llama-3.1-405b", system=SYSTEM, chips=8, best=True, catalog=shipped)
    assert "fits in memory in none of" in problem(error)


@settings(max_examples=40, deadline=None)
@given(
    tp=st.integers(1, 16), pp=st.integers(1, 8), vpp=st.integers(1, 4), cp=st.integers(1, 4), ep=st.integers(1, 8),
    micro_batch=st.integers(1, 8), zero_stage=st.integers(0, 3), chips=st.sampled_from([8, 16, 24, 64, 96]),
    global_batch=st.sampled_from([64, 96, 250]),
)  # fmt: skip
def test_what_is_refused_is_not_in_the_grid_and_the_nearest_named_is(
    shipped: Catalog, chips: int, global_batch: int, **widths: int
) -> None:
    ask = {"model": "mixtral-8x7b", "system": SYSTEM, "catalog": shipped, "chips": chips, "global_batch": global_batch}
    try:
        found = estimate_training(**ask, **widths)
    except InputError as error:
        told = error.problems[0]
        if not told.nearest:
            return
        fixed = {**ask, **widths, told.path: int(told.nearest)}
        if told.path == "chips" and chips % (widths["tp"] * widths["pp"] * widths["cp"]):
            assert int(told.nearest) % (widths["tp"] * widths["pp"] * widths["cp"]) == 0
            return  # what comes next is told next
        assert estimate_training(**fixed).step_time_s > 0
        return
    p = found.parallelism
    assert p.tp * p.pp * p.cp * p.dp == chips
    assert global_batch % (p.dp * widths["micro_batch"]) == 0


def test_the_rule_that_is_broken_is_named(shipped: Catalog) -> None:
    ask = {"model": "llama-3.1-8b", "system": SYSTEM, "chips": 64, "catalog": shipped}
    for widths, rule, nearest in (
        ({"tp": 8, "pp": 3}, "not a multiple of tp x pp x cp = 24", "72"),
        ({"ep": 2}, "ep must divide the experts", "1"),
        ({"zero_stage": 3, "pp": 2}, "ZeRO 2 and 3 go without a pipeline", "1"),
        ({"micro_batch": 3}, "dp x micro-batch must divide the global batch", "2"),
        ({"global_batch": 1000}, "dp x micro-batch must divide the global batch", "1024"),
    ):
        with pytest.raises(InputError) as error:
            estimate_training(**ask, **widths)
        assert rule in problem(error)
        assert error.value.problems[0].nearest == nearest


def test_hardware_by_name_variant_and_cooling(shipped: Catalog) -> None:
    ask = {"model": "llama-3.1-8b", "chips": 8, "catalog": shipped}
    assert estimate_training(**ask, system=SYSTEM).cooling == "air_crah"
    assert estimate_training(**ask, system=SYSTEM, cooling="d2c_1p_hybrid").cooling == "d2c_1p_hybrid"
    assumed = shipped.with_assumptions({"systems": {"sgx5000": {"scaleout_gbit_s_per_chip": 400}}})
    air = estimate_training(**ask | {"catalog": assumed}, system="sgx5000", chip="mtt_s5000_air")
    liquid = estimate_training(**ask | {"catalog": assumed}, system="sgx5000", chip="mtt_s5000_liquid")
    assert air.peak_tflops_per_chip < liquid.peak_tflops_per_chip
    with pytest.raises(InputError, match="is not sold with chip"):
        estimate_training(**ask, system=SYSTEM, chip="h200_sxm")
    with pytest.raises(InputError, match="not made for cooling"):
        estimate_training(**ask, system="gb200_nvl72", cooling="air_crah")
    with pytest.raises(UnknownFigureError):
        estimate_training(**ask, system="sgx5000")


def test_serving_is_the_plans_model_and_its_percentiles_those_of_the_queue(shipped: Catalog) -> None:
    found = estimate_serving(
        model="llama-3.1-70b", system=SYSTEM, tp=4, precision="fp8", input_tokens=2000, output_tokens=400, batch=48,
        catalog=shipped,
    )  # fmt: skip
    load = Serving(
        kind="serving", name="x", model="llama-3.1-70b", precision=("fp8",), input_tokens=2000, output_tokens=400,
        requests_per_s=1,
    )  # fmt: skip
    search = ServingSearch(load, shipped)
    platform = build_platform(shipped, SYSTEM, CHIP, found.cooling)
    p = found.parallelism
    shape = ServingCandidates(*(np.array([v]) for v in (p.tp, p.pp, p.ep, p.dp, p.batch, p.chunk_tokens, 0)))
    one = price_serving(search.job("fp8"), platform, shape)
    loaded = under_load(search.job("fp8"), platform, shape, search.utilisation_at(search.loads()[-1]))
    assert found.ttft_p95_ms == loaded.ttft_s(95)[0] * 1e3
    assert found.tpot_p95_ms == loaded.tpot_s(95)[0] * 1e3
    assert found.output_tokens_per_s == one.output_tokens_per_s[0]
    assert found.output_tokens_per_s_per_chip == pytest.approx(found.output_tokens_per_s / 4)
    assert found.requests_per_s * 400 == pytest.approx(found.output_tokens_per_s)
    assert sum(found.breakdown_s.values()) == pytest.approx(found.step_ms / 1e3)
    assert sum(found.memory_gb.values()) == pytest.approx(found.memory_gb_per_chip)


def test_the_best_replica_is_the_best_of_the_grid_inside_the_limits(shipped: Catalog) -> None:
    found = estimate_serving(
        model="llama-3.1-8b", system=SYSTEM, chips=8, ttft_ms=400, tpot_ms=12, best=True, catalog=shipped
    )
    load = Serving(
        kind="serving", name="x", model="llama-3.1-8b", input_tokens=2048, output_tokens=512, requests_per_s=1
    )
    job = ServingSearch(load, shipped).job("bf16")
    platform = build_platform(shipped, SYSTEM, CHIP, found.cooling)
    grid = serving_grid(job, platform, 8)
    grid = grid.take(grid.role == 0)
    every = price_serving(job, platform, grid)
    best = 0.0
    for share in (0.3, 0.5, 0.7, 0.85):
        state = under_load(job, platform, grid, share)
        inside = every.fits & (state.ttft_s(95) <= 0.4) & (state.tpot_s(95) <= 0.012)
        best = max(best, share * float((every.output_tokens_per_s / every.chips)[inside].max(initial=0.0)))
    assert found.enumerated == len(grid)
    assert found.output_tokens_per_s_per_chip is not None
    assert found.output_tokens_per_s_per_chip * found.load == pytest.approx(best, rel=1e-12)
    assert (found.ttft_p95_ms or 0.0) <= 400 * (1 + 1e-9)
    assert (found.tpot_p95_ms or 0.0) <= 12 * (1 + 1e-9)


def test_longer_than_the_context_is_refused(shipped: Catalog) -> None:
    with pytest.raises(InputError, match="longer than the context"):
        estimate_serving(
            model="llama-3.1-8b", system=SYSTEM, input_tokens=131_000, output_tokens=2_000, catalog=shipped
        )


def test_looser_limits_never_serve_less(shipped: Catalog) -> None:
    found = [
        estimate_serving(
            model="llama-3.1-70b", system=SYSTEM, precision="fp8", chips=8, tpot_ms=limit, best=True, catalog=shipped
        )
        for limit in (15, 20, 40, 80, None)
    ]
    rates = [(one.output_tokens_per_s_per_chip or 0.0) * one.load for one in found]
    assert rates == sorted(rates)


@pytest.mark.parametrize("role", ["prefill", "decode"])
def test_a_replica_of_one_phase_says_nothing_of_the_other(shipped: Catalog, role: str) -> None:
    for best in (False, True):
        found = estimate_serving(
            model="deepseek-v3", system="hgx_h800", chips=32, precision="fp8", role=role, best=best, catalog=shipped
        )
        prefill = role == "prefill"
        assert (found.ttft_ms is None, found.input_tokens_per_s is None) == (not prefill, not prefill)
        assert (found.tpot_ms is None, found.output_tokens_per_s is None) == (prefill, prefill)
        assert found.interval is not None
        assert found.interval.quantity == ("ttft_ms" if prefill else "tpot_ms")


def test_defaults_fill_a_replica_from_its_chips(shipped: Catalog) -> None:
    def shape(model: str, **widths: int) -> tuple[int, int, int, int]:
        p = estimate_serving(model=model, system="hgx_h800", precision="fp8", catalog=shipped, **widths).parallelism
        return p.tp, p.pp, p.dp, p.ep

    assert shape("deepseek-v3", chips=32) == (8, 1, 4, 32)
    assert shape("deepseek-v3", chips=32, tp=4) == (4, 1, 8, 32)
    assert shape("llama-3.1-70b", chips=16) == (8, 2, 1, 1)
    assert shape("llama-3.1-70b", tp=2) == (2, 1, 1, 1)


def test_wrong_replicas_are_refused(shipped: Catalog) -> None:
    ask = {"model": "llama-3.1-70b", "system": SYSTEM, "catalog": shipped}
    for widths, path, nearest in (
        ({"tp": 3}, "tp", "2"),
        ({"tp": 8, "chips": 4}, "chips", "8"),
        ({"attention_dp": 2}, "attention_dp", "1"),
        ({"ep": 2}, "ep", "1"),
        ({"tp": 2, "pp": 4, "batch": 2}, "batch", "4"),
        ({"role": "decoder"}, "role", "decode"),
        ({"precision": "fp9"}, "precision", "fp8"),
        ({"tpot_ms": 10.0}, "tpot_ms", ""),
    ):
        with pytest.raises(InputError) as error:
            estimate_serving(**ask, **widths)
        assert (error.value.problems[0].path, error.value.problems[0].nearest) == (path, nearest)
    with pytest.raises(InputError, match="no shape keeps the limit"):
        estimate_serving(**ask, precision="fp8", tpot_ms=0.1, best=True)
    with pytest.raises(InputError, match="recommender"):
        estimate_serving(**ask | {"model": next(m.id for m in shipped.models.values() if m.kind == "recommender")})


def test_simulation_stands_beside_the_percentiles(shipped: Catalog) -> None:
    asked = {"model": "llama-3.1-8b", "system": SYSTEM, "batch": 64, "input_tokens": 1000, "output_tokens": 200}
    plain = estimate_serving(**asked, catalog=shipped)  # type: ignore[arg-type]
    found = estimate_serving(**asked, simulate=True, catalog=shipped)  # type: ignore[arg-type]
    assert plain.simulated_ttft_p95_ms is None
    assert found.tpot_p95_ms == plain.tpot_p95_ms
    assert found.simulated_tpot_p95_ms == pytest.approx(found.tpot_p95_ms, rel=0.25)


def test_spread_and_bursts_take_longer(shipped: Catalog) -> None:
    asked = {"model": "llama-3.1-8b", "system": SYSTEM, "batch": 64, "input_tokens": 4000, "output_tokens": 200}
    calm = estimate_serving(**asked, catalog=shipped)  # type: ignore[arg-type]
    for more in ({"input_cv": 1.0}, {"arrival_cv": 3.0}):
        found = estimate_serving(**asked, **more, catalog=shipped)  # type: ignore[arg-type]
        assert (found.ttft_p95_ms or 0.0) > (calm.ttft_p95_ms or 0.0)
    with pytest.raises(InputError, match="arrival_cv"):
        estimate_serving(**asked, arrival_cv=-1.0, catalog=shipped)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="output_cv"):
        estimate_serving(**asked, output_cv=11.0, catalog=shipped)  # type: ignore[arg-type]


def test_estimates_say_how_far_apart_two_of_them_must_be_to_trust_their_order(shipped: Catalog) -> None:
    training = estimate_training(model="llama-3.1-70b", system=SYSTEM, chips=64, tp=8, pp=4, catalog=shipped)
    serving = estimate_serving(model="llama-3.1-70b", system=SYSTEM, precision="fp8", tp=4, catalog=shipped)
    for found in (training, serving):
        shares = found.to_dict()["ordering"]
        assert shares
        assert {"quantity", "same_chip", "apart", "until", "right", "pairs", "groups"} == set(shares[0])
        console = Console(width=80, record=True, file=io.StringIO())
        console.print(estimate_table(found))
        text = console.export_text()
        assert "in the right order" in text
        assert f"{shares[0]['right']:.0%} of {shares[0]['pairs']:,}" in text


def test_energy_of_a_token_is_the_chips_power_over_their_tokens(shipped: Catalog) -> None:
    few, many = (
        estimate_serving(model="llama-3.1-70b", system=SYSTEM, precision="fp8", tp=4, batch=batch, catalog=shipped)
        for batch in (1, 128)
    )
    for found in (few, many):
        assert found.chip_power_w is not None
        assert found.joules_per_token is not None
        assert found.output_tokens_per_s is not None
        watts = found.chip_power_w * found.chips
        assert found.joules_per_token * found.output_tokens_per_s == pytest.approx(watts)
        assert 0.13 * 700 < found.chip_power_w <= 700
    assert few.joules_per_token > 5 * many.joules_per_token  # weights are read for one request or for all
    prefill = estimate_serving(model="llama-3.1-70b", system=SYSTEM, role="prefill", tp=4, catalog=shipped)
    assert prefill.joules_per_token is not None
    assert prefill.joules_per_token < many.joules_per_token
