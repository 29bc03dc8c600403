"""Model files: what is read, what is refused and how names are found."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from planner.catalog import load_catalog
from planner.catalog.architecture import ModelArch
from planner.catalog.models import find_model, find_variant, load_models
from planner.errors import InputError

FOLDER = Path(__file__).parents[2] / "catalog" / "models"
MODELS = load_models(FOLDER)

GOOD = """
small:
  name: Small
  family: test
  kind: dense
  hidden: 64
  layers: 2
  heads: 4
  ffn: 256
  vocab: 1000
  source: a test
  as_of: 2024-01
"""


def _load(tmp_path: Path, text: str) -> dict[str, ModelArch]:
    (tmp_path / "test.yaml").write_text(text, encoding="utf-8")
    return load_models(tmp_path)


def _problem(tmp_path: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        _load(tmp_path, text)
    return str(caught.value)


def test_all_models_load_quickly() -> None:
    best = min(_timed() for _ in range(3))
    assert best < 0.3
    assert len(MODELS) > 200


def _timed() -> float:
    start = time.process_time()
    load_models(FOLDER)
    return time.process_time() - start


def test_every_model_has_source_and_date() -> None:
    for model in MODELS.values():
        assert model.source, model.id
        assert model.as_of, model.id


@pytest.mark.parametrize(
    ("name", "model_id"),
    [
        ("Llama-3.1-8B", "llama-3.1-8b"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"),
        ("LLaMA2-70B", "llama-2-70b"),
        ("Llama-2-70B (LoRA)", "llama-2-70b"),
        ("GPT3-175B", "gpt3-175b"),
        ("GPT-174.6B", "gpt3-175b"),
        ("MT-NLG-530B", "gpt-529.6b"),
        ("GPT-1T", "gpt-1008b"),
        ("GPT-177B (Megatron-Core weak scaling)", "gpt-mcore-177b"),
        ("DeepSeek-R1-0528", "deepseek-r1"),
        ("Hunyuan-Hy3-preview", "hunyuan-hy3"),
        ("gemma-3-27b-it", "gemma3-27b"),
        ("nvidia/NVIDIA-Nemotron-Nano-9B-v2", "nemotron-nano-9b-v2"),
        ("Nemotron-3-Super", "nemotron-3-super-120b-a12b"),
        ("openai/gpt-oss-120b", "gpt-oss-120b"),
        ("RoboBrain-2.5-8B", "qwen3-vl-8b"),
        ("DeepSeek-V3 (reduced to 4 layers)", "deepseek-v3-4-layers"),
        ("BLOOM-search-181B", "bloom-search-181b-l72-h14336-a64"),
    ],
)
def test_names_are_found(name: str, model_id: str) -> None:
    assert find_model(MODELS, name).id == model_id


def test_no_name_stands_for_two_models() -> None:
    owner: dict[str, str] = {}
    for model in MODELS.values():
        for name in (model.id, *model.aliases):
            key = name.lower()
            assert owner.setdefault(key, model.id) == model.id, name


def test_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        find_model(MODELS, "lama-3.1-8b")
    assert caught.value.problems[0].nearest == "llama-3.1-8b"


def test_variants_of_one_name() -> None:
    name = "BLOOM-search-181B"
    assert find_variant(MODELS, name, heads=128).groups[0].mixer.heads == 128
    assert find_variant(MODELS, name, layers=72, hidden=14336, heads=64).id == find_model(MODELS, name).id
    assert find_variant(MODELS, name, heads=7).id == find_model(MODELS, name).id  # none fits: the usual one
    assert find_variant(MODELS, "BLOOM-search-195B", hidden=14400).hidden == 14400


def test_defaults(tmp_path: Path) -> None:
    model = _one(tmp_path, GOOD)
    group = model.groups[0]
    assert (group.count, group.norms, group.mixer.kv_heads, group.mixer.head_dim) == (2, 2, 4, 16)
    assert group.feed_forward.kind == "dense"


def _one(tmp_path: Path, text: str) -> ModelArch:
    return next(iter(_load(tmp_path, text).values()))


def test_groups_repeat_only_what_differs(tmp_path: Path) -> None:
    text = GOOD.replace("layers: 2", "layers:\n    - {count: 3, window: 8}\n    - {count: 1, feed_forward: none}")
    first, second = _one(tmp_path, text).groups
    assert (first.count, first.mixer.window, first.feed_forward.hidden) == (3, 8, 256)
    assert (second.mixer.window, second.feed_forward.kind, second.norms) == (None, "none", 1)


def test_like_takes_the_architecture_and_not_the_identity(tmp_path: Path) -> None:
    text = GOOD + "  published_total: 123\n  aliases: [S]\nwide: {like: small, name: Wide, hidden: 128}\n"
    wide = _load(tmp_path, text)["wide"]
    assert wide.hidden == 128
    assert wide.groups[0].mixer.head_dim == 32
    assert wide.published_total is None
    assert wide.aliases == ()


def test_numbers_in_scientific_notation(tmp_path: Path) -> None:
    assert _one(tmp_path, GOOD + "  published_total: 1e6\n").published_total == 1e6


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  ffn: 256", "  fnn: 256", ("test.yaml:9", "small.fnn", "unknown field", "'ffn'")),
        ("  vocab: 1000\n", "", ("small", "hidden, vocab and layers are needed")),
        ("  heads: 4", "  heads: four", ("test.yaml:8", "small.heads", "'four'")),
        ("  source: a test\n", "", ("small.source", "field is missing")),
        ("  layers: 2", "  layers: [{count: 2, widnow: 3}]", ("test.yaml:7", "'window'")),
        ("  heads: 4", "  heads: 4\n  kv_heads: 3", ("kv_heads 3 does not divide heads 4",)),
        ("  heads: 4", "  experts: 8", ("needs heads",)),
        ("  heads: 4", "  heads: 4\n  heads: 5", ("test.yaml:9", "'heads' is given twice")),
        ("  kind: dense", "  kind: sparse", ("small.kind", "'sparse'")),
        ("small:", "Small One:", ("not an id",)),
        ("  hidden: 64", "  like: smal", ("no model 'smal'", "'small'")),
        ("  hidden: 64", "  like: small", ("in a circle",)),
        ("  layers: 2", "  layers: &a\n    - {count: 2}\n  tables: *a", ("aliases are not allowed",)),
        ("  ffn: 256", "  ffn: !!python/name:os.system x", ("not plain YAML",)),
        ("  ffn: 256", "  ffn: [", ("not valid YAML",)),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, expected: tuple[str, ...]) -> None:
    text = _problem(tmp_path, GOOD.replace(old, new))
    for part in expected:
        assert part in text


def test_all_problems_at_once(tmp_path: Path) -> None:
    text = _problem(tmp_path, GOOD.replace("ffn: 256", "fnn: 256").replace("heads: 4", "heads: -1"))
    assert "small.fnn" in text
    assert "small.heads" in text


def test_an_id_in_two_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD, encoding="utf-8")
    assert "used twice" in _problem(tmp_path, GOOD)


@pytest.mark.parametrize(
    ("written", "model_id"),
    [
        ("zai-org/GLM-4.7-FP8", "glm-4.7"), ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", "qwen3-235b-a22b-2507"),
        ("nvidia/Llama-3.3-70B-Instruct-FP8", "llama-3.3-70b"),
        ("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", "llama-3.3-70b"),
        ("moonshotai/Kimi-K2-Instruct-0905", "kimi-k2"), ("nvidia/DeepSeek-R1-0528-NVFP4-v2", "deepseek-r1"),
        ("google/gemma-4-31B-it", "gemma-4-31b"), ("MiniMaxAI/MiniMax-M2.5", "minimax-m2.5"), ("GLM5", "glm-5"),
        ("Qwen/Qwen3-VL-30B-A3B-Thinking-FP8", "qwen3-vl-30b-a3b"), ("stepfun-ai/Step-3.5-Flash-FP8", "step-3.5-flash"),
        ("baidu/ERNIE-4.5-300B-A47B-PT", "ernie-4.5-300b-a47b"), ("openai/gpt-oss-120b", "gpt-oss-120b"),
    ],
)  # fmt: skip
def test_models_are_found_as_people_write_them(written: str, model_id: str) -> None:
    assert load_catalog().model(written).id == model_id
