"""Published serving rows: what is read from a row, what is refused, and how well the answers agree."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from planner.catalog import Catalog, load_catalog
from planner.catalog.load import catalog_folder
from planner.errors import InputError
from planner.performance.compile import headroom
from planner.performance.serving.levels import BATCH, SPREAD
from planner.performance.serving.profile import (
    ServingCalibration,
    profile_for,
    read_serving_calibration,
    shipped_serving_calibration,
)
from planner.validation.cases import Case, CaseResult, read_cases
from planner.validation.chips import chip_named
from planner.validation.serving.bars import left_out_bars, order_right, serving_bars
from planner.validation.serving.cases import (
    MEASURED,
    ServingCase,
    UnansweredError,
    read_case,
    run_of,
)
from planner.validation.serving.cut_table import chip_orders, cut_rows, cuts_csv, cuts_file, read_cuts
from planner.validation.serving.descent import Descent, Figure
from planner.validation.serving.fit import BOUNDS, WEIGHTS, calibration_yaml, may_fit, thin, unknowns
from planner.validation.serving.left_out import Fitted, Seen, left_out, with_intervals
from planner.validation.serving.modes import _split
from planner.validation.serving.page import serving_markdown
from planner.validation.serving.rows import ServingPredictor, validate_serving
from planner.validation.serving.words import engine_of, front_of, precision_of, release_of


@functools.cache
def catalog() -> Catalog:
    return load_catalog()


@functools.cache
def carried() -> tuple[Case, ...]:
    return read_cases(catalog_folder() / "measurements" / "serving.csv")


@functools.cache
def sample() -> tuple[CaseResult, ...]:
    """A fifth of the rows of each source and engine."""
    return validate_serving(thin(carried(), 40, seed=7), catalog())


def row(**cells: str) -> dict[str, str]:
    base = {
        "case_id": "X-1", "model": "Llama-3.1-70B", "chip": "H100-SXM", "framework": "vLLM", "weight_precision": "fp8",
        "tp": "4", "n_chips": "4", "isl": "1000", "osl": "500", "concurrency_or_batch": "16", "disaggregated": "0",
        "scenario": "server", "notes": "", "year": "2025",
    }  # fmt: skip
    return {**base, **cells}


def test_inferencex_lengths_are_nine_tenths() -> None:
    case = read_case(row(notes="random data, lengths uniform in [0.8,1.0]x nominal"), catalog())
    assert case.input_tokens == pytest.approx(900)
    assert case.output_tokens == pytest.approx(450)
    assert read_case(row(), catalog()).input_tokens == 1000
    older = read_case(row(case_id="IXFH-1"), catalog())  # the same benchmark; its older rows' notes do not say so
    assert (older.input_tokens, older.loop) == (pytest.approx(900), SPREAD)


def test_static_batches_have_no_server() -> None:
    case = read_case(row(case_id="TRT09-1", framework="TensorRT-LLM", year="2024", osl="1"), catalog())
    assert (case.mode, case.loop) == ("static", BATCH)


def test_pools_share_clients_so_that_both_pass_the_same_rate() -> None:
    """Proves: x clients decode for 1 s, prompts take 0.25 s: x + 0.25 x = 10 where prefill has room, else its limit."""
    decoding = np.geomspace(1.0, 10.0, 24)[None, :]
    tpot, room = np.full((1, 24), 0.01), np.full((1, 24), 1e9)
    for busiest, servers, expected in ((1e6, 64.0, 8.0), (2.0, 64.0, 2.0)):
        _, held, pace = _split(
            np.array([10.0]), decoding, tpot, room, np.array([0.25]), np.array([busiest]), np.array([servers]), 100.0
        )
        assert held[0] == pytest.approx(expected, rel=0.06)  # a full pool queues before its limit
        assert pace[0] == pytest.approx(0.01)


def test_instances_and_copies() -> None:
    case = read_case(row(n_chips="16"), catalog())
    assert (case.worker.chips, case.worker.count) == (4, 4)
    moe = read_case(row(model="DeepSeek-R1", tp="1", dp="8", ep="8", n_chips="8"), catalog())
    assert (moe.worker.attention_dp, moe.worker.ep, moe.worker.chips) == (8, 8, 8)


def test_experts_of_an_engine_with_copied_attention() -> None:
    """``tp=1 with DP attention`` beside 16 expert ranks: 16 copies of attention, not one chip."""
    told = {"model": "DeepSeek-R1", "chip": "MI355X", "tp": "1", "dp": "1", "ep": "16", "n_chips": "24",
            "prefill_chips": "8", "decode_chips": "16", "disaggregated": "1"}  # fmt: skip
    notes = "prefill: 1 workers tp1 ep8 dpattn True; decode: 1 workers; engine tp=1 with DP attention"
    worker = read_case(row(**told, notes=notes), catalog()).worker
    assert (worker.tp, worker.attention_dp, worker.ep, worker.count) == (1, 16, 16, 1)


def test_names_of_precisions() -> None:
    names = ("FP8", "mxfp8", "bfloat16", "w4a16", "AWQ", "w8a16")
    told = [read_case(row(weight_precision=n), catalog()).precision for n in names]
    assert told == ["fp8", "fp8", "bf16", "int4", "int4", "int8"]


def test_prefill_workers_are_read_from_the_notes() -> None:
    notes = (
        "prefill 2 worker(s) x [tp1 attn-dp8 moe-tp1 moe-ep8]; decode 1 worker(s) x [tp1 attn-dp32 moe-tp1 moe-ep32]"
    )
    cells = row(model="DeepSeek-R1", disaggregated="1", tp="1", dp="32", ep="32", n_chips="48", notes=notes,
                framework="Dynamo+SGLang")  # fmt: skip
    case = read_case(cells, catalog())
    assert case.mode == "disaggregated"
    assert case.prefill is not None
    assert (case.prefill.count, case.prefill.attention_dp) == (2, 8)
    assert case.worker.attention_dp == 32


def test_refusals_have_reasons() -> None:
    for cells, word in (
        ({"model": "Unheard-9B"}, "model"),
        ({"chip": "Abacus"}, "chip"),
        ({"weight_precision": "ternary"}, "precision"),
        ({"tp": "", "n_chips": ""}, "parallelism"),
        ({"osl": ""}, "output length"),
    ):
        with pytest.raises(UnansweredError, match=word):
            read_case(row(**cells), catalog())


def test_engines() -> None:
    assert engine_of("Dynamo+TensorRT-LLM") == "trtllm"
    assert engine_of("vLLM-Ascend") == "vllm_ascend"
    assert engine_of("Deepspeed-MII") == "other"
    assert engine_of("DeepSpeed (Gaudi)") == "hpu"
    assert engine_of("SynapseAI") == "hpu"
    assert engine_of("ATOM", 2026) == "atom"
    assert engine_of("SGLang (MoRI disagg)", 2026) == "sglang"
    # an engine nobody knows is of its time
    assert engine_of("CloudMatrix-Infer", 2025) == "current"
    assert engine_of("SomethingNew") == "current"
    assert engine_of("", 2024) == "other"
    assert [front_of(f) for f in ("Dynamo+SGLang", "SGLang (MoRI)", "llm-d", "vLLM")] == ["dynamo", "mori", "llm_d", ""]


def test_dates_of_runs_are_quarters() -> None:
    assert run_of(row(notes="InferenceX run 2026-05-20; no speculative decoding")) == 2026.5
    assert run_of(row(framework_version="vllm 0.8.3 (2025-04-10)")) == 2025.25
    assert run_of(row()) == 2025.5


def test_releases_are_major_and_minor_numbers() -> None:
    assert [release_of(v) for v in ("1.2.0rc2.post2", "0.14.0", "1.0", "0.5.10.post1")] == ["1.2", "0.14", "1.0", "0.5"]
    assert [release_of(v) for v in ("", "gpt-oss-dev", "TensorRT 10.2.0, CUDA 12.4")] == ["", "", ""]
    assert release_of("0.8.1.post1", "Dynamo+TensorRT-LLM") == ""  # Dynamo's version, not the engine's


def test_requests_alike_come_in_waves() -> None:
    assert read_case(row(), catalog()).waves
    assert not read_case(row(notes="lengths uniform in [0.8,1.0]x nominal"), catalog()).waves


def _first_token_ms(**cells: str) -> float:
    case = read_case(row(case_id="IXFX-1", concurrency_or_batch="64", **cells), catalog())
    (answer,) = ServingPredictor(catalog()).predict([case]).values()
    assert not isinstance(answer, str)
    return answer.ttft_s * 1e3


def test_a_median_first_token_holds_none_that_all_came_at_once() -> None:
    """SGLang on MI300X: 620 ms in the mean and 170 in the median of the same run."""
    mean, median_ = (_first_token_ms(framework="SGLang", notes=f"{what} ttft/tpot") for what in ("mean", "median"))
    assert median_ < 0.8 * mean


def test_requests_wait_where_the_scheduler_looks_seldom() -> None:
    """InferenceX's recipes of SGLang on Blackwell look for requests every 10 decode steps, every 30 from 16 clients."""
    told = {
        (chip, clients): read_case(
            row(case_id="IXFX-1", framework="SGLang", chip=chip, concurrency_or_batch=clients), catalog()
        ).poll_steps
        for chip in ("B200", "H200-SXM")
        for clients in ("8", "16")
    }
    assert list(told.values()) == [10.0, 30.0, 1.0, 1.0]
    case = read_case(row(case_id="IXFX-1", framework="SGLang", chip="B200", concurrency_or_batch="16"), catalog())
    often = replace(case, poll_steps=1.0, case_id="often")
    seldom, at_once = (a for a in ServingPredictor(catalog()).predict([case, often]).values() if not isinstance(a, str))
    waited = seldom.ttft_s - at_once.ttft_s
    assert 8.0 * at_once.tpot_s < waited < 25.0 * at_once.tpot_s  # half of 29 steps, times the level of first tokens
    assert seldom.requests_per_s < at_once.requests_per_s


def test_alike_requests_stay_together_where_prompts_stop_decoding() -> None:
    """NVIDIA's sweep of Qwen3 32B on 8 H100, 16 clients, 1,024 in and 128 out: vLLM 110 ms, SGLang 350 ms."""
    asked = {"model": "Qwen3-32B", "tp": "8", "n_chips": "8", "isl": "1024", "osl": "128", "weight_precision": "bf16"}
    cases = [
        read_case(row(case_id=f"NVGAP-{name}", framework=name, concurrency_or_batch="16", **asked), catalog())
        for name in ("vLLM", "SGLang")
    ]
    mixed, apart = (a.ttft_s for a in ServingPredictor(catalog()).predict(cases).values() if not isinstance(a, str))
    assert 0.055 < mixed < 0.22 < apart < 0.7


def test_measurements_are_never_read() -> None:
    """Predictions do not move when the measured columns do."""
    chosen = thin(carried(), 2, seed=3)
    changed = [
        Case(c.case_id, {k: ("123.4" if k in MEASURED and v else v) for k, v in c.cells.items()}, c.file, c.line)
        for c in chosen
    ]
    before, after = validate_serving(chosen, catalog()), validate_serving(changed, catalog())
    assert [(r.case_id, r.quantity, r.predicted, r.low80) for r in before] == [
        (r.case_id, r.quantity, r.predicted, r.low80) for r in after
    ]


def test_every_figure_is_answered_or_refused_with_a_reason() -> None:
    for r in sample():
        assert (r.predicted is None) == bool(r.reason)
        if r.predicted is not None:
            assert 0.0 < (r.low80 or 0.0) < r.predicted < (r.high80 or 0.0)
    answered = sum(r.predicted is not None for r in sample())
    assert answered / len(sample()) > 0.85


@pytest.mark.parametrize(
    ("quantity", "sources", "limit"),
    [
        ("tpot_ms", ("IMAX", "IMAXD", "IXFX", "IXDB", "NVGAP"), 0.18),
        ("output_tok_s_per_chip", ("TRT014", "TRT020", "TRT10"), 0.10),
        ("ttft_ms", ("IMAX", "IXFX", "NVGAP"), 0.60),
    ],
)
def test_agreement_with_published_rows(quantity: str, sources: tuple[str, ...], limit: float) -> None:
    errors = [
        abs(r.error or 0.0)
        for r in sample()
        if r.predicted is not None and r.quantity == quantity and r.tags["source"] in sources
    ]
    assert len(errors) > 50
    assert median(errors) <= limit


def test_dense_throughput() -> None:
    """TensorRT-LLM's maximum throughput of dense models on Hopper: mean error within 8%."""
    errors = [
        abs(r.error or 0.0)
        for r in sample()
        if r.predicted and r.tags["source"] in ("TRT020", "TRT10") and r.tags["architecture"] == "dense"
        and r.quantity == "output_tok_s_per_chip" and r.tags["chip"] in ("H100-SXM", "H200-SXM")
    ]  # fmt: skip
    assert len(errors) >= 10
    assert sum(errors) / len(errors) <= 0.08


def test_order_of_pairs() -> None:
    tpot = [r for r in sample() if r.quantity == "tpot_ms"]
    right, pairs = order_right(tpot)
    assert pairs > 1000
    assert right / pairs > 0.91


def test_page_says_what_is_unanswered() -> None:
    page = serving_markdown(sample())
    assert "## Serving" in page
    assert "### Not answered" in page
    assert page.count("| B200 |") >= 2


def test_shipped_calibration_is_inside_its_bounds() -> None:
    found = shipped_serving_calibration()
    tables = [found.everything, *found.families.values(), *found.engines.values(), *found.releases.values()]
    for table in tables:
        for name, value in table.items():
            if name in BOUNDS:
                low, high = BOUNDS[name]
                assert low * 0.999 <= value <= high * 1.001


def test_unmeasured_family_has_a_wider_interval() -> None:
    known, new = profile_for("nvidia_hopper"), profile_for("a_chip_of_tomorrow")
    assert new.low80 < known.low80
    assert new.high80 > known.high80


def test_bad_calibration_names_every_fault(tmp_path: Path) -> None:
    file = tmp_path / "serving.yaml"
    file.write_text("serving: {everything: {layer_z: 1}, engines: {vllm: {step_s: fast}}}", encoding="utf-8")
    with pytest.raises(InputError) as bad:
        read_serving_calibration(file)
    assert len(bad.value.problems) == 2
    assert read_serving_calibration(tmp_path / "none.yaml") == ServingCalibration()


def test_vendor_claims_are_never_fitted() -> None:
    assert not any(may_fit(c) for c in carried() if c.case_id.startswith(("MTT", "LPU", "MOREH")))
    assert not any(may_fit(c) for c in carried() if c.case_id.startswith("ANL") and c.text("chip").startswith("MI"))


def test_rows_of_one_group_weigh_as_their_root() -> None:
    """Four times the rows of one source, model and chip weigh twice."""
    rows = [c for c in carried() if c.case_id.startswith("TRT020")]
    residuals = unknowns(rows, catalog()).residuals
    weights = residuals.weights(WEIGHTS)
    totals: dict[tuple[str, str], float] = {}
    count: dict[tuple[str, str], int] = {}
    for f, w in zip(residuals.figures, weights, strict=True):
        key = (f.model, f.chip)
        totals[key], count[key] = totals.get(key, 0.0) + w, count.get(key, 0) + 1
    for key, total in totals.items():
        assert total == pytest.approx(count[key] ** 0.5)


@functools.cache
def fitted() -> tuple[Descent, np.ndarray, np.ndarray, float, float]:
    """A short fit to some overview rows of Hopper: (problem, point, slopes, cost before, cost after)."""
    rows = [c for c in carried() if c.case_id.startswith(("TRT020", "NVGAP")) and c.text("chip") == "H200-SXM"]
    problem = unknowns(thin(rows, 12), catalog())
    begin = problem.start()
    everything = np.ones(len(problem.residuals), dtype=bool)
    before = problem.cost(begin, problem.residuals.at(problem.calibration(begin)), everything)
    theta, slopes, after = problem.descend(begin, everything, rounds=2)
    return problem, theta, slopes, before, after


def test_a_short_refit_improves_stays_in_bounds_and_is_readable(tmp_path: Path) -> None:
    problem, theta, _, before, after = fitted()
    assert after < before
    for value, (low, high) in zip(np.exp(theta), problem.bounds, strict=True):
        assert low * (1 - 1e-9) <= value <= high * (1 + 1e-9)
    found = problem.calibration(theta)
    file = tmp_path / "serving.yaml"
    file.write_text(calibration_yaml(found), encoding="utf-8")
    back = read_serving_calibration(file)
    for family, values in found.families.items():
        assert back.families[family] == pytest.approx(values, rel=0.01)


def test_what_only_the_left_out_said_goes_back_to_its_prior() -> None:
    """Without any row of an engine its constants return to where they start."""
    problem, theta, slopes, _, _ = fitted()
    none = np.zeros(len(problem.residuals), dtype=bool)
    at, _, _ = problem.descend(theta, none, rounds=12, slopes=slopes)
    assert at == pytest.approx(problem.start(), abs=0.02)


def test_left_out_sources_are_predicted_and_summed_up(tmp_path: Path) -> None:
    problem, theta, slopes, _, _ = fitted()
    whole = Fitted(problem, theta, slopes)
    calibration, seen = with_intervals(whole.calibration, tuple(left_out(whole, ("source",))))
    assert {s.unit for s in seen} == {"trtllm_docs_2025", "nvidia_sweep"}
    rows = cut_rows(seen, calibration)
    of_all = {r.quantity: r for r in rows if r.cut == "source" and r.unit == "all"}
    assert of_all["tpot"].rows == sum(s.figure.quantity == "tpot_ms" for s in seen)
    assert 0.5 < of_all["tpot"].inside <= 1.0
    # a source predicted without itself is further off than one that was fitted
    own = problem.residuals.at(whole.calibration)
    tpot = [abs(own[j]) for j, f in enumerate(problem.residuals.figures) if f.quantity == "tpot_ms"]
    assert of_all["tpot"].median > math.expm1(float(np.nanmedian(tpot)))
    file = tmp_path / "cuts.csv"
    file.write_text(cuts_csv(rows, chip_orders(seen)), encoding="utf-8")
    again, _ = read_cuts(file)
    assert [(r.cut, r.unit, r.quantity, r.rows) for r in again] == [(r.cut, r.unit, r.quantity, r.rows) for r in rows]


def test_many_variants_priced_at_once_are_each_priced_alone() -> None:
    problem, theta, _, _, _ = fitted()
    here = problem.residuals.at(problem.calibration(theta))
    table = problem.slopes(theta, here)
    keys = [("everything", "", "elementwise_passes"), ("engines", "trtllm", "layer_s"), ("engines", "sglang", "step_s")]
    for key in keys:
        k = problem.keys.index(key)
        moved = theta.copy()
        moved[k] += 0.04
        alone = np.nan_to_num((problem.residuals.at(problem.calibration(moved)) - here) / 0.04)
        assert table[:, k] == pytest.approx(alone, abs=1e-9)
        assert np.abs(alone).max() > 0.01


def test_pairs_of_chips_are_counted_at_equal_pace() -> None:
    def seen(case: int, chip: str, quantity: str, measured: float, error: float = 0.0) -> Seen:
        figure = Figure(case, quantity, measured, "A", "vllm", "", "f", chip, "m")
        return Seen("source", "a", figure, error, 0.1, (), "closed", False, "bf16", (1000.0, 100.0), 8.0, False)

    rows = [
        seen(0, "x", "tpot_ms", 10.0), seen(0, "x", "output_tok_s_per_chip", 100.0),
        seen(1, "y", "tpot_ms", 10.5), seen(1, "y", "output_tok_s_per_chip", 150.0, error=-1.0),
        seen(2, "z", "tpot_ms", 20.0), seen(2, "z", "output_tok_s_per_chip", 300.0),
        seen(3, "w", "tpot_ms", 10.2), seen(3, "w", "output_tok_s_per_chip", 200.0),
    ]  # fmt: skip
    (order,) = chip_orders(rows)
    # x-y, x-w and y-w are at equal pace; y is predicted at 55, so x-y is the wrong way round
    assert (order.pairs, order.right) == (3, pytest.approx(2 / 3))


@pytest.mark.parametrize(
    "widths",
    [
        {"ep": "320", "dp": "320", "concurrency_or_batch": "96"},  # widths in dies, a batch in requests a chip
        {"ep": "160", "dp": "160", "concurrency_or_batch": "96"},
        {"ep": "320", "concurrency_or_batch": "15360"},  # of the whole pool
    ],
)
def test_cloudmatrix_decode_as_published(widths: dict[str, str]) -> None:
    """arXiv:2506.12708: 160 chips decode 1,943 tokens/s each at 49.4 ms, 96 requests a chip, one draft at 70%."""
    cells = row(
        model="DeepSeek-R1", chip="Ascend-910C", framework="CloudMatrix-Infer", weight_precision="int8", tp="",
        n_chips="160", decode_chips="160", disaggregated="1", scenario="decode", isl="4096", osl="1024",
        notes="MTP speculative decoding ON; 70% acceptance", tpot_ms="49.4", output_tok_s_per_chip="1943", **widths,
    )  # fmt: skip
    found = {r.quantity: r for r in validate_serving([Case("X-1", cells)], catalog())}
    assert found["tpot_ms"].predicted == pytest.approx(49.4, rel=0.15)
    assert found["output_tok_s_per_chip"].predicted == pytest.approx(1943.0, rel=0.15)
    assert found["tpot_ms"].tags["engine"] == "current"


def test_cloudmatrix_prefill_as_published() -> None:
    """arXiv:2506.12708: 5,655 input tokens/s a chip as it ran, 6,688 with experts balanced by hand; 16,384 a chip."""
    cells = row(
        model="DeepSeek-R1", chip="Ascend-910C", framework="CloudMatrix-Infer", weight_precision="int8", tp="", ep="32",
        n_chips="16", prefill_chips="16", disaggregated="1", scenario="prefill", isl="4096", osl="",
        concurrency_or_batch="", input_tok_s_per_chip="5655", notes="16,384 tokens per NPU",
    )  # fmt: skip
    (found,) = validate_serving([Case("X-1", cells)], catalog())
    assert 5655 * 0.85 < (found.predicted or 0.0) < 6688 * 1.15


def published(case_id: str) -> ServingCase:
    return read_case(next(c.cells for c in carried() if c.case_id == case_id), catalog())


def test_conventions_of_unstated_caches_and_precisions() -> None:
    assert published("TRT10-0003").kv_precision == "bf16"  # FP8 experts under trtllm-bench
    assert published("TRT10-0001").kv_precision == "fp8"  # NVFP4 release
    kimi = published("ASC-0001")  # blank precision: the published checkpoint
    assert kimi.precision == "int4"
    assert published("MLEN-0001").median_gap
    assert not published("NVGAP-0001").median_gap


def test_an_offline_run_ends() -> None:
    """A run whose requests all fit at once is one cohort; a longer one approaches the steady rate from below."""
    case = published("TRT10-0003")
    assert case.requests == 30000
    endless = replace(case, requests=0, case_id="endless")
    short = replace(case, requests=40, case_id="short")
    long = replace(case, requests=10_000_000, case_id="long")
    answers = ServingPredictor(catalog()).predict([endless, short, long])
    rates = {k: a.requests_per_s for k, a in answers.items() if not isinstance(a, str)}
    assert rates["short"] < 0.8 * rates["endless"]
    assert abs(rates["long"] / rates["endless"] - 1.0) < 1e-3


def test_over_budget_is_by_rule() -> None:
    """Clients beyond the cache are recognised whatever was measured."""
    case = published("NVGAP-0008")  # 15,000 tokens, 416 clients, two chips
    few = replace(case, concurrency=8.0, case_id="few")
    answers = ServingPredictor(catalog()).predict([case, few])
    full, free = answers[case.case_id], answers["few"]
    assert not isinstance(full, str)
    assert full.over_budget
    assert not isinstance(free, str)
    assert not free.over_budget


def test_bars_stand_beside_their_figures() -> None:
    bars = [*left_out_bars(*read_cuts(cuts_file())), *serving_bars(sample())]
    names = [b.name for b in bars]
    assert "TPOT, all rows: median error" in names
    (stated,) = (b for b in bars if b.name.startswith("rows answered that state"))
    assert stated.holds
    assert any("left out" in n for n in names)
    for b in bars:
        if b.bar.startswith("at most"):
            assert b.holds == (b.value <= float(b.bar.split()[-1].rstrip("%")) / 100.0)


def _pools(*ids: str) -> dict[tuple[str, str], float]:
    """Predicted over measured of some rows of pools of one phase, by row and quantity."""
    found = validate_serving([c for c in carried() if c.case_id in ids], catalog())
    return {(r.case_id, r.quantity): r.predicted / r.measured for r in found if r.predicted}


def test_pools_of_one_phase_are_answered_near_what_was_published() -> None:
    """SGLang on 96 H100 and on GB200, DeepSeek's own profile on H800, Kimi K2 on H200: nothing was fitted to them."""
    found = _pools("SGL-0001", "SGL-0002", "SGL-0003", "SGL-0004", "SGL-0005", "SGL-0007", "SGL-0008", "SGL-0010",
                   "SGL-0013", "SGL-0014", "SGL-0015", "SGL-0016")  # fmt: skip
    assert len(found) == 14
    errors = sorted(abs(math.log(ratio)) for ratio in found.values())
    assert errors[len(errors) // 2] < 0.12
    assert errors[-1] < 0.3


def test_a_batch_of_a_pool_is_that_of_a_copy_of_attention() -> None:
    cells = {"case_id": "X-1", "model": "DeepSeek-V3", "chip": "H100-SXM", "n_chips": "72", "ep": "72", "dp": "72",
             "disaggregated": "1", "isl": "2000", "osl": "100", "concurrency_or_batch": "256", "scenario": "decode",
             "weight_precision": "fp8", "notes": "256 seqs per GPU, no MTP"}  # fmt: skip
    case = read_case(cells, catalog())
    assert (case.mode, case.concurrency) == ("decode", 256 * 72)
    assert case.engine == "sglang"  # no engine is named
    wide = read_case({**cells, "ep": "", "dp": "", "concurrency_or_batch": "", "notes": "saturated"}, catalog())
    assert (wide.worker.attention_dp, wide.worker.ep) == (72, 72)
    prompts = {**cells, "scenario": "prefill", "concurrency_or_batch": "", "notes": "16,384 tokens per GPU batch"}
    assert read_case(prompts, catalog()).chunk_tokens == 16384
    accepted = read_case({**cells, "notes": "SIMULATED MTP (60% acceptance)"}, catalog())
    assert (accepted.draft_tokens, accepted.draft_acceptance) == (1, 0.6)


def test_only_chips_cut_for_export_sustain_more_than_their_family() -> None:
    more = {c.id for c in catalog().chips.values() if headroom(catalog(), c) > 1.0}
    assert more == {"h20_96", "h20_141"}


def test_words_that_sources_use_for_precisions() -> None:
    """However formats are written, the narrowest one named is that of the weights."""
    told = {
        "fp8 (block)": "fp8", "FP8-dynamic": "fp8", "w8a8-int8": "int8", "AWQ-int4": "int4", "W4AFP8": "int4",
        "int4 (QAT)": "int4", "fp4+fp8": "fp4", "MXFP4-MoE": "mxfp4", "BF16/FP8": "fp8", "fp8_e4m3": "fp8",
    }  # fmt: skip
    assert {words: precision_of(words) for words in told} == told
    assert precision_of("ternary") is None
    assert read_case(row(model="DeepSeek-R1", weight_precision="mixed"), catalog()).precision == "fp8"  # as published


def test_words_that_sources_use_for_chips() -> None:
    told = {
        "AMD Instinct MI355X": "mi355x", "MI325X-OAM": "mi325x", "NVIDIA B300 SXM6": "b300_sxm", "GB300 NVL72": "gb300",
        "A100-80GB-SXM": "a100_80_sxm", "H20 (96GB)": "h20_96", "Intel Gaudi 3": "gaudi3", "A800": "a100_80_sxm",
    }  # fmt: skip
    assert {words: chip_named(catalog(), words).id for words in told} == told


def test_a_model_is_known_by_the_start_of_its_name_or_by_its_size() -> None:
    assert read_case(row(model="Qwen3.5-397B"), catalog()).model == "qwen3.5-397b-a17b"
    sized = row(model="Unheard-13B", params_b="13.0", active_params_b="13.0")
    assert read_case(sized, catalog()).model.endswith("13b")
    for unclear in ({"model": "DeepSeek-V4"}, {"model": "Unheard-9000B", "params_b": "9000"}):  # two sizes; none alike
        with pytest.raises(UnansweredError, match="model"):
            read_case(row(**unclear), catalog())


def test_engines_of_ports_and_of_servers_nobody_measured() -> None:
    """vLLM on Ascend and Gaudi is a port of its own; a server of 2023 is of that generation and batches as it goes."""
    assert read_case(row(chip="Ascend 910B"), catalog()).engine == "vllm_ascend"
    gaudi = read_case(row(chip="Gaudi3"), catalog())
    assert (gaudi.engine, gaudi.mode) == ("hpu", "closed")
    assert read_case(row(chip="Gaudi3", framework="SynapseAI"), catalog()).mode == "static"
    tgi = read_case(row(framework="TGI", year="2023"), catalog())
    assert (tgi.engine, tgi.mode) == ("vllm", "closed")
    assert engine_of("TGI", 2026) == "current"
    assert engine_of("Transformers", 2026) == "other"


def test_a_replica_inside_a_server_needs_no_network() -> None:
    cells = row(chip="MTT S5000", tp="8", n_chips="8", tpot_ms="20")
    (found,) = validate_serving([Case(cells["case_id"], cells)], catalog())
    assert found.predicted is not None
    across = row(chip="MTT S5000", tp="16", n_chips="16", tpot_ms="20")
    (refused,) = validate_serving([Case(across["case_id"], across)], catalog())
    assert refused.predicted is None
    assert "scaleout" in refused.reason
