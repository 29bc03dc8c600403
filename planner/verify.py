"""The independent check of a plan: everything again, from catalog and scenario, in exact arithmetic where it decides.

Imports neither the fleet model nor a solver (a test holds this). A plan is what its file says: counts, places and
layouts are taken from it, every other figure is computed again and compared. What fails is listed as text; a plan with
any failure is never shown as a plan.

    counts      whole, and whole units of the layout they claim
    figures     performance, power, racks, money, carbon, water: recomputed from the description of each deployment
    sums        lines to totals, totals to the objective, bound not above it
    demand      every run once, in time; every load at its rate, phase by phase and site by site, within its latencies
    limits      every level of every site, and every limit of the plan, in exact fractions
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from planner.catalog import Catalog
from planner.errors import PlannerError
from planner.facility.capacity import capacity_tree
from planner.options.describe import Described, Describer, Spec, layout_of_plan
from planner.result import Deployment, Plan
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving

RELATIVE_TOLERANCE = 1e-9
"""Of recomputed figures: the same arithmetic in another order."""
LIMIT_TOLERANCE = Fraction(1, 10**6)
"""Relative overrun of a limit that is rounding of the solver's own arithmetic, not a broken limit."""


def verify_plan(plan: Plan, scenario: Scenario, catalog: Catalog) -> list[str]:
    """What is wrong with a plan; empty when every check holds. ``catalog`` is without the scenario's assumptions.

    Never raises for a wrong plan: what cannot even be recomputed is listed too.
    """
    if not plan.has_plan:
        return [] if not plan.deployments else ["a plan without a solution has deployments"]
    known = catalog.with_assumptions(scenario.assume.as_mapping())
    describer = Describer(scenario, known)
    failures: list[str] = []
    units: list[tuple[Deployment, Described, int]] = []
    for i, deployment in enumerate(plan.deployments):
        where = f"deployments[{i}] {deployment.workload} on {deployment.system}"
        try:
            described = describer.describe(_spec(deployment, scenario))
        except (PlannerError, KeyError, ValueError) as error:
            failures.append(f"{where}: {error}")
            continue
        count, remainder = divmod(deployment.systems, described.systems)
        if remainder or count < 1:
            failures.append(
                f"{where}: {deployment.systems} systems are no whole number of units of {described.systems}"
            )
            continue
        units.append((deployment, described, count))
        failures += [f"{where}: {text}" for text in _figures(deployment, described, count)]
    failures += _racks(units)
    failures += _sums(plan, units)
    failures += _demand(scenario, units)
    failures += _limits(scenario, units)
    return failures


def _spec(d: Deployment, scenario: Scenario) -> Spec:
    return Spec(
        d.workload, d.role, d.site, scenario.period_starts.index(d.period), d.system, d.chip, d.cooling, d.acquire,
        d.precision, layout_of_plan(d.parallelism, d.role),
    )  # fmt: skip


def _near(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-12)


def _figures(d: Deployment, described: Described, n: int) -> Iterator[str]:
    p = described.priced
    expected: dict[str, tuple[float | None, float | None]] = {
        "chips": (d.chips, described.chips * n),
        "replicas": (d.replicas, described.replicas * n),
        "spares": (d.spares, described.spares * n),
        "power.it_mw": (d.power.it_mw, float(p.it_peak_w[0]) * n / 1e6),
        "power.facility_mw": (d.power.facility_mw, float(p.facility_peak_w[0]) * n / 1e6),
        "power.facility_average_mw": (d.power.facility_average_mw, float(p.facility_average_w[0]) * n / 1e6),
        "power.breakdown_mw": (math.fsum(d.power.breakdown_mw.values()), d.power.facility_average_mw),
        "cost.capex_usd": (d.cost.capex_usd, float(p.capex_usd[0]) * n),
        "cost.opex_usd_per_year": (d.cost.opex_usd_per_year, float(p.opex_usd_per_year[0]) * n),
        "cost.total_usd": (d.cost.total_usd, float(p.cost_usd[0]) * n),
        "cost.lines_usd": (math.fsum(d.cost.lines_usd.values()), d.cost.total_usd),
        "carbon_t": (d.carbon_t, float(p.carbon_t[0]) * n),
        "water_m3": (d.water_m3, float(p.water_m3[0]) * n),
    }
    mine, again = d.predicted, described.predicted
    for name in ("step_time_s", "mfu", "ettr", "days", "finish_days", "ttft_ms", "tpot_ms", "latency_ms",
                 "memory_gb_per_chip", "tokens_per_s_per_chip", "model_tflops_per_chip"):  # fmt: skip
        expected[f"predicted.{name}"] = (getattr(mine, name), getattr(again, name))
    for name in ("tokens_per_s", "input_tokens_per_s", "requests_per_s", "samples_per_s"):
        value = getattr(again, name)
        expected[f"predicted.{name}"] = (getattr(mine, name), None if value is None else value * n)
    for name in ("breakdown", "memory_gb"):
        if getattr(mine, name).keys() != getattr(again, name).keys():
            yield f"predicted.{name} has other parts than the performance model gives"
    if mine.memory_gb:
        expected["predicted.memory_gb"] = (math.fsum(mine.memory_gb.values()), mine.memory_gb_per_chip)
    for name, (said, found) in expected.items():
        if not _near(said, found):
            yield f"{name} is {said}, recomputed {found}"


def _racks(units: Sequence[tuple[Deployment, Described, int]]) -> Iterator[str]:
    """Systems of one kind at one place share racks, and a rack is whole."""
    said: dict[tuple[str, ...], int] = defaultdict(int)
    found: dict[tuple[str, ...], Fraction] = defaultdict(Fraction)
    for d, described, n in units:
        kind = (d.site, d.system, d.chip, d.cooling)
        said[kind] += d.racks
        found[kind] += Fraction(float(described.priced.racks[0])) * n
    for group, racks in found.items():
        whole = math.ceil(racks - Fraction(1, 10**9))
        if said[group] != whole:
            yield f"{group[1]} in {group[3]} at {group[0]} is said to stand in {said[group]} racks, recomputed {whole}"


def _sums(plan: Plan, units: Sequence[tuple[Deployment, Described, int]]) -> Iterator[str]:
    totals = plan.totals
    if totals is None:
        yield "a plan has no totals"
        return
    picks: tuple[tuple[str, Callable[[Deployment], float]], ...] = (
        ("chips", lambda d: d.chips),
        ("systems", lambda d: d.systems),
        ("racks", lambda d: d.racks),
        ("it_mw", lambda d: d.power.it_mw),
        ("facility_mw", lambda d: d.power.facility_mw),
        ("capex_usd", lambda d: d.cost.capex_usd),
        ("opex_usd_per_year", lambda d: d.cost.opex_usd_per_year),
        ("tco_usd", lambda d: d.cost.total_usd),
        ("carbon_t", lambda d: d.carbon_t),
        ("water_m3", lambda d: d.water_m3),
    )
    for name, pick in picks:
        found = float(sum((Fraction(pick(d)) for d in plan.deployments), start=Fraction(0)))
        if not _near(float(getattr(totals, name)), found):
            yield f"totals.{name} is {getattr(totals, name)}, the deployments sum to {found}"
    values = {
        "cost": math.fsum(d.cost.total_usd for d in plan.deployments),
        "time": math.fsum(d.predicted.finish_days or 0.0 for d in plan.deployments),
        "power": math.fsum(d.power.facility_mw for d in plan.deployments),
        "carbon": math.fsum(d.carbon_t for d in plan.deployments),
        "throughput": math.fsum(described.tokens_per_s * n for _, described, n in units),
    }
    objective = plan.objective
    if objective.name not in values or objective.value is None:
        yield f"objective {objective.name!r} has no value to check"
        return
    if not math.isclose(objective.value, values[objective.name], rel_tol=1e-6, abs_tol=1e-6):
        yield f"objective {objective.name} is {objective.value}, the deployments give {values[objective.name]}"
    if objective.bound is not None:
        better = (
            objective.bound - objective.value if objective.name != "throughput" else objective.value - objective.bound
        )
        if better > 1e-6 * max(1.0, abs(objective.value)):
            yield f"the bound {objective.bound} is worse than the plan's own value {objective.value}"


def _demand(scenario: Scenario, units: Sequence[tuple[Deployment, Described, int]]) -> Iterator[str]:
    for workload in scenario.workloads:
        mine = [(d, x, n) for d, x, n in units if d.workload == workload.name]
        is_run = workload.kind == "training" or (workload.kind == "recommendation" and workload.mode == "training")
        if is_run:
            if sum(n for _, _, n in mine) != 1:
                yield f"{workload.name} is run {sum(n for _, _, n in mine)} times, must be run once"
            limit = getattr(workload, "finish_within_days", None)
            for _, described, _ in mine:
                if limit is not None and Fraction(described.finish_days) > Fraction(limit) * (1 + LIMIT_TOLERANCE):
                    yield f"{workload.name} ends after {described.finish_days:.3f} days, {limit:g} allowed"
            continue
        wanted = workload.requests_per_s if isinstance(workload, Serving) else (workload.samples_per_s or 0.0)  # type: ignore[union-attr]
        by_site: dict[str, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
        for d, described, n in mine:
            for phase, rate in described.rates.items():
                by_site[d.site.split("/")[0]][phase] += Fraction(rate) * n
        phases = {"prefill", "decode"} if isinstance(workload, Serving) else {"score"}
        served = sum((min(rates[p] for p in phases) for rates in by_site.values()), start=Fraction(0))
        if served < Fraction(wanted) * (1 - LIMIT_TOLERANCE):
            yield f"{workload.name} is served at {float(served):.6g}/s, {wanted:g}/s asked"
        for d, described, _ in mine:
            for name in ("ttft_ms", "tpot_ms", "latency_ms"):
                limit, value = getattr(workload, name, None), getattr(described.predicted, name)
                if limit is not None and value is not None and value > limit * (1 + 1e-9):
                    yield f"{workload.name} on {d.system} has {name} {value:.3f}, {limit:g} allowed"


def _limits(scenario: Scenario, units: Sequence[tuple[Deployment, Described, int]]) -> Iterator[str]:
    def over(used: Fraction, limit: float) -> bool:
        return used > Fraction(limit) * (1 + LIMIT_TOLERANCE)

    levels = {}
    place = {}
    for site in scenario.sites:
        some, locations = capacity_tree(site)
        levels.update({level.name: level for level in some})
        place.update({location.name: location for location in locations})
    power: dict[str, Fraction] = defaultdict(Fraction)
    racks: dict[str, dict[tuple[str, str, str, str], Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    on_site = Fraction(0)
    for d, described, n in units:
        if d.acquire == "rent":
            continue
        watts = Fraction(float(described.priced.facility_peak_w[0])) * n
        on_site += watts
        for name in place[d.site].levels:
            power[name] += watts
            racks[name][d.site, d.system, d.chip, d.cooling] += Fraction(float(described.priced.racks[0])) * n
    for name, level in levels.items():
        if level.power_w is not None and over(power[name], level.power_w):
            yield f"{name} draws {float(power[name]) / 1e6:.4f} MW, {level.power_w / 1e6:g} MW allowed"
        whole = sum(math.ceil(r - Fraction(1, 10**9)) for r in racks[name].values())
        if level.racks is not None and whole > level.racks:
            yield f"{name} holds {whole} racks, {level.racks} allowed"
    limits = scenario.limits
    sums: dict[str, Fraction] = {
        "power_mw": on_site / 10**6,
        "chips": Fraction(sum(x.chips * n for _, x, n in units)),
    }
    for name in ("capex_usd", "opex_usd_per_year", "carbon_t_per_year", "water_m3_per_year", "cost_usd"):
        parts = (Fraction(float(getattr(x.priced, name)[0])) * n for _, x, n in units)
        sums[name] = sum(parts, start=Fraction(0))
    for name, used in sums.items():
        limit = getattr(limits, name)
        if limit is not None and over(used, limit):
            yield f"limits.{name}: {float(used):.6g} used, {limit:g} allowed"
    for workload in scenario.workloads:
        if workload.chips is None:
            continue
        taken = sum(x.chips * n for d, x, n in units if d.workload == workload.name)
        if workload.chips.max is not None and taken > workload.chips.max:
            yield f"{workload.name} uses {taken} chips, at most {workload.chips.max} allowed"
        if workload.chips.min is not None and taken < workload.chips.min:
            yield f"{workload.name} uses {taken} chips, at least {workload.chips.min} asked"
    for site in scenario.sites:
        standing: dict[str, int] = defaultdict(int)
        for block in site.installed:
            standing[block.system] += block.count
        used_there: dict[str, int] = defaultdict(int)
        for d, _, _ in units:
            if d.acquire == "installed" and d.site.split("/")[0] == site.name:
                used_there[d.system] += d.systems
        for system, count in used_there.items():
            if count > standing[system]:
                yield f"{site.name} uses {count} installed {system}, {standing[system]} stand there"
