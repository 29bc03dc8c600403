"""The vision tower of a Hugging Face config, for its weights and its work on an image.

Towers are plain transformers over patches; what differs (patch embedding, positions, mergers, projector) is counted
under ``other_parameters`` from the shapes that Transformers 5.24 builds of the same keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.catalog.hf_config import Fields, HfConfig

_QWEN = ("qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe")
_KIMI = ("kimi_k25", "kimi_k3")
_GEMMA3 = {
    "num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072,
    "patch_size": 16, "image_size": 224,
}  # fmt: skip
_GEMMA4 = {
    "num_hidden_layers": 16, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072,
    "patch_size": 16, "position_embedding_size": 10240, "pooling_kernel_size": 3,
}  # fmt: skip
_PIXTRAL = {
    "num_hidden_layers": 24, "hidden_size": 1024, "num_attention_heads": 16, "intermediate_size": 4096,
    "patch_size": 16,
}  # fmt: skip
TOKENS = 256
"""Tokens of an image where the size of images is not fixed: 512 x 512 pixels in patches of 16, merged four to one."""


def vision_of(config: Mapping[str, Any], language: Fields, c: HfConfig) -> Fields:
    """Fields of the vision tower; empty where there is none or its kind is not known."""
    kind = str(config.get("model_type"))
    inner = config.get("vision_config")
    reader = _READERS.get(kind)
    if not isinstance(inner, Mapping) or reader is None:
        return {}
    defaults: Mapping[str, Any] = {"gemma3": _GEMMA3, "gemma4": _GEMMA4, "mistral3": _PIXTRAL}.get(kind, {})
    v = HfConfig(inner, "vision_config.", defaults)
    found = reader(v, language["hidden"], config)
    c.missing += [f"../vision_config.{key}" if c.path else f"vision_config.{key}" for key in v.missing]
    c.wrong += v.wrong
    return found


def _qwen(v: HfConfig, hidden: int, config: Mapping[str, Any]) -> Fields:
    """Positions are learned, four patches are merged; deep-stack mergers feed later layers (arXiv:2511.21631)."""
    h, merged = v.need("hidden_size"), v.need("hidden_size") * v.get("spatial_merge_size", 2) ** 2
    patch = v.need("patch_size")
    out = v.get("out_hidden_size") or hidden
    mix = merged * merged + merged + merged * out + out
    deep = len(v.listed("deepstack_visual_indexes", int) or [])
    other = 3 * v.get("temporal_patch_size", 2) * patch**2 * h + h + v.get("num_position_embeddings") * h
    return {
        "layers": v.need("depth"), "hidden": h, "heads": v.need("num_heads"), "ffn_hidden": v.need("intermediate_size"),
        "patch": patch, "tokens_per_image": TOKENS, "patches_per_image": 4 * TOKENS,
        "other_parameters": other + mix + 2 * h + deep * (mix + 2 * merged),
    }  # fmt: skip


def _qwen2(v: HfConfig, hidden: int, config: Mapping[str, Any]) -> Fields:
    h, patch = v.need("hidden_size"), v.get("patch_size", 14)
    merged = 4 * h
    return {
        "layers": v.need("depth"), "hidden": h, "heads": v.need("num_heads"), "gated": True,
        "ffn_hidden": v.need("intermediate_size"), "patch": patch,
        "tokens_per_image": TOKENS, "patches_per_image": 4 * TOKENS,
        "other_parameters": 6 * patch**2 * h + h + merged * merged + merged + merged * hidden + hidden,
    }  # fmt: skip


def _kimi(v: HfConfig, hidden: int, config: Mapping[str, Any]) -> Fields:
    h, patch = v.need("vt_hidden_size"), v.get("patch_size", 14)
    merged = 4 * h
    other = 3 * patch**2 * h + v.get("init_pos_emb_height", 64) * v.get("init_pos_emb_width", 64) * h
    return {
        "layers": v.need("vt_num_hidden_layers"), "hidden": h, "heads": v.need("vt_num_attention_heads"),
        "ffn_hidden": v.need("vt_intermediate_size"), "patch": patch, "tokens_per_image": TOKENS,
        "patches_per_image": 4 * TOKENS,
        "other_parameters": other + 2 * h + merged * merged + merged + merged * hidden + hidden,
    }  # fmt: skip


def _gemma3(v: HfConfig, hidden: int, config: Mapping[str, Any]) -> Fields:
    h, patch = v.need("hidden_size"), v.need("patch_size")
    patches = max(v.need("image_size") // patch, 1) ** 2
    return {
        "layers": v.need("num_hidden_layers"), "hidden": h, "heads": v.need("num_attention_heads"),
        "ffn_hidden": v.need("intermediate_size"), "patch": patch, "tokens_per_image": TOKENS,
        "patches_per_image": patches,
        "other_parameters": 3 * patch**2 * h + h + patches * h + 2 * h + h * hidden + h,
    }  # fmt: skip


def _gemma4(v: HfConfig, hidden: int, config: Mapping[str, Any]) -> Fields:
    h, patch = v.need("hidden_size"), v.need("patch_size")
    tokens = config.get("vision_soft_tokens_per_image")
    tokens = tokens if isinstance(tokens, int) and 0 < tokens <= 10**6 else 280
    return {
        "layers": v.need("num_hidden_layers"), "hidden": h, "heads": v.need("num_attention_heads"), "gated": True,
        "ffn_hidden": v.need("intermediate_size"), "patch": patch, "tokens_per_image": tokens,
        "patches_per_image": tokens * v.get("pooling_kernel_size", 3) ** 2,
        "other_parameters": 3 * patch**2 * h + 2 * v.need("position_embedding_size") * h + h * hidden,
    }  # fmt: skip


def _pixtral(v: HfConfig, hidden: int, config: Mapping[str, Any]) -> Fields:
    h, patch = v.need("hidden_size"), v.need("patch_size")
    return {
        "layers": v.need("num_hidden_layers"), "hidden": h, "heads": v.need("num_attention_heads"), "gated": True,
        "ffn_hidden": v.need("intermediate_size"), "patch": patch, "tokens_per_image": TOKENS,
        "patches_per_image": 4 * TOKENS,
        "other_parameters": 3 * patch**2 * h + 4 * h * h + h * hidden + hidden * hidden + 2 * h,
    }  # fmt: skip


def _glm(v: HfConfig, hidden: int, config: Mapping[str, Any]) -> Fields:
    """Feed-forwards as wide as the output; a convolution merges four patches, a gated merger follows."""
    h, patch = v.need("hidden_size"), v.get("patch_size", 14)
    out, wide = v.get("out_hidden_size") or hidden, v.need("intermediate_size")
    side = max(v.get("image_size", 336) // patch, 1)
    return {
        "layers": v.need("depth"), "hidden": h, "heads": v.need("num_heads"), "gated": True, "ffn_hidden": out,
        "patch": patch, "tokens_per_image": TOKENS, "patches_per_image": 4 * TOKENS,
        "other_parameters": 6 * patch**2 * h + h + side**2 * h + 4 * h * out + out + out * out + 3 * out * wide,
    }  # fmt: skip


def _minimax(v: HfConfig, hidden: int, config: Mapping[str, Any]) -> Fields:
    h, patch = v.need("hidden_size"), v.get("patch_size", 14)
    wide = HfConfig(config, "").get("projector_hidden_size", hidden)
    joined = 4 * hidden
    return {
        "layers": v.need("num_hidden_layers"), "hidden": h, "heads": v.need("num_attention_heads"),
        "ffn_hidden": v.need("intermediate_size"), "patch": patch, "tokens_per_image": TOKENS,
        "patches_per_image": 4 * TOKENS,
        "other_parameters": 6 * patch**2 * h + h * wide + 2 * wide * hidden + joined * wide,
    }  # fmt: skip


_READERS = (
    dict.fromkeys(_QWEN, _qwen)
    | dict.fromkeys(_KIMI, _kimi)
    | dict.fromkeys(("qwen2_vl", "qwen2_5_vl"), _qwen2)
    | {"gemma3": _gemma3, "gemma4": _gemma4, "mistral3": _pixtral, "glm4v_moe": _glm, "minimax_m3_vl": _minimax}
)
