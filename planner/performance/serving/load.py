"""Replicas under random arrivals: percentiles of TTFT and TPOT from throughput by number in flight.

A closed loop of n requests passes X(n) requests a second (``estimate_serving`` with ``batch`` n). An open load of
lambda a second is the same replica with a random population, at most ``c`` = the cap or the cache's slots of it in
service, the rest waiting (limited processor sharing; for Poisson arrivals the law below c holds for any lengths):

    P(N = n)  ~  prod_k<=n (lambda / X(k))^w      w = 2/(1 + ca^2) while all are served, 2/(ca^2 + cs^2) while some wait
    wait      P(N >= c), then exponential at rate w X(c) ln(X(c)/lambda)        (Kimura's tail, Allen-Cunneen's spread)
    prefill   prompts queue for m = dp x pp prefill servers:  P = busy^(sqrt(2(m+1)) - 1)  (Sakasegawa),
              tail 2 m (1 - rho) / (s (ca^2 + cs^2));  busy: share of the time that steps carry prefill, rho: of their
              chunks' room that is used, less than busy where short prompts share a chunk
    TTFT      half a step + own prefill (by the prompt's length) + wait for prefill + wait for a slot
    TPOT      at the population's percentile, which moves less over a request's life than from moment to moment

ca, cs: coefficients of variation of the time between arrivals and of the service time. Populations up to 64 are summed
term by term (to 1,024 in coarser steps), larger ones take the normal law with the tail above (for X(k) = k mu: Halfin
and Whitt 1981).
A fixed population (a benchmark's concurrency) is the same curve read at n. Shapes: (n,), one entry per candidate.

Sources: J. W. Cohen, Acta Informatica 12 (1979) (processor sharing); T. Kimura, Oper. Res. 34 (1986); A. O. Allen,
Probability, Statistics and Queueing Theory (1990); H. Sakasegawa, Ann. Inst. Stat. Math. 29A (1977).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from planner.performance.platform import Platform
from planner.performance.serving.engine import profile_of
from planner.performance.serving.grid import ServingGrid
from planner.performance.serving.lengths import Lengths, standard_normal_quantile
from planner.performance.serving.profile import ServingProfile
from planner.performance.serving.replica import (
    DECODE,
    PREFILL,
    ServingCandidates,
    ServingEstimate,
    ServingJob,
    estimate_serving,
    first_token_extra_s,
    step_parts,
)
from planner.performance.serving.step import PARTS, StepModel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHARED = ("experts", "all_to_all")
"""Parts of a step that the tokens of all attention copies pass together."""
_EXACT = 64
"""Populations up to this are summed term by term,"""
_SCALES = (1, 4, 16)
"""and up to these times it in steps of so many."""
_WIDTHS = (8, 16, 32, _EXACT)
"""Terms of the sums of candidates of few slots."""
_NEAR = 1e-9
"""Of a time, how near to it false position comes."""
_MOST_STEPS = 100
SINGLE_REQUESTS = 1.03
"""Percentiles of single requests over those of this model, for a choice that keeps a limit: what plans keep away from
it (``planner plan --simulate`` finds up to 2% on the shipped scenarios, at the highest load that keeps a limit)."""
_SHAPE = ("tp", "pp", "ep", "attention_dp", "chunk", "role")


@dataclass(frozen=True)
class Traffic:
    """How requests arrive and how long they are. ``arrival_cv``: coefficient of variation of the time between arrivals,
    1 for Poisson, 0 for a clock; its square is the index of dispersion. Lengths None: all of the job's mean."""

    input_lengths: Lengths | None = None
    output_lengths: Lengths | None = None
    arrival_cv: float = 1.0

    def of(self, job: ServingJob) -> tuple[Lengths, Lengths]:
        """(prompt, answer) lengths, scaled to the job's means."""
        prompt = self.input_lengths or Lengths.fixed(job.input_tokens)
        answer = self.output_lengths or Lengths.fixed(max(job.output_tokens, 1.0))
        return prompt.scaled(job.input_tokens), answer.scaled(max(job.output_tokens, 1.0))


@dataclass(frozen=True)
class Curves:
    """Closed loops of growing population, (g, k) each: a row is a replica shape, columns are in order of ``n``.

    Rows with fewer columns repeat their last. ``row``: (n,) the row of every candidate they were made for.
    """

    row: Ints
    n: Floats
    rate: Floats
    tpot_s: Floats
    step_s: Floats
    mixed_step_s: Floats
    mixed_share: Floats
    shapes: ServingCandidates
    """(g,) one candidate of each row."""


def with_ladder(candidates: ServingCandidates) -> tuple[ServingCandidates, Ints]:
    """Candidates with every smaller batch of the grid, and where the given ones are among them."""
    grid = ServingGrid()
    fine = getattr(grid, "decode_batch", grid.batch)
    steps = np.array(sorted({*grid.batch, *fine}), dtype=np.int64)
    c = candidates
    below = (steps[None, :] * c.attention_dp[:, None] < c.batch[:, None]) & (steps[None, :] >= c.pp[:, None])
    below &= (c.role != PREFILL)[:, None]
    below &= np.where((c.role == DECODE)[:, None], np.isin(steps, fine), np.isin(steps, grid.batch))
    at, step = np.nonzero(below)
    lower = replace(c.take(at), batch=steps[step] * c.attention_dp[at])
    both = ServingCandidates(
        **{f.name: np.concatenate([getattr(c, f.name), getattr(lower, f.name)]) for f in fields(c)}
    )
    return both, np.arange(len(c))


def curves_of(candidates: ServingCandidates, estimate: ServingEstimate) -> Curves:
    """Curves from candidates that hold all batches of their shapes (a whole grid, or ``with_ladder``)."""
    c = candidates
    keys = np.column_stack([getattr(c, name) for name in _SHAPE])
    order = np.lexsort((c.batch, *keys.T[::-1]))
    sorted_keys = keys[order]
    first = np.ones(len(c), dtype=bool)
    first[1:] = np.any(sorted_keys[1:] != sorted_keys[:-1], axis=1)
    row_sorted = np.cumsum(first) - 1
    starts = np.flatnonzero(first)
    counts = np.diff(np.append(starts, len(c)))
    width = int(counts.max(initial=1))
    # ragged rows repeat their last column
    pick = order[starts[:, None] + np.minimum(np.arange(width)[None, :], counts[:, None] - 1)]
    row = np.empty(len(c), dtype=np.int64)
    row[order] = row_sorted
    e = estimate
    n = np.maximum.accumulate(e.concurrency[pick], axis=1)
    rate = np.maximum.accumulate(e.requests_per_s[pick], axis=1)
    return Curves(
        row, n, rate, e.tpot_s[pick], e.step_s[pick], e.mixed_step_s[pick], e.mixed_share[pick], c.take(order[starts])
    )


def _read(curve: Floats, at: Ints, weight: Floats, row: Ints) -> Floats:
    """A curve between columns ``at`` and ``at + 1`` of a row."""
    low = curve[row, at]
    return np.asarray(low + weight * (curve[row, np.minimum(at + 1, curve.shape[1] - 1)] - low))


@dataclass(frozen=True)
class Loaded:
    """Replicas at a load, (n,). ``rate``: requests/s offered. Times in seconds; percentiles by the methods."""

    rate: Floats
    in_service: Floats
    """Mean requests in service."""
    wait_probability: Floats
    """Of finding every slot taken."""
    wait_rate: Floats
    """1/s: the wait of those who wait is exponential."""
    prefill_probability: Floats
    prefill_rate: Floats
    fixed_s: Floats
    """Of TTFT: what every request takes, whatever its length."""
    linear_s: Floats
    """Of TTFT: prefill in proportion to the prompt, at the mean prompt."""
    square_s: Floats
    """Of TTFT: prefill attention, in proportion to its square."""
    tpot_mean_s: Floats
    _step_cv: Floats = field(repr=False)
    _population: Floats = field(repr=False)
    _spread: Floats = field(repr=False)
    _cap: Floats = field(repr=False)
    _curves: Curves = field(repr=False)
    _role: Ints = field(repr=False)
    _prompts: Lengths = field(repr=False)
    _later_tokens: float = field(repr=False)
    row: Ints = field(repr=False)

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Loaded:
        """The same at some candidates."""
        shared = {"_curves", "_prompts", "_later_tokens"}
        return replace(self, **{f.name: getattr(self, f.name)[index] for f in fields(self) if f.name not in shared})

    def _own_s(self) -> Floats:
        """TTFT of a prompt of each length without a wait, (n, lengths)."""
        scaled = self._prompts.tokens / self._prompts.mean
        own = self.fixed_s[:, None] + self.linear_s[:, None] * scaled + self.square_s[:, None] * scaled**2
        return np.asarray(own)

    def _exceeds(self, seconds: Floats, own: Floats, at: NDArray[np.int64] | slice = slice(None)) -> Floats:
        """Share of requests whose TTFT is above ``seconds`` (m,); ``own`` (m, lengths) of the candidates ``at``."""
        left = seconds[:, None] - own
        beyond = _two_waits(
            left, self.wait_probability[at, None], self.wait_rate[at, None],
            self.prefill_probability[at, None], self.prefill_rate[at, None],
        )  # fmt: skip
        return np.asarray(np.where(left < 0.0, 1.0, beyond) @ self._prompts.shares)

    def ttft_exceeds(self, seconds: Floats | float) -> Floats:
        """Share of requests whose TTFT is above ``seconds``, (n,)."""
        return self._exceeds(np.broadcast_to(np.asarray(seconds, float), self.rate.shape), self._own_s())

    def ttft_s(self, percentile: float) -> Floats:
        """TTFT at a percentile (0..100), (n,); of replicas that only decode, the wait for a slot.

        The share above falls smoothly, but for a jump at what each length takes by itself: those who need not wait. The
        answer is one of these, or lies between two of them, where false position (Illinois) finds it.
        """
        # shares of lengths add up to a percentile exactly, or miss it by the last digit
        tail = min(max(1.0 - percentile / 100.0, 1e-9), 1.0) * (1.0 + 1e-9)
        own, n = self._own_s(), len(self.rate)
        steps = np.sort(own, axis=1)
        row, last = np.arange(n), steps.shape[1]
        # steps below the answer, or at it: there the share is above the tail still
        passed, beyond = np.zeros(n, dtype=np.int64), np.full(n, last)
        while (passed < beyond).any():
            half = np.minimum((passed + beyond) // 2, last - 1)
            above = self._exceeds(steps[row, half], own) > tail
            left = passed < beyond
            passed, beyond = np.where(left & above, half + 1, passed), np.where(left & ~above, half, beyond)
        spread = math.log(1.0 / tail) + 1.0
        end = steps[:, -1] + spread * (1.0 / self.wait_rate + 1.0 / self.prefill_rate)
        low = np.where(passed > 0, steps[row, np.maximum(passed - 1, 0)], 0.0)
        high = np.where(passed < last, steps[row, np.minimum(passed, last - 1)], end)
        # up to a step, from below, the share is that of before its jump
        before = self._exceeds(np.nextafter(high, -np.inf), own)
        found = np.where((passed < last) & (before > tail), high, np.nan)
        found[self._exceeds(np.zeros(n), own) <= tail] = 0.0
        todo = np.flatnonzero(np.isnan(found))
        if todo.size:
            found[todo] = self._between(low[todo], np.nextafter(high[todo], -np.inf), own[todo], todo, tail)
        return found

    def _between(self, low: Floats, high: Floats, own: Floats, at: NDArray[np.int64], tail: float) -> Floats:
        """Where the share above passes ``tail`` between two times (m,), between which it falls without a jump."""

        def over(seconds: Floats) -> Floats:
            return np.asarray(np.log(np.maximum(self._exceeds(seconds, own, at), 1e-300) / tail))

        found = np.empty(len(low))
        left: NDArray[np.int64] = np.arange(len(low))
        f_low, f_high, side = over(low), np.minimum(over(high), -1e-300), np.zeros(len(low))
        for _ in range(_MOST_STEPS):
            width = high - low
            found[left] = high
            still = width > _NEAR * high
            if not still.any():
                break
            if not still.all():
                own, at, left = own[still], at[still], left[still]
                low, high, width, f_low, f_high, side = (v[still] for v in (low, high, width, f_low, f_high, side))
            middle = high - f_high * width / np.where(f_high == f_low, 1.0, f_high - f_low)
            # never nearer to an end than half of what is asked, so that the other end comes as near
            middle = np.clip(middle, low + 0.4 * _NEAR * high, high - 0.4 * _NEAR * high)
            f = over(middle)
            up = f > 0.0
            # Illinois: of an end that stays twice the value counts half
            f_high = np.where(~up, f, np.where(side > 0, 0.5 * f_high, f_high))
            f_low = np.where(up, f, np.where(side < 0, 0.5 * f_low, f_low))
            side = np.where(up, 1.0, -1.0)
            low, high = np.where(up, middle, low), np.where(up, high, middle)
        return found

    def tpot_s(self, percentile: float) -> Floats:
        """TPOT at a percentile, (n,): of a request's whole answer.

        A replica that only decodes makes no first token: what a request waits for its slot is spread over the answer.
        """
        z = standard_normal_quantile(percentile / 100.0)
        many = np.clip(self._population + z * self._spread, np.minimum(1.0, self._cap), self._cap)
        c, row = self._curves, self.row
        at = np.clip((c.n[row] <= many[:, None]).sum(axis=1) - 1, 0, max(c.n.shape[1] - 2, 0))
        low, high = c.n[row, at], c.n[row, np.minimum(at + 1, c.n.shape[1] - 1)]
        weight = np.where(high > low, np.clip((many - low) / np.maximum(high - low, 1e-30), 0.0, 1.0), 0.0)
        steady = _read(c.tpot_s, at, weight, row)
        found = np.where(self._role == PREFILL, 0.0, steady * np.maximum(1.0 + z * self._step_cv, 0.5))
        decoding = np.flatnonzero(self._role == DECODE)
        if decoding.size:
            tail = min(max(1.0 - percentile / 100.0, 1e-9), 1.0)
            late = np.log(np.maximum(self.wait_probability[decoding] / tail, 1.0)) / self.wait_rate[decoding]
            found[decoding] += late / self._later_tokens
        return found


def _two_waits(t: Floats, p: Floats, a: Floats, q: Floats, b: Floats) -> Floats:
    """P(U + V > t), t >= 0: U exponential at rate a with probability p, else 0; V at rate b with probability q."""
    t = np.maximum(t, 0.0)
    near = np.abs(a - b) < 1e-6 * np.maximum(a, b)
    b = np.where(near, b * (1.0 + 1e-5), b)
    u, v = np.exp(-np.minimum(a * t, 700.0)), np.exp(-np.minimum(b * t, 700.0))
    both = (b * u - a * v) / (b - a)
    return np.asarray(p * (1.0 - q) * u + q * (1.0 - p) * v + p * q * both)


def under_load(
    job: ServingJob,
    platform: Platform,
    candidates: ServingCandidates,
    utilisation: float,
    *,
    traffic: Traffic | None = None,
    curves: Curves | None = None,
    profile: ServingProfile | None = None,
) -> Loaded:
    """Candidates at ``utilisation`` (0..1) of their closed-loop throughput, (n,).

    ``curves``: of the same candidates, where they are known already (``curves_of`` over a grid); else the smaller
    batches of each are priced first. Raises ``UnknownFigureError`` as ``estimate_serving`` does.
    """
    return operating(job, platform, candidates, traffic=traffic, curves=curves, profile=profile).loaded(utilisation)


def operating(
    job: ServingJob,
    platform: Platform,
    candidates: ServingCandidates,
    *,
    traffic: Traffic | None = None,
    curves: Curves | None = None,
    profile: ServingProfile | None = None,
) -> Operating:
    """Candidates whose percentiles are wanted at more than one load; arguments and errors of ``under_load``."""
    profile = profile_of(job, platform) if profile is None else profile
    if curves is None:
        ladder, own = with_ladder(candidates)
        whole = curves_of(ladder, estimate_serving(job, platform, ladder, profile))
        curves = replace(whole, row=whole.row[own])
    return Operating(job, platform, candidates, curves, traffic or Traffic(), profile)


class Operating:
    """What does not depend on the load, of one set of candidates; ``loaded`` reads it at a load."""

    def __init__(
        self, job: ServingJob, platform: Platform, candidates: ServingCandidates, curves: Curves, traffic: Traffic,
        profile: ServingProfile,
    ) -> None:  # fmt: skip
        self.job, self.c, self.curves, self.traffic, self.profile = job, candidates, curves, traffic, profile
        self.prompts, self.answers = traffic.of(job)
        c, row = candidates, curves.row
        # the column of each candidate's own population: the last one not above its batch
        here = (curves.n[row] < _own(c, curves) - 1e-9).sum(axis=1)
        self.last = np.minimum(here, curves.n.shape[1] - 1)
        self.cap = curves.n[row, self.last]
        self.most = curves.rate[row, self.last]
        self.logs = np.log(np.maximum(curves.rate, 1e-300))
        # per shape, not per candidate: prefill attention's part that grows with the square of the prompt
        shapes = curves.shapes
        step = StepModel(job, platform, profile)
        new = max(job.input_tokens * (1.0 - profile.reuse_efficiency * job.cached_prefix), 1.0)
        tokens = np.minimum(shapes.chunk.astype(np.float64), new)
        parts = [
            step_parts(step, shapes, prompt, 0.0, 1.0, ((tokens, np.zeros(len(shapes))),))[0]
            for prompt in (job.prompt_of_a_token, 2.0 * job.prompt_of_a_token)
        ]
        self.shared = np.asarray(sum(parts[0][name] for name in SHARED) / np.maximum(sum(parts[0].values()), 1e-300))[
            row
        ]
        self.alone = np.maximum(new / shapes.chunk, 1.0)[row]
        self.chunks = (new / shapes.chunk)[row]  # of a prompt; short prompts share the chunk of a step
        totals = [np.asarray(sum(p[name] for name in PARTS)) for p in parts]
        self.square = np.clip((totals[1] - totals[0]) / np.maximum(totals[0], 1e-30), 0.0, 0.95)[row]
        self.prefill_s = (totals[0] * (np.maximum(new / shapes.chunk, 1.0) + shapes.pp - 1.0) / shapes.pp)[row]
        reuse = (1.0 - profile.reuse_ttft_efficiency * job.cached_prefix) / (
            1.0 - profile.reuse_efficiency * job.cached_prefix
        )
        self.host_s = step.host_s
        self.launches_s = float(job.model.layers) * profile.prefill_layer_s
        self.extra = first_token_extra_s(step, c, self.prefill_s * reuse)

    @functools.cached_property
    def _sums(self) -> dict[int, Floats]:
        return {}

    def products(self, scale: int) -> Floats:
        """Logarithm of the product of X(1) .. X(n) of each shape at n = ``scale`` .. 64 ``scale``, (g, 64)."""
        if scale not in self._sums:
            curve = self.curves
            n = np.log(scale * np.arange(1.0, _EXACT + 1.0) - (scale - 1) / 2.0)  # the middle of what is summed
            ladder = np.log(np.maximum(curve.n, 1e-300))
            last = ladder.shape[1] - 1
            low = np.zeros((len(ladder), _EXACT), dtype=np.int64)
            for column in range(1, last):
                low += ladder[:, column, None] <= n
            high = np.minimum(low + 1, last)
            n0, n1 = (np.take_along_axis(ladder, at, axis=1) for at in (low, high))
            x0, x1 = (np.take_along_axis(self.logs, at, axis=1) for at in (low, high))
            share = np.where(n1 > n0, np.clip((n - n0) / np.where(n1 > n0, n1 - n0, 1.0), 0.0, 1.0), 1.0)
            # below the first batch the rate grows with the requests there are
            logs = np.where(n < ladder[:, :1], self.logs[:, :1] + n - ladder[:, :1], x0 + share * (x1 - x0))
            self._sums[scale] = scale * np.cumsum(logs, axis=1)
        return self._sums[scale]

    def loaded(self, utilisation: float) -> Loaded:
        """The candidates at ``utilisation`` of their throughput."""
        c, k, row, job = self.c, self.curves, self.curves.row, self.job
        rate = self.most * utilisation
        width = k.n.shape[1]
        # where the curve passes what is offered
        at = np.clip((k.rate[row] <= rate[:, None]).sum(axis=1) - 1, -1, np.maximum(self.last - 1, 0))
        below = at < 0
        at = np.maximum(at, 0)
        after = np.minimum(at + 1, width - 1)
        n0, n1, x0, x1 = k.n[row, at], k.n[row, after], k.rate[row, at], k.rate[row, after]
        grows = (n1 > n0) & (x1 > x0)
        elasticity = np.where(grows, np.log(x1 / x0) / np.log(np.where(grows, n1 / n0, 2.0)), 1.0)
        elasticity = np.where(below, 1.0, np.clip(elasticity, 0.02, 1.0))
        mean = np.where(below, n0 * rate / x0, n0 * (rate / x0) ** (1.0 / elasticity))
        mean = np.minimum(mean, self.cap)
        weight = np.where(below | ~grows, 0.0, np.clip((mean - n0) / np.maximum(n1 - n0, 1e-30), 0.0, 1.0))
        tpot, step = _read(k.tpot_s, at, weight, row), _read(k.step_s, at, weight, row)
        mixed, share = _read(k.mixed_step_s, at, weight, row), _read(k.mixed_share, at, weight, row)
        share = np.where(below, share * rate / x0, share)  # fewer still: prefill is there as often as requests come

        ca2 = self.traffic.arrival_cv**2
        decode_s = tpot * max(self.answers.mean - 1.0, 0.0)
        service = np.maximum(mean / np.maximum(rate, 1e-300), 1e-300)
        decoding = np.clip(decode_s / service, 0.0, 1.0)
        cs2 = (decoding * self.answers.cv) ** 2 + ((1.0 - decoding) * self.prompts.cv) ** 2
        inside, outside = 2.0 / (1.0 + ca2), 2.0 / np.maximum(ca2 + cs2, 1e-3)
        slack = np.maximum(-math.log(max(utilisation, 1e-9)), 1e-12)
        theta = outside * slack
        spread = np.sqrt(np.maximum(mean, 1e-12) / (elasticity * inside))
        waiting = _large_population(self.cap, mean, spread, theta)
        # a life averages over what the population does meanwhile (Ornstein-Uhlenbeck, relaxation life / elasticity)
        x = np.maximum(elasticity, 1e-6)
        averaged = np.sqrt(2.0 * (x - 1.0 + np.exp(-x)) / x**2)
        # the pace grows less than in proportion to who is in service, so more are there, on average, than would pass
        # what is offered if their number never changed: E[X(N)] = rate to second order
        population = np.minimum(mean + (1.0 - elasticity) / (2.0 * elasticity * inside), self.cap)
        for scale, below_cap in zip(_SCALES, (0, *(k * _EXACT for k in _SCALES)), strict=False):
            few = np.flatnonzero((self.cap > below_cap) & (self.cap <= scale * _EXACT))
            if not few.size:
                continue
            exact = self._summed(few, rate[few], inside, theta[few], scale)
            waiting[few], population[few], spread[few] = exact
        prefills = c.role != DECODE
        prefill_only = c.role == PREFILL
        waiting = np.where(prefill_only, 0.0, waiting)

        # prefill: dp x pp servers, each passing a chunk of prompts a step
        servers = (c.attention_dp * c.pp).astype(np.float64)
        # a prompt finds them busy as often as steps carry prefill; how long it waits goes by the room used in chunks
        busy = np.clip(np.where(prefill_only, utilisation, share * mixed / np.maximum(step, 1e-300)), 0.0, 1.0)
        plain = np.where(prefill_only, 0.0, np.clip(step - share * mixed, 0.0, None) / np.maximum(1.0 - share, 1e-3))
        # prompts share the room of a chunk, and what a step takes without them, but not the work on their tokens
        least = np.maximum(plain, self.launches_s)
        each = np.maximum(mixed * self.chunks, np.maximum(mixed - least, 0.0) * self.alone)
        rho = np.clip(np.where(prefill_only, utilisation, rate * each / servers), 0.0, 0.9999)
        own = mixed * (self.alone + c.pp - 1.0) / c.pp
        held = np.where(prefill_only, servers / np.maximum(self.most, 1e-300), mixed * self.alone)
        own = np.where(prefill_only, np.maximum(held, self.prefill_s), own)
        queue = np.where(prefills, np.maximum(busy, rho) ** (np.sqrt(2.0 * (servers + 1.0)) - 1.0), 0.0)
        cp2 = self.prompts.cv**2
        drain = 2.0 * servers * (1.0 - rho) / np.maximum(held * max(ca2 + cp2, 1e-3), 1e-300)
        profile = self.profile
        # where other copies seldom prefill, experts and exchange see little more than one's own chunk
        lonely = 1.0 - (1.0 - rho) * self.shared * (1.0 - 1.0 / np.maximum(c.attention_dp, 1))
        own = np.where(prefill_only, own, own * lonely)
        reuse = (1.0 - profile.reuse_ttft_efficiency * job.cached_prefix) / (
            1.0 - profile.reuse_efficiency * job.cached_prefix
        )
        own = own * reuse
        # a step runs whatever the prompt: its decode part does not grow with the prompt
        floor = np.minimum(plain, 0.9 * own)
        square = self.square * (own - floor)
        phase = 0.5 * np.where(prefill_only, 0.0, step / c.pp)
        # the mix of steps over an answer; shorter answers meet fewer
        apart = np.abs(mixed - step) / np.maximum(1.0 - share, 0.5)
        cv = np.sqrt(share * (1.0 - share)) * apart / np.maximum(step, 1e-30)
        cv = cv * math.sqrt(self.answers.mean_inverse)
        return Loaded(
            rate=rate,
            in_service=population,
            wait_probability=waiting,
            wait_rate=np.maximum(theta * self.most, 1e-12),
            prefill_probability=queue,
            prefill_rate=np.maximum(drain, 1e-12),
            fixed_s=np.where(prefills, np.maximum(self.host_s + phase + floor + self.extra, 0.0), 0.0),
            linear_s=np.where(prefills, own - floor - square, 0.0),
            square_s=np.where(prefills, square, 0.0),
            tpot_mean_s=np.where(prefill_only, 0.0, tpot * np.maximum(population / np.maximum(mean, 1e-12), 1.0)),
            _step_cv=cv,
            _population=population,
            _spread=spread * averaged,
            _cap=self.cap,
            _curves=k,
            _role=c.role,
            _prompts=self.prompts,
            _later_tokens=max(self.answers.mean - 1.0, 1.0),
            row=row,
        )

    def _summed(
        self, few: Ints, rate: Floats, inside: float, theta: Floats, scale: int
    ) -> tuple[Floats, Floats, Floats]:
        """(P(N >= c), mean in service, its deviation) of candidates with few slots, summed ``scale`` by ``scale``."""
        slots = np.maximum(np.floor(self.cap[few] / scale + 1e-9), 1.0).astype(np.int64)
        found = np.empty((3, len(few)))
        below = 0
        for most in _WIDTHS:  # few slots are summed in few columns
            part = np.flatnonzero((slots > below) & (slots <= most))
            below = most
            if part.size:
                found[:, part] = self._summed_up_to(
                    most, few[part], slots[part], rate[part], inside, theta[part], scale
                )
        return found[0], found[1], found[2]

    def _summed_up_to(
        self, most: int, few: Ints, slots: Ints, rate: Floats, inside: float, theta: Floats, scale: int
    ) -> tuple[Floats, Floats, Floats]:
        """The same of candidates with at most ``most`` times ``scale`` slots."""
        n = scale * np.arange(0.0, most + 1.0)
        weight = np.multiply.outer(np.log(np.maximum(rate, 1e-300)), n)
        weight[:, 1:] -= self.products(scale)[self.curves.row[few], :most]
        weight *= inside
        weight[np.arange(most + 1) > slots[:, None]] = -np.inf
        weight -= weight.max(axis=1, keepdims=True)
        p = np.exp(weight, out=weight)
        ratio = np.exp(-np.maximum(theta, 1e-9))
        last = (np.arange(len(few)), slots)
        p[last] /= scale * (1.0 - ratio)  # c and beyond: a geometric tail
        p /= p.sum(axis=1, keepdims=True)
        mean = (p * n).sum(axis=1)
        var = (p * n**2).sum(axis=1) - mean**2
        return p[last], mean, np.sqrt(np.maximum(var, 0.0))


def _own(c: ServingCandidates, curves: Curves) -> Floats:
    """The population each candidate's batch allows: its batch, or what the cache holds of it."""
    own: Floats = np.minimum(c.batch.astype(np.float64), curves.n[curves.row, -1])[:, None]
    return own


def _large_population(cap: Floats, mean: Floats, spread: Floats, theta: Floats) -> Floats:
    """P(N >= cap): a normal law below, a geometric tail from there on."""
    z = np.minimum((cap - mean) / np.maximum(spread, 1e-12), 36.0)
    below = 0.5 * (1.0 + _erf(z / math.sqrt(2.0)))
    ratio = spread * theta * below * math.sqrt(2.0 * math.pi) * np.exp(z * z / 2.0)
    return np.asarray(1.0 / (1.0 + ratio))


def _erf(x: Floats) -> Floats:
    """Error function (Abramowitz and Stegun 7.1.26, error below 1.5e-7)."""
    t = 1.0 / (1.0 + 0.3275911 * np.abs(x))
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.asarray(np.sign(x) * (1.0 - poly * np.exp(-x * x)))
