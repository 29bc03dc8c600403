"""Reinforcement learning after pre-training: steps of rollout and update (GRPO, DAPO, RLOO and their kin)."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from planner.scenario.base import MANY, Finding, Month, Name, report, unit
from planner.scenario.kinds.counted import Counted
from planner.scenario.workloads import Framework


class PostTraining(Counted):
    """Reinforcement learning on a model: so many steps of generating answers, scoring them and updating the weights."""

    runs_once: ClassVar[bool] = True

    kind: Literal["post_training"] = Field(description="`post_training`")
    steps: int = Field(ge=1, le=MANY, description="Steps of rollout and update.", json_schema_extra=unit("steps"))
    prompts: int = Field(ge=1, le=MANY, description="Prompts of a step.", json_schema_extra=unit("prompts"))
    answers_per_prompt: int = Field(
        ge=1, le=100_000, description="Answers to each prompt: the group of GRPO.", json_schema_extra=unit("answers")
    )
    prompt_tokens: int = Field(
        ge=1, le=10_000_000, description="Prompt length, mean.", json_schema_extra=unit("tokens")
    )
    answer_tokens: int = Field(
        ge=1, le=10_000_000, description="Answer length, mean.", json_schema_extra=unit("tokens")
    )
    answer_cv: float = Field(
        default=0.5,
        ge=0,
        le=10,
        description="Spread of answer lengths: standard deviation over mean (lognormal). The longest answer ends a "
        "step, so spread leaves chips idle.",
        json_schema_extra=unit("ratio"),
    )
    longest_answer: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="Tokens at which an answer is cut; none: four times the mean.",
        json_schema_extra=unit("tokens"),
    )
    train_batch: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="Sequences of one update; none: all of a step's in one.",
        json_schema_extra=unit("sequences"),
    )
    placement: Literal["either", "together", "apart"] = Field(
        default="either",
        description="Rollout and update on the same chips, one after the other; or each on chips of its own; or "
        "whichever is better.",
    )
    steps_off_policy: int = Field(
        default=0,
        ge=0,
        le=64,
        description="Steps by which answers may be older than the weights that learn from them, on chips apart: 0 is "
        "synchronous, 1 lets rollout and update run side by side, more also hides the longest answers.",
        json_schema_extra=unit("steps"),
    )
    reference_model: bool = Field(
        default=True, description="Whether a frozen reference scores the answers as well (a KL term)."
    )
    reward_s: float = Field(
        default=0,
        ge=0,
        le=86_400,
        description="Seconds a step for rewards that nothing overlaps: a verifier, tests, a reward model.",
        json_schema_extra=unit("s"),
    )
    framework: Framework = Field(default="default", description="Maturity of the training stack, as of a training run.")
    engine: str = Field(
        default="vllm", pattern=r"^(vllm|sglang|trtllm|current)$", description="What generates: as of a serving load."
    )
    finish_within_days: float | None = Field(
        default=None,
        gt=0,
        le=36500,
        description="Longest the run may take, failures included; none: the horizon.",
        json_schema_extra=unit("days"),
    )
    start: Month | None = Field(default=None, description="Earliest month it may begin; none: the scenario's start.")
    after: tuple[Name, ...] = Field(default=(), description="Runs that must have ended before this one begins.")

    @property
    def asked(self) -> tuple[float, str, str]:
        """Steps to do."""
        return float(self.steps), "steps", "steps"

    @property
    def sequences(self) -> int:
        """Sequences of a step."""
        return self.prompts * self.answers_per_prompt

    @property
    def batch(self) -> int:
        """Sequences of one update."""
        return self.train_batch or self.sequences

    @property
    def placements(self) -> tuple[str, ...]:
        """Where the two halves of a step may be."""
        return ("together", "apart") if self.placement == "either" else (self.placement,)

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        findings = []
        if self.sequences % self.batch:
            allowed = f"a divisor of prompts x answers_per_prompt = {self.sequences}"
            findings.append(Finding(("train_batch",), "does not divide a step", str(self.train_batch), allowed))
        if self.placement == "together" and self.steps_off_policy:
            message = "needs chips apart: on the same chips rollout and update take turns"
            findings.append(Finding(("steps_off_policy",), message, str(self.steps_off_policy), "0"))
        if self.longest_answer is not None and self.longest_answer < self.answer_tokens:
            findings.append(Finding(("longest_answer",), "is below the mean", str(self.longest_answer)))
        report(findings)
        return self
