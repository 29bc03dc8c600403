"""Diffusion: FLOPs by hand, sequences over chips, plans that are checked, read back and refused where they must be."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planner import load_catalog, plan
from planner.answer.plan import Plan
from planner.errors import InputError
from planner.performance.compile import build_platform
from planner.performance.diffusion import DiffusionJob, estimate_diffusion, pass_flops
from planner.scenario import check_scenario, load_text
from planner.verify.plan import verify_plan
from planner.workload.parameters import parameter_counts

CATALOG = load_catalog()
TEXT = """
name: pictures
start: 2026-10
horizon_years: 1
sites: [{name: a, region: us_va, power_mw: 1}]
hardware: {systems: [dgx_h200, l40s_8], acquire: [rent]}
workloads:
- {kind: diffusion, name: pictures, model: flux.1-dev, clips_per_hour: 20000, height: 1024, width: 1024, steps: 28,
   latency_ms: 8000, precision: [fp8, bf16]}
"""


@pytest.fixture(scope="module")
def answer() -> Plan:
    return plan(load_text(TEXT), catalog=CATALOG)


def test_flops_of_a_pass_by_hand() -> None:
    video = DiffusionJob(CATALOG.model("wan2.1-t2v-14b"), "bf16", 50, 720, 1280, 81)
    tokens = 21 * 45 * 80  # latent frames, rows and columns of patches
    assert video.tokens == tokens
    assert video.passes == 2
    flops = pass_flops(video)
    d, f, layers, text = 5120, 13824, 40, 512
    assert flops["attention"] == pytest.approx(layers * (4 * tokens**2 * d + 4 * tokens * text * d))
    # every weight of a layer is used once a token; cross-attention's keys and values are of the prompt
    weights = 4 * d * d + 2 * d * f
    assert flops["linear"] == pytest.approx(layers * 2 * (weights * tokens + 2 * d * d * (tokens + text)))
    image = DiffusionJob(CATALOG.model("flux.1-dev"), "bf16", 28, 1024, 1024)
    assert image.tokens == 64 * 64
    assert image.passes == 1  # its guidance is distilled
    assert pass_flops(image)["attention"] == pytest.approx(57 * 4 * (4096 + 512) ** 2 * 3072)


@pytest.mark.parametrize("name", ["flux.1-dev", "sd3.5-large", "hunyuan-video", "wan2.1-t2v-14b"])
def test_layers_make_up_the_published_size(name: str) -> None:
    """Weights of attention and feed-forward, two sets in joint layers, and of modulation."""
    model = CATALOG.model(name)
    d = model.denoiser
    assert d is not None
    one = 4 * d.hidden**2 + 2 * d.hidden * d.ffn_hidden
    joint = {"flux.1-dev": 19, "sd3.5-large": 38, "hunyuan-video": 20}.get(name, 0)
    double, single = one * 2 + 12 * d.hidden**2, one + 3 * d.hidden**2
    whole = joint * double + (d.layers - joint) * single if joint else d.layers * (one + 4 * d.hidden**2)
    assert whole == pytest.approx(d.parameters, rel=0.05)
    assert parameter_counts(model).total == d.parameters * d.experts


def test_sequences_over_chips_buy_latency_and_cost_throughput() -> None:
    platform = build_platform(CATALOG, "dgx_h200", "h200_sxm", "air_crah")
    job = DiffusionJob(CATALOG.model("wan2.1-t2v-14b"), "bf16", 50, 720, 1280, 81)
    widths = np.array([1, 2, 4, 8])
    found = estimate_diffusion(job, platform, widths, np.ones(4, dtype=np.int64))
    seconds = found.seconds
    assert (np.diff(seconds) < 0).all()
    assert (np.diff(seconds * widths) > 0).all()
    assert found.seconds == pytest.approx(sum(found.breakdown.values()))
    whole = sum(pass_flops(job).values()) * job.passes * job.steps
    assert 0.35 < whole / seconds[0] / platform.peak_flops["bf16"] < 0.8
    both = estimate_diffusion(job, platform, widths, np.full(4, 2))
    assert (both.seconds < seconds).all()
    assert (both.seconds * 2 >= seconds * 0.999).all()
    uneven = estimate_diffusion(job, platform, np.array([16]), np.array([1]))
    assert not uneven.fits.any()  # 40 heads over 16 chips


def test_enough_are_made_in_time(answer: Plan) -> None:
    made = math.fsum(d.predicted.samples_per_s or 0.0 for d in answer.deployments)
    assert made * 3600 >= 20000 * (1 - 1e-9)
    assert all((d.predicted.latency_ms or 0.0) <= 8000 for d in answer.deployments)
    assert all(d.role == "generate" for d in answer.deployments)
    assert "clips/h" in answer.answer


def test_a_plan_is_read_back_and_a_changed_one_is_found_out(answer: Plan) -> None:
    scenario = load_text(TEXT)
    again = Plan.from_json(answer.to_json())
    assert verify_plan(again, scenario, CATALOG) == []
    first = again.deployments[0]
    for change in ({"cp": first.parallelism.cp * 2}, {"dp": 2}, {"load": 0.5}):
        other = first.model_copy(update={"parallelism": first.parallelism.model_copy(update=change)})
        assert verify_plan(again.model_copy(update={"deployments": (other, *again.deployments[1:])}), scenario, CATALOG)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("model: flux.1-dev", "model: llama-3.1-8b", "is no diffusion model"),
        ("kind: diffusion", "kind: diffuson", "diffusion"),
        ("height: 1024", "height: 8", "height"),
        ("steps: 28", "steps: 28, frames: 100000", "more than a clip can have"),
    ],
)
def test_what_cannot_be_asked(old: str, new: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        check_scenario(load_text(TEXT.replace(old, new)), CATALOG)
    assert said in str(error.value)


def test_a_diffusion_model_is_not_served_as_text() -> None:
    text = """
name: x
start: 2026-10
sites: [{name: a, region: us_va, power_mw: 1}]
workloads: [{kind: serving, name: s, model: flux.1-dev, input_tokens: 1, output_tokens: 1, requests_per_s: 1}]
"""
    with pytest.raises(InputError, match="is a diffusion model, so not for kind: serving"):
        check_scenario(load_text(text), CATALOG)


def test_a_confidence_takes_units_to_spare(answer: Plan) -> None:
    scenario = load_text(TEXT + "confidence: 0.9\n")
    sure = plan(scenario, catalog=CATALOG)
    assert sure.chance is not None
    assert answer.chance is not None
    assert sure.chance.promises[0].chance >= 0.9 > answer.chance.promises[0].chance
    assert verify_plan(sure, scenario, CATALOG) == []
    assert (sure.totals.tco_usd if sure.totals else 0.0) > (answer.totals.tco_usd if answer.totals else 0.0)


def test_in_a_shared_fleet_it_costs_the_same_and_what_others_keep_up_costs_its_energy(answer: Plan) -> None:
    scenario = load_text(TEXT + "fleet: {shared: true}\n")
    shared = plan(scenario, catalog=CATALOG)
    assert shared.schedule is not None
    assert shared.schedule.demand[0].unit == "clips/s"
    assert shared.totals.tco_usd == pytest.approx(answer.totals.tco_usd, rel=1e-9)
    assert verify_plan(shared, scenario, CATALOG) == []
    stands = TEXT.replace("power_mw: 1", "power_mw: 1, installed: [{system: dgx_h200, count: 40, upkeep: others}]")
    alone = plan(load_text(stands), catalog=CATALOG)
    scenario = load_text(stands + "fleet: {shared: true}\n")
    shared = plan(scenario, catalog=CATALOG)
    assert {x.acquire for x in shared.deployments} == {"installed"}
    assert set(shared.deployments[0].cost.lines_usd) == {"energy", "water"}
    assert shared.totals.tco_usd == pytest.approx(alone.totals.tco_usd, rel=1e-9)
    assert verify_plan(shared, scenario, CATALOG) == []
