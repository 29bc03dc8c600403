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
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction

from planner.answer.asked import asked_of
from planner.answer.plan import Deployment, Plan, ScheduledLoad
from planner.catalog import Catalog
from planner.errors import InputError, PlannerError, Problem
from planner.facility.capacity import capacity_tree
from planner.facility.reliability import ReliabilityProfile, default_profile
from planner.options.form import over_lots
from planner.options.hardware.choices import start_days
from planner.options.work.classes import answered
from planner.options.work.describe import Described, Describer, Spec, layout_of_plan
from planner.options.work.redundancy import Redundancy
from planner.scenario import problem_digest, with_catalog_ids
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving, Training
from planner.sentence import throughput_of
from planner.uncertainty.chance import chance_of
from planner.unit_costs import joules_per_token, unit_cost_usd

RELATIVE_TOLERANCE = 1e-9
"""Of recomputed figures: the same arithmetic in another order."""
LIMIT_TOLERANCE = Fraction(1, 10**6)
"""Relative overrun of a limit that is rounding of the solver's own arithmetic, not a broken limit."""

SCALED_RATES = ("tokens_per_s", "input_tokens_per_s", "requests_per_s", "samples_per_s")
"""Predicted figures that grow with the number of units; all others are of a unit."""
UNITS = {"cost": "USD", "time": "days", "power": "MW", "carbon": "t CO2e", "throughput": "tokens/s"}


def verify_plan(plan: Plan, scenario: Scenario, catalog: Catalog) -> list[str]:
    """What is wrong with a plan; empty when every check holds. ``catalog`` is without the scenario's assumptions.

    Never raises for a wrong plan: what cannot even be recomputed is listed too.
    """
    if not plan.has_plan:
        return [] if not plan.deployments and plan.fleet is None else ["a plan without a solution has deployments"]
    try:
        scenario = with_catalog_ids(scenario, catalog)  # as it was planned: no aliases
    except InputError as error:
        return [str(error)]
    known = catalog.with_assumptions(scenario.assume.as_mapping())
    if plan.fleet is not None and not over_lots(scenario, known):
        return ["the plan is of a fleet over time, the scenario is not"]
    if scenario.over_time or plan.fleet is not None:
        from planner.verify_stock import verify_stock  # which takes what both need from here

        return verify_stock(plan, scenario, catalog)
    if plan.schedule is not None:
        return ["the plan has a schedule and no fleet"]
    describer = Describer(scenario, known)
    failures: list[str] = []
    units: list[tuple[Deployment, Described, int]] = []
    for i, deployment in enumerate(plan.deployments):
        where = f"deployments[{i}] {deployment.workload} on {deployment.system}"
        failures += [f"{where}: {text}" for text in _asked(deployment, scenario)]
        try:
            described = describer.describe(_spec(deployment, scenario, plan))
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
    failures += question_failures(plan, scenario, catalog)
    failures += _racks(units)
    failures += _sums(plan, scenario)
    failures += proof_failures(plan, scenario)
    failures += _per_token(plan, scenario)
    failures += _demand(scenario, units, default_profile(known))
    failures += _limits(scenario, units)
    return failures


def _spec(d: Deployment, scenario: Scenario, plan: Plan | None = None) -> Spec:
    partner = None
    if d.mix and plan is not None:
        others = [x for x in plan.deployments if x.mix == d.mix and x is not d]
        if len(others) != 1:
            raise InputError(Problem(f"mix {d.mix} has {len(others) + 1} deployments, must be two"))
        partner = _spec(others[0], scenario)
    return Spec(
        d.workload, d.role, d.site, scenario.period_starts.index(d.period), d.system, d.chip, d.cooling, d.acquire,
        d.precision, layout_of_plan(d.parallelism, d.role), d.power_cap, partner,
        not d.mix or d.predicted.finish_days is not None, d.rent_term,
    )  # fmt: skip


def near(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-12)


def _figures(d: Deployment, described: Described, n: int) -> Iterator[str]:
    """Every figure of a deployment that its description does not fix by itself."""
    p, again = described.priced, described.predicted
    grown = {name: value * n for name in SCALED_RATES if (value := getattr(again, name)) is not None}
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
        "predicted": again.model_dump() | grown,
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
    yield from _listed("answers", said["answers"], expected.pop("answers"))
    yield from differences("", {name: said[name] for name in expected}, expected)
    for name, parts, whole in (
        ("cost.lines_usd", d.cost.lines_usd, d.cost.total_usd),
        ("power.breakdown_mw", d.power.breakdown_mw, d.power.facility_average_mw),
        ("predicted.memory_gb", d.predicted.memory_gb, d.predicted.memory_gb_per_chip),
    ):
        if parts and not near(math.fsum(parts.values()), whole):
            yield f"{name} sums to {math.fsum(parts.values())}, the whole is {whole}"


def _listed(path: str, said: object, found: object) -> Iterator[str]:
    """Where two lists of plain data differ."""
    assert isinstance(said, list)  # noqa: S101 - narrowed for the type checker
    assert isinstance(found, list)  # noqa: S101
    if len(said) != len(found):
        yield f"{path} has {len(said)} entries, recomputed {len(found)}"
    for i, (a, b) in enumerate(zip(said, found, strict=False)):
        yield from differences(f"{path}[{i}]", a, b)


def differences(path: str, said: object, found: object) -> Iterator[str]:
    """Where two pieces of plain data differ: figures beyond rounding, everything else at all."""
    if isinstance(said, Mapping) and isinstance(found, Mapping):
        for name in sorted(said.keys() | found.keys()):
            here = f"{path}.{name}" if path else str(name)
            if name not in said or name not in found:
                yield f"{here} is {said.get(name, 'missing')}, recomputed {found.get(name, 'as no part of it')}"
            else:
                yield from differences(here, said[name], found[name])
        return
    if isinstance(said, list) and isinstance(found, list):
        yield from _listed(path, said, found)
        return
    numbers = isinstance(said, int | float) and isinstance(found, int | float)
    if not (near(float(said), float(found)) if numbers else said == found):  # type: ignore[arg-type]
        yield f"{path} is {said}, recomputed {found}"


def _asked(d: Deployment, scenario: Scenario) -> Iterator[str]:
    """What the scenario fixes by hand: formats, degrees, whether phases are apart."""
    workload = next((w for w in scenario.workloads if w.name == d.workload), None)
    if workload is None:
        return  # describing it will say so
    if d.precision not in workload.precision:
        yield f"precision {d.precision} is none of {', '.join(workload.precision)}"
    pinned = getattr(workload, "parallelism", None)
    for name, value in (pinned.model_dump() if pinned is not None else {}).items():
        mine = getattr(d.parallelism, "dp" if name == "attention_dp" else name)
        if value is not None and mine != value:
            yield f"parallelism.{name} is {mine}, the scenario fixes {value}"
    phases = getattr(workload, "disaggregated", "auto")
    if phases != "auto" and (d.role == "serve") != (phases == "never"):
        yield f"role is {d.role}, the scenario says disaggregated: {phases}"


def question_failures(plan: Plan, scenario: Scenario, catalog: Catalog) -> Iterator[str]:
    """Whether the plan answers this scenario with this catalog."""
    assumed = {
        f"{kind}.{record}.{name}": value
        for kind, records in scenario.assume.as_mapping().items()
        for record, fields in records.items()
        for name, value in fields.items()
    }
    said: dict[str, object] = {
        "scenario": plan.scenario,
        "start": plan.start,
        "periods": plan.periods,
        "horizon_years": plan.horizon_years,
        "catalog_digest": plan.catalog_digest,
        "problem_digest": plan.problem_digest,
        "objective.name": plan.objective.name,
        "objective.priorities": plan.objective.priorities,
        "objective.unit": plan.objective.unit,
        "assumptions": {a.path: a.value for a in plan.assumptions},
        "workloads": {w.name: w.model_dump() for w in plan.workloads},
        "proof.bound": plan.proof.bound,
        "chance": None if plan.chance is None else plan.chance.model_dump(mode="json"),
    }
    again = chance_of(scenario, plan, catalog.with_assumptions(scenario.assume.as_mapping()))
    found: dict[str, object] = {
        "scenario": scenario.name,
        "start": scenario.start,
        "periods": scenario.period_starts,
        "horizon_years": scenario.horizon_years,
        "catalog_digest": catalog.digest,
        "problem_digest": problem_digest(scenario, catalog.digest),
        "objective.name": scenario.objective[0],
        "objective.priorities": scenario.objective,
        "objective.unit": UNITS[scenario.objective[0]],
        "assumptions": assumed,
        "workloads": {w.name: w.model_dump() for w in asked_of(scenario)},
        "proof.bound": plan.objective.bound,
        "chance": None if again is None else again.model_dump(mode="json"),
    }
    for name, value in said.items():
        yield from differences(name, value, found[name])


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


def _sums(plan: Plan, scenario: Scenario) -> Iterator[str]:
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
    for name, pick in picks:
        found = float(sum((Fraction(pick(d)) for d in plan.deployments), start=Fraction(0)))
        if not near(float(getattr(totals, name)), found):
            yield f"totals.{name} is {getattr(totals, name)}, the deployments sum to {found}"
    values = {
        "cost": math.fsum(d.cost.total_usd for d in plan.deployments),
        "time": math.fsum(d.predicted.finish_days or 0.0 for d in plan.deployments),
        "power": math.fsum(d.power.facility_mw for d in plan.deployments if d.acquire != "rent"),
        "carbon": math.fsum(d.carbon_t for d in plan.deployments),
        "throughput": throughput_of(scenario, plan.deployments),
    }
    objective = plan.objective
    if objective.name not in values or objective.value is None:
        yield f"objective {objective.name!r} has no value to check"
        return
    for name, said in (objective.values | {objective.name: objective.value}).items():
        if name not in values or not math.isclose(said, values[name], rel_tol=1e-6, abs_tol=1e-9):
            yield f"objective {name} is {said}, the deployments give {values.get(name)}"
    if objective.values.get(objective.name) != objective.value:
        yield f"objective.values says {objective.values.get(objective.name)}, objective.value {objective.value}"


def proof_failures(plan: Plan, scenario: Scenario) -> Iterator[str]:
    """A bound that is not better than the plan, and a status that value and bound bear out."""
    objective = plan.objective
    value, bound = objective.value, objective.bound
    if value is None:
        return
    if bound is None:
        if plan.status != "feasible" or objective.gap is not None:
            yield f"status {plan.status} without a bound"
        return
    better = bound - value if objective.name != "throughput" else value - bound
    if better > 1e-6 * max(1.0, abs(value)):
        yield f"the bound {bound} is worse than the plan's own value {value}"
    gap = abs(value - bound) / max(1e-9, abs(value))
    if objective.gap is None or not math.isclose(objective.gap, gap, rel_tol=1e-6, abs_tol=1e-9):
        yield f"objective.gap is {objective.gap}, value and bound give {gap}"
    allowed = {"proven_optimal": 1e-5, "within_gap": scenario.solve.gap + 1e-5}.get(plan.status, math.inf)
    if gap > allowed and abs(value - bound) > 1e-6:
        yield f"status {plan.status} with a gap of {gap}"


def _per_token(plan: Plan, scenario: Scenario) -> Iterator[str]:
    """Cost for each million tokens that a workload asks for over the horizon."""
    found = {}
    for workload in scenario.workloads:
        cost = math.fsum(d.cost.total_usd for d in plan.deployments if d.workload == workload.name)
        if isinstance(workload, Training):
            found[workload.name] = cost / (workload.tokens / 1e6)
        elif isinstance(workload, Serving):
            seconds = scenario.horizon_years * 8760.0 * 3600.0
            tokens = (
                workload.requests_per_s
                / workload.peak_to_mean
                * (workload.input_tokens + workload.output_tokens)
                * seconds
            )
            found[workload.name] = cost / (tokens / 1e6)
    if plan.totals is not None:
        yield from differences("totals.usd_per_m_tokens", plan.totals.usd_per_m_tokens, found)
        again = unit_cost_usd(scenario, plan.deployments)
        yield from differences("totals.unit_cost_usd", plan.totals.unit_cost_usd, again)
        joules = joules_per_token(scenario, plan.deployments)
        yield from differences("totals.joules_per_token", plan.totals.joules_per_token, joules)


def _demand(
    scenario: Scenario, units: Sequence[tuple[Deployment, Described, int]], profile: ReliabilityProfile
) -> Iterator[str]:
    for workload in scenario.workloads:
        mine = [(d, x, n) for d, x, n in units if d.workload == workload.name]
        is_run = workload.kind == "training" or (workload.kind == "recommendation" and workload.mode == "training")
        if is_run:
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
            yield from _classes(scenario, workload, mine)
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
        for d, described, _ in mine:
            for name in ("ttft_ms", "tpot_ms", "latency_ms"):
                most, value = getattr(workload, name, None), getattr(described.predicted, name)
                if most is not None and value is not None and value * described.slower > most * (1 + 1e-9):
                    yield f"{workload.name} on {d.system} has {name} {value * described.slower:.3f}, {most:g} allowed"


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


def _classes(scenario: Scenario, workload: Serving, mine: Sequence[tuple[Deployment, Described, int]]) -> Iterator[str]:
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
        "chips": Fraction(sum(x.bought_chips * n for _, x, n in units)),
    }
    for name in ("capex_usd", "cost_usd"):
        parts = (Fraction(float(getattr(x.priced, name)[0])) * n for _, x, n in units)
        sums[name] = sum(parts, start=Fraction(0))
    for name, yearly in (
        ("opex_usd_per_year", "opex_usd_by_year"),
        ("carbon_t_per_year", "carbon_t_by_year"),
        ("water_m3_per_year", "water_m3_by_year"),
    ):
        # the dearest year of the plan: a limit of a year holds in each of them
        years = zip(*([Fraction(float(v)) * n for v in getattr(x.priced, yearly)[0]] for _, x, n in units), strict=True)
        sums[name] = max((sum(year, start=Fraction(0)) for year in years), default=Fraction(0))
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
