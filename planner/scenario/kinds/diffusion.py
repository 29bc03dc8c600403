"""Images and video by diffusion: so many an hour or a second, at a resolution, in so many steps."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from planner.scenario.base import Finding, report, unit
from planner.scenario.kinds.counted import Counted
from planner.scenario.workloads import BUSIEST

SECONDS_PER_HOUR = 3600.0


class Diffusion(Counted):
    """Images or video clips from a diffusion transformer, so many an hour."""

    kind: Literal["diffusion"] = Field(description="`diffusion`")
    clips_per_hour: float = Field(
        gt=0, le=1e10, description="Images or clips to make, at the peak.", json_schema_extra=unit("clips/h")
    )
    height: int = Field(ge=16, le=16384, description="Height of an image or frame.", json_schema_extra=unit("pixels"))
    width: int = Field(ge=16, le=16384, description="Width of an image or frame.", json_schema_extra=unit("pixels"))
    frames: int = Field(
        default=1, ge=1, le=100_000, description="Frames of a clip: 81 are 5 s at 16 a second; 1 is an image.",
        json_schema_extra=unit("frames"),
    )  # fmt: skip
    steps: int = Field(ge=1, le=1000, description="Denoising steps of each.", json_schema_extra=unit("steps"))
    guidance: bool = Field(
        default=True,
        description="Classifier-free guidance: a second pass a step without the prompt. Guidance-distilled models "
        "take one pass either way.",
    )
    latency_ms: float | None = Field(
        default=None,
        gt=0,
        le=8.64e7,
        description="Limit on the time of one, waiting included, at the percentile; none: no limit.",
        json_schema_extra=unit("ms", looks_like="seconds"),
    )
    percentile: float = Field(
        default=95,
        ge=1,
        lt=100,
        description="Percentile that must meet latency_ms.",
        json_schema_extra=unit("percent", looks_like="a fraction"),
    )
    utilisation: float = Field(
        default=0.85,
        gt=0,
        le=BUSIEST,
        description="Largest share of a unit's throughput to plan with; queues have no end at 1.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    peak_to_mean: float = Field(
        default=1,
        ge=1,
        le=1000,
        description="Peak demand, which is planned for, over the mean of a day, which energy is paid for.",
        json_schema_extra=unit("ratio"),
    )

    @property
    def asked(self) -> tuple[float, str, str]:
        """Clips an hour."""
        return self.clips_per_hour, "clips/h", "clips_per_hour"

    @property
    def samples_per_s(self) -> float:
        """Clips a second."""
        return self.clips_per_hour / SECONDS_PER_HOUR

    @model_validator(mode="after")
    def _is_a_picture(self) -> Self:
        most = 1 << 32
        pixels = self.height * self.width * self.frames
        if pixels > most:
            report([Finding((), "is more than a clip can have", f"{pixels:,} pixels", f"up to {most:,}")])
        return self
