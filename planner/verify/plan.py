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

from planner.answer.plan import Deployment, Plan
from planner.answer.words import throughput_of
from planner.catalog import Catalog
from planner.cost.of_plan import joules_per_token, unit_cost_usd
from planner.errors import InputError, PlannerError
from planner.facility.capacity import capacity_tree
from planner.facility.reliability import ReliabilityProfile, default_profile
from planner.options.annual import stated
from planner.options.counted import objective_values
from planner.options.form import over_lots
from planner.options.hardware.choices import start_days
from planner.options.work.classes import answered
from planner.options.work.describe import Described, Describer
from planner.options.work.redundancy import Redundancy
from planner.scenario import with_catalog_ids
from planner.scenario.kinds.daily import Daily, hourly_rates
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving, Training
from planner.verify.assumed import assumption_failures
from planner.verify.beside import beside_failures
from planner.verify.classes import class_failures, left_after_failures
from planner.verify.compare import LIMIT_TOLERANCE, differences, listed, near
from planner.verify.confidence import confidence_failures
from planner.verify.measured import measured_catalog
from planner.verify.question import asked_failures, kind_failures, proof_failures, question_failures
from planner.verify.specs import grown, spec_of


def verify_plan(plan: Plan, scenario: Scenario, catalog: Catalog) -> list[str]:
    """What is wrong with a plan; empty when every check holds. ``catalog`` is without the scenario's assumptions.

    Never raises for a wrong plan: what cannot even be recomputed is listed too.
    """
    changed = ["the plan was changed after it was written: its seal does not fit what it says"]
    return changed * plan.seal_is_broken + by_figures(plan, scenario, catalog)


def by_figures(plan: Plan, scenario: Scenario, catalog: Catalog) -> list[str]:
    """What is wrong with a plan by its figures, whatever its seal."""
    if not plan.has_plan:
        empty = not plan.deployments and plan.fleet is None and not plan.at_confidences
        return [] if empty else ["a plan without a solution has deployments"]
    try:
        catalog = measured_catalog(scenario, catalog)
        scenario = with_catalog_ids(scenario, catalog)  # as it was planned: no aliases
    except InputError as error:
        return [str(error)]
    return [
        *_failures(plan, scenario, catalog),
        *beside_failures(plan, scenario),
        *assumption_failures(plan, scenario, catalog),
        *confidence_failures(plan, scenario, catalog, _failures),
    ]


def _failures(plan: Plan, scenario: Scenario, catalog: Catalog) -> list[str]:
    """What is wrong with a plan, but for what it says of other confidences."""
    known = catalog.with_assumptions(scenario.assume.as_mapping())
    if plan.fleet is not None and not over_lots(scenario, known):
        return ["the plan is of a fleet over time, the scenario is not"]
    if scenario.over_time or plan.fleet is not None:
        from planner.verify.lots import verify_stock  # which takes what both need from here

        return verify_stock(plan, scenario, catalog)
    if plan.schedule is not None:
        return ["the plan has a schedule and no fleet"]
    describer = Describer(scenario, known)
    failures: list[str] = []
    units: list[tuple[Deployment, Described, int]] = []
    for i, deployment in enumerate(plan.deployments):
        where = f"deployments[{i}] {deployment.workload} on {deployment.system}"
        failures += [f"{where}: {text}" for text in asked_failures(deployment, scenario)]
        try:
            described = describer.describe(spec_of(deployment, scenario, plan))
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
        failures += [f"{where}: {text}" for text in figure_failures(deployment, described, count)]
    failures += question_failures(plan, scenario, catalog)
    failures += rack_failures(units)
    failures += sum_failures(plan, scenario)
    failures += proof_failures(plan, scenario)
    failures += kind_failures(plan, scenario)
    failures += _per_token(plan, scenario)
    failures += demand_failures(scenario, units, default_profile(known))
    failures += limit_failures(scenario, units)
    return failures


def figure_failures(d: Deployment, described: Described, n: int) -> Iterator[str]:
    """Every figure of a deployment that its description does not fix by itself."""
    p, again = described.priced, described.predicted
    lines = {name: float(v[0]) * n for name, v in p.cost_lines_usd.items()}
    expected: dict[str, object] = {
        "answers": [],
        "part_chips": 0,  # a system of its own is taken whole
        "chips": described.chips * n,
        "replicas": described.replicas * n,
        "spares": described.spares * n,
        "interconnect": described.interconnect,
        "rent_term": p.rent_term[0] if p.rent_term else "",
        "cache_pool": described.cache_pool,
        "parallelism": described.parallelism.model_dump(),
        "predicted": grown(again, n).model_dump(),
        "power": {
            "it_mw": float(p.it_peak_w[0]) * n / 1e6,
            "facility_mw": float(p.facility_peak_w[0]) * n / 1e6,
            "it_average_mw": float(p.it_average_w[0]) * n / 1e6,
            "facility_average_mw": float(p.facility_average_w[0]) * n / 1e6,
            "pue": p.pue,
            "breakdown_mw": {name: float(v[0]) * n / 1e6 for name, v in p.power_breakdown_w.items() if v[0]},
        },
        "cost": {
            "capex_usd": float(p.capex_usd[0]) * n,
            "capex_lines_usd": {name: float(v[0]) * n for name, v in p.capex_lines_usd.items()},
            "opex_usd_per_year": float(p.opex_usd_per_year[0]) * n,
            "total_usd": float(p.cost_usd[0]) * n,
            "lines_usd": lines,
        },
        "carbon_t": float(p.carbon_t[0]) * n,
        "water_m3": float(p.water_m3[0]) * n,
        "network": {name: float(v[0]) * n for name, v in p.network.items() if v[0]},
    }
    if described.class_rates:
        try:
            answers, together = answered(described, {a.name: a.requests_per_s for a in d.answers}, n)
        except InputError as error:
            yield str(error.problems[0])
            return
        expected |= {"predicted": together.model_dump(), "answers": [a.model_dump() for a in answers]}
        if math.fsum(a.share_of_time for a in answers) > 1 + float(LIMIT_TOLERANCE):
            yield f"its replicas answer for {math.fsum(a.share_of_time for a in answers):.6f} of their time"
        if any(a.requests_per_s <= 0 for a in answers):
            yield "it answers less than nothing of a class"
    said = d.model_dump()
    said["answers"] = list(said["answers"])
    yield from listed("answers", said["answers"], expected.pop("answers"))
    yield from differences("", {name: said[name] for name in expected}, expected)
    for name, parts, whole in (
        ("cost.lines_usd", d.cost.lines_usd, d.cost.total_usd),
        ("power.breakdown_mw", d.power.breakdown_mw, d.power.facility_average_mw),
        ("predicted.memory_gb", d.predicted.memory_gb, d.predicted.memory_gb_per_chip),
    ):
        if parts and not near(math.fsum(parts.values()), whole):
            yield f"{name} sums to {math.fsum(parts.values())}, the whole is {whole}"


def rack_failures(units: Sequence[tuple[Deployment, Described, int]]) -> Iterator[str]:
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


def sum_failures(plan: Plan, scenario: Scenario) -> Iterator[str]:
    totals = plan.totals
    if totals is None:
        yield "a plan has no totals"
        return
    picks: tuple[tuple[str, Callable[[Deployment], float]], ...] = (
        ("chips", lambda d: d.chips),
        ("systems", lambda d: d.systems),
        ("racks", lambda d: d.racks),
        ("it_mw", lambda d: 0.0 if d.acquire == "rent" else d.power.it_mw),
        ("facility_mw", lambda d: 0.0 if d.acquire == "rent" else d.power.facility_mw),
        ("capex_usd", lambda d: d.cost.capex_usd),
        ("opex_usd_per_year", lambda d: d.cost.opex_usd_per_year),
        ("tco_usd", lambda d: d.cost.total_usd),
        ("carbon_t", lambda d: d.carbon_t),
        ("water_m3", lambda d: d.water_m3),
    )
    sums = {}
    for name, pick in picks:
        sums[name] = found = float(sum((Fraction(pick(d)) for d in plan.deployments), start=Fraction(0)))
        if not near(float(getattr(totals, name)), found):
            yield f"totals.{name} is {getattr(totals, name)}, the deployments sum to {found}"
    values = objective_values(
        sums,
        time=math.fsum(d.predicted.finish_days or 0.0 for d in plan.deployments),
        throughput=throughput_of(scenario, plan.deployments),
    )
    objective = plan.objective
    if objective.name not in values or objective.value is None:
        yield f"objective {objective.name!r} has no value to check"
        return
    for name, said in (objective.values | {objective.name: objective.value}).items():
        if name not in values or not math.isclose(said, values[name], rel_tol=1e-6, abs_tol=1e-9):
            yield f"objective {name} is {said}, the deployments give {values.get(name)}"
    if objective.values.get(objective.name) != objective.value:
        yield f"objective.values says {objective.values.get(objective.name)}, objective.value {objective.value}"


def _per_token(plan: Plan, scenario: Scenario) -> Iterator[str]:
    """Cost for each million tokens that a workload asks for over the horizon."""
    found = {}
    for workload in scenario.workloads:
        cost = math.fsum(d.cost.total_usd for d in plan.deployments if d.workload == workload.name)
        if isinstance(workload, Training):
            found[workload.name] = cost / (workload.launches * workload.launch_tokens / 1e6)
        elif isinstance(workload, Serving):
            window = workload.window_hours
            years = scenario.horizon_years * 8760.0
            seconds = 3600.0 * (years if window is None else min(years, window))
            tokens = (
                workload.requests_per_s
                / workload.peak_to_mean
                * (workload.input_tokens + workload.answer_tokens)
                * seconds
            )
            found[workload.name] = cost / (tokens / 1e6)
    if plan.totals is not None:
        yield from differences("totals.usd_per_m_tokens", plan.totals.usd_per_m_tokens, found)
        again = unit_cost_usd(scenario, plan.deployments)
        yield from differences("totals.unit_cost_usd", plan.totals.unit_cost_usd, again)
        joules = joules_per_token(scenario, plan.deployments)
        yield from differences("totals.joules_per_token", plan.totals.joules_per_token, joules)


def demand_failures(
    scenario: Scenario, units: Sequence[tuple[Deployment, Described, int]], profile: ReliabilityProfile
) -> Iterator[str]:
    for workload in scenario.workloads:
        mine = [(d, x, n) for d, x, n in units if d.workload == workload.name]
        if workload.runs_once:
            runs = sum(n for _, x, n in mine if x.rates.get("run"))
            if runs != 1 or any(n != 1 for _, _, n in mine):
                yield f"{workload.name} is run {runs} times, must be run once"
            asked = getattr(workload, "finish_within_days", None)
            limit = scenario.horizon_years * 365.25
            if asked is not None:
                limit = min(limit, start_days(scenario, getattr(workload, "start", None)) + asked)
            for _, described, _ in mine:
                if Fraction(described.finish_days) > Fraction(limit) * (1 + LIMIT_TOLERANCE):
                    yield f"{workload.name} ends after {described.finish_days:.3f} days, {limit:g} allowed"
            continue
        if isinstance(workload, Serving) and workload.request_classes:
            yield from class_failures(scenario, workload, mine)
            continue
        wanted = workload.requests_per_s if isinstance(workload, Serving) else (workload.samples_per_s or 0.0)  # type: ignore[union-attr]
        by_site: dict[str, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
        for d, described, n in mine:
            if d.period != scenario.period_starts[0]:
                continue  # a load is there from the start
            for phase, rate in described.rates.items():
                by_site[f"{d.site.split('/')[0]} {described.cache_pool}"][phase] += Fraction(rate) * n
        phases = {"prefill", "decode"} if isinstance(workload, Serving) else {"score"}
        served = sum((min(rates[p] for p in phases) for rates in by_site.values()), start=Fraction(0))
        rule = Redundancy.of(workload, profile) if isinstance(workload, Serving) else None
        if rule is not None:
            left = left_after_failures(rule, [(d, x, n) for d, x, n in mine if d.period == scenario.period_starts[0]])
            if left < Fraction(wanted) * (1 - LIMIT_TOLERANCE):
                yield f"{workload.name} is left with {float(left):.6g}/s of {wanted:g}/s when units fail"
        if served < Fraction(wanted) * (1 - LIMIT_TOLERANCE):
            yield f"{workload.name} is served at {float(served):.6g}/s, {wanted:g}/s asked"
        if isinstance(workload, Daily):
            yield from _by_the_hour(workload, mine)
        for d, described, _ in mine:
            for name in ("ttft_ms", "tpot_ms", "latency_ms"):
                most, value = getattr(workload, name, None), getattr(described.predicted, name)
                if most is not None and value is not None and value * described.slower > most * (1 + 1e-9):
                    bears = f"{value * described.slower:.3f}"
                    yield f"{workload.name} on {d.system} has {name} {bears}, {most:g} allowed"


def _by_the_hour(workload: Daily, mine: Sequence[tuple[Deployment, Described, int]]) -> Iterator[str]:
    """In each hour of a day, most demand first, what is on for so many hours answers what is asked."""
    asked = sorted(hourly_rates(workload.requests_per_day, workload.users), reverse=True)
    for rank, wanted in enumerate(asked, start=1):
        on = [(x, n) for d, x, n in mine if (d.parallelism.hours_per_day or len(asked)) >= rank]
        served = sum((Fraction(x.rates["decode"]) * n for x, n in on), start=Fraction(0))
        if served < Fraction(wanted) * (1 - LIMIT_TOLERANCE):
            yield f"{workload.name}: {float(served):.6g}/s are on for {rank} hours a day, {wanted:.6g}/s asked"
            return


def limit_failures(scenario: Scenario, units: Sequence[tuple[Deployment, Described, int]]) -> Iterator[str]:
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
        "chips": Fraction(sum(x.bought_chips * n for _, x, n in units)),
    }
    for name in ("capex_usd", "cost_usd"):
        parts = (Fraction(float(getattr(x.priced, name)[0])) * n for _, x, n in units)
        sums[name] = sum(parts, start=Fraction(0))
    for of, _ in stated(limits):
        # the dearest year of the plan: a limit of a year holds in each of them
        by_year = [[Fraction(float(v)) * n for v in getattr(x.priced, of.option)[0]] for _, x, n in units]
        years = zip(*by_year, strict=True)
        sums[of.leaf] = max((sum(year, start=Fraction(0)) for year in years), default=Fraction(0))
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
