"""The kinds of input that are attacked: what is mutated, and all that is done with what survives reading."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from mutate import MILD, ODD, mutated, scratched
from rich.console import Console

from planner import load_catalog, load_scenario, plan
from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.catalog.check import check_catalog
from planner.catalog.hf_file import import_hf_file
from planner.errors import InputError
from planner.estimate import estimate_serving, estimate_training
from planner.export import FORMATS, export_plan
from planner.report import console, html_page
from planner.report.diff import diff_table
from planner.scenario import check_scenario, resolve, resolve_yaml
from planner.scenario.doubts import doubts
from planner.sweep.file import load_sweep
from planner.validation.report import validate
from planner.verify.plan import verify_plan
from planner.workload.parameters import parameter_counts

ROOT = Path(__file__).resolve().parents[2]
SMALL: dict[str, Any] = {
    "name": "small", "start": "2026-10", "horizon_years": 3, "finance": {"discount_rate": 0.08},
    "sites": [{"name": "here", "region": "us_va", "power_mw": 10, "racks": 100, "cooling": ["air_inrow"],
               "tariff_usd_per_kwh": 0.08, "installed": [{"system": "dgx_a100", "count": 4, "since": "2022-01"}]}],
    "hardware": {"systems": ["hgx_h100_oem"], "acquire": ["buy", "rent"]},
    "limits": {"capex_usd": 1e8, "chips": 2000},
    "assume": {"systems": {"hgx_h100_oem": {"price_usd": 250e3}}},
    "workloads": [
        {"name": "chat", "kind": "serving", "model": "llama-3.1-8b", "input_tokens": 500, "output_tokens": 100,
         "requests_per_s": 5, "ttft_ms": 2000, "tpot_ms": 50, "disaggregated": "never"},
        {"name": "run", "kind": "training", "model": "llama-3.1-8b", "tokens": 1e11, "sequence_length": 8192,
         "global_batch": 512, "precision": ["fp8", "bf16"], "finish_within_days": 400, "parallelism": {"tp": 4}},
    ],
    "overrides": {"cheap": {"sites.here.tariff_usd_per_kwh": 0.03}}, "solve": {"time_limit_s": 20},
}  # fmt: skip
"""One of everything that a scenario may hold, quick to plan."""


@cache
def shipped() -> Catalog:
    """The shipped catalog, read once."""
    return load_catalog()


@cache
def _good_plan() -> tuple[Path | None, dict[str, Any]]:
    return None, plan(SMALL, catalog=shipped()).to_dict()


def _yaml(data: Any) -> str:
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def scenario_file(rng: random.Random, folder: Path) -> None:
    """A shipped example scratched, or the small scenario mutated."""
    if rng.random() < 0.4:
        text = scratched(rng.choice(sorted((ROOT / "scenarios").glob("*.yaml"))).read_text(encoding="utf-8"), rng)
    else:
        text = _yaml(mutated(SMALL, rng, rng.choice((ODD, MILD))))
    (folder / "scenario.yaml").write_text(text, encoding="utf-8")


def use_scenario(folder: Path) -> None:
    """Read, resolved, checked against the catalog, doubted."""
    scenario = load_scenario(folder / "scenario.yaml")
    resolve(scenario)
    resolve_yaml(scenario)
    check_scenario(scenario, shipped())
    doubts(scenario, shipped())


def question_file(rng: random.Random, folder: Path) -> None:
    """The small scenario, mildly mutated until it is valid: what is planned for real."""
    for _ in range(100):
        (folder / "scenario.yaml").write_text(_yaml(mutated(SMALL, rng, MILD)), encoding="utf-8")
        try:
            use_scenario(folder)
            return
        except InputError:
            continue


def use_question(folder: Path) -> None:
    """Planned; what comes is verified, or says why there is none. Reading it back and showing it is part of it."""
    found = plan(folder / "scenario.yaml", catalog=shipped())
    assert found.verified == found.has_plan
    again = Plan.from_json(found.to_json())
    assert not verify_plan(again, load_scenario(folder / "scenario.yaml"), shipped())
    html_page(again)


_CATALOG_ROWS = ("chips", "systems", "interconnects", "cooling", "regions", "costs")


@cache
def _rows(kind: str) -> list[dict[str, str]]:
    folder = ROOT / "catalog"
    files = sorted((folder / kind).glob("*.csv")) or [folder / f"{kind}.csv"]
    rows = [r for f in files for r in csv.DictReader(io.StringIO(f.read_text(encoding="utf-8")))]
    wanted = {"h100_sxm", "hgx_h100_oem", "us_va", "us", "world", "air_inrow", "air_crah"}
    return [r for r in rows if r["id"] in wanted] or rows[:40]


def catalog_folder(rng: random.Random, folder: Path) -> None:
    """Rows of the shipped catalog, mutated, as a folder of one's own."""
    kind = rng.choice(_CATALOG_ROWS)
    rows = [dict(r) for r in rng.sample(_rows(kind), min(len(_rows(kind)), 8))]
    for _ in range(rng.choice((1, 1, 2, 4))):
        row = rng.choice(rows)
        name = rng.choice(("value", "value", "value", "low", "high", "unit", "id", "field", "kind", "as_of", "source"))
        number = rng.choice(
            ("0", "1", "-1", "1e300", "nan", "unknown", "none", "0.5", "1e4", "99999", "", "7", "x" * 3000)
        )
        row[name] = (
            number if name in {"value", "low", "high"} else rng.choice((number, row[name] + "x", "a\nb", "=1", ";"))
        )
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    text = out.getvalue() if rng.random() < 0.8 else scratched(out.getvalue(), rng)
    (folder / f"{kind}.csv").write_text(text, encoding="utf-8", newline="")


def use_catalog(folder: Path) -> None:
    """Read, checked, and a run and a load estimated with it."""
    catalog = load_catalog(folder)
    check_catalog(catalog)
    estimate_training(model="llama-3.1-8b", system="hgx_h100_oem", chips=64, best=True, catalog=catalog)
    estimate_serving(model="llama-3.1-8b", system="hgx_h100_oem", chips=8, catalog=catalog)


@cache
def _measured(name: str) -> list[dict[str, str]]:
    text = (ROOT / "catalog" / "measurements" / f"{name}.csv").read_text(encoding="utf-8")
    return [r for i, r in enumerate(csv.DictReader(io.StringIO(text))) if i % 37 == 0]


def case_table(rng: random.Random, folder: Path) -> None:
    """A few measured rows, mutated."""
    rows = [dict(r) for r in rng.sample(_measured(rng.choice(("training", "serving"))), 3)]
    for _ in range(rng.choice((1, 2, 4))):
        row = rng.choice(rows)
        row[rng.choice(list(row))] = rng.choice(
            ("0", "1", "-1", "1e9", "1e300", "nan", "x", "", "7", "1000000", "a\nb", "fp8", "x" * 3000, "[1]")
        )
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    text = out.getvalue() if rng.random() < 0.8 else scratched(out.getvalue(), rng)
    (folder / "cases.csv").write_text(text, encoding="utf-8", newline="")


def use_cases(folder: Path) -> None:
    """Validated."""
    validate(folder / "cases.csv", shipped())


def plan_file(rng: random.Random, folder: Path) -> None:
    """A plan mutated, or scratched."""
    data = _good_plan()[1]
    text = json.dumps(mutated(data, rng, rng.choice((ODD, MILD))), indent=1)
    (folder / "plan.json").write_text(text if rng.random() < 0.9 else scratched(text, rng), encoding="utf-8")


def use_plan(folder: Path) -> None:
    """Read, compared, shown, exported in every format, verified."""
    found = Plan.read(folder / "plan.json")
    screen = Console(file=io.StringIO())
    screen.print(diff_table([found, found], ["a", "b"], everything=True))
    screen.print(console(found))
    html_page(found)
    for what in FORMATS:
        try:
            export_plan(found, shipped(), what, unverified=True)
        except InputError:
            continue
    (folder / "scenario.yaml").write_text(_yaml(SMALL), encoding="utf-8")
    verify_plan(found, load_scenario(folder / "scenario.yaml"), shipped())


SWEEP: dict[str, Any] = {
    "name": "rates", "scenario": "scenario.yaml", "variants": [None, "cheap"],
    "values": {"workloads.chat.requests_per_s": [1, 2], "sites.here.tariff_usd_per_kwh": [0.05, 0.1]},
}  # fmt: skip
CASES: dict[str, Any] = {
    "scenario": "scenario.yaml",
    "cases": [{"name": "base"}, {"name": "large", "overrides": {"sites.here.power_mw": 5, "limits.chips": 64}}],
}


def sweep_file(rng: random.Random, folder: Path) -> None:
    """Values or cases, mutated or scratched, beside the small scenario."""
    (folder / "scenario.yaml").write_text(_yaml(SMALL), encoding="utf-8")
    text = _yaml(mutated(rng.choice((SWEEP, CASES)), rng))
    (folder / "sweep.yaml").write_text(text if rng.random() < 0.8 else scratched(text, rng), encoding="utf-8")


def use_sweep(folder: Path) -> None:
    """Read, every case of it."""
    load_sweep(folder / "sweep.yaml")


CONFIG: dict[str, Any] = {
    "model_type": "deepseek_v3", "hidden_size": 7168, "num_hidden_layers": 61, "num_attention_heads": 128,
    "num_key_value_heads": 128, "intermediate_size": 18432, "moe_intermediate_size": 2048, "n_routed_experts": 256,
    "n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 3, "moe_layer_freq": 1,
    "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
    "vocab_size": 129280, "tie_word_embeddings": False, "torch_dtype": "bfloat16", "num_nextn_predict_layers": 1,
    "max_position_embeddings": 163840, "hidden_act": "silu",
}  # fmt: skip
DENSE: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "tie_word_embeddings": False,
    "torch_dtype": "bfloat16", "max_position_embeddings": 131072, "hidden_act": "silu", "rms_norm_eps": 1e-5,
}  # fmt: skip


def model_config(rng: random.Random, folder: Path) -> None:
    """A config.json of Hugging Face, mutated."""
    text = json.dumps(mutated(rng.choice((CONFIG, DENSE)), rng), indent=1)
    (folder / "config.json").write_text(text if rng.random() < 0.9 else scratched(text, rng), encoding="utf-8")


def use_config(folder: Path) -> None:
    """Imported and counted."""
    model, _ = import_hf_file(folder / "config.json", model_id="odd")
    parameter_counts(model)


@dataclass(frozen=True)
class Kind:
    """How a kind of input is made in an empty folder, and what is done with it."""

    make: Callable[[random.Random, Path], None]
    use: Callable[[Path], None]
    briefly: int
    """Inputs in the test suite, which has seconds for it."""


KINDS: Mapping[str, Kind] = {
    "scenarios": Kind(scenario_file, use_scenario, 40),
    "questions": Kind(question_file, use_question, 0),
    "catalogs": Kind(catalog_folder, use_catalog, 4),
    "configs": Kind(model_config, use_config, 10),
    "cases": Kind(case_table, use_cases, 8),
    "plans": Kind(plan_file, use_plan, 25),
    "sweeps": Kind(sweep_file, use_sweep, 30),
}
