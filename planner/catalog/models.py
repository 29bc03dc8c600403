"""Models from catalog/models/*.yaml: flat fields in the manner of a Hugging Face config, one mapping entry per model.

A model gives its layer fields once; ``layers`` is their number, or a list of groups of which each repeats only the
fields in which it differs. ``like: other-id`` starts from another model of the same folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from planner.catalog.architecture import (
    Checkpoint,
    Denoiser,
    EmbeddingTables,
    FeedForward,
    LayerGroup,
    Mixer,
    ModelArch,
    VisionTower,
)
from planner.catalog.yaml_tree import YamlTree, read_yaml
from planner.errors import InputError, Problem, nearest_name, unknown_name

MOST = 10**13
"""Largest size or count that a field may have (a recommender's rows are the most of any)."""
MOST_LAYERS = 10_000
Count = Annotated[int, Field(ge=1, le=MOST)]
Size = Annotated[int, Field(ge=0, le=MOST)]
Published = Annotated[float, Field(gt=0, le=1e18, strict=False, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LayerFields(_Strict):
    """Fields of a layer; on a model they are the defaults of its groups."""

    mixer: Literal["attention", "mla", "compressed", "mamba2", "linear", "none"] = "attention"
    heads: Size = 0
    kv_heads: Size = 0  # 0 = heads
    head_dim: Size = 0  # 0 = hidden / heads
    v_head_dim: Size = 0
    window: Count | None = None
    chunked: bool = False
    bias: bool = False
    bias_out: bool = False
    qk_norm: bool = False
    output_gate: bool = False
    head_gate: bool = False
    shared_kv: bool = False
    wide_norm: bool = False
    sinks: bool = False
    q_lora_rank: Size = 0
    kv_lora_rank: Size = 0
    qk_nope_head_dim: Size = 0
    qk_rope_head_dim: Size = 0
    sparse_top_k: Size = 0
    index_heads: Size = 0
    index_head_dim: Size = 0
    compress_ratio: Size = 0
    output_groups: Size = 0
    output_lora_rank: Size = 0
    ssm_heads: Size = 0
    ssm_head_dim: Size = 0
    ssm_state: Size = 0
    ssm_groups: Size = 0
    conv_kernel: Size = 0
    linear_k_heads: Size = 0
    linear_k_head_dim: Size = 0
    linear_v_heads: Size = 0
    linear_v_head_dim: Size = 0
    linear_decay_rank: Size = 0
    feed_forward: Literal["dense", "moe", "none"] | None = None  # None: moe where there are experts
    ffn: Size = 0
    gated: bool = True
    ffn_bias: bool = False
    experts: Size = 0
    experts_per_token: Size = 0
    expert_hidden: Size = 0
    expert_input: Size = 0
    shared_hidden: Size = 0
    shared_gate: bool = False
    router_bias: bool = False
    idle_experts: Size = 0
    beside: Size = 0
    norms: Size | None = None  # None: one before the mixer and one before the feed-forward
    norm_bias: bool = False
    parallel: bool = False
    hyper_streams: Size = 0


class GroupFields(LayerFields):
    """A group of identical layers."""

    count: Count


class CheckpointFields(_Strict):
    """What of a quantised checkpoint stays in 16 bits, and how its scales lie."""

    kept: tuple[Literal["attention", "recurrent", "dense", "shared", "experts"], ...] = ()
    kept_layers: Size = 0
    block: Size = 0
    others: Literal["", "fp8", "int8", "bf16"] = ""


class TablesFields(_Strict):
    """Embedding tables of a recommender that share rows, width and look-ups per sample."""

    tables: Count = 1
    rows: Count
    dim: Count
    pooling: Annotated[float, Field(gt=0, le=1e9, strict=False, allow_inf_nan=False)] = 1.0


class VisionFields(_Strict):
    """A vision encoder."""

    layers: Count
    hidden: Count
    heads: Count
    ffn_hidden: Count
    gated: bool = False
    patch: Count = 14
    tokens_per_image: Count = 576
    patches_per_image: Count = 576
    other_parameters: Size = 0


class DenoiserFields(_Strict):
    """A diffusion transformer."""

    layers: Count
    hidden: Count
    heads: Count
    ffn_hidden: Count
    parameters: Published
    text_tokens: Count
    cross_attention: bool = False
    experts: Count = 1
    latent_stride: Count = 8
    frame_stride: Count = 1
    patch: Count = 2
    guidance_distilled: bool = False
    text_encoder_parameters: Published = 0.0
    decoder_flops_per_pixel: Published = 2.5e6


class ModelFields(LayerFields):
    """A model as it is written in a file."""

    name: Annotated[str, Field(min_length=1)]
    family: Annotated[str, Field(min_length=1)]
    kind: Literal["dense", "moe", "hybrid", "hybrid_moe", "vlm", "recommender", "diffusion"]
    hidden: Size = 0
    vocab: Size = 0
    layers: Size | tuple[GroupFields, ...] = 0
    tied_embeddings: bool = False
    learned_positions: Size = 0
    max_context: Size = 0
    mtp_layers: Size = 0
    mtp: tuple[GroupFields, ...] = ()
    yarn_context: Size = 0
    state_precision: Literal["bf16", "fp16", "fp32"] = "bf16"
    routed_groups_limit: Size = 0
    vision: VisionFields | None = None
    denoiser: DenoiserFields | None = None
    tables: tuple[TablesFields, ...] = ()
    bottom_mlp: tuple[Count, ...] = ()
    top_mlp: tuple[Count, ...] = ()
    dense_features: Size = 0
    cross_layers: Size = 0
    cross_rank: Size = 0
    published_total: Published | None = None
    published_active: Published | None = None
    weights: Literal["bf16", "fp16", "fp32", "fp8", "int8", "int4", "mxfp4", "nvfp4"] = "bf16"
    checkpoints: dict[Literal["fp8", "int8", "int4", "fp4", "mxfp4"], CheckpointFields] = {}
    aliases: tuple[str, ...] = ()
    source: Annotated[str, Field(min_length=1)]
    as_of: Annotated[str, Field(pattern=r"^(\d{4}(-\d{2}){0,2})?$")]
    note: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.kind == "recommender":
            if not self.tables or not self.top_mlp:
                raise ValueError("a recommender needs tables and top_mlp")
        elif self.kind == "diffusion":
            if self.denoiser is None:
                raise ValueError("a diffusion model needs a denoiser")
        elif not self.hidden or not self.vocab or not self.layers:
            raise ValueError("hidden, vocab and layers are needed")
        count = sum(g.count for g in self.layers) if isinstance(self.layers, tuple) else self.layers
        if count > MOST_LAYERS:
            raise ValueError(f"{count:,} layers are more than the {MOST_LAYERS:,} that a model may have")
        return self


_GROUP_NAMES = tuple(LayerFields.model_fields)
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "attention": ("heads", "kv_heads", "head_dim"),
    "mla": ("heads", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"),
    "compressed": ("heads", "head_dim", "q_lora_rank", "output_groups", "output_lora_rank"),
    "mamba2": ("ssm_heads", "ssm_head_dim", "ssm_state", "ssm_groups", "conv_kernel"),
    "linear": ("linear_k_heads", "linear_k_head_dim", "linear_v_heads", "linear_v_head_dim", "conv_kernel"),
    "none": (),
    "dense": ("ffn",),
    "moe": ("experts", "experts_per_token", "expert_hidden"),
}


def _group(hidden: int, count: int, v: Mapping[str, Any], where: str) -> LayerGroup:
    """One group from the merged flat fields. Raises ValueError naming what is missing."""
    v = dict(v)
    mixer = v["mixer"]
    if mixer == "attention":
        v["kv_heads"] = v["kv_heads"] or v["heads"]
        v["head_dim"] = v["head_dim"] or (hidden // v["heads"] if v["heads"] else 0)
    ff = v["feed_forward"] or ("moe" if v["experts"] else "dense" if v["ffn"] else "none")
    missing = [n for kind in (mixer, ff) for n in _NEEDED[kind] if not v[n]]
    if missing:
        raise ValueError(f"{where}a {mixer} layer with {ff} feed-forward needs {', '.join(missing)}")
    if mixer == "attention" and v["heads"] % v["kv_heads"]:
        raise ValueError(f"{where}kv_heads {v['kv_heads']} does not divide heads {v['heads']}")
    if ff == "moe" and v["experts_per_token"] > v["experts"]:
        raise ValueError(f"{where}experts_per_token {v['experts_per_token']} exceeds experts {v['experts']}")
    norms = v["norms"] if v["norms"] is not None else (mixer != "none") + (ff != "none")
    return LayerGroup(
        count,
        _mixer(mixer, v),
        _feed_forward(ff, v),
        norms=norms,
        **{n: v[n] for n in ("norm_bias", "parallel", "hyper_streams")},
    )


_ATTENTION = (
    *_NEEDED["attention"],
    "v_head_dim",
    "window",
    "chunked",
    "bias",
    "bias_out",
    "qk_norm",
    "output_gate",
    "head_gate",
    "shared_kv",
    "wide_norm",
    "sinks",
    "sparse_top_k",
    "index_heads",
    "index_head_dim",
)
_INDEX = ("sparse_top_k", "index_heads", "index_head_dim")
_MIXER_NAMES: Mapping[str, tuple[str, ...]] = {
    "attention": _ATTENTION,
    "mla": (*_NEEDED["mla"], "q_lora_rank", "output_gate", *_INDEX),
    "compressed": (*_NEEDED["compressed"], "compress_ratio", "window", *_INDEX),
    "mamba2": _NEEDED["mamba2"],
    "linear": (*_NEEDED["linear"], "linear_decay_rank"),
    "none": (),
}
_MOE = (
    "experts", "experts_per_token", "expert_hidden", "expert_input", "shared_hidden", "shared_gate", "router_bias",
    "idle_experts", "beside",
)  # fmt: skip


def _mixer(kind: Any, v: Mapping[str, Any]) -> Mixer:
    fields = {n: v[n] for n in _MIXER_NAMES[kind]}
    return Mixer(kind="mla" if kind == "compressed" else kind, **fields)


def _feed_forward(kind: Any, v: Mapping[str, Any]) -> FeedForward:
    if kind == "none":
        return FeedForward(kind="none")
    if kind == "dense":
        return FeedForward(kind="dense", hidden=v["ffn"], gated=v["gated"], bias=v["ffn_bias"])
    return FeedForward(kind="moe", gated=v["gated"], bias=v["ffn_bias"], **{n: v[n] for n in _MOE})


def model_from_fields(model_id: str, f: ModelFields) -> ModelArch:
    """The architecture of validated fields. Raises ValueError when the fields of a layer do not go together."""
    base = {n: getattr(f, n) for n in _GROUP_NAMES}
    groups: tuple[LayerGroup, ...] = ()
    if isinstance(f.layers, tuple):
        groups = _listed(f.hidden, base, f.layers, "layers")
    elif f.layers:
        groups = (_group(f.hidden, f.layers, base, ""),)
    return ModelArch(
        id=model_id,
        groups=groups,
        mtp=_listed(f.hidden, base, f.mtp, "mtp"),
        checkpoints=tuple(Checkpoint(name, **c.model_dump()) for name, c in f.checkpoints.items()),
        vision=VisionTower(**f.vision.model_dump()) if f.vision else None,
        denoiser=Denoiser(**f.denoiser.model_dump()) if f.denoiser else None,
        tables=tuple(EmbeddingTables(**t.model_dump()) for t in f.tables),
        **{n: getattr(f, n) for n in _PLAIN_NAMES},
    )


def _listed(
    hidden: int, base: Mapping[str, Any], listed: tuple[GroupFields, ...], where: str
) -> tuple[LayerGroup, ...]:
    """Groups of which each repeats only what differs from the model's own layer fields."""
    merged = [(g.count, {**base, **{n: getattr(g, n) for n in g.model_fields_set if n != "count"}}) for g in listed]
    return tuple(_group(hidden, c, v, f"{where}[{i}]: ") for i, (c, v) in enumerate(merged))


_APART = {"layers", "mtp", "checkpoints", "vision", "denoiser", "tables"}
_PLAIN_NAMES = tuple(n for n in ModelFields.model_fields if n not in {*_GROUP_NAMES, *_APART})


def _problems(tree: YamlTree, model_id: str, error: ValidationError) -> Iterable[Problem]:
    for e in error.errors():
        loc = tuple(p for p in e["loc"] if not (isinstance(p, str) and p.startswith(("int", "tuple", "constrained"))))
        line, probe = None, (model_id, *loc)
        while line is None and probe:
            line, probe = tree.lines.get(probe), probe[:-1]
        path = ".".join(str(p) for p in (model_id, *loc))
        found = "" if e["type"] in {"missing", "value_error"} else repr(e["input"])[:60]
        nearest = ""
        if e["type"] == "extra_forbidden":
            known = GroupFields if len(loc) > 1 and loc[0] == "layers" else ModelFields
            nearest = nearest_name(str(loc[-1]), list(known.model_fields))
            found = ""
        message = {"extra_forbidden": "unknown field", "missing": "field is missing"}.get(e["type"], e["msg"])
        yield Problem(message.removeprefix("Value error, "), tree.file, line, path, found, nearest=nearest)


def parse_models(trees: Iterable[YamlTree], known: Mapping[str, ModelArch] | None = None) -> dict[str, ModelArch]:
    """Models of parsed files by id, over those of ``known`` (folders read before). ``like`` names a model of these
    files. Raises ``InputError`` with every problem of every file, an id used twice among them."""
    problems: list[Problem] = []
    raw: dict[str, tuple[YamlTree, dict[str, Any]]] = {}
    for tree in trees:
        if not isinstance(tree.data, dict):
            problems.append(Problem("a model file maps ids to models", tree.file, 1))
            continue
        for model_id, fields in tree.data.items():
            line = tree.lines.get((model_id,))
            if not re.fullmatch(r"[a-z0-9][a-z0-9.\-]*", model_id):
                remedy = "Ids are lower case letters, digits, dots and dashes."
                problems.append(Problem("not an id", tree.file, line, model_id, remedy=remedy))
            elif model_id in raw:
                problems.append(Problem("id is used twice", tree.file, line, model_id, found=raw[model_id][0].file))
            elif not isinstance(fields, dict):
                problems.append(Problem("a model is a mapping of fields", tree.file, line, model_id))
            else:
                raw[model_id] = (tree, fields)
    models: dict[str, ModelArch] = dict(known or {})
    for model_id, (tree, _) in raw.items():
        try:
            fields = _resolve(model_id, raw)
            models[model_id] = model_from_fields(model_id, ModelFields.model_validate(fields))
        except ValidationError as error:
            problems.extend(_problems(tree, model_id, error))
        except InputError as error:
            problems.extend(error.problems)
        except ValueError as error:
            problems.append(Problem(str(error), tree.file, tree.lines.get((model_id,)), model_id))
    if problems:
        raise InputError(problems)
    return models


_NOT_INHERITED = frozenset({"name", "aliases", "note", "published_total", "published_active"})


def _resolve(model_id: str, raw: Mapping[str, tuple[YamlTree, dict[str, Any]]]) -> dict[str, Any]:
    """Fields of a model with those of its ``like`` chain below them; lists become tuples."""
    chain: list[dict[str, Any]] = []
    seen: list[str] = []
    current: Any = model_id
    while True:
        tree, fields = raw[current]
        chain.append(fields)
        seen.append(current)
        base = fields.get("like")
        if base is None:
            break
        line = tree.lines.get((current, "like"))
        if base not in raw:
            near = nearest_name(str(base), list(raw))
            raise InputError(Problem(f"no model {base!r}", tree.file, line, f"{current}.like", nearest=near))
        if base in seen:
            raise InputError(Problem("models are like each other in a circle", tree.file, line, f"{current}.like"))
        current = base
    merged: dict[str, Any] = {}
    for i, fields in reversed(list(enumerate(chain))):
        merged.update({k: v for k, v in fields.items() if k != "like" and (i == 0 or k not in _NOT_INHERITED)})
    return {k: _frozen(v) for k, v in merged.items()}


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(v) for v in value)
    return {k: _frozen(v) for k, v in value.items()} if isinstance(value, dict) else value


def load_models(folder: Path, known: Mapping[str, ModelArch] | None = None) -> dict[str, ModelArch]:
    """Models of every ``*.yaml`` of ``folder`` by id, over those of ``known``. Raises ``InputError``."""
    trees: list[YamlTree] = []
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            trees.append(read_yaml(path))
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(problems)
    return parse_models(trees, known)


_SUFFIX = re.compile(
    r"-(instruct|it|thinking|base|pt|chat|hf|preview|bf16|fp16|fp8|fp4|nvfp4|mxfp4|mxfp8|int8|int4|4bit|8bit|awq|gptq|w8a8"
    r"|w4a16|w4a8|w4afp8|dynamic|static|block|quantized|gguf|kv|v\d+|\d{4,6})$"
)


def normal_name(name: str) -> str:
    """A name as it is compared: lower case, no organisation, a dash for all but letters, digits and dots."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower().rsplit("/", 1)[-1]).strip("-").removeprefix("meta-")


def model_index(models: Mapping[str, ModelArch]) -> dict[str, str]:
    """Normal names to ids: ids first, then aliases, then display names."""
    index: dict[str, str] = {normal_name(i): i for i in models}
    for pick in (lambda m: m.aliases, lambda m: (m.name,)):
        for model in models.values():
            for alias in pick(model):
                index.setdefault(normal_name(alias), model.id)
    return index


def find_model(models: Mapping[str, ModelArch], name: str) -> ModelArch:
    """The model called ``name`` by id, alias or display name, whatever the case; a suffix such as -Instruct or -FP8
    is dropped when the whole name is unknown. Raises ``InputError`` with the nearest name."""
    if name in models:
        return models[name]
    index = model_index(models)
    written = key = _letters(normal_name(name)), normal_name(name)
    letters = {_letters(k): i for k, i in reversed(index.items())}
    while key[0] not in letters and (match := _SUFFIX.search(key[1])):
        key = _letters(key[1][: match.start()]), key[1][: match.start()]
    if key[0] in letters:
        return models[letters[key[0]]]
    error = unknown_name("model", name, sorted(models))
    near = nearest_name(written[1], list(index)) or nearest_name(key[1], list(index))
    problem = error.problems[0]
    raise InputError(Problem(problem.message, nearest=index.get(near, near), allowed=problem.allowed))


def _letters(name: str) -> str:
    """A name without what people write differently: dots, dashes and blanks."""
    return re.sub(r"[^a-z0-9]", "", name)


def find_variant(
    models: Mapping[str, ModelArch], name: str, *, layers: int = 0, hidden: int = 0, heads: int = 0
) -> ModelArch:
    """``find_model``, but where several shapes go by one name (``BLOOM-search-181B``), the one with these layers, this
    hidden size and these query heads (0 = any). Raises ``InputError`` when the name is unknown."""
    usual = find_model(models, name)
    stem = normal_name(name)
    for model in (usual, *(m for m in models.values() if m.id.startswith(f"{stem}-"))):
        attends = {g.mixer.heads for g in model.groups if g.mixer.heads}
        if layers in (0, model.layers) and hidden in (0, model.hidden) and (not heads or heads in attends):
            return model
    return usual
