"""What was run, priced: a closed loop, an offline run, one static batch, a pool of one phase, or two pools.

Cases of one question (model, platform, engine, lengths) are arrays of one call of the model. A profile may hold
constants of each case (``ServingProfile.varied``), which is how many variants of a calibration are priced at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.performance.platform import Platform
from planner.performance.serving.levels import layouts_of
from planner.performance.serving.power import chip_power
from planner.performance.serving.profile import ServingProfile
from planner.performance.serving.replica import (
    AGGREGATED,
    DECODE,
    PREFILL,
    ServingCandidates,
    ServingEstimate,
    ServingJob,
    estimate_serving,
    step_parts,
)
from planner.performance.serving.step import StepModel
from planner.validation.serving.cases import INPUT_RATE, ServingCase, Worker

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DISAGGREGATED_STEPS, WAITING_STEPS = 24, 200
APART_BY = 0.4
"""Of the time that a request decodes, how far apart its clients' next prompts come: answers drawn from 0.8 to 1.0 of
the nominal length differ by 0.2, and some twice that after a few rounds of ten."""
NO_ROOM = "the weights leave no room for a cache on this chip"

Ends = tuple[float, float, float, float]
"""Multipliers on TPOT, then on TTFT, to the lower and upper end of their 80% intervals."""


def _ends(e: ServingEstimate, i: int) -> Ends:
    return float(e.low80[i]), float(e.high80[i]), float(e.ttft_low80[i]), float(e.ttft_high80[i])


@dataclass(frozen=True)
class Answer:
    """The figures of one case, SI, rates over the whole deployment; ``power_w`` per chip or None."""

    requests_per_s: float
    ttft_s: float
    tpot_s: float
    chips: int
    power_w: float | None
    ends: Ends
    per_chip: float  # decoding requests a chip
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
    workers: Sequence[Worker], batch: Sequence[float] | Floats, chunk: Sequence[float] | Floats, role: int
) -> ServingCandidates:
    def column(values: Sequence[float] | Floats) -> Ints:
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


def layout_of(case: ServingCase) -> Ints:
    """The class of layout of the workers that decode, (1,)."""
    return layouts_of(_candidates([case.worker], [1.0], [1.0], AGGREGATED))


@dataclass(frozen=True)
class Question:
    """One job on one platform, whose chip's power is known or not (W; share of it that an idle chip takes)."""

    job: ServingJob
    platform: Platform
    tdp_w: float | None
    idle_power: float

    def answers(self, cases: Sequence[ServingCase], profile: ServingProfile) -> list[Answer | str]:
        """Answers of cases of one mode, in their order; a string is the reason there is none."""
        mode = cases[0].mode
        if mode == "static":
            return self._static(cases, profile)
        if mode in ("prefill", "decode"):
            return self._pool(cases, profile)
        if mode == "disaggregated":
            return self._apart(cases, profile)
        return self._whole(cases, profile)

    def _power(self, e: ServingEstimate) -> Floats | None:
        return None if self.tdp_w is None else chip_power(e, self.tdp_w, self.idle_power)

    def _estimate(
        self, workers: Sequence[Worker], batch: Sequence[float] | Floats, chunk: Sequence[float] | Floats, role: int,
        profile: ServingProfile,
    ) -> ServingEstimate:  # fmt: skip
        return estimate_serving(self.job, self.platform, _candidates(workers, batch, chunk, role), profile)

    def _whole(self, cases: Sequence[ServingCase], profile: ServingProfile) -> list[Answer | str]:
        """Replicas that prefill and decode, at a fixed concurrency or at the batch that the engine chooses."""
        first, n = cases[0], len(cases)
        workers = [c.worker for c in cases]
        if first.mode == "offline":
            batch = np.broadcast_to(profile.max_batch, n) * np.array([w.attention_dp * 1.0 for w in workers])
        else:
            batch = np.array([c.concurrency / c.worker.count for c in cases])
        chunk = np.full(n, float(profile.chunk_tokens))
        e = self._estimate(workers, batch, chunk, AGGREGATED, profile)
        rates = self._finite(first.requests, e, workers, chunk, profile) if first.requests else e.requests_per_s
        tpot = _median_gap(e) if first.median_gap else e.tpot_s
        over = (first.mode == "closed") & (np.maximum(batch, 1.0) > e.concurrency * (1.0 + 1e-9))
        ttft = e.ttft_s
        if first.mode == "closed" and (first.prompts_a_client or first.waves):
            ttft = self._loop_ttft(cases, e, self._full_chunks(workers, chunk, profile), profile)
        return self._told(cases, e, rates, ttft, tpot, over)

    def _full_chunks(self, workers: Sequence[Worker], chunk: Floats, profile: ServingProfile) -> Floats:
        """Seconds (n,) that a prompt takes a copy of attention when chunks are full of prompts."""
        size = np.maximum(chunk, 1.0)
        shapes = _candidates(workers, np.ones(len(workers)), size, PREFILL)
        step = StepModel(self.job, self.platform, profile)
        (parts,) = step_parts(step, shapes, self.job.prompt_of_a_token, 0.0, 1.0, ((size, np.zeros(len(workers))),))
        return np.asarray(sum(parts.values()) * self.job.input_tokens / size)

    def _loop_ttft(
        self, cases: Sequence[ServingCase], e: ServingEstimate, packed: Floats, profile: ServingProfile
    ) -> Floats:
        """Time to first token (n,) of a benchmark's clients as it is stated.

        Clients all start at once, so the first prompt of each waits for half of the others (``packed`` seconds each),
        and for kernels that a fresh server compiles and loads (``cold_s``); later ones wait as often as steps carry
        prompts, exponentially then, which is what the median is of. Where requests are alike and an engine mixes
        prompts with decodes, those that end in one step start in one step, for good: groups of ``alike_group``.
        """
        clients = np.array([c.concurrency / (c.worker.count * c.worker.attention_dp * c.worker.pp) for c in cases])
        wait, busy = e.ttft_wait_s, np.maximum(e.ttft_busy, 1e-9)
        middle = np.minimum(wait, wait / busy * np.log(np.maximum(2.0 * busy, 1.0)))
        median = np.array([c.median_ttft for c in cases])
        first = np.array([1.0 / c.prompts_a_client if c.prompts_a_client else 0.0 for c in cases])
        wave = 0.5 * np.maximum(clients - 1.0, 0.0) * packed
        group = np.maximum(np.minimum(profile.alike_group, clients) - 1.0, 0.0)
        alike = 0.5 * group * packed if cases[0].waves and profile.mixed else 0.0
        mean = e.ttft_s + first * (np.maximum(wave - wait, 0.0) + profile.cold_s)
        return np.where(median, e.ttft_s - wait + middle, mean) + alike

    def _told(
        self, cases: Sequence[ServingCase], e: ServingEstimate, rates: Floats, ttft: Floats, tpot: Floats,
        over: NDArray[np.bool_], decodes: bool = True,
    ) -> list[Answer | str]:  # fmt: skip
        power = self._power(e)
        per_chip = e.concurrency / e.chips if decodes else np.zeros(len(cases))
        return [
            NO_ROOM
            if e.kv_capacity_tokens[i] <= 0.0
            else Answer(
                float(rates[i]) * case.worker.count, float(ttft[i]), float(tpot[i]),
                case.worker.chips * case.worker.count, None if power is None else float(power[i]), _ends(e, i),
                float(per_chip[i]), bool(over[i]),
            )
            for i, case in enumerate(cases)
        ]  # fmt: skip

    def _finite(
        self, requests: int, e: ServingEstimate, workers: Sequence[Worker], chunk: Floats, profile: ServingProfile
    ) -> Floats:
        """Requests/s of a run of ``requests`` all queued at its start: full cohorts, then what is left over."""
        full = np.floor(requests / np.maximum(e.concurrency, 1.0))
        rest = requests - full * e.concurrency
        last = self._estimate(workers, np.maximum(rest, 1.0), chunk, AGGREGATED, profile)
        seconds = full * e.concurrency / e.requests_per_s + np.where(rest > 0.5, rest / last.requests_per_s, 0.0)
        return np.asarray(requests / seconds)

    def _static(self, cases: Sequence[ServingCase], profile: ServingProfile) -> list[Answer | str]:
        """One batch: all prompts prefilled together, then all decode together."""
        workers = [c.worker for c in cases]
        size = np.maximum([c.concurrency / c.worker.count for c in cases], 1.0)
        tokens = size * self.job.input_tokens / np.array([w.attention_dp for w in workers])
        first = self._estimate(workers, size, tokens, PREFILL, profile)
        rest = self._estimate(workers, size, tokens, DECODE, profile)
        layout = np.concatenate([layout_of(c) for c in cases])
        ttft = size / first.requests_per_s + first.host_s - profile.request_s  # in the engine's process: no server
        ttft = ttft * self._first_tokens(profile, layout, rest.concurrency / rest.chips)
        total = ttft + max(self.job.output_tokens - 1.0, 0.0) * rest.tpot_s
        power = self._power(rest)
        return [
            Answer(
                float(size[i]) * case.worker.count / float(total[i]), float(ttft[i]), float(rest.tpot_s[i]),
                case.worker.chips * case.worker.count, None if power is None else float(power[i]), _ends(rest, i),
                float(rest.concurrency[i] / rest.chips[i]),
            )
            for i, case in enumerate(cases)
        ]  # fmt: skip

    def _first_tokens(self, profile: ServingProfile, layout: Ints, per_chip: Floats) -> Floats | float:
        """Factor on TTFT that is put together from parts: what first tokens of its kind leave over."""
        return profile.levels.of_job(self.job).ttft_of(layout, per_chip) if profile.levels else 1.0

    def _pool(self, cases: Sequence[ServingCase], profile: ServingProfile) -> list[Answer | str]:
        """A pool of one phase that is kept full: prompts alone, or a fixed number of requests that decode."""
        first, n = cases[0], len(cases)
        workers = [c.worker for c in cases]
        none = np.zeros(n, dtype=np.bool_)
        if first.mode == "prefill":
            chunk = float(first.chunk_tokens or profile.chunk_tokens)
            inside = max(chunk / self.job.input_tokens, 1.0)
            batch = np.array([inside * w.attention_dp * w.pp for w in workers])
            e = self._estimate(workers, batch, np.full(n, chunk), PREFILL, profile)
            return self._told(cases, e, e.requests_per_s, e.ttft_s, e.tpot_s, none, decodes=False)
        batch = np.array([c.concurrency / c.worker.count for c in cases])
        e = self._estimate(workers, batch, np.full(n, 1024.0), DECODE, profile)
        held = np.minimum(batch, e.concurrency)
        rates = held / np.maximum(e.tpot_s, 1e-12) / self.job.output_tokens
        return self._told(cases, e, rates, e.ttft_s, e.tpot_s, none)

    def _apart(self, cases: Sequence[ServingCase], profile: ServingProfile) -> list[Answer | str]:
        """Two pools and a fixed population: the split of clients at which both pass the same rate."""
        n, steps = len(cases), DISAGGREGATED_STEPS
        prefill = [c.prefill or c.worker for c in cases]
        decode = [c.worker for c in cases]
        count = np.array([d.count for d in decode], dtype=np.float64)
        clients = np.maximum([c.concurrency for c in cases], 1.0)
        inside = max(float(profile.chunk_tokens) / self.job.input_tokens, 1.0)  # short prompts share a chunk
        one = self._estimate(
            prefill, [inside * p.attention_dp * p.pp for p in prefill], np.full(n, float(profile.chunk_tokens)),
            PREFILL, profile,
        )  # fmt: skip
        busiest = one.requests_per_s * np.array([p.count for p in prefill])
        servers = np.array([p.count * p.attention_dp * p.pp for p in prefill], dtype=np.float64)
        decoding = np.geomspace(np.minimum(1.0, clients), clients, steps, axis=1)
        each = np.repeat(np.arange(n), steps)
        e = self._estimate(
            [decode[i] for i in each], np.ceil(decoding / count[:, None]).ravel(), np.full(n * steps, 1024.0), DECODE,
            profile.taking(each),
        )  # fmt: skip
        tpot, room = e.tpot_s.reshape(n, steps), e.concurrency.reshape(n, steps) * count[:, None]
        at, held, pace = _split(
            clients,
            decoding,
            tpot,
            room,
            one.prefill_s,
            busiest,
            servers,
            max(self.job.output_tokens - 1.0, 1e-9),
        )
        here = np.arange(n) * steps + at
        hold = max(self.job.output_tokens - 1.0, 1e-9) * pace
        rate = np.minimum(held / hold, busiest)
        bandwidth = self.platform.tiers[-1].bandwidth * np.array([p.chips for p in prefill])
        # copies that seldom prefill beside others have experts and exchange nearly to themselves
        copies = np.array([p.attention_dp for p in prefill], dtype=np.float64)
        joint = (one.breakdown["experts"] + one.breakdown["all_to_all"]) / np.maximum(one.step_s, 1e-30)
        own = one.prefill_s * (1.0 - (1.0 - rate / busiest) * joint * (1.0 - 1.0 / copies))
        # clients that all start at once come back in bursts, and each copy has a queue of its own
        work = clients / busiest
        dense = work / (work + APART_BY * hold)
        wait = np.minimum(servers / busiest * dense / (2.0 * np.maximum(1.0 - dense, 1e-3)), work / 2.0)
        middle = np.minimum(wait, wait / dense * np.log(np.maximum(2.0 * dense, 1.0)))
        median = np.array([c.median_ttft for c in cases])
        firsts = np.array([1.0 / c.prompts_a_client if c.prompts_a_client else 0.0 for c in cases])
        wait = np.where(median, middle, wait + firsts * np.maximum(work / 2.0 - wait, 0.0))
        ttft = np.maximum(clients / rate - hold, own + wait)
        ttft = ttft + one.kv_bytes_per_request / bandwidth + one.host_s
        ttft = ttft + np.where(median, 0.0, firsts * profile.cold_s)
        per_chip = (e.concurrency / e.chips)[here]
        ttft = ttft * self._first_tokens(profile, np.concatenate([layout_of(c) for c in cases]), per_chip)
        power = self._power(e)
        found: list[Answer | str] = []
        for i, k in enumerate(here):
            if min(one.kv_capacity_tokens[i], e.kv_capacity_tokens[k]) <= 0.0:
                worker = "prefill" if one.kv_capacity_tokens[i] <= 0.0 else "decode"
                found.append(f"the weights leave no room for a cache on the {worker} worker")
                continue
            chips = prefill[i].chips * prefill[i].count + decode[i].chips * decode[i].count
            watts = None if power is None else float(power[k])
            found.append(
                Answer(
                    float(rate[i]),
                    float(ttft[i]),
                    float(pace[i]),
                    chips,
                    watts,
                    _ends(e, int(k)),
                    float(per_chip[i]),
                )
            )
        return found


def _split(
    clients: Floats,
    decoding: Floats,
    tpot: Floats,
    room: Floats,
    prefill_s: Floats,
    busiest: Floats,
    servers: Floats,
    tokens: float,
) -> tuple[Ints, Floats, Floats]:
    """(nearest priced step, clients that decode, their seconds a token), (n,) each, where both pools pass one rate.

    ``decoding``, ``tpot``, ``room``: priced steps (n, s). Those that wait for a first token are few, so their number is
    sought on a grid of its own, with seconds a token between the priced steps. Prompts come at random to ``servers``
    copies that prefill in ``prefill_s`` and pass ``busiest`` a second: M/D/c (Sakasegawa).
    """
    n = len(clients)
    odds = np.linspace(-9.0, 9.0, WAITING_STEPS)  # fine where few wait and where few decode
    at, held, pace = np.zeros(n, dtype=np.int64), np.zeros(n), np.zeros(n)
    for i in range(n):
        known = np.log(decoding[i])

        def passing(x: Floats, i: int = i, known: Floats = known) -> tuple[Floats, Floats]:
            seconds = np.exp(np.interp(x, known, np.log(tpot[i])))
            return np.minimum(np.exp(x), np.interp(x, known, room[i])), seconds

        slack = clients[i] / (1.0 + np.exp(-odds))
        inside, seconds = passing(np.log(clients[i] - slack))
        rate = inside / (tokens * seconds)
        busy = np.minimum(rate / busiest[i], 1.0 - 1e-6)
        queued = busy ** math.sqrt(2.0 * (servers[i] + 1.0)) / (2.0 * (1.0 - busy))
        spare = np.log(slack) - np.log(rate * prefill_s[i] + queued)  # grows with those that wait
        x = np.log(clients[i] / (1.0 + np.exp(np.interp(0.0, spare, odds))))
        one, two = passing(np.array([x]))
        at[i], held[i], pace[i] = int(np.argmin(np.abs(known - x))), one[0], two[0]
    return at, held, pace


def _median_gap(e: ServingEstimate) -> Floats:
    """Median gap between tokens: of a pure decode step unless most steps also carry a prompt.

    Prompts arrive at random, so a share ``1 - exp(-arrivals a step)`` of the steps carries one; TPOT is the mean.
    """
    pure = (e.step_s - e.mixed_share * e.mixed_step_s) / np.maximum(1.0 - e.mixed_share, 1e-9)
    gain = np.maximum(e.step_s / np.maximum(e.tpot_s, 1e-12), 1e-12)
    arrivals = e.requests_per_s * e.step_s
    carried = np.minimum(-np.expm1(-arrivals), e.mixed_share)
    return np.asarray(np.where(carried < 0.5, np.minimum(pure / gain, e.tpot_s), e.tpot_s))
