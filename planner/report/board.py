"""The first screen of an answer: what, what it costs, how long, how sure, what limits, what changes it, why not others.

Words and figures of the plan, nothing computed beyond sums. The app, PDF and XLSX show the same cards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from planner.answer.chance import percent
from planner.answer.plan import Alternative, AtConfidence, Deployment, FleetLot, Plan
from planner.answer.words import KNOWN_FIGURES
from planner.report import format as fmt
from planner.report import summary
from planner.report.money import reconciled
from planner.report.names import figure_name, readable

Names = Mapping[str, str]
_MOST, _LEAST, _WIDE = 4, 2, 420
_RISKS = ("export of ", "licence", "license")


@dataclass(frozen=True, slots=True)
class Card:
    """One of the seven questions, answered: ``answer`` large, ``lines`` small."""

    key: str
    question: str
    answer: str
    lines: tuple[str, ...] = ()


def board(plan: Plan, names: Names, short: Names | None = None) -> tuple[Card, ...]:
    """The seven cards of a plan that exists. ``names``: what systems are called, by id; ``short``: the same in a few
    words, for running text."""
    words = names if short is None else short
    return (
        _what(plan, names), _cost(plan), _long(plan), _sure(plan, words), _limits(plan, words), _changes(plan, words),
        _others(plan, words),
    )  # fmt: skip


def board_without(plan: Plan) -> tuple[Card, ...]:
    """The same cards where there is no plan: what stands in the way, and what would make one possible."""
    ways = list(dict.fromkeys(fmt.clean(n.message) for n in plan.nearest))  # several at once are one way
    conflicts = [fmt.clean(c.message) for c in plan.conflicts]
    proven = plan.status == "infeasible"
    known = f" {KNOWN_FIGURES}" if plan.lacks_figures else ""
    sure = f"proven: the limits leave no plan{known}" if proven else "not proven: the search ended before it knew"
    left = len(plan.left_out)
    return (
        Card("what", "What to get", "Nothing yet: there is no plan", (fmt.clean(plan.answer),)),
        Card("cost", "What it costs", fmt.DASH, ("no plan, no price",)),
        Card("long", "How long, how much", fmt.DASH, ("nothing meets all limits",)),
        Card("sure", "How sure", sure, (fmt.status_words(plan),)),
        Card("limits", "What limits it", fmt.plural(len(conflicts), "conflict"), _shorten(conflicts)),
        Card("changes", "What would change it", fmt.plural(len(ways), "way") + " out", _shorten(ways)),
        Card(
            "others", "Why not the others", f"{fmt.plural(plan.proof.enumerated, 'configuration')} examined",
            (f"{fmt.plural(left, 'option')} left out, with reasons below" if left else "no option was left out",),
        ),
    )  # fmt: skip


def risks(plan: Plan) -> tuple[str, ...]:
    """Notes of a plan that tell of export rules and licences."""
    return tuple(note for note in plan.notes if any(word in note.lower() for word in _RISKS))


def _shorten(lines: Sequence[str], most: int = _MOST, room: int = 210) -> tuple[str, ...]:
    """The first lines, as many as a card of the first screen has room for (letters); how many more there are."""
    kept: list[str] = []
    for line in lines[:most]:
        if len(kept) >= _LEAST and sum(map(len, kept)) + len(line) > room:
            break
        kept.append(line)
    more = len(lines) - len(kept)
    return tuple(kept) if more <= 0 else (*kept, f"and {more} more below")


def _what(plan: Plan, names: Names) -> Card:
    groups: defaultdict[tuple[str, str, str, str], list[Deployment | FleetLot]] = defaultdict(list)
    for h in plan.holdings:
        begin = h.begin if isinstance(h, FleetLot) else h.period
        groups[_VERBS[h.acquire], h.system, h.site.split("/")[0], begin].append(h)
    lines = []
    for (verb, system, site, begin), mine in groups.items():
        systems, chips = sum(h.systems for h in mine), sum(h.chips for h in mine)
        where = "" if verb == "Rent" else f" at {site}"
        cooling = {h.cooling for h in mine if h.acquire != "rent"}
        how = f", {fmt.clean(readable(next(iter(cooling)), names))}" if len(cooling) == 1 else ""
        lines.append(
            fmt.clean(
                f"{verb} {fmt.count(systems)} × {names.get(system, system)}: {fmt.count(chips)} chips{where} "
                f"from {begin}{how}"
            )
        )
    t = plan.totals
    head = "" if t is None else f"{fmt.count(t.chips)} chips in {fmt.plural(t.systems, 'system')}"
    space = [] if t is None else [f"{fmt.plural(t.racks, 'rack')}, {fmt.power(t.facility_mw)} at the meter at the peak"]
    return Card("what", "What to get", head, (*_shorten(lines, room=_WIDE), *space))


_VERBS = {"buy": "Buy", "rent": "Rent", "installed": "Use"}


def _cost(plan: Plan) -> Card:
    money = reconciled(plan)
    if money is None:
        return Card("cost", "What it costs", fmt.DASH)
    lines = [f"{what}: {much}" for what, much in money.lines()]
    rule = money.rule()
    head = f"{fmt.usd(money.total)} over {fmt.number(money.years)} year{'' if money.years == 1 else 's'}"
    return Card("cost", "What it costs", head, (*lines, rule) if rule else tuple(lines))


def _long(plan: Plan) -> Card:
    ends: list[tuple[float, str]] = []
    for r in plan.schedule.runs if plan.schedule is not None else ():
        ends.append((r.end_day, f"{r.workload}: {r.start_date} to {r.end_date}"))
    if plan.schedule is None:
        for d in plan.deployments:
            if d.predicted.days is not None:
                done = d.predicted.finish_days or d.predicted.days
                ends.append((done, f"{summary.deployment_name(d)}: done after {fmt.days(done)}"))
    lines = [text for _, text in sorted(ends)]
    loads = [d for d in plan.deployments if d.role not in {"train"} and d.predicted.days is None]
    for workload in dict.fromkeys(d.workload for d in loads):
        mine = [d for d in loads if d.workload == workload]
        rate = summary.served_requests(plan, workload)
        samples = summary.scored_samples(plan, workload)
        told = fmt.rate(rate, "requests/s") if rate else fmt.rate(samples, "samples/s")
        slow = max((d.predicted.ttft_ms or 0.0 for d in mine), default=0.0)
        step = max((d.predicted.tpot_ms or 0.0 for d in mine), default=0.0)
        latency = max((d.predicted.latency_ms or 0.0 for d in mine), default=0.0)
        times = [
            f"{name} {fmt.seconds(value / 1e3)}"
            for name, value in (("TTFT", slow), ("TPOT", step), ("latency", latency))
            if value
        ]
        lines.append(fmt.clean(", ".join([f"{mine[0].served}: {told}", *times])))
    if ends:
        head = f"Done after {fmt.days(max(end for end, _ in ends))}"
    else:
        served = {d.workload for d in loads}
        requests = sum(summary.served_requests(plan, w) for w in served)
        samples = sum(summary.scored_samples(plan, w) for w in served)
        head = fmt.rate(requests, "requests/s") if requests else fmt.rate(samples, "samples/s")
    return Card("long", "How long, how much", head, _shorten([fmt.clean(x) for x in lines]))


def _sure(plan: Plan, names: Names) -> Card:
    lines: list[str] = []
    head = "not known"
    if plan.chance is not None:
        least, most = percent(plan.chance.all_kept_least), percent(plan.chance.all_kept_most)
        head = f"{least if least == most else f'{least} to {most}'} likely to keep all promises"
        if len(plan.chance.promises) > 1:
            lines = [f"{p.workload}: {percent(p.chance)}" for p in plan.chance.promises]
    for d in plan.deployments:
        text = summary.interval_text(d)
        if text and d.predicted.interval is not None:
            several = sum(x.workload == d.workload for x in plan.deployments) > 1
            where = f" on {names.get(d.system, d.system)}" if several else ""
            lines.append(f"{d.workload}{where}: {fmt.phrase(d.predicted.interval.quantity)} {text} in 8 of 10 cases")
    prices = [text for x in plan.at_confidences if (text := _at(x))]
    o = plan.objective
    proof = f"{fmt.status_words(plan)}, gap {fmt.gap(o.gap)} to the bound"
    return Card(
        "sure",
        "How sure",
        head,
        (*_shorten(list(dict.fromkeys(map(fmt.clean, lines))), 2 if prices else 3), *prices, proof),
    )


def _at(x: AtConfidence) -> str:
    """What every promise at another confidence costs; nothing where it was not tried."""
    if x.status == "same":
        return f"every promise at {x.confidence:.0%}: holds as it is"
    if x.status == "out_of_reach":
        return f"every promise at {x.confidence:.0%}: no plan reaches it"
    more = None if x.more_usd is None else f"{'+' if x.more_usd >= 0 else ''}{fmt.usd(x.more_usd, short=True)}"
    return f"every promise at {x.confidence:.0%}: {more}" if x.status == "planned" and more else ""


def _limits(plan: Plan, names: Names) -> Card:
    lines = []
    for b in plan.binding:
        used_up = abs(b.used - b.of) < 1e-3 * abs(b.of)
        share = f": {fmt.quantity(b.used, b.unit)} of {fmt.quantity(b.of, b.unit)} used"
        lines.append(b.limit if used_up else b.limit + share)
    if not lines:
        return Card("limits", "What limits it", "No limit binds", ("More power, money or time would not better it.",))
    head = fmt.plural(len(lines), "limit") + (" binds" if len(lines) == 1 else " bind")
    return Card("limits", "What limits it", head, _shorten([readable(fmt.clean(x), names) for x in lines]))


def _changes(plan: Plan, names: Names) -> Card:
    lines = [
        readable(fmt.clean(f"{b.limit}: one more unit is worth {fmt.worth(b.worth_per_unit, b.worth_unit)}"), names)
        for b in plan.binding
        if b.worth_per_unit
    ]
    close = next((a for a in plan.alternatives if a.difference is not None), None)
    head = "See what decides"
    if close is not None and close.difference is not None:
        head = f"The next best is {fmt.percent(abs(close.difference))} worse"
        lines.insert(0, f"that is: {readable(fmt.clean(close.name), names)}, by {plan.objective.name}")
    if plan.assumptions:
        first = ", ".join(figure_name(a.path, names) for a in plan.assumptions[:2])
        lines.append(fmt.clean(f"{fmt.plural(len(plan.assumptions), 'assumption')} that nobody has published: {first}"))
    else:
        lines.append("No figure had to be assumed")
    return Card("changes", "What would change it", head, _shorten(lines))


def _others(plan: Plan, names: Names) -> Card:
    lines = [_other(a, names) for a in plan.alternatives]
    possible = sum(a.objective is not None for a in plan.alternatives)
    if not lines:
        return Card("others", "Why not the others", "Nothing else competed", ())
    searched = all(a.objective is not None or "not possible" in a.summary for a in plan.alternatives)
    head = "None is possible" if searched else "None is known to be better"
    if possible:
        head = f"{possible} possible, all worse"
    return Card("others", "Why not the others", head, _shorten(lines, room=_WIDE))


def _other(a: Alternative, names: Names) -> str:
    name = readable(fmt.clean(a.name), names)
    if a.difference is None:
        return f"{name}: {readable(fmt.clean(a.summary), names)}"
    worst = sorted(a.cost_difference_usd.items(), key=lambda item: -abs(item[1]))[:2]
    why = ", ".join(f"{fmt.phrase(n)} {'+' if v >= 0 else ''}{fmt.usd(v, short=True)}" for n, v in worst if v)
    tied = ", a tie by this model" if a.tied else ""
    return f"{name}{tied}: {'+' if a.difference >= 0 else ''}{fmt.percent(a.difference)}" + (f" ({why})" if why else "")
