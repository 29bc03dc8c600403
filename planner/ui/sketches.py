"""Where a plan stands: a map of its sites and a sketch of its racks."""

from __future__ import annotations

import streamlit as st

from planner.answer.plan import Plan
from planner.errors import InputError
from planner.network.capability import domain_chips
from planner.plots.place_charts import Place, pools_of, rack_chart, site_map, spoken_places, spoken_racks
from planner.ui import service
from planner.ui.charts import draw


def show(plan: Plan, yaml: str) -> None:
    """The sketch, and the map where the scenario tells the regions of the sites."""
    facts = service.catalog()
    domains = {
        (h.system, h.chip): domain_chips(facts.systems[h.system], facts.chips[h.chip])
        for h in plan.holdings
        if h.system in facts.systems and h.chip in facts.chips
    }
    pools = pools_of(plan, service.short(), domains)
    racks = rack_chart(pools)
    if racks is not None:
        st.subheader("Racks and domains", anchor=False)
        draw(racks, f"Racks: {spoken_racks(pools)}")
    places = _places(plan, yaml)
    chart = site_map(places)
    if chart is not None:
        st.subheader("Sites", anchor=False)
        draw(chart, f"Sites: {spoken_places(places)}", stretch=False)


def _places(plan: Plan, yaml: str) -> list[Place]:
    """Sites at which something stands, with the coordinates of their regions."""
    try:
        scenario = service.open_bytes(yaml.encode(), "scenario.yaml").scenario if yaml else None
    except InputError:
        scenario = None
    if scenario is None:
        return []
    facts, found = service.catalog(), []
    levels = plan.walls.power.levels if plan.walls is not None else ()
    drawn = {x.place: x.used for x in levels if x.unit == "MW"}
    for site in scenario.sites:
        mine = [h for h in plan.holdings if h.acquire != "rent" and h.site.split("/")[0] == site.name]
        region = facts.regions.get(site.region)
        if not mine or region is None:
            continue
        latitude, longitude = region.get("latitude_deg"), region.get("longitude_deg")
        if latitude is None or longitude is None:
            continue
        power = drawn.get(site.name, sum(d.power.facility_mw for d in plan.deployments if d in mine))
        found.append(Place(site.name, region.name, latitude, longitude, power))
    return found
