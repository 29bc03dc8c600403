"""A Hugging Face config read warily: every value is of its type and inside bounds, or one problem says which is not.

What a config leaves out its class fills in: a config is written as the difference from its class. ``CLASS_DEFAULTS``
holds those of classes whose released configs rely on it (Transformers 5.24, ``configuration_*.py``), but for the width
and the number of layers, which a config must state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from planner.errors import Problem

Fields = dict[str, Any]

MOST_LAYERS = 10_000
MOST = 10**8
"""Largest size or count of any other kind (widths, vocabularies, experts)."""
MOST_POSITIONS = 10**10
_LAYER_KEYS = ("num_hidden_layers", "n_layer", "num_layers", "depth", "vt_num_hidden_layers")
_POSITION_KEYS = ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len")
_CAPS = dict.fromkeys(_LAYER_KEYS, MOST_LAYERS) | dict.fromkeys(_POSITION_KEYS, MOST_POSITIONS)

_GEMMA3: Fields = {
    "vocab_size": 262208, "intermediate_size": 9216,
    "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 131072,
    "sliding_window": 4096, "tie_word_embeddings": True,
}  # fmt: skip
_MINISTRAL3: Fields = {
    "vocab_size": 131072, "intermediate_size": 14336,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 262144,
}  # fmt: skip
CLASS_DEFAULTS: Mapping[str, Fields] = {
    "gemma2": {"head_dim": 256, "tie_word_embeddings": True, "sliding_window": 4096},
    "gemma3": _GEMMA3,
    "gemma3_text": _GEMMA3,
    "gemma4_text": {
        "vocab_size": 262144, "intermediate_size": 9216, "num_attention_heads": 8, "num_key_value_heads": 4,
        "head_dim": 256, "global_head_dim": 512, "max_position_embeddings": 131072, "sliding_window": 512,
        "hidden_size_per_layer_input": 256, "tie_word_embeddings": True,
    },
    "ernie4_5_moe": {
        "vocab_size": 103424, "intermediate_size": 12288,
        "num_attention_heads": 20, "num_key_value_heads": 4, "moe_intermediate_size": 1536, "moe_k": 6,
        "moe_num_experts": 64, "moe_num_shared_experts": 2, "moe_layer_start_index": 1, "moe_layer_interval": 1,
        "max_position_embeddings": 131072, "tie_word_embeddings": True,
    },
    "longcat_flash": {
        "vocab_size": 131072, "num_attention_heads": 64,
        "max_position_embeddings": 131072, "ffn_hidden_size": 12288, "q_lora_rank": 1536, "kv_lora_rank": 512,
        "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "moe_topk": 12, "n_routed_experts": 512,
        "zero_expert_num": 256, "expert_ffn_hidden_size": 2048,
    },
    "ministral3": _MINISTRAL3,
    "mistral4": {
        "vocab_size": 131072, "intermediate_size": 12288, "moe_intermediate_size": 2048,
        "num_attention_heads": 32, "n_shared_experts": 1, "n_routed_experts": 128,
        "kv_lora_rank": 256, "q_lora_rank": 1024, "qk_rope_head_dim": 64, "v_head_dim": 128, "qk_nope_head_dim": 64,
        "num_experts_per_tok": 4, "first_k_dense_replace": 0, "max_position_embeddings": 1048576,
    },
}  # fmt: skip
"""By ``model_type`` of the language model."""


class HfConfig:
    """A config that remembers which needed keys were absent or wrong, so that all of them are reported together."""

    def __init__(self, data: Mapping[str, Any], path: str, defaults: Mapping[str, Any] | None = None) -> None:
        self.data, self.path = data, path
        self.defaults = defaults or {}
        self.missing: list[str] = []
        self.wrong: list[Problem] = []
        self.filled: list[str] = []

    def has(self, *keys: str) -> bool:
        """Whether any of ``keys`` is given or filled in."""
        return any(self.value(k) is not None for k in keys)

    def value(self, key: str) -> Any:
        """What stands under a key; its class's default where nothing does."""
        found = self.data.get(key)
        if found is None and key not in self.data and key in self.defaults:
            if key not in self.filled:
                self.filled.append(key)
            return self.defaults[key]
        return found

    def need(self, *keys: str) -> int:
        """The whole number under the first of ``keys`` that is there."""
        for key in keys:
            if self.value(key) is not None:
                return self._whole(key, 1)
        self.missing.append(" or ".join(keys))
        return 1  # a stand-in: the import fails before it is used

    def get(self, key: str, default: int = 0) -> int:
        """The whole number under ``key``, or ``default``."""
        return self._whole(key, 0) if self.value(key) is not None else default

    def flag(self, key: str, default: bool = False) -> bool:
        """The truth value under ``key``, or ``default``."""
        value = self.value(key)
        if value is None:
            return default
        if not isinstance(value, bool) and value not in (0, 1):
            self._wrong(key, "must be true or false", value)
            return default
        return bool(value)

    def listed(self, key: str, kind: type | tuple[type, ...], length: int | None = None) -> list[Any] | None:
        """The list under ``key`` with elements of ``kind`` (``length`` of them, or more); None where there is none."""
        value = self.value(key)
        if value is None:
            return None
        right = isinstance(value, list) and len(value) <= MOST_LAYERS
        if not right or any(not isinstance(v, kind) or (isinstance(v, bool) and kind is int) for v in value):
            self._wrong(key, f"must be a list of at most {MOST_LAYERS:,}", value)
            return None
        if length is not None and len(value) < length:
            self._wrong(key, f"has fewer than {length} entries, one a layer", len(value))
            return None
        return list(value)

    def inner(self, key: str) -> Mapping[str, Any]:
        """The mapping under ``key``; empty where there is none."""
        value = self.value(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self._wrong(key, "must be a mapping", value)
            return {}
        return value

    def _wrong(self, key: str, message: str, found: object, allowed: str = "") -> None:
        problem = Problem(message, path=f"{self.path}{key}", found=_shown(found), allowed=allowed)
        if problem not in self.wrong:
            self.wrong.append(problem)

    def _whole(self, key: str, least: int) -> int:
        value, most = self.value(key), _CAPS.get(key, MOST)
        whole = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value) and value == int(value))
        if isinstance(value, bool) or not whole:
            self._wrong(key, "must be a whole number", value)
            return 1
        if not least <= value <= most:
            self._wrong(key, "is out of bounds", value, f"{least} to {most:,}")
            return 1
        return int(value)


def _shown(found: object) -> str:
    """A value in few words, however large a number it is."""
    huge = isinstance(found, int) and not isinstance(found, bool) and abs(found) > 10**20
    return "a number of more than 20 digits" if huge else repr(found)[:60]


def common(c: HfConfig, family: str, kind: str = "dense") -> Fields:
    """What nearly every family calls alike."""
    heads = c.need("num_attention_heads")
    fields: Fields = {
        "family": family,
        "kind": kind,
        "hidden": c.need("hidden_size"),
        "layers": c.need("num_hidden_layers"),
        "heads": heads,
        "kv_heads": c.get("num_key_value_heads", heads),
        "vocab": c.need("vocab_size"),
        "max_context": c.get("max_position_embeddings"),
        "tied_embeddings": c.flag("tie_word_embeddings"),
    }
    if c.get("head_dim"):
        fields["head_dim"] = c.get("head_dim")
    return fields


def groups(fields: Fields, layers: Sequence[Fields]) -> None:
    """``fields["layers"]`` from one record a layer: layers with the same fields become one group, in order of first
    appearance; one group is written as a plain number."""
    order: list[Fields] = []
    counts: list[int] = []
    for layer in layers:
        if layer in order:
            counts[order.index(layer)] += 1
        else:
            order.append(layer)
            counts.append(1)
    if len(order) == 1:
        fields.update(order[0])
        fields["layers"] = counts[0]
    else:
        fields["layers"] = tuple({"count": n, **layer} for n, layer in zip(counts, order, strict=True))


def sliding(c: HfConfig, count: int, default: Callable[[int], bool]) -> list[bool]:
    """Which of ``count`` layers have a sliding window: by ``layer_types`` where given, else by ``default(index)``."""
    types = c.listed("layer_types", str, count)
    if types is not None:
        return [t == "sliding_attention" for t in types[:count]]
    return [default(i) for i in range(count)]


def windows(c: HfConfig, fields: Fields, default: Callable[[int], bool], window: int) -> None:
    """Groups of layers with a sliding window and without."""
    groups(fields, [{"window": window} if s and window else {} for s in sliding(c, fields["layers"], default)])


def mixture(c: HfConfig) -> Fields:
    """Routed and shared experts as DeepSeek's configs, and those after it, name them."""
    width = c.need("moe_intermediate_size")
    return {
        "experts": c.need("n_routed_experts"),
        "experts_per_token": c.need("num_experts_per_tok"),
        "expert_hidden": width,
        "shared_hidden": width * c.get("n_shared_experts"),
    }
