"""Levels of measured serving runs: what they add, how sure they are, and what they say is not known."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planner.catalog import Catalog, load_catalog
from planner.errors import InputError, Problem
from planner.performance.compile import build_platform
from planner.performance.measured.levels import Effect, Levels, knots_of
from planner.performance.measured.levels_file import levels_csv, levels_facts, read_levels
from planner.performance.serving.levels import COVARIATES, MEAN_AGE, TODAY, ServingLevels, age_of, load_of, names_of
from planner.performance.serving.profile import ServingCalibration, ServingProfile
from planner.performance.serving.replica import ServingJob, estimate_serving, one_candidate, unknown_of
from planner.validation.serving.fit import calibration_yaml

KINDS = {"engine": (0.3, 0.1, 0.0, 0.0), "engine+chips": (0.2, 0.0, 0.0, 0.0)}


@functools.cache
def catalog() -> Catalog:
    return load_catalog()


def levels(value: float = 0.2, slope: float = 0.0, deviation: float = 0.05) -> Levels:
    known = Effect((value, slope, 0.0, 0.0), (deviation, 0.0, 0.0, 0.0))
    return Levels(COVARIATES, {"engine=vllm": known}, KINDS, own=0.1)


def estimate(table: Levels, batch: int = 8, **fields: float):  # type: ignore[no-untyped-def]
    platform = build_platform(catalog(), "dgx_h100", "h100_sxm", "")
    job = ServingJob(catalog().model("llama-3.1-8b"), "fp8")
    told = ServingLevels(table, Levels(COVARIATES), "vllm", "nvidia_hopper")
    profile = replace(ServingProfile(**fields), levels=told)  # type: ignore[arg-type]
    return estimate_serving(job, platform, one_candidate(batch=batch), profile), job, platform, profile


def test_a_level_stretches_every_step_and_so_pace_and_rate() -> None:
    plain, *_ = estimate(levels(0.0))
    slow, *_ = estimate(levels(0.2))
    assert slow.decode_step_s[0] / plain.decode_step_s[0] == pytest.approx(math.exp(0.2))
    assert plain.requests_per_s[0] / slow.requests_per_s[0] == pytest.approx(math.exp(0.2))


def test_a_slope_counts_from_four_requests_a_chip() -> None:
    flat, *_ = estimate(levels(0.0), batch=64)
    tilted, *_ = estimate(levels(0.0, slope=0.4), batch=64)
    # decoding alone: 64 requests are four octaves over four, so one step of the covariate
    assert tilted.tpot_s[0] / flat.tpot_s[0] == pytest.approx(math.exp(0.4), rel=0.05)
    assert load_of(np.array([4.0, 64.0, 0.0])).tolist() == pytest.approx([0.0, 1.0, 0.0])


def test_the_interval_widens_where_no_run_is_known_and_says_so() -> None:
    near, job, platform, profile = estimate(levels())
    far, *_ = estimate(Levels(COVARIATES, {}, KINDS, own=0.1))
    assert far.high80[0] > near.high80[0] > 1.0 > near.low80[0] > far.low80[0]
    # engine known, engine on these chips not: 0.05, 0.2 and 0.1 together
    assert math.log(near.high80[0]) == pytest.approx(1.2816 * math.sqrt(0.05**2 + 0.2**2 + 0.1**2), rel=1e-3)
    said = unknown_of(job, platform, one_candidate(), profile)
    assert said == ("no run of this engine on this family of chips is known",)


def test_shipped_levels_know_common_runs_better_than_new_engines() -> None:
    platform = build_platform(catalog(), "dgx_h100", "h100_sxm", "")
    job = ServingJob(catalog().model("llama-3.1-70b"), "fp8", "fp8")
    from planner.performance.serving.profile import profile_for

    known = estimate_serving(job, platform, one_candidate(tp=4, batch=32), profile_for("nvidia_hopper", "vllm"))
    new = estimate_serving(job, platform, one_candidate(tp=4, batch=32), profile_for("nvidia_hopper", "current"))
    assert new.high80[0] / new.low80[0] > known.high80[0] / known.low80[0]
    said = unknown_of(job, platform, one_candidate(tp=4), profile_for("nvidia_hopper", "current"))
    assert said[0] == "no run of this engine is known"
    # an engine nobody knows is no eager program: it is in the range of engines of today
    others = [
        float(estimate_serving(job, platform, one_candidate(tp=4, batch=4), profile_for("nvidia_hopper", e)).tpot_s[0])
        for e in ("vllm", "sglang", "trtllm", "other")
    ]
    unknown = float(
        estimate_serving(job, platform, one_candidate(tp=4, batch=4), profile_for("nvidia_hopper", "current")).tpot_s[0]
    )
    assert unknown < others[3]
    assert 0.7 * min(others[:3]) < unknown < 1.4 * max(others[:3])


def test_many_copies_lose_what_few_do_until_they_are_measured() -> None:
    few = names_of("vllm", "nvidia_hopper", "", "deepseek", True, "fp8", "copies", False)
    many = names_of("vllm", "nvidia_hopper", "", "deepseek", True, "fp8", "wide", False)
    assert many["layout+engine"] == few["layout+engine"]
    known = Effect((0.3, 0.2, 0.0, 0.0), (0.05, 0.0, 0.0, 0.0))
    kinds = {"layout+engine": (0.2, 0.1, 0.0, 0.0), "wide+engine": (0.1, 0.1, 0.0, 0.0)}
    table = Levels(COVARIATES, {f"layout+engine={few['layout+engine']}": known}, kinds, own=0.1)
    assert table.at(many).value.tolist() == table.at(few).value.tolist()
    assert table.at(many).missing == ("wide+engine",)
    here = np.array([1.0, 0.0, 0.0, 0.0])
    assert table.deviation(table.at(many), here) > table.deviation(table.at(few), here)


def test_knots_hold_four_of_five_in_each_class_and_never_narrow() -> None:
    rng = np.random.default_rng(3)
    wide = np.repeat([0.1, 0.4], 2000)
    off = rng.normal(0.0, wide)
    knots = knots_of(off.tolist(), wide.tolist(), classes=2)
    assert [k[0] for k in knots] == pytest.approx([0.1, 0.4])
    for (_, low, high), deviation in zip(knots, (0.1, 0.4), strict=True):
        assert (low, high) == pytest.approx((-1.2816 * deviation, 1.2816 * deviation), rel=0.12)
    table = replace(levels(), knots=knots)
    low, high = table.ends(np.array([0.05, 0.25, 0.9]))
    assert np.all(np.diff(high) >= 0)
    assert np.all(np.diff(low) <= 0)


def test_levels_go_through_their_file(tmp_path: Path) -> None:
    table = {"pace": replace(levels(), knots=((0.1, -0.1, 0.2), (0.5, -0.4, 0.6))), "ttft": levels(0.1)}
    file = tmp_path / "serving_levels.csv"
    file.write_text(levels_csv(table), encoding="utf-8")
    problems: list[Problem] = []
    assert read_levels(file, COVARIATES, levels_facts(table), "serving.yaml", problems) == table
    assert not problems
    file.write_text(file.read_text(encoding="utf-8").replace("vllm,0.2", "vllm,much"), encoding="utf-8")
    with pytest.raises(InputError) as wrong:
        read_levels(file, COVARIATES, levels_facts(table), "serving.yaml", problems)
    assert (wrong.value.problems[0].line, "much" in str(wrong.value.problems[0].found)) == (3, True)
    read_levels(tmp_path / "none.csv", COVARIATES, {}, "serving.yaml", problems)


def test_software_ages_on_its_chips() -> None:
    assert age_of(2024.9, "nvidia_blackwell") == 1.0 - MEAN_AGE
    assert age_of(2025.9, "nvidia_blackwell") == pytest.approx(math.exp(-1.0) - MEAN_AGE)
    assert age_of(0.0, "nvidia_blackwell") == age_of(TODAY, "nvidia_blackwell")
    assert age_of(0.0, "nvidia_ampere") < 0.01 - MEAN_AGE
    young = Levels(COVARIATES, {"all=all": Effect((0.0, 0.0, 0.0, 0.3), (0.0, 0.0, 0.0, 0.0))}, {"all": (0.0,) * 4})
    found = {}
    for date in (0.0, 2023.0):
        platform = build_platform(catalog(), "dgx_h100", "h100_sxm", "")
        job = ServingJob(catalog().model("llama-3.1-8b"), "fp8")
        told = ServingLevels(young, Levels(COVARIATES), "vllm", "nvidia_hopper", date=date)
        e = estimate_serving(job, platform, one_candidate(), replace(ServingProfile(), levels=told))
        found[date] = float(e.decode_step_s[0])
    grown = 0.3 * (math.exp(-0.2) - math.exp(-(TODAY - 2022.8)))
    assert found[2023.0] / found[0.0] == pytest.approx(math.exp(grown), rel=1e-6)


def test_a_benchs_host_is_its_own() -> None:
    known = ServingCalibration(benches={"them nvidia_hopper": {"host_scale": 2.0}})
    assert known.profile("nvidia_hopper", bench="them nvidia_hopper").host_scale == 2.0
    assert known.profile("nvidia_hopper").host_scale == 1.0
    assert "them" not in calibration_yaml(known)


def test_a_port_that_nobody_measured_is_known_less_than_any_engine_on_its_own_chips() -> None:
    """A vendor whose chips no engine runs on by itself: the interval is wider than for a new engine elsewhere."""
    from planner.performance.serving.profile import profile_for, serving_family

    def width(system: str, chip: str, engine: str) -> tuple[float, str]:
        platform = build_platform(catalog(), system, chip, "")
        job = ServingJob(catalog().model("llama-3.1-8b"), "bf16")
        profile = profile_for(serving_family(chip, platform.family), engine)
        found = estimate_serving(job, platform, one_candidate(batch=8), profile)
        said = unknown_of(job, platform, one_candidate(batch=8), profile)
        return float(found.high80[0] / found.low80[0]), " ".join(said)

    known, _ = width("dgx_h100", "h100_sxm", "vllm")
    new, new_said = width("dgx_h100", "h100_sxm", "current")
    port, said = width("tpu_v6e_pod", "tpu_v6e", "vllm")
    ported, ported_said = width("atlas_800_a3", "ascend_910c", "vllm_ascend")
    assert port > 1.3 * new > known
    assert "port" in said
    assert "port" not in new_said
    assert "port" not in ported_said
    assert ported < port


def test_integer_units_in_name_only_are_not_used() -> None:
    """Blackwell Ultra has INT8 units at a thirtieth of its FP8: INT8 weights cost no more than 16-bit ones."""
    platform = build_platform(catalog(), "dgx_b300", "b300_sxm", "")
    profile = ServingProfile()
    times = {}
    for precision in ("int8", "bf16"):
        job = ServingJob(catalog().model("llama-3.1-8b"), precision)
        times[precision] = float(estimate_serving(job, platform, one_candidate(batch=64), profile).tpot_s[0])
    assert times["int8"] < times["bf16"]
