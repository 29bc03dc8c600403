"""One measured run as calibration sees it, and the names of the effects that make its level."""

from __future__ import annotations

import re
from dataclasses import dataclass


def width_of(precision: str) -> str:
    """Bits of a training precision's matrix operands: 16, 8 or 4."""
    return {"bf16": "16", "fp4": "4"}.get(precision, "8")


def first_word(model: str) -> str:
    """The first word of a model's published name or id, which its family shares: llama, qwen, gpt."""
    return re.split(r"[-\s_.]?\d", model)[0].split("-")[0].lower() or model


@dataclass(frozen=True)
class Names:
    """What a job and a measured run can have in common beside sizes: what its level is made of."""

    family: str
    chip: str
    profile: str
    generation: str
    precision: str
    experts: bool

    def value(self, kind: str) -> str:
        """One of the names, as effects write it."""
        if kind == "precision":
            return width_of(self.precision)
        if kind == "experts":
            return "moe" if self.experts else "dense"
        return str(getattr(self, kind))

    def effect(self, kinds: tuple[str, ...]) -> str:
        """The name of an effect of some kinds: ``family=nvidia_hopper+experts=moe``."""
        return "+".join(f"{kind}={self.value(kind)}" for kind in kinds)


@dataclass(frozen=True)
class Observation:
    """One measured row for the fit: ``ratio`` is measured over predicted step time at level one.

    ``shape``: logarithms to base two of its widths and sizes (``process.SHAPE``), and ``recompute`` what it
    recomputes, for how near two rows are.
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
    generation: str = ""
    """Year of the techniques of its stack."""
    code: str = ""
    """Code base of its stack."""
    year: int = 0

    @property
    def names(self) -> Names:
        """Its names."""
        return Names(self.family, self.chip, self.profile, self.generation, self.precision, self.experts)

    @property
    def model_name(self) -> str:
        """What tells its model from others."""
        return self.model or (self.group.split(" | ")[1] if self.group.count(" | ") >= 3 else self.group)

    @property
    def model_family(self) -> str:
        """The first word of its model's published name: llama, qwen, gpt."""
        return first_word(self.group.split(" | ")[1] if self.group.count(" | ") >= 3 else self.model_name)
