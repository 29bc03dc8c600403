"""Changes of a scenario that no row of the model holds, where there is no plan: latencies, cooling, power of a rack,
shares of vendors.

They decide which options exist at all, so each is tried by planning the changed scenario again; what does not help is
not offered.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from planner.answer.plan import Nearest
from planner.catalog import Catalog
from planner.explain.conflict import Diagnosis, written
from planner.options.option import Dropped
from planner.scenario import scenario_from_mapping
from planner.scenario.types import Scenario

Possible = Callable[[Scenario], bool]
FURTHER = (1.0, 1.02, 1.05, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)
"""A figure that counting finds the least (the best that any hardware reaches) may not be enough beside other limits:
how many times it is tried, the least that helps by halving."""
_SHARE_STEP = 0.05
"""Of all chips: how finely the share of a vendor is asked about."""
NO_COOLING, TOO_HOT = "hosts no cooling", "takes chips up to"
"""Words of reasons that another cooling may answer (``options.hardware.choices``, ``facility.cooling``)."""
RACK_POWER = re.compile(r"draws ([\d.,]+) kW, racks here take ([\d.,]+) kW")


def with_latencies(diagnosis: Diagnosis, scenario: Scenario, possible: Possible) -> Diagnosis:
    """Each latency that counting proposes, moved as far as makes a plan possible alone; where none is, all together."""
    wanted = diagnosis.nearest

    def moved(changes: Sequence[tuple[Nearest, float]]) -> Scenario:
        data = scenario.model_dump(mode="json")
        for change, needed in changes:
            _, name, leaf = change.limit.split(".")
            next(w for w in data["workloads"] if w["name"] == name)[leaf] = needed
        return scenario_from_mapping(data)

    alone = []
    for n in wanted:
        times = _least(lambda x, n=n: possible(moved([(n, _figure(n.needed * x))])))  # type: ignore[misc]
        if times is not None:
            alone.append(_told(n, _figure(n.needed * times), best=times == 1.0))
    if alone or len(wanted) < 2:
        return replace(diagnosis, nearest=tuple(alone))
    times = _least(lambda x: possible(moved([(n, _figure(n.needed * x)) for n in wanted])))
    if times is None:
        return replace(diagnosis, nearest=())
    figures = {n.limit: _figure(n.needed * times) for n in wanted}
    text = " and ".join(f"{n.limit} from {written(n.now)} to {written(figures[n.limit])} {n.unit}" for n in wanted)
    joint = tuple(
        n.model_copy(
            update={
                "needed": figures[n.limit],
                "message": f"Move {text} together: then a plan exists.",
                "together": tuple(x.limit for x in wanted if x is not n),
                "confirmed_together": True,
            }
        )
        for n in wanted
    )
    return replace(diagnosis, nearest=joint)


def _told(n: Nearest, needed: float, *, best: bool) -> Nearest:
    if best:
        return n.model_copy(update={"confirmed": True})
    words = (
        f"{n.limit.split('.')[1]}: raise {n.limit.split('.')[2]} from {written(n.now)} to {written(needed)} {n.unit}"
    )
    why = f"; {written(n.needed)} is the best any hardware allowed here reaches, and not enough beside the other limits"
    return n.model_copy(update={"needed": needed, "message": words + why, "confirmed": True})


def _figure(value: float) -> float:
    """In four digits, so that the figure shown is the one that was tried."""
    return float(f"{value:.4g}")


def _least(helps: Callable[[float], bool]) -> float | None:
    """The least of ``FURTHER`` that helps, by halving; None where the largest does not."""
    if helps(FURTHER[0]):
        return FURTHER[0]
    if not helps(FURTHER[-1]):
        return None
    low, high = 0, len(FURTHER) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if helps(FURTHER[middle]) else (middle, high)
    return FURTHER[high]


def with_places(
    diagnosis: Diagnosis, scenario: Scenario, catalog: Catalog, reasons: Sequence[Dropped], possible: Possible
) -> Diagnosis:
    """Cooling and power of racks of a site as parts of the conflict, where another would make a plan possible.

    Tried only where such a reason left hardware out; alone, site by site.
    """
    named: list[str] = []
    found: list[Nearest] = []
    texts = [d.reason for d in reasons]
    for i, site in enumerate(scenario.sites):
        if any((NO_COOLING in text and text.startswith(site.name)) or TOO_HOT in text for text in texts):
            for change, word in _coolings(scenario, catalog, i, possible):
                found.append(change)
                named.append(word)
        racks = [float(m[1].replace(",", "")) for text in texts if (m := RACK_POWER.search(text))]
        if site.rack_kw is not None and racks:
            wider = _rack_power(scenario, i, site.rack_kw, sorted(x for x in racks if x > site.rack_kw), possible)
            if wider is not None:
                found.append(wider)
                named.append(f"racks of {site.rack_kw:g} kW at {site.name}")
    if not found:
        return diagnosis
    conflicts = tuple(
        c.model_copy(
            update={
                "limits": tuple(dict.fromkeys((*c.limits, *named))),
                "message": f"{c.message.rstrip('.')}; {'; '.join(dict.fromkeys(named))}.",
            }
        )
        for c in diagnosis.conflicts
    )
    return replace(diagnosis, conflicts=conflicts, nearest=(*diagnosis.nearest, *found))


def with_shares(diagnosis: Diagnosis, scenario: Scenario, possible: Possible) -> Diagnosis:
    """The share of a vendor, where a larger one makes a plan possible: it is a coefficient, not a bound that moves."""
    found: list[Nearest] = []
    for vendor, share in scenario.limits.vendor_share.items():

        def at(value: float, vendor: str = vendor) -> Scenario:
            shares = {**scenario.limits.vendor_share, vendor: value}
            return scenario.model_copy(update={"limits": scenario.limits.model_copy(update={"vendor_share": shares})})

        steps = [round(share + _SHARE_STEP * i, 4) for i in range(1, math.ceil((1 - share) / _SHARE_STEP))] + [1.0]
        if share >= 1 or not possible(at(1.0)):
            continue
        low, high = -1, len(steps) - 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if possible(at(steps[middle])) else (middle, high)
        path = f"limits.vendor_share.{vendor}"
        message = f"Raise {path} from {share:g} to {steps[high]:g}: then a plan exists."
        found.append(
            Nearest(limit=path, now=share, needed=steps[high], unit="of all chips", message=message, confirmed=True)
        )
    return replace(diagnosis, nearest=(*diagnosis.nearest, *found))


def _with_site(scenario: Scenario, index: int, fields: Mapping[str, Any]) -> Scenario:
    sites = [s.model_copy(update=fields) if i == index else s for i, s in enumerate(scenario.sites)]
    return scenario.model_copy(update={"sites": tuple(sites)})


def _coolings(scenario: Scenario, catalog: Catalog, index: int, possible: Possible) -> list[tuple[Nearest, str]]:
    """The first cooling more that makes a plan possible, if any does."""
    site = scenario.sites[index]
    more = [c.id for c in catalog.cooling.values() if c.kind == "option" and c.id not in site.cooling]
    if not site.cooling or not possible(_with_site(scenario, index, {"cooling": (*site.cooling, *more)})):
        return []
    for cooling in more:
        if possible(_with_site(scenario, index, {"cooling": (*site.cooling, cooling)})):
            message = f"Add {cooling} to sites.{site.name}.cooling: then a plan exists."
            count = float(len(site.cooling))
            change = Nearest(limit=f"sites.{site.name}.cooling", now=count, needed=count + 1, unit="coolings",
                             message=message, confirmed=True)  # fmt: skip
            return [(change, f"cooling of {site.name}: {', '.join(site.cooling)}")]
    return []


def _rack_power(
    scenario: Scenario, index: int, now: float, needs: Sequence[float], possible: Possible
) -> Nearest | None:
    """The least power of a rack, among what systems left out draw, that makes a plan possible; None for none."""
    # what is told is rounded: a little more holds what is drawn
    tries = [float(f"{x * 1.005 + 0.05:.3g}") for x in dict.fromkeys(needs)]
    if not tries or not possible(_with_site(scenario, index, {"rack_kw": tries[-1]})):
        return None
    low, high = -1, len(tries) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (low, middle) if possible(_with_site(scenario, index, {"rack_kw": tries[middle]})) else (middle, high)
        )
    path = f"sites.{scenario.sites[index].name}.rack_kw"
    message = f"Raise {path} from {now:g} to {tries[high]:g} kW: then a plan exists."
    return Nearest(limit=path, now=now, needed=tries[high], unit="kW", message=message, confirmed=True)
