"""A training configuration: step time, memory and MFU, of a layout given or of the best one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from planner.answer.plan import Interval, MeasuredRun, Parallelism
from planner.catalog import Catalog, load_catalog
from planner.errors import InputError, Problem, unknown_name
from planner.estimate.hardware import language_model, machine_of, plain, whole
from planner.estimate.layout import AXES, refuse, tidy_grid
from planner.options.work.measured import measured_runs
from planner.performance.measured.calibration import shipped_training_calibration
from planner.performance.measured.ordering import OrderShare
from planner.performance.platform import Platform
from planner.performance.precision import RECIPES, normalise_precision
from planner.performance.training.grid import training_grid, training_grid_chunks
from planner.performance.training.profile import Profile
from planner.performance.training.stacks import get_profile
from planner.performance.training.step import TrainingCandidates, TrainingEstimate, TrainingJob, log_deviation
from planner.performance.training.step import estimate_training as price
from planner.scenario.workloads import Framework

if TYPE_CHECKING:
    import pandas as pd

FRAMEWORKS: tuple[str, ...] = get_args(Framework)
RECOMPUTE = ("none", "selective", "full")

DEFAULTS: Mapping[str, int] = {
    "tp": 1, "pp": 1, "vpp": 1, "cp": 1, "ep": 1, "micro_batch": 1, "zero_stage": 1, "recompute": 0,
}  # fmt: skip
"""The layout where neither a degree is given nor ``best`` asked: plain data parallelism with a sharded optimizer."""


@dataclass(frozen=True, repr=False)
class TrainingEstimation:
    """What the performance model expects of one training configuration."""

    kind: Literal["training"]
    model: str
    system: str
    chip: str
    cooling: str
    chips: int
    systems: int
    """Whole systems that hold the chips."""
    precision: str
    sequence_length: int
    global_batch: int
    """Sequences in a step."""
    parallelism: Parallelism
    step_time_s: float
    tokens_per_s: float
    tokens_per_s_per_chip: float
    model_tflops_per_chip: float
    """Model FLOPs (causal attention at half, no recomputation) a second, in TFLOPS."""
    mfu: float
    """``model_tflops_per_chip / peak_tflops_per_chip``."""
    peak_tflops_per_chip: float
    """Dense peak of the precision."""
    memory_gb_per_chip: float
    """Of the fullest pipeline stage."""
    memory_limit_gb_per_chip: float
    fits: bool
    breakdown_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds of a step by cause; sums to ``step_time_s``."""
    memory_gb: Mapping[str, float] = field(default_factory=dict)
    """GB by component; sums to ``memory_gb_per_chip``."""
    interval: Interval | None = None
    """80% interval of ``step_time_s``."""
    best: bool = False
    """Whether the layout was searched for."""
    enumerated: int = 1
    """Legal layouts looked at."""
    candidates: int = 1
    """Those of them that fit in memory."""
    framework: str = "default"
    """The training stack, a profile of the performance model."""
    measured_correction: float | None = None
    """Factor on the step time that measured runs near this one make, None where there is none."""
    measured_runs: tuple[MeasuredRun, ...] = ()
    """The measured runs that have most in common with this one, most first."""
    ordering: tuple[OrderShare, ...] = ()
    """How often two predictions this far apart were in the right order, over measured pairs of left-out sources."""

    def __repr__(self) -> str:
        said = f"step {self.step_time_s:.4g} s, MFU {self.mfu:.1%}" + ("" if self.fits else "; does not fit")
        return f"<TrainingEstimation {self.model} on {self.chips} chips of {self.system}: {said}>"

    def _repr_html_(self) -> str:
        from planner.answer.notebook import table
        from planner.estimate.rows import estimate_row

        facts = [{"figure": k, "value": v} for k, v in estimate_row(self).items() if v not in {None, ""}]
        return table(facts, ("figure", "value"))

    def frame(self) -> pd.DataFrame:
        """One row with every figure, layout and interval, as pandas."""
        from planner.estimate.rows import estimate_row
        from planner.tables import frame_of

        return frame_of([estimate_row(self)])

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return plain(self)


def estimate_training(
    *,
    model: str,
    system: str,
    chips: int,
    chip: str | None = None,
    cooling: str | None = None,
    sequence_length: int = 4096,
    global_batch: int = 1024,
    precision: str = "bf16",
    tp: int | None = None,
    pp: int | None = None,
    vpp: int | None = None,
    cp: int | None = None,
    ep: int | None = None,
    micro_batch: int | None = None,
    zero_stage: int | None = None,
    recompute: str | None = None,
    framework: str = "default",
    best: bool = False,
    catalog: Catalog | None = None,
) -> TrainingEstimation:
    """Step time, memory and MFU of training ``model`` on ``chips`` chips.

    ``sequence_length`` in tokens, ``global_batch`` in sequences; ``recompute``: none, selective or full;
    ``framework``: maturity of the stack, one of ``scenario.workloads.Framework``. What is left out takes ``DEFAULTS``
    (every width 1, ZeRO 1, no recomputation; sequence parallelism goes with tp > 1), and data parallelism is what is
    left: ``chips / (tp pp cp)``. With ``best`` every legal layout that agrees with what is given is priced, and the
    fastest that fits is returned. A layout that is given is returned whether it fits or not (``fits``).

    Raises ``InputError`` for unknown names, and for a layout that is not legal with the nearest that is;
    ``UnknownFigureError`` when a figure of the hardware is not published (``Catalog.with_assumptions`` supplies it).
    """
    known = catalog if catalog is not None else load_catalog()
    given = _given(
        chips, sequence_length, global_batch, recompute,
        {"tp": tp, "pp": pp, "vpp": vpp, "cp": cp, "ep": ep, "micro_batch": micro_batch, "zero_stage": zero_stage},
    )  # fmt: skip
    arch = language_model(known, model)
    machine = machine_of(known, system, chip, cooling)
    platform = machine.platform
    name = normalise_precision(precision)
    if framework not in FRAMEWORKS:
        raise InputError(list(unknown_name("training stack", framework, FRAMEWORKS, path="framework").problems))
    stack = get_profile(framework)
    _has_precision(machine.chip.id, platform, name)
    job = TrainingJob(arch, sequence_length, global_batch, name)
    pinned = given if best else {**DEFAULTS, **given}
    enumerated = fit = 1
    if best:
        layout, enumerated, fit = _best(job, platform, stack, chips, pinned)
    else:
        layout = training_grid(job, platform, chips, tidy_grid(pinned))
        if layout.size != 1:
            raise refuse(job, platform, chips, pinned, given)
    found = price(job, platform, layout, stack)
    return _estimation(
        job, platform, stack, layout, found,
        model=arch.id, system=machine.system.id, chip=machine.chip.id, cooling=machine.cooling_id,
        best=best, enumerated=enumerated, candidates=fit if best else int(found.fits[0]),
    )  # fmt: skip


def _given(
    chips: int, sequence_length: int, global_batch: int, recompute: str | None, widths: Mapping[str, int | None]
) -> dict[str, int]:
    """The widths that were given, as the numbers of a layout. Raises ``InputError`` with everything wrong at once."""
    problems = [
        *whole("chips", chips),
        *whole("sequence_length", sequence_length),
        *whole("global_batch", global_batch),
    ]
    for name, value in widths.items():
        problems += whole(name, value, 0 if name == "zero_stage" else 1)
    if (stage := widths["zero_stage"]) is not None and stage not in range(4):
        problems.append(Problem("is no ZeRO stage", path="zero_stage", found=str(stage), allowed="0, 1, 2, 3"))
    given = {name: value for name, value in widths.items() if value is not None}
    if recompute is not None:
        if recompute in RECOMPUTE:
            given["recompute"] = RECOMPUTE.index(recompute)
        else:
            problems += unknown_name("recomputation", recompute, RECOMPUTE, path="recompute").problems
    if problems:
        raise InputError(problems)
    return given


def _has_precision(chip: str, platform: Platform, name: str) -> None:
    recipe = RECIPES[name]
    if recipe.peak in platform.peak_flops:
        return
    has = [p for p, r in RECIPES.items() if r.peak in platform.peak_flops]
    raise InputError(
        Problem(
            f"{chip} has no known {recipe.peak} rate to train in {name}",
            path="precision",
            allowed=", ".join(has),
            remedy=f"If it has one, assume it: chips.{chip}.{recipe.catalog_field}.",
        )
    )


def _best(
    job: TrainingJob, platform: Platform, stack: Profile, chips: int, pinned: Mapping[str, int]
) -> tuple[TrainingCandidates, int, int]:
    """The fastest layout that fits, how many were looked at and how many fit."""
    enumerated = fit = 0
    winner: TrainingCandidates | None = None
    fastest = least = np.inf
    limit = 0.0
    for part in training_grid_chunks(job, platform, chips, tidy_grid(pinned)):
        found = price(job, platform, part, stack, detail=False, only_fitting=True)
        enumerated += part.size
        fits = np.flatnonzero(found.fits)
        fit += len(fits)
        at = int(np.argmin(found.memory_bytes))
        if found.memory_bytes[at] < least:
            least, limit = float(found.memory_bytes[at]), float(found.memory_limit_bytes[at])
        if len(fits):
            at = int(fits[np.argmin(found.step_time_s[fits])])
            if found.step_time_s[at] < fastest:
                fastest, winner = float(found.step_time_s[at]), part.take([at])
    if not enumerated:
        raise refuse(job, platform, chips, pinned, pinned)
    if winner is None:
        raise InputError(
            Problem(
                f"{job.model.id} fits in memory in none of {enumerated:,} legal layouts on {chips:,} chips",
                path="chips",
                found=f"{least / 1e9:.4g} GB a chip at least",
                allowed=f"at most {limit / 1e9:.4g} GB",
                remedy="Try more chips, or chips with more memory.",
            )
        )
    return winner, enumerated, fit


def _estimation(
    job: TrainingJob,
    platform: Platform,
    stack: Profile,
    layout: TrainingCandidates,
    found: TrainingEstimate,
    **names: Any,
) -> TrainingEstimation:
    degrees = {name: int(getattr(layout, name)[0]) for name in (*AXES, "dp", "sp")}
    chips = int(layout.chips[0])
    step = float(found.step_time_s[0])
    correction, runs = measured_runs(job, platform, stack, layout)
    return TrainingEstimation(
        kind="training",
        chips=chips,
        systems=-(-chips // platform.system_chips),
        precision=job.precision,
        sequence_length=job.sequence_length,
        global_batch=job.global_batch,
        parallelism=Parallelism(
            tp=degrees["tp"], pp=degrees["pp"], vpp=degrees["vpp"], dp=degrees["dp"], cp=degrees["cp"],
            ep=degrees["ep"], sp=bool(degrees["sp"]), micro_batch=degrees["micro_batch"],
            global_batch=job.global_batch, zero_stage=degrees["zero_stage"],
            recompute=RECOMPUTE[degrees["recompute"]],
            schedule="interleaved 1F1B" if degrees["vpp"] > 1 else "1F1B" if degrees["pp"] > 1 else None,
        ),
        step_time_s=step,
        tokens_per_s=float(found.tokens_per_s[0]),
        tokens_per_s_per_chip=float(found.tokens_per_s_per_chip[0]),
        model_tflops_per_chip=float(found.model_tflops_per_chip[0]),
        mfu=float(found.mfu[0]),
        peak_tflops_per_chip=platform.peak_flops[RECIPES[job.precision].peak] / 1e12,
        memory_gb_per_chip=float(found.memory_bytes[0]) / 1e9,
        memory_limit_gb_per_chip=float(found.memory_limit_bytes[0]) / 1e9,
        fits=bool(found.fits[0]),
        breakdown_s={k: float(v[0]) for k, v in found.breakdown.items() if v[0]},
        memory_gb={k: float(v[0]) / 1e9 for k, v in found.memory.items() if v[0]},
        interval=Interval(
            quantity="step_time_s",
            low=step * float(found.low80[0]),
            high=step * float(found.high80[0]),
            basis=_basis(platform, float(log_deviation(job, platform, stack, layout)[0])),
        ),
        framework=stack.name,
        measured_correction=correction,
        measured_runs=tuple(runs),
        ordering=shipped_training_calibration().order,
        **names,
    )  # fmt: skip


def _basis(platform: Platform, deviation: float) -> str:
    """Where the interval comes from."""
    known = [r for r in platform.neighbours.runs if r.family == platform.family]
    text = f"80% of measured runs as uncertain as this one ({deviation:.0%} from what is known), left out in turn"
    if not platform.neighbours.runs:
        return "an assumed width: no calibration is installed"
    return text if known else f"{text}; none is on {platform.family}"
