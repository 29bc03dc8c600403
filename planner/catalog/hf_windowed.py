"""Readers of configs whose layers see different keys: Gemma, gpt-oss, Llama 4, MiMo V2, MiniMax M3, Step 3."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from planner.catalog.hf_config import Fields, HfConfig, common, groups, mixture, sliding, windows
from planner.errors import Problem


def _gpt_oss(c: HfConfig) -> Fields:
    fields = common(c, "gpt-oss", "moe") | {
        "head_dim": c.need("head_dim"),
        "bias": True,
        "bias_out": True,
        "sinks": True,
        "experts": c.need("num_local_experts"),
        "experts_per_token": c.need("num_experts_per_tok", "experts_per_token"),
        "expert_hidden": c.need("intermediate_size"),
        "ffn_bias": True,
        "router_bias": True,
    }
    windows(c, fields, lambda i: i % 2 == 0, c.need("sliding_window"))
    return fields


def _gemma(c: HfConfig) -> Fields:
    fields = common(c, "gemma") | {"ffn": c.need("intermediate_size"), "head_dim": c.need("head_dim")}
    return fields | {"tied_embeddings": c.flag("tie_word_embeddings", True)}


def _gemma2(c: HfConfig) -> Fields:
    fields = _gemma(c) | {"norms": 4}
    windows(c, fields, lambda i: i % 2 == 0, c.need("sliding_window"))
    return fields


def _gemma3(c: HfConfig) -> Fields:
    fields = _gemma(c) | {"norms": 4, "qk_norm": True}
    every = max(c.get("sliding_window_pattern", 6), 1)
    windows(c, fields, lambda i: (i + 1) % every != 0, c.need("sliding_window"))
    return fields


def _llama4(c: HfConfig) -> Fields:
    width = c.need("intermediate_size")
    fields = common(c, "llama", "moe") | {
        "experts": c.need("num_local_experts"),
        "experts_per_token": c.need("num_experts_per_tok"),
        "expert_hidden": width,
        "shared_hidden": width,
        "ffn": c.need("intermediate_size_mlp"),
    }
    step, chunk = max(c.get("interleave_moe_layer_step", 1), 1), c.get("attention_chunk_size", 8192)
    moe = c.listed("moe_layers", int) or [i for i in range(fields["layers"]) if (i + 1) % step == 0]
    rope = c.listed("no_rope_layers", int) or [int((i + 1) % 4 != 0) for i in range(fields["layers"])]
    layers: list[Fields] = []
    for i in range(fields["layers"]):
        chunked = {"window": chunk, "chunked": True} if i < len(rope) and rope[i] else {}
        layers.append({**chunked, "feed_forward": "moe" if i in moe else "dense"})
    groups(fields, layers)
    return fields


def _gemma4(c: HfConfig) -> Fields:
    """Full layers have heads of another size, and one matrix for keys and values; experts run beside a dense part."""
    fields = _gemma(c) | {"norms": 4, "qk_norm": True, "kind": "dense"}
    if c.get("hidden_size_per_layer_input") or c.get("num_kv_shared_layers"):
        key = "hidden_size_per_layer_input" if c.get("hidden_size_per_layer_input") else "num_kv_shared_layers"
        c.wrong.append(
            Problem("per-layer inputs and shared caches are not read", path=f"{c.path}{key}", found=str(c.get(key)),
                    allowed="0", remedy="Write the model in YAML instead.")
        )  # fmt: skip
    full: Fields = {
        "head_dim": c.get("global_head_dim") or fields["head_dim"],
        "kv_heads": c.get("num_global_key_value_heads") or fields["kv_heads"],
        "shared_kv": c.flag("attention_k_eq_v"),
    }
    if c.flag("enable_moe_block"):
        del fields["ffn"]
        fields |= {
            "kind": "moe", "norms": 7, "experts": c.need("num_experts"), "experts_per_token": c.need("top_k_experts"),
            "expert_hidden": c.need("moe_intermediate_size"), "beside": c.need("intermediate_size"),
        }  # fmt: skip
    window = c.need("sliding_window")
    narrow = sliding(c, fields["layers"], lambda i: (i + 1) % 6 != 0)
    groups(fields, [{"window": window} if n else {k: v for k, v in full.items() if v} for n in narrow])
    return fields


def _mimo_v2(c: HfConfig) -> Fields:
    fields = common(c, "mimo", "moe") | mixture(c) | {
        "v_head_dim": c.get("v_head_dim"), "ffn": c.need("intermediate_size"), "bias": c.flag("attention_bias"),
        "router_bias": c.data.get("topk_method") == "noaux_tc",
    }  # fmt: skip
    count = fields["layers"]
    pattern = c.listed("hybrid_layer_pattern", int, count) or [0] * count
    moe = c.listed("moe_layer_freq", int, count) or [1] * count
    local = {
        "window": c.need("sliding_window", "sliding_window_size"), "sinks": c.flag("add_swa_attention_sink_bias"),
        "heads": c.get("swa_num_attention_heads") or fields["heads"],
        "kv_heads": c.get("swa_num_key_value_heads") or fields["kv_heads"],
        "head_dim": c.get("swa_head_dim") or fields.get("head_dim", 0),
        "v_head_dim": c.get("swa_v_head_dim") or fields["v_head_dim"],
    }  # fmt: skip
    differs = {k: v for k, v in local.items() if v != fields.get(k, False)}
    feed = {0: {"feed_forward": "dense"}, 1: {"feed_forward": "moe"}}
    groups(fields, [(differs if p else {}) | feed[min(m, 1)] for p, m in zip(pattern[:count], moe, strict=False)])
    return fields


def _minimax_m3(c: HfConfig) -> Fields:
    """Some layers choose blocks of keys by an indexer beside grouped queries."""
    sparse = HfConfig(c.inner("sparse_attention_config"), f"{c.path}sparse_attention_config.")
    width = c.get("moe_intermediate_size") or c.need("intermediate_size")
    fields = common(c, "minimax", "moe") | {
        "qk_norm": c.flag("use_qk_norm"), "wide_norm": c.data.get("qk_norm_type") == "per_layer",
        "experts": c.need("num_local_experts"), "experts_per_token": c.need("num_experts_per_tok"),
        "expert_hidden": width,
        "shared_hidden": (c.get("shared_intermediate_size") or width) * c.get("n_shared_experts"),
        "ffn": c.need("dense_intermediate_size", "intermediate_size"),
        "router_bias": c.flag("use_routing_bias"), "output_gate": c.flag("attention_output_gate"),
        "mtp_layers": c.get("num_nextn_predict_layers") or c.get("num_mtp_modules"),
    }  # fmt: skip
    count = fields["layers"]
    moe = c.listed("moe_layer_freq", int, count) or [1] * count
    chosen = sparse.listed("sparse_attention_freq", int, count) or [0] * count
    index = {
        "sparse_top_k": sparse.get("sparse_topk_blocks") * sparse.get("sparse_block_size", 1),
        "index_heads": sparse.get("sparse_num_index_heads"), "index_head_dim": sparse.get("sparse_index_dim"),
    }  # fmt: skip
    groups(
        fields,
        [
            {"feed_forward": "moe" if m else "dense"} | (index if s else {})
            for m, s in zip(moe[:count], chosen, strict=False)
        ],
    )
    c.wrong += sparse.wrong
    return fields


def _step3(c: HfConfig) -> Fields:
    """Step 3.5 and 3.7: a gate a head; layers with a window have their own number of heads."""
    fields = common(c, "step", "moe") | {
        "kv_heads": c.need("num_attention_groups", "num_key_value_heads"), "qk_norm": True, "head_gate": True,
        "ffn": c.need("intermediate_size"),
        "experts": c.need("moe_num_experts", "num_experts", "n_routed_experts"),
        "experts_per_token": c.need("moe_top_k", "num_experts_per_tok"),
        "expert_hidden": c.need("moe_intermediate_size"),
        "shared_hidden": c.get("share_expert_dim"), "router_bias": c.flag("use_moe_router_bias", True),
        "mtp_layers": c.get("num_nextn_predict_layers"),
    }  # fmt: skip
    count = fields["layers"]
    other = HfConfig(c.inner("attention_other_setting"), f"{c.path}attention_other_setting.")
    local: Fields = {"window": c.need("sliding_window")}
    heads = other.get("num_attention_heads") or c.get("num_sliding_attention_heads")
    if heads and heads != fields["heads"]:
        local["heads"] = heads
    named = c.value("moe_layers_enum")
    routed: set[int] = set(range(c.get("first_k_dense_replace"), count))
    if named is not None:
        listed = str(named).split(",") if not isinstance(named, list) else [str(v) for v in named]
        if not all(v.strip().isdigit() for v in listed):
            c.wrong.append(Problem("must be layer numbers", path=f"{c.path}moe_layers_enum", found=repr(named)[:60]))
            listed = []
        routed = {int(v) for v in listed}
    narrow = sliding(c, count, lambda i: i % 4 != 0)
    groups(
        fields,
        [(local if n else {}) | {"feed_forward": "moe" if i in routed else "dense"} for i, n in enumerate(narrow)],
    )
    if fields["mtp_layers"]:
        fields["mtp"] = ({"count": 1, **local, "feed_forward": "dense"},)
    c.wrong += other.wrong
    return fields


READERS: Mapping[str, Callable[[HfConfig], Fields]] = {
    "gemma": _gemma,
    "gemma2": _gemma2,
    "gemma3": _gemma3,
    "gemma3_text": _gemma3,
    "gemma4": _gemma4,
    "gemma4_text": _gemma4,
    "gpt_oss": _gpt_oss,
    "llama4": _llama4,
    "llama4_text": _llama4,
    "mimo_v2_flash": _mimo_v2,
    "minimax_m3": _minimax_m3,
    "minimax_m3_vl": _minimax_m3,
    "step3p5": _step3,
    "step3p7": _step3,
}
"""By ``model_type``."""
