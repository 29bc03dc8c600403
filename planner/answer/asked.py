"""What a scenario asks of each workload, in the form a plan carries, so that acting on a plan needs no scenario."""

from __future__ import annotations

from planner.answer.plan import Asked
from planner.scenario.kinds import ByADate, Diffusion, PostTraining, Workload
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving, Training


def asked_of(scenario: Scenario) -> tuple[Asked, ...]:
    """One entry for each workload, in the scenario's order. ``verify`` holds a plan to it."""
    return tuple(_asked(workload) for workload in scenario.workloads)


def _asked(w: Workload) -> Asked:
    common = {"name": w.name, "kind": w.kind, "model": w.model}
    if isinstance(w, Diffusion):
        return Asked(
            **common, clips_per_hour=w.clips_per_hour, height=w.height, width=w.width, frames=w.frames, steps=w.steps
        )
    if isinstance(w, PostTraining):
        return Asked(
            **common, steps=w.steps, prompts=w.prompts, answers_per_prompt=w.answers_per_prompt,
            input_tokens=w.prompt_tokens, output_tokens=w.answer_tokens, longest_answer=w.longest_answer,
            global_batch=w.batch, framework=w.framework, engine=w.engine, finish_within_days=w.finish_within_days,
        )  # fmt: skip
    if isinstance(w, Training):
        return Asked(
            **common, tokens=w.launch_tokens, sequence_length=w.sequence_length,
            global_batch=w.global_batch, framework=w.framework, checkpoint_interval_s=w.checkpoint_interval_s,
        )  # fmt: skip
    if isinstance(w, Serving):
        return Asked(
            **common, input_tokens=w.input_tokens, output_tokens=w.output_tokens, requests_per_s=w.requests_per_s,
            kv_precision=w.kv_precision or "bf16", cached_prefix=w.cached_prefix, engine=w.engine,
            memory_fraction=w.memory_fraction, software_date=w.software_date or "",
            tokens=getattr(w, "tokens", None),
            finish_within_days=w.finish_within_days if isinstance(w, ByADate) else None,
            hours_per_day=w.hours_per_day if isinstance(w, ByADate) and w.finish_within_days else None,
            speculation=w.speculation.method if w.speculation is not None else None,
        )  # fmt: skip
    return Asked(**common, global_batch=w.global_batch, samples=w.samples, samples_per_s=w.samples_per_s)
