"""Failures: how often a job stops, how often it should checkpoint, what share of time is training, how many spares.

    lambda = nodes r / 86400 + lambda_job                       hazard of one job, per second
    ETTR   = exp(-lambda u0) lambda dt / (exp(lambda (dt + w)) - 1)      exact renewal form
    dt*    maximises it: y = lambda dt solves y = 1 - exp(-(y + lambda w)); to first order Daly's sqrt(2 w M) - w
    spares k = min{k: Poisson cdf(k; nodes r tau_repair) >= q}

u0: detect, reschedule, reload and warm up; w: time a checkpoint blocks training; dt: interval, at least what storage
needs to drain one. ETTR holds restart, lost work and blocking checkpoints and nothing else; MFU terms stay with MFU.
Sources: Llama 3 (arXiv:2407.21783), Meta RSC (arXiv:2410.21680), renewal form after Daly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.catalog import Catalog
from planner.errors import InputError, Problem, UnknownFigureError

Array = NDArray[np.float64]

SECONDS_PER_DAY = 86400.0
REFERENCE_NODE_CHIPS = 8
"""Published node failure rates are of 8-GPU nodes; other nodes fail in proportion to their chips."""
STORAGE_DRAIN_BYTES_PER_S = 200e9
"""Upper end of what global checkpoint storage drains in practice (50-200 GB/s published)."""
REPAIR_S = 3 * SECONDS_PER_DAY
"""Time to repair or swap a node: middle of the 1, 3 and 7 days the spare tables use (documented default)."""
SPARE_QUANTILE = 0.99
_NEWTON_STEPS = 60


@dataclass(frozen=True)
class Range:
    """A value with the range it is believed to lie in."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ReliabilityProfile:
    """What decides effective training time. Rates per 8-chip node and day, times in seconds.

    ``job_stops_per_hour``: stops of the job itself (software); near zero in production runs (12.9% of Llama 3's stops),
    0.09 per hour in Meta's research jobs.
    """

    node_failures_per_day: Range
    restart_s: Range
    write_s: Range
    checkpoint_bytes_per_parameter: float
    write_bytes_per_s_per_chip: float
    drain_bytes_per_s: float = STORAGE_DRAIN_BYTES_PER_S
    job_stops_per_hour: float = 0.0
    repair_s: float = REPAIR_S
    spare_quantile: float = SPARE_QUANTILE


@dataclass(frozen=True)
class Ettr:
    """Effective training time ratio of jobs; arrays over the jobs.

    ``low`` and ``high`` follow the ranges of failure rate, restart and write time, each moved alone and combined as the
    root of the sum of squares (they are independent claims). ``checkpoint_interval_s`` is the best one.
    """

    value: Array
    low: Array
    high: Array
    checkpoint_interval_s: Array
    mtbf_s: Array
    stops_per_day: Array
    nodes: Array


def default_profile(catalog: Catalog) -> ReliabilityProfile:
    """The profile of an H100-class cluster from the catalog's cost items.

    Failure rate: 8 chips / ``rel_mtbf_per_gpu`` (Llama 3, 50,700 h: 3.8e-3 per node-day), between the better of that
    item's range and ``rel_rsc2``, and the worse of it and ``rel_rsc1`` (6.5e-3).
    """
    hours = _range(catalog, "rel_mtbf_per_gpu")
    per_day = 24.0 * REFERENCE_NODE_CHIPS
    rsc1, rsc2 = catalog.cost("rel_rsc1") / 1e3, catalog.cost("rel_rsc2") / 1e3
    rate = Range(per_day / hours.value, min(per_day / hours.high, rsc2), max(per_day / hours.low, rsc1))
    minutes = _range(catalog, "ckpt_restart")
    return ReliabilityProfile(
        node_failures_per_day=rate,
        restart_s=Range(minutes.value * 60.0, minutes.low * 60.0, minutes.high * 60.0),
        write_s=_range(catalog, "ckpt_time"),
        checkpoint_bytes_per_parameter=catalog.cost("ckpt_bytes"),
        write_bytes_per_s_per_chip=catalog.cost("ckpt_bw") * 1e9,
    )


def hazard(nodes: ArrayLike, node_failures_per_day: ArrayLike, job_stops_per_hour: ArrayLike = 0.0) -> Array:
    """Stops per second of one job on ``nodes`` nodes."""
    n, r, j = (np.asarray(v, np.float64) for v in (nodes, node_failures_per_day, job_stops_per_hour))
    return _array(n * r / SECONDS_PER_DAY + j / 3600.0)


def optimal_checkpoint_interval(write_s: ArrayLike, hazard_per_s: ArrayLike, floor_s: ArrayLike = 0.0) -> Array:
    """Seconds between checkpoints that maximise the renewal ETTR, not below ``floor_s``.

    Exact optimum by Newton's method on the concave y -> 1 - exp(-(y + lambda w)) - y, started right of its root at
    sqrt(2 lambda w), so it converges from one side. Agrees with sqrt(2 w M) - w to first order (Daly).
    ``write_s`` and ``hazard_per_s`` must be positive.
    """
    w, lam, floor = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (write_s, hazard_per_s, floor_s)))
    _positive(write_s=w, hazard_per_s=lam)
    a = w * lam
    y = np.minimum(1.0, np.sqrt(2.0 * a))
    for _ in range(_NEWTON_STEPS):
        g = -np.expm1(-(y + a)) - y
        step = g / np.minimum(np.expm1(-(y + a)), -1e-300)  # derivative is exp(-(y+a)) - 1
        y = y - step
        if np.all(np.abs(step) <= 1e-14 * y):
            break
    return _array(np.maximum(y / lam, floor))


def ettr(hazard_per_s: ArrayLike, restart_s: ArrayLike, write_s: ArrayLike, interval_s: ArrayLike) -> Array:
    """Exact renewal effective training time ratio in (0, 1]; arrays broadcast."""
    lam, u0, w, dt = (np.asarray(v, np.float64) for v in (hazard_per_s, restart_s, write_s, interval_s))
    with np.errstate(over="ignore"):
        return _array(np.exp(-lam * u0) * lam * dt / np.expm1(lam * (dt + w)))


def ettr_first_order(hazard_per_s: ArrayLike, restart_s: ArrayLike, write_s: ArrayLike, interval_s: ArrayLike) -> Array:
    """Meta's closed form (arXiv:2410.21680), (1 - lambda (u0 + dt/2)) / (1 + w/dt): for comparison, not for plans."""
    lam, u0, w, dt = (np.asarray(v, np.float64) for v in (hazard_per_s, restart_s, write_s, interval_s))
    return _array((1.0 - lam * (u0 + dt / 2.0)) / (1.0 + w / dt))


def spares(
    nodes: ArrayLike, node_failures_per_day: ArrayLike, repair_s: ArrayLike = REPAIR_S, quantile: float = SPARE_QUANTILE
) -> NDArray[np.int64]:
    """Warm spare nodes so that those under repair are covered with probability ``quantile`` (Poisson quantile)."""
    n, r, tau = (np.asarray(v, np.float64) for v in (nodes, node_failures_per_day, repair_s))
    if not 0.0 < quantile < 1.0:
        raise InputError(Problem("quantile is a probability", found=f"{quantile}", allowed="between 0 and 1"))
    mean = np.asarray(n * r * tau / SECONDS_PER_DAY)
    flat = mean.ravel()
    if flat.size == 0:
        return np.zeros(mean.shape, np.int64)
    if np.any(~np.isfinite(flat) | (flat < 0.0)):
        raise InputError(Problem("nodes, failure rate and repair time must be finite and not negative"))
    values, inverse = np.unique(flat, return_inverse=True)
    found = np.array([_poisson_quantile(float(mu), quantile) for mu in values], np.int64)
    return found[inverse].reshape(mean.shape)


def checkpoint_floor_s(chips: ArrayLike, parameters: ArrayLike, profile: ReliabilityProfile) -> Array:
    """Seconds that storage needs to drain one checkpoint: the interval cannot be shorter.

    Bandwidth grows with the chips that write, up to the storage's own limit.
    """
    n, p = np.asarray(chips, np.float64), np.asarray(parameters, np.float64)
    bandwidth = np.minimum(n * profile.write_bytes_per_s_per_chip, profile.drain_bytes_per_s)
    return _array(p * profile.checkpoint_bytes_per_parameter / bandwidth)


def effective_training_time(
    chips: ArrayLike, chips_per_node: ArrayLike, parameters: ArrayLike, profile: ReliabilityProfile
) -> Ettr:
    """ETTR of jobs of ``chips`` chips training ``parameters`` parameters, with its range; arrays broadcast.

    ``chips_per_node`` gives the nodes for spares; failures follow chips. Every corner uses its own best interval.
    """
    n, per_node = np.broadcast_arrays(np.asarray(chips, np.float64), np.asarray(chips_per_node, np.float64))
    _positive(chips=n, chips_per_node=per_node)
    floor = checkpoint_floor_s(n, parameters, profile)

    def at(rate: float, restart: float, write: float) -> tuple[Array, Array, Array]:
        lam = hazard(n / REFERENCE_NODE_CHIPS, rate, profile.job_stops_per_hour)
        interval = optimal_checkpoint_interval(write, lam, floor)
        return ettr(lam, restart, write, interval), interval, lam

    r, u, w = profile.node_failures_per_day, profile.restart_s, profile.write_s
    value, interval, lam = at(r.value, u.value, w.value)
    worse = [at(r.high, u.value, w.value)[0], at(r.value, u.high, w.value)[0], at(r.value, u.value, w.high)[0]]
    better = [at(r.low, u.value, w.value)[0], at(r.value, u.low, w.value)[0], at(r.value, u.value, w.low)[0]]
    low = np.maximum(0.0, value - np.sqrt(sum((value - x) ** 2 for x in worse)))
    high = np.minimum(1.0, value + np.sqrt(sum((value - x) ** 2 for x in better)))
    shape = np.shape(value)
    nodes = np.broadcast_to(np.ceil(n / per_node), shape)
    return Ettr(value, _array(low), _array(high), interval, _array(1.0 / lam), _array(lam * SECONDS_PER_DAY), nodes)


def mean_training_time(chips: float, parameters: float, profile: ReliabilityProfile) -> float:
    """``effective_training_time(..).value`` of one job, without the six corners of its range."""
    lam = hazard(chips / REFERENCE_NODE_CHIPS, profile.node_failures_per_day.value, profile.job_stops_per_hour)
    write = profile.write_s.value
    interval = optimal_checkpoint_interval(write, lam, checkpoint_floor_s(chips, parameters, profile))
    return float(ettr(lam, profile.restart_s.value, write, interval))


def spot_training_time(
    chips: float, parameters: float, profile: ReliabilityProfile, *, interruptions_per_day: float, back_after_s: float,
    notice_s: float,
) -> float:  # fmt: skip
    """Effective training time ratio of a job on capacity that is taken back so often a day of its own time.

    Each time it waits ``back_after_s`` for capacity and restarts. A notice as long as a checkpoint takes to write saves
    what was worked; without it the work since the last checkpoint is lost too, and checkpoints are written as often as
    that is worth: such interruptions join the failures of ``mean_training_time``.
    """
    write, restart = profile.write_s.value, profile.restart_s.value
    a_second = interruptions_per_day / SECONDS_PER_DAY
    if notice_s >= write:
        base = mean_training_time(chips, parameters, profile)
        return base / (1.0 + a_second * (back_after_s + restart + write))
    often = replace(profile, job_stops_per_hour=profile.job_stops_per_hour + interruptions_per_day / 24.0)
    return mean_training_time(chips, parameters, often) / (1.0 + a_second * back_after_s)


def spares_for(chips: ArrayLike, chips_per_node: ArrayLike, profile: ReliabilityProfile) -> NDArray[np.int64]:
    """Warm spare nodes of ``chips_per_node`` chips for fleets of ``chips`` chips under a profile."""
    n, per_node = np.asarray(chips, np.float64), np.asarray(chips_per_node, np.float64)
    rate = profile.node_failures_per_day.value * per_node / REFERENCE_NODE_CHIPS
    return spares(np.ceil(n / per_node), rate, profile.repair_s, profile.spare_quantile)


def domain_usable(trays: ArrayLike, spare_trays: ArrayLike, availability: ArrayLike) -> Array:
    """Probability that a scale-up domain has all trays it needs: at most ``spare_trays`` of ``trays`` are down.

    sum over i <= s of C(n, i) (1 - a)^i a^(n - i): 18 trays of 0.98 are 0.70 whole, 0.95 with one to spare, 0.995 with
    two. Arrays broadcast; each availability in (0, 1].
    """
    n, s, a = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (trays, spare_trays, availability)))
    if np.any((a <= 0.0) | (a > 1.0)) or np.any((s < 0) | (s > n)):
        raise InputError(Problem("spare trays are of the trays, availability a share", allowed="0 < availability <= 1"))
    total, term = np.zeros(n.shape), a**n
    for i in range(int(np.max(s, initial=0.0)) + 1):
        total = total + np.where(i <= s, term, 0.0)
        term = term * (n - i) / (i + 1.0) * (1.0 - a) / a
    return _array(np.minimum(total, 1.0))


def tray_repair_s(catalog: Catalog) -> float:
    """Seconds to service one tray of a domain that runs on without it, from the catalog."""
    return catalog.cost("rel_tray_repair") * 3600.0


def drain_profile(catalog: Catalog) -> tuple[float, float]:
    """(share of faults that drain a whole domain, seconds to service what drained it), from the catalog."""
    return catalog.cost("rel_drain_share"), catalog.cost("rel_drain_repair") * 3600.0


def spare_domains(
    chips: ArrayLike,
    chips_per_domain: ArrayLike,
    profile: ReliabilityProfile,
    drain_share: float,
    drain_repair_s: float,
) -> NDArray[np.int64]:
    """Whole spare domains so that those drained by a fault of their own switches, backplane or cables are covered.

    Blast radius: such a fault takes all chips of the domain, so ``drain_share`` of the faults of its chips count, each
    for ``drain_repair_s``. Faults of one tray are covered inside the domain.
    """
    n, per = np.asarray(chips, np.float64), np.asarray(chips_per_domain, np.float64)
    rate = profile.node_failures_per_day.value * per / REFERENCE_NODE_CHIPS * drain_share
    return spares(np.ceil(n / per), rate, drain_repair_s, profile.spare_quantile)


def lost_chip_share(
    chips_per_tray: ArrayLike, chips_per_domain: ArrayLike, profile: ReliabilityProfile, drain_share: float,
    drain_repair_s: float, tray_repair_s: float,
) -> Array:  # fmt: skip
    """Expected share of chips out of service: trays under repair, and whole domains while they are drained.

    ``chips_per_tray`` and ``chips_per_domain``: chips that stop with one fault; arrays broadcast.
    """
    tray, domain = np.asarray(chips_per_tray, np.float64), np.asarray(chips_per_domain, np.float64)
    per_chip_s = profile.node_failures_per_day.value / REFERENCE_NODE_CHIPS / SECONDS_PER_DAY
    trays = per_chip_s * (1.0 - drain_share) * tray * tray_repair_s
    drained = per_chip_s * drain_share * domain * drain_repair_s
    return _array(np.minimum(1.0, trays + drained))


def ettr_elastic(
    hazard_per_s: ArrayLike, reshard_s: ArrayLike, interval_s: ArrayLike, missing_share: ArrayLike
) -> Array:
    """Effective time of a run that shrinks instead of taking spares: 1 - lambda (reshard + dt/2) - missing share."""
    lam, u, dt, m = (np.asarray(v, np.float64) for v in (hazard_per_s, reshard_s, interval_s, missing_share))
    return _array(np.maximum(0.0, 1.0 - lam * (u + dt / 2.0) - m))


def with_rate(profile: ReliabilityProfile, node_failures_per_day: float) -> ReliabilityProfile:
    """A profile whose failure rate is known: its range collapses to the value."""
    r = node_failures_per_day
    return replace(profile, node_failures_per_day=Range(r, r, r))


def _poisson_quantile(mean: float, quantile: float) -> int:
    """Smallest k with cdf(k; mean) >= quantile, from logarithms so that a large mean does not underflow."""
    if mean == 0.0:
        return 0
    top = int(mean + 12.0 * np.sqrt(mean) + 30.0)
    k = np.arange(top + 1, dtype=np.float64)
    log_factorial = np.concatenate(([0.0], np.cumsum(np.log(k[1:]))))
    cdf = np.cumsum(np.exp(k * np.log(mean) - mean - log_factorial))
    return int(np.searchsorted(cdf, quantile))


def _range(catalog: Catalog, item: str) -> Range:
    record = catalog.costs.get(item)
    if record is None:
        raise UnknownFigureError("costs", item, "value")
    value, figure = record.need("value"), record.figure("value")
    low = value if figure is None or figure.low is None else figure.low
    high = value if figure is None or figure.high is None else figure.high
    return Range(value, low, high)


def _positive(**named: NDArray[Any]) -> None:
    for name, value in named.items():
        if np.any(~np.isfinite(value) | (value <= 0.0)):
            raise InputError(Problem(f"{name} must be positive", found=f"{value}"))


def _array(value: Any) -> Array:
    return np.asarray(value, np.float64)
