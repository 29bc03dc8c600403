"""Readers of configs with latent attention: DeepSeek V2 to V4, Kimi K2, GLM 5, LongCat Flash, Mistral Small 4."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from planner.catalog.hf_config import Fields, HfConfig, common, groups, mixture


def _deepseek(c: HfConfig) -> Fields:
    moe = c.has("n_routed_experts")
    fields = common(c, "deepseek", "moe" if moe else "dense") | {
        "mixer": "mla",
        "q_lora_rank": c.get("q_lora_rank"),
        "kv_lora_rank": c.need("kv_lora_rank"),
        "qk_nope_head_dim": c.need("qk_nope_head_dim"),
        "qk_rope_head_dim": c.need("qk_rope_head_dim"),
        "v_head_dim": c.need("v_head_dim"),
        "ffn": c.need("intermediate_size"),
        "sparse_top_k": c.get("index_topk"),
        "index_heads": c.get("index_n_heads"),
        "index_head_dim": c.get("index_head_dim"),
    }
    fields["mtp_layers"] = c.get("num_nextn_predict_layers")
    for name in ("kv_heads", "head_dim"):
        fields.pop(name, None)
    if not moe:
        return fields
    fields |= mixture(c) | {
        "router_bias": c.data.get("topk_method") == "noaux_tc",
        "routed_groups_limit": c.get("topk_group") if c.get("n_group", 1) > 1 else 0,
    }
    first, every = c.get("first_k_dense_replace"), max(c.get("moe_layer_freq", 1), 1)
    own = c.listed("indexer_types", str, fields["layers"])
    layers: list[Fields] = []
    for i in range(fields["layers"]):
        layer: Fields = {"feed_forward": "moe" if i >= first and i % every == 0 else "dense"}
        if own is not None and own[i] == "shared":  # keeps the keys that the last layer with an indexer chose
            layer |= {"index_heads": 0, "index_head_dim": 0}
        layers.append(layer)
    groups(fields, layers)
    if fields["mtp_layers"] and own is not None:
        fields["mtp"] = ({"count": 1, "feed_forward": "moe"},)
    return fields


def _kimi(c: HfConfig) -> Fields:
    return _deepseek(c) | {"family": "kimi"}


def _glm_moe_dsa(c: HfConfig) -> Fields:
    return _deepseek(c) | {"family": "glm"}


def _mistral4(c: HfConfig) -> Fields:
    return _deepseek(c) | {"family": "mistral", "router_bias": False}


def _deepseek_v4(c: HfConfig) -> Fields:
    """Compressed attention: by layer its ratio, 0 for the window alone (arXiv:2606.19348)."""
    fields = common(c, "deepseek", "moe") | mixture(c) | {
        "mixer": "compressed", "head_dim": c.need("head_dim"), "q_lora_rank": c.need("q_lora_rank"),
        "output_groups": c.need("o_groups"), "output_lora_rank": c.need("o_lora_rank"),
        "window": c.need("sliding_window"), "hyper_streams": c.get("hc_mult"), "router_bias": True,
        "mtp_layers": c.get("num_nextn_predict_layers"),
    }  # fmt: skip
    fields.pop("kv_heads", None)
    ratios = c.listed("compress_ratios", int, fields["layers"]) or [0] * fields["layers"]
    index = {
        "sparse_top_k": c.get("index_topk"), "index_heads": c.get("index_n_heads"),
        "index_head_dim": c.get("index_head_dim"),
    }  # fmt: skip
    groups(
        fields,
        [{"compress_ratio": r} | (index if r == SPARSE_RATIO else {}) for r in ratios[: fields["layers"]]],
    )
    return fields


SPARSE_RATIO = 4
"""Compression at which DeepSeek V4 keeps an indexer; at 128 it reads every compressed key."""


def _longcat(c: HfConfig) -> Fields:
    """A layer is two of attention and dense feed-forward, with experts on a shortcut beside them (arXiv:2509.01322).

    Of the experts a token is sent to, as many as chance gives compute nothing.
    """
    c.data = {"num_hidden_layers": c.need("num_layers"), **c.data}
    fields = common(c, "longcat", "moe") | {
        "mixer": "mla", "q_lora_rank": c.get("q_lora_rank"), "kv_lora_rank": c.need("kv_lora_rank"),
        "qk_nope_head_dim": c.need("qk_nope_head_dim"), "qk_rope_head_dim": c.need("qk_rope_head_dim"),
        "v_head_dim": c.need("v_head_dim"), "ffn": c.need("ffn_hidden_size"), "router_bias": True,
    }  # fmt: skip
    for name in ("kv_heads", "head_dim"):
        fields.pop(name, None)
    experts, idle, chosen = c.need("n_routed_experts"), c.get("zero_expert_num"), c.need("moe_topk")
    fields |= {
        "experts": experts,
        "idle_experts": idle,
        "experts_per_token": max(round(chosen * experts / (experts + idle)), 1),
        "expert_hidden": c.need("expert_ffn_hidden_size"),
    }
    count = fields["layers"]
    fields["layers"] = (
        {"count": 2 * count, "feed_forward": "dense"},
        {"count": count, "mixer": "none", "feed_forward": "moe", "norms": 0},
    )
    return fields


READERS: Mapping[str, Callable[[HfConfig], Fields]] = {
    "deepseek_v2": _deepseek,
    "deepseek_v3": _deepseek,
    "deepseek_v32": _deepseek,
    "deepseek_v4": _deepseek_v4,
    "glm4_moe_lite": _glm_moe_dsa,
    "glm_moe_dsa": _glm_moe_dsa,
    "kimi_k2": _kimi,
    "kimi_k25": _kimi,
    "longcat_flash": _longcat,
    "mistral4": _mistral4,
}
"""By ``model_type``."""
