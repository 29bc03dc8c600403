"""Options of reinforcement learning: sizes of a cluster, the update's layout, the rollout's replicas, where each is.

Of every size the fastest layout of the update counts (it is that of a training run, ``TrainingSearch``), and of every
number of chips the replicas that generate fastest. Together, both are of the same chips; apart, every split of whole
systems is priced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from planner.answer.plan import Parallelism, RolloutLayout
from planner.catalog import Catalog
from planner.errors import InputError, Problem
from planner.facility.power import PHASE_ACTIVITY
from planner.facility.reliability import default_profile, mean_training_time
from planner.options.hardware.choices import Choice
from planner.options.work.counted_kinds import CountedSearch, Floats, Ints, Units
from planner.options.work.training import LAYOUT, RECOMPUTE, TrainingSearch, one_layout
from planner.performance.platform import Platform
from planner.performance.post_training import (
    FIXED_S,
    FORWARD_SHARE,
    HIGH80,
    LOW80,
    Rollout,
    RolloutEstimate,
    estimate_rollout,
    handover_s,
)
from planner.performance.precision import peak_name
from planner.performance.serving.grid import LARGEST_REPLICA_CHIPS, ServingGrid, serving_grid
from planner.performance.serving.job import BYTES_PER_ELEMENT, DECODE, ServingCandidates, ServingJob
from planner.performance.training.step import TrainingEstimate, estimate_training
from planner.scenario.kinds.post_training import PostTraining
from planner.scenario.workloads import Training
from planner.workload.parameters import parameter_counts

SECONDS_PER_DAY = 86_400.0
LARGEST_POST_TRAINING_CHIPS = 4096
"""Larger clusters are not searched (the largest published steps are of 512 chips)."""
SHAPE = ("rollout_tp", "rollout_dp", "rollout_ep", "rollout_replicas", "apart")
STATE = ("weights", "gradients", "optimizer")
"""Memory of an update that is not needed while answers are generated."""


@dataclass(frozen=True)
class _Rolled:
    """Rollout on some numbers of chips, arrays (m,): the fastest replicas of each, and how they do."""

    shape: Ints
    """(m, 3): tp, attention copies, experts' width."""
    replicas: Ints
    estimate: RolloutEstimate


class PostTrainingSearch(CountedSearch):
    """Searches one post-training run."""

    ROLE: ClassVar[str] = "post_train"
    BASIS: ClassVar[str] = "published GRPO steps of NeMo RL on H100 and GB200"
    workload: PostTraining

    def __init__(self, workload: PostTraining, catalog: Catalog) -> None:
        super().__init__(workload, catalog)
        w = workload
        length = w.prompt_tokens + w.answer_tokens
        self.update = TrainingSearch(
            Training(
                kind="training", name=w.name, model=w.model, precision=w.precision, sequence_length=length,
                global_batch=w.batch, tokens=max(1e6, float(w.batch * length)), framework=w.framework,
            ),
            catalog,
        )  # fmt: skip
        self.parameters = float(parameter_counts(self.model).total)

    def rollout(self, precision: str) -> Rollout:
        """What a step generates."""
        w = self.workload
        return Rollout(
            self.model, peak_name(precision), w.prompts, w.answers_per_prompt, float(w.prompt_tokens),
            float(w.answer_tokens), w.answer_cv, float(w.longest_answer or 4 * w.answer_tokens), w.engine,
        )  # fmt: skip

    # -- candidates ----------------------------------------------------------------------------------------------------

    def units(self, choice: Choice, platform: Platform, precision: str, most_chips: int) -> Units:
        """The fastest step of every size, together and apart."""
        most = min(most_chips, LARGEST_POST_TRAINING_CHIPS)
        per = platform.system_chips
        found = self.update.search(choice, 1, most)
        shapes = self._shapes(platform, precision, most)
        if not found.sizes or not len(shapes):
            return _none(found.reason or f"{self.workload.model} fits in no rollout replica of up to {most} chips")
        layouts: list[dict[str, int]] = []
        if "together" in self.workload.placements:
            rolled = self._rolled(platform, precision, shapes, np.array([s.systems * per for s in found.sizes]))
            layouts += [_layout(s.layout, rolled, k, apart=0) for k, s in enumerate(found.sizes)]
        if "apart" in self.workload.placements:
            sizes = np.arange(per, most, per)
            rolled = self._rolled(platform, precision, shapes, sizes)
            updates = np.array([self._update_s(s.step_time_s) for s in found.sizes])
            systems = np.array([s.systems for s in found.sizes])
            rolls = self._roll_s(rolled.estimate)
            rolls = np.where(rolled.estimate.fits, rolls, np.inf)
            step = np.maximum(updates[:, None], rolls[None, :]) if self.workload.steps_off_policy else (
                updates[:, None] + rolls[None, :])  # fmt: skip
            total = systems[:, None] + sizes[None, :] // per
            for count in range(2, most // per + 1):
                at = np.flatnonzero((total == count).ravel() & np.isfinite(step).ravel())
                if len(at):
                    i, k = divmod(int(at[np.argmin(step.ravel()[at])]), len(sizes))
                    layouts.append(_layout(found.sizes[i].layout, rolled, k, apart=1))
        if not layouts:
            return _none(f"{self.workload.model} needs chips apart for rollout and update, and {most} are not enough")
        looked_at = found.enumerated + len(shapes) * (len(found.sizes) + most // per)
        return self.of_layouts(platform, precision, layouts, looked_at)

    def _shapes(self, platform: Platform, precision: str, most_chips: int) -> ServingCandidates:
        """Replicas that may generate: one stage, tensor parallel inside the scale-up domain, experts spread or cut."""
        w = self.workload
        job = ServingJob(
            self.model, precision=peak_name(precision), input_tokens=float(w.prompt_tokens),
            output_tokens=float(w.answer_tokens), output_cv=w.answer_cv, engine=w.engine,
        )  # fmt: skip
        grid = ServingGrid(pipeline=(1,), decode_batch=(1,), roles=(DECODE,))
        return serving_grid(job, platform, min(most_chips, LARGEST_REPLICA_CHIPS), grid)

    def _rolled(self, platform: Platform, precision: str, shapes: ServingCandidates, chips: Ints) -> _Rolled:
        """Of each number of chips the replicas that are done first."""
        n, m = len(shapes), len(chips)
        which = np.tile(np.arange(n), m)
        many = shapes.take(which)
        most = np.minimum(np.repeat(chips, n) // many.chips, self.workload.sequences)
        estimate = estimate_rollout(self.rollout(precision), platform, many, np.maximum(most, 1))
        seconds = np.where(estimate.fits & (most >= 1), self._roll_s(estimate), np.inf).reshape(m, n)
        best = np.argmin(seconds, axis=1)
        at = np.arange(m) * n + best
        shape = np.stack([many.tp[at], many.attention_dp[at], many.ep[at]], axis=1)
        return _Rolled(shape, np.maximum(most[at], 1), _taken(estimate, at, most[at] >= 1))

    # -- one step ------------------------------------------------------------------------------------------------------

    def _roll_s(self, estimate: RolloutEstimate) -> Floats:
        flows = self.workload.steps_off_policy > 1
        return np.asarray((estimate.flowing_s if flows else estimate.seconds) + estimate.prompts_s)

    def _update_s(self, step_time_s: float) -> float:
        """Log-probabilities and updates of a step's sequences, on chips whose training step takes so long."""
        w = self.workload
        trained = step_time_s * w.sequences / w.batch
        return trained * (1.0 + FORWARD_SHARE * (2.0 if w.reference_model else 1.0))

    def one(self, platform: Platform, precision: str, layout: Mapping[str, int]) -> Units:
        """One layout, checked against what the search looks at."""
        w = self.workload
        if not self.update.is_legal(platform, precision, layout):
            raise InputError(Problem(f"{w.name}: {dict(layout)} is no legal layout on {platform.system_id}"))
        placement = "apart" if layout["apart"] else "together"
        shapes = self._shapes(platform, precision, LARGEST_REPLICA_CHIPS)
        tp, dp, ep = (layout[name] for name in SHAPE[:3])
        legal = ((shapes.tp == tp) & (shapes.attention_dp == dp) & (shapes.ep == ep)).any()
        if not legal or placement not in w.placements or not 1 <= layout["rollout_replicas"] <= w.sequences:
            raise InputError(Problem(f"{w.name}: {dict(layout)} is no legal rollout on {platform.system_id}"))
        found = self.of_layouts(platform, precision, [dict(layout)])
        update_chips = int(one_layout(layout).chips[0])
        if not layout["apart"]:
            systems = int(self.update.systems_of(platform, one_layout(layout))[0])
            if tp * dp * layout["rollout_replicas"] > systems * platform.system_chips:
                raise InputError(Problem(f"{w.name}: its rollout takes more chips than its {update_chips}"))
        return found

    def of_layouts(
        self, platform: Platform, precision: str, layouts: list[dict[str, int]], enumerated: int = 1
    ) -> Units:
        """What some layouts give, legal ones of the search or not."""
        w = self.workload
        per = platform.system_chips
        columns = {name: np.array([x[name] for x in layouts]) for name in (*LAYOUT, *SHAPE)}
        update = one_layout(columns)  # type: ignore[arg-type]
        trained = estimate_training(self.update.job(precision), platform, update, self.update.stack)
        shapes = ServingCandidates(
            columns["rollout_tp"], np.ones(len(layouts), np.int64), columns["rollout_ep"], columns["rollout_dp"],
            columns["rollout_dp"], np.full(len(layouts), 1024), np.full(len(layouts), DECODE),
        )  # fmt: skip
        rolled = estimate_rollout(self.rollout(precision), platform, shapes, columns["rollout_replicas"])
        apart = columns["apart"].astype(bool)
        rollout_chips = shapes.chips * columns["rollout_replicas"]
        update_systems = self.update.systems_of(platform, update)
        working = update_systems + np.where(apart, -(-rollout_chips // per), 0)
        chips = np.where(apart, update.chips + rollout_chips, np.maximum(update.chips, rollout_chips))
        # what does not fit beside the rollout goes to the hosts, and comes back for the update
        limit = trained.memory_limit_bytes
        state = np.asarray(sum(trained.memory[name] for name in STATE if name in trained.memory), np.float64)
        over = np.where(apart, 0.0, np.clip(state + rolled.memory_bytes - limit, 0.0, state))
        host = platform.host_memory_bytes
        held = over <= (0.0 if host is None else 0.8 * host)
        weights = self.parameters * BYTES_PER_ELEMENT[peak_name(precision)]
        hand = handover_s(platform, weights, over)
        roll, extra = self._roll_s(rolled), hand + FIXED_S + w.reward_s
        share = np.asarray(trained.step_time_s * w.sequences / w.batch)
        scored = share * FORWARD_SHARE * (2.0 if w.reference_model else 1.0)
        learn = share + scored
        side_by_side = apart & (w.steps_off_policy > 0)
        step = np.where(side_by_side, np.maximum(roll, learn), roll + learn) + extra
        rolls, learns = ~side_by_side | (roll >= learn), ~side_by_side | (learn > roll)
        tail = np.zeros(len(layouts)) if w.steps_off_policy > 1 else rolled.tail_s
        breakdown = {
            "rollout": np.where(rolls, roll - tail - rolled.prompts_s, 0.0),
            "longest_answers": np.where(rolls, tail, 0.0),
            "prompts": np.where(rolls, rolled.prompts_s, 0.0),
            "log_probabilities": np.where(learns, scored, 0.0),
            "update": np.where(learns, share, 0.0),
            "weights": hand,
            "reward": np.full(len(layouts), w.reward_s),
            "fixed": np.full(len(layouts), FIXED_S),
        }
        days, spares = [], []
        profile = default_profile(self.catalog)
        for i in range(len(layouts)):
            good = mean_training_time(int(chips[i]), self.parameters, profile)
            days.append(w.steps * float(step[i]) / good / SECONDS_PER_DAY)
            spares.append(self.update.spares_of(int(chips[i]), platform))
        spare = np.array(spares, dtype=np.int64)
        rolling = np.where(apart, rollout_chips * np.minimum(roll / step, 1.0), rollout_chips * roll / step)
        learning = update.chips * np.minimum(learn / step, 1.0)
        power = (rolling * PHASE_ACTIVITY["decode"] + learning * PHASE_ACTIVITY["train"]) / (working * per)
        more = np.maximum(trained.memory_bytes, rolled.memory_bytes)
        first = trained.memory_bytes >= rolled.memory_bytes
        memory = {name: np.where(first, v, 0.0) for name, v in trained.memory.items()}
        memory["rollout"] = np.where(first, 0.0, rolled.memory_bytes)
        return Units(
            layouts=tuple(layouts),
            systems=working + spare,
            spares=spare,
            chips=chips,
            replicas=np.ones(len(layouts), dtype=np.int64),
            activity=np.asarray(power, np.float64),
            step_time_s=step,
            samples_per_s=w.sequences / step,
            tokens_per_s=w.sequences * (w.prompt_tokens + w.answer_tokens) / step,
            fits=np.asarray(trained.fits & rolled.fits & held),
            memory_bytes=more,
            memory_limit_bytes=limit,
            low80=np.full(len(layouts), LOW80),
            high80=np.full(len(layouts), HIGH80),
            days=np.array(days),
            breakdown=breakdown,
            memory=memory,
            enumerated=enumerated,
        )

    def parallelism(self, layout: Mapping[str, int], units: Units) -> Parallelism:
        """The update's layout, with the rollout's beside it."""
        return Parallelism(
            tp=layout["tp"], pp=layout["pp"], vpp=layout["vpp"], dp=layout["dp"], ep=layout["ep"], cp=layout["cp"],
            sp=bool(layout["sp"]), micro_batch=layout["micro_batch"], global_batch=self.workload.batch,
            zero_stage=layout["zero_stage"], recompute=RECOMPUTE[layout["recompute"]],
            rollout=RolloutLayout(
                tp=layout["rollout_tp"], dp=layout["rollout_dp"], ep=layout["rollout_ep"],
                replicas=layout["rollout_replicas"], placement="apart" if layout["apart"] else "together",
            ),
        )  # fmt: skip


def layout_of(parallelism: Parallelism) -> dict[str, int]:
    """The layout behind what a plan prints. Raises ``InputError`` where it says nothing of the rollout."""
    p = parallelism
    if p.rollout is None:
        raise InputError(Problem("a post-training run without the layout of its rollout", path="parallelism.rollout"))
    values = (p.tp, p.pp, p.vpp, p.dp, p.cp, p.ep, p.micro_batch or 1, p.zero_stage or 0,
              RECOMPUTE.index(p.recompute or "none"), int(p.sp))  # fmt: skip
    r = p.rollout
    rest = (r.tp, r.dp, r.ep, r.replicas, int(r.placement == "apart"))
    return dict(zip((*LAYOUT, *SHAPE), (*values, *rest), strict=True))


def _layout(update: Mapping[str, int], rolled: _Rolled, k: int, *, apart: int) -> dict[str, int]:
    tp, dp, ep = (int(v) for v in rolled.shape[k])
    return {**{name: int(update[name]) for name in LAYOUT}, "rollout_tp": tp, "rollout_dp": dp, "rollout_ep": ep,
            "rollout_replicas": int(rolled.replicas[k]), "apart": apart}  # fmt: skip


def _taken(estimate: RolloutEstimate, at: Ints, legal: NDArray[np.bool_]) -> RolloutEstimate:
    taken = {name: getattr(estimate, name)[at] for name in estimate.__dataclass_fields__}
    return RolloutEstimate(**{**taken, "fits": taken["fits"] & legal})


def _none(reason: str) -> Units:
    nothing, none = np.zeros(0), np.zeros(0, dtype=np.int64)
    return Units(
        (), none, none, none, none, nothing, nothing, nothing, nothing, np.zeros(0, dtype=bool), nothing, nothing,
        nothing, nothing, reason=reason,
    )  # fmt: skip


__all__ = ["PostTrainingSearch", "TrainingEstimate", "layout_of"]
