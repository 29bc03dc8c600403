"""The limits of a scenario as rows over lots and work: power, racks, supply, shares, money, carbon, water, dates."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from planner.answer.names import named
from planner.catalog import Catalog
from planner.facility.capacity import Level, capacity_tree, usable_share
from planner.fleet.kinds import with_limits_on_kinds
from planner.fleet.model import Limit, hall_of
from planner.fleet.stock_model import StockDraft, StockModel, add_peak, add_structure, distinct, finished
from planner.options.annual import stated
from planner.options.hardware.choices import start_days
from planner.options.hardware.timeline import DAYS_PER_MONTH, Timeline, path_by_period, timeline_of
from planner.options.stock import Demand, Floats, Lot, Stock
from planner.options.stock_figures import rate_unit
from planner.scenario.site import Site
from planner.scenario.types import Scenario
from planner.scenario.workloads import Training


def build_stock(scenario: Scenario, catalog: Catalog, stock: Stock) -> StockModel:
    """The program of a fleet over time (pure; same input, same program). ``catalog`` holds the assumptions."""
    timeline = timeline_of(scenario, catalog)
    draft = StockDraft(stock, idle_counts=bool(scenario.limits.vendor_share))
    add_structure(draft, lambda demand, period: _demand_limit(scenario, timeline, demand, period))
    if "power" in scenario.objective:
        add_peak(draft)
    _power_and_racks(draft, scenario, timeline)
    _chips(draft, scenario, timeline)
    _supply(draft, scenario, timeline)
    _shares(draft, scenario)
    _money(draft, scenario)
    _by_year(draft, scenario)
    _deadlines(draft, scenario, timeline)
    return with_limits_on_kinds(finished(draft), scenario)


def _demand_limit(scenario: Scenario, timeline: Timeline, demand: Demand, period: int) -> Limit:
    workload = next(w for w in scenario.workloads if w.name == demand.workload)
    assert not isinstance(workload, Training)  # noqa: S101 - a load, narrowed for the type checker
    asked, _, leaf = workload.asked
    unit = rate_unit(workload)
    rate = float(demand.rate[period])
    changes = bool(demand.rate.max() != demand.rate.min())
    when = f" from {timeline.names[period]}" if changes else ""
    if len(demand.loads) > 1:  # the sum of several figures, none of which it is a share of
        label = f"{named(demand.loads)} together at {rate:g} {unit}{when}"
        return Limit(f"demand[{demand.workload},{period}]", "demand", label, rate, unit, max(rate, 1e-9), "", 1)
    return Limit(
        f"demand[{demand.workload},{period}]", "demand", f"{demand.workload} at {rate:g} {unit}{when}", rate, unit,
        max(rate, 1e-9), f"workloads.{demand.workload}.{leaf}", 1, share=rate / asked,
    )  # fmt: skip


def lasting(stock: Stock, lots: Sequence[Lot]) -> bool:
    """Whether what arrives of some lots stays: then the fleet never shrinks, and later periods speak for earlier."""
    return all(lot.end == stock.periods for lot in lots)


def _speaking(limits: Floats, grows: bool) -> list[int]:
    """Periods whose row is not implied by a later one with no larger limit."""
    if not grows:
        return list(range(len(limits)))
    return [t for t in range(len(limits)) if t + 1 == len(limits) or limits[t] < limits[t + 1 :].min()]


def _power_and_racks(draft: StockDraft, scenario: Scenario, timeline: Timeline) -> None:
    stock = draft.stock
    on_site = [lot for lot in stock.lots if stock.groups[lot.group].levels]
    for site in scenario.sites:
        for level in capacity_tree(site)[0]:
            mine = [lot for lot in on_site if level.name in stock.groups[lot.group].levels]
            if not mine:
                continue
            grows = lasting(stock, mine)
            if level.power_w is not None:
                _power(draft, site, level, timeline, grows)
            if level.racks is not None:
                _racks(draft, site, level, grows)
    total = scenario.limits.power_mw
    if total is not None:
        for t in _speaking(path_by_period(timeline, {}, total), lasting(stock, on_site)):
            coefficients = draft.standing(t, lambda x: stock.groups[x.group].peak_w / 1e6)
            label = f"{total:g} MW over all sites"
            row = f"power[all sites,{t}]"
            draft.add_limit(Limit(row, "power", label, total, "MW", 1.0, "limits.power_mw"), coefficients)


def _power(draft: StockDraft, site: Site, level: Level, timeline: Timeline, grows: bool) -> None:
    groups = draft.stock.groups
    leaf = _power_leaf(site, level)
    if leaf is None:
        return
    path, share = leaf
    own = (level.power_w or 0.0) / 1e6
    limits = path_by_period(timeline, {}, own)
    if level.name == site.name and site.power_path:
        limits = path_by_period(timeline, dict(site.power_path), own).clip(max=own)
    where = "at the meter of" if level.name == site.name else "in"
    for t in _speaking(limits, grows):
        limit = float(limits[t])
        changed = limit < own
        when = f" from {timeline.names[t]}" if changed else ""
        draft.add_limit(
            Limit(
                f"power[{level.name},{t}]", "power", f"{limit:g} MW {where} {level.name}{when}", limit, "MW", 1.0,
                f"sites.{site.name}.power_path" if changed else path, share=share,
            ),
            draft.standing(t, lambda x: groups[x.group].peak_w / 1e6 if level.name in groups[x.group].levels else 0.0),
        )  # fmt: skip


def _power_leaf(site: Site, level: Level) -> tuple[str, float] | None:
    """The leaf behind a level's power; None where it is the sum of the halls, whose own rows then say it all."""
    _, *halls = level.name.split("/")
    if halls:
        hall, path = hall_of(site, halls)
        return f"{path}.power_mw", usable_share(hall)
    stated = {}
    if site.power_mw is not None:
        stated[f"sites.{site.name}.power_mw"] = site.power_mw
    if site.capacity is not None and site.capacity.grid_mw is not None:
        stated[f"sites.{site.name}.capacity.grid_mw"] = site.capacity.grid_mw
    path = min(stated, key=lambda name: stated[name], default="")
    if not path or stated[path] > site.meter_mw:
        return (f"sites.{site.name}.power_path", 1.0) if site.power_path else None
    return path, 1.0


def _racks(draft: StockDraft, site: Site, level: Level, grows: bool) -> None:
    """Whole racks of each group under a level; where the fleet never shrinks, those of the last period."""
    stock = draft.stock
    _, *halls = level.name.split("/")
    path, share, unit = f"sites.{site.name}.racks", 1.0, "racks"
    if halls:
        hall, at = hall_of(site, halls)
        if hall.rows is None or hall.racks_per_row is None:
            return
        path, share, unit = f"{at}.rows", float(hall.racks_per_row), "rows"
    elif site.racks != site.rack_places:
        return
    places = float(level.racks or 0)
    for t in [stock.periods - 1] if grows else range(stock.periods):
        coefficients: dict[int, float] = {}
        alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for g, group in enumerate(stock.groups):
            if level.name in group.levels:
                kind = group.location, group.system, group.chip, group.cooling, group.fabric, group.power_cap
                alike[*kind, group.topology].append(g)
        for mine in alike.values():  # whosever they are, systems of one kind fill racks together
            group = stock.groups[mine[0]]
            stands = {
                c: group.racks
                for c, lot in zip(draft.lots, stock.lots, strict=True)
                if lot.group in mine and lot.begin <= t < lot.end
            }
            if float(group.racks).is_integer():
                coefficients.update(stands)
                continue
            name = f"racks[{group.id},{level.name},{t}]"
            column = draft.builder.add_column(name, upper=places * 2 + 1, integer=True)
            fit = {column: 1.0, **{c: -v for c, v in stands.items()}}
            draft.builder.add_row(f"fit[{group.id},{level.name},{t}]", fit, lower=0.0, kind="fit")
            coefficients[column] = 1.0
        draft.add_limit(
            Limit(
                f"racks[{level.name},{t}]", "racks", f"{places:g} racks at {level.name}", places, "racks", 1.0, path,
                share=share, leaf_unit=unit, whole=True,
            ),
            coefficients,
        )  # fmt: skip


def _chips(draft: StockDraft, scenario: Scenario, timeline: Timeline) -> None:
    stock = draft.stock
    total = scenario.limits.chips
    if total is not None:
        rented = {
            c: (r, s, float(r.systems * stock.groups[r.group].chips))
            for columns, r in zip(draft.runs, stock.runs, strict=True)
            if r.term
            for c, s in zip(columns, r.starts, strict=True)
        }
        once = lasting(stock, stock.lots) and not rented
        for t in [stock.periods - 1] if once else range(stock.periods):
            there = draft.standing(t, lambda x: float(stock.groups[x.group].chips))
            # and what is rented for runs alone while they run
            slots = [i for i, period in enumerate(stock.slots) if period == t]
            busy = [(i, {c: v for c, (_, s, v) in rented.items() if s.slot <= i <= s.last_slot}) for i in slots]
            for i, active in distinct(busy):
                row = f"chips[all,{t}]" if i == slots[0] or not active else f"chips[all,{t},{i}]"
                draft.add_limit(
                    Limit(row, "chips", f"{total} chips", float(total), "chips", 1e3, "limits.chips", whole=True),
                    there | active,
                )
    for workload in scenario.workloads:
        if workload.chips is None:
            continue
        for end, words, sense in (("max", "at most", -1), ("min", "at least", 1)):
            bound = getattr(workload.chips, end)
            if bound is None:
                continue
            path = f"workloads.{workload.name}.chips.{end}"
            label = f"{workload.name} on {words} {bound:g} chips"
            runs = draft.total(run=lambda r, _, w=workload.name: float(r.chips) if r.workload == w else 0.0)  # type: ignore[misc]
            runs = {c: v for c, v in runs.items() if v}
            if runs:
                mixed = any(r.mix for r in stock.runs if r.workload == workload.name)
                if mixed or any((bound - v) * sense > 0 for v in runs.values()):
                    row = f"chips[{workload.name},{end}]"
                    draft.add_limit(
                        Limit(row, "chips", label, float(bound), "chips", 1e3, path, sense, whole=True), runs
                    )
                continue
            for t in range(stock.periods):
                columns = {
                    c[t]: float(w.chips)
                    for c, w in zip(draft.serve, stock.works, strict=True)
                    if w.workload == workload.name
                }
                row = f"chips[{workload.name},{end},{t}]"
                draft.add_limit(
                    Limit(row, "chips", label, float(bound), "chips", 1e3, path, sense, whole=True), columns
                )


def _supply(draft: StockDraft, scenario: Scenario, timeline: Timeline) -> None:
    """What stands at a site already, and what is delivered of a system in a period."""
    stock = draft.stock
    columns: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    bought: dict[tuple[str, int], dict[int, float]] = defaultdict(dict)
    by_block: dict[tuple[int, str], dict[int, float]] = defaultdict(dict)
    most: dict[tuple[int, str], int] = {}
    for c, lot in zip(draft.lots, stock.lots, strict=True):
        group = stock.groups[lot.group]
        if lot.acquire == "installed":
            columns[group.site, group.system][c] = 1.0
            by_block[lot.group, lot.term][c] = 1.0
            most[lot.group, lot.term] = lot.most
        elif lot.acquire == "buy":
            bought[group.system, lot.begin][c] = 1.0
    for (site, system), mine in columns.items():
        count = stock.installed[site, system]
        blocks = next(s for s in scenario.sites if s.name == site).installed
        at = [i for i, b in enumerate(blocks) if b.system == system]
        path = f"sites.{site}.installed" + (f".{at[0]}.count" if len(at) == 1 else "")
        label = f"{count} {system} installed at {site}"
        row = f"installed[{site},{system}]"
        draft.add_limit(Limit(row, "supply", label, float(count), "systems", 1.0, path, whole=True), mine)
    ages: dict[tuple[str, str, str], dict[int, float]] = defaultdict(dict)
    for (g, since), mine in by_block.items():
        group = stock.groups[g]
        ages[group.site, group.system, since].update(mine)
    for (site, system, since), mine in ages.items():
        some = next(most[k] for k in most if k[1] == since and stock.groups[k[0]].site == site
                    and stock.groups[k[0]].system == system)  # fmt: skip
        if some < stock.installed[site, system]:
            draft.builder.add_row(f"block[{site},{system},{since}]", mine, upper=float(some), kind="fit")
    for (system, period), mine in bought.items():
        delivered = scenario.hardware.supply.get(system)
        if not delivered:
            continue
        cap = float(path_by_period(timeline, dict(delivered), 0.0)[period])
        draft.add_limit(
            Limit(
                f"supply[{system},{period}]", "supply", f"{cap:g} {system} delivered in {timeline.names[period]}",
                cap, "systems", 1.0, f"hardware.supply.{system}", whole=True,
            ),
            mine,
        )  # fmt: skip


def _shares(draft: StockDraft, scenario: Scenario) -> None:
    """Chips of a vendor against all chips acquired: bought or rented, whenever."""
    stock = draft.stock
    for vendor, share in scenario.limits.vendor_share.items():
        coefficients = {}
        for c, lot in zip(draft.lots, stock.lots, strict=True):
            if lot.acquire == "installed":
                continue
            group = stock.groups[lot.group]
            mine = 1.0 if group.vendor.lower() == vendor.lower() else 0.0
            coefficients[c] = (mine - share) * group.chips / 1e3
        for columns, run in zip(draft.runs, stock.runs, strict=True):
            if run.term:
                group = stock.groups[run.group]
                mine = 1.0 if group.vendor.lower() == vendor.lower() else 0.0
                coefficients.update(dict.fromkeys(columns, (mine - share) * group.chips * run.systems / 1e3))
        row = f"share[{vendor}]"
        draft.builder.add_row(row, {c: v for c, v in coefficients.items() if v}, upper=0.0, kind="share")


def _money(draft: StockDraft, scenario: Scenario) -> None:
    limits, stock = scenario.limits, draft.stock
    if limits.capex_usd is not None:
        usd = limits.capex_usd
        draft.add_limit(
            Limit("budget[capex]", "budget", f"capital of ${usd / 1e6:g} M", usd, "USD", 1e6, "limits.capex_usd"),
            draft.total(lambda x: x.capex_usd),
        )
    if limits.cost_usd is not None:
        usd = limits.cost_usd
        draft.add_limit(
            Limit("budget[cost]", "budget", f"total cost of ${usd / 1e6:g} M", usd, "USD", 1e6, "limits.cost_usd"),
            draft.total(lambda x: x.cost_usd, lambda x, t: float(x.cost_usd[t]), lambda _, s: s.cost_usd),
        )
    if limits.capex_usd_per_year is not None:
        usd = limits.capex_usd_per_year
        first = _first_year(stock)
        for k in range(stock.years):
            mine = {
                c: lot.capex_usd
                for c, lot in zip(draft.lots, stock.lots, strict=True)
                if lot.capex_usd and first[lot.begin] == k
            }
            if mine:
                label = f"capital of ${usd / 1e6:g} M in year {k + 1}"
                path = "limits.capex_usd_per_year"
                draft.add_limit(Limit(f"budget[capex,{k + 1}]", "budget", label, usd, "USD", 1e6, path), mine)


def _first_year(stock: Stock) -> list[int]:
    """Year of the plan in which each period begins."""
    found, months = [], 0.0
    for t in range(stock.periods):
        found.append(math.floor(months + 1e-9))
        months += float(stock.period_years[t].sum())
    return found


def _by_year(draft: StockDraft, scenario: Scenario) -> None:
    """Limits of each year of the plan, on what stands and works in it (``options.annual``)."""
    stock = draft.stock
    shares = stock.period_years / stock.period_years.sum(axis=1, keepdims=True)
    for of, limit in stated(scenario.limits):
        for k in range(stock.years):
            if float(stock.period_years[:, k].sum()) <= 0:
                continue
            coefficients = draft.total(
                lambda x, a=of.lot, k=k: float(getattr(x, a)[k]),  # type: ignore[misc]
                lambda x, t, a=of.work, k=k: float(getattr(x, a)[t] * shares[t, k]),  # type: ignore[misc]
                lambda _, s, a=of.start, k=k: float(getattr(s, a)[k]),  # type: ignore[misc]
            )
            label = f"{of.words(limit)} in year {k + 1}"
            row = Limit(f"{of.name}[{k + 1}]", of.kind, label, limit, f"{of.unit}/year", of.scale, f"limits.{of.leaf}")
            draft.add_limit(row, coefficients)


def _deadlines(draft: StockDraft, scenario: Scenario, timeline: Timeline) -> None:
    """Starts that miss their date do not exist, save where a diagnosis wants them back: then a row keeps them out."""
    for workload in scenario.workloads:
        days = getattr(workload, "finish_within_days", None)
        begins = start_days(scenario, getattr(workload, "start", None))
        mine = {
            c: s.finish_days - begins
            for columns, r in zip(draft.runs, draft.stock.runs, strict=True)
            if r.workload == workload.name and r.lead
            for c, s in zip(columns, r.starts, strict=True)
        }
        end = timeline.end * DAYS_PER_MONTH - begins
        limit = end if days is None else min(days, end)
        if all(v <= limit * (1 + 1e-9) for v in mine.values()):
            continue
        path, label = f"workloads.{workload.name}.finish_within_days", f"{workload.name} within {limit:g} days"
        if days is None or days > end:
            path, label = "horizon_years", f"{workload.name} within the horizon of {scenario.horizon_years:g} years"
            row = Limit(f"deadline[{workload.name}]", "deadline", label, limit, "days", 10.0, path, share=365.25,
                        leaf_unit="years")  # fmt: skip
        else:
            row = Limit(f"deadline[{workload.name}]", "deadline", label, limit, "days", 10.0, path)
        draft.add_limit(row, mine)
