"""Every limit of a plan over lots, in exact fractions, in every period and year."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from fractions import Fraction

from planner.facility.capacity import capacity_tree
from planner.options.annual import stated
from planner.options.hardware.timeline import DAYS_PER_MONTH, path_by_period
from planner.options.stock_figures import Hardware
from planner.verify.again import Again, LotAgain, above, exact_sum
from planner.verify.compare import LIMIT_TOLERANCE
from planner.verify.occupancy import DAY_TOLERANCE


def power_failures(again: Again) -> Iterator[str]:
    line, total = again.timeline, again.scenario.limits.power_mw
    places = {}
    levels = {}
    for site in again.scenario.sites:
        some, locations = capacity_tree(site)
        levels.update({level.name: (level, site) for level in some})
        places.update({location.name: location for location in locations})
    for t, month in enumerate(line.names):
        power: dict[str, Fraction] = defaultdict(Fraction)
        racks: dict[str, dict[Hardware, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
        everywhere = Fraction(0)
        for x in again.standing(t):
            if x.said.acquire == "rent":
                continue
            watts = Fraction(x.stand.facility_peak_w) * x.said.systems
            everywhere += watts
            for name in places[x.hardware.place].levels:
                power[name] += watts
                racks[name][x.hardware.kind] += Fraction(x.stand.racks) * x.said.systems
        for name, (level, site) in levels.items():
            allowed = level.power_w
            if name == site.name and site.power_path:
                then = float(path_by_period(line, dict(site.power_path), 0.0)[t]) * 1e6
                allowed = then if allowed is None else min(allowed, then)
            if allowed is not None and above(power[name], allowed):
                yield f"{name} draws {float(power[name]) / 1e6:.4f} MW from {month}, {allowed / 1e6:g} MW allowed"
            whole = sum(math.ceil(r - Fraction(1, 10**9)) for r in racks[name].values())
            if level.racks is not None and whole > level.racks:
                yield f"{name} holds {whole} racks from {month}, {level.racks} allowed"
        if total is not None and above(everywhere / 10**6, total):
            yield f"all sites draw {float(everywhere) / 1e6:.4f} MW from {month}, {total:g} MW allowed"


def rented_at_once(again: Again, period: int, pick: Callable[[LotAgain], float]) -> float:
    """The most, on any day of a period, of what is rented for single runs."""
    line = again.timeline
    low, high = (line.edges[period + i] * DAYS_PER_MONTH for i in (0, 1))
    of = {x.said.workload: pick(x) for x in again.lots if x.said.rented_days}
    runs = [x.said for x in again.runs if x.said.rented_alone and x.said.workload in of]
    days = [max(low, r.start_day) for r in runs if r.start_day < high - DAY_TOLERANCE and r.end_day > low]
    return max(
        (sum(of[r.workload] for r in runs if r.start_day <= d + DAY_TOLERANCE < r.end_day) for d in days), default=0.0
    )


def chip_failures(again: Again) -> Iterator[str]:
    total = again.scenario.limits.chips
    for t, month in enumerate(again.timeline.names):
        there = sum(x.stand.chips * x.said.systems for x in again.lasting(t))
        there += round(rented_at_once(again, t, lambda x: float(x.stand.chips * x.said.systems)))
        if total is not None and there > total:
            yield f"{there} chips stand from {month}, {total} allowed"
    for workload in again.scenario.workloads:
        if workload.chips is None:
            continue
        if workload.runs_once:
            counts = [x.described.chips for x in again.runs if x.said.workload == workload.name]
        else:
            mine = [x for x in again.loads if x.said.workload == workload.name]
            counts = [sum(x.described.chips * x.said.units[t] for x in mine) for t in range(again.timeline.periods)]
        for taken in dict.fromkeys(counts):
            if workload.chips.max is not None and taken > workload.chips.max:
                yield f"{workload.name} uses {taken} chips, at most {workload.chips.max} allowed"
            if workload.chips.min is not None and taken < workload.chips.min:
                yield f"{workload.name} uses {taken} chips, at least {workload.chips.min} asked"


def supply_failures(again: Again) -> Iterator[str]:
    """What is installed, and what is delivered of a system in a period."""
    scenario, line = again.scenario, again.timeline
    arrived: dict[tuple[str, int], int] = defaultdict(int)
    used: dict[tuple[str, str, str], int] = defaultdict(int)
    for x in again.lots:
        if x.said.acquire == "buy":
            arrived[x.hardware.system, x.begin] += x.said.systems
        elif x.said.acquire == "installed":
            used[x.stand.choice.site, x.hardware.system, x.said.since] += x.said.systems
    for (system, t), count in arrived.items():
        delivered = scenario.hardware.supply.get(system)
        if delivered and count > float(path_by_period(line, dict(delivered), 0.0)[t]) + 1e-6:
            yield f"{count} {system} arrive in {line.names[t]}, more than are delivered"
    there: dict[tuple[str, str, str], int] = defaultdict(int)
    for site in scenario.sites:
        for block in site.installed:
            there[site.name, block.system, block.since or ""] += block.count
    for key, count in used.items():
        if count > there[key]:
            yield f"{key[0]} uses {count} installed {key[1]}, {there[key]} stand there"


def share_failures(again: Again) -> Iterator[str]:
    acquired = [x for x in again.lots if x.said.acquire != "installed"]
    total = sum(x.stand.chips * x.said.systems for x in acquired)
    for vendor, share in again.scenario.limits.vendor_share.items():
        mine = sum(x.stand.chips * x.said.systems for x in acquired
                   if x.stand.choice.chip.vendor.lower() == vendor.lower())  # fmt: skip
        if Fraction(mine) > Fraction(share) * total * (1 + LIMIT_TOLERANCE):
            yield f"{mine} of {total} chips are {vendor}'s, a share of {share:g} allowed"


def money_failures(again: Again) -> Iterator[str]:
    """Money over the plan; of each year capital, running cost, carbon and water. Parts were compared one by one."""
    limits, line = again.scenario.limits, again.timeline
    parts = again.parts()
    sums = {
        "capex_usd": exact_sum(p.money.capex_usd for p in parts),
        "cost_usd": exact_sum(p.money.total_usd for p in parts),
    }
    for name, used in sums.items():
        limit = getattr(limits, name)
        if limit is not None and above(used, limit):
            yield f"limits.{name}: {float(used):.6g} used, {limit:g} allowed"
    for k in range(line.years):
        bought = (x.said.money.capex_usd for x in again.lots if line.year_of(x.begin) == k)
        of_year = {"capex_usd_per_year": exact_sum(bought)}
        of_year |= {of.leaf: exact_sum(of.by_year(p)[k] for p in parts) for of, _ in stated(limits)}
        for name, used in of_year.items():
            limit = getattr(limits, name)
            if limit is not None and above(used, limit):
                yield f"limits.{name}: {float(used):.6g} used in year {k + 1}, {limit:g} allowed"
