"""Training that comes again: a daily or weekly run on new data, and an experiment budget beside the runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from planner.scenario.base import Finding, report, unit
from planner.scenario.kinds.restated import OtherWords, figure
from planner.scenario.workloads import Training

MOST_RUNS = 100_000


class RecurringTraining(OtherWords, Training):
    """Training runs that come again (weekly fine-tunes, a daily retraining), with a share of the chips' time for
    experiments."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"tokens", "finish_within_days", "after"})

    kind: Literal["recurring_training"] = Field(description="`recurring_training`")  # type: ignore[assignment]
    tokens_per_run: float = Field(
        ge=1e6,
        le=1e16,
        description="Tokens that each run trains on.",
        json_schema_extra=unit("tokens", looks_like="billions or trillions"),
    )
    runs: int = Field(
        ge=1,
        le=MOST_RUNS,
        description="How many there are: 52 of a weekly run in a year.",
        json_schema_extra=unit("runs"),
    )
    every_days: float = Field(
        gt=0, le=36500, description="Days from one run's beginning to the next one's.", json_schema_extra=unit("days")
    )
    run_within_days: float | None = Field(
        default=None,
        gt=0,
        le=36500,
        description="Longest that one run may take, failures and experiments included; none: until the next begins.",
        json_schema_extra=unit("days"),
    )
    experiments: float = Field(
        default=0,
        ge=0,
        le=0.9,
        description="Share of the chips' working time that goes to experiments (ablations, sweeps, runs that are "
        "thrown away) instead of the runs: 0.2 is a fifth.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )

    @classmethod
    def restate(cls, said: Mapping[str, Any]) -> dict[str, Any]:
        """All runs end to end, as one: its tokens with those the experiments would take, and the days all have.

        Experiments that take the share e of the chips' time leave 1 - e to the runs: what is computed is then the
        runs' tokens over 1 - e, at the runs' own speed.
        """
        runs, every = figure(said, "runs", 1.0), figure(said, "every_days", 1.0)
        within = min(
            every, figure(said, "run_within_days", every) if said.get("run_within_days") is not None else every
        )
        share = figure(said, "experiments", 0.0) if said.get("experiments") else 0.0
        tokens = runs * figure(said, "tokens_per_run", 1e6) / max(1.0 - share, 0.1)
        return {"tokens": max(tokens, 1e6), "finish_within_days": min(max(runs * within, 1e-6), 36500.0)}

    @property
    def span_days(self) -> float:
        """Days from the first run's beginning to the end of the last one's turn."""
        return self.runs * self.every_days

    @property
    def launches(self) -> int:
        """Its runs."""
        return self.runs

    @property
    def launch_tokens(self) -> float:
        """Tokens of the run that is launched each time; what experiments read is not asked for."""
        return self.tokens_per_run

    @model_validator(mode="after")
    def _in_turn(self) -> Self:
        findings = []
        if self.run_within_days is not None and self.run_within_days > self.every_days:
            findings.append(
                Finding(("run_within_days",), "is longer than every_days: the next run would begin before",
                        f"{self.run_within_days:g}", f"up to {self.every_days:g}")
            )  # fmt: skip
        whole = self.runs * self.tokens_per_run / (1.0 - self.experiments)
        if whole > 1e16:
            findings.append(Finding(("runs",), "make more tokens than a plan holds", f"{whole:g}", "up to 1e16 in all"))
        report(findings)
        return self
