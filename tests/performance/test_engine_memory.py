"""Memory and legality as engines have them: figures of public logs, each named where it stands."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest

from planner.catalog import Catalog, load_catalog
from planner.catalog.architecture import ModelArch
from planner.cli import run
from planner.errors import InputError
from planner.estimate import estimate_serving
from planner.performance.compile import build_platform
from planner.performance.serving.checkpoint import unloadable, weight_bytes
from planner.performance.serving.grid import serving_grid
from planner.performance.serving.job import ServingJob
from planner.workload.parameters import parameter_counts


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def one(value: int) -> np.ndarray:
    return np.array([value])


# Four H100 with the official FP8 checkpoint of Qwen3 235B (vLLM issue 21348), one H200 with Gemma 4 31B at its whole
# context (configiq issue 112): tokens of cache that the engine's log gives.
CACHE = [
    ("qwen3-235b-a22b", "dgx_h100", "fp8", 4, "vllm", 0.90, 4096, 178_880),
    ("qwen3-235b-a22b", "dgx_h100", "fp8", 4, "sglang", 0.93, 4096, 367_404),
    ("gemma-4-31b", "dgx_h200", "bf16", 1, "vllm", 0.90, 262_144, 626_949),
]


@pytest.mark.parametrize(("model", "system", "precision", "tp", "engine", "fraction", "tokens", "measured"), CACHE)
def test_tokens_of_cache_are_those_of_the_log(
    catalog: Catalog, model: str, system: str, precision: str, tp: int, engine: str, fraction: float, tokens: int,
    measured: int,
) -> None:  # fmt: skip
    found = estimate_serving(
        model=model, system=system, chips=tp, tp=tp, precision=precision, kv_precision="bf16", engine=engine,
        memory_fraction=fraction, input_tokens=tokens - 1, output_tokens=1, catalog=catalog,
    )  # fmt: skip
    assert found.kv_capacity_tokens == pytest.approx(measured, rel=0.06)
    assert (found.engine, found.memory_fraction) == (engine, fraction)


def test_layers_that_the_checkpoint_keeps_in_16_bits(catalog: Catalog) -> None:
    # vLLM issue 6746: the official FP8 weights of Llama 3.1 405B take 62.0 GB of each of eight chips
    model = catalog.model("llama-3.1-405b")
    assert weight_bytes(model, "fp8", one(8), one(1), one(1))[0] / 1e9 == pytest.approx(62.0, rel=0.06)
    plain = weight_bytes(catalog.model("llama-3.1-70b"), "fp8", one(1), one(1), one(1))[0]
    assert plain < 1.05 * parameter_counts(catalog.model("llama-3.1-70b")).total


def test_recurrent_state_in_32_bits(catalog: Catalog) -> None:
    # LM Studio's bug tracker, 1862: 156.9 MB a sequence, 65,536 bytes a token
    found = estimate_serving(model="qwen3.6-27b", system="dgx_h200", chips=1, catalog=catalog)
    assert found.state_mb_per_request == pytest.approx(156.9, rel=0.06)
    assert found.kv_bytes_per_token == pytest.approx(65_536, rel=0.06)


def test_vision_towers_are_among_the_weights(catalog: Catalog) -> None:
    model = catalog.model("qwen3-vl-235b-a22b")
    blind = weight_bytes(catalog.model("qwen3-235b-a22b"), "bf16", one(8), one(1), one(1))
    assert weight_bytes(model, "bf16", one(8), one(1), one(1)) - blind == pytest.approx(
        2 * parameter_counts(model).vision / 8
    )


def test_a_checkpoint_is_all_of_its_parameters(catalog: Catalog) -> None:
    for name in ("gemma-4-26b-a4b", "nemotron-3-nano-30b-a3b", "kimi-k3", "deepseek-v4-pro", "longcat-flash"):
        model = catalog.model(name)
        assert weight_bytes(model, "bf16", one(1), one(1), one(1))[0] == pytest.approx(
            2 * parameter_counts(model).total, rel=2e-4
        )


# --- what loads


def test_blocks_of_128_do_not_load_at_tp_8_without_expert_parallelism(capsys: pytest.CaptureFixture[str]) -> None:
    # vLLM issue 17569: 1536 / 8 = 192
    asked = [
        "estimate",
        "serving",
        "--model",
        "Qwen/Qwen3-235B-A22B-FP8",
        "--system",
        "hgx_h100_oem",
        "--precision",
        "fp8",
    ]
    assert run([*asked, "--chips", "8", "--tp", "8", "--ep", "1"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "192 is no multiple of 128" in said
    assert "did you mean '8'" in said
    assert run([*asked, "--chips", "8", "--tp", "8", "--ep", "8", "--json"]) == 0
    capsys.readouterr()
    assert run([*asked, "--chips", "8", "--json"]) == 0  # a layout that is filled in has it
    assert json.loads(capsys.readouterr().out)["parallelism"]["ep"] == 8


@pytest.mark.parametrize("model", ["qwen3-235b-a22b", "minimax-m2.5"])
def test_the_search_offers_only_what_loads(catalog: Catalog, model: str) -> None:
    platform = build_platform(catalog, "hgx_h100_oem", "h100_sxm", "")
    arch = catalog.model(model)
    grid = serving_grid(ServingJob(arch, "fp8"), platform, 16)
    shapes = set(zip(grid.tp.tolist(), grid.attention_dp.tolist(), grid.ep.tolist(), strict=True))
    assert (8, 1, 8) in shapes
    assert (8, 1, 1) not in shapes
    wide = serving_grid(ServingJob(arch, "bf16"), platform, 16)  # without blocks of scales any even cut loads
    assert (8, 1, 1) in set(zip(wide.tp.tolist(), wide.attention_dp.tolist(), wide.ep.tolist(), strict=True))


def _cuts(model: ModelArch) -> list[int]:
    """Widths that tensor parallelism cuts, from the architecture alone."""
    found = []
    for group in model.groups:
        m, f = group.mixer, group.feed_forward
        if m.kind == "attention":
            found += [m.heads * m.head_dim]
        if f.kind == "dense":
            found += [f.hidden]
        if f.kind == "moe" and f.shared_hidden:
            found += [f.shared_hidden]
    return found


def test_loading_agrees_with_the_widths(catalog: Catalog) -> None:
    for name in ("qwen3-32b", "qwen3-235b-a22b", "minimax-m2.5", "deepseek-v3", "step-3.5-flash"):
        model = catalog.model(name)
        experts = [g.feed_forward.expert_hidden for g in model.groups if g.feed_forward.kind == "moe"]
        for tp, wide in product((1, 2, 4, 8, 16, 32), (False, True)):
            ep = tp if wide and experts else 1
            even = all(w / tp % 128 == 0 for w in _cuts(model)) or tp == 1
            even &= all(w / (tp // ep) % 128 == 0 for w in experts) or tp == ep
            assert (unloadable(model, "fp8", tp, 1, ep) == "") == even, (name, tp, ep)


def test_an_engine_must_be_known(catalog: Catalog) -> None:
    with pytest.raises(InputError, match="did you mean 'vllm'"):
        estimate_serving(model="qwen3-8b", system="dgx_h100", chips=1, engine="vlm", catalog=catalog)
    with pytest.raises(InputError, match="major and minor"):
        estimate_serving(model="qwen3-8b", system="dgx_h100", chips=1, engine="vllm latest", catalog=catalog)
    with pytest.raises(InputError, match="memory_fraction"):
        estimate_serving(model="qwen3-8b", system="dgx_h100", chips=1, memory_fraction=90.0, catalog=catalog)


def test_less_memory_never_holds_more(catalog: Catalog) -> None:
    for engine in ("vllm", "sglang", "trtllm"):
        held = [
            estimate_serving(model="llama-3.1-8b", system="dgx_h100", chips=1, engine=engine, memory_fraction=f,
                             catalog=catalog).kv_capacity_tokens
            for f in (0.5, 0.7, 0.9)
        ]  # fmt: skip
        assert held == sorted(held)
        assert held[0] < held[-1]


# --- context


def test_yarn_extends_the_context_and_says_so(catalog: Catalog) -> None:
    long = estimate_serving(model="qwen3-235b-a22b", system="dgx_h200", chips=8, precision="fp8", ep=8, tp=8,
                            input_tokens=120_000, output_tokens=8_000, catalog=catalog)  # fmt: skip
    assert any("YaRN" in note for note in long.notes)
    short = estimate_serving(model="qwen3-235b-a22b", system="dgx_h200", chips=8, precision="fp8", ep=8, tp=8,
                             input_tokens=2_000, output_tokens=500, catalog=catalog)  # fmt: skip
    assert not any("YaRN" in note for note in short.notes)
    with pytest.raises(InputError, match="131072"):
        estimate_serving(model="qwen3-235b-a22b", system="dgx_h200", chips=8, input_tokens=140_000, catalog=catalog)
