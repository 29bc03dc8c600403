"""Published serving measurements beside the planner's predictions, none of which looks at the measurement.

``validate_serving(cases, catalog)`` answers output_tok_s_per_chip, total_tok_s_per_chip, ttft_ms, tpot_ms and
power_w_per_chip of every row, or says why not. Rows that share model, platform, engine and lengths are one call of
the model over arrays, so the whole table takes seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Catalog
from planner.errors import PlannerError
from planner.performance.compile import build_platform
from planner.performance.platform import Platform
from planner.performance.serving.power import IDLE_POWER, chip_power
from planner.performance.serving.profile import (
    ServingCalibration,
    ServingProfile,
    engine_key,
    serving_family,
    shipped_serving_calibration,
)
from planner.performance.serving.replica import (
    AGGREGATED,
    DECODE,
    PREFILL,
    ServingCandidates,
    ServingEstimate,
    ServingJob,
    estimate_serving,
)
from planner.validation.cases import Case, CaseResult
from planner.validation.serving.cases import INPUT_RATE, MEASURED, ServingCase, UnansweredError, Worker, read_case

Floats = NDArray[np.float64]
DISAGGREGATED_STEPS = 48
POWER_LOW80, POWER_HIGH80 = 0.75, 1.3
TIGHT: Mapping[str, Any] = {"engine": "sglang", "memory_utilisation": 0.965, "activation_scale": 0.25}


@dataclass(frozen=True)
class Answer:
    """The figures of one case, SI, rates over the whole deployment; ``power_w`` per chip or None."""

    requests_per_s: float
    ttft_s: float
    tpot_s: float
    chips: int
    power_w: float | None
    profile: ServingProfile
    over_budget: bool = False  # more clients than the cache holds requests: by the budget, not by the measurement

    def quantity(self, name: str, case: ServingCase) -> float | None:
        """A measured column's prediction in its own unit."""
        rate = self.requests_per_s / self.chips
        return {
            "output_tok_s_per_chip": rate * case.output_tokens,
            "total_tok_s_per_chip": rate * (case.output_tokens + case.input_tokens),
            INPUT_RATE: rate * case.input_tokens,
            "ttft_ms": self.ttft_s * 1e3,
            "tpot_ms": self.tpot_s * 1e3,
            "power_w_per_chip": self.power_w,
        }[name]


def _candidates(
    workers: Sequence[Worker], batch: Sequence[float], chunk: Sequence[float], role: int
) -> ServingCandidates:
    def column(values: Sequence[float]) -> NDArray[np.int64]:
        return np.maximum(np.rint(np.asarray(values, dtype=np.float64)), 1).astype(np.int64)

    return ServingCandidates(
        tp=column([w.tp for w in workers]),
        pp=column([w.pp for w in workers]),
        ep=column([w.ep for w in workers]),
        attention_dp=column([w.attention_dp for w in workers]),
        batch=column(batch),
        chunk=column(chunk),
        role=np.full(len(workers), role, dtype=np.int64),
    )


def _group_key(case: ServingCase) -> tuple[object, ...]:
    return (
        case.model, case.precision, case.kv_precision, round(case.input_tokens, 3), round(case.output_tokens, 3),
        case.chip, case.system, case.engine, case.mode, case.draft_tokens, case.draft_acceptance, case.year,
        case.requests, case.waves, case.release, case.chunk_tokens,
    )  # fmt: skip


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
            self._platforms[key] = build_platform(self.catalog, case.system, case.chip, "")
        return self._platforms[key]

    def profile(self, case: ServingCase, platform: Platform) -> ServingProfile:
        """The engine's constants on the chip's family."""
        family = serving_family(platform.chip_id, platform.family)
        return self.calibration.profile(family, case.engine, year=case.year, release=case.release)

    def predict(self, cases: Sequence[ServingCase]) -> dict[str, Answer | str]:
        """Answers by case id; a string is the reason there is none."""
        groups: dict[tuple[object, ...], list[ServingCase]] = defaultdict(list)
        for case in cases:
            groups[_group_key(case)].append(case)
        answers: dict[str, Answer | str] = {}
        for group in groups.values():
            try:
                answers.update(self._group(group))
            except PlannerError as error:
                reason = str(error.problems[0].message)
                answers.update({case.case_id: reason for case in group})
        return answers

    def _group(self, cases: list[ServingCase]) -> dict[str, Answer | str]:
        first = cases[0]
        platform = self.platform(first)
        profile = self.profile(first, platform)
        job = ServingJob(
            self.catalog.model(first.model),
            first.precision,
            first.kv_precision,
            first.input_tokens,
            first.output_tokens,
            draft_tokens=first.draft_tokens,
            draft_acceptance=first.draft_acceptance,
            waves=first.waves,
        )
        answers = self._modes(cases, job, platform, profile)
        # an engine that ran did fit: one whose default budget leaves no room was started with a tighter one
        full = [c for c in cases if isinstance(answers[c.case_id], str)]
        if full:
            answers.update(self._modes(full, job, platform, replace(profile, **TIGHT)))
        return answers

    def _modes(
        self, cases: list[ServingCase], job: ServingJob, platform: Platform, profile: ServingProfile
    ) -> dict[str, Answer | str]:
        first = cases[0]
        if first.mode == "static":
            return self._static(cases, job, platform, profile)
        if first.mode in ("prefill", "decode"):
            return self._pool(cases, job, platform, profile)
        if first.mode == "disaggregated":
            return {c.case_id: self._disaggregated(c, job, platform, profile) for c in cases}
        workers = [c.worker for c in cases]
        if first.mode == "offline":
            batch = [profile.max_batch * w.attention_dp * 1.0 for w in workers]
        else:
            batch = [c.concurrency / c.worker.count for c in cases]
        chunk = [float(profile.chunk_tokens)] * len(cases)
        e = estimate_serving(job, platform, _candidates(workers, batch, chunk, AGGREGATED), profile)
        rates = e.requests_per_s
        if first.requests:
            rates = self._finite(first.requests, e, job, platform, workers, chunk, profile)
        power = self._power(first, platform, e)
        asked = np.maximum(np.asarray(batch), 1.0)
        result: dict[str, Answer | str] = {}
        for i, case in enumerate(cases):
            if e.kv_capacity_tokens[i] <= 0.0:
                result[case.case_id] = "the weights leave no room for a cache on this chip"
                continue
            count = case.worker.count
            result[case.case_id] = Answer(
                float(rates[i]) * count,
                float(e.ttft_s[i]),
                float(_median_gap(e)[i] if case.median_gap else e.tpot_s[i]),
                case.worker.chips * count,
                None if power is None else float(power[i]),
                profile,
                first.mode == "closed" and bool(asked[i] > e.concurrency[i] * (1.0 + 1e-9)),
            )
        return result

    def _finite(
        self, requests: int, e: ServingEstimate, job: ServingJob, platform: Platform, workers: Sequence[Worker],
        chunk: Sequence[float], profile: ServingProfile,
    ) -> Floats:  # fmt: skip
        """Requests/s of a run of ``requests`` all queued at its start: full cohorts, then what is left over."""
        full = np.floor(requests / np.maximum(e.concurrency, 1.0))
        rest = requests - full * e.concurrency
        last = estimate_serving(
            job, platform, _candidates(workers, list(np.maximum(rest, 1.0)), chunk, AGGREGATED), profile
        )
        seconds = full * e.concurrency / e.requests_per_s + np.where(rest > 0.5, rest / last.requests_per_s, 0.0)
        return np.asarray(requests / seconds)

    def _power(self, case: ServingCase, platform: Platform, e: ServingEstimate) -> Floats | None:
        chip = self.catalog.chip(case.chip)
        tdp = chip.get("tdp_w")
        if tdp is None:
            return None
        return chip_power(e, tdp, chip.get("idle_power_fraction_of_tdp") or IDLE_POWER)

    def _static(
        self, cases: list[ServingCase], job: ServingJob, platform: Platform, profile: ServingProfile
    ) -> dict[str, Answer | str]:
        """One batch: all prompts prefilled together, then all decode together."""
        workers = [c.worker for c in cases]
        batch = [c.concurrency / c.worker.count for c in cases]
        tokens = [max(b, 1.0) * job.input_tokens / w.attention_dp for b, w in zip(batch, workers, strict=True)]
        first = estimate_serving(job, platform, _candidates(workers, batch, tokens, PREFILL), profile)
        rest = estimate_serving(job, platform, _candidates(workers, batch, tokens, DECODE), profile)
        power = self._power(cases[0], platform, rest)
        result: dict[str, Answer | str] = {}
        for i, case in enumerate(cases):
            size = max(batch[i], 1.0)
            ttft = size / float(first.requests_per_s[i]) + profile.request_s
            tpot = float(rest.tpot_s[i])
            total = ttft + max(job.output_tokens - 1.0, 0.0) * tpot
            result[case.case_id] = Answer(
                size * case.worker.count / total,
                ttft,
                tpot,
                case.worker.chips * case.worker.count,
                None if power is None else float(power[i]),
                profile,
            )
        return result

    def _pool(
        self, cases: list[ServingCase], job: ServingJob, platform: Platform, profile: ServingProfile
    ) -> dict[str, Answer | str]:
        """A pool of one phase that is kept full: prompts alone, or a fixed number of requests that decode."""
        first = cases[0]
        workers = [c.worker for c in cases]
        if first.mode == "prefill":
            chunk = float(first.chunk_tokens or profile.chunk_tokens)
            inside = max(chunk / job.input_tokens, 1.0)
            batch = [inside * w.attention_dp * w.pp for w in workers]
            e = estimate_serving(job, platform, _candidates(workers, batch, [chunk] * len(cases), PREFILL), profile)
            rates = e.requests_per_s
        else:
            batch = [c.concurrency / c.worker.count for c in cases]
            e = estimate_serving(job, platform, _candidates(workers, batch, [1024.0] * len(cases), DECODE), profile)
            held = np.minimum(np.asarray(batch), e.concurrency)
            rates = held / np.maximum(e.tpot_s, 1e-12) / job.output_tokens
        power = self._power(first, platform, e)
        result: dict[str, Answer | str] = {}
        for i, case in enumerate(cases):
            if e.kv_capacity_tokens[i] <= 0.0:
                result[case.case_id] = "the weights leave no room for a cache on this chip"
                continue
            result[case.case_id] = Answer(
                float(rates[i]) * case.worker.count,
                float(e.ttft_s[i]),
                float(e.tpot_s[i]),
                case.worker.chips * case.worker.count,
                None if power is None else float(power[i]),
                profile,
            )
        return result

    def _disaggregated(
        self, case: ServingCase, job: ServingJob, platform: Platform, profile: ServingProfile
    ) -> Answer | str:
        """Two pools and a fixed population: the split of clients at which both pass the same rate."""
        p, d = case.prefill or case.worker, case.worker
        clients = max(case.concurrency, 1.0)
        one = estimate_serving(
            job, platform, _candidates([p], [p.attention_dp * p.pp], [profile.chunk_tokens], PREFILL), profile
        )
        if one.kv_capacity_tokens[0] <= 0.0:
            return "the weights leave no room for a cache on the prefill worker"
        busiest = float(one.requests_per_s[0]) * p.count
        alone = float(one.prefill_s[0])
        decoding = np.unique(np.geomspace(min(1.0, clients), clients, DISAGGREGATED_STEPS))
        e = estimate_serving(
            job,
            platform,
            _candidates([d] * len(decoding), list(np.ceil(decoding / d.count)), [1024] * len(decoding), DECODE),
            profile,
        )
        if e.kv_capacity_tokens[0] <= 0.0:
            return "the weights leave no room for a cache on the decode worker"
        hold = max(job.output_tokens - 1.0, 1e-9) * e.tpot_s
        capacity = e.concurrency * d.count
        passed = np.minimum(decoding, capacity) / hold
        slack = np.maximum(clients - decoding, 1e-9)
        offered = np.minimum(slack / alone, busiest)
        k = int(np.argmin(np.abs(np.log(passed) - np.log(offered))))
        rate = float(min(passed[k], busiest))
        transfer = float(one.kv_bytes_per_request[0]) / (platform.tiers[-1].bandwidth * p.chips)
        ttft = max(clients / rate - float(hold[k]), alone) + transfer + profile.request_s
        chips = p.chips * p.count + d.chips * d.count
        power = self._power(case, platform, e)
        return Answer(
            rate, ttft, float(e.tpot_s[k]), chips, None if power is None else float(power[k]), profile,
        )  # fmt: skip


def _median_gap(e: ServingEstimate) -> Floats:
    """Median gap between tokens: of a pure decode step unless most steps also carry a prompt.

    Prompts arrive at random, so a share ``1 - exp(-arrivals a step)`` of the steps carries one; TPOT is the mean.
    """
    pure = (e.step_s - e.mixed_share * e.mixed_step_s) / np.maximum(1.0 - e.mixed_share, 1e-9)
    gain = np.maximum(e.step_s / np.maximum(e.tpot_s, 1e-12), 1e-12)
    arrivals = e.requests_per_s * e.step_s
    carried = np.minimum(-np.expm1(-arrivals), e.mixed_share)
    return np.asarray(np.where(carried < 0.5, np.minimum(pure / gain, e.tpot_s), e.tpot_s))


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
    if case is not None:
        tags.update(engine=case.engine, mode=case.mode, engine_key=engine_key(case.engine, case.year))
    return tags


def _bounds(name: str, value: float, profile: ServingProfile) -> tuple[float, float]:
    if name == "ttft_ms":
        return value * profile.ttft_low80, value * profile.ttft_high80
    if name == "tpot_ms":
        return value * profile.low80, value * profile.high80
    if name == "power_w_per_chip":
        return value * POWER_LOW80, value * POWER_HIGH80
    return value / profile.high80, value / profile.low80


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
    answers = ServingPredictor(catalog, calibration).predict(list(read.values()))
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
            low, high = _bounds(name, value, answer.profile)
            results.append(CaseResult(raw.case_id, name, measured, value, low, high, tags=tags))
    return tuple(results)
