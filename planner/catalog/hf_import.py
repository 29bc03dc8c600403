"""A Hugging Face ``config.json`` becomes a model of the catalog.

Each family reads its own keys into the flat fields of ``planner.catalog.models``, so an imported model passes the same
checks as a written one and can be saved as YAML. Nothing is downloaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from planner.catalog.architecture import ModelArch
from planner.catalog.models import ModelFields, model_from_fields, normal_name
from planner.errors import InputError, Problem, nearest_name

Fields = dict[str, Any]


class _Config:
    """A config that remembers which needed keys were absent, so that all of them are reported together."""

    def __init__(self, data: Mapping[str, Any], path: str) -> None:
        self.data, self.path = data, path
        self.missing: list[str] = []
        self.wrong: list[Problem] = []

    def has(self, *keys: str) -> bool:
        return any(self.data.get(k) is not None for k in keys)

    def need(self, *keys: str) -> int:
        """The whole number under the first of ``keys`` that is there."""
        for key in keys:
            if self.data.get(key) is not None:
                return self._whole(key)
        self.missing.append(" or ".join(keys))
        return 1  # a stand-in: the import fails before it is used

    def get(self, key: str, default: int = 0) -> int:
        return self._whole(key) if self.data.get(key) is not None else default

    def flag(self, key: str, default: bool = False) -> bool:
        value = self.data.get(key, default)
        return default if value is None else bool(value)

    def _whole(self, key: str) -> int:
        value = self.data[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value < 0:
            self.wrong.append(Problem("must be a whole number", path=f"{self.path}{key}", found=repr(value)[:60]))
            return 1
        return int(value)


def _common(c: _Config, family: str, kind: str = "dense") -> Fields:
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


def _groups(fields: Fields, layers: Sequence[Fields]) -> None:
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


def _windows(c: _Config, fields: Fields, default: Callable[[int], bool], window: int) -> None:
    """Layers with a sliding window, by ``layer_types`` where given, else by ``default(index)``."""
    types = c.data.get("layer_types")
    count = fields["layers"]
    if isinstance(types, list) and len(types) == count:
        sliding = [str(t) == "sliding_attention" for t in types]
    else:
        sliding = [default(i) for i in range(count)]
    _groups(fields, [{"window": window} if s and window else {} for s in sliding])


def _llama(c: _Config) -> Fields:
    fields = _common(c, "llama")
    bias = c.flag("attention_bias")
    return fields | {"ffn": c.need("intermediate_size"), "bias": bias, "bias_out": bias, "ffn_bias": c.flag("mlp_bias")}


def _mistral(c: _Config) -> Fields:
    fields = _common(c, "mistral") | {"ffn": c.need("intermediate_size")}
    if c.has("sliding_window"):
        fields["window"] = c.need("sliding_window")
    return fields


def _mixtral(c: _Config) -> Fields:
    fields = _common(c, "mixtral", "moe") | {
        "experts": c.need("num_local_experts"),
        "experts_per_token": c.need("num_experts_per_tok"),
        "expert_hidden": c.need("intermediate_size"),
    }
    if c.has("sliding_window"):
        fields["window"] = c.need("sliding_window")
    return fields


def _phi3(c: _Config) -> Fields:
    return _mistral(c) | {"family": "phi"}


def _qwen2(c: _Config) -> Fields:
    fields = _common(c, "qwen") | {"ffn": c.need("intermediate_size"), "bias": True}
    if c.flag("use_sliding_window") and c.has("sliding_window"):
        full = c.get("max_window_layers", fields["layers"])
        _windows(c, fields, lambda i: i >= full, c.need("sliding_window"))
    return fields


def _qwen3(c: _Config) -> Fields:
    return _qwen2(c) | {"bias": c.flag("attention_bias"), "qk_norm": True}


def _sparse_layers(c: _Config, fields: Fields) -> None:
    """Qwen: every ``decoder_sparse_step``-th layer has experts, except ``mlp_only_layers``."""
    step, dense = max(c.get("decoder_sparse_step", 1), 1), c.data.get("mlp_only_layers") or []
    moe = [(i + 1) % step == 0 and i not in dense for i in range(fields["layers"])]
    if not all(moe):
        fields["ffn"] = c.need("intermediate_size")
        _groups(fields, [{"feed_forward": "moe" if m else "dense"} for m in moe])


def _qwen_experts(c: _Config) -> Fields:
    return {
        "experts": c.need("num_experts"),
        "experts_per_token": c.need("num_experts_per_tok"),
        "expert_hidden": c.need("moe_intermediate_size"),
    }


def _qwen2_moe(c: _Config) -> Fields:
    fields = _common(c, "qwen", "moe") | _qwen_experts(c) | {"bias": True}
    fields |= {"shared_hidden": c.need("shared_expert_intermediate_size"), "shared_gate": True}
    _sparse_layers(c, fields)
    return fields


def _qwen3_moe(c: _Config) -> Fields:
    fields = _common(c, "qwen", "moe") | _qwen_experts(c)
    fields |= {"bias": c.flag("attention_bias"), "qk_norm": True}
    _sparse_layers(c, fields)
    return fields


def _qwen3_next(c: _Config) -> Fields:
    fields = _common(c, "qwen", "hybrid_moe") | _qwen_experts(c)
    fields |= {
        "head_dim": c.need("head_dim"),
        "qk_norm": True,
        "output_gate": True,
        "shared_hidden": c.need("shared_expert_intermediate_size"),
        "shared_gate": True,
        "linear_k_heads": c.need("linear_num_key_heads"),
        "linear_k_head_dim": c.need("linear_key_head_dim"),
        "linear_v_heads": c.need("linear_num_value_heads"),
        "linear_v_head_dim": c.need("linear_value_head_dim"),
        "conv_kernel": c.need("linear_conv_kernel_dim"),
        "mtp_layers": c.get("mtp_num_hidden_layers"),
    }
    every = max(c.get("full_attention_interval", 4), 1)
    types = c.data.get("layer_types") or [
        "full_attention" if (i + 1) % every == 0 else "linear_attention" for i in range(fields["layers"])
    ]
    _groups(fields, [{"mixer": "linear"} if t == "linear_attention" else {} for t in types])
    return fields


def _deepseek(c: _Config) -> Fields:
    moe = c.has("n_routed_experts")
    fields = _common(c, "deepseek", "moe" if moe else "dense") | {
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
    width = c.need("moe_intermediate_size")
    fields |= {
        "experts": c.need("n_routed_experts"),
        "experts_per_token": c.need("num_experts_per_tok"),
        "expert_hidden": width,
        "shared_hidden": width * c.get("n_shared_experts"),
        "router_bias": c.data.get("topk_method") == "noaux_tc",
        "routed_groups_limit": c.get("topk_group") if c.get("n_group", 1) > 1 else 0,
    }
    first, every = c.get("first_k_dense_replace"), max(c.get("moe_layer_freq", 1), 1)
    moe_layers = [i >= first and i % every == 0 for i in range(fields["layers"])]
    _groups(fields, [{"feed_forward": "moe" if m else "dense"} for m in moe_layers])
    return fields


def _kimi(c: _Config) -> Fields:
    return _deepseek(c) | {"family": "kimi"}


def _gpt_oss(c: _Config) -> Fields:
    fields = _common(c, "gpt-oss", "moe") | {
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
    _windows(c, fields, lambda i: i % 2 == 0, c.need("sliding_window"))
    return fields


def _gemma(c: _Config) -> Fields:
    fields = _common(c, "gemma") | {"ffn": c.need("intermediate_size"), "head_dim": c.need("head_dim")}
    return fields | {"tied_embeddings": c.flag("tie_word_embeddings", True)}


def _gemma2(c: _Config) -> Fields:
    fields = _gemma(c) | {"norms": 4}
    _windows(c, fields, lambda i: i % 2 == 0, c.need("sliding_window"))
    return fields


def _gemma3(c: _Config) -> Fields:
    fields = _gemma(c) | {"norms": 4, "qk_norm": True}
    every = max(c.get("sliding_window_pattern", 6), 1)
    _windows(c, fields, lambda i: (i + 1) % every != 0, c.need("sliding_window"))
    return fields


def _glm4(c: _Config) -> Fields:
    fields = _common(c, "glm") | {"ffn": c.need("intermediate_size"), "bias": c.flag("attention_bias")}
    return fields | ({"norms": 4} if c.data.get("model_type") == "glm4" else {})


def _glm4_moe(c: _Config) -> Fields:
    width = c.need("moe_intermediate_size")
    fields = _common(c, "glm", "moe") | {
        "bias": c.flag("attention_bias"),
        "qk_norm": c.flag("use_qk_norm"),
        "ffn": c.need("intermediate_size"),
        "experts": c.need("n_routed_experts"),
        "experts_per_token": c.need("num_experts_per_tok"),
        "expert_hidden": width,
        "shared_hidden": width * c.get("n_shared_experts"),
        "router_bias": True,
        "mtp_layers": c.get("num_nextn_predict_layers"),
    }
    first = c.get("first_k_dense_replace")
    _groups(fields, [{"feed_forward": "dense" if i < first else "moe"} for i in range(fields["layers"])])
    return fields


def _llama4(c: _Config) -> Fields:
    width = c.need("intermediate_size")
    fields = _common(c, "llama", "moe") | {
        "experts": c.need("num_local_experts"),
        "experts_per_token": c.need("num_experts_per_tok"),
        "expert_hidden": width,
        "shared_hidden": width,
        "ffn": c.need("intermediate_size_mlp"),
    }
    step, chunk = max(c.get("interleave_moe_layer_step", 1), 1), c.get("attention_chunk_size", 8192)
    moe = c.data.get("moe_layers") or [i for i in range(fields["layers"]) if (i + 1) % step == 0]
    rope = c.data.get("no_rope_layers") or [int((i + 1) % 4 != 0) for i in range(fields["layers"])]
    layers: list[Fields] = []
    for i in range(fields["layers"]):
        chunked = {"window": chunk, "chunked": True} if i < len(rope) and rope[i] else {}
        layers.append({**chunked, "feed_forward": "moe" if i in moe else "dense"})
    _groups(fields, layers)
    return fields


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


def _nemotron_h(c: _Config) -> Fields:
    pattern = c.data.get("hybrid_override_pattern")
    if pattern is None and isinstance(c.data.get("layers_block_type"), list):
        pattern = "".join(_NEMOTRON_WORDS.get(str(w), "?") for w in c.data["layers_block_type"])
    if not isinstance(pattern, str) or not pattern:
        c.missing.append("hybrid_override_pattern")
        pattern = "M"
    unknown = sorted(set(pattern) - set(_NEMOTRON_LAYERS))
    if unknown:
        c.wrong.append(
            Problem(
                "unknown layers", path=f"{c.path}hybrid_override_pattern", found="".join(unknown), allowed="M * - E"
            )
        )
        pattern = "M"
    moe = "E" in pattern
    fields = _common(c, "nemotron", "hybrid_moe" if moe else "hybrid") | {
        "head_dim": c.need("head_dim", "attention_head_dim"),
        "gated": False,
        "ssm_heads": c.need("mamba_num_heads"),
        "ssm_head_dim": c.need("mamba_head_dim"),
        "ssm_state": c.need("ssm_state_size"),
        "ssm_groups": c.need("n_groups"),
        "conv_kernel": c.need("conv_kernel"),
        "mtp_layers": c.get("num_nextn_predict_layers"),
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
    _groups(fields, [_NEMOTRON_LAYERS[symbol] for symbol in pattern])
    return fields


_BIASED: Fields = {"gated": False, "bias": True, "bias_out": True, "ffn_bias": True, "norm_bias": True}


def _gpt2(c: _Config) -> Fields:
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


def _gpt_neox(c: _Config) -> Fields:
    fields = _BIASED | _common(c, "gpt") | {"ffn": c.need("intermediate_size")}
    return fields | {"parallel": c.flag("use_parallel_residual", True)}


def _opt(c: _Config) -> Fields:
    fields = _BIASED | _common(c, "opt") | {"ffn": c.need("ffn_dim")}
    positions = c.need("max_position_embeddings") + 2  # OPT keeps two offsets in its table
    return fields | {"learned_positions": positions, "tied_embeddings": c.flag("tie_word_embeddings", True)}


def _falcon(c: _Config) -> Fields:
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


def _bloom(c: _Config) -> Fields:
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


_READERS: Mapping[str, Callable[[_Config], Fields]] = {
    "bloom": _bloom,
    "deepseek_v2": _deepseek,
    "deepseek_v3": _deepseek,
    "deepseek_v32": _deepseek,
    "falcon": _falcon,
    "gemma": _gemma,
    "gemma2": _gemma2,
    "gemma3": _gemma3,
    "gemma3_text": _gemma3,
    "glm": _glm4,
    "glm4": _glm4,
    "glm4_moe": _glm4_moe,
    "gpt2": _gpt2,
    "gpt_neox": _gpt_neox,
    "gpt_oss": _gpt_oss,
    "kimi_k2": _kimi,
    "llama": _llama,
    "llama4": _llama4,
    "llama4_text": _llama4,
    "mistral": _mistral,
    "mixtral": _mixtral,
    "nemotron_h": _nemotron_h,
    "opt": _opt,
    "phi3": _phi3,
    "qwen2": _qwen2,
    "qwen2_moe": _qwen2_moe,
    "qwen3": _qwen3,
    "qwen3_moe": _qwen3_moe,
    "qwen3_next": _qwen3_next,
}

SUPPORTED_MODEL_TYPES: tuple[str, ...] = tuple(sorted(_READERS))
"""Values of ``model_type`` that can be imported."""

_WEIGHTS = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}


def import_hf_fields(config: Mapping[str, Any], *, name: str = "", source: str = "", as_of: str = "") -> Fields:
    """The flat fields of a Hugging Face config, as they would be written in a YAML file.

    ``as_of``: the date of the config, such as 2025-07; empty when not known. ``name``: the model's name, by default the
    config's ``_name_or_path`` or its type. A config with a ``text_config`` (Llama 4, Gemma 3) gives its language model.
    Raises ``InputError``: unknown ``model_type`` with those supported,
    or every missing and wrong field at once.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str):
        allowed = ", ".join(SUPPORTED_MODEL_TYPES)
        raise InputError(Problem("field is missing", path="model_type", allowed=allowed))
    text = config.get("text_config")
    path = ""
    inner: Mapping[str, Any] = config
    if isinstance(text, Mapping):
        inner, path = text, "text_config."
    reader = _READERS.get(kind) or _READERS.get(str(inner.get("model_type")))
    if reader is None:
        near = nearest_name(kind, SUPPORTED_MODEL_TYPES)
        allowed = ", ".join(SUPPORTED_MODEL_TYPES)
        remedy = "Write the model in YAML instead; docs/models.md tells how."
        raise InputError(
            Problem("unknown model_type", path="model_type", found=kind, nearest=near, allowed=allowed, remedy=remedy)
        )
    reading = _Config(inner, path)
    fields = reader(reading)
    problems = [Problem("field is missing", path=f"{path}{key}") for key in dict.fromkeys(reading.missing)]
    if problems or reading.wrong:
        raise InputError([*problems, *reading.wrong])
    name = name or str(config.get("_name_or_path") or "").rsplit("/", 1)[-1] or kind
    plain = {k: v for k, v in fields.items() if v not in (0, False, None) or k == "gated"}
    return {
        "name": name,
        **plain,
        "weights": _weights(config, inner),
        "source": source or f"imported from a Hugging Face config of type {kind}",
        "as_of": as_of,
    }


def _weights(config: Mapping[str, Any], inner: Mapping[str, Any]) -> str:
    quantised = config.get("quantization_config") or inner.get("quantization_config")
    if isinstance(quantised, Mapping) and quantised.get("quant_method") in {"fp8", "mxfp4"}:
        return str(quantised["quant_method"])
    dtype = config.get("dtype") or config.get("torch_dtype") or inner.get("dtype") or inner.get("torch_dtype")
    return _WEIGHTS.get(str(dtype), "bf16")


def model_id_of(name: str) -> str:
    """An id made from a name: lower case letters, digits, dots and dashes."""
    return re.sub(r"^[^a-z0-9]+", "", normal_name(name)) or "model"


def import_hf_config(config: Mapping[str, Any], *, name: str = "", source: str = "", as_of: str = "") -> ModelArch:
    """The model of a Hugging Face config; its id is made from its name. Raises ``InputError`` as
    ``import_hf_fields`` does, or when the fields do not go together."""
    fields = import_hf_fields(config, name=name, source=source, as_of=as_of)
    model_id = model_id_of(fields["name"])
    try:
        return model_from_fields(model_id, ModelFields.model_validate(fields))
    except ValidationError as error:
        raise InputError(
            [
                Problem(e["msg"], path=".".join(str(p) for p in e["loc"]), found=repr(e["input"])[:60])
                for e in error.errors()
            ]
        ) from None
    except ValueError as error:
        raise InputError(Problem(str(error), path=model_id)) from None


def model_yaml(model_id: str, fields: Mapping[str, Any]) -> str:
    """The text of a YAML file that holds one model, readable by ``load_models``."""
    entry = {
        k: [dict(g) for g in v] if isinstance(v, tuple) and v and isinstance(v[0], Mapping) else v
        for k, v in fields.items()
    }
    return yaml.safe_dump({model_id: entry}, sort_keys=False, allow_unicode=True, width=120)
