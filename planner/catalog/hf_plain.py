"""Readers of configs whose layers are alike: dense models, and mixtures of experts in every or every other layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from planner.catalog.hf_config import Fields, HfConfig, common, groups, mixture, windows
from planner.errors import Problem


def _llama(c: HfConfig) -> Fields:
    fields = common(c, "llama")
    bias = c.flag("attention_bias")
    return fields | {"ffn": c.need("intermediate_size"), "bias": bias, "bias_out": bias, "ffn_bias": c.flag("mlp_bias")}


def _mistral(c: HfConfig) -> Fields:
    fields = common(c, "mistral") | {"ffn": c.need("intermediate_size")}
    if c.has("sliding_window"):
        fields["window"] = c.need("sliding_window")
    return fields


def _mixtral(c: HfConfig) -> Fields:
    fields = common(c, "mixtral", "moe") | {
        "experts": c.need("num_local_experts"),
        "experts_per_token": c.need("num_experts_per_tok"),
        "expert_hidden": c.need("intermediate_size"),
    }
    if c.has("sliding_window"):
        fields["window"] = c.need("sliding_window")
    return fields


def _phi3(c: HfConfig) -> Fields:
    return _mistral(c) | {"family": "phi"}


def _qwen2(c: HfConfig) -> Fields:
    fields = common(c, "qwen") | {"ffn": c.need("intermediate_size"), "bias": True}
    if c.flag("use_sliding_window") and c.has("sliding_window"):
        full = c.get("max_window_layers", fields["layers"])
        windows(c, fields, lambda i: i >= full, c.need("sliding_window"))
    return fields


def _qwen3(c: HfConfig) -> Fields:
    return _qwen2(c) | {"bias": c.flag("attention_bias"), "qk_norm": True}


def _sparse_layers(c: HfConfig, fields: Fields) -> None:
    """Qwen: every ``decoder_sparse_step``-th layer has experts, except ``mlp_only_layers``."""
    step, dense = max(c.get("decoder_sparse_step", 1), 1), c.listed("mlp_only_layers", int) or []
    moe = [(i + 1) % step == 0 and i not in dense for i in range(fields["layers"])]
    if not all(moe):
        fields["ffn"] = c.need("intermediate_size")
        groups(fields, [{"feed_forward": "moe" if m else "dense"} for m in moe])


def qwen_experts(c: HfConfig) -> Fields:
    return {
        "experts": c.need("num_experts"),
        "experts_per_token": c.need("num_experts_per_tok"),
        "expert_hidden": c.need("moe_intermediate_size"),
    }


def _qwen2_moe(c: HfConfig) -> Fields:
    fields = common(c, "qwen", "moe") | qwen_experts(c) | {"bias": True}
    fields |= {"shared_hidden": c.need("shared_expert_intermediate_size"), "shared_gate": True}
    _sparse_layers(c, fields)
    return fields


def _qwen3_moe(c: HfConfig) -> Fields:
    fields = common(c, "qwen", "moe") | qwen_experts(c)
    fields |= {"bias": c.flag("attention_bias"), "qk_norm": True}
    _sparse_layers(c, fields)
    return fields


def _glm4(c: HfConfig) -> Fields:
    fields = common(c, "glm") | {"ffn": c.need("intermediate_size"), "bias": c.flag("attention_bias")}
    return fields | ({"norms": 4} if c.data.get("model_type") == "glm4" else {})


def _glm4_moe(c: HfConfig) -> Fields:
    fields = common(c, "glm", "moe") | mixture(c) | {
        "bias": c.flag("attention_bias"),
        "qk_norm": c.flag("use_qk_norm"),
        "ffn": c.need("intermediate_size"),
        "router_bias": True,
        "mtp_layers": c.get("num_nextn_predict_layers"),
    }  # fmt: skip
    first = c.get("first_k_dense_replace")
    groups(fields, [{"feed_forward": "dense" if i < first else "moe"} for i in range(fields["layers"])])
    return fields


_BIASED: Fields = {"gated": False, "bias": True, "bias_out": True, "ffn_bias": True, "norm_bias": True}


def _gpt2(c: HfConfig) -> Fields:
    hidden, positions = c.need("n_embd"), c.need("n_positions")
    return _BIASED | {
        "family": "gpt",
        "kind": "dense",
        "hidden": hidden,
        "layers": c.need("n_layer"),
        "heads": c.need("n_head"),
        "ffn": c.get("n_inner") or 4 * hidden,
        "vocab": c.need("vocab_size"),
        "learned_positions": positions,
        "max_context": positions,
        "tied_embeddings": c.flag("tie_word_embeddings", True),
    }


def _gpt_neox(c: HfConfig) -> Fields:
    fields = _BIASED | common(c, "gpt") | {"ffn": c.need("intermediate_size")}
    return fields | {"parallel": c.flag("use_parallel_residual", True)}


def _opt(c: HfConfig) -> Fields:
    fields = _BIASED | common(c, "opt") | {"ffn": c.need("ffn_dim")}
    positions = c.need("max_position_embeddings") + 2  # OPT keeps two offsets in its table
    return fields | {"learned_positions": positions, "tied_embeddings": c.flag("tie_word_embeddings", True)}


def _falcon(c: HfConfig) -> Fields:
    hidden, heads = c.need("hidden_size", "n_embed"), c.need("num_attention_heads", "n_head")
    new = c.flag("new_decoder_architecture")
    kv = c.get("num_kv_heads", heads) if new else 1 if c.flag("multi_query", True) else heads
    bias = c.flag("bias")
    return {
        "family": "falcon",
        "kind": "dense",
        "hidden": hidden,
        "layers": c.need("num_hidden_layers", "n_layer"),
        "heads": heads,
        "kv_heads": kv,
        "ffn": c.get("ffn_hidden_size") or 4 * hidden,
        "gated": False,
        "bias": bias,
        "bias_out": bias,
        "ffn_bias": bias,
        "norm_bias": True,
        "parallel": new or c.flag("parallel_attn", True),
        "norms": 2 if new or not c.flag("parallel_attn", True) else 1,
        "vocab": c.need("vocab_size"),
        "max_context": c.get("max_position_embeddings", 2048),
        "tied_embeddings": c.flag("tie_word_embeddings", True),
    }


def _bloom(c: HfConfig) -> Fields:
    hidden = c.need("hidden_size", "n_embed")
    return _BIASED | {
        "family": "bloom",
        "kind": "dense",
        "hidden": hidden,
        "layers": c.need("n_layer", "num_hidden_layers"),
        "heads": c.need("n_head", "num_attention_heads"),
        "ffn": 4 * hidden,
        "vocab": c.need("vocab_size"),
        "max_context": c.get("seq_length"),
        "tied_embeddings": c.flag("tie_word_embeddings", True),
    }


def _mimo(c: HfConfig) -> Fields:
    return _qwen2(c) | {
        "family": "mimo",
        "bias": c.flag("attention_bias", True),
        "mtp_layers": c.get("num_nextn_predict_layers"),
    }


def _nemotron_nas(c: HfConfig) -> Fields:
    """Layers found by search: each leaves out its attention or has its own width (Llama Nemotron, arXiv:2411.19146)."""
    blocks = c.listed("block_configs", Mapping)
    if not blocks:
        c.missing.append("block_configs")
        blocks = [{}]
    c.data = {"num_hidden_layers": len(blocks), **c.data}
    fields = common(c, "nemotron")
    hidden, heads = fields["hidden"], fields["heads"]
    layers: list[Fields] = []
    for i, block in enumerate(blocks):
        attention, ffn = _block(c, block, i, "attention"), _block(c, block, i, "ffn")
        layer: Fields = {}
        if attention.flag("no_op"):
            layer["mixer"] = "none"
        else:
            layer["kv_heads"] = max(heads // max(attention.need("n_heads_in_group"), 1), 1)
        if ffn.flag("no_op"):
            layer["feed_forward"] = "none"
        else:
            mult = ffn.data.get("ffn_mult")
            if not isinstance(mult, int | float) or isinstance(mult, bool) or not 0 < mult < 1000:
                c.wrong.append(Problem("must be a number above 0", path=f"{ffn.path}ffn_mult", found=repr(mult)[:60]))
                mult = 1.0
            layer["ffn"] = -(-int(2 * mult * hidden / 3) // 256) * 256  # rounded up to 256, as its code does
        c.missing += [f"{a.path}{k}" for a in (attention, ffn) for k in a.missing]
        c.wrong += [*attention.wrong, *ffn.wrong]
        layers.append(layer)
    del fields["kv_heads"]
    groups(fields, layers)
    return fields


def _block(c: HfConfig, block: Mapping[str, Any], index: int, part: str) -> HfConfig:
    inner = block.get(part)
    path = f"{c.path}block_configs[{index}].{part}."
    found = HfConfig(inner if isinstance(inner, Mapping) else {}, path)
    if found.flag("replace_with_linear"):
        found.wrong.append(Problem("linear layers in its place are not read", path=f"{path}replace_with_linear"))
    return found


def _ernie4_5_moe(c: HfConfig) -> Fields:
    bias = c.flag("use_bias")
    width = c.need("moe_intermediate_size")
    fields = common(c, "ernie", "moe") | {
        "bias": bias, "bias_out": bias, "ffn_bias": bias, "ffn": c.need("intermediate_size"),
        "experts": c.need("moe_num_experts"), "experts_per_token": c.need("moe_k"), "expert_hidden": width,
        "shared_hidden": width * c.get("moe_num_shared_experts"), "router_bias": True,
        "mtp_layers": c.get("num_nextn_predict_layers"),
    }  # fmt: skip
    first, every = c.get("moe_layer_start_index"), max(c.get("moe_layer_interval", 1), 1)
    groups(
        fields,
        [{"feed_forward": "moe" if i >= first and (i + 1) % every == 0 else "dense"} for i in range(fields["layers"])],
    )
    return fields


def _bailing_moe(c: HfConfig) -> Fields:
    width = c.need("moe_intermediate_size")
    bias = c.flag("use_qkv_bias")
    fields = common(c, "ling", "moe") | {
        "bias": bias, "bias_out": c.flag("use_bias"), "qk_norm": c.flag("use_qk_norm"),
        "ffn": c.need("intermediate_size"), "experts": c.need("num_experts"),
        "experts_per_token": c.need("num_experts_per_tok"), "expert_hidden": width,
        "shared_hidden": width * c.get("num_shared_experts"),
        "router_bias": c.flag("moe_router_enable_expert_bias"), "mtp_layers": c.get("num_nextn_predict_layers"),
    }  # fmt: skip
    first = c.get("first_k_dense_replace")
    groups(fields, [{"feed_forward": "dense" if i < first else "moe"} for i in range(fields["layers"])])
    return fields


def _minimax_m2(c: HfConfig) -> Fields:
    return common(c, "minimax", "moe") | {
        "qk_norm": c.flag("use_qk_norm"),
        "wide_norm": c.data.get("qk_norm_type", "per_layer") == "per_layer",
        "experts": c.need("num_local_experts"),
        "experts_per_token": c.need("num_experts_per_tok"),
        "expert_hidden": c.need("intermediate_size"),
        "shared_hidden": c.get("shared_intermediate_size"),
        "router_bias": c.flag("use_routing_bias"),
        "mtp_layers": c.get("num_mtp_modules") if c.flag("use_mtp") else 0,
    }


READERS: Mapping[str, Callable[[HfConfig], Fields]] = {
    "bailing_moe": _bailing_moe,
    "bailing_moe_v2": _bailing_moe,
    "bloom": _bloom,
    "ernie4_5_moe": _ernie4_5_moe,
    "falcon": _falcon,
    "glm": _glm4,
    "glm4": _glm4,
    "glm4_moe": _glm4_moe,
    "glm4v_moe": _glm4_moe,
    "glm4v_moe_text": _glm4_moe,
    "gpt2": _gpt2,
    "gpt_neox": _gpt_neox,
    "llama": _llama,
    "mimo": _mimo,
    "minimax_m2": _minimax_m2,
    "ministral3": _mistral,
    "mistral": _mistral,
    "mistral3": _mistral,
    "mixtral": _mixtral,
    "nemotron-nas": _nemotron_nas,
    "opt": _opt,
    "phi3": _phi3,
    "qwen2": _qwen2,
    "qwen2_5_vl": _qwen2,
    "qwen2_5_vl_text": _qwen2,
    "qwen2_moe": _qwen2_moe,
    "qwen2_vl": _qwen2,
    "qwen3": _qwen3,
    "qwen3_moe": _qwen3_moe,
    "qwen3_vl": _qwen3,
    "qwen3_vl_text": _qwen3,
    "qwen3_vl_moe": _qwen3_moe,
    "qwen3_vl_moe_text": _qwen3_moe,
}
"""By ``model_type``."""
