"""The model of a row: from the catalog where it is there, else from the architecture columns of the row."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product

from planner.catalog import Catalog
from planner.catalog.architecture import FeedForward, LayerGroup, Mixer, ModelArch
from planner.errors import InputError, PlannerError
from planner.validation.cases import Case
from planner.workload.parameters import parameter_counts


def _clean(name: str) -> str:
    return re.sub(r"\s*\(.*\)", "", name).strip()


def model_named(catalog: Catalog, name: str) -> ModelArch:
    """The model of a source's name; where it leaves out the end of an id (``Qwen3.5-397B`` of ``qwen3.5-397b-a17b``),
    the one shape that goes on so. Raises ``InputError`` with the nearest name."""
    try:
        return catalog.model(name)
    except InputError:
        stem = re.sub(r"\s+", "-", _clean(name).rpartition("/")[2].lower())
        longer = [m for m in catalog.models.values() if stem and m.groups and m.id.startswith(f"{stem}-")]
        sizes = {(round(n.total, -8), round(n.active, -8)) for n in map(parameter_counts, longer)}
        if len(sizes) != 1:
            raise
        return min(longer, key=lambda m: (len(m.id), m.id))


ALIKE = 0.1
"""Share by which total and active parameters of a model may differ from those of one it is taken for."""


def model_like(catalog: Catalog, total_b: float | None, active_b: float | None) -> ModelArch | None:
    """The language model whose billions of parameters, total and active, are nearest; None where none is ``ALIKE``.

    A model that nobody has described here reads as many weights a step as one of its size: what its layers do beside
    that is far less than two engines differ by.
    """
    if not total_b:
        return None
    best, found = ALIKE, None
    for model in catalog.models.values():
        if not model.groups:
            continue
        counts = parameter_counts(model)
        off = max(abs(counts.total / (total_b * 1e9) - 1.0), abs(counts.active / ((active_b or total_b) * 1e9) - 1.0))
        if off < best:
            best, found = off, model
    return found


def model_of_case(case: Case, catalog: Catalog) -> tuple[ModelArch | None, str]:
    """The model and what had to be assumed of it; (None, why) where the row does not say enough.

    A catalog model of that name is used where its depth and width are the row's; a row that states another depth of
    the same width is that model cut short.
    """
    name = _clean(case.text("model"))
    layers, hidden = case.whole("layers"), case.whole("hidden")
    found: ModelArch | None = None
    try:
        found = model_named(catalog, name)
    except PlannerError:
        found = None
    if found is not None and found.groups:
        if layers in {None, found.layers} and hidden in {None, found.hidden}:
            return _with_vocab(found, case), ""
        if layers is not None and hidden == found.hidden and layers < found.layers:
            return _with_vocab(_cut(found, layers), case), f"{found.name} cut to {layers} layers"
    return _from_columns(case, name)


def _with_vocab(model: ModelArch, case: Case) -> ModelArch:
    vocab = case.whole("vocab")
    return model if vocab is None or vocab == model.vocab else replace(model, vocab=vocab)


def _cut(model: ModelArch, layers: int) -> ModelArch:
    """A model cut short: one layer of every group before the last (dense first layers), the rest of the last."""
    heads = [replace(group, count=1) for group in model.groups[:-1]][: max(layers - 1, 0)]
    tail = replace(model.groups[-1], count=layers - len(heads))
    return replace(model, groups=(*heads, tail), published_total=None, published_active=None, mtp_layers=0)


def _from_columns(case: Case, name: str) -> tuple[ModelArch | None, str]:
    layers, hidden = case.whole("layers"), case.whole("hidden")
    params = case.number("params_b")
    if layers is None and hidden and params and not case.text("experts"):
        vocab = case.whole("vocab") or 50000
        layers = max(round((params * 1e9 - vocab * hidden) / (12.0 * hidden * hidden)), 1)
        assumed_layers = f"{layers} layers from the parameter count"
    else:
        assumed_layers = ""
    if layers is None or hidden is None:
        return None, "the row gives no architecture (layers, hidden) and the catalog has no model of that name"
    heads = case.whole("heads") or max(hidden // (case.whole("head_dim") or 128), 1)
    kv_heads = case.whole("kv_heads") or heads
    head_dim = case.whole("head_dim") or max(hidden // heads, 1)
    vocab = case.whole("vocab") or 51200
    ffn = case.whole("ffn_hidden") or 4 * hidden
    experts = case.whole("experts") or 0
    variants: list[ModelArch] = []
    if case.text("attention") == "mla":
        mixer = Mixer(
            kind="mla",
            heads=heads,
            kv_heads=heads,
            head_dim=head_dim,
            v_head_dim=128,
            q_lora_rank=1536 if hidden > 3000 else 0,
            kv_lora_rank=512,
            qk_nope_head_dim=128,
            qk_rope_head_dim=64,
        )
    else:
        mixer = Mixer(heads=heads, kv_heads=kv_heads, head_dim=head_dim)
    low = name.lower()
    learned = 2048 if low.startswith(("gpt", "mpt", "opt", "mt-nlg")) else 0
    for gated, tied, dense_first in product((True, False), (False, True), (0, 1, 3) if experts else (0,)):
        if dense_first >= layers:
            continue
        dense = FeedForward(hidden=ffn, gated=gated)
        groups: tuple[LayerGroup, ...]
        if experts:
            width = case.whole("moe_ffn_hidden") or ffn
            shared = (case.whole("shared_experts") or 0) * width
            moe = FeedForward(
                kind="moe",
                gated=gated,
                experts=experts,
                experts_per_token=case.whole("experts_per_token") or 1,
                expert_hidden=width,
                shared_hidden=shared,
            )
            groups = (LayerGroup(layers - dense_first, mixer, moe),)
            if dense_first:
                groups = (LayerGroup(dense_first, mixer, dense), *groups)
        else:
            groups = (LayerGroup(layers, mixer, dense),)
        variants.append(
            ModelArch(
                id=low or case.case_id,
                name=name or case.case_id,
                family=re.split(r"[-\s\d]", low)[0],
                kind="moe" if experts else "dense",
                hidden=hidden,
                vocab=vocab,
                groups=groups,
                tied_embeddings=tied,
                learned_positions=learned,
            )
        )
    best = variants[0]
    if params:
        best = min(variants, key=lambda m: abs(parameter_counts(m).total / (params * 1e9) - 1.0))
    elif low.startswith(("gpt", "mpt", "opt", "bloom")):
        best = variants[2]
    return best, assumed_layers or "built from the row's columns"
