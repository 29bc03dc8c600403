"""Readers of configs that mix attention with recurrent layers: Nemotron-H, Qwen3-Next, Qwen3.5, Kimi Linear and K3."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from planner.catalog.hf_config import MOST_LAYERS, Fields, HfConfig, common, groups
from planner.catalog.hf_plain import qwen_experts
from planner.errors import Problem


def state_precision(c: HfConfig, key: str) -> str:
    """Precision of recurrent states under ``key``; 16 bits where the config says nothing or ``auto``."""
    return {"float32": "fp32", "float16": "fp16"}.get(str(c.value(key)), "bf16")


_NEMOTRON_LAYERS: Mapping[str, Fields] = {
    "M": {"mixer": "mamba2", "feed_forward": "none"},
    "*": {"feed_forward": "none"},
    "-": {"mixer": "none", "feed_forward": "dense"},
    "E": {"mixer": "none", "feed_forward": "moe"},
}
_NEMOTRON_WORDS = {
    "mamba": "M",
    "linear_attention": "M",
    "attention": "*",
    "full_attention": "*",
    "mlp": "-",
    "moe": "E",
}


def _pattern(c: HfConfig, letters: str, words: str) -> str:
    """The layers' symbols, from a text of them or a list of words; empty where there is neither."""
    text = c.value(letters)
    listed = c.listed(words, str) if text is None else None
    path = letters
    if listed is not None:
        text, path = "".join(_NEMOTRON_WORDS.get(w, "?") for w in listed), words
    if text is None:
        return ""
    if not isinstance(text, str) or len(text) > MOST_LAYERS or set(text) - set(_NEMOTRON_LAYERS):
        allowed = "M * - E" if path == letters else ", ".join(_NEMOTRON_WORDS)
        c.wrong.append(Problem("unknown layers", path=f"{c.path}{path}", found=repr(text)[:60], allowed=allowed))
        return "M"
    return text


def _nemotron_h(c: HfConfig) -> Fields:
    pattern = _pattern(c, "hybrid_override_pattern", "layers_block_type")
    if not pattern:
        c.missing.append("hybrid_override_pattern or layers_block_type")
        pattern = "M"
    c.data = {"num_hidden_layers": len(pattern), **c.data}
    ahead = _pattern(c, "mtp_hybrid_override_pattern", "mtp_layers_block_type")
    moe = "E" in pattern
    fields = common(c, "nemotron", "hybrid_moe" if moe else "hybrid") | {
        "head_dim": c.need("head_dim", "attention_head_dim"),
        "gated": False,
        "ssm_heads": c.need("mamba_num_heads"),
        "ssm_head_dim": c.need("mamba_head_dim"),
        "ssm_state": c.need("ssm_state_size"),
        "ssm_groups": c.need("n_groups"),
        "conv_kernel": c.need("conv_kernel"),
        "mtp_layers": c.get("num_nextn_predict_layers"),
        "state_precision": state_precision(c, "mamba_ssm_cache_dtype"),
    }
    if "-" in pattern:
        fields["ffn"] = c.need("intermediate_size")
    if moe:
        fields |= {
            "experts": c.need("n_routed_experts"),
            "experts_per_token": c.need("num_experts_per_tok"),
            "expert_hidden": c.need("moe_intermediate_size"),
            "expert_input": c.get("moe_latent_size"),
            "shared_hidden": c.get("moe_shared_expert_intermediate_size"),
            "router_bias": True,
        }
    groups(fields, [_NEMOTRON_LAYERS[symbol] for symbol in pattern])
    if ahead and fields["mtp_layers"]:
        fields["mtp"] = tuple({"count": 1, **_NEMOTRON_LAYERS[symbol]} for symbol in ahead)
    return fields


def _qwen3_next(c: HfConfig) -> Fields:
    fields = common(c, "qwen", "hybrid_moe") | qwen_experts(c)
    fields |= {
        **_gated_delta(c),
        "shared_hidden": c.need("shared_expert_intermediate_size"),
        "shared_gate": True,
        "mtp_layers": c.get("mtp_num_hidden_layers"),
    }
    _interleaved(c, fields)
    return fields


def _gated_delta(c: HfConfig) -> Fields:
    """Gated attention beside gated delta layers, as Qwen3-Next and what came after it name them."""
    return {
        "head_dim": c.need("head_dim"),
        "qk_norm": True,
        "output_gate": c.flag("attn_output_gate", True),
        "linear_k_heads": c.need("linear_num_key_heads"),
        "linear_k_head_dim": c.need("linear_key_head_dim"),
        "linear_v_heads": c.need("linear_num_value_heads"),
        "linear_v_head_dim": c.need("linear_value_head_dim"),
        "conv_kernel": c.need("linear_conv_kernel_dim"),
        "state_precision": state_precision(c, "mamba_ssm_dtype"),
    }


def _interleaved(c: HfConfig, fields: Fields) -> None:
    every = max(c.get("full_attention_interval", 4), 1)
    count = fields["layers"]
    types = c.listed("layer_types", str, count) or [
        "full_attention" if (i + 1) % every == 0 else "linear_attention" for i in range(count)
    ]
    groups(fields, [{"mixer": "linear"} if t == "linear_attention" else {} for t in types[:count]])
    if fields.get("mtp_layers"):  # the module attends like a full layer, whatever the last layer does
        fields["mtp"] = ({"count": 1},)


def _qwen3_5(c: HfConfig) -> Fields:
    fields = common(c, "qwen", "hybrid") | _gated_delta(c) | {"ffn": c.need("intermediate_size")}
    fields["mtp_layers"] = c.get("mtp_num_hidden_layers")
    _interleaved(c, fields)
    return fields


def _kimi_linear(c: HfConfig) -> Fields:
    """Kimi Delta Attention in most layers, latent attention in the others (arXiv:2510.26692); so is Kimi K3."""
    linear = HfConfig(c.inner("linear_attn_config"), f"{c.path}linear_attn_config.")
    heads, size = linear.need("num_heads"), linear.need("head_dim")
    width = c.need("moe_intermediate_size")
    fields = common(c, "kimi", "hybrid_moe") | {
        "q_lora_rank": c.get("q_lora_rank"),
        "kv_lora_rank": c.need("kv_lora_rank"),
        "qk_nope_head_dim": c.need("qk_nope_head_dim"),
        "qk_rope_head_dim": c.need("qk_rope_head_dim"),
        "v_head_dim": c.need("v_head_dim"),
        "output_gate": c.flag("mla_use_output_gate"),
        "linear_k_heads": heads,
        "linear_k_head_dim": size,
        "linear_v_heads": heads,
        "linear_v_head_dim": size,
        "linear_decay_rank": size,
        "conv_kernel": linear.need("short_conv_kernel_size"),
        "state_precision": "fp32",  # vLLM and SGLang keep the state of delta attention in 32 bits
        "ffn": c.need("intermediate_size"),
        "experts": c.need("num_experts"),
        "experts_per_token": c.need("num_experts_per_token", "num_experts_per_tok"),
        "expert_hidden": width,
        "expert_input": c.get("routed_expert_hidden_size"),
        "shared_hidden": width * c.get("num_shared_experts"),
        "router_bias": True,
        "mtp_layers": c.get("num_nextn_predict_layers"),
    }
    fields.pop("head_dim", None)
    fields.pop("kv_heads", None)
    full = set(linear.listed("full_attn_layers", int) or [])  # counted from one
    first, every = c.get("first_k_dense_replace"), max(c.get("moe_layer_freq", 1), 1)
    layers: list[Fields] = []
    for i in range(fields["layers"]):
        feed = "moe" if i >= first and i % every == 0 else "dense"
        layers.append({"mixer": "mla" if i + 1 in full else "linear", "feed_forward": feed})
    groups(fields, layers)
    c.missing += [f"linear_attn_config.{k}" for k in linear.missing]
    c.wrong += linear.wrong
    return fields


READERS: Mapping[str, Callable[[HfConfig], Fields]] = {
    "kimi_k3": _kimi_linear,
    "kimi_linear": _kimi_linear,
    "nemotron_h": _nemotron_h,
    "qwen3_5": _qwen3_5,
    "qwen3_5_moe": _qwen3_next,
    "qwen3_5_moe_text": _qwen3_next,
    "qwen3_5_text": _qwen3_5,
    "qwen3_next": _qwen3_next,
}
"""By ``model_type``."""
