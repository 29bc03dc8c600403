"""Redundancy: what a load still gets when units of it fail.

A site answers the lesser of its phases, so units that fail at once at one site harm most when all of them are of one
phase: one case for each phase of a site. Over several sites the failures may be spread: every way to spread them is a
row, up to ``MOST_SPREAD`` of them; of more (and of those that an availability asks, whose number depends on the units)
every site by itself survives all.

A *way* (``planner.options.work.redundancy``) is a 0/1 column, one of which is taken. With one taken, counting units at
lower or higher caps gives bounds too, so that each row below holds for all ways at once: this is what keeps the
relaxation near the whole numbers.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from planner.fleet.model import Draft, Limit
from planner.options.option import Option
from planner.options.work.redundancy import Redundancy, Way
from planner.scenario.workloads import Serving

NOTHING = Way(0.0, 0, 0)
"""To count on no unit: of a site where so many may fail that none is left."""
PHASES = ("prefill", "decode")
MOST_SPREAD = 3
"""Failures up to which every spread over sites is a case of its own."""


def add_left(draft: Draft, workload: Serving, mine: Sequence[int], served: Mapping[str, int]) -> int | None:
    """A column of what is left when units fail, as a share of the demand, at most 1; None where nothing may fail.

    ``served``: {site: column of what it answers, as a share of the demand} where phases are apart; empty where every
    unit does both. What is asked is a limit of its own, so that it can be named, priced and moved.
    """
    rule = next((r for i in mine if (r := draft.options[i].redundancy) is not None), None)
    if rule is None:
        return None
    name = workload.name
    left = draft.builder.add_column(f"left[{name}]", upper=1.0)
    everything = {**dict.fromkeys(served.values(), 1.0)} or {
        draft.units[i]: max(draft.options[i].rates.values()) / _scale(rule) for i in mine
    }
    draft.builder.add_row(f"left[{name}]", {**everything, left: -1.0}, lower=0.0, kind="balance")
    levels = {}
    fewer = range(1, rule.tolerate) if rule.tolerate <= MOST_SPREAD else ()
    for lost in (*fewer, rule.tolerate) if rule.tolerate else ():
        levels[lost] = _survives(draft, rule, mine, served, left, f"{name},{lost}", lost)
    if levels:
        # each level counts for what it adds to the one before: all of them are what is asked
        adds = {
            column: float(lost - max((x for x in levels if x < lost), default=0)) for lost, column in levels.items()
        }
        label = f"{name} with any {rule.tolerate} unit{'s' if rule.tolerate > 1 else ''} gone"
        path = f"workloads.{name}.tolerate_failures"
        row = f"redundancy[{name}]"
        draft.add_limit(Limit(row, "redundancy", label, float(rule.tolerate), "units", 1.0, path, 1, whole=True), adds)
    if rule.availability is not None:
        kept = _survives(draft, rule, mine, served, left, f"{name},available", None)
        label, path = f"{name} available {rule.availability:.6g} of the time", f"workloads.{name}.availability"
        draft.add_limit(
            Limit(f"availability[{name}]", "redundancy", label, rule.availability, "of the time", 1.0, path, 1),
            {kept: rule.availability},
        )
    return left


def _survives(
    draft: Draft, rule: Redundancy, mine: Sequence[int], served: Mapping[str, int], left: int, name: str,
    lost: int | None,
) -> int:  # fmt: skip
    """A 0/1 column: whether ``left`` is what remains when ``lost`` units fail (None: as many as do)."""
    kept = draft.builder.add_column(f"survives[{name}]", upper=1.0, integer=True)
    sites = sorted(served)
    if len(sites) <= 1:
        for phase in PHASES if served else PHASES[:1]:
            _case(draft, rule, mine, phase, f"{name},{phase}", lost, left, kept)
        return kept
    spread = lost if lost is not None and lost <= MOST_SPREAD else None
    answers: dict[tuple[str, int], int] = {}
    for site in sites:
        here = [i for i in mine if site_of(draft.options[i]) == site]
        for gone in range(1, spread + 1) if spread else (0,):
            after = draft.builder.add_column(f"after[{name},{site},{gone}]", upper=1.0)
            answers[site, gone] = after
            for phase in PHASES:
                _case(draft, rule, here, phase, f"{name},{site},{gone},{phase}", gone or lost, after, kept)
    for n, cases in enumerate(_spreads(sites, spread)):
        columns = {answers.get((site, gone), served[site]): 1.0 for site, gone in cases.items()}
        draft.builder.add_row(f"left[{name},{n}]", {**columns, left: -1.0, kept: -1.0}, lower=-1.0, kind="balance")
    return kept


def _spreads(sites: Sequence[str], spread: int | None) -> Iterator[dict[str, int]]:
    """How failures may fall on sites: {site: how many}; with no ``spread`` all of them on each (0 stands for all)."""
    if spread is None:
        yield dict.fromkeys(sites, 0)
        return
    for fallen in itertools.combinations_with_replacement(sites, spread):
        yield {site: Counter(fallen)[site] for site in sites}


def _case(
    draft: Draft, rule: Redundancy, there: Sequence[int], phase: str, name: str, lost: int | None, after: int, kept: int
) -> None:
    """``after`` is no more than a phase still gives, where ``kept``: one row for each way to count its units."""
    scale = _scale(rule)
    mine = [i for i in there if draft.options[i].rates.get(phase, 0.0) > 0]
    kinds = [(o.chips, o.rates[phase]) for i in mine if (o := draft.options[i])]
    ways = (NOTHING, *rule.ways(kinds, lost))
    if not kinds:
        draft.builder.add_row(f"after[{name}]", {after: 1.0, kept: 1.0}, upper=1.0, kind="balance")
        return
    picked = [draft.builder.add_column(f"way[{name},{n}]", upper=1.0, integer=True) for n in range(len(ways))]
    draft.builder.add_row(
        f"way[{name}]", {**dict.fromkeys(picked, 1.0), kept: -1.0}, lower=0.0, upper=0.0, kind="balance"
    )
    needs = [1.0 + way.lost * way.cap / scale for way in ways]
    for n, way in enumerate(ways):
        counted = {
            draft.units[i]: way.counted(o.chips, o.rates[phase]) / scale for i in mine if (o := draft.options[i])
        }
        # after + what may be gone <= counted where a way is taken; after, at most 1, is free where none is
        asked = {c: -need * _holds(way, other) for c, need, other in zip(picked, needs, ways, strict=True)}
        draft.builder.add_row(
            f"after[{name},{n}]",
            {c: v for c, v in {**counted, **asked, after: -1.0}.items() if v},
            lower=-1.0,
            kind="balance",
        )


def _holds(way: Way, taken: Way) -> float:
    """The share of what units give as counted in the way taken that they give at least as counted in another way."""
    if taken is NOTHING:
        return 1.0
    return min(1.0, way.cap / taken.cap) if taken.chips <= way.chips else 0.0


def _scale(rule: Redundancy) -> float:
    return max(rule.requests_per_s, 1e-9)


def site_of(option: Option) -> str:
    """Where an option answers: caches do not travel between sites."""
    return option.site if option.on_site else "rented"
