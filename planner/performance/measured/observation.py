"""One measured run as calibration sees it, and the names of the effects that make its level."""

from __future__ import annotations

from dataclasses import dataclass


def effects_of(family: str, chip: str, profile: str, precision: str, experts: bool) -> tuple[str, ...]:
    """Names of the effects that make the level of a job on a chip under a framework profile."""
    width = {"bf16": "16", "fp4": "4"}.get(precision, "8")
    kind = "moe" if experts else "dense"
    return (
        "all",
        f"profile={profile}",
        f"family={family}",
        f"chip={chip}",
        f"precision={width}",
        f"experts={kind}",
        f"family={family}+profile={profile}",
        f"family={family}+precision={width}",
        f"family={family}+experts={kind}",
        f"profile={profile}+experts={kind}",
        f"profile={profile}+precision={width}",
    )


@dataclass(frozen=True)
class Observation:
    """One measured row for the fit: ``ratio`` is measured over predicted step time at level one.

    ``shape``: logarithms to base two of its widths and sizes (``neighbours.SHAPE``), and ``recompute`` what it
    recomputes, for how near two rows are; the fit of effects does not read them.
    """

    group: str
    source: str
    family: str
    chip: str
    profile: str
    precision: str
    experts: bool
    ratio: float
    fit: bool = True
    case_id: str = ""
    rate: float = 0.0
    """Measured tokens/s per chip."""
    shape: tuple[float, ...] = ()
    recompute: str = ""
    model: str = ""
    """Id of its architecture; where it has none, the model's name in ``group``."""

    @property
    def effects(self) -> tuple[str, ...]:
        """Its effects."""
        return effects_of(self.family, self.chip, self.profile, self.precision, self.experts)

    @property
    def model_name(self) -> str:
        """What tells its model from others."""
        return self.model or (self.group.split(" | ")[1] if self.group.count(" | ") >= 3 else self.group)
