"""Hugging Face configs, as the released checkpoints carry them, against the catalog and published counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hf_configs import TODAY

from planner.catalog.hf_config import CLASS_DEFAULTS
from planner.catalog.hf_import import (
    SUPPORTED_MODEL_TYPES,
    import_hf_config,
    import_hf_fields,
    model_id_of,
    model_yaml,
)
from planner.catalog.models import load_models
from planner.errors import InputError
from planner.workload.parameters import parameter_counts

MODELS = load_models(Path(__file__).parents[2] / "catalog" / "models")

DEEPSEEK: dict[str, Any] = {
    "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048, "num_hidden_layers": 61,
    "num_attention_heads": 128, "num_key_value_heads": 128, "n_shared_experts": 1, "n_routed_experts": 256,
    "num_experts_per_tok": 8, "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64, "v_head_dim": 128,
    "qk_nope_head_dim": 128, "n_group": 8, "topk_group": 4, "topk_method": "noaux_tc", "moe_layer_freq": 1,
    "first_k_dense_replace": 3, "num_nextn_predict_layers": 1, "vocab_size": 129280,
    "max_position_embeddings": 163840, "tie_word_embeddings": False, "quantization_config": {"quant_method": "fp8"},
}  # fmt: skip

CONFIGS: dict[str, dict[str, Any]] = {
    "llama-3.1-8b": {
        "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072,
        "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    },
    "mistral-7b": {
        "model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000, "sliding_window": 4096,
        "max_position_embeddings": 32768, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    },
    "mixtral-8x7b": {
        "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 8, "num_experts_per_tok": 2,
        "vocab_size": 32000, "sliding_window": None, "max_position_embeddings": 32768, "tie_word_embeddings": False,
    },
    "phi-4": {
        "model_type": "phi3", "hidden_size": 5120, "intermediate_size": 17920, "num_hidden_layers": 40,
        "num_attention_heads": 40, "num_key_value_heads": 10, "vocab_size": 100352, "sliding_window": None,
        "max_position_embeddings": 16384, "tie_word_embeddings": False,
    },
    "qwen2.5-7b": {
        "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
        "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064, "use_sliding_window": False,
        "sliding_window": 131072, "max_window_layers": 28, "max_position_embeddings": 131072,
    },
    "qwen3-0.6b": {
        "model_type": "qwen3", "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
        "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
        "attention_bias": False, "max_position_embeddings": 40960, "tie_word_embeddings": True,
    },
    "qwen2-57b-a14b": {
        "model_type": "qwen2_moe", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
        "num_attention_heads": 28, "num_key_value_heads": 4, "num_experts": 64, "num_experts_per_tok": 8,
        "moe_intermediate_size": 2560, "shared_expert_intermediate_size": 20480, "decoder_sparse_step": 1,
        "vocab_size": 151936, "max_position_embeddings": 65536,
    },
    "qwen3-30b-a3b": {
        "model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 48,
        "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128, "num_experts": 128,
        "num_experts_per_tok": 8, "moe_intermediate_size": 768, "decoder_sparse_step": 1, "mlp_only_layers": [],
        "vocab_size": 151936, "attention_bias": False, "max_position_embeddings": 40960,
    },
    "qwen3-next-80b-a3b": {
        "model_type": "qwen3_next", "hidden_size": 2048, "num_hidden_layers": 48, "num_attention_heads": 16,
        "num_key_value_heads": 2, "head_dim": 256, "num_experts": 512, "num_experts_per_tok": 10,
        "moe_intermediate_size": 512, "shared_expert_intermediate_size": 512, "full_attention_interval": 4,
        "linear_num_key_heads": 16, "linear_key_head_dim": 128, "linear_num_value_heads": 32,
        "linear_value_head_dim": 128, "linear_conv_kernel_dim": 4, "vocab_size": 151936,
        "max_position_embeddings": 262144, "mtp_num_hidden_layers": 1,
    },
    "deepseek-v3": {"model_type": "deepseek_v3", **DEEPSEEK},
    "deepseek-v3.2": {
        "model_type": "deepseek_v32", **DEEPSEEK, "index_topk": 2048, "index_n_heads": 64, "index_head_dim": 128,
    },
    "deepseek-v2-lite": {
        "model_type": "deepseek_v2", "hidden_size": 2048, "intermediate_size": 10944, "moe_intermediate_size": 1408,
        "num_hidden_layers": 27, "num_attention_heads": 16, "n_shared_experts": 2, "n_routed_experts": 64,
        "num_experts_per_tok": 6, "kv_lora_rank": 512, "q_lora_rank": None, "qk_rope_head_dim": 64,
        "v_head_dim": 128, "qk_nope_head_dim": 128, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1,
        "moe_layer_freq": 1, "vocab_size": 102400, "max_position_embeddings": 32768,
    },
    "kimi-k2": {
        **DEEPSEEK, "model_type": "kimi_k2", "num_attention_heads": 64, "n_routed_experts": 384, "n_group": 1,
        "topk_group": 1, "first_k_dense_replace": 1, "num_nextn_predict_layers": 0, "vocab_size": 163840,
        "max_position_embeddings": 131072,
    },
    "gpt-oss-120b": {
        "model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 36,
        "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64, "num_local_experts": 128,
        "num_experts_per_tok": 4, "sliding_window": 128, "vocab_size": 201088, "max_position_embeddings": 131072,
        "layer_types": ["sliding_attention", "full_attention"] * 18, "attention_bias": True,
        "quantization_config": {"quant_method": "mxfp4"},
    },
    "gemma-7b": {
        "model_type": "gemma", "hidden_size": 3072, "intermediate_size": 24576, "num_hidden_layers": 28,
        "num_attention_heads": 16, "num_key_value_heads": 16, "head_dim": 256, "vocab_size": 256000,
        "max_position_embeddings": 8192,
    },
    "gemma2-9b": {
        "model_type": "gemma2", "hidden_size": 3584, "intermediate_size": 14336, "num_hidden_layers": 42,
        "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 256, "vocab_size": 256000,
        "sliding_window": 4096, "max_position_embeddings": 8192,
    },
    "gemma3-1b": {
        "model_type": "gemma3_text", "hidden_size": 1152, "intermediate_size": 6912, "num_hidden_layers": 26,
        "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 256, "vocab_size": 262144,
        "sliding_window": 512, "sliding_window_pattern": 6, "max_position_embeddings": 32768,
    },
    "glm-4.5-air": {
        "model_type": "glm4_moe", "hidden_size": 4096, "intermediate_size": 10944, "moe_intermediate_size": 1408,
        "num_hidden_layers": 46, "num_attention_heads": 96, "num_key_value_heads": 8, "head_dim": 128,
        "n_routed_experts": 128, "n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 1,
        "attention_bias": True, "use_qk_norm": False, "num_nextn_predict_layers": 1, "vocab_size": 151552,
        "max_position_embeddings": 131072, "n_group": 1, "topk_group": 1,
    },
    "glm4-9b": {
        "model_type": "glm", "hidden_size": 4096, "intermediate_size": 13696, "num_hidden_layers": 40,
        "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128, "attention_bias": True,
        "vocab_size": 151552, "max_position_embeddings": 131072, "tie_word_embeddings": False,
    },
    "nemotron-nano-9b-v2": {
        "model_type": "nemotron_h", "hidden_size": 4480, "intermediate_size": 15680, "num_hidden_layers": 56,
        "num_attention_heads": 40, "num_key_value_heads": 8, "head_dim": 128, "mamba_num_heads": 128,
        "mamba_head_dim": 80, "ssm_state_size": 128, "n_groups": 8, "conv_kernel": 4, "vocab_size": 131072,
        "hybrid_override_pattern": "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-",
        "max_position_embeddings": 131072, "tie_word_embeddings": False,
    },
    "nemotron-3-nano-30b-a3b": {
        "model_type": "nemotron_h", "hidden_size": 2688, "intermediate_size": 1856, "num_hidden_layers": 52,
        "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128, "mamba_num_heads": 64,
        "mamba_head_dim": 64, "ssm_state_size": 128, "n_groups": 8, "conv_kernel": 4, "vocab_size": 131072,
        "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
        "n_routed_experts": 128, "num_experts_per_tok": 6, "moe_intermediate_size": 1856,
        "moe_shared_expert_intermediate_size": 3712, "max_position_embeddings": 262144,
    },
    "gpt2": {
        "model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "n_inner": None,
        "vocab_size": 50257,
    },
    "gpt-neox-20b": {
        "model_type": "gpt_neox", "hidden_size": 6144, "intermediate_size": 24576, "num_hidden_layers": 44,
        "num_attention_heads": 64, "vocab_size": 50432, "use_parallel_residual": True, "tie_word_embeddings": False,
        "max_position_embeddings": 2048,
    },
    "opt-6.7b": {
        "model_type": "opt", "hidden_size": 4096, "ffn_dim": 16384, "num_hidden_layers": 32,
        "num_attention_heads": 32, "vocab_size": 50272, "max_position_embeddings": 2048,
    },
    "bloom-7b1": {
        "model_type": "bloom", "n_embed": 4096, "n_layer": 30, "num_attention_heads": 32, "vocab_size": 250880,
    },
    "falcon-180b": {
        "model_type": "falcon", "hidden_size": 14848, "num_hidden_layers": 80, "num_attention_heads": 232,
        "num_kv_heads": 8, "new_decoder_architecture": True, "parallel_attn": True, "bias": False,
        "vocab_size": 65024, "tie_word_embeddings": False,
    },
}  # fmt: skip


@pytest.mark.parametrize("model_id", sorted(CONFIGS))
def test_import_gives_the_model_of_the_catalog(model_id: str) -> None:
    imported, known = import_hf_config(CONFIGS[model_id], name=model_id), MODELS[model_id]
    assert parameter_counts(imported) == parameter_counts(known)
    assert sorted(map(repr, imported.groups)) == sorted(map(repr, known.groups))
    for field in ("hidden", "vocab", "kind", "family", "tied_embeddings", "mtp_layers", "routed_groups_limit"):
        if (model_id, field) != ("opt-6.7b", "family"):  # the catalog files OPT under gpt
            assert getattr(imported, field) == getattr(known, field), field
    assert imported.id == model_id


@pytest.mark.parametrize("model_id", sorted(TODAY))
def test_import_gives_the_counts_of_the_catalog(model_id: str) -> None:
    imported, known = import_hf_config(TODAY[model_id], name=model_id), MODELS[model_id]
    found, wanted = parameter_counts(imported), parameter_counts(known)
    assert found.total - found.vision == wanted.total - wanted.vision
    assert (found.active, found.mtp) == (wanted.active, wanted.mtp)
    assert found.vision in (wanted.vision, 0)
    assert imported.state_precision == known.state_precision
    assert imported.longest_context in (known.max_context, known.longest_context)


def test_layers_counted_from_their_list_and_modules_ahead_of_a_hybrid() -> None:
    # published: 549.3 B with 55.0 B active and 108 layers; 123.6 B with the module, of which it is 2.94 B
    ultra = import_hf_config(TODAY["nemotron-3-ultra-550b-a55b"], name="ultra")
    counts = parameter_counts(ultra)
    assert (ultra.layers, round(counts.total / 1e9, 1), round(counts.active / 1e9, 1)) == (108, 549.3, 55.0)
    ahead = parameter_counts(import_hf_config(TODAY["nemotron-3-super-120b-a12b"], name="super"))
    assert ahead.mtp == pytest.approx(2.94e9, rel=0.01)
    assert ahead.total + ahead.mtp == pytest.approx(123.6e9, rel=0.01)


def test_what_a_checkpoint_leaves_in_16_bits() -> None:
    def kept(config: dict[str, Any]) -> tuple[object, ...]:
        (found,) = import_hf_config(config, name="x").checkpoints
        return found.precision, found.kept, found.kept_layers, found.block

    assert kept(TODAY["minimax-m2.5"]) == ("fp8", (), 0, 128)
    assert kept(TODAY["kimi-k3"]) == ("mxfp4", ("attention", "shared", "dense"), 0, 0)
    attention = [f"model.layers.{i}.self_attn.{m}_proj" for i in range(32) for m in "qkvo"]
    ends = [f"model.layers.{i}.mlp.{m}_proj" for i in (0, 31) for m in ("gate", "up", "down")]
    official = {"quant_method": "fbgemm_fp8", "modules_to_not_convert": ["lm_head", *attention, *ends]}
    assert kept({**CONFIGS["llama-3.1-8b"], "quantization_config": official}) == ("fp8", ("attention",), 2, 0)


def test_what_a_config_leaves_out_is_its_class() -> None:
    text = {"model_type": "gemma3_text", "hidden_size": 2560, "num_hidden_layers": 34, "intermediate_size": 10240,
            "sliding_window": 1024}  # fmt: skip
    vision = {"hidden_size": 1152, "intermediate_size": 4304, "num_attention_heads": 16, "num_hidden_layers": 27,
              "patch_size": 14, "image_size": 896}  # fmt: skip
    fields = import_hf_fields({"model_type": "gemma3", "text_config": text, "vision_config": vision}, name="4b")
    assert "num_attention_heads" in fields["note"]
    imported = import_hf_config({"model_type": "gemma3", "text_config": text, "vision_config": vision}, name="4b")
    assert parameter_counts(imported).total == pytest.approx(parameter_counts(MODELS["gemma3-4b"]).total, rel=1e-5)


def test_layers_that_a_search_thinned_out() -> None:
    def block(heads: int | None, mult: float) -> dict[str, Any]:
        attention = {"no_op": heads is None, "n_heads_in_group": heads, "replace_with_linear": False}
        return {"attention": attention, "ffn": {"no_op": False, "ffn_mult": mult, "replace_with_linear": False}}

    config = {
        "model_type": "nemotron-nas", "hidden_size": 8192, "num_attention_heads": 64, "num_key_value_heads": None,
        "vocab_size": 128256, "num_hidden_layers": 3,
        "block_configs": [block(8, 5.25), block(None, 1.0), block(8, 5.25)],
    }  # fmt: skip
    found = import_hf_config(config, name="nas")
    assert [(g.count, g.mixer.kind, g.feed_forward.hidden) for g in found.groups] == [
        (2, "attention", 28672), (1, "none", 5632),
    ]  # fmt: skip


def test_import_of_the_language_model_of_llama_4() -> None:
    text = {
        "model_type": "llama4_text", "hidden_size": 5120, "intermediate_size": 8192, "intermediate_size_mlp": 16384,
        "num_hidden_layers": 48, "num_attention_heads": 40, "num_key_value_heads": 8, "head_dim": 128,
        "num_local_experts": 128, "num_experts_per_tok": 1, "interleave_moe_layer_step": 2,
        "attention_chunk_size": 8192, "vocab_size": 202048,
    }  # fmt: skip
    imported = import_hf_config({"model_type": "llama4", "text_config": text}, name="Maverick")
    known = parameter_counts(MODELS["llama-4-maverick"])
    assert parameter_counts(imported).total == known.total - known.vision
    assert sum(g.count for g in imported.groups if g.mixer.window) == 36
    assert sum(g.count for g in imported.groups if g.feed_forward.kind == "moe") == 24


def test_falcon_of_one_head_shares_its_norm() -> None:
    config = {
        "model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71,
        "new_decoder_architecture": False, "multi_query": True, "parallel_attn": True, "bias": False,
        "vocab_size": 65024,
    }  # fmt: skip
    # Falcon 7B: 6,921,720,704 without the copy of the embedding that its checkpoint keeps.
    assert parameter_counts(import_hf_config(config)).total == 6_921_720_704


@pytest.mark.parametrize(
    "model_id", ["deepseek-v3", "gpt-oss-120b", "nemotron-nano-9b-v2", "gpt2", "qwen3-next-80b-a3b"]
)
def test_written_yaml_reads_back_the_same(model_id: str, tmp_path: Path) -> None:
    fields = import_hf_fields(CONFIGS[model_id], name=model_id, source="a test: config.json", as_of="2025-01")
    (tmp_path / "mine.yaml").write_text(model_yaml(model_id, fields), encoding="utf-8")
    direct = import_hf_config(CONFIGS[model_id], name=model_id, source="a test: config.json", as_of="2025-01")
    assert load_models(tmp_path) == {model_id: direct}


def test_weights_precision_is_read() -> None:
    assert import_hf_config(CONFIGS["deepseek-v3"]).weights == "fp8"
    assert import_hf_config(CONFIGS["gpt-oss-120b"]).weights == "mxfp4"
    assert import_hf_config({**CONFIGS["llama-3.1-8b"], "torch_dtype": "float16"}).weights == "fp16"


def test_unknown_type_names_the_supported() -> None:
    with pytest.raises(InputError) as caught:
        import_hf_config({"model_type": "qwen3_mo"})
    problem = caught.value.problems[0]
    assert problem.nearest == "qwen3_moe"
    for kind in SUPPORTED_MODEL_TYPES:
        assert kind in problem.allowed


def test_missing_type() -> None:
    with pytest.raises(InputError, match="model_type"):
        import_hf_config({"hidden_size": 64})


@pytest.mark.parametrize("kind", SUPPORTED_MODEL_TYPES)
def test_every_missing_field_is_listed(kind: str) -> None:
    with pytest.raises(InputError) as caught:
        import_hf_config({"model_type": kind})
    text = str(caught.value)
    if kind in CLASS_DEFAULTS:  # its class fills in the rest
        assert "hidden_size" in text
    else:
        assert len(caught.value.problems) >= 4
        assert "vocab_size" in text


def test_missing_and_wrong_fields_together() -> None:
    config = {k: v for k, v in CONFIGS["deepseek-v3"].items() if k not in ("kv_lora_rank", "vocab_size")}
    with pytest.raises(InputError) as caught:
        import_hf_config({**config, "hidden_size": "7168"})
    assert [p.path for p in caught.value.problems] == ["vocab_size", "kv_lora_rank", "hidden_size"]


def test_fields_that_do_not_go_together() -> None:
    with pytest.raises(InputError, match="does not divide"):
        import_hf_config({**CONFIGS["llama-3.1-8b"], "num_key_value_heads": 5})


def test_unknown_layer_symbols() -> None:
    config = {**CONFIGS["nemotron-nano-9b-v2"], "hybrid_override_pattern": "M-X*"}
    with pytest.raises(InputError, match="X"):
        import_hf_config(config)


def test_ids_from_names() -> None:
    assert model_id_of("meta-llama/Llama 3.1_8B") == "llama-3.1-8b"
    assert model_id_of("--") == "model"
