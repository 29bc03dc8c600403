"""A Hugging Face ``config.json`` becomes a model of the catalog.

Each family reads its own keys into the flat fields of ``planner.catalog.models``, so an imported model passes the same
checks as a written one and can be saved as YAML. Nothing is downloaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from planner.catalog import hf_hybrid, hf_latent, hf_plain, hf_windowed
from planner.catalog.architecture import ModelArch
from planner.catalog.hf_checkpoint import checkpoints_of
from planner.catalog.hf_config import CLASS_DEFAULTS, Fields, HfConfig
from planner.catalog.hf_vision import vision_of
from planner.catalog.models import ModelFields, model_from_fields, normal_name
from planner.errors import InputError, Problem, nearest_name

_READERS: Mapping[str, Callable[[HfConfig], Fields]] = (
    dict(hf_plain.READERS) | dict(hf_latent.READERS) | dict(hf_hybrid.READERS) | dict(hf_windowed.READERS)
)
SUPPORTED_MODEL_TYPES: tuple[str, ...] = tuple(sorted(_READERS))
"""Values of ``model_type`` that can be imported."""


def import_hf_fields(config: Mapping[str, Any], *, name: str = "", source: str = "", as_of: str = "") -> Fields:
    """The flat fields of a Hugging Face config, as they would be written in a YAML file.

    ``as_of``: the date of the config, such as 2025-07; empty when not known. ``name``: the model's name, by default the
    config's ``_name_or_path`` or its type. A config with a ``text_config`` gives its language model, and its vision
    tower where that is of a known kind (Qwen-VL, Gemma, Kimi, Pixtral, GLM-V, MiniMax).
    Raises ``InputError``: unknown ``model_type`` with those supported, or every missing and wrong field at once.
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
    own = str(inner.get("model_type") or kind)
    reader = _READERS.get(own) or _READERS.get(kind)
    if reader is None:
        near = nearest_name(kind, SUPPORTED_MODEL_TYPES)
        allowed = ", ".join(SUPPORTED_MODEL_TYPES)
        remedy = "Write the model in YAML instead; docs/models.md tells how."
        raise InputError(
            Problem("unknown model_type", path="model_type", found=kind[:60], nearest=near, allowed=allowed,
                    remedy=remedy)
        )  # fmt: skip
    defaults = {**CLASS_DEFAULTS.get(own, CLASS_DEFAULTS.get(kind, {}))}
    if inner is not config and config.get("tie_word_embeddings") is not None:
        defaults["tie_word_embeddings"] = config["tie_word_embeddings"]
    reading = HfConfig(inner, path, defaults)
    fields = reader(reading)
    fields |= _extended(reading, fields)
    vision = vision_of(config, fields, reading)
    weights, checkpoints = checkpoints_of(config, inner, reading)
    missing = [Problem("field is missing", path=f"{path}{key}") for key in dict.fromkeys(reading.missing)]
    if missing or reading.wrong:
        raise InputError([*missing, *reading.wrong])
    name = name or str(config.get("_name_or_path") or "").rsplit("/", 1)[-1] or kind
    if vision:
        fields["vision"] = vision
        if fields["kind"] in ("dense", "moe"):
            fields["kind"] = "vlm"
    plain = {k: v for k, v in fields.items() if v not in (0, False, None, "") or k == "gated"}
    filled = [k for k in reading.filled if k != "tie_word_embeddings"]
    note = {"note": f"left to the config's class: {', '.join(sorted(filled))}"} if filled else {}
    return {
        "name": name[:200],
        **plain,
        "weights": weights,
        **({"checkpoints": checkpoints} if checkpoints else {}),
        "source": source or f"imported from a Hugging Face config of type {kind}",
        "as_of": as_of,
        **note,
    }


def _extended(c: HfConfig, fields: Fields) -> Fields:
    """The context that a YaRN section of the config reaches, where it is longer than what the config states."""
    for key in ("rope_scaling", "rope_parameters"):
        yarn = c.value(key)
        if isinstance(yarn, Mapping) and "yarn" in (yarn.get("type"), yarn.get("rope_type")):
            section = HfConfig(yarn, f"{c.path}{key}.")
            factor = yarn.get("factor")
            start = section.get("original_max_position_embeddings") or fields.get("max_context", 0)
            c.wrong += section.wrong
            if not isinstance(factor, int | float) or isinstance(factor, bool) or not 1 <= factor <= 1e4:
                c.wrong.append(Problem("must be a number of 1 to 10,000", path=f"{c.path}{key}.factor",
                                       found=repr(factor)[:60]))  # fmt: skip
            elif start * factor > fields.get("max_context", 0):
                return {"yarn_context": round(start * factor)}
    return {}


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
    return yaml.safe_dump({model_id: _plain(fields)}, sort_keys=False, allow_unicode=True, width=120)


def _plain(value: Any) -> Any:
    """Mappings and tuples as YAML writes them."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, tuple | list) else value
