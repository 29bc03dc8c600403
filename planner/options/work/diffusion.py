"""Options of diffusion: units of chips that make one image or clip at a time, and how many of them.

A unit runs a sequence over 1 to 8 chips of one scale-up domain, and the two passes of guidance side by side or one
after the other. Requests wait in one queue for all units that the demand takes, so of c units at utilisation rho
P(wait > t) ~ C(c, rho c) exp(-2 c (1 - rho) t / S), with Erlang's C (M/D/c in heavy traffic).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from planner.answer.plan import Parallelism
from planner.errors import InputError, Problem
from planner.facility.power import PHASE_ACTIVITY
from planner.options.hardware.choices import Choice
from planner.options.work.counted_kinds import CountedSearch, Units
from planner.options.work.serving import unit_of
from planner.performance.diffusion import HIGH80, LOW80, DiffusionJob, estimate_diffusion
from planner.performance.platform import Platform
from planner.performance.precision import peak_name
from planner.scenario.kinds.diffusion import Diffusion

SEQUENCE = (1, 2, 4, 8, 16)
BRANCHES = (1, 2)


class DiffusionSearch(CountedSearch):
    """Searches one diffusion load."""

    ROLE: ClassVar[str] = "generate"
    BASIS: ClassVar[str] = "planner estimate: no measured diffusion model is carried to compare with"
    workload: Diffusion

    def job(self, precision: str) -> DiffusionJob:
        """One request in one precision."""
        w = self.workload
        return DiffusionJob(self.model, peak_name(precision), w.steps, w.height, w.width, w.frames, w.guidance)

    def units(self, choice: Choice, platform: Platform, precision: str, most_chips: int) -> Units:
        """Every width of a sequence inside one scale-up domain, with the passes of guidance beside or after another."""
        domain = max(platform.tiers[0].size if platform.tiers else 1, 1)
        layouts = [
            {"cp": p, "dp": b}
            for p in SEQUENCE
            for b in BRANCHES
            if p <= domain and p * b <= most_chips and b <= self.job(precision).passes
        ]
        return self._units(platform, precision, layouts)

    def one(self, platform: Platform, precision: str, layout: Mapping[str, int]) -> Units:
        """One layout; raises ``InputError`` where the search does not look at it."""
        legal = layout["cp"] in SEQUENCE and layout["dp"] in BRANCHES
        if not legal or layout["cp"] > max(platform.tiers[0].size, 1) or layout["dp"] > self.job(precision).passes:
            raise InputError(Problem(f"{self.workload.name}: {dict(layout)} is no legal unit on {platform.system_id}"))
        return self._units(platform, precision, [dict(layout)])

    def _units(self, platform: Platform, precision: str, layouts: list[dict[str, int]]) -> Units:
        w, job = self.workload, self.job(precision)
        sequence, branches = (np.array([x[name] for x in layouts], dtype=np.int64) for name in ("cp", "dp"))
        found = estimate_diffusion(job, platform, sequence, branches)
        each = sequence * branches
        systems, replicas = unit_of(each, platform.system_chips)
        servers = np.ceil(w.samples_per_s * found.seconds / w.utilisation - 1e-9)
        wait = np.array([_wait(int(c), w.utilisation, w.percentile) for c in servers])
        rate = replicas * w.utilisation / found.seconds
        fits = found.fits if len(layouts) else np.zeros(0, dtype=bool)
        n = len(layouts)
        return Units(
            layouts=tuple(layouts),
            systems=systems,
            spares=np.zeros(n, dtype=np.int64),
            chips=each * replicas,
            replicas=replicas,
            activity=np.full(n, PHASE_ACTIVITY["prefill"] * w.utilisation / w.peak_to_mean),
            step_time_s=found.step_s,
            samples_per_s=rate,
            tokens_per_s=rate * 0.0,
            fits=fits,
            memory_bytes=np.asarray(sum(found.memory.values()), np.float64) + np.zeros(n),
            memory_limit_bytes=found.memory_limit_bytes,
            low80=np.full(n, LOW80),
            high80=np.full(n, HIGH80),
            latency_ms=found.seconds * (1.0 + wait) * 1e3,
            breakdown=found.breakdown,
            memory=found.memory,
            enumerated=n,
            reason=f"{w.model} fits in the memory of no unit" if not fits.any() else "",
        )

    def parallelism(self, layout: Mapping[str, int], units: Units) -> Parallelism:
        """The sequence's width as context parallelism, the passes of guidance as data parallelism."""
        return Parallelism(cp=layout["cp"], dp=layout["dp"], load=self.workload.utilisation)


def _wait(servers: int, utilisation: float, percentile: float) -> float:
    """Time in a queue before so many servers at a percentile, in service times."""
    load = utilisation * max(servers, 1)
    blocked = 1.0  # Erlang's B, by its recursion
    for k in range(1, max(servers, 1) + 1):
        blocked = load * blocked / (k + load * blocked)
    waits = blocked / (1.0 - utilisation * (1.0 - blocked))
    tail = max(1.0 - percentile / 100.0, 1e-9)
    return max(0.0, math.log(waits / tail)) / (2.0 * max(servers, 1) * (1.0 - utilisation))


def unit_layout(parallelism: Parallelism) -> dict[str, int]:
    """The layout behind what a plan prints."""
    return {"cp": parallelism.cp, "dp": parallelism.dp}
