"""The names and covariates of a serving run: what the levels of measured runs go by, and which no run is known of.

Engine, front end, chip family and vendor, model family and model, precision, experts, layout; load (decoding requests
a chip), prompt length and age of support. A replica's layout is one of a few classes (``LAYOUTS``), so a level is two
numbers for each: a constant, and a slope over load.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from planner.performance.measured.levels import Level, Levels, clipped
from planner.performance.measured.own_levels import group_name
from planner.performance.serving.job import AGGREGATED, ServingCandidates, ServingJob

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COVARIATES = ("one", "load", "prompt", "age")
ONE, LOAD, PROMPT, AGE = range(4)
PACE_KINDS: Mapping[str, Sequence[int]] = {
    "engine+chips": (ONE,),
    "model+chips": (ONE,),
    "model+engine": (ONE,),
    "wide+vendor": (ONE,),
    "front": (ONE,),
    "all": (AGE,),
}
"""Kinds of names that have an effect on the time of steps, and covariates each has a slope over; the age of software on
a family of chips makes what all share: its learning curve. What engines and chips differ by is in their constants; more
kinds, slopes over load and date, and a curve for each family made predictions of what was left out worse."""
KNOWN_KINDS: Mapping[str, Sequence[int]] = {
    "engine": (ONE,),
    "chips": (ONE,),
    "experts+chips": (ONE,),
    "precision+chips": (ONE,),
    "model": (ONE,),
    "layout+vendor": (ONE,),
}
"""Kinds that have no effect of their own but widen the interval where no run has the name: by how much names differ."""
TTFT_KINDS: Mapping[str, Sequence[int]] = {
    "engine+chips": (ONE,),
    "loop+engine": (ONE,),
    "model+engine": (ONE,),
    "model": (ONE,),
    "layout+engine": (ONE,),
    "front": (ONE,),
}
"""The same of the first token, over what the pace of steps has changed already."""

LAYOUTS = ("one", "tensor", "stages", "copies", "wide")
"""One chip; tensor parallel; pipeline stages; attention copied; attention copied over ``WIDE`` expert ranks or more."""
WIDE = 16
TUNED = "tuned"
"""Front end of pools of one phase that their makers tuned and kept full: levels are of recipes anybody can run, so the
physical model alone says what such pools do, as surely as levels say of others."""
SINCE: Mapping[str, float] = {
    "nvidia_ampere": 2020.5, "nvidia_ada": 2022.8, "nvidia_hopper": 2022.8, "nvidia_blackwell": 2024.9,
    "nvidia_blackwell_rtx": 2025.3, "amd_cdna2": 2021.9, "amd_cdna3": 2023.9, "amd_cdna4": 2025.7,
    "intel_gaudi": 2022.5, "huawei_ascend": 2025.2,
}  # fmt: skip
OLD = 2022.0
"""When the first chips of a family were delivered; of others, long enough ago."""
PORT = 0.36
"""Deviation of the logarithm of times of a port of an engine to chips that no engine runs on by itself: vendors left
out whole were off by 0.74 (Huawei), 0.2 (AMD) and 0.05 (Intel), 0.44 in the root mean square, of which 0.25 is what
any left-out run has."""
NATIVE = 2
"""Measured engines from which on a vendor's chips are no port."""
MEAN_AGE = 0.2
"""Of the runs measured, as ``age_of`` counts."""
SINCE_OF_KIN = 2022.8
"""The year that constants of a kin of families are of."""
SPREAD, ALIKE, BATCH = "spread", "alike", "batch"
"""How clients load a replica: their requests differ, as those of a plan do; all are alike, so those that start together
stay together; or one batch, prefilled whole."""
TODAY = 2026.5
"""The date that a plan counts software at where nobody states another: that of the newest runs measured."""
WORDS: Mapping[str, str] = {
    "engine": "no run of this engine is known",
    "chips": "no run on this family of chips is known",
    "port": "this engine's port to this vendor's chips has not been measured, and ports differ by a factor of two",
    "engine+chips": "no run of this engine on this family of chips is known",
    "experts+chips": "no run of a model like this (experts or none) on this family of chips is known",
    "precision+chips": "no run in this precision on this family of chips is known",
    "model": "no run of this family of models is known",
    "model+chips": "no run of this family of models on this family of chips is known",
    "layout+vendor": "no run in such a layout on this vendor's chips is known",
    "wide+vendor": "no run over 16 expert ranks or more on this vendor's chips is known",
    "front": "no run behind this front end is known",
}
"""What a missing name means, most telling first."""


def vendor_of(family: str) -> str:
    """``nvidia`` of ``nvidia_hopper``."""
    return family.split("_", maxsplit=1)[0]


def layouts_of(c: ServingCandidates) -> Ints:
    """Class (n,) of each candidate: its index in ``LAYOUTS``, beyond all of them where it is a pool of one phase."""
    wide = (c.attention_dp > 1) & (c.ep >= WIDE)
    kinds = np.where(c.tp > 1, 1, 0)
    kinds = np.where(c.pp > 1, 2, kinds)
    kinds = np.where(c.attention_dp > 1, 3, kinds)
    kinds = np.where(wide, 4, kinds)
    return np.where(c.role != AGGREGATED, kinds + len(LAYOUTS), kinds)


def load_of(per_chip: Floats) -> Floats:
    """The covariate of so many decoding requests a chip: octaves from four, over four; none of none."""
    octaves = np.log2(np.maximum(per_chip, 2.0**-4) / 4.0)
    return np.where(per_chip > 0.0, np.clip(octaves, -5.0, 7.0) / 4.0, 0.0)


def prompt_of(tokens: float) -> float:
    """The covariate of a prompt's length: octaves from 1,024, over two."""
    return min(max(math.log2(max(tokens, 16.0) / 1024.0), -4.0), 7.0) / 2.0


def age_of(year: float, family: str) -> float:
    """The covariate of software of a date (a year, ``TODAY`` if 0) on a family of chips: 1 when its first chips were
    delivered, an e-th of that a year later; over that of the mean run, whose age constants are of."""
    return math.exp(-max((year or TODAY) - SINCE.get(family, OLD), 0.0)) - MEAN_AGE


def names_of(
    engine: str, family: str, front: str, model: str, moe: bool, precision: str, layout: str, drafts: bool,
    loop: str = SPREAD,
) -> dict[str, str]:  # fmt: skip
    """Names by kind of a run; ``model``: its family."""
    kind, vendor = "experts" if moe else "dense", vendor_of(family)
    wide = {"wide+vendor": vendor, "wide+engine": engine} if layout == "wide" else {}
    layout = "copies" if wide else layout  # many copies are copies first: what is known of few counts for them too
    return {
        **wide,
        "engine": engine,
        "chips": family,
        "engine+chips": f"{engine} {family}",
        "experts+chips": f"{kind} {family}",
        "experts+engine": f"{kind} {engine}",
        "precision+chips": f"{precision} {family}",
        "precision+engine": f"{precision} {engine}",
        "model": model,
        "model+chips": f"{model} {family}",
        "model+engine": f"{model} {engine}",
        "layout+vendor": f"{layout} {vendor}",
        "layout+engine": f"{layout} {engine}",
        **({"front": front} if front else {}),
        "all": "all",
        "loop+engine": f"{loop} {engine}",
    }


def _is_port(known: Levels, engine: str, family: str) -> bool:
    """Whether an engine was measured on no chips of a vendor whose chips fewer than ``NATIVE`` engines were."""
    pairs = [name.partition("=")[2].split(" ") for name in known.effects if name.startswith("engine+chips=")]
    measured = {pair[0] for pair in pairs if vendor_of(pair[-1]) == vendor_of(family)}
    return bool(pairs) and engine not in measured and len(measured) < NATIVE


@dataclass(frozen=True)
class ServingLevels:
    """Levels of one engine on one family of chips at one date (a year, ``TODAY`` if 0).

    ``front``: the front end that joins workers; None: none for whole replicas, one without a name for pools apart.
    """

    pace: Levels = field(default_factory=lambda: Levels(COVARIATES))
    ttft: Levels = field(default_factory=lambda: Levels(COVARIATES))
    engine: str = "current"
    family: str = ""
    front: str | None = None
    date: float = 0.0
    loop: str = SPREAD

    def __bool__(self) -> bool:
        return bool(self.pace)

    def of_job(self, job: ServingJob) -> JobLevels:
        """What the levels say of a job, by class of layout."""
        m = job.model
        drafts = job.draft_tokens > 0
        names = [
            names_of(
                self.engine, self.family, front if self.front is None else self.front, m.family, m.is_moe,
                job.precision, layout, drafts, self.loop,
            )
            for front in ("", "apart")
            for layout in LAYOUTS
        ]  # fmt: skip
        if self.pace.joint is not None or self.ttft.joint is not None:  # planned for the place that a user measured at
            group = group_name(self.engine, self.family, m.family, job.precision)
            names = [n | {"place": self.engine, "group": group} for n in names]
        told = [tuple(levels.at(n) for n in names) for levels in (self.pace, self.ttft)]
        if self.pace and _is_port(self.pace, self.engine, self.family):
            wide = PORT**2 * np.eye(len(COVARIATES))[ONE]
            told = [
                tuple(replace(lv, variance=lv.variance + wide, missing=("port", *lv.missing)) for lv in levels)
                for levels in told
            ]
        if self.front == TUNED:
            told = [tuple(replace(lv, value=0.0 * lv.value) for lv in levels) for levels in told]
        return JobLevels(
            self.pace, self.ttft, told[0], told[1],
            prompt_of(job.input_tokens), age_of(self.date, self.family),
        )  # fmt: skip


@dataclass(frozen=True)
class JobLevels:
    """Levels of one job by class of layout: constants and slopes over load, and their deviations."""

    pace: Levels
    ttft: Levels
    paces: tuple[Level, ...]
    ttfts: tuple[Level, ...]
    prompt: float
    age: float

    def _line(self, levels: tuple[Level, ...]) -> tuple[Floats, Floats]:
        """Constant and slope over load of each class of layout, (10,) each."""
        fixed = np.array([lv.value[ONE] + lv.value[PROMPT] * self.prompt + lv.value[AGE] * self.age for lv in levels])
        return fixed, np.array([lv.value[LOAD] for lv in levels])

    def pace_of(self, layout: Ints, per_chip: Floats) -> Floats:
        """Factor (n,) on the time of steps with ``per_chip`` decoding requests a chip."""
        fixed, slope = self._line(self.paces)
        return np.exp(clipped(fixed[layout] + slope[layout] * load_of(per_chip)))

    def ttft_of(self, layout: Ints, per_chip: Floats) -> Floats:
        """Factor (n,) on the time to the first token of a closed loop, over that of its steps."""
        fixed, slope = self._line(self.ttfts)
        return np.exp(clipped(fixed[layout] + slope[layout] * load_of(per_chip)))

    def _ends(self, known: Levels, levels: tuple[Level, ...], layout: Ints, per_chip: Floats) -> tuple[Floats, Floats]:
        # the variance of a level is a parabola over load: three of its points say all of it
        at = np.array([[1.0, x, self.prompt, self.age] for x in (-1.0, 0.0, 1.0)])
        left, middle, right = np.array([lv.of(at) for lv in levels]).T
        x = load_of(per_chip)
        curve, slope = ((left + right) / 2.0 - middle)[layout], ((right - left) / 2.0)[layout]
        told = np.maximum(middle[layout] + slope * x + curve * x * x, 0.0)
        return known.ends(np.sqrt(told + known.own**2))

    def pace_ends(self, layout: Ints, per_chip: Floats) -> tuple[Floats, Floats]:
        """Multipliers (n,) of a predicted time of tokens to both ends of its 80% interval."""
        return self._ends(self.pace, self.paces, layout, per_chip)

    def ttft_ends(self, layout: Ints, per_chip: Floats) -> tuple[Floats, Floats]:
        """The same of the first token."""
        return self._ends(self.ttft, self.ttfts, layout, per_chip)

    def unknown(self, layout: int) -> tuple[str, ...]:
        """In words, what no measured run has in common with this job in a layout, most telling first."""
        missing = self.paces[layout].missing
        if "engine" in missing or "chips" in missing:
            missing = tuple(k for k in missing if k not in ("engine+chips", "experts+chips", "precision+chips"))
        return tuple(text for kind, text in WORDS.items() if kind in missing)
