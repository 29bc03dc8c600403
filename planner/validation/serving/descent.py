"""Damped Gauss-Newton for the constants of the serving model: residuals, their slopes, and the descent.

Residuals are log(predicted / measured) of every measured figure of the rows that may be fitted. Unknowns are logarithms
of bounded constants, each with a prior: a chip family's constant lies near that of all families together, an engine's
near where it starts, the rest near their defaults. So a family or an engine with few rows is shrunk to its kind, and
one with none has what the prior says.

Weights: a figure counts as its quantity does, and the n figures of one (source, engine, model, chip, quantity) together
as sqrt(n) would, which lies between counting rows and counting groups; large errors weigh like absolute, not squared,
ones, and errors beyond ``FAR`` say "another mechanism" and weigh less and less.

Slopes are finite differences, each over the rows that its constant can touch. A fit with rows left out (another mask)
starts from the same point and may reuse the slopes: the residuals it descends on are always computed anew.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Catalog
from planner.performance.laws import family_of
from planner.performance.platform import Platform
from planner.performance.serving.profile import (
    ServingCalibration,
    ServingProfile,
    engine_key,
    kin_of,
    serving_family,
)
from planner.validation.cases import Case
from planner.validation.serving.cases import MEASURED, ServingCase, UnansweredError, read_case
from planner.validation.serving.rows import ServingPredictor, bench_of, group_key

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Key = tuple[str, str, str]  # (part, name, constant)

NOISE = 0.15
"""|log error| of a figure that no constants could remove: release to release, run to run."""
NEAR, FAR = 0.05, 1.0
JOBS = 3
"""Jobs of a source, engine, chip, model and precision that a descent looks at; left-out errors are of all of them."""
_SLOPE_STEP = 0.04
_LONGEST = 0.5


@dataclass(frozen=True)
class Figure:
    """One measured figure: which case, which quantity, its value and tags for grouping."""

    case: int
    quantity: str
    measured: float
    source: str
    engine: str
    release: str
    family: str
    chip: str
    model: str


class Residuals:
    """log(predicted / measured) of the figures of some rows, for any calibration; platforms are built once."""

    def __init__(self, rows: Sequence[Case], catalog: Catalog) -> None:
        self.catalog = catalog
        self.cases: list[ServingCase] = []
        self.figures: list[Figure] = []
        self._platforms: dict[tuple[str, str], Platform] = {}
        for raw in rows:
            try:
                case = read_case(raw.cells, catalog)
            except UnansweredError:
                continue
            chip = catalog.chip(case.chip)
            family = serving_family(chip.id, family_of(chip.id, chip.text("family")))
            for name in MEASURED:
                value = raw.number(name)
                if value and value > 0.0 and name != "power_w_per_chip":
                    self.figures.append(
                        Figure(
                            len(self.cases), name, value, case.source, engine_key(case.engine, case.year),
                            f"{case.engine} {case.release}" if case.release else "", family, case.chip, case.model,
                        )
                    )  # fmt: skip
            self.cases.append(case)
        self.case_of = np.array([f.case for f in self.figures], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.figures)

    def at(self, calibration: ServingCalibration, mask: Bools | None = None, *, over_budget: bool = False) -> Floats:
        """(m,) residuals; NaN where masked out, unanswered, or of more clients than the cache holds (unless asked)."""
        found = np.full(len(self), np.nan)
        chosen = np.arange(len(self)) if mask is None else np.flatnonzero(mask)
        wanted = sorted(set(self.case_of[chosen].tolist()))
        predictor = ServingPredictor(self.catalog, calibration, self._platforms)
        answers = predictor.predict([self.cases[i] for i in wanted])
        for j in chosen:
            figure = self.figures[j]
            case = self.cases[figure.case]
            answer = answers[case.case_id]
            if isinstance(answer, str) or (answer.over_budget and not over_budget):
                continue
            value = answer.quantity(figure.quantity, case)
            if value and math.isfinite(value):
                found[j] = math.log(value / figure.measured)
        return found

    def variants(
        self, calibrations: Sequence[ServingCalibration], parts: Mapping[tuple[str, str], Sequence[int]],
        mask: Bools | None = None,
    ) -> dict[tuple[int, int], float]:  # fmt: skip
        """Residuals by (figure, calibration), where that calibration may change the figure; ``parts``: which ones have
        another constant of a part (``everything`` or an engine's, a family's, a release's)."""
        chosen = np.arange(len(self)) if mask is None else np.flatnonzero(mask)
        by_case: dict[int, list[int]] = {}
        for j in chosen:
            by_case.setdefault(self.figures[j].case, []).append(int(j))
        kept: dict[tuple[object, ...], dict[int, ServingProfile]] = {}

        def profiles(case: ServingCase, platform: Platform) -> dict[int, ServingProfile]:
            family = serving_family(platform.chip_id, platform.family)
            engine, release = engine_key(case.engine, case.year), f"{case.engine} {case.release}"
            bench = bench_of(case, family)
            key = (family, engine, case.year, release, bench)
            if key not in kept:
                kin = ("families", kin_of(family))
                mine = (("everything", ""), kin, ("families", family), ("engines", engine), ("releases", release),
                        ("benches", bench))  # fmt: skip
                kept[key] = {
                    k: calibrations[k].profile(family, case.engine, year=case.year, release=case.release, bench=bench)
                    for part in mine
                    for k in parts.get(part, ())
                }
            return kept[key]

        predictor = ServingPredictor(self.catalog, calibrations[0], self._platforms)
        answers = predictor.variants([self.cases[i] for i in sorted(by_case)], profiles)
        found: dict[tuple[int, int], float] = {}
        for i, figures in by_case.items():
            case = self.cases[i]
            for k, answer in answers[case.case_id].items():
                if isinstance(answer, str) or answer.over_budget:
                    continue
                for at in figures:
                    value = answer.quantity(self.figures[at].quantity, case)
                    if value and math.isfinite(value):
                        found[at, k] = math.log(value / self.figures[at].measured)
        return found

    def per_chip(self, calibration: ServingCalibration) -> Floats:
        """(cases,) decoding requests a chip; NaN where unanswered."""
        answers = ServingPredictor(self.catalog, calibration, self._platforms).predict(self.cases)
        found = (answers[case.case_id] for case in self.cases)
        return np.array([math.nan if isinstance(a, str) else a.per_chip for a in found])

    def some(self, jobs: int, seed: int = 0) -> Bools:
        """(m,) figures of at most ``jobs`` jobs (one question, whatever its loads) of each source, engine, chip, model
        and precision, drawn at random but the same each time: what a descent needs, at a share of the time."""
        rng = np.random.default_rng(seed)
        kinds: dict[tuple[object, ...], dict[tuple[object, ...], list[int]]] = {}
        for i, case in enumerate(self.cases):
            kind = (case.source, case.engine, case.chip, case.model, case.precision, case.mode)
            kinds.setdefault(kind, {}).setdefault(group_key(case), []).append(i)
        kept = np.zeros(len(self.cases), dtype=np.bool_)
        for found in kinds.values():
            own = list(found.values())
            for k in rng.permutation(len(own))[:jobs]:
                kept[own[k]] = True
        return kept[self.case_of]

    def weights(self, quantities: Mapping[str, float]) -> Floats:
        """(m,) what each figure counts, before its error is known."""
        keys = [(f.source, f.engine, f.model, f.chip, f.quantity) for f in self.figures]
        size = Counter(keys)
        return np.array([quantities.get(k[4], 0.0) / math.sqrt(size[k]) for k in keys])


@dataclass(frozen=True)
class Prior:
    """Log of a constant, less that of ``value`` (times ``near``, where that is given), has deviation ``spread``;
    ``trend``: a constant and the power of it that the value is times as well."""

    value: float
    spread: float
    near: Key | None = None
    trend: tuple[Key, float] | None = None


@dataclass
class Descent:
    """Unknowns with bounds and priors over residuals. ``build`` makes a calibration of values by key."""

    residuals: Residuals
    keys: tuple[Key, ...]
    bounds: Sequence[tuple[float, float]]
    priors: Sequence[Prior]
    counts: Floats
    build: Callable[[Mapping[Key, float]], ServingCalibration]

    def calibration(self, theta: Floats) -> ServingCalibration:
        """The constants at a point (logarithms, (k,))."""
        return self.build({key: math.exp(v) for key, v in zip(self.keys, theta, strict=True)})

    def start(self) -> Floats:
        """Where the priors lie, (k,)."""
        at = {key: math.log(p.value) for key, p in zip(self.keys, self.priors, strict=True) if p.near is None}
        for key, p in zip(self.keys, self.priors, strict=True):  # a parent stands before its children
            if p.near is not None:
                at[key] = at[p.near] + math.log(p.value) + (at[p.trend[0]] * p.trend[1] if p.trend else 0.0)
        return np.array([at[key] for key in self.keys])

    def slopes(self, theta: Floats, here: Floats, among: Bools | None = None) -> Floats:
        """(m, k) change of the residuals with each unknown; 0 outside ``among``."""
        table = np.zeros((len(self.residuals), len(self.keys)))
        steps = np.where(theta + _SLOPE_STEP <= np.log([b[1] for b in self.bounds]), _SLOPE_STEP, -_SLOPE_STEP)
        moved = theta + np.diag(steps)
        calibrations = [self.calibration(row) for row in moved]
        parts: dict[tuple[str, str], list[int]] = {}
        for k, (part, name, _) in enumerate(self.keys):
            parts.setdefault((part, name), []).append(k)
        there = self.residuals.variants(calibrations, parts, among)
        for (j, k), value in there.items():
            table[j, k] = (value - here[j]) / steps[k]
        return np.nan_to_num(table)

    def pull(self) -> tuple[Floats, Floats]:
        """Rows of the priors: (p, k) matrix and (p,) offsets, in units of their deviations."""
        place = {key: i for i, key in enumerate(self.keys)}
        matrix = np.zeros((len(self.keys), len(self.keys)))
        offset = np.zeros(len(self.keys))
        for i, prior in enumerate(self.priors):
            matrix[i, i] = 1.0 / prior.spread
            offset[i] = math.log(prior.value) / prior.spread
            if prior.near is not None:
                matrix[i, place[prior.near]] -= 1.0 / prior.spread
            if prior.trend is not None:
                matrix[i, place[prior.trend[0]]] -= prior.trend[1] / prior.spread
        return matrix, offset

    def cost(self, theta: Floats, here: Floats, mask: Bools) -> float:
        """What is minimised: weighted absolute errors, saturating, and the priors."""
        matrix, offset = self.pull()
        error = np.abs(here[mask])
        counted = self.counts[mask]
        known = np.isfinite(error)
        loss = np.sqrt(error[known] ** 2 + NEAR**2)
        loss = FAR * np.arctan(loss / FAR)
        return float(np.sum(counted[known] * loss) / NOISE + 0.5 * np.sum((matrix @ theta - offset) ** 2))

    def descend(
        self,
        theta: Floats,
        mask: Bools,
        *,
        rounds: int,
        slopes: Floats | None = None,
        renew: int = 2,
        here: Floats | None = None,
    ) -> tuple[Floats, Floats, float]:
        """(point, slopes, cost) after ``rounds`` steps from ``theta`` on the figures of ``mask``.

        ``here``: the residuals at ``theta`` where they are known. ``slopes`` given are kept throughout; else they are
        taken anew every ``renew`` steps.
        """
        matrix, offset = self.pull()
        low = np.log([b[0] for b in self.bounds])
        high = np.log([b[1] for b in self.bounds])
        theta = np.clip(theta, low, high)
        if here is None:
            here = self.residuals.at(self.calibration(theta), mask)
        best = self.cost(theta, here, mask)
        table = self.slopes(theta, here, mask) if slopes is None else slopes
        damping = 1.0
        for turn in range(rounds):
            if slopes is None and turn and turn % renew == 0:
                table = self.slopes(theta, here, mask)
            used = mask & np.isfinite(here)
            error = here[used]
            size = np.sqrt(error**2 + NEAR**2)
            weight = self.counts[used] / NOISE / size / (1.0 + (size / FAR) ** 2)
            j = table[used]
            normal = j.T @ (weight[:, None] * j) + matrix.T @ matrix
            gradient = j.T @ (weight * error) + matrix.T @ (matrix @ theta - offset)
            better = False
            for _ in range(5):
                # what lies on a bound and would leave it is held there
                free = ~(((theta <= low + 1e-9) & (gradient > 0)) | ((theta >= high - 1e-9) & (gradient < 0)))
                held = normal + damping * np.diag(np.diag(normal)) * 0.05 + 1e-9 * np.eye(len(theta))
                move = np.zeros_like(theta)
                move[free] = -np.linalg.solve(held[np.ix_(free, free)], gradient[free])
                trial = np.clip(theta + np.clip(move, -_LONGEST, _LONGEST), low, high)
                there = self.residuals.at(self.calibration(trial), mask)
                found = self.cost(trial, there, mask)
                if found < best:
                    better = best - found > 1e-4 * best
                    theta, here, best = trial, there, found
                    damping = max(damping * 0.4, 1e-3)
                    break
                damping *= 6.0
            if not better and (slopes is not None or turn % renew == 0):
                break
        return theta, table, best
