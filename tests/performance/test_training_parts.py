"""The pieces of the training model against closed forms and published tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_fixtures import dense_model, platform

from planner.errors import InputError
from planner.performance import collectives
from planner.performance.gemm import alignment, gemm_seconds
from planner.performance.keys import factorise
from planner.performance.laws import FAMILY_LAWS, KernelLaw, family_of, law_of
from planner.performance.overlap import exposed
from planner.performance.precision import normalise_precision
from planner.performance.training.frameworks import profile_for_framework, with_stated_mechanisms
from planner.performance.training.generations import MECHANISMS, with_mechanisms, without_mechanisms
from planner.performance.training.pipeline import bubble_seconds, in_flight, stage_layers
from planner.performance.training.stacks import PROFILES, get_profile
from planner.performance.training.step import TrainingCandidates, TrainingJob, estimate_training


def _a(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def test_equal_stages_give_the_textbook_pipeline():
    """m*t + (p-1)*t/v (arXiv:2104.04473)."""
    t, p, m = 3.0, 8.0, 32.0
    for v in (1.0, 4.0):
        waiting = bubble_seconds(_a(p * t), _a(t), _a(v), _a(m), _a(p), "1f1b")
        assert waiting[0] == pytest.approx((p - 1) * t / v)
    ragged = bubble_seconds(_a(p * t), _a(t), _a(4.0), _a(30.0), _a(p), "1f1b")
    assert ragged[0] > (p - 1) * t / 4


@given(st.lists(st.floats(0.2, 3.0), min_size=2, max_size=6), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_closed_form_matches_an_event_by_event_pipeline(stages, extra):
    """Forward-only pipeline of unequal stages, replayed step by step, never beats and never exceeds the form."""
    m = len(stages) + extra
    done = np.zeros((len(stages), m))
    for j in range(m):
        for i, t in enumerate(stages):
            before = max(done[i - 1, j] if i else 0.0, done[i, j - 1] if j else 0.0)
            done[i, j] = before + t
    slowest = max(stages)
    form = m * slowest + bubble_seconds(_a(sum(stages)), _a(slowest), _a(1), _a(m), _a(len(stages)), "1f1b")[0]
    assert done[-1, -1] == pytest.approx(form, rel=1e-9)


def test_micro_batches_in_flight():
    one = np.ones(1)
    assert in_flight(_a(32), _a(8), one, _a(0), "1f1b")[0] == 8
    assert in_flight(_a(32), _a(8), one, _a(7), "1f1b")[0] == 1
    assert in_flight(_a(4), _a(8), one, _a(0), "1f1b")[0] == 4
    # Korthikanti 2022: first stage of an interleaved schedule holds p*(1 + (p-1)/(p*v))
    assert in_flight(_a(64), _a(8), _a(3), _a(0), "1f1b")[0] == pytest.approx(8 * (1 + 7 / (8 * 3)), rel=0.01)


def test_layers_of_stages_add_up():
    fullest, last = stage_layers(126, _a(1, 16, 18, 7))
    assert fullest.tolist() == [126, 8, 7, 18]
    assert last.tolist() == [126, 7, 7, 18]


@given(st.floats(0, 10), st.floats(0, 10), st.floats(0, 1), st.floats(0, 0.2), st.floats(0, 0.1))
@settings(max_examples=60, deadline=None)
def test_overlap_is_between_hidden_and_serial(comm, window, omega, sigma, mu):
    added = exposed(_a(comm), _a(window), omega, sigma, mu)[0]
    assert added >= -1e-9
    assert added <= comm * (1 + mu) + 1e-9
    assert added >= (1 - omega) * comm - 1e-9
    assert exposed(_a(comm), _a(window), 0.0, sigma, mu)[0] == pytest.approx(comm)


def test_zero_conflict_overlap_hides_all_it_may():
    assert exposed(_a(1.0), _a(5.0), 0.8, 0.0, 0.0)[0] == pytest.approx(0.2)
    # 20 of 132 cores: what is hidden slows computation by 15%
    assert exposed(_a(1.0), _a(5.0), 1.0, 20 / 132, 0.0)[0] == pytest.approx(20 / 132)


def test_collectives_follow_the_ring():
    p = platform()
    size, stride, s = _a(8.0), _a(1.0), _a(8e9)
    rate = p.tiers[0].bandwidth * p.tiers[0].efficiency
    assert collectives.all_gather(p.tiers, size, stride, s)[0] == pytest.approx(7 / 8 * 8e9 / rate, rel=0.01)
    assert collectives.all_reduce(p.tiers, size, stride, s)[0] == pytest.approx(
        collectives.ALL_REDUCE_FACTOR * 2 * 7 / 8 * 8e9 / rate, rel=0.01
    )
    assert collectives.all_gather(p.tiers, _a(1.0), stride, s)[0] == 0
    # 16 servers, all eight ports of each: bound by the smaller of eight ports and one link
    both = collectives.all_gather(p.tiers, _a(128.0), stride, s)[0]
    ports = 8 * p.tiers[1].bandwidth * p.tiers[1].efficiency
    assert both == pytest.approx(127 / 128 * 8e9 / min(ports, rate), rel=0.02)
    # one rank a server (stride 8): one port
    lone = collectives.all_gather(p.tiers, _a(16.0), _a(8.0), s)[0]
    # two ranks of a group on every server, alternating with three other groups: two ports, or one
    two = collectives.all_gather(p.tiers, _a(32.0), _a(4.0), s)[0]
    apart = collectives.all_gather(p.tiers, _a(32.0), _a(4.0), s, False)[0]
    assert apart == pytest.approx(2 * two, rel=0.02)
    whole = collectives.all_gather(p.tiers, _a(128.0), stride, s, False)[0]
    assert whole == collectives.all_gather(p.tiers, _a(128.0), stride, s)[0]
    assert lone == pytest.approx(15 / 16 * 8e9 / (ports / 8), rel=0.02)


def test_alternating_rings_of_a_server_with_shared_adapters_share_its_processor_link():
    """Four adapters of 200 Gb/s for eight chips, NCCL before 2.12: 25 GB/s for all rings of a server together."""
    p = platform()
    outer = replace(p.tiers[-1], bandwidth=12.5e9, efficiency=0.8, adapter_chips=2.0)
    tiers = (p.tiers[0], outer)
    for stride in (2.0, 4.0):
        rate, _ = collectives.ring_rate(tiers, _a(64.0), _a(stride), False)
        assert rate[0] * stride == pytest.approx(25e9 * 0.8)
    # a ring of its own or of one rank a server does not alternate; and none is faster than its members' ports
    for stride in (1.0, 8.0):
        together, apart = (collectives.ring_rate(tiers, _a(64.0), _a(stride), j)[0][0] for j in (True, False))
        assert together == apart
    slow = (p.tiers[0], replace(outer, bandwidth=1.5e9, adapter_chips=8.0))
    rate, _ = collectives.ring_rate(slow, _a(64.0), _a(4.0), False)
    assert rate[0] == pytest.approx(2 * 1.5e9 * 0.8)


def test_stacks_whose_allocator_cannot_move_blocks_slow_when_memory_is_nearly_full():
    p = platform()
    job = TrainingJob(dense_model(), 2048, 5120, "fp16")
    layouts = TrainingCandidates.of(tp=8, dp=8, micro_batch=[1, 2, 4, 8, 16, 32, 64, 80], recompute=2, zero_stage=0)
    classic = get_profile("megatron_classic")
    slowed = estimate_training(job, p, layouts, classic)
    free = estimate_training(job, p, layouts, replace(classic, memory_pressure=0.0))
    share = free.memory_bytes / p.memory_bytes
    assert share.min() < 0.75
    assert share.max() > 0.80
    more = slowed.step_time_s / free.step_time_s - 1.0
    assert np.allclose(more[share <= 0.75], 0.0)
    assert np.all((more[share >= 0.80] > 0.02) & (more[share >= 0.80] <= 0.03 + 1e-9))
    total = sum(slowed.breakdown.values())
    assert np.allclose(total, slowed.step_time_s)
    assert get_profile("tuned").memory_pressure == 0.0


def test_deepep_volume_and_time():
    """128 tokens to 8 experts over 256 ranks, one direction, BF16: 14.7 MB; 360 us measured on 400 Gb/s (DeepEP)."""
    p = platform()
    routed = 128 * 8 * 7168 * 2.0
    seconds = collectives.all_to_all(p.tiers, _a(256.0), _a(1.0), _a(routed), _a(1.0))[0]
    assert seconds == pytest.approx(360e-6, rel=0.35)


def test_a_token_crosses_once_to_a_domain():
    share = collectives.distinct_domains_share(_a(1.0, 4.0, 32.0), 8.0, 0.0)
    assert share[0] == 1.0
    assert share[1] == pytest.approx(4 * (1 - 0.75**8) / 8)
    assert collectives.distinct_domains_share(_a(32.0), 8.0, 4.0)[0] == pytest.approx(0.5)


@pytest.mark.parametrize(("gflop", "published"), [(20, 0.62), (60, 0.68), (200, 0.71), (600, 0.74)])
def test_gemm_efficiency_by_size_on_a100(gflop, published):
    """Published forward efficiencies of an A100 by size of the product; the law is scaled to their asymptote, 0.75."""
    law = law_of("nvidia_ampere", {"gemm": 0.76})
    k = 4096.0
    m = n = np.sqrt(gflop * 1e9 / (2 * k)) // 128 * 128
    seconds = gemm_seconds(_a(m), n, k, 312e12 * law.gemm, 1.935e12, law)[0]
    assert 2 * m * n * k / 312e12 / seconds == pytest.approx(published, rel=0.15)


def test_misaligned_widths_are_slow():
    assert alignment(4096.0) == 1.0
    assert alignment(150.0) < alignment(152.0) < alignment(160.0) < alignment(192.0)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5), st.integers(1, 70)), min_size=1, max_size=40))
@settings(max_examples=40, deadline=None)
def test_factorise_restores_its_rows(rows):
    columns = [np.array(c, dtype=np.int64) for c in zip(*rows, strict=True)]
    unique, inverse = factorise(*columns)
    for column, values in zip(columns, unique, strict=True):
        assert np.array_equal(values[inverse], column)
    assert unique[0].size == len(set(rows))


def test_names_of_precisions():
    assert {normalise_precision(n) for n in ("BF16", "fp16", "bfloat16")} == {"bf16"}
    assert normalise_precision("NVFP4") == "fp4"
    assert normalise_precision("FP8-CS") == "fp8"
    with pytest.raises(InputError, match="did you mean"):
        normalise_precision("bf15")


def test_profiles_by_framework_name():
    assert profile_for_framework("Megatron-LM", 2021).name == "megatron_classic"
    assert profile_for_framework("Megatron-Bridge (NeMo 26.04)", 2026).name == "bridge_2026"
    assert profile_for_framework("Megatron-Bridge (NeMo 26.08)", 2026).name == "bridge_2606"
    assert get_profile("bridge_2606").level_name == "bridge_2026"  # releases of a stack share its calibrated level
    assert profile_for_framework("NeMo 24.07 / Megatron-Core", 2024).name == "nemo_2024"
    assert profile_for_framework("NeMo/Megatron-Core", 2025, audited=True).name == "mlperf"
    assert profile_for_framework("Primus/Megatron (AMD)", 2026, audited=True).name == "mlperf_2026"
    assert profile_for_framework("Megatron-Core", 2026).name == "bridge_2026"
    assert profile_for_framework("Megatron-LM (Megatron-Core 0.14)", 2026).name == "mcore"
    assert profile_for_framework("NeMo Automodel (PyTorch FSDP2, TE, DeepEP)", 2026).name == "automodel"
    assert profile_for_framework("torchtitan (PyTorch)", 2025).name == "fsdp"
    assert profile_for_framework("MaxText (JAX)", 2024).name == "xla"
    assert profile_for_framework("PaxML", 2023).name == "xla"
    assert profile_for_framework("PaxML", 2023, gpu=True).name == "xla_2023"
    assert profile_for_framework("something else").name == "default"
    assert get_profile(None).name == "default"


def test_mechanisms_come_with_their_dates_and_from_a_source_s_own_words():
    fused = get_profile("bridge_2026")
    plain = with_stated_mechanisms(fused, "all-to-all dispatcher, main branch")
    assert plain.permute > fused.permute
    assert plain.ep_overlap < fused.ep_overlap
    assert with_stated_mechanisms(plain, "DeepEP").permute == fused.permute
    assert with_stated_mechanisms(fused, "DeepEP, 1F1B all-to-all overlap").ep_overlap > fused.ep_overlap
    assert not with_stated_mechanisms(get_profile("bridge_2606"), "cuda_graph=transformer_engine").fused_experts
    assert with_stated_mechanisms(fused, "nothing of the kind") == fused
    for name, mechanism in MECHANISMS.items():
        assert (2022, 1) < mechanism.since < (2027, 1), name
        assert set(mechanism.sets) == set(mechanism.without)
        assert without_mechanisms(with_mechanisms(fused, [name]), [name]) != with_mechanisms(fused, [name])


def test_tuned_is_the_newest_generation():
    newest = max(p.generation for p in PROFILES.values())
    assert get_profile("tuned").generation == newest
    assert get_profile("tuned").level_name == "bridge_2026"


def test_families():
    assert family_of("h100_sxm") == "nvidia_hopper"
    assert family_of("mtt_s5000_air") == "mtt"
    assert family_of("anything", "biren") == "biren"
    assert law_of("a family nobody knows", {}) == KernelLaw()
    for law in FAMILY_LAWS.values():
        assert 0.3 < law.gemm <= 1
        assert 0 < law.memory <= 1


def test_stages_send_their_share_and_gather() -> None:
    """Eight ranks of a tensor-parallel group send an eighth each: far less over the network than the whole activation,
    which is what DeepSpeed's pipelines still do with gradients. With the sequence split nothing is to be gathered."""
    job, on = TrainingJob(dense_model(layers=32), 4096, 512), platform()
    shapes = {"tp": 8, "pp": 8, "dp": 8, "micro_batch": 2, "recompute": 2}

    def sends(profile: str, sp: int) -> float:
        candidates = TrainingCandidates.of(**shapes, sp=sp)
        return float(estimate_training(job, on, candidates, profile).breakdown["pipeline_send"][0])

    in_parts, whole_gradients = sends("megatron_classic", 0), sends("megatron_fork", 0)
    split = sends("megatron_classic", 1)
    assert split < in_parts < whole_gradients / 2
    assert sends("megatron_fork", 1) == pytest.approx(split)
