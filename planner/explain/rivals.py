"""What else was possible: the best plan on each rival of what was chosen, what it costs more, and in which lines.

A rival is a part of everything that competed: one system, one cooling of a chosen system, air or liquid, servers or
supernodes, owned or rented. Options that pruning removed come back here: no best plan needs them, but a reader who asks
"and with air?" wants that plan and its price, not silence. Each rival is solved as a program of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from planner.answer.plan import Alternative, Deployment, Plan
from planner.answer.words import money, number
from planner.catalog import Catalog
from planner.errors import InputError
from planner.explain.conflict import unable
from planner.facility.cooling import AIR
from planner.fleet.answer import chosen_options, deployments_of, totals_of
from planner.fleet.build import build_fleet
from planner.fleet.model import OBJECTIVE_UNITS
from planner.options.counted import GOALS
from planner.options.option import Dropped, Option, OptionSet
from planner.options.work.describe import Describer
from planner.scenario.types import Scenario
from planner.solve import Limits, Solution, with_objective
from planner.solve.several import solve_several

MOST_SHOWN = 8
MOST_SOLVED = 24
MOST_NAMED = 12
"""Systems named in a scenario up to which each gets its rival plan even where pruning left nothing of it."""
_LINES_TOLD = 4
_LEAST_OF_LARGEST = 0.05
"""Cost lines that differ by less than this share of the line that differs most are not told."""


def alternatives(
    scenario: Scenario,
    catalog: Catalog,
    found: OptionSet,
    chosen: Sequence[Option],
    answer: Plan,
    objective: str,
    limits: Limits,
) -> tuple[Alternative, ...]:
    """The best plan of each rival against ``answer``, best first, those that are not possible last.

    ``catalog`` holds the scenario's assumptions. ``limits``: the time limit is for all rivals together.
    """
    value = answer.objective.value
    if value is None:
        return ()
    known = {o.id for o in found.options}
    everything = (*found.options, *(o for o in found.rivals if o.id not in known))
    groups = rival_groups(scenario, catalog, everything, chosen, {o.system for o in found.options})
    able, result = {}, []
    for name, members in groups.items():
        mine = tuple(everything[i] for i in sorted(members))
        stuck = unable(scenario, mine)
        if stuck:
            result.append(_impossible(f"only {name}", f"nothing of it can do {', '.join(sorted(stuck))}"))
        else:
            able[name] = mine
    each = replace(limits, time_limit_s=max(1.0, limits.time_limit_s / max(1, len(able))))
    models = {name: build_fleet(scenario, mine) for name, mine in able.items()}
    solved = solve_several([with_objective(m.program, m.objectives[objective]) for m in models.values()], each)
    # only what will be shown is described: that prices every deployment again
    places = {name: s.values for name, s in zip(models, solved, strict=True) if s.values is not None}
    better = GOALS[objective].better
    best = sorted(places, key=lambda n: float(models[n].objectives[objective] @ places[n]))
    describer = Describer(scenario, catalog)
    scale = OBJECTIVE_UNITS[objective][1]
    for name in best[:MOST_SHOWN]:
        model, values = models[name], places[name]
        theirs = float(model.objectives[objective] @ values) * scale
        try:
            theirs_deployed = deployments_of(scenario, describer, chosen_options(model, values))
            text, lines = _told(scenario, answer, theirs_deployed)
            kinds = len({(d.system, d.chip, d.cooling) for d in theirs_deployed})
        except InputError as error:  # what is shown beside a plan never takes the plan away
            text, lines, kinds = str(error.problems[0]), {}, 0
        difference = (theirs - value) / abs(value) if value else None
        result.append(
            Alternative(
                name=f"only {name}",
                objective=theirs,
                difference=difference,
                summary=f"{_against(difference, objective)}; {text}",
                kinds=kinds,
                values={
                    name: float(vector @ values) * OBJECTIVE_UNITS[name][1] for name, vector in model.objectives.items()
                },
                cost_difference_usd=lines,
            )
        )
    for name, solution in zip(models, solved, strict=True):
        if solution.values is None:
            result.append(_impossible(f"only {name}", _why_not(name, found.dropped, solution)))
    result += _never_priced(found.dropped, everything, {a.name for a in result})
    ranked = sorted(result, key=lambda a: (a.objective is None, -better * (a.difference or 0.0), a.name))
    return _without_echoes(ranked)[:MOST_SHOWN]


def rival_groups(
    scenario: Scenario,
    catalog: Catalog,
    options: Sequence[Option],
    chosen: Sequence[Option],
    competing: set[str],
) -> dict[str, set[int]]:
    """Options (by index) of each rival. ``competing``: systems that pruning left something of.

    Groups that hold every chosen option are the plan itself and are left out, and so are groups of everything.
    """
    groups: dict[str, set[int]] = {}
    chips: dict[str, set[str]] = {}
    for o in options:
        chips.setdefault(o.system, set()).add(o.chip)
    named = set(scenario.hardware.systems)
    told = competing | (named if len(named) <= MOST_NAMED else set())
    mine = {(o.system, o.chip) for o in chosen}
    for i, o in enumerate(options):
        name = o.system if len(chips[o.system]) < 2 else f"{o.system} with {o.chip}"
        family = "air-cooled systems" if o.cooling in AIR else "liquid-cooled systems"
        kind = catalog.systems[o.system].kind if o.system in catalog.systems else ""
        labels = ["rented systems" if o.acquire == "rent" else "owned systems"]
        if o.acquire != "rent":
            labels += ["chips at full power" if o.power_cap >= 1.0 else "chips under a power cap"]
            labels += [f"networks of {o.topology}"] if len(scenario.hardware.topologies) > 1 else []
            labels += [family, "servers" if kind == "server" else "racks and supernodes"]
        if o.system in told:
            labels.append(name)
        if (o.system, o.chip) in mine and o.acquire != "rent":
            labels.append(f"{name} in {o.cooling}")
        for label in labels:
            groups.setdefault(label, set()).add(i)
    at = {o.id for o in chosen}
    wide = ("air-cooled systems", "liquid-cooled systems", "servers", "racks and supernodes", "owned systems",
            "rented systems", "chips at full power", "chips under a power cap")  # fmt: skip
    kept = {
        name: members
        for name, members in groups.items()
        if not at <= {options[i].id for i in members} and len(members) < len(options)
    }
    order = sorted(kept, key=lambda n: (n not in wide, not any(n.startswith(o.system) for o in chosen), n))
    return {name: kept[name] for name in order[:MOST_SOLVED]}


def _told(scenario: Scenario, answer: Plan, deployments: Sequence[Deployment]) -> tuple[str, dict[str, float]]:
    """What a rival plan is made of, and the cost lines in which it differs most from the best plan."""
    what = ", ".join(
        f"{number(count)} {system} in {cooling}" if acquire != "rent" else f"{number(count)} {system} rented"
        for (system, cooling, acquire), count in _counts(deployments).items()
    )
    totals = totals_of(scenario, deployments)
    if answer.totals is None:
        return what, {}
    lines = _differences(_lines(deployments), _lines(answer.deployments))
    least = max(1.0, _LEAST_OF_LARGEST * max((abs(v) for v in lines.values()), default=0.0))
    largest = [(k, v) for k, v in sorted(lines.items(), key=lambda x: -abs(x[1])) if abs(v) >= least][:_LINES_TOLD]
    text = ", ".join(f"{name.replace('_', ' ')} {'+' if v > 0 else '-'}{money(abs(v))}" for name, v in largest)
    power = f"{totals.facility_mw:.3g} MW against {answer.totals.facility_mw:.3g}"
    return f"{what}, {power}" + (f" ({text})" if text else ""), lines


def _counts(deployments: Sequence[Deployment]) -> dict[tuple[str, str, str], int]:
    counts: dict[tuple[str, str, str], int] = {}
    for d in deployments:
        key = (d.system, d.cooled, d.acquire)
        counts[key] = counts.get(key, 0) + d.systems
    return counts


def _lines(deployments: Sequence[Deployment]) -> dict[str, float]:
    """Cost by line over deployments, USD."""
    lines: dict[str, float] = {}
    for d in deployments:
        for name, value in d.cost.lines_usd.items():
            lines[name] = lines.get(name, 0.0) + value
    return lines


def _differences(theirs: Mapping[str, float], ours: Mapping[str, float]) -> dict[str, float]:
    every = dict.fromkeys((*ours, *theirs))
    return {name: theirs.get(name, 0.0) - ours.get(name, 0.0) for name in every}


def _against(difference: float | None, objective: str) -> str:
    if difference is None:
        return "possible"
    if abs(difference) < 5e-6:
        return f"possible: as much {objective}"
    return f"possible: {number(abs(difference) * 100)}% {'more' if difference >= 0 else 'less'} {objective}"


def _impossible(name: str, reason: str) -> Alternative:
    return Alternative(name=name, objective=None, summary=f"not possible alone: {reason}")


def _why_not(name: str, dropped: Sequence[Dropped], solution: Solution) -> str:
    if solution.status != "infeasible":
        return "no plan was found in the time for alternatives"
    system, _, cooling = name.partition(" in ")
    reasons = [d.reason for d in dropped if f" {system} " in f" {d.option} " and cooling in d.option]
    return reasons[0] if reasons else "the limits leave no room for it"


def _never_priced(dropped: Sequence[Dropped], options: Sequence[Option], known: set[str]) -> list[Alternative]:
    """Systems that could not even be priced, with the first reason."""
    priced = {o.system for o in options}
    found = []
    for system in dict.fromkeys(d.option.split(" on ", 1)[-1].split(" ")[0] for d in dropped if " on " in d.option):
        if system not in priced and f"only {system}" not in known:
            reason = next(d.reason for d in dropped if f" {system} " in f" {d.option} ")
            found.append(Alternative(name=f"only {system}", objective=None, summary=f"not possible: {reason}"))
    return found


def _without_echoes(ranked: Sequence[Alternative]) -> tuple[Alternative, ...]:
    """One of alternatives that are the same plan under two names: the first, which is the wider question."""
    seen: dict[str, Alternative] = {}
    for a in sorted(ranked, key=lambda a: " in " in a.name):
        seen.setdefault(a.summary if a.objective is not None else a.name, a)
    return tuple(a for a in ranked if any(a is kept for kept in seen.values()))
