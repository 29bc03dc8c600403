"""Random training jobs called impossible, checked again: ``python -m planner.validation.training.impossible``.

A job that fits nowhere must be refused for a reason that a second, simpler account agrees with. The check walks every
layout with plain loops (all divisors; tensor parallelism in powers of two, as anybody runs it) and asks for memory
from below: weights, gradients and optimizer states sharded as far as they can be, every layer's input, one restored
layer or the logits, context, one layer of what is offloaded and the host's share of it. What this least memory leaves
room for although the planner says nothing fits, is counted as doubtful. It shares with the planner the architecture
of the model, the memory of the chip and the bytes a parameter of the stack, and none of its formulas.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from planner.catalog import Catalog, load_catalog
from planner.catalog.architecture import ModelArch
from planner.errors import UnknownFigureError
from planner.performance.compile import build_platform
from planner.performance.platform import Platform
from planner.performance.training.grid import TrainingGrid, training_grid_chunks
from planner.performance.training.profile import Profile, with_changes
from planner.performance.training.stacks import get_profile
from planner.performance.training.step import TrainingJob, estimate_training
from planner.workload.layers import layer_profiles

SYSTEMS = ("dgx_h100", "dgx_a100", "dgx_h200", "hgx_h800", "dgx_b200", "gb200_nvl72", "mi300x_8", "sgx5000")
STACKS = ("default", "tuned", "mcore", "fsdp", "deepspeed")
USABLE = 0.95
HOST_SHARE = 0.9
CONTEXT_BYTES = 2.5 * 2.0**30


@dataclass(frozen=True)
class Verdict:
    """A job that the planner refuses: ``layouts`` legal ones of its grid, and one that may fit, if there is one."""

    job: str
    layouts: int
    doubt: str
    share: float = math.inf
    """Least memory of that layout over what the chip has: the closer to 1, the less the doubt weighs."""

    @property
    def confirmed(self) -> bool:
        """Whether the second account agrees."""
        return not self.doubt


def divisors_of(number: int) -> list[int]:
    """Divisors, by trial."""
    return [d for d in range(1, number + 1) if number % d == 0]


def widths(model: ModelArch, chips: int, batch: int, sequence: int) -> Iterator[tuple[int, int, int, int]]:
    """(tp, pp, cp, dp) of every way to spread a model: heads, layers, sequence and batch divide."""
    heads = [g.mixer.heads or g.mixer.ssm_heads or g.mixer.linear_v_heads for g in model.groups]
    for tp in divisors_of(chips):
        if tp > 64 or tp & (tp - 1) or any(h and h % tp for h in heads):
            continue
        for pp in divisors_of(chips // tp):
            if pp > model.layers:
                break
            for cp in divisors_of(chips // tp // pp):
                if sequence % (2 * cp) or cp > max(sequence // 4096, 1):
                    continue
                dp = chips // tp // pp // cp
                if batch % dp == 0:
                    yield tp, pp, cp, dp


def layer_bytes(model: ModelArch, tokens: float) -> float:
    """Bytes that the largest layer holds in its backward pass: inputs and outputs of its matrices in 16 bits, and one
    gradient (32 a token and width of a GPT layer: arXiv:2205.05198 without dropout and scores)."""
    found = 0.0
    for part in layer_profiles(model):
        wide = 2.0 * model.hidden  # inputs of two norms
        inner = 0.0
        for g in part.gemms:
            inner += g.k if g.shard == "row" else g.n if g.shard == "column" else 0
        wide += 2.0 * model.hidden * (1 if part.gemms else 0)
        inner += part.experts_per_token * sum(g.k if g.shard == "row" else g.k + g.n for g in part.expert_gemms)
        found = max(found, 2.0 * tokens * (wide + inner + model.hidden))
    return found


def least_bytes(
    job: TrainingJob, stack: Profile, tp: int, pp: int, cp: int, dp: int, sharded: bool
) -> tuple[float, float]:
    """Bytes of the fullest chip and of its share of the host; ``sharded``: weights and gradients too (ZeRO 3)."""
    model = job.model
    parts = layer_profiles(model)
    dense = float(sum(p.count * p.dense_params for p in parts)) / pp  # of the fullest stage: no less than the mean
    routed = float(sum(p.count * p.routed_params for p in parts)) / pp
    tables = float(model.vocab * model.hidden) * (2 if pp == 1 and not model.tied_embeddings else 1)
    dense += tables
    experts = max((p.experts for p in parts), default=0)
    ranks = tp * cp * dp
    spread = max(math.gcd(ranks, experts), tp) if experts else tp
    lora = job.trainable == "lora"
    trained, trained_routed = (job.trained_share, 0.0) if lora else (1.0, 1.0)
    over, over_routed = (ranks, ranks) if sharded else (tp, spread)
    frozen = job.frozen_bytes if lora else stack.sharded_weight_bytes if sharded else 2.0
    weights = frozen * ((dense - tables) / over + routed / over_routed)
    weights += (2.0 if lora else frozen) * tables / over  # few bits are for layers alone
    grads = stack.grad_bytes * (trained * dense / over + trained_routed * routed / over_routed)
    states = stack.optimizer_bytes * (trained * dense + trained_routed * routed) / ranks
    tokens = job.sequence_length / cp / tp
    layers = model.layers / pp
    rounds = max(job.global_batch // dp, 1)
    inputs = 2.0 * tokens * model.hidden * layers * min(rounds, pp)
    last = 2.0 * tokens * model.hidden * layers  # one micro-batch in flight
    each = stack.logit_bytes if tp == 1 else stack.split_logit_bytes
    logits = 0.0 if stack.tiled_loss else each * tokens * model.vocab
    one = (dense + routed) / layers / (pp if pp == 1 else 1)
    gathered = 2.0 * one if sharded else 0.0  # one layer whole
    host = 0.0
    kept = []
    for what, size in (("weights", weights), ("optimizer", states), ("activations", inputs)):
        share = getattr(stack, f"offload_{what}")
        host += share * size
        kept.append(size * (1.0 - share * max(1.0 - 1.0 / layers, 0.0)))  # one layer of it stays
    if stack.offload_activations:
        last /= layers
    if stack.updates_on_host and sharded:
        host += grads
        grads /= layers
    busy = layer_bytes(model, tokens)
    peak = max(kept[2] + busy, last + max(busy, logits)) if pp > 1 else kept[2] + max(busy, logits)
    return kept[0] + kept[1] + grads + peak + gathered + CONTEXT_BYTES, host


def doubt_of(job: TrainingJob, platform: Platform, chips: int, stack: Profile) -> tuple[str, float]:
    """The layout whose least memory is the least, in words, and its share of the chip's; empty where none fits."""
    found = ("", math.inf)
    limit = platform.memory_bytes * USABLE
    beside = math.inf if platform.host_memory_bytes is None else platform.host_memory_bytes * HOST_SHARE
    for tp, pp, cp, dp in widths(job.model, chips, job.global_batch, job.sequence_length):
        if tp > platform.tiers[0].size:
            continue
        for sharded in (False, True) if pp == 1 else (False,):
            least, host = least_bytes(job, stack, tp, pp, cp, dp, sharded)
            if least <= limit * min(found[1], 1.0) and host <= beside:
                how = f"tp {tp} pp {pp} cp {cp} dp {dp}{' sharded' if sharded else ''}"
                found = (f"{how}: {least / limit:.0%} of the memory", least / limit)
    return found


def fits_somewhere(job: TrainingJob, platform: Platform, chips: int, stack: Profile) -> tuple[bool, int]:
    """The planner's answer: whether any layout of its grid fits, and how many it has."""
    for grid in (TrainingGrid(), TrainingGrid(spare_stages=True)):
        layouts = 0
        for part in training_grid_chunks(job, platform, chips, grid):
            layouts += part.size
            if part.size and bool(
                estimate_training(job, platform, part, stack, detail=False, only_fitting=True).fits.any()
            ):
                return True, layouts
    return False, layouts


def random_jobs(catalog: Catalog, seed: int) -> Iterator[tuple[TrainingJob, str, int, Profile]]:
    """Jobs without end: any language model of the catalog on few chips, in full or adapters, some with offload."""
    pick = random.Random(seed)  # noqa: S311 - a sample
    models = sorted(m for m, arch in catalog.models.items() if arch.layers and arch.hidden and arch.vocab)
    while True:
        model = catalog.model(pick.choice(models))
        stack = get_profile(pick.choice(STACKS))
        offload = {f"offload_{what}": float(pick.random() < 0.3) for what in ("optimizer", "weights", "activations")}
        lora = pick.random() < 0.3
        job = TrainingJob(
            model, pick.choice((2048, 4096, 8192, 32768, 131072)), pick.choice((8, 32, 96, 256, 1024)), "bf16",
            trainable="lora" if lora else "full", frozen_bytes=pick.choice((2.0, 1.0, 0.52)) if lora else 2.0,
        )  # fmt: skip
        yield job, pick.choice(SYSTEMS), pick.choice((1, 2, 4, 8, 16, 24, 32, 64, 128)), with_changes(stack, **offload)


def verdicts(count: int, seed: int = 0, catalog: Catalog | None = None) -> list[Verdict]:
    """The first ``count`` of the random jobs that the planner refuses, each checked."""
    catalog = load_catalog() if catalog is None else catalog
    found: list[Verdict] = []
    for job, system, chips, stack in random_jobs(catalog, seed):
        if len(found) >= count:
            break
        try:
            platform = build_platform(catalog, system, catalog.system(system).chip_ids[0], "")
            fits, layouts = fits_somewhere(job, platform, chips, stack)
        except UnknownFigureError:  # a model, chip or network of which a figure is not published
            continue
        if fits:
            continue
        away = [w for w in ("optimizer", "weights", "activations") if getattr(stack, f"offload_{w}")]
        words = (
            f"{job.model.id} on {chips} x {system}, {job.global_batch} x {job.sequence_length} tokens, {stack.name}, "
            f"{job.trainable}{' ' + str(job.frozen_bytes) if job.trainable == 'lora' else ''}"
            f"{', offload ' + ' '.join(away) if away else ''}"
        )
        found.append(Verdict(words, layouts, *doubt_of(job, platform, chips, stack)))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every doubtful job and how many are confirmed; exit status 1 where one is doubtful."""
    parser = argparse.ArgumentParser(description="Training jobs called impossible, checked by a second account.")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    found = verdicts(chosen.count, chosen.seed)
    for v in found:
        if not v.confirmed:
            sys.stdout.write(f"{v.job}: {v.layouts} layouts, but {v.doubt}\n")
    sure = sum(v.confirmed for v in found)
    sys.stdout.write(f"{sure} of {len(found)} confirmed; {sum(not v.layouts for v in found)} have no legal layout\n")
    return 0 if sure == len(found) else 1


__all__ = ["Verdict", "least_bytes", "main", "verdicts"]

if __name__ == "__main__":
    raise SystemExit(main())
