"""Decisions that published measurements let one make again: several chips or layouts, measured under one load.

Every candidate is predicted without its source. Of layouts (one source, model, chip, precision, number of chips and
load) the time of a token counts; of chips (one source, model and load) what a token costs in capital: that time by the
list price of a chip's share of its usual system.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner.catalog import Catalog
from planner.catalog.load import catalog_folder
from planner.errors import PlannerError
from planner.performance.measured.calibration import left_out
from planner.performance.measured.levels import Levels
from planner.performance.measured.observation import Observation
from planner.performance.measured.process import SHAPE
from planner.performance.serving.levels import COVARIATES, PACE_KINDS
from planner.performance.serving.profile import shipped_serving_calibration
from planner.validation.cases import Case, read_cases
from planner.validation.serving.cases import family_of_source
from planner.validation.serving.descent import Residuals
from planner.validation.serving.effects import NUISANCE, Mixed
from planner.validation.serving.observed import Runs
from planner.validation.training.calibrate import answers_of, observations_of

LAYOUTS, CHIPS = "layouts", "chips"
LEAST_APART = 0.03
"""Decisions whose best and worst measured candidates are nearer than this (a logarithm) are none."""
Key = tuple[object, ...]


@dataclass(frozen=True)
class Candidate:
    """One way: logarithms of its cost as measured and as predicted without its source, and the latter's deviation."""

    name: str
    measured: float
    predicted: float
    deviation: float


@dataclass(frozen=True)
class Decision:
    """Candidates of one question; ``kind``: training or serving, layouts or chips; ``source``: who measured them."""

    kind: str
    source: str
    name: str
    candidates: tuple[Candidate, ...]

    @property
    def residuals(self) -> np.ndarray:
        """Measured over predicted (n,), logarithms, without what all candidates have in common."""
        off = np.array([c.measured - c.predicted for c in self.candidates])
        return np.asarray(off - off.mean())


def price_of(catalog: Catalog, chip: str) -> float | None:
    """USD of a chip's share of its usual system; None where nobody states one."""
    try:
        system = catalog.default_system(chip)
    except PlannerError:
        return None
    usd = system.get("price_usd")
    return None if not usd else usd / system.unit_chips


def _made(work: str, groups: Mapping[tuple[str, str, Key], Sequence[tuple[str, Candidate]]]) -> Iterable[Decision]:
    """Decisions of groups by (kind, source, key) of (chip, candidate)."""
    for (kind, source, key), some in groups.items():
        best: dict[str, Candidate] = {}
        for chip, c in some:  # runs alike but for what was measured are one candidate: their middle
            name = c.name if kind == LAYOUTS else f"{chip} {c.name}"
            best[name] = c if name not in best else _middle(best[name], c)
        chips = {chip for chip, _ in some}
        if len(best) < 2 or (kind == CHIPS and len(chips) < 2):
            continue
        measured = [c.measured for c in best.values()]
        if max(measured) - min(measured) < LEAST_APART:
            continue
        told = " | ".join(str(x) for x in key)
        yield Decision(f"{work}, {kind}", source, told, tuple(best.values()))


def _middle(a: Candidate, b: Candidate) -> Candidate:
    return replace(a, measured=(a.measured + b.measured) / 2, predicted=(a.predicted + b.predicted) / 2)


# -- training ----------------------------------------------------------------------------------------------------------


def training_decisions(rows: Sequence[Case], catalog: Catalog) -> list[Decision]:
    """Decisions of runs of training."""
    return of_observations(observations_of(answers_of(rows, catalog)), catalog)


def of_observations(observations: Sequence[Observation], catalog: Catalog) -> list[Decision]:
    """The same of rows that were priced already."""
    told = left_out(observations)
    groups: dict[tuple[str, str, Key], list[tuple[str, Candidate]]] = defaultdict(list)
    for o, level, deviation in zip(observations, told.levels, told.deviations, strict=True):
        if len(o.shape) != len(SHAPE) or o.rate <= 0:
            continue
        size = dict(zip(SHAPE, o.shape, strict=True))
        measured = -math.log(o.rate)
        c = Candidate(_layout(o), measured, measured + math.log(level / o.ratio), deviation)
        per_chip, sequence = round(size["tokens_per_chip"], 3), round(size["sequence_length"], 3)
        key = (o.model_name, o.chip, o.precision, o.profile, sequence, round(size["chips"], 3), per_chip)
        groups[LAYOUTS, o.source, key].append((o.chip, c))
        price = price_of(catalog, o.chip)
        if price is not None:
            shift = math.log(price)
            dear = replace(c, measured=c.measured + shift, predicted=c.predicted + shift)
            groups[CHIPS, o.source, (o.model_name, sequence)].append((o.chip, dear))
    return list(_made("training", groups))


def _layout(o: Observation) -> str:
    return f"{o.precision} {o.profile} {o.recompute} " + " ".join(f"{x:.3g}" for x in o.shape)


# -- serving -----------------------------------------------------------------------------------------------------------


def serving_decisions(rows: Sequence[Case], catalog: Catalog) -> list[Decision]:
    """Decisions of loads. Constants of the physical model stay those of the calibration, which have seen all sources;
    levels are fitted without the source in turn."""
    shipped = shipped_serving_calibration()
    residuals = Residuals(rows, catalog)
    base = replace(shipped, pace=Levels(COVARIATES), ttft=Levels(COVARIATES))
    left = residuals.at(base)
    runs = Runs(residuals, residuals.per_chip(base))
    mixed = Mixed(runs.pace(left), {**dict(PACE_KINDS), **dict.fromkeys(NUISANCE, (0,))}, len(COVARIATES))
    variances = mixed.variances()
    of = np.array([family_of_source(c.source) for c in residuals.cases])
    chips = {c.case_id: c.number("n_chips") for c in rows}
    groups: dict[tuple[str, str, Key], list[tuple[str, Candidate]]] = defaultdict(list)
    for source in dict.fromkeys(of.tolist()):
        levels = mixed.levels(COVARIATES, variances, of != source)
        for i in np.flatnonzero(of == source).tolist():
            case, count = residuals.cases[i], chips.get(residuals.cases[i].case_id)
            figure = next(
                (j for j in runs.by_case.get(i, ()) if residuals.figures[j].quantity == "output_tok_s_per_chip"), None
            )
            if figure is None or not runs.names[i] or not count or not math.isfinite(left[figure]):
                continue
            names = {k: v for k, v in runs.names[i].items() if k not in NUISANCE}
            level = levels.at(names)
            shift = float(level.value @ runs.covariates[i])
            measured = -math.log(residuals.figures[figure].measured)
            w = case.worker
            name = f"{case.engine} {case.precision} {w.tp} {w.pp} {w.ep} {w.attention_dp} {case.draft_tokens}"
            c = Candidate(
                name, measured, measured - float(left[figure]) + shift,
                float(levels.deviation(level, runs.covariates[i])),
            )  # fmt: skip
            load = (case.model, round(case.input_tokens), round(case.output_tokens), round(case.concurrency), case.mode)
            groups[LAYOUTS, source, (*load, case.chip, count)].append((case.chip, c))
            price = price_of(catalog, case.chip)
            if price is not None:
                usd = math.log(price)
                dear = replace(c, measured=c.measured + usd, predicted=c.predicted + usd)
                groups[CHIPS, source, (*load, count)].append((case.chip, dear))
    return list(_made("serving", groups))


def all_decisions(catalog: Catalog, only: str = "") -> list[Decision]:
    """Decisions of all carried measurements; ``only``: those of training or of serving."""
    folder = catalog_folder() / "measurements"
    found = []
    if only != "serving":
        found += training_decisions(read_cases(folder / "training.csv"), catalog)
    if only != "training":
        found += serving_decisions(read_cases(folder / "serving.csv"), catalog)
    return found
