"""What the serving model says of runs whose source, engine, chips, models, precision or year it has not seen.

Each unit of each cut (``cuts``) is predicted by constants and levels fitted to all other rows. The constants' fit
starts where the whole fit ended, with its slopes: what is left out is taken back on residuals that change in
proportion, and the rows left out are then priced anew. Levels are solved without them; only how much names of a kind
differ (their variances) is taken from all rows. Intervals are the spread of these errors by how well the levels were
known.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner.performance.measured.levels import Effect, Levels, knots_of
from planner.performance.serving.levels import COVARIATES, KNOWN_KINDS, PACE_KINDS, TTFT_KINDS
from planner.performance.serving.profile import ServingCalibration
from planner.validation.serving.cuts import CUTS
from planner.validation.serving.descent import FAR, JOBS, NEAR, NOISE, Bools, Descent, Figure, Floats, Residuals
from planner.validation.serving.effects import NUISANCE, Mixed, Variances, with_known
from planner.validation.serving.observed import Runs
from planner.validation.serving.rows import bench_of

ROUNDS = 4
MANY, DESCENTS = 300, 2
"""Figures without which the fit descends again, and how often."""
MOST, FAR_DESCENTS = 0.4, 8
"""Share of all figures without which it ends far from where it began: more descents then, with slopes taken anew."""
LONGEST = 1.0
"""No constant moves further than this, as a logarithm, when rows are left out."""


@dataclass(frozen=True)
class Seen:
    """A figure predicted without its unit of a cut: ``error`` is log(predicted / measured); ``deviation`` is that of
    its level, ``missing`` the kinds of names it does not know; ``over_budget``: more clients than the cache holds."""

    cut: str
    unit: str
    figure: Figure
    error: float
    deviation: float
    missing: tuple[str, ...]
    mode: str
    moe: bool
    precision: str
    lengths: tuple[float, float]
    load: float
    drafts: bool

    @property
    def relative(self) -> float:
        """|predicted / measured - 1|."""
        return abs(math.expm1(self.error))

    @property
    def slower(self) -> float:
        """Log of measured over predicted time: a rate counts as its inverse."""
        return -self.error if self.figure.quantity.endswith("_ms") else self.error


class Fitted:
    """Constants and levels fitted to all rows, and what is needed to fit them without some."""

    def __init__(self, problem: Descent, theta: Floats, slopes: Floats) -> None:
        self.problem, self.theta, self.slopes = problem, theta, slopes
        residuals = problem.residuals
        base = problem.calibration(theta)
        self.residual = residuals.at(base)
        self.few = residuals.some(JOBS)
        self.runs = Runs(residuals, residuals.per_chip(base))
        self.told = told_benches(residuals)
        self.bare = residuals.at(self._told(base))
        self.known = self.runs.pace(self.bare)
        every = Mixed(self.known, _kinds({**PACE_KINDS, **KNOWN_KINDS}), len(COVARIATES)).variances()
        self.apart = {kind: math.sqrt(every.kinds[kind][0]) for kind in KNOWN_KINDS}
        self.pace = Mixed(self.known, _kinds(PACE_KINDS), len(COVARIATES))
        self.pace_variances = self.pace.variances()
        pace = self._paces()
        bare = replace(base, benches={})
        slower = residuals.at(replace(bare, pace=_everywhere(SLOWER)), over_budget=True)
        change = (slower - residuals.at(bare, over_budget=True)) / SLOWER
        self.follows = np.nan_to_num(change, nan=1.0)  # of each figure: change with the pace of steps, as logarithms
        self.ttft = Mixed(self.runs.ttft(self._paced(self.bare, pace)), _kinds(TTFT_KINDS), len(COVARIATES))
        self.ttft_variances: Variances = self.ttft.variances()
        ttft = self.ttft.levels(COVARIATES, self.ttft_variances)
        self.calibration = replace(base, pace=pace, ttft=ttft, benches={})

    def without(self, figures: Bools) -> ServingCalibration:
        """The calibration fitted to all but some figures.

        Few figures move the constants little: residuals then change in proportion to them. Without many, the fit
        descends again on what is left, and levels are of the residuals there.
        """
        problem, residuals = self.problem, self.problem.residuals
        theta = self.theta + self._moved(~figures)
        left = self.few & ~figures
        many = int(np.sum(self.few & figures)) >= MANY
        if many:
            theta = self._descended(theta, left)
        base = problem.calibration(theta)
        cases = np.zeros(len(residuals.cases), dtype=np.bool_)
        cases[residuals.case_of[figures]] = True
        if many:
            rest = residuals.at(self._told(base), ~figures)
        else:
            rest = self.bare + np.where(figures, np.nan, self.slopes @ (theta - self.theta))
        self.pace.y = np.array([r.value for r in self.runs.pace(rest)])
        pace = self._paces(~cases)
        self.ttft.y = np.array([r.value for r in self.runs.ttft(self._paced(rest, pace))])
        ttft = self.ttft.levels(COVARIATES, self.ttft_variances, ~cases)
        return replace(base, pace=pace, ttft=ttft, benches={})

    def _told(self, base: ServingCalibration) -> ServingCalibration:
        """The calibration with hosts of those benches alone that others tell apart."""
        return replace(base, benches={name: v for name, v in base.benches.items() if name in self.told})

    def _paced(self, residuals: Floats, pace: Levels) -> Floats:
        """Residuals of a calibration without levels as they are with those of the pace of steps."""
        runs = self.runs
        shift = [float(pace.at(n).value @ x) if n else 0.0 for n, x in zip(runs.names, runs.covariates, strict=True)]
        return np.asarray(residuals + self.follows * np.array(shift)[self.problem.residuals.case_of])

    def _paces(self, mask: Bools | None = None) -> Levels:
        """Levels of the time of steps on the runs of ``mask``."""
        levels = self.pace.levels(COVARIATES, self.pace_variances, mask)
        return with_known(levels, self.known, self.apart, mask)

    def _descended(self, theta: Floats, used: Bools) -> Floats:
        """The constants fitted to the figures of ``used``, from ``theta`` or the whole fit, whichever is nearer."""
        problem = self.problem
        here = problem.residuals.at(problem.calibration(theta), used)
        if problem.cost(theta, here, used) >= problem.cost(self.theta, self.residual, used):
            theta, here = self.theta, self.residual
        if np.sum(used) < (1.0 - MOST) * np.sum(self.few):
            return problem.descend(theta, used, rounds=FAR_DESCENTS, renew=3, here=here)[0]
        return problem.descend(theta, used, rounds=DESCENTS, slopes=self.slopes, here=here)[0]

    def _moved(self, used: Bools) -> Floats:
        """How far the constants move when only some figures are fitted, residuals changing in proportion."""
        problem = self.problem
        matrix, offset = problem.pull()
        low = np.log([b[0] for b in problem.bounds]) - self.theta
        high = np.log([b[1] for b in problem.bounds]) - self.theta
        low, high = np.maximum(low, -LONGEST), np.minimum(high, LONGEST)
        known = used & np.isfinite(self.residual) & self.few
        j, here, counts = self.slopes[known], self.residual[known], problem.counts[known]
        move = np.zeros_like(self.theta)
        free = np.ones(move.size, dtype=np.bool_)
        for _ in range(ROUNDS):
            size = np.sqrt((here + j @ move) ** 2 + NEAR**2)
            weight = counts / NOISE / size / (1.0 + (size / FAR) ** 2)
            normal = j.T @ (weight[:, None] * j) + matrix.T @ matrix + 1e-9 * np.eye(move.size)
            right = -(j.T @ (weight * here) + matrix.T @ (matrix @ self.theta - offset))
            held = np.where(free, 0.0, move)
            found = move.copy()
            found[free] = np.linalg.solve(normal[np.ix_(free, free)], (right - normal @ held)[free])
            move = np.clip(found, low, high)
            free = (found >= low) & (found <= high)
        return move


def told_benches(residuals: Residuals) -> frozenset[str]:
    """Benches of whose engines one at least is measured on the same family of chips by another bench.

    Elsewhere nothing says whether hosts or the engine on those chips took the time, so levels keep it: a plan for that
    engine and family counts with it.
    """
    who: dict[tuple[str, str], set[str]] = {}
    for f in residuals.figures:
        who.setdefault((f.engine, f.family), set()).add(bench_of(residuals.cases[f.case], f.family))
    return frozenset(name for names in who.values() if len(names) > 1 for name in names)


SLOWER = 0.1
"""By which logarithm steps are slowed to see how figures follow them."""


def _everywhere(value: float) -> Levels:
    """Levels that slow every step by one factor."""
    zeros = (0.0,) * (len(COVARIATES) - 1)
    return Levels(COVARIATES, {"all=all": Effect((value, *zeros), (0.0, *zeros))}, {"all": (1.0, *zeros)}, 0.1)


def _kinds(kinds: object) -> dict[str, Sequence[int]]:
    return {**dict(kinds), **dict.fromkeys(NUISANCE, (0,))}  # type: ignore[call-overload]


def left_out(fitted: Fitted, cuts: Sequence[str] = tuple(CUTS)) -> Iterator[Seen]:
    """Every figure predicted without its unit of every cut."""
    residuals = fitted.problem.residuals
    for cut in cuts:
        units = [
            CUTS[cut](f, residuals.cases[f.case], fitted.runs.model_family[f.case]) for f in residuals.figures
        ]  # fmt: skip
        for unit in dict.fromkeys(units):
            own = np.array([u == unit for u in units])
            calibration = fitted.without(own)
            errors = residuals.at(calibration, own, over_budget=True)
            for j in np.flatnonzero(own & np.isfinite(errors)):
                f = residuals.figures[j]
                case = residuals.cases[f.case]
                levels = calibration.ttft if f.quantity == "ttft_ms" else calibration.pace
                level = levels.at(fitted.runs.names[f.case])
                deviation = float(levels.deviation(level, fitted.runs.covariates[f.case]))
                yield Seen(
                    cut, unit, f, float(errors[j]), deviation, level.missing, case.mode, case.moe,
                    case.precision, (case.input_tokens, case.output_tokens), case.concurrency, case.draft_tokens > 0,
                )  # fmt: skip


NOVEL: Mapping[str, str] = {"engine": "engine", "chip family": "chips", "model family": "model"}
"""Kind of name that no run has when a unit of a cut is left out."""


def with_intervals(
    calibration: ServingCalibration, seen: Sequence[Seen]
) -> tuple[ServingCalibration, tuple[Seen, ...]]:
    """The calibration with 80% intervals from what was left out, by class of deviation, and the figures with theirs.

    What names of a kind differ by, fitted among levels, leaves out what constants of an engine or a family of chips
    have said already; so a name nobody measured counts as far off as names of its kind were when left out.
    """
    found: list[Seen] = []
    tables: dict[str, Levels] = {}
    for name, levels in (("pace", calibration.pace), ("ttft", calibration.ttft)):
        own = [s for s in seen if (s.figure.quantity == "ttft_ms") == (name == "ttft")]
        kinds = dict(levels.kinds)
        added = {}
        for cut, kind in NOVEL.items():
            off = [s for s in own if s.cut == cut]
            if kind in kinds and len(off) >= 50:
                low, high = np.quantile([s.slower for s in off], (0.1, 0.9))
                known = float(np.median([s.deviation**2 for s in off])) - kinds[kind][0] ** 2
                wide = max(float(high - low) ** 2 / 2.5631**2 - known, kinds[kind][0] ** 2)
                added[kind] = wide - kinds[kind][0] ** 2
                kinds[kind] = (math.sqrt(wide), *kinds[kind][1:])
        own = [replace(s, deviation=math.sqrt(s.deviation**2 + sum(added.get(k, 0.0) for k in s.missing))) for s in own]
        knots = knots_of([s.slower for s in own], [s.deviation for s in own]) if own else ()
        tables[name] = replace(levels, kinds=kinds, knots=knots)
        found += own
    return replace(calibration, pace=tables["pace"], ttft=tables["ttft"]), tuple(found)


def holds(s: Seen, calibration: ServingCalibration) -> bool:
    """Whether the interval at the figure's deviation holds it."""
    levels = calibration.ttft if s.figure.quantity == "ttft_ms" else calibration.pace
    low, high = levels.ends(np.array(s.deviation))
    return bool(math.log(float(low)) <= s.slower <= math.log(float(high)))
