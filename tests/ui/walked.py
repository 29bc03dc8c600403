"""Every number that a page shows, and every number of a plan that it may be, by kind of quantity."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import unescape
from itertools import combinations
from typing import Any

import pyarrow as pa
from streamlit.testing.v1 import AppTest

from planner.answer.plan import Plan
from planner.answer.rows import cost_rows
from planner.network.capability import domain_chips
from planner.plots.place_charts import MOST_CELLS
from planner.ui import service
from planner.walls.complexity import WITHIN

Pool = Mapping[str, Sequence[float]]

_WORDS = {"": 1.0, "k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12, "G": 1e9, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_NUMBER = r"(?<![\w.,/])([\d,]*\d(?:\.\d+)?)"
_PATTERNS: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "usd": (r"\$([\d,]*\d(?:\.\d+)?)\s*(million|billion|trillion|[kMBT](?![\w]))?", _WORDS),
    "mw": (_NUMBER + r" (GW|MW|kW|W)(?! per|[\w/])", {"GW": 1e3, "MW": 1.0, "kW": 1e-3, "W": 1e-6}),
    "s": (
        _NUMBER + r" (days|day|hours|h|min|s|ms|µs)(?![\w/])",
        {"days": 86400.0, "day": 86400.0, "hours": 3600.0, "h": 3600.0, "min": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6},
    ),
    "share": (_NUMBER + r"(%)", {"%": 0.01}),
    "things": (_NUMBER + r" (chips?|systems?|racks?)(?![\w-])", dict.fromkeys(
        ("chip", "chips", "system", "systems", "rack", "racks"), 1.0)),
    "rate": (_NUMBER + r" (k |M |G |T |)(?:requests|samples|tokens|req)/s", {
        "": 1.0, "k ": 1e3, "M ": 1e6, "G ": 1e9, "T ": 1e12}),
    "gb": (_NUMBER + r" (GB|MB)(?![\w/])", {"GB": 1.0, "MB": 1e-3}),
}  # fmt: skip
_BY_KEY = (
    (re.compile(r"usd|cost"), "usd", 1.0),
    (re.compile(r"mw$|^power$"), "mw", 1.0),
    (re.compile(r"_w$"), "mw", 1e-6),
    (re.compile(r"_ms$"), "s", 1e-3),
    (re.compile(r"hours"), "s", 3600.0),
    (re.compile(r"days?$|^time$"), "s", 86400.0),
    (re.compile(r"_s$|^seconds$"), "s", 1.0),
    (re.compile(r"gb"), "gb", 1.0),
    (re.compile(r"chips$|systems$|racks$|^spares$"), "things", 1.0),
)
_UNITS = {
    "USD": ("usd", 1.0), "usd": ("usd", 1.0), "MW": ("mw", 1.0), "mw": ("mw", 1.0), "days": ("s", 86400.0),
    "day": ("s", 86400.0), "s": ("s", 1.0), "ms": ("s", 1e-3), "racks": ("things", 1.0), "chips": ("things", 1.0),
    "requests/s": ("rate", 1.0), "samples/s": ("rate", 1.0), "kW": ("mw", 1e-3), "W": ("mw", 1e-6),
    "kw": ("mw", 1e-3), "w": ("mw", 1e-6), "gb": ("gb", 1.0),
}  # fmt: skip


def numbers(text: str) -> Iterator[tuple[str, float, float, str]]:
    """(kind of quantity, value in its base unit, half of the last digit shown, as written) of every number with a
    unit."""
    for kind, (pattern, units) in _PATTERNS.items():
        for found in re.finditer(pattern, text):
            digits = found[1].replace(",", "")
            factor = units[found[2] or ""]
            places = len(digits.partition(".")[2])
            whole = digits.rstrip("0") if not places else digits
            step = 10.0 ** (len(digits) - len(whole)) if not places and len(digits) > _DIGITS else 10.0**-places
            yield kind, float(digits) * factor, 0.5 * step * factor, found[0]


_DIGITS = 3
_WITH_UNIT = frozenset({"used", "of", "value", "bound", "objective", "now", "without"})


def leaves(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, float]]:
    """(kind of quantity, value in its base unit) of every number of a plan.json; what has no unit is a share."""
    if isinstance(data, dict):
        unit = _UNITS.get(str(data.get("unit") or data.get("quantity") or ""))
        if str(data.get("worth_unit", "")).lower().startswith(("usd", "$")):
            yield "usd", float(data["worth_per_unit"] or 0.0)
        for key, value in data.items():
            if unit and isinstance(value, int | float) and key in _WITH_UNIT:
                yield unit[0], value * unit[1]
            else:
                yield from leaves(value, (*path, key))
    elif isinstance(data, list):
        for value in data:
            yield from leaves(value, path)
    elif isinstance(data, int | float) and not isinstance(data, bool):
        yield from _leaf(path, float(data))


def _leaf(path: tuple[str, ...], value: float) -> Iterator[tuple[str, float]]:
    last, around = path[-1], path[:-1]
    yield "share", value
    if "per_s" in last or last in {"asked", "answered", "throughput"}:
        yield "rate", value
    elif any("usd" in part for part in path):
        yield "usd", value
    elif "breakdown_mw" in around:
        yield "mw", value
    elif "breakdown" in around or "seconds_by_room" in around:
        yield "s", value
    elif "memory_gb" in around:
        yield "gb", value
    else:
        for pattern, kind, factor in _BY_KEY:
            if pattern.search(last):
                yield kind, value * factor
                return


def pool_of(plan: Plan) -> Pool:
    """What the numbers of a page may be: the plan's, the sums that a reader makes of them, shares of a whole, and what
    the plan's own texts say (all but the sentence, which has to agree with its figures)."""
    found: dict[str, list[float]] = defaultdict(list)
    data = json.loads(plan.to_json())
    for kind, value in leaves(data):
        found[kind].append(abs(value))
    kind, factor = _UNITS.get(plan.objective.unit, ("share", 1.0))
    found[kind] += [a.objective * factor for a in plan.alternatives if a.objective is not None]
    _sums(plan, found)
    _money(plan, found)
    levels = plan.walls.power.levels if plan.walls is not None else ()
    found["share"] += [x.used / x.of for x in levels if x.of]
    found["share"] += [x.factor - 1 for x in plan.walls.power.lifts] if plan.walls is not None else []
    found["share"] += WITHIN  # what simpler plans were looked for
    found["share"] += [abs(s.time_ratio - 1) for d in plan.deployments for s in d.predicted.stacks]
    found["share"] += [abs(r.measured_over_predicted - 1) for d in plan.deployments for r in d.predicted.measured_runs]
    found["share"] += [1 - v for v in list(found["share"]) if 0 <= v <= 1]
    data.pop("answer")
    for text in _texts(data):
        for kind, value, _, _ in numbers(text):
            found[kind].append(value)
    return found


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list):
        for value in data.values() if isinstance(data, dict) else data:
            yield from _texts(value)


def _money(plan: Plan, found: dict[str, list[float]]) -> None:
    """Sums of cost lines, and the parts of the total: charged capital, what is left of it, running."""
    t = plan.totals
    if t is None:
        return
    rows = cost_rows(plan)
    for key in ("line", "what", "workload", "site", "system"):
        sums: dict[str, float] = defaultdict(float)
        for row in rows:
            sums[str(row[key])] += row["usd"]
        found["usd"] += sums.values()
        found["share"] += [v / t.tco_usd for v in sums.values()]
    assert abs(sum(row["usd"] for row in rows) - t.tco_usd) <= 1e-6 * abs(t.tco_usd)
    capital = [c for c in _costs(plan) if c.capex_lines_usd]
    charged = sum(v for c in capital for line, v in c.lines_usd.items() if line in c.capex_lines_usd)
    found["usd"] += [charged, t.capex_usd - charged, t.tco_usd - charged]


def _costs(plan: Plan) -> list[Any]:
    if plan.fleet is None or plan.schedule is None:
        return [d.cost for d in plan.deployments]
    return [x.money for x in (*plan.fleet.lots, *plan.schedule.runs, *plan.schedule.loads)]


def _sums(plan: Plan, found: dict[str, list[float]]) -> None:
    holdings = plan.holdings
    keys = ("site", "system", "workload", "acquire", "cooling", "period", "begin")
    for size in range(len(keys[:4]) + 1):
        for by in combinations(keys, size):
            groups: dict[tuple[str, ...], list[Any]] = defaultdict(list)
            for h in holdings:
                groups[tuple(str(getattr(h, k, "")).split("/")[0] for k in by)].append(h)
            for mine in groups.values():
                for what in ("systems", "chips", "racks"):
                    found["things"].append(sum(getattr(h, what) for h in mine))
    for h in holdings:  # what the sketch of racks says
        if h.racks and h.systems:
            found["things"] += [h.systems / h.racks, h.racks / h.systems, math.ceil(h.racks / MOST_CELLS)]
            found["things"].append(math.ceil(h.racks))
        if h.system in service.catalog().systems and h.chip in service.catalog().chips:
            found["things"].append(domain_chips(service.catalog().systems[h.system], service.catalog().chips[h.chip]))
    counts = sorted((sum(h.systems for h in mine) for mine in _lots(holdings)), reverse=True)
    found["things"] += [sum(counts[i:]) for i in range(len(counts))]
    for name in ("requests_per_s", "samples_per_s", "tokens_per_s"):
        found["rate"].append(sum(getattr(d.predicted, name) or 0.0 for d in plan.deployments))
    for d in plan.deployments:
        if d.predicted.interval is not None:
            scale = {"ms": 1e-3, "days": 86400.0}.get(d.predicted.interval.quantity.rpartition("_")[2], 1.0)
            found["s"] += [d.predicted.interval.low * scale, d.predicted.interval.high * scale]
    stands: dict[tuple[str, ...], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0, 0.0])
    for x in plan.fleet.standing if plan.fleet is not None else ():
        for by in ((x.period,), (x.period, x.site)):
            for i, value in enumerate((x.power_mw or 0.0, x.systems, x.chips, x.racks)):
                stands[by][i] += value
    found["mw"] += [v[0] for v in stands.values()]
    found["things"] += [n for v in stands.values() for n in v[1:]]
    parts = plan.deployments if plan.fleet is None else ()
    for name in ("breakdown_mw",):
        sums: dict[str, float] = defaultdict(float)
        for d in parts:
            for key, value in getattr(d.power, name).items():
                sums[key] += value
        whole = sum(sums.values())
        found["mw"] += [*sums.values(), whole]
        found["share"] += [v / whole for v in sums.values() if whole]
    for d in plan.deployments:
        for part, kind in ((d.predicted.breakdown, "s"), (d.predicted.memory_gb, "gb")):
            whole = sum(part.values())
            found[kind].append(whole)
            found["share"] += [v / whole for v in part.values() if whole]


def _lots(holdings: Iterable[Any]) -> list[list[Any]]:
    lots: dict[tuple[str, ...], list[Any]] = defaultdict(list)
    for h in holdings:
        lots[h.acquire, h.system, h.site, str(getattr(h, "begin", ""))].append(h)
    return list(lots.values())


def astray(text: str, pool: Pool) -> list[str]:
    """Numbers of a text that no number of the plan is, to the last digit shown."""
    return [
        shown
        for kind, value, half, shown in numbers(text)
        if not any(abs(value - abs(v)) <= 1.02 * half + 1e-9 * abs(v) for v in pool.get(kind, ()))
    ]


def words_of(at: AppTest) -> Mapping[str, str]:
    """What a page shows, by kind: words, cards, tables, charts. Escapes of markup and tags are taken away."""
    page = at.main
    plain = [*page.header, *page.subheader, *page.markdown, *page.caption, *page.warning]
    cards = [str(h.proto.body) for h in page.get("html")]
    tables = [_cells(d.value) for d in page.dataframe]
    charts = [_values(c) for c in at.main.get("vega_lite_chart")]
    return {
        "words": "\n".join(str(p.value).replace("\\", "") for p in plain),
        "cards": unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", "\n".join(cards), flags=re.DOTALL)),
        "tables": "\n".join(tables),
        "charts": "\n".join(charts),
    }


def _cells(frame: Any) -> str:
    """Cells of a table as text, numbers with the unit of their column."""
    rows = []
    for name in frame.columns:
        unit = re.search(r"\((.*?)\)$", str(name))
        for cell in frame[name]:
            if isinstance(cell, str) or unit is None or cell is None:
                rows.append(str(cell))
            elif unit[1] == "million USD":
                rows.append(f"${cell:.6f} million")
            else:
                rows.append(f"{cell:.9f} {unit[1]}")
    return "\n".join(rows)


def charted(chart: Any) -> list[list[dict[str, Any]]]:
    """Rows of every table that a chart draws."""
    proto = chart.proto
    tables = [proto.data.data] if proto.HasField("data") else []
    found = [pa.ipc.open_stream(t).read_all().to_pylist() for t in (*tables, *(d.data.data for d in proto.datasets))]

    def look(part: Any) -> None:
        if isinstance(part, dict):
            if isinstance(part.get("values"), list) and part["values"] and isinstance(part["values"][0], dict):
                found.append(part["values"])
            for value in part.values():
                look(value)
        elif isinstance(part, list):
            for value in part:
                look(value)

    look(json.loads(proto.spec))
    return found


def _values(chart: Any) -> str:
    """Words that a chart shows."""
    rows = [row for table in charted(chart) for row in table]
    return "\n".join(v for row in rows for k, v in row.items() if isinstance(v, str) and k != "summary")
