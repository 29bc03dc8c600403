"""Published serving measurements beside the planner's predictions, none of which looks at the measurement.

``validate_serving(cases, catalog)`` answers output_tok_s_per_chip, total_tok_s_per_chip, ttft_ms, tpot_ms and
power_w_per_chip of every row, or says why not. Rows that share model, platform, engine and lengths are one call of
the model over arrays, so the whole table takes seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from planner.catalog import Catalog
from planner.errors import PlannerError, UnknownFigureError
from planner.performance.compile import build_platform
from planner.performance.platform import Platform
from planner.performance.serving.power import IDLE_POWER
from planner.performance.serving.profile import (
    NUMBERS,
    ServingCalibration,
    ServingProfile,
    engine_key,
    serving_family,
    shipped_serving_calibration,
)
from planner.performance.serving.replica import ServingJob
from planner.validation.cases import Case, CaseResult
from planner.validation.serving.cases import (
    INPUT_RATE,
    MEASURED,
    OFFLINE,
    ServingCase,
    UnansweredError,
    family_of_source,
    read_case,
)
from planner.validation.serving.modes import Answer, Ends, Question

POWER_LOW80, POWER_HIGH80 = 0.75, 1.3
UNUSED = 100.0
"""Gb/s of a network that nothing is sent over."""
TIGHT: Mapping[str, Any] = {"engine": "sglang", "memory_utilisation": 0.965, "activation_scale": 0.25}


def group_key(case: ServingCase) -> tuple[object, ...]:
    """What the cases of one call of the model have in common."""
    return (
        case.model, case.precision, case.kv_precision, round(case.input_tokens, 3), round(case.output_tokens, 3),
        case.chip, case.system, case.engine, case.mode, case.draft_tokens, case.draft_acceptance, case.year,
        case.requests, case.waves, case.median_ttft, case.release, case.chunk_tokens, case.front, case.run,
        family_of_source(case.source), case.output_cv, case.poll_steps,
    )  # fmt: skip


def bench_of(case: ServingCase, family: str) -> str:
    """Who measured a case on which chips: machines of one bench have hosts alike."""
    return f"{family_of_source(case.source)} {family}"


class ServingPredictor:
    """Predictions of cases with one catalog and one way to choose profiles; platforms are built once."""

    def __init__(
        self,
        catalog: Catalog,
        calibration: ServingCalibration | None = None,
        platforms: dict[tuple[str, str], Platform] | None = None,
    ) -> None:
        self.catalog = catalog
        self.calibration = calibration or shipped_serving_calibration()
        self._platforms = {} if platforms is None else platforms

    def platform(self, case: ServingCase) -> Platform:
        """The platform a case ran on. Raises ``PlannerError`` where a figure is unknown."""
        key = (case.system, case.chip)
        if key not in self._platforms:
            try:
                self._platforms[key] = build_platform(self.catalog, case.system, case.chip, "")
            except UnknownFigureError:
                system = self.catalog.system(case.system)
                inside = case.prefill is None and case.worker.chips <= system.server_chips
                if not inside or system.get("scaleout_gbit_s_per_chip") is not None:
                    raise
                # a replica inside a server never uses the network that its maker does not publish
                known = self.catalog.with_assumptions({"systems": {system.id: {"scaleout_gbit_s_per_chip": UNUSED}}})
                return build_platform(known, system.id, case.chip, "")
        return self._platforms[key]

    def profile(self, case: ServingCase, platform: Platform) -> ServingProfile:
        """The engine's constants on the chip's family."""
        family = serving_family(platform.chip_id, platform.family)
        return self.calibration.profile(
            family, case.engine, year=case.year, release=case.release, front=case.front, date=case.run,
            bench=bench_of(case, family), loop=case.loop,
        )  # fmt: skip

    def predict(self, cases: Sequence[ServingCase]) -> dict[str, Answer | str]:
        """Answers by case id; a string is the reason there is none."""
        answers: dict[str, Answer | str] = {}
        for group in self._groups(cases):
            try:
                profile = self.profile(group[0], self.platform(group[0]))
                found = self._answers(group, profile)
            except PlannerError as error:
                found = [str(error.problems[0].message)] * len(group)
            answers.update({case.case_id: answer for case, answer in zip(group, found, strict=True)})
        return answers

    def variants(
        self, cases: Sequence[ServingCase], profiles: Callable[[ServingCase, Platform], Mapping[int, ServingProfile]]
    ) -> dict[str, dict[int, Answer | str]]:
        """Answers by case id and variant; ``profiles`` names the variants of a case's constants that are wanted.

        Variants that differ in numbers alone are priced in one pass, a candidate for each.
        """
        answers: dict[str, dict[int, Answer | str]] = {case.case_id: {} for case in cases}
        for group in self._groups(cases):
            try:
                wanted = profiles(group[0], self.platform(group[0]))
                for own in _alike(wanted):
                    many = [case for _ in own for case in group]
                    found = self._answers(many, _stacked([wanted[k] for k in own], len(group)))
                    for at, answer in enumerate(found):
                        answers[many[at].case_id][own[at // len(group)]] = answer
            except PlannerError:
                continue  # without an answer in any variant
        return answers

    def _groups(self, cases: Sequence[ServingCase]) -> Iterable[list[ServingCase]]:
        groups: dict[tuple[object, ...], list[ServingCase]] = defaultdict(list)
        for case in cases:
            groups[group_key(case)].append(case)
        return groups.values()

    def _answers(self, cases: list[ServingCase], profile: ServingProfile) -> list[Answer | str]:
        """Answers of the cases of one group, in their order; ``profile`` may hold constants of each."""
        first = cases[0]
        platform = self.platform(first)
        acceptance = float(np.ravel(profile.draft_acceptance)[0])
        job = ServingJob(
            self.catalog.model(first.model),
            first.precision,
            first.kv_precision,
            first.input_tokens,
            first.output_tokens,
            draft_tokens=first.draft_tokens,
            draft_acceptance=first.draft_acceptance or (acceptance if first.draft_tokens else 0.0),
            waves=first.waves,
            poll_steps=first.poll_steps,
            output_cv=first.output_cv,
        )
        chip = self.catalog.chip(first.chip)
        runs = Question(job, platform, chip.get("tdp_w"), chip.get("idle_power_fraction_of_tdp") or IDLE_POWER)
        answers = runs.answers(cases, profile)
        # an engine that ran did fit: one whose default budget leaves no room was started with a tighter one
        full = np.array([i for i, a in enumerate(answers) if isinstance(a, str)], dtype=np.int64)
        if full.size:
            tight = runs.answers([cases[i] for i in full], replace(profile.taking(full), **TIGHT))
            for i, answer in zip(full, tight, strict=True):
                answers[i] = answer
        return answers


def _alike(profiles: Mapping[int, ServingProfile]) -> list[list[int]]:
    """Variants that differ in nothing but numbers of the model itself: in no way of scheduling or of accepting."""
    found: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for k, p in profiles.items():
        found[(p.name, p.engine, p.mixed, p.two_batches, p.draft_acceptance, p.chunk_tokens)].append(k)
    return list(found.values())


def _stacked(profiles: Sequence[ServingProfile], each: int) -> ServingProfile:
    """One profile for ``each`` candidates of each of some profiles, one after the other."""
    first = profiles[0]
    if len(profiles) == 1:
        return first
    columns: dict[str, Any] = {}
    for name in NUMBERS:
        values = [getattr(p, name) for p in profiles]
        if any(v != values[0] for v in values):
            columns[name] = np.repeat(np.array(values, dtype=np.float64), each)
    return replace(first, **columns, varied=tuple(columns))


def _tags(case: ServingCase | None, raw: Case) -> dict[str, str]:
    tags = {
        "kind": "serving",
        "source": raw.case_id.split("-")[0],
        "chip": raw.text("chip"),
        "model": raw.text("model"),
        "precision": raw.text("weight_precision") or "unstated",
        "architecture": raw.text("architecture"),
        "scenario": raw.text("scenario"),
        "engine": "",
        "mode": "",
    }
    load = raw.text("concurrency_or_batch") or raw.text("scenario") in OFFLINE
    if load and all(raw.text(name) for name in ("chip", "model", "isl", "osl")):
        tags["stated"] = "yes"
    if case is not None:
        tags.update(engine=case.engine, mode=case.mode, engine_key=engine_key(case.engine, case.year))
    return tags


def _bounds(name: str, value: float, ends: Ends) -> tuple[float, float]:
    low, high, ttft_low, ttft_high = ends
    if name == "ttft_ms":
        return value * ttft_low, value * ttft_high
    if name == "tpot_ms":
        return value * low, value * high
    if name == "power_w_per_chip":
        return value * POWER_LOW80, value * POWER_HIGH80
    return value / high, value / low


def validate_serving(
    cases: Sequence[Case], catalog: Catalog, calibration: ServingCalibration | None = None
) -> tuple[CaseResult, ...]:
    """One result per case and measured quantity, in the order of the rows."""
    read: dict[str, ServingCase] = {}
    reasons: dict[str, str] = {}
    for raw in cases:
        if raw.impossible:
            reasons[raw.case_id] = raw.impossible
            continue
        try:
            read[raw.case_id] = read_case(raw.cells, catalog)
        except UnansweredError as why:
            reasons[raw.case_id] = str(why)
    own: ServingCalibration | None = getattr(catalog.measured, "serving", None)
    answers = ServingPredictor(catalog, calibration or own).predict(list(read.values()))
    results: list[CaseResult] = []
    for raw in cases:
        case = read.get(raw.case_id)
        tags = _tags(case, raw)
        answer = answers.get(raw.case_id, reasons.get(raw.case_id, ""))
        prompts = raw.text("scenario") == "prefill"
        for name in (*MEASURED, INPUT_RATE) if prompts else MEASURED:
            measured = raw.number(name)
            if measured is None or measured <= 0.0:
                continue
            if isinstance(answer, str) or case is None:
                results.append(CaseResult(raw.case_id, name, measured, None, reason=str(answer), tags=tags))
                continue
            if answer.over_budget:
                tags["over_budget"] = "yes"
            value = answer.quantity(name, case)
            if value is None or not np.isfinite(value):
                why_not = "the chip's power is not published"
                results.append(CaseResult(raw.case_id, name, measured, None, reason=why_not, tags=tags))
                continue
            low, high = _bounds(name, value, answer.ends)
            results.append(CaseResult(raw.case_id, name, measured, value, low, high, tags=tags))
    return tuple(results)
