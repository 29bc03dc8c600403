"""How a Hugging Face checkpoint is quantised: its precision, what stays in 16 bits, the block that shares a scale."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from planner.catalog.hf_config import MOST_LAYERS, Fields, HfConfig
from planner.errors import Problem

_WEIGHTS = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}
_CHECKPOINT = {"nvfp4": "fp4"}
"""Precision a checkpoint is asked for by, where its weights go by another name."""
_PARTS: Mapping[str, re.Pattern[str]] = {
    "attention": re.compile(r"(?<!linear)[._]?(?:self_attn|attention)(?:\W*$|.*o_proj)"),
    "recurrent": re.compile(r"(?:linear_attn|mamba)(?:\W*$|.*(?:out_proj|in_proj_qkv))"),
    "shared": re.compile(r"shared_experts?(?!_gate)"),
    "experts": re.compile(r"(?<!shared_)experts?\W*$|(?<!shared_)experts\..*down_proj"),
    "dense": re.compile(r"mlp(?:\W*$|\W+(?:\(?gate\|.*)?(?:down_proj|gate_up|.*_proj))"),
}
_NUMBER = re.compile(r"layers\.(\d+)\b")
MOST_OF = 0.6
"""Share of a model's layers from which a part counts as left in 16 bits: a part need not be in every layer."""


def checkpoints_of(config: Mapping[str, Any], inner: Mapping[str, Any], c: HfConfig) -> tuple[str, dict[str, Fields]]:
    """(precision of the weights, what of that checkpoint stays in 16 bits by precision; empty where it is plain)."""
    dtype = next((m.get(k) for m in (config, inner) for k in ("dtype", "torch_dtype") if m.get(k)), None)
    plain = _WEIGHTS.get(str(dtype), "bf16")
    quantised = config.get("quantization_config") or inner.get("quantization_config")
    if quantised is None:
        return plain, {}
    if not isinstance(quantised, Mapping):
        c.wrong.append(Problem("must be a mapping", path="quantization_config", found=repr(quantised)[:60]))
        return plain, {}
    precision = _precision(quantised)
    if not precision:
        return plain, {}
    if precision == "fp8" and inner.get("expert_dtype") == "fp4":
        return "mxfp4", {"mxfp4": {"others": "fp8", "block": _block(quantised)}}
    kept, layers = _kept(_names(quantised, c), c.get("num_hidden_layers"))
    found: Fields = {"kept": kept, "kept_layers": layers, "block": _block(quantised)}
    found = {k: v for k, v in found.items() if v}
    return precision, {_CHECKPOINT.get(precision, precision): found} if found else {}


def _precision(q: Mapping[str, Any]) -> str:
    method, algo = str(q.get("quant_method")), str(q.get("quant_algo"))
    if method in {"fp8", "fbgemm_fp8"} or algo == "FP8":
        return "fp8"
    if method == "mxfp4":
        return "mxfp4"
    if "NVFP4" in algo:
        return "nvfp4"
    if method in {"awq", "gptq", "auto-round"}:
        return "int4" if q.get("bits") == 4 else "int8" if q.get("bits") == 8 else ""
    groups = q.get("config_groups")
    for group in groups.values() if isinstance(groups, Mapping) else ():
        w = group.get("weights") if isinstance(group, Mapping) else None
        if isinstance(w, Mapping):
            bits, float_, size = w.get("num_bits"), w.get("type") == "float", w.get("group_size")
            return {
                (4, True): "mxfp4" if size == 32 else "nvfp4",
                (4, False): "int4",
                (8, True): "fp8",
                (8, False): "int8",
            }.get((bits, float_), "")  # type: ignore[arg-type]
    return ""


def _block(q: Mapping[str, Any]) -> int:
    block = q.get("weight_block_size")
    if isinstance(block, list) and block and isinstance(block[0], int) and 0 < block[0] <= MOST_LAYERS:
        return block[0]
    return 0


def _names(q: Mapping[str, Any], c: HfConfig) -> list[str]:
    found: list[str] = []
    for key in ("modules_to_not_convert", "ignore", "exclude_modules", "ignored_layers"):
        value = q.get(key)
        if value is None:
            continue
        if not isinstance(value, list) or any(not isinstance(v, str) for v in value):
            c.wrong.append(
                Problem("must be a list of names", path=f"quantization_config.{key}", found=repr(value)[:60])
            )
            continue
        found += [v.removeprefix("re:").replace("\\.", ".").rstrip("*.$") for v in value]
    return found


def _kept(names: Iterable[str], layers: int) -> tuple[tuple[str, ...], int]:
    """Parts that (almost) all layers leave in 16 bits, and how many layers leave their feed-forward so besides."""
    seen: dict[str, set[int]] = {part: set() for part in _PARTS}
    for name in names:
        number = _NUMBER.search(name)
        at = {int(number[1])} if number else set(range(layers))
        bare = _NUMBER.sub("layers", name)
        for part, pattern in _PARTS.items():
            if pattern.search(bare):
                seen[part] |= at
                break
    kept = tuple(part for part, at in seen.items() if len(at) >= MOST_OF * max(layers, 1))
    rest = seen["dense"] if "dense" not in kept else set()
    return kept, len(rest & seen["attention"]) if "attention" in kept else 0
