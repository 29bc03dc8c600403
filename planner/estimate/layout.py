"""Layouts that are not legal: which one width would have to change, and to what.

What is legal is asked of the grid that plans are made from, so that one set of rules decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from planner.errors import InputError, Problem
from planner.performance.platform import Platform
from planner.performance.training.grid import TrainingGrid, divisors, training_grid_chunks
from planner.performance.training.step import TrainingJob

AXES = ("tp", "pp", "vpp", "cp", "ep", "micro_batch", "zero_stage", "recompute")

_RULES: Mapping[str, str] = {
    "tp": "tp must divide the attention heads, and divide the key-value heads or be a multiple of them",
    "pp": "pp must leave no stage without layers",
    "vpp": "vpp wants pp > 1, layers that divide by pp x vpp, and micro-batches in whole rounds of pp",
    "cp": "2 x cp must divide the sequence length",
    "ep": "ep must divide the experts and the chips of a stage",
    "micro_batch": "dp x micro-batch must divide the global batch",
    "zero_stage": "ZeRO 2 and 3 go without a pipeline",
    "global_batch": "dp x micro-batch must divide the global batch",
    "chips": "tp x pp x cp must divide the chips",
}
_BLAMED = ("zero_stage", "vpp", "ep", "micro_batch", "cp", "tp", "pp")
"""Widths in the order in which they are asked to change: those that depend on others first."""
_NEAR = 64
"""How many servers up and down a legal number of chips is looked for."""


def tidy_grid(pinned: Mapping[str, int]) -> TrainingGrid:
    """The declared grid with some widths fixed."""
    return replace(TrainingGrid(), **{name: (value,) for name, value in pinned.items()})  # type: ignore[arg-type]


def _any_legal(job: TrainingJob, platform: Platform, chips: int, grid: TrainingGrid) -> bool:
    return any(part.size for part in training_grid_chunks(job, platform, chips, grid))


def _legal_values(
    job: TrainingJob, platform: Platform, chips: int, pinned: Mapping[str, int], axis: str
) -> tuple[int, ...]:
    """Values of one width that are legal with the others as they are."""
    experts = max((g.feed_forward.experts for g in job.model.groups), default=0)
    values: Sequence[int] = {
        "tp": divisors(chips),
        "pp": divisors(chips),
        "cp": divisors(chips),
        "vpp": range(1, job.model.layers + 1),
        "ep": divisors(max(experts, 1)),
        "micro_batch": divisors(job.global_batch),
        "zero_stage": range(4),
        "recompute": range(3),
    }[axis]
    grid = replace(tidy_grid(pinned), **{axis: tuple(values)})  # type: ignore[arg-type]
    found: set[int] = set()
    for part in training_grid_chunks(job, platform, chips, grid):
        found.update(int(v) for v in getattr(part, axis))
    return tuple(sorted(found))


def refuse(
    job: TrainingJob, platform: Platform, chips: int, pinned: Mapping[str, int], given: Mapping[str, int]
) -> InputError:
    """Why no layout with some widths pinned is legal, as one change that would make it so.

    ``given``: the widths a person named; changes of those come first, then of what was filled in.
    """
    replica = pinned.get("tp", 1) * pinned.get("pp", 1) * pinned.get("cp", 1)
    if chips % replica:
        whole = max(1, round(chips / replica)) * replica
        return InputError(
            Problem(
                f"{chips:,} chips are not a multiple of tp x pp x cp = {replica:,}",
                path="chips",
                found=str(chips),
                nearest=str(whole),
            )
        )
    shown = ", ".join(f"{k} {v}" for k, v in pinned.items() if k in given) or "any layout"
    head = f"{job.model.id} on {chips:,} chips with {shown} and global batch {job.global_batch:,} has no legal layout"
    each = chips // replica * pinned.get("micro_batch", 1)
    if job.global_batch % each and "micro_batch" not in given:
        batch = max(1, round(job.global_batch / each)) * each
        if _any_legal(replace(job, global_batch=batch), platform, chips, tidy_grid(pinned)):
            return _refusal(head, "global_batch", job.global_batch, (batch,))
    for axis in sorted((a for a in _BLAMED if a in pinned), key=lambda a: a not in given):
        legal = _legal_values(job, platform, chips, pinned, axis)
        if legal:
            return _refusal(head, axis, pinned[axis], legal)
    per = platform.server_chips
    above, below = chips // per * per, -(-chips // per) * per
    around = [c for k in range(1, _NEAR + 1) for c in (above + k * per, below - k * per)]
    thin = {"zero_stage": 0, "recompute": 0, **pinned}
    near = next((c for c in around if c > 0 and _any_legal(job, platform, c, tidy_grid(thin))), None)
    if near is not None:
        return InputError(Problem(head, path="chips", found=str(chips), nearest=str(near)))
    return InputError(Problem(head, remedy="The rules: " + "; ".join(dict.fromkeys(_RULES.values())) + "."))


def _refusal(head: str, axis: str, value: int, legal: Iterable[int]) -> InputError:
    allowed = sorted(legal)
    nearest = min(allowed, key=lambda v: (abs(v - value), v))
    allowed_text = ", ".join(map(str, allowed[:12])) + (", ..." if len(allowed) > 12 else "")
    return InputError(
        Problem(
            f"{head}: {_RULES.get(axis, axis)}",
            path=axis,
            found=str(value),
            nearest=str(nearest),
            allowed=f"{allowed_text} (the rest as it is)",
        )
    )
