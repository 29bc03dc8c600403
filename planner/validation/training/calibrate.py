"""Refit the levels of training from carried measurements: ``python -m planner.validation.training.calibrate``."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from planner.catalog import Catalog, load_catalog
from planner.catalog.load import catalog_folder
from planner.performance.measured.calibration import (
    TrainingCalibration,
    calibrate_training,
    calibration_yaml,
    effect_names,
    left_out_levels,
    level_of,
)
from planner.performance.measured.neighbours import Neighbours, neighbours_csv
from planner.performance.measured.observation import Observation
from planner.performance.measured.ordering import OrderShare
from planner.performance.training.step import names_of
from planner.validation.cases import Case, read_cases
from planner.validation.pairs import Run, order_shares
from planner.validation.training.rows import Answer, Setup, answer, is_pretraining, may_fit, with_pod_networks
from planner.workload.parameters import parameter_counts


def measured_step_s(a: Answer) -> float | None:
    """Seconds of a step a row says it took, from its step time or its rate; None where it gives neither."""
    if a.setup is None:
        return None
    step = a.case.number("step_time_s")
    if step and a.case.text("global_batch"):
        return step
    tokens = float(a.setup.job.sequence_length) * a.setup.job.global_batch
    rate = a.case.number("tokens_per_s_per_chip")
    if rate:
        return tokens / rate / a.setup.chips
    tflops = a.case.number("model_tflops_per_chip")
    if tflops:
        return a.step_s * a.tflops / tflops
    return None


def observations_of(answers: Sequence[Answer]) -> list[Observation]:
    """What the answered pre-training rows say about the level, prediction brought back to level one."""
    found: list[Observation] = []
    for a in answers:
        measured = measured_step_s(a)
        if a.setup is None or measured is None or not is_pretraining(a.case):
            continue
        s = a.setup
        names = names_of(s.job, s.platform, s.profile)
        ratio = measured / a.step_s * level_of(s.platform.efficiency, effect_names(names))
        if not math.isfinite(ratio) or ratio <= 0:
            continue
        group = " | ".join((a.case.source, a.case.text("model"), a.case.text("chip"), a.case.text("precision")))
        found.append(
            Observation(
                group=group,
                source=a.case.source,
                family=names.family,
                chip=names.chip,
                profile=names.profile,
                precision=names.precision,
                experts=names.experts,
                ratio=ratio,
                fit=may_fit(a.case),
                case_id=a.case.case_id,
                rate=float(s.job.sequence_length) * s.job.global_batch / measured / s.chips,
                shape=_shape_of(s),
                model=s.job.model.id,
                generation=names.generation,
                code=s.profile.code_base,
                year=a.case.whole("year") or 0,
                recompute=f"{int(s.candidate.recompute[0])}{' in part' if s.partial_recompute else ''}",
            )
        )
    return found


def _shape_of(s: Setup) -> tuple[float, ...]:
    """Logarithms (base two) of a row's widths and sizes: ``process.SHAPE``."""
    c, job = s.candidate, s.job
    widths = (c.tp, c.pp, c.vpp, c.cp, c.ep, c.micro_batch)
    sizes = (
        float(job.sequence_length),
        float(s.chips),
        float(parameter_counts(job.model).active),
        job.global_batch * job.sequence_length / s.chips,
    )
    return tuple(math.log2(x) for x in (*(float(w[0]) for w in widths), *sizes))


def answers_of(cases: Sequence[Case], catalog: Catalog) -> list[Answer]:
    """Every row priced by the physical model and its effects, without what measured runs near it leave over."""
    ready, none = with_pod_networks(catalog), Neighbours()
    return [answer(case, ready, none) for case in cases]


def calibrate(cases: Sequence[Case], catalog: Catalog) -> TrainingCalibration:
    """The calibration of all rows that may be fitted, with its error when whole sources are left out."""
    observations = observations_of(answers_of(cases, catalog))
    return replace(calibrate_training(observations), order=training_order(observations))


def training_order(observations: Sequence[Observation]) -> tuple[OrderShare, ...]:
    """How often the model orders pairs of runs of one source, model and precision by their tokens/s per chip."""
    runs = [
        Run((o.source, o.group.split(" | ")[1], o.precision), o.chip, o.rate, o.rate * o.ratio / level)
        for o, level in zip(observations, left_out_levels(observations), strict=True)
    ]
    return order_shares("tokens_per_s_per_chip", runs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the calibration into the catalog folder (or the file named)."""
    parser = argparse.ArgumentParser(description="Refit the levels of training time from measurements.")
    folder = catalog_folder()
    parser.add_argument("--cases", type=Path, default=folder / "measurements" / "training.csv")
    parser.add_argument("--out", type=Path, default=folder / "calibration" / "training.yaml")
    chosen = parser.parse_args(arguments)
    result = calibrate(read_cases(chosen.cases), load_catalog())
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(calibration_yaml(result), encoding="utf-8")
    runs = chosen.out.with_name(f"{chosen.out.stem}_runs.csv")
    runs.write_text(neighbours_csv(result.neighbours), encoding="utf-8")
    return 0


__all__ = ["answers_of", "calibrate", "main", "measured_step_s", "observations_of", "training_order"]

if __name__ == "__main__":
    raise SystemExit(main())
