"""Where a plan stands: its sites on a map, and its racks as a sketch, a cell a rack."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import altair as alt

from planner.answer.plan import FleetLot, Plan
from planner.plots.answer_charts import apart
from planner.plots.charts import COLOURS, Chart
from planner.report import format as fmt

MOST_CELLS = 72
"""Cells of one row; where there are more racks a cell stands for several."""
_ASIDE = "#7d8894"
_MAP_WIDTH, _MAP_HEIGHT = 680, 340
_NEAR_DEG = 9.0


@dataclass(frozen=True, slots=True)
class Pool:
    """Systems of one kind at one place, as the sketch shows them."""

    site: str
    name: str
    systems: int
    racks: float
    domain: int
    """Chips of one scale-up domain."""
    since: str = ""

    @property
    def cells(self) -> tuple[int, int]:
        """(cells drawn, racks of each but the last)."""
        whole = math.ceil(self.racks - 1e-9)
        each = max(1, math.ceil(whole / MOST_CELLS))
        return math.ceil(whole / each), each

    @property
    def told(self) -> str:
        """What the row shows, in words."""
        per_rack = self.systems / self.racks if self.racks else 0.0
        held = (
            f"{fmt.number(per_rack)} system{'' if per_rack == 1 else 's'} a rack"
            if per_rack >= 1
            else f"a system fills {fmt.number(1 / per_rack)} racks"
        )
        _, each = self.cells
        drawn = "" if each == 1 else f"; a cell is {each} racks"
        domain = f"domains of {fmt.plural(self.domain, 'chip')}" if self.domain > 1 else "every chip its own domain"
        return f"{fmt.plural(math.ceil(self.racks - 1e-9), 'rack')}, {held}, {domain}{drawn}"


def rack_chart(pools: Sequence[Pool]) -> Chart | None:
    """A row a pool and a cell a rack; shades change where another system begins. None where nothing stands in racks of
    its own."""
    pools = [p for p in pools if p.racks > 0]
    if not pools:
        return None
    labels = apart([(fmt.clean(f"{p.systems:,} {p.name}"), fmt.clean(p.site), p.since) for p in pools])
    rows: list[dict[str, Any]] = []
    for label, pool in zip(labels, pools, strict=True):
        cells, each = pool.cells
        spans = max(1.0, pool.racks / pool.systems)  # racks of one system
        rows += [
            {
                "pool": label, "from": i + 0.06, "to": i + 0.94, "site": fmt.clean(pool.site),
                "shade": "one system" if int(i * each / spans) % 2 == 0 else "the next",
                "told": fmt.clean(pool.told),
            }
            for i in range(cells)
        ]  # fmt: skip
    y = alt.Y("pool:N", sort=labels, title=None, axis=alt.Axis(labelLimit=300, ticks=False, domain=False))
    sites = list(dict.fromkeys(fmt.clean(p.site) for p in pools))
    base = alt.Chart(alt.Data(values=rows))  # type: ignore[no-untyped-call]
    boxes = base.mark_bar(height=24, cornerRadius=2).encode(
        x=alt.X("from:Q", axis=None, scale=alt.Scale(domain=[0, MOST_CELLS])), x2="to:Q", y=y,
        color=alt.Color("site:N", sort=sites, title="Site",
                        scale=alt.Scale(domain=sites, range=[COLOURS[i % len(COLOURS)] for i in range(len(sites))]),
                        legend=alt.Legend(orient="bottom")),
        opacity=alt.Opacity("shade:N", legend=None, scale=alt.Scale(domain=["one system", "the next"], range=[1, 0.6])),
        tooltip=["pool:N", "site:N", "told:N"],
    )  # fmt: skip
    words = [{"pool": label, "told": fmt.clean(p.told)} for label, p in zip(labels, pools, strict=True)]
    said = (
        alt.Chart(alt.Data(values=words))  # type: ignore[no-untyped-call]
        .mark_text(align="left", dy=23, fontSize=11)
        .encode(x=alt.value(0), y=y, text="told:N")
    )
    chart: Chart = alt.layer(boxes, said).properties(height=58 * len(pools) + 100)
    return chart


@dataclass(frozen=True, slots=True)
class Place:
    """A site on the map."""

    name: str
    region: str
    latitude: float
    longitude: float
    power_mw: float
    """What the plan draws there at the peak."""


@cache
def _land() -> str:
    """Outlines of the continents as an address that holds them: Altair copies data that lie in a chart many times.

    Natural Earth 1:110m (public domain), as TopoJSON of world-atlas 2.0.2 (ISC).
    """
    content = (files("planner.plots") / "data" / "land-110m.json").read_bytes()
    return f"data:application/json;base64,{base64.b64encode(content).decode()}"


def site_map(places: Sequence[Place]) -> Chart | None:
    """Sites where they lie, larger where they draw more. None where there is no place to show."""
    if not places:
        return None
    rows = [
        {
            "name": fmt.clean(p.name), "region": fmt.clean(p.region), "latitude": p.latitude, "longitude": p.longitude,
            "power": p.power_mw, "up": _crowded(p, places), "told": f"{fmt.power(p.power_mw)} at the peak",
        }
        for p in places
    ]  # fmt: skip
    centre, scale = _view(places)
    feature = alt.TopoDataFormat(feature="land", type="topojson")
    land = alt.Chart(alt.UrlData(url=_land(), format=feature)).mark_geoshape(
        fill=_ASIDE, fillOpacity=0.28, stroke=_ASIDE, strokeOpacity=0.5
    )
    base = alt.Chart(alt.Data(values=rows))  # type: ignore[no-untyped-call]
    points = base.mark_circle(opacity=0.9, color=COLOURS[0], stroke="white", strokeWidth=1).encode(
        longitude="longitude:Q", latitude="latitude:Q",
        size=alt.Size("power:Q", title="MW at the peak", legend=None, scale=alt.Scale(domainMin=0, range=[120, 900])),
        tooltip=["name:N", "region:N", "told:N"],
    )  # fmt: skip
    words = [
        base.transform_filter(f"datum.up === {str(up).lower()}")
        .mark_text(align="left", dx=18, dy=-9 if up else 6, fontSize=12, fontWeight="bold")
        .encode(longitude="longitude:Q", latitude="latitude:Q", text="name:N")
        for up in (True, False)
    ]
    chart: Chart = (
        alt.layer(land, points, *words)
        .project(type="equirectangular", center=centre, scale=scale, translate=[_MAP_WIDTH / 2, _MAP_HEIGHT / 2])
        .properties(width=_MAP_WIDTH, height=_MAP_HEIGHT)
    )
    return chart


def _crowded(place: Place, places: Sequence[Place]) -> bool:
    """Whether another site lies close by to the south: the name goes up then."""
    return any(
        other is not place and abs(other.longitude - place.longitude) < _NEAR_DEG
        and 0 <= place.latitude - other.latitude < _NEAR_DEG / 2
        for other in places
    )  # fmt: skip


def _view(places: Sequence[Place]) -> tuple[list[float], float]:
    """Centre in degrees and scale (pixels a radian) that show every place with room around it."""
    east, north = [p.longitude for p in places], [p.latitude for p in places]
    across = max(70.0, 1.5 * (max(east) - min(east)))
    down = max(35.0, 1.6 * (max(north) - min(north)))
    scale = min(_MAP_WIDTH / math.radians(across), _MAP_HEIGHT / math.radians(down))
    return [(max(east) + min(east)) / 2, (max(north) + min(north)) / 2], scale


def spoken_places(places: Sequence[Place]) -> str:
    """The map in words."""
    return "; ".join(f"{p.name} in {p.region}: {fmt.power(p.power_mw)} at the peak" for p in places)


def spoken_racks(pools: Sequence[Pool]) -> str:
    """The racks in words."""
    return "; ".join(f"{p.systems:,} {p.name} at {p.site}: {p.told}" for p in pools if p.racks > 0)


def pools_of(plan: Plan, names: Mapping[str, str], domains: Mapping[tuple[str, str], int]) -> tuple[Pool, ...]:
    """What stands at sites of a plan's own, a pool a lot or deployment. ``domains``: chips of a scale-up domain by
    system and chip."""
    return tuple(
        Pool(
            h.site, names.get(h.system, h.system), h.systems, float(h.racks), domains.get((h.system, h.chip), 1),
            h.begin if isinstance(h, FleetLot) else h.period,
        )
        for h in plan.holdings
        if h.acquire != "rent" and h.systems
    )  # fmt: skip
