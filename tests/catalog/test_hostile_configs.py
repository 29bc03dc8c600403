"""Model configs and model files that mean harm, or nothing: one clear problem each, never a traceback, never a wait."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hf_configs import TODAY
from test_models_import import CONFIGS

from planner.catalog.hf_file import import_hf_file
from planner.catalog.hf_import import import_hf_config
from planner.catalog.models import load_models
from planner.cli import run
from planner.errors import InputError
from planner.workload.parameters import parameter_counts

HOSTILE: list[Any] = [
    float("inf"), float("-inf"), float("nan"), 1e308, 10**400, -1, 0, 2.5, "4096", "", True, None, [], {}, [1, "x"],
    {"a": 1}, "nan", ["x"] * 20_000, [float("nan")],
]  # fmt: skip
SEEDS = 400


def _mutated(config: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    found = copy.deepcopy(config)
    for _ in range(rng.randint(1, 3)):
        inner = found
        nested = [v for v in found.values() if isinstance(v, dict)]
        if nested and rng.random() < 0.5:
            inner = rng.choice(nested)
        if inner:
            inner[rng.choice(list(inner))] = rng.choice(HOSTILE)
    return found


def test_mutated_configs_give_a_model_or_problems() -> None:
    rng = random.Random(7)
    configs = [*CONFIGS.values(), *TODAY.values()]
    refused, found = 0, []
    for _ in range(SEEDS):
        config = _mutated(rng.choice(configs), rng)
        try:
            model = import_hf_config(config, name="x")
        except InputError as error:
            refused += 1
            found.append(error)
        else:
            assert 0 < parameter_counts(model).total < 1e30
    assert refused > SEEDS / 3
    assert all(len(str(p)) < 2000 for error in found for p in error.problems)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**400, 1e12, "32", -3, [1], {"a": 1}])
def test_a_number_of_layers_that_is_none(value: Any) -> None:
    with pytest.raises(InputError) as caught:
        import_hf_config({**CONFIGS["llama-3.1-8b"], "num_hidden_layers": value})
    (problem,) = caught.value.problems
    assert problem.path == "num_hidden_layers"


def test_a_file_of_json_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config.json"
    text = json.dumps(CONFIGS["qwen3-30b-a3b"]).replace('"hidden_size": 2048', '"hidden_size": Infinity')
    path.write_text(text, encoding="utf-8")
    assert run(["catalog", "import-model", str(path)]) == 2
    said = capsys.readouterr().err
    assert "hidden_size" in said
    assert "Traceback" not in said
    for junk in ("[]", "{", "null", '"x"', "{" * 100_000, "NaN", '{"model_type": NaN}', '{"model_type": ["llama"]}'):
        path.write_text(junk, encoding="utf-8")
        with pytest.raises(InputError):
            import_hf_file(path)


@pytest.mark.parametrize(
    "field",
    ["layers: 100000000", "layers: .inf", "layers: [{count: 9999999999}]", "hidden: 1e300", "vocab: .nan",
     "published_total: .inf", "checkpoints: {fp8: {kept: [everything]}}", "mtp: [{count: 0}]", "state_precision: fp4"],
)  # fmt: skip
def test_a_model_file_out_of_bounds(tmp_path: Path, field: str) -> None:
    whole = {"hidden": "64", "vocab": "100", "layers": "2", "heads": "2", "ffn": "128"}
    name, _, value = field.partition(": ")
    whole[name] = value
    lines = "".join(f"  {k}: {v}\n" for k, v in whole.items())
    text = f"mine:\n  name: Mine\n  family: x\n  kind: dense\n  source: me\n  as_of: 2026-01\n{lines}"
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_models(tmp_path)
    assert name in str(caught.value)
