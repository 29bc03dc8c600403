"""How many parameters a model has: in all, used by a token, and where they are."""

from __future__ import annotations

from dataclasses import dataclass

from planner.catalog.architecture import ModelArch, VisionTower
from planner.workload.layers import layer_profile, layer_profiles


@dataclass(frozen=True, slots=True)
class ParameterCounts:
    """Parameters of a model's released weights (not of its marketing label).

    total = embedding + positions + head + dense_layers + routed + final_norm + vision + tables + mlp.
    active: what a text token passes through: everything but unused routed experts, the input embedding (a look-up),
    the vision tower and the tables; a tied embedding counts, as it is the output head. mtp: multi-token prediction
    modules, not in ``total``.
    """

    total: int
    active: int
    embedding: int
    positions: int
    head: int
    dense_layers: int
    routed: int
    routed_active: int
    final_norm: int
    vision: int
    tables: int
    mlp: int
    mtp: int
    denoiser: int = 0

    @property
    def active_with_embedding(self) -> int:
        """Active parameters in the convention that counts the input embedding table."""
        return self.active + (self.embedding if self.head else 0) + self.positions


def vision_parameters(tower: VisionTower) -> int:
    """Parameters of a vision encoder: biased attention and feed-forward, two LayerNorms a layer, and the rest."""
    h, f = tower.hidden, tower.ffn_hidden
    matrices = 4 * h * h + (3 if tower.gated else 2) * h * f
    biases = 4 * h + f * (2 if tower.gated else 1) + h
    return tower.layers * (matrices + biases + 4 * h) + tower.other_parameters


def mlp_shapes(model: ModelArch) -> tuple[tuple[str, int, int], ...]:
    """The dense layers of a recommender as (name, inputs, outputs): bottom MLP, cross layers, top MLP.

    Without cross layers the interaction is pairwise dot products of the table vectors and the bottom output
    (arXiv:1906.00091), whose lower triangle is concatenated with the bottom output.
    """
    if not model.tables:
        return ()
    shapes: list[tuple[str, int, int]] = []
    width = model.dense_features
    for i, out in enumerate(model.bottom_mlp):
        shapes.append((f"bottom_{i}", width, out))
        width = out
    features = sum(t.tables for t in model.tables) + 1
    if model.cross_layers:
        joined = sum(t.tables * t.dim for t in model.tables) + width
        for i in range(model.cross_layers):
            shapes += [(f"cross_{i}_down", joined, model.cross_rank), (f"cross_{i}_up", model.cross_rank, joined)]
    else:
        joined = features * (features - 1) // 2 + width
    for i, out in enumerate(model.top_mlp):
        shapes.append((f"top_{i}", joined, out))
        joined = out
    return tuple(shapes)


def mtp_parameters(model: ModelArch) -> int:
    """Parameters of the multi-token prediction modules: layers (one like the model's last unless it says which), a
    projection of two joined vectors and three norms each; embedding and head are shared with the model
    (arXiv:2412.19437 section 2.2)."""
    if not model.mtp_layers or not model.groups:
        return 0
    layers = [layer_profile(g, model.hidden) for g in model.mtp_groups]
    one = sum(p.count * (p.dense_params + p.routed_params) for p in layers)
    return model.mtp_layers * (one + 2 * model.hidden * model.hidden + 3 * model.hidden)


def parameter_counts(model: ModelArch) -> ParameterCounts:
    """Parameters of ``model``, counted from its architecture."""
    profiles = layer_profiles(model)
    embedding = model.vocab * model.hidden
    head = 0 if model.tied_embeddings else embedding
    positions = model.learned_positions * model.hidden
    dense = sum(p.count * p.dense_params for p in profiles)
    routed = sum(p.count * p.routed_params for p in profiles)
    routed_active = sum(p.count * p.routed_params * p.experts_per_token // p.experts for p in profiles if p.experts)
    norm_width = 2 if model.groups and model.groups[-1].norm_bias else 1
    final_norm = model.hidden * norm_width if model.groups else 0
    vision = vision_parameters(model.vision) if model.vision else 0
    tables = sum(t.tables * t.rows * t.dim for t in model.tables)
    mlp = sum(k * n + n for name, k, n in mlp_shapes(model) if not name.endswith("_down"))
    mlp += sum(k * n for name, k, n in mlp_shapes(model) if name.endswith("_down"))  # cross: one bias, on the way up
    steps = model.denoiser
    total = embedding + positions + head + dense + routed + final_norm + vision + tables + mlp
    total += 0 if steps is None else int(steps.parameters * steps.experts)
    active = dense + routed_active + final_norm + mlp + (head or embedding)
    active += 0 if steps is None else int(steps.parameters)
    return ParameterCounts(
        total=total,
        active=active,
        embedding=embedding,
        positions=positions,
        head=head,
        dense_layers=dense,
        routed=routed,
        routed_active=routed_active,
        final_norm=final_norm,
        vision=vision,
        tables=tables,
        mlp=mlp,
        mtp=mtp_parameters(model),
        denoiser=0 if steps is None else int(steps.parameters * steps.experts),
    )
