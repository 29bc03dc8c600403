"""Published training rows beside predictions: the accuracy the planner claims is measured here on part of them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from planner.catalog import load_catalog
from planner.catalog.load import catalog_folder
from planner.errors import InputError
from planner.performance.compile import build_platform
from planner.performance.measured.calibration import (
    EFFECT,
    calibrate_training,
    calibration_yaml,
    effect_names,
    fit_effects,
    left_out_levels,
    level_of,
    read_training_calibration,
)
from planner.performance.measured.neighbours import Neighbours, shipped_neighbours
from planner.performance.measured.observation import Names, Observation
from planner.performance.measured.process import PRIOR_MEAN
from planner.performance.training.stacks import get_profile
from planner.performance.training.step import TrainingCandidates, TrainingJob, estimate_training
from planner.validation import Case, validate
from planner.validation.cases import CaseResult, read_cases
from planner.validation.ordering import ordering_of
from planner.validation.page import missing_mechanism
from planner.validation.report import ValidationReport
from planner.validation.summary import by_tag, overall
from planner.validation.training.bars import bars_table, group_errors, training_bars
from planner.validation.training.calibrate import answers_of, observations_of
from planner.validation.training.rows import (
    answer,
    default_expert_parallel,
    default_interleave,
    may_fit,
    power_limited,
    setup_of,
    stated_network_gbit_s,
    validate_training,
    zero_stage_of,
)

TABLE = catalog_folder() / "measurements" / "training.csv"


@pytest.fixture(scope="module")
def catalog():
    return load_catalog()


@pytest.fixture(scope="module")
def cases():
    return read_cases(TABLE)


def _report(cases, catalog, prefixes: tuple[str, ...], step: int = 1) -> ValidationReport:
    return ValidationReport(validate_training([c for c in cases if c.case_id.startswith(prefixes)][::step], catalog))


def test_classic_rows_are_close(cases, catalog):
    """Korthikanti 2022, Narayanan 2021 (Table 1) and MT-NLG: within 8% mean."""
    whole = overall(_report(cases, catalog, ("KORT", "SC21", "MEM-MTNLG")).step_times())
    assert whole is not None
    assert whole.answered >= 18
    assert whole.mean < 0.08


def test_simumax_peak_memory(cases, catalog):
    """Allocator peaks of truncated models on one B200 node: within 4% mean, never more than 5% low."""
    memory = _report(cases, catalog, ("SIMU",)).select("training", "peak_memory_gib")
    assert len(memory) >= 20
    errors = [r.predicted / r.measured - 1 for r in memory]
    assert sum(abs(e) for e in errors) / len(errors) < 0.04
    assert min(errors) > -0.05


def test_layouts_come_out_in_order(cases, catalog):
    """vTrain's multi-node sweep of TP, PP, DP and micro-batch: most pairs in order, the favourite near the best."""
    found = ordering_of(_report(cases, catalog, ("VTRM",)).step_times())
    assert found
    for o in found:
        if "multi-node" in o.name:
            assert o.in_order >= 0.88, o
            assert o.regret <= 0.04, o
        else:
            assert o.in_order > 0.82, o
            assert o.regret < 0.05, o


def test_a_sample_of_everything_beats_the_one_constant(cases, catalog):
    report = ValidationReport(validate_training(cases[::6], catalog))
    whole = overall(report.step_times())
    assert whole.answered / whole.rows > 0.95
    assert whole.mean < 0.17
    assert whole.mean < 0.6 * whole.baseline_mean
    assert 0.65 < whole.coverage80 < 0.93
    json.dumps(report.to_json(), allow_nan=False)
    for entry in report.to_json()["cases"]:
        assert set(entry) == {"case_id", "quantity", "measured", "predicted", "low80", "high80", "reason"}
        assert (entry["predicted"] is None) == bool(entry["reason"])


def test_every_unanswered_row_says_why(cases, catalog):
    blank = Case(
        "X-1", {"case_id": "X-1", "model": "Nobody-7B", "chip": "H100-80GB", "step_time_s": "1.0", "global_batch": "8"}
    )
    chip = Case("X-2", {**cases[0].cells, "case_id": "X-2", "chip": "H1O0-80GB"})
    precision = Case("X-3", {**cases[0].cells, "case_id": "X-3", "chip": "A100-80GB", "precision": "nvfp4"})
    results = validate_training([blank, chip, precision], catalog)
    assert {r.case_id for r in results} == {"X-1", "X-2", "X-3"}
    assert all(r.predicted is None and r.reason for r in results)


def test_the_answer_does_not_look_at_the_measurement(cases, catalog):
    some = [c for c in cases if c.case_id.startswith(("MBR2604-0", "BLOOM-00", "ASC-01"))]
    doubled = []
    for c in some:
        cells = dict(c.cells)
        for column in ("step_time_s", "tokens_per_s_per_chip", "model_tflops_per_chip", "peak_memory_gib"):
            if cells.get(column):
                cells[column] = str(2 * float(cells[column]))
        doubled.append(Case(c.case_id, cells))
    before, after = validate_training(some, catalog), validate_training(doubled, catalog)
    assert [r.predicted for r in before] == [r.predicted for r in after]
    assert any(r.measured != s.measured for r, s in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("words", "stage"),
    [
        ("distributed-optimizer(zero1)", 1),
        ("FSDP FULL_SHARD(zero3)", 3),
        ("FSDP SHARD_GRAD_OP(zero2)", 2),
        ("ZeRO-3 + CPU offload", 3),
        ("none (DP64)", 0),
        ("sharding stage 2 (ZeRO-2) degree 4", 2),
        ("", None),
    ],
)
def test_words_for_sharding(words, stage):
    assert zero_stage_of(words) == stage


def test_interleaving_is_only_assumed_where_it_is_usual():
    assert default_interleave(get_profile("megatron_classic"), 96, 8, 64) == 1
    assert default_interleave(get_profile("nemo_2024"), 96, 8, 64) == 6
    assert default_interleave(get_profile("nemo_2024"), 96, 8, 1024) == 1


def test_cases_files_that_cannot_be_read_say_where(tmp_path: Path):
    broken = tmp_path / "cases.csv"
    broken.write_text("case_id,model\nA-1,x\nA-1,y\n,z\nA-2,x,too,many\n")
    with pytest.raises(InputError) as found:
        read_cases(broken)
    assert [p.line for p in found.value.problems] == [3, 4, 5]
    with pytest.raises(InputError, match="does not exist"):
        read_cases(tmp_path / "none.csv")
    broken.write_text("name,value\na,1\n")
    with pytest.raises(InputError, match="no column case_id"):
        read_cases(broken)


def test_a_users_file_is_validated(tmp_path: Path, cases, catalog):
    mine = tmp_path / "mine.csv"
    columns = list(cases[0].cells)
    quote = [f'"{cases[0].cells[c]}"' for c in columns]
    mine.write_text(",".join(columns) + "\n" + ",".join(quote) + "\n")
    report = validate(mine, catalog)
    assert {r.case_id for r in report.results} == {cases[0].case_id}


def _observation(source: str, profile: str, ratio: float, group: str = "", fit: bool = True) -> Observation:
    return Observation(
        group or f"{source}-{profile}", source, "nvidia_hopper", "h100", profile, "bf16", False, ratio, fit
    )


def test_levels_are_shrunk_and_follow_their_rows():
    slow = [_observation(f"s{i}", "plain", 1.4, f"g{i}") for i in range(12)]
    fast = [_observation(f"t{i}", "tuned", 1.0, f"h{i}") for i in range(12)]
    effects = {EFFECT + k: v for k, v in fit_effects(slow + fast).items()}
    plain = level_of(effects, effect_names(Names("nvidia_hopper", "h100", "plain", "2024", "bf16", False)))
    tuned = level_of(effects, effect_names(Names("nvidia_hopper", "h100", "tuned", "2024", "bf16", False)))
    assert tuned < plain < 1.4
    assert plain > 1.15  # the rest is what runs of one size share, which neighbours carry on
    assert tuned < 1.15
    # one group says little, and rows that may not be fitted say nothing
    lone = {EFFECT + k: v for k, v in fit_effects(slow[:1]).items()}
    assert 1.0 < level_of(lone, effect_names(slow[0].names)) < 1.35
    assert fit_effects([_observation("memory", "plain", 3.0, fit=False)]) == {}
    assert level_of({EFFECT + "all": 9.0}, ("all",)) == 2.2


def test_a_source_is_left_out_whole():
    rows = [_observation("only", "plain", 1.5, f"g{i}") for i in range(6)]
    assert left_out_levels(rows) == pytest.approx([math.exp(PRIOR_MEAN)] * 6)


def test_a_row_is_corrected_by_measured_runs_but_not_by_its_own_source_when_it_is_carried(cases, catalog):
    """What a row's own measurement left over must not answer for it."""
    held = next(c for c in cases if c.case_id == "DGXC-016")
    known = answer(held, catalog)
    runs = shipped_neighbours()
    assert known.step_s == answer(held, catalog, runs.without(held.source)).step_s
    assert known.step_s != answer(held, catalog, runs).step_s
    elsewhere = replace(held, case_id="MINE-1", cells={**held.cells, "source_title": "our own cluster"})
    mine = answer(elsewhere, catalog)
    assert mine.step_s == pytest.approx(known.step_s, rel=0.2)
    assert mine.step_s != answer(elsewhere, catalog, Neighbours()).step_s
    bare = answer(elsewhere, catalog, Neighbours())
    assert mine.high / mine.low < bare.high / bare.low  # published runs are near: the interval is narrower


def test_measured_runs_bring_sources_and_chips_that_are_left_out_nearer(cases, catalog):
    """The physical model with its effects alone, and corrected by the runs near each row."""
    rows = observations_of(answers_of(cases, catalog))
    for unit in (lambda o: o.source, lambda o: o.chip):
        alone, near = (fmean(group_errors(rows, left_out_levels(rows, unit, near=n))) for n in (False, True))
        assert near < alone


def test_calibration_survives_its_file(tmp_path: Path):
    rows = [_observation(f"s{i}", "tuned", math.exp(0.1 * (i % 3)), f"g{i}") for i in range(30)]
    fitted = calibrate_training(rows)
    (low,), (high,) = fitted.spread.ends(np.array([0.2]))
    assert low < 1 < high
    file = tmp_path / "training.yaml"
    file.write_text(calibration_yaml(fitted))
    again = read_training_calibration(file)
    assert again.sources == fitted.sources
    assert again.effects == pytest.approx(fitted.effects, abs=1e-4)
    assert again.spread.ends(np.array([0.2]))[0] == pytest.approx(low, abs=2e-3)
    assert read_training_calibration(tmp_path / "absent.yaml").effects == {}
    file.write_text("training: {effects: {nonsense: 0.1}, spread: {knots: [[1, 2]]}}")
    with pytest.raises(InputError) as found:
        read_training_calibration(file)
    assert len(found.value.problems) == 2


def test_the_shipped_calibration_is_of_the_carried_rows(cases):
    shipped = read_training_calibration(catalog_folder() / "calibration" / "training.yaml")
    known = {c.source for c in cases}
    assert set(shipped.sources) <= known
    forbidden = {c.source for c in cases if not may_fit(c)} - {c.source for c in cases if may_fit(c)}
    assert not forbidden & set(shipped.sources)
    assert shipped.error["mean"] < 0.16


def test_groups_count_once():
    tags = {"source": "a", "model": "m", "chip": "c", "precision": "p"}
    many = [CaseResult(f"A-{i}", "step_time_s", 1.0, 1.1, tags=tags) for i in range(99)]
    one = CaseResult("B-1", "step_time_s", 1.0, 1.3, tags={**tags, "source": "b"})
    rate = CaseResult("C-1", "tokens_per_s_per_chip", 130.0, 100.0, tags={**tags, "source": "c"})
    whole = overall([*many, one, rate])
    assert whole.groups == 3
    assert whole.mean == pytest.approx((0.1 + 0.3 + 0.3) / 3)
    assert [g.rows for g in by_tag([*many, one], "source")] == [99, 1]


def test_ordering_of_layouts():
    tags = {"source": "s", "model": "m", "chip": "c", "precision": "p", "run": "r"}
    rows = [CaseResult(f"A-{i}", "step_time_s", m, p, tags=tags) for i, (m, p) in enumerate([(1, 1), (2, 3), (3, 2)])]
    (found,) = ordering_of(rows)
    assert (found.pairs, found.in_order, found.regret) == (3, pytest.approx(2 / 3), 0.0)


def test_a_row_says_what_network_it_ran_on(cases, catalog):
    """A stated network takes the place of the system's; a row that says nothing keeps it."""
    by_id = {case.case_id: case for case in cases}
    assert stated_network_gbit_s(by_id["VTRM-033"]) == 800.0
    assert stated_network_gbit_s(by_id["BLOOM-031"]) == 400.0
    assert stated_network_gbit_s(by_id["KORT-005"]) is None
    setup = setup_of(by_id["VTRM-033"], catalog)
    assert setup.platform.tiers[-1].bandwidth == pytest.approx(800e9 / 8 / 8)
    assert setup.platform.tiers[-1].adapter_chips == 2.0  # four adapters of 200 Gb/s
    assert setup_of(by_id["BLOOM-031"], catalog).platform.tiers[-1].adapter_chips == 2.0  # four of 100
    assert setup_of(by_id["ONEFLOW-001"], catalog).platform.tiers[-1].adapter_chips == 8.0  # one of 100
    assert setup_of(by_id["KORT-005"], catalog).platform.tiers[-1].adapter_chips == 1.0


def test_old_stacks_keep_whole_optimizer_states_where_they_fit(cases, catalog):
    """Before the distributed optimizer, unless memory says otherwise; what a row states stands."""
    by_id = {case.case_id: case for case in cases}
    assert setup_of(by_id["VTRM-028"], catalog).candidate.zero_stage[0] == 0
    crowded = setup_of(by_id["NEMOLR-007"], catalog)
    assert crowded.candidate.zero_stage[0] == 1
    assert setup_of(by_id["BLOOM-031"], catalog).candidate.zero_stage[0] == 1


def test_offload_in_the_source_s_words_is_priced(cases, catalog):
    """Long sequences with host offload and a tiled loss: peak memory within a third, which is threefold without."""
    rows = [case for case in cases if case.case_id.startswith("STAS") and case.number("peak_memory_gib")]
    assert len(rows) == 12
    for case in rows:
        found = answer(case, catalog)
        assert found.setup is not None
        assert found.setup.profile.offload_optimizer == 1.0
        assert found.memory_gib == pytest.approx(case.number("peak_memory_gib"), rel=0.34)


def test_every_bar_has_a_figure(cases, catalog):
    """The table of figures on a sample: each is a number, and `holds` is what the bar says."""
    picked = [c for c in cases if c.case_id.startswith(("VTRM", "SIMU", "KORT", "NANO"))]
    bars = training_bars(picked, catalog)
    by_name = {b.name: b for b in bars}
    assert by_name["peak memory, allocator peaks: mean error"].holds
    assert all(math.isfinite(b.value) for b in bars)
    assert len(bars_table(bars)) == len(bars) + 3


def test_expert_parallelism_where_no_layout_is_stated():
    plain, fused = get_profile("mcore"), get_profile("bridge_2026")
    assert default_expert_parallel(256, 512, None, None, 1, 8, plain) == 8
    assert default_expert_parallel(4, 512, None, None, 1, 8, plain) == 4
    assert default_expert_parallel(256, 512, 8, 1, 1, 8, plain) == 1  # widths are stated, this one is not: none
    assert default_expert_parallel(0, 512, None, None, 1, 8, fused) == 1
    assert default_expert_parallel(128, 512, 4, None, 1, 8, fused) == 64  # fused dispatch is for many experts' ranks


def test_rows_their_own_notes_set_aside(cases, catalog):
    row = next(c for c in cases if c.case_id == "ASC-019")
    assert not may_fit(row)
    assert "not to use" in answer(row, catalog).reason


def test_fused_experts_only_help_gated_block_scaled_experts(cases, catalog):
    """Qwen3 (gated) in MXFP8 gains from release 26.06; graphs of single layers, as the row may say, do not."""
    row = next(c for c in cases if c.case_id == "MBR2606-015")
    fused = answer(row, catalog)
    assert fused.setup.profile.name == "bridge_2606"
    words = {**row.cells, "notes": "cuda_graph=transformer_engine"}
    plain = answer(Case(row.case_id, words), catalog)
    assert fused.step_s < 0.85 * plain.step_s


def test_missing_mechanism_needs_all_words():
    case = Case("x", {"framework": "NeMo 26.06", "model": "DeepSeek-V3", "chip": "B200"})
    rules = [{"framework": ["nemo"], "model": ["qwen"], "mechanism": "a"}, {"model": ["deepseek"], "mechanism": "b"}]
    assert missing_mechanism(case, rules) == "b"
    assert missing_mechanism(case, rules[:1]) == ""


def test_tuned_runs_of_experts_on_nvl72_lie_in_their_intervals(cases, catalog):
    """DeepSeek-V3 on GB200 and GB300 under recipes of 2026, none of which may answer for its own source."""
    rows = [
        c
        for c in cases
        if c.text("model") == "DeepSeek-V3" and c.text("chip") in ("GB200", "GB300") and c.text("year") == "2026"
        and not c.text("source_title").startswith("NVIDIA NeMo RL")
    ]  # fmt: skip
    told = [r for r in validate_training(rows, catalog) if r.quantity == "step_time_s" and r.predicted]
    inside = [r.low80 <= r.measured <= r.high80 for r in told]
    assert len(told) >= 12
    assert sum(inside) >= 0.8 * len(told)


def test_an_mlperf_entry_is_near_the_recipe_it_was_tuned_from(catalog):
    """No entry with experts was measured: what its code base's recipes leave over near by counts for it."""
    platform = build_platform(catalog, "gb300_nvl72", "gb300", "")
    job = TrainingJob(catalog.model("deepseek-v3"), 4096, 4096, "mxfp8")
    one = TrainingCandidates.of(tp=1, pp=2, vpp=8, dp=128, ep=32, micro_batch=1, zero_stage=1)
    found = {
        name: float(estimate_training(job, platform, one, get_profile(name)).step_time_s[0])
        for name in ("bridge_2606", "mlperf_2026", "default")
    }
    apart = {name: abs(math.log(found[name] / found["bridge_2606"])) for name in ("mlperf_2026", "default")}
    assert apart["mlperf_2026"] < 0.15
    assert apart["default"] > 0.5


def test_chips_whose_power_was_limited_are_not_answered(cases, catalog):
    rows = [c for c in cases if power_limited(c)]
    told = validate_training(rows, catalog)
    assert told
    assert all(r.predicted is None and "power" in r.reason for r in told)
