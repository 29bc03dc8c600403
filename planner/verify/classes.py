"""What is left of a load after failures, and the classes of its requests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from planner.answer.plan import Deployment, ScheduledLoad
from planner.options.work.describe import Described
from planner.options.work.redundancy import Redundancy
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving
from planner.verify.compare import LIMIT_TOLERANCE


def left_after_failures(
    rule: Redundancy, mine: Sequence[tuple[Deployment | ScheduledLoad, Described, int]]
) -> Fraction:
    """Requests/s that a load still gets when the worst units fail: any that it tolerates, and those that do.

    A site answers the lesser of its phases, so of failures at one site the worst are all of one phase. Those that are
    tolerated may fall on any sites; of those that fail by themselves, every site survives its own.
    """
    # where every unit does both phases, its place is of no matter
    apart = any(d.role != "serve" for d, _, _ in mine)
    sites: dict[str, dict[str, list[tuple[int, float, int]]]] = defaultdict(lambda: {"prefill": [], "decode": []})
    for d, described, n in mine:
        for phase, rate in described.rates.items():
            place = f"{d.site.split('/')[0]} {described.cache_pool}" if apart else ""
            sites[place][phase].append((described.chips, rate, n))

    def answered(phases: Mapping[str, list[tuple[int, float, int]]], lost: int | None) -> Fraction:
        return min(rule.left(units, lost) for units in phases.values())

    left = [sum((answered(p, 0) for p in sites.values()), start=Fraction(0))]
    if rule.availability is not None:
        left.append(sum((answered(p, None) for p in sites.values()), start=Fraction(0)))
    if rule.tolerate:
        least = [Fraction(0)] + [Fraction(0)] * rule.tolerate  # of the sites so far, with so many of the failures
        for phases in sites.values():
            here = [answered(phases, lost) for lost in range(rule.tolerate + 1)]
            least = [min(least[n - lost] + here[lost] for lost in range(n + 1)) for n in range(rule.tolerate + 1)]
        left.append(least[-1])
    return min(left)


def class_failures(
    scenario: Scenario, workload: Serving, mine: Sequence[tuple[Deployment, Described, int]]
) -> Iterator[str]:
    """Every class of requests is answered at its rate by what is there from the start, within its latencies."""
    got: dict[str, Fraction] = defaultdict(Fraction)
    limits = {c.label: (c.ttft_ms or workload.ttft_ms, c.tpot_ms or workload.tpot_ms) for c in workload.request_classes}
    for d, described, n in mine:
        if d.period != scenario.period_starts[0]:
            continue
        for a in d.answers:
            got[a.name] += Fraction(a.requests_per_s)
            rate = described.class_rates.get(a.name)
            if rate is None or a.name not in limits:
                yield f"{workload.name}: class {a.name} is not answered by {d.system}"
                continue
            for name, value, most in zip(("TTFT", "TPOT"), (rate.ttft_ms, rate.tpot_ms), limits[a.name], strict=True):
                if most is not None and value * rate.slower > most * (1 + 1e-9):
                    bears = f"{value * rate.slower:.3f} ms"
                    yield f"{workload.name}: class {a.name} on {d.system} has {name} {bears}, {most:g} allowed"
        time = sum((Fraction(a.requests_per_s) / Fraction(described.class_rates[a.name].requests_per_s)
                    for a in d.answers if a.name in described.class_rates), start=Fraction(0))  # fmt: skip
        if time > n * (1 + LIMIT_TOLERANCE):
            yield f"{workload.name} on {d.system} needs {float(time):.6g} units of time, {n} stand there"
    for c in workload.request_classes:
        wanted = Fraction(c.share) * Fraction(workload.requests_per_s)
        if got[c.label] < wanted * (1 - LIMIT_TOLERANCE):
            rates = f"{float(got[c.label]):.6g}/s, {float(wanted):.6g} asked"
            yield f"{workload.name}: class {c.label} is answered at {rates}"
