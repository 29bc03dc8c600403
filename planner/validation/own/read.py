"""A user's own measurements: a table of runs, read, checked, and made into corrections of what is predicted near them.

The columns are those of ``planner validate --cases`` (catalog/measurements/training.csv and serving.csv), most of them
optional; one file may hold both kinds. Every row is predicted first as if nobody had measured it; what it was over that
is what it says (``Neighbours.with_own``, ``own_levels.with_runs``). Rows that cannot be used are named, all at once.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from planner.catalog import Catalog
from planner.errors import InputError, Problem, at_most
from planner.performance.laws import family_of
from planner.performance.measured.neighbours import Neighbours, shipped_neighbours
from planner.performance.measured.own_levels import OwnRun, group_name, with_runs
from planner.performance.measured.process import Run, run_of
from planner.performance.serving.levels import LAYOUTS, age_of, load_of, names_of, prompt_of
from planner.performance.serving.profile import (
    ServingCalibration,
    engine_key,
    serving_family,
    shipped_serving_calibration,
)
from planner.validation.cases import FIGURES, Case, read_cases
from planner.validation.own.readers import cells_of
from planner.validation.serving.cases import ServingCase, UnansweredError, read_case
from planner.validation.serving.modes import Answer, layout_of
from planner.validation.serving.rows import ServingPredictor
from planner.validation.training.calibrate import measured_step_s, observations_of
from planner.validation.training.rows import answer as answer_training

MOST_ROWS = 500
"""Rows of one file: conditioning on them takes their cube."""
CONTRADICTION = 10.0
"""Rows that are alike but for what was measured, by a factor of more than this, contradict each other."""
ANOTHER_UNIT = 20.0
"""What is off by more than this factor is of another unit, or of another run than its row says."""
RATES = ("output_tok_s_per_chip", "total_tok_s_per_chip")
SAID = ("case_id", "notes", "source_title", "source_url", "source_kind")


@dataclass(frozen=True)
class Told:
    """One row: what was measured, and what was predicted of it before and once all rows were known."""

    label: str
    quantity: str
    measured: float
    before: float
    after: float


@dataclass(frozen=True)
class OwnMeasured:
    """What a user's runs change. ``digest`` is of the file; ``catalog`` the catalog without them."""

    file: str
    digest: str
    catalog: Catalog
    rows: tuple[Told, ...]
    neighbours: Neighbours | None
    serving: ServingCalibration | None

    @property
    def count(self) -> int:
        """Rows that say something."""
        return len(self.rows)


def with_measurements(catalog: Catalog, path: Path) -> Catalog:
    """The catalog whose predictions know the runs of a file; the same file and catalog give the same object.

    Raises ``InputError`` listing every row that cannot be used, with its line.
    """
    plain = catalog.measured.catalog if isinstance(catalog.measured, OwnMeasured) else catalog
    if not path.is_file():
        raise InputError(Problem("there is no such file of measurements", file=str(path)))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    kept: dict[str, Catalog] = plain.__dict__.setdefault("_with_measurements", {})
    if digest not in kept:
        kept[digest] = plain.knowing(read_own(path, plain), digest)
    return kept[digest]


def read_own(path: Path, catalog: Catalog) -> OwnMeasured:
    """The corrections that the runs of a file make. Raises ``InputError`` as ``with_measurements``."""
    cases = [_with_log(case, path.parent) for case in read_cases(path, numbered=True)]
    problems = [*_contradictions(cases)]
    if not cases or len(cases) > MOST_ROWS:
        problems.append(Problem(f"has {len(cases)} rows", file=str(path), allowed=f"1 to {MOST_ROWS}"))
    if problems:
        raise InputError(at_most(problems, 50))
    training = [c for c in cases if c.text("seq_len") or c.text("global_batch")]
    serving = [c for c in cases if c not in training]
    trained, runs = _training(training, catalog, problems)
    served, calibration = _serving(serving, catalog, problems)
    if problems:
        raise InputError(at_most(problems, 50))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    neighbours = shipped_neighbours().with_own(runs) if runs else None
    return OwnMeasured(
        str(path), digest, catalog, (*_after(trained, runs, neighbours), *served), neighbours, calibration
    )


@dataclass(frozen=True)
class Foreseen:
    """A run that nobody has made yet: what is predicted of it, and what it would tell once it was made.

    ``quantity``: the column that it fills, ``step_time_s`` or ``tpot_ms``; ``low80``, ``high80``: ends of the 80%
    interval over the prediction; ``run``: as a row is that measured what is predicted.
    """

    quantity: str
    predicted: float
    low80: float
    high80: float
    run: Run | OwnRun

    def neighbours(self, before: Neighbours, residual: float) -> Neighbours:
        """Those of training once the run has come out at exp(``residual``) times what is predicted."""
        assert isinstance(self.run, Run)  # noqa: S101 - a run of training
        return before.with_own([replace(self.run, residual=residual)])

    def calibration(self, before: ServingCalibration, residual: float) -> ServingCalibration:
        """The same of serving."""
        assert isinstance(self.run, OwnRun)  # noqa: S101 - a run of serving
        return replace(before, pace=with_runs(before.pace, [replace(self.run, value=residual)]))


def foreseen(cells: Mapping[str, str], catalog: Catalog) -> Foreseen:
    """What a row without a figure would tell. Raises ``InputError`` where it cannot be predicted."""
    case = Case("proposed", {"case_id": "proposed", **cells})
    known = catalog.measured if isinstance(catalog.measured, OwnMeasured) else None
    if case.text("seq_len"):
        found = answer_training(case, catalog, None if known is None else known.neighbours)
        if found.setup is None:
            raise InputError(Problem(found.reason, found="proposed"))
        filled = replace(case, cells={**case.cells, "step_time_s": repr(found.step_s)})
        (seen,) = observations_of([replace(found, case=filled)])
        run = replace(run_of(seen, 0.0), source="own: proposed")
        return Foreseen("step_time_s", found.step_s, found.low, found.high, run)
    try:
        asked = read_case(case.cells, catalog)
    except UnansweredError as why:
        raise InputError(Problem(str(why), found="proposed")) from why
    answer = ServingPredictor(catalog, None if known is None else known.serving).predict([asked])[asked.case_id]
    if isinstance(answer, str):
        raise InputError(Problem(answer, found="proposed"))
    names, covariates = _names(asked, answer, catalog)
    return Foreseen(
        "tpot_ms", answer.tpot_s * 1e3, answer.ends[0], answer.ends[1], OwnRun(names, covariates, 0.0, "proposed")
    )


def _with_log(case: Case, folder: Path) -> Case:
    """A row with what the log that it names says."""
    if not case.text("log"):
        return case
    cells = cells_of(folder / case.text("log"), case.cells, case.line, case.file)
    return replace(case, cells={name: cell for name, cell in cells.items() if name != "log"})


# -- training ----------------------------------------------------------------------------------------------------------


def _training(
    cases: Sequence[Case], catalog: Catalog, problems: list[Problem]
) -> tuple[list[tuple[str, float, float]], list[Run]]:
    """(label, measured and predicted seconds of a step) and the runs of training rows."""
    told, runs = [], []
    for case in cases:
        found = answer_training(case, catalog)
        measured = measured_step_s(found)
        seen = observations_of([found])
        if found.setup is None or measured is None or not seen:
            why = (
                found.reason
                or "has no step_time_s with its global_batch, tokens_per_s_per_chip or model_tflops_per_chip"
            )
            problems.append(Problem(why, file=case.file, line=case.line, found=case.case_id))
            continue
        residual = math.log(measured / found.step_s)
        problems += _another_unit(case, "step_time_s", math.exp(residual))
        told.append((case.case_id, measured, found.step_s))
        runs.append(replace(run_of(seen[0], residual), source=f"own: {case.source}"))
    return told, runs


def _after(told: Sequence[tuple[str, float, float]], runs: Sequence[Run], neighbours: Neighbours | None) -> list[Told]:
    from planner.validation.own.training import job_of

    if neighbours is None:
        return []
    plain = shipped_neighbours()
    moved = [float(neighbours.log_shift(*job_of(r))[0]) - float(plain.log_shift(*job_of(r))[0]) for r in runs]
    return [
        Told(label, "step_time_s", measured, before, before * math.exp(shift))
        for (label, measured, before), shift in zip(told, moved, strict=True)
    ]


# -- serving -----------------------------------------------------------------------------------------------------------


def _serving(
    cases: Sequence[Case], catalog: Catalog, problems: list[Problem]
) -> tuple[list[Told], ServingCalibration | None]:
    """What serving rows were over what is predicted, and the calibration that knows them."""
    read: list[tuple[Case, ServingCase]] = []
    for raw in cases:
        try:
            if raw.impossible:
                raise UnansweredError(raw.impossible)
            read.append((raw, read_case(raw.cells, catalog)))
        except UnansweredError as why:
            problems.append(Problem(str(why), file=raw.file, line=raw.line, found=raw.case_id))
    if not read:
        return [], None
    plain = shipped_serving_calibration()
    before = ServingPredictor(catalog, plain).predict([case for _, case in read])
    paces, known = [], []
    for raw, case in read:
        answer = before[case.case_id]
        if isinstance(answer, str):
            problems.append(Problem(answer, file=raw.file, line=raw.line, found=raw.case_id))
            continue
        value, quantities = _pace(raw, case, answer)
        ttft = raw.number("ttft_ms")
        if not quantities and not ttft:
            need = "tpot_ms, output_tok_s_per_chip, total_tok_s_per_chip, ttft_ms"
            problems.append(Problem("measures nothing", file=raw.file, line=raw.line, found=raw.case_id, allowed=need))
            continue
        for name, ratio in quantities.items():
            problems += _another_unit(raw, name, ratio)
        names, covariates = _names(case, answer, catalog)
        known.append((raw, case, names, covariates))
        if quantities:
            paces.append(OwnRun(names, covariates, value, raw.case_id))
    calibration = replace(plain, pace=with_runs(plain.pace, paces))
    paced = ServingPredictor(catalog, calibration).predict([case for _, case, _, _ in known])
    firsts = []
    for raw, case, names, covariates in known:
        answer, measured = paced[case.case_id], raw.number("ttft_ms")
        if isinstance(answer, Answer) and measured:
            value = math.log(measured / (answer.ttft_s * 1e3))
            problems += _another_unit(raw, "ttft_ms", math.exp(value))
            firsts.append(OwnRun(names, covariates, value, raw.case_id))
    calibration = replace(calibration, ttft=with_runs(plain.ttft, firsts))
    after = ServingPredictor(catalog, calibration).predict([case for _, case, _, _ in known])
    told = []
    for raw, case, _, _ in known:
        for name in (*RATES, "tpot_ms", "ttft_ms"):
            measured, was, now = raw.number(name), before[case.case_id], after[case.case_id]
            if measured and isinstance(was, Answer) and isinstance(now, Answer):
                told.append(
                    Told(raw.case_id, name, measured, was.quantity(name, case) or 0.0, now.quantity(name, case) or 0.0)
                )
    return told, calibration


def _pace(raw: Case, case: ServingCase, answer: Answer) -> tuple[float, dict[str, float]]:
    """(log of measured over predicted time of tokens, measured over predicted of each quantity that says so)."""
    times: list[float] = []
    rates: list[float] = []
    ratios: dict[str, float] = {}
    for name in ("tpot_ms", *RATES):
        measured, predicted = raw.number(name), answer.quantity(name, case)
        if not measured or not predicted or measured <= 0:
            continue
        ratios[name] = measured / predicted
        (times if name == "tpot_ms" else rates).append(math.log(measured / predicted))
    parts = [sum(times) / len(times)] if times else []
    parts += [-sum(rates) / len(rates)] if rates else []
    return (sum(parts) / len(parts) if parts else math.nan), ratios


def _names(case: ServingCase, answer: Answer, catalog: Catalog) -> tuple[Mapping[str, str], np.ndarray]:
    chip = catalog.chip(case.chip)

    family = serving_family(chip.id, family_of(chip.id, chip.text("family")))
    model, engine = catalog.model(case.model), engine_key(case.engine, case.year)
    names = names_of(
        engine, family, case.front, model.family, case.moe, case.precision, LAYOUTS[int(layout_of(case)[0])],
        case.draft_tokens > 0,
    )  # fmt: skip
    names = {**names, "place": engine, "group": group_name(engine, family, model.family, case.precision)}
    load = float(load_of(np.array(answer.per_chip))) if math.isfinite(answer.per_chip) else 0.0
    return names, np.array([1.0, load, prompt_of(case.input_tokens), age_of(case.run, family)])


# -- what is wrong -----------------------------------------------------------------------------------------------------


def _another_unit(case: Case, quantity: str, ratio: float) -> list[Problem]:
    if 1.0 / ANOTHER_UNIT <= ratio <= ANOTHER_UNIT:
        return []
    times = f"{ratio:.3g} times" if ratio >= 1 else f"1/{1 / ratio:.3g} of"
    message = f"{quantity} is {times} what is predicted of this run: another unit, or not the run that the row says"
    unit = {
        "step_time_s": "seconds of a step, or its rates",
        "tpot_ms": "milliseconds a token",
        "ttft_ms": "milliseconds",
    }
    allowed = unit.get(quantity, "tokens a second of one chip")
    return [Problem(message, file=case.file, line=case.line, found=case.case_id, allowed=allowed)]


def _contradictions(cases: Sequence[Case]) -> list[Problem]:
    """Rows that say the same was run and measured ten times another figure."""
    first: dict[tuple[tuple[str, str], ...], Case] = {}
    found = []
    for case in cases:
        key = tuple(sorted((k, v) for k, v in case.cells.items() if v and k not in FIGURES and k not in SAID))
        before = first.setdefault(key, case)
        for name in FIGURES:
            a, b = case.number(name), before.number(name)
            if a and b and max(a / b, b / a) >= CONTRADICTION:
                text = f"{name} is {a:g}, and {b:g} in line {before.line}, which says that the same was run"
                found.append(Problem(text, file=case.file, line=case.line, path=name, found=case.case_id))
    return found
