"""The three walls of a plan as a table: what each is measured by, and what it would take to move it."""

from __future__ import annotations

from collections.abc import Iterator

from planner.answer.plan import Plan
from planner.answer.walls import Headroom, Walls
from planner.report import format as fmt
from planner.report.fleet import Sheet

Row = tuple[str, str, str, str]
MOST_LEVELS = 6
"""Levels of the power tree that the table tells, those that bind and the fullest first; plan.json has all."""


def wall_sheets(plan: Plan) -> tuple[Sheet, ...]:
    """The table of the walls, the hardest first; none where there is no plan or it was not explained."""
    if plan.walls is None:
        return ()
    walls = plan.walls
    rows = {
        "communication": tuple(_communication(walls)),
        "power and cooling": tuple(_power(walls)),
        "complexity": tuple(_complexity(walls)),
    }
    order = sorted(walls.pressure, key=lambda name: -walls.pressure[name])
    note = f"{walls.binding[0]} binds" if walls.binding else "none binds"
    head = ("Wall", "What", "Now", "What would move it")
    return (Sheet("Three walls", note, head, tuple(r for name in order for r in rows[name]), frozenset(),
                  ((0, 1), (2,), (3,))),)  # fmt: skip


def _communication(walls: Walls) -> Iterator[Row]:
    if not walls.communication.works:
        yield "communication", "exposed", fmt.DASH, "times by cause are not known"
    for w in walls.communication.works:
        tiers = ", ".join(f"{fmt.share(share)} {name}" for name, share in w.by_tier.items()) or "none"
        yield (
            "communication", f"{fmt.clean(w.workload)} {fmt.ROLE_WORDS.get(w.role, w.role)} on {fmt.clean(w.system)}",
            f"{fmt.share(w.share)} exposed: {tiers}",
            f"without it {fmt.number(w.without)} {fmt.clean(w.quantity)} instead of {fmt.number(w.now)}",
        )  # fmt: skip


def _power(walls: Walls) -> Iterator[Row]:
    if not walls.power.levels:
        yield "power and cooling", "own sites", fmt.DASH, "nothing stands at a site of its own"
    told = [x for x in walls.power.levels if x.used or x.worth_per_unit]
    told = sorted(told, key=lambda x: (not x.worth_per_unit, -x.used / x.of if x.of else 0.0))[:MOST_LEVELS]
    for x in told:
        lift = max(
            (y for y in walls.power.lifts if y.site.startswith(x.place) and y.lifts == x.unit),
            default=None,
            key=lambda y: y.factor,
        )
        moves = [_worth(x)] if x.worth_per_unit else []
        if lift is not None:
            where = "" if lift.hosted else ", which the site does not host"
            moves.append(f"{lift.instead} leaves {fmt.share(lift.factor - 1)} more{where}")
        yield (
            "power and cooling", f"{fmt.clean(x.unit)} at {fmt.clean(x.place)}",
            f"{fmt.number(x.used)} of {fmt.number(x.of)} ({fmt.share(x.used / x.of) if x.of else fmt.DASH})",
            "; ".join(moves) or ("some is left" if x.used < x.of else "used up, but more of it changes nothing"),
        )  # fmt: skip


def _worth(x: Headroom) -> str:
    return f"one more is worth {fmt.worth(x.worth_per_unit, x.worth_unit)}"


def _complexity(walls: Walls) -> Iterator[Row]:
    c = walls.complexity
    yield (
        "complexity", "to run",
        f"{fmt.plural(c.kinds, 'kind')} of systems, {fmt.plural(c.pools, 'pool')}, {fmt.plural(c.stacks, 'stack')}",
        "; ".join(f"within {s.within:.0%}: {fmt.clean(s.name)} ({s.difference:+.1%})" for s in c.simpler)
        or "no simpler plan within 5% is known",
    )  # fmt: skip
    yield (
        "complexity", "to keep running",
        f"{fmt.share(c.lost)} of the chips' time lost; {fmt.plural(c.spares, 'spare system')}",
        f"{fmt.plural(c.domains, 'failure domain')} of up to {fmt.plural(c.largest_domain_chips, 'chip')};"
        f" {'less than one person' if c.people < 1 else f'{fmt.number(c.people)} people'} to run it",
    )  # fmt: skip
