"""One replica, event by event: continuous batching with chunked prefill. A check on a winner, not the model itself.

Requests arrive at random, wait for a slot and for room in the cache (first come, first served), are prefilled chunk by
chunk in the order of their admission and then gain a token (with drafts: a few) in every step until they are done.
Each pipeline stage's slot is an engine of its own; the attention copies of a replica step together, each with a chunk
of its own, and a prompt goes to the copy with least to prefill. As in the calibrated mean field a step takes what its
tokens take when they lie evenly over the copies. Seconds of a step come from ``StepModel``, tabulated over prefill
tokens, decoding requests, their context and the length of the prompt behind the chunk; between tables linearly.

Steps in which nothing begins or ends are taken at once, so the work grows with requests, not with tokens: ten
thousand requests take about a second. Seeded: the same seed gives the same figures.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.performance.platform import Platform
from planner.performance.serving.engine import profile_of
from planner.performance.serving.load import Traffic
from planner.performance.serving.profile import ServingProfile
from planner.performance.serving.replica import (
    DECODE,
    PREFILL,
    ServingCandidates,
    ServingJob,
    estimate_serving,
    first_token_extra_s,
    step_parts,
)
from planner.performance.serving.step import PARTS, StepModel

Floats = NDArray[np.float64]

WARM_UP = 0.2
"""Share of the requests that come first and are not counted: the replica starts empty."""
_PREFILLS, _DECODES = 14, 40


@dataclass(frozen=True)
class Simulated:
    """What happened to the requests that were counted. Seconds."""

    requests: int
    seconds: float
    """Of simulated time in which they were."""
    requests_per_s: float
    ttft_mean_s: float
    tpot_mean_s: float
    in_service: float
    """Mean requests in service."""
    waited: float
    """Share of requests that found no slot or no room."""
    _ttft: Floats
    _tpot: Floats

    def ttft_s(self, percentile: float) -> float:
        """TTFT at a percentile, seconds; of a decode replica the wait for a slot."""
        return float(np.percentile(self._ttft, percentile)) if self._ttft.size else 0.0

    def tpot_s(self, percentile: float) -> float:
        """TPOT at a percentile, seconds; 0 where nothing is decoded."""
        return float(np.percentile(self._tpot, percentile)) if self._tpot.size else 0.0


class _Steps:
    """Seconds of a step of one slot, of tables over (prefill tokens, decoding) at two prompts and three contexts."""

    def __init__(self, step: StepModel, shape: ServingCandidates, prompt: float, context: float, most: float) -> None:
        self.dp = float(shape.attention_dp[0])
        chunk = float(shape.chunk[0])
        self.prefills = np.unique(np.concatenate([[0.0], np.geomspace(min(16.0, chunk), chunk, _PREFILLS)]))
        top = max(most / self.dp, 1.0)
        self.decodes = np.unique(np.concatenate([[0.0], np.geomspace(min(1.0 / self.dp, 1.0), top, _DECODES)]))
        self.prompts = (max(prompt * 0.25, 1.0), max(prompt * 2.0, 2.0))
        # the mean between: what overlaps bends there, and most steps are near it
        self.contexts = [max(context * 0.25, 1.0), max(context, 1.5), max(context * 2.0, 2.0)]
        grid_c, grid_g = np.meshgrid(self.prefills, self.decodes, indexing="ij")
        many = shape.take(np.zeros(grid_c.size, dtype=np.int64))
        width = 1.0 + step.job.draft_tokens
        self.tables: list[list[list[float]]] = []
        for p in self.prompts:
            for k in self.contexts:
                (parts,) = step_parts(step, many, p, k, width, ((grid_c.ravel(), grid_g.ravel()),))
                total = np.asarray(sum(parts[name] for name in PARTS)).reshape(grid_c.shape)
                self.tables.append(total.tolist())
        self.c, self.g = self.prefills.tolist(), self.decodes.tolist()

    def seconds(self, prefill: float, decoding: float, context: float, prompt: float) -> float:
        """``prefill`` tokens and ``decoding`` requests of the whole slot, their mean context, the prompt it is of."""
        return self._read(self.tables, prefill / self.dp, decoding / self.dp, context, prompt)

    def _read(
        self, t: list[list[list[float]]], prefill: float, decoding: float, context: float, prompt: float
    ) -> float:
        i, u = _between(self.c, prefill)
        j, v = _between(self.g, decoding)
        k, w = _between(self.contexts, context)
        w = w if w > -0.2 else -0.2  # shorter than the table: not below what weights alone take
        x = (prompt - self.prompts[0]) / (self.prompts[1] - self.prompts[0])
        if prefill <= 0.0:
            rows = t[k][0], t[k + 1][0]
            low, high = ((1.0 - v) * r[j] + v * r[j + 1] for r in rows)
            return low + w * (high - low)
        values = []
        for at in (k, k + 1, k + 3, k + 4):
            a, b = t[at][i], t[at][i + 1]
            values.append((1.0 - u) * ((1.0 - v) * a[j] + v * a[j + 1]) + u * ((1.0 - v) * b[j] + v * b[j + 1]))
        short = values[0] + w * (values[1] - values[0])
        long = values[2] + w * (values[3] - values[2])
        return short + x * (long - short)


def _between(points: list[float], value: float) -> tuple[int, float]:
    """The interval of sorted points that holds a value, and how far in it lies (beyond the ends: extended)."""
    low, high = 0, len(points) - 2
    while low < high:
        middle = (low + high + 1) // 2
        if points[middle] <= value:
            low = middle
        else:
            high = middle - 1
    return low, (value - points[low]) / (points[low + 1] - points[low])


@dataclass
class _Slot:
    """One engine: what each attention copy prefills, and what is decoded."""

    waiting: list[deque[int]]
    finishing: list[tuple[float, int]]
    steps: float = 0.0
    context: float = 0.0
    free_at: float = 0.0
    in_flight: int = 0

    @property
    def prefilling(self) -> bool:
        """Whether any copy has a prompt to prefill."""
        return any(self.waiting)


def simulate(
    job: ServingJob,
    platform: Platform,
    candidate: ServingCandidates,
    requests_per_s: float,
    *,
    traffic: Traffic | None = None,
    requests: int = 4000,
    seed: int = 1,
    profile: ServingProfile | None = None,
) -> Simulated:
    """``requests`` requests at ``requests_per_s`` through one replica (``candidate``: arrays of length one).

    Raises ``UnknownFigureError`` as ``estimate_serving`` does.
    """
    profile = profile_of(job, platform) if profile is None else profile
    given = traffic or Traffic()
    random = np.random.default_rng(seed)
    prompt_law, answer_law = given.of(job)
    prompts = np.rint(prompt_law.draw(requests, random)).tolist()
    answers = np.rint(answer_law.draw(requests, random)).tolist()
    arrivals = np.cumsum(_gaps(requests, requests_per_s, given.arrival_cv, random)).tolist()
    engine = _Engine(job, platform, candidate, profile, arrivals, prompts, answers)
    engine.run()
    return engine.result()


def _gaps(count: int, rate: float, cv: float, random: np.random.Generator) -> Floats:
    """Times between arrivals: a clock (cv 0), gamma up to 1, beyond it two exponentials with balanced means."""
    mean = 1.0 / rate
    if cv <= 1e-9:
        return np.full(count, mean)
    if cv <= 1.0:
        return np.asarray(random.gamma(1.0 / cv**2, mean * cv**2, count))
    p = 0.5 * (1.0 + np.sqrt((cv**2 - 1.0) / (cv**2 + 1.0)))
    short = random.random(count) < p
    return np.asarray(random.exponential(1.0, count) * np.where(short, mean / (2.0 * p), mean / (2.0 * (1.0 - p))))


class _Engine:
    def __init__(
        self, job: ServingJob, platform: Platform, shape: ServingCandidates, profile: ServingProfile,
        arrivals: list[float], prompts: list[float], answers: list[float],
    ) -> None:  # fmt: skip
        self.job, self.profile = job, profile
        self.role, pp, dp = int(shape.role[0]), int(shape.pp[0]), float(shape.attention_dp[0])
        self.arrivals, self.prompts, self.answers = arrivals, prompts, answers
        found = estimate_serving(job, platform, shape, profile)
        reuse = 1.0 - profile.reuse_ttft_efficiency * job.cached_prefix
        reuse = reuse / (1.0 - profile.reuse_efficiency * job.cached_prefix)
        step = StepModel(job, platform, profile)
        self.host_s = float(step.host_s)
        self.extra = float(first_token_extra_s(step, shape, found.prefill_s * reuse)[0])
        self.batch = float(shape.batch[0])
        self.room = float(found.kv_capacity_tokens[0])
        mean_context = job.input_tokens + (0.0 if self.role == PREFILL else job.output_tokens / 2.0)
        most = self.batch / pp
        self.steps = _Steps(step, shape, job.input_tokens, mean_context, most)
        self.chunk = float(shape.chunk[0])
        self.work = 1.0 - profile.reuse_efficiency * job.cached_prefix
        self.gain = 1.0 + job.accepted_drafts
        self.slots = [_Slot([deque() for _ in range(int(dp))], []) for _ in range(pp)]
        self.queue: deque[int] = deque()
        n = len(arrivals)
        self.left = [max(p * self.work, 1.0) for p in prompts]
        self.first, self.done = [0.0] * n, [0.0] * n
        self.waited = [False] * n
        self.home: dict[int, _Slot] = {}
        self.in_flight, self.held = 0, 0.0
        self.next = 0
        self.area, self.seen_at = 0.0, 0.0
        self.counted_from = arrivals[int(n * WARM_UP)]

    def _holds(self, i: int) -> float:
        answer = 0.0 if self.role == PREFILL else self.profile.kv_hold * self.answers[i]
        return self.prompts[i] + answer

    def _count(self, now: float) -> None:
        """Requests in service, over the time that counts and while requests still come."""
        start, end = max(self.seen_at, self.counted_from), min(now, self.arrivals[-1])
        if end > start:
            self.area += self.in_flight * (end - start)
        self.seen_at = now

    def _admit(self, slot: _Slot, now: float) -> None:
        """What has come by now goes into ``slot``, which is at a step's edge, or into one with less to do."""
        self._enter(slot, now)
        while self.next < len(self.arrivals) and self.arrivals[self.next] <= now:
            i = self.next
            self.next += 1
            self.queue.append(i)
            self._enter(slot, now)
            self.waited[i] = bool(self.queue) and self.queue[-1] == i

    def _enter(self, slot: _Slot, now: float) -> None:
        while self.queue and self._fits(self.queue[0]):
            i = self.queue.popleft()
            self._count(now)
            self.in_flight += 1
            self.held += self._holds(i)
            least = min(self.slots, key=lambda s: s.in_flight)
            into = slot if slot.in_flight <= least.in_flight + 1 else least
            into.in_flight += 1
            self.home[i] = into
            if self.role == DECODE:
                self._start_decoding(into, i, now)
            else:
                min(into.waiting, key=lambda copy: sum(self.left[j] for j in copy)).append(i)

    def _fits(self, i: int) -> bool:
        # a request that the cache cannot hold even alone runs alone: the engine would refuse it
        alone = self.in_flight == 0
        return self.in_flight < self.batch and (alone or self.held + self._holds(i) <= self.room)

    def _start_decoding(self, slot: _Slot, i: int, now: float) -> None:
        self.first[i] = now
        steps = max(self.answers[i] - 1.0, 0.0) / self.gain
        if steps <= 0.0 or self.role == PREFILL:
            self._leave(i, now)
            return
        heapq.heappush(slot.finishing, (slot.steps + steps, i))
        slot.context += self.prompts[i]

    def _leave(self, i: int, now: float) -> None:
        self._count(now)
        self.done[i] = now
        self.in_flight -= 1
        self.home.pop(i).in_flight -= 1
        self.held -= self._holds(i)

    def run(self) -> None:
        """Step the slot that is free first until every request is done."""
        total = len(self.arrivals)
        now = 0.0
        while True:
            slot = min(self.slots, key=lambda s: s.free_at)
            now = max(now, slot.free_at)
            self._admit(slot, now)
            if not slot.prefilling and not slot.finishing:
                busy = [s.free_at for s in self.slots if s.prefilling or s.finishing]
                coming = self.arrivals[self.next] if self.next < total else None
                if not busy and coming is None and not self.queue:
                    return
                wake = [t for t in (*busy, coming) if t is not None]
                slot.free_at = max(min(wake, default=now), now) + (1e-9 if busy else 0.0)
                continue
            self._step(slot, now)

    def _step(self, slot: _Slot, now: float) -> None:
        """One step, or as many pure decode steps as pass before anything changes."""
        decoding = len(slot.finishing)
        mean_context = slot.context / decoding if decoding else 0.0
        if not slot.prefilling:
            each = self.steps.seconds(0.0, decoding, mean_context, 0.0)
            until_end = slot.finishing[0][0] - slot.steps
            steps = max(np.ceil(until_end - 1e-9), 1.0)
            if self.next < len(self.arrivals):
                steps = min(steps, max(np.ceil((self.arrivals[self.next] - now) / each), 1.0))
            if len(self.slots) > 1 and self.queue:
                steps = 1.0  # another slot's end may let the next one in
            middle = mean_context + self.gain * (steps - 1.0) / 2.0
            now += steps * self.steps.seconds(0.0, decoding, middle, 0.0)
            self._decoded(slot, steps, now)
            slot.free_at = now
            return
        began: list[tuple[deque[int], int]] = []
        tokens = weighted = 0.0
        for copy in slot.waiting:
            budget = self.chunk
            for i in copy:
                take = min(self.left[i], budget)
                if take <= 0.0:
                    break
                whole = self.prompts[i]
                share = self.left[i] / max(whole * self.work, 1.0)
                # keys of this chunk: twice its mean position, as of a prompt of that length
                weighted += take * (whole * (1.0 - share) * 2.0 + take / self.work)
                self.left[i] -= take
                tokens += take
                budget -= take
                began.append((copy, i))
        prompt = weighted / max(tokens, 1e-9)
        mixed = self.profile.mixed
        now += self.steps.seconds(tokens, decoding if mixed else 0.0, mean_context, prompt)
        if mixed and decoding:
            self._decoded(slot, 1.0, now)
        else:
            slot.free_at = now
        for copy, i in began:
            if self.left[i] <= 1e-9:
                copy.remove(i)
                self._start_decoding(slot, i, now)
        slot.free_at = now

    def _decoded(self, slot: _Slot, steps: float, now: float) -> None:
        slot.steps += steps
        slot.context += steps * self.gain * len(slot.finishing)
        while slot.finishing and slot.finishing[0][0] <= slot.steps + 1e-9:
            _, i = heapq.heappop(slot.finishing)
            slot.context -= self.prompts[i] + max(self.answers[i] - 1.0, 0.0)
            self._leave(i, now)
        if not slot.finishing:
            slot.context = 0.0

    def result(self) -> Simulated:
        """Figures of the requests after the warm-up."""
        start = int(len(self.arrivals) * WARM_UP)
        arrived, answers = np.array(self.arrivals[start:]), np.array(self.answers[start:])
        first, done = np.array(self.first[start:]), np.array(self.done[start:])
        span = max(float(arrived[-1] - arrived[0]), 1e-12)
        reuse = (1.0 - self.profile.reuse_ttft_efficiency * self.job.cached_prefix) / self.work
        ttft = np.maximum((first - arrived) * reuse + self.host_s + self.extra, 0.0)
        long = answers > 1.0
        pace = (done - first)[long] / (answers[long] - 1.0)
        if self.role == DECODE:  # the first token is another replica's: the wait for a slot is between it and the next
            ttft = first - arrived
            pace = (done - arrived)[long] / (answers[long] - 1.0)
        if self.role == PREFILL:
            pace = np.zeros(0)
        return Simulated(
            requests=len(arrived),
            seconds=span,
            requests_per_s=(len(arrived) - 1) / span,
            ttft_mean_s=float(ttft.mean()) if ttft.size else 0.0,
            tpot_mean_s=float(pace.mean()) if pace.size else 0.0,
            in_service=self.area / span,
            waited=float(np.mean(self.waited[start:])),
            _ttft=ttft,
            _tpot=pace,
        )
