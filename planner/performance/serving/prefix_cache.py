"""Reuse of prefixes: how often a prompt's start is cached already, in a pool of some size and scope.

What could be reused at most is a property of the workload (``HitCurve``); what pools there are, how large, how fast and
who shares them is a property of the hardware (``Pool``). ``reuse`` joins the two:

    h(C)      = h_inf (1 - exp(-(C/C0)^beta))              share of prompt tokens found, pool of capacity C
    W         = requests/s x prompt x (1 - h_inf) x kappa  bytes/s of cache that nobody has seen before
    unique    = W x window                                 what C is measured against: a pool of it holds the window
    local     = (phi + (1 - phi)/n) h(n C / unique)        n pools that do not share, sessions stay, the rest at random
    fetched   = min(h, B / (kappa R + eta B))              a pool read at B bytes/s by prefill at R tokens/s
    gain      = 1 / (1 - eta h);   TTFT falls by eta_t h

``phi``: share of hits inside one session. Several pools are looked up in turn, the nearest first; each holds what the
nearer ones do not, so the share found up to a pool is that of their capacities together. Shapes: arrays (n,) or
numbers, which broadcast.

Sources: tables of least-recently-used caches over public traces, Mooncake (arXiv:2407.00079 and FAST'25) and the
Qwen-Bailian traces (ATC'25), fitted by this project; CloudMatrix384 for eta and eta_t (arXiv:2506.12708).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.errors import InputError, Problem, unknown_name
from planner.performance.serving.profile import ServingProfile

Floats = NDArray[np.float64]
Scope = Literal["chip", "server", "domain", "cluster"]
SCOPES: tuple[Scope, ...] = ("chip", "server", "domain", "cluster")

RETENTION_S = 900.0
"""Seconds of traffic that a pool should hold: 90% of reuses in chat and code come within 720-940 s."""


@dataclass(frozen=True)
class HitCurve:
    """Share of prompt tokens found in a least-recently-used pool, by the pool's size.

    ``most``: with a pool without end (h_inf). ``scale``: C0 and ``shape``: beta of the curve above. ``unit`` says what
    sizes are measured in: ``share`` of the unique cache of the workload, or ``blocks`` of 512 tokens. ``same_session``:
    share of hits inside one session (phi), None where nobody published it. Raises ``InputError`` out of bounds.
    """

    name: str
    most: float
    scale: float
    shape: float
    unit: Literal["share", "blocks"] = "share"
    same_session: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        problems = [
            Problem("out of bounds", path=f"hit_curve.{name}", found=f"{value:g}", allowed=allowed)
            for name, value, inside, allowed in (
                ("most", self.most, 0.0 <= self.most < 1.0, "0 to below 1"),
                ("scale", self.scale, self.scale > 0.0, "above 0"),
                ("shape", self.shape, 0.0 < self.shape <= 1.0, "above 0, at most 1 (more room never pays more)"),
                ("same_session", self.same_session or 0.0, 0.0 <= (self.same_session or 0.0) <= 1.0, "0 to 1"),
            )
            if not inside
        ]
        if problems:
            raise InputError(problems)

    def hit(self, size: ArrayLike) -> Floats:
        """Share of prompt tokens found with a pool of ``size`` (in ``unit``), 0..most; 0 for no pool."""
        room = np.maximum(np.asarray(size, dtype=np.float64), 0.0)
        return np.asarray(self.most * -np.expm1(-((room / self.scale) ** self.shape)))

    def size_for(self, hit: ArrayLike) -> Floats:
        """The smallest pool (in ``unit``) that finds ``hit``; infinite from ``most`` on."""
        share = np.asarray(hit, dtype=np.float64) / max(self.most, 1e-12)
        with np.errstate(divide="ignore"):
            need = -np.log1p(-np.minimum(share, 1.0))
        return np.asarray(self.scale * need ** (1.0 / self.shape))


_BAILIAN = "Qwen-Bailian traces (ATC'25), LRU table, fit within 0.006"
HIT_CURVES: Mapping[str, HitCurve] = {
    c.name: c
    for c in (
        HitCurve("chat", 0.579, 0.0387, 0.74, same_session=0.71, source=_BAILIAN),
        HitCurve("api", 0.542, 0.0010, 0.28, same_session=0.00, source=_BAILIAN),
        HitCurve("coder", 0.664, 0.0118, 0.41, same_session=0.40, source=_BAILIAN),
        HitCurve("thinking", 0.462, 0.0024, 0.32, same_session=0.28, source=_BAILIAN),
        HitCurve("conversation", 0.366, 0.068, 0.95, source="Mooncake conversation trace (FAST'25), fit within 0.006"),
        HitCurve("agent", 0.553, 0.0112, 0.41, source="Mooncake tool and agent trace (FAST'25), fit within 0.016"),
        HitCurve("mooncake_blocks", 0.51, 1936.0, 0.33, unit="blocks",
                 source="Mooncake (arXiv:2407.00079), LRU over blocks of 512 tokens, fit within 0.019"),
    )
}  # fmt: skip
"""Published workloads by name."""


def hit_curve(name: str) -> HitCurve:
    """A published curve; raises ``InputError`` with the nearest name."""
    if name not in HIT_CURVES:
        raise unknown_name("hit curve", name, sorted(HIT_CURVES), path="hit_curve")
    return HIT_CURVES[name]


@dataclass(frozen=True)
class Pool:
    """A place where caches are kept: property of the hardware, per chip that prefills.

    ``scope``: who reads one pool: the chip itself (its own HBM), the chips of a server (host DRAM), of a scale-up
    domain (a supernode's pool), or all (a store on the network). ``bytes_per_chip``: room it gives a chip.
    ``read_bytes_per_s``: rate at which one chip reads it; infinite for the chip's own memory.
    """

    name: str
    scope: Scope
    bytes_per_chip: float
    read_bytes_per_s: float = float("inf")

    def __post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise unknown_name("scope of a pool", self.scope, list(SCOPES), path="scope")
        problems = [
            Problem("must be above 0" if name == "read_bytes_per_s" else "must be 0 or more", path=name, found=str(v))
            for name, v in (("bytes_per_chip", self.bytes_per_chip), ("read_bytes_per_s", self.read_bytes_per_s))
            if not (v > 0 or (v == 0 and name == "bytes_per_chip"))
        ]
        if problems:
            raise InputError(problems)


@dataclass(frozen=True)
class Reuse:
    """What pools give a workload, arrays broadcast together. Shares are of prompt tokens.

    ``found``: what the pools hold of a prompt; ``hit``: what is also read in time, never more; ``by_pool`` sums to
    ``found``. ``prefill_gain``: prompts a chip prefills, over no reuse; ``ttft_factor``: TTFT over no reuse;
    ``prefill_chips_factor``: prefill chips needed, over no reuse. ``unique_bytes``: what a pool of everything in the
    window would hold.
    """

    found: Floats
    hit: Floats
    by_pool: Mapping[str, Floats]
    prefill_gain: Floats
    ttft_factor: Floats
    prefill_chips_factor: Floats
    unique_bytes: Floats


def unique_bytes(
    requests_per_s: ArrayLike,
    input_tokens: ArrayLike,
    most_hit: ArrayLike,
    kv_bytes_per_token: ArrayLike,
    window_s: ArrayLike = RETENTION_S,
) -> Floats:
    """Bytes of cache written in ``window_s`` seconds that nobody has written before.

    6 requests/s of Qwen chat (2,300 tokens) make 0.41 GB/s of DeepSeek-V3's cache, 370 GB in 15 minutes.
    """
    inflow = np.asarray(requests_per_s, float) * np.asarray(input_tokens, float) * (1.0 - np.asarray(most_hit, float))
    return np.asarray(inflow * np.asarray(kv_bytes_per_token, float) * np.asarray(window_s, float))


def sharing_loss(instances: ArrayLike, same_session: ArrayLike) -> Floats:
    """Share of hits that ``instances`` separate pools keep of a common one: phi + (1 - phi)/n.

    Requests of a session return to their instance, others go to any. Its inverse bounds what sharing gains.
    """
    phi, n = np.asarray(same_session, float), np.maximum(np.asarray(instances, float), 1.0)
    return np.asarray(phi + (1.0 - phi) / n)


def deliverable_hits(
    found: Sequence[ArrayLike],
    read_bytes_per_s: Sequence[float],
    kv_bytes_per_token: ArrayLike,
    prefill_tokens_per_s: ArrayLike,
    *,
    efficiency: float = ServingProfile.reuse_efficiency,
) -> list[Floats]:
    """What a chip can also read of the shares ``found`` in each pool while it prefills at its own pace.

    ``prefill_tokens_per_s``: R, of one chip without reuse. With a hit h in all, prompts pass 1/x times as fast,
    x = 1 - eta h, and bring kappa R h_k / x bytes/s from pool k, at most its B_k: the x with
    x = 1 - eta sum_k min(h_k, B_k x / (kappa R)), which is one. For one pool min(h, B/(kappa R + eta B)); then kappa R,
    the break-even of a pool, is enough for a hit of 1/(1 + eta), and kappa R/(1 - eta) for any.
    """
    need = np.asarray(kv_bytes_per_token, float) * np.asarray(prefill_tokens_per_s, float)
    shares = [np.asarray(h, dtype=np.float64) for h in found]
    shape = np.broadcast_shapes(need.shape, *(h.shape for h in shares))

    def read(x: Floats) -> list[Floats]:
        return [
            np.minimum(h, rate * x / np.maximum(need, 1e-300)) for h, rate in zip(shares, read_bytes_per_s, strict=True)
        ]

    low, high = np.full(shape, max(1.0 - efficiency, 1e-9)), np.ones(shape)
    for _ in range(60):  # the right side falls with x, so halving finds the one place where they meet
        middle = 0.5 * (low + high)
        above = middle > 1.0 - efficiency * np.asarray(sum(read(middle), start=np.zeros(shape)))
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return read(low)


def prefill_gain(hit: ArrayLike, efficiency: ArrayLike = ServingProfile.reuse_efficiency) -> Floats:
    """Prompts a chip prefills with a share ``hit`` reused, over none: 1/(1 - eta h)."""
    return np.asarray(1.0 / (1.0 - np.asarray(efficiency, float) * np.asarray(hit, float)))


def ttft_factor(hit: ArrayLike, efficiency: ArrayLike = ServingProfile.reuse_ttft_efficiency) -> Floats:
    """TTFT with a share ``hit`` reused, over none: 1 - eta_t h."""
    return np.asarray(1.0 - np.asarray(efficiency, float) * np.asarray(hit, float))


def reuse(
    curve: HitCurve,
    pools: Sequence[Pool],
    *,
    chips: ArrayLike,
    chips_per_server: ArrayLike,
    chips_per_domain: ArrayLike,
    requests_per_s: ArrayLike,
    input_tokens: ArrayLike,
    kv_bytes_per_token: ArrayLike,
    prefill_tokens_per_s: ArrayLike,
    window_s: ArrayLike = RETENTION_S,
    chips_per_instance: ArrayLike = 1,
    efficiency: float = ServingProfile.reuse_efficiency,
    ttft_efficiency: float = ServingProfile.reuse_ttft_efficiency,
) -> Reuse:
    """What ``pools``, nearest first, give a workload of ``requests_per_s`` spread over ``chips`` that prefill.

    ``chips_per_instance``: chips of one replica, which share their own memory; ``chips_per_server``,
    ``chips_per_domain``: whom host memory and a supernode's pool reach; ``prefill_tokens_per_s``: of one chip without
    reuse. Curves in ``blocks`` count 512 tokens of ``kv_bytes_per_token`` each. Where the curve's ``same_session`` is
    not published all pools count as common (phi 1), which flatters separate ones.
    """
    total = np.asarray(chips, dtype=np.float64)
    kappa = np.asarray(kv_bytes_per_token, dtype=np.float64)
    unique = unique_bytes(requests_per_s, input_tokens, curve.most, kappa, window_s)
    phi = 1.0 if curve.same_session is None else curve.same_session
    least = np.minimum(np.asarray(chips_per_instance, float), total)
    readers: dict[str, Any] = {
        "chip": least,
        "server": np.clip(np.asarray(chips_per_server, float), least, total),
        "domain": np.clip(np.asarray(chips_per_domain, float), least, total),
        "cluster": total,
    }
    before: Any = np.zeros(np.broadcast_shapes(total.shape, unique.shape, kappa.shape))
    room, by_pool = before.copy(), {}
    for pool in pools:
        room = room + pool.bytes_per_chip * total  # all pools of this kind and nearer
        size = room / np.maximum(unique, 1e-300) if curve.unit == "share" else room / (512.0 * kappa)
        separate = np.maximum(total / readers[pool.scope], 1.0)
        found = np.maximum(curve.hit(size) * sharing_loss(separate, phi), before)
        by_pool[pool.name] = found - before
        before = found
    rates = [pool.read_bytes_per_s for pool in pools]
    fetched = deliverable_hits(list(by_pool.values()), rates, kappa, prefill_tokens_per_s, efficiency=efficiency)
    hit = np.asarray(sum(fetched, start=np.zeros_like(before)))
    gain = prefill_gain(hit, efficiency)
    return Reuse(before, hit, by_pool, gain, ttft_factor(hit, ttft_efficiency), 1.0 / gain, unique)
