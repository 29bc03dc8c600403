"""What a plan buys, line by line: systems, spares, racks, network, cooling, with quantities and prices.

Prices are the plan's own (``cost.capex_lines_usd``, ``network``), so the lines of a deployment sum to its capital.
Replicas share pods of the network, so their parts of a pod may be fractions; a run has a network of its own.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from planner.answer.plan import Deployment, FleetLot, Plan
from planner.errors import InputError, Problem
from planner.export.quoting import safe_cell
from planner.tables import NO_OPENPYXL

COLUMNS = (
    "deployment", "workload", "role", "site", "period", "item", "description", "quantity", "unit", "unit_price_usd",
    "total_usd", "note",
)  # fmt: skip
SHARE_OF_POD = "share of a pod that replicas use together: round up over the site"
SHARE_OF_FABRIC = "share of the fabric that systems of a place use together: round up over the place"
_FABRIC = "optics of the scale-up fabric where the system's price does not hold them"


@dataclass(frozen=True)
class Line:
    """One line. ``total_usd`` is None where the price is in another line or not known."""

    deployment: int | None
    workload: str
    role: str
    site: str
    period: str
    item: str
    description: str
    quantity: float | None
    unit: str
    total_usd: float | None
    note: str = ""

    @property
    def unit_price_usd(self) -> float | None:
        """Total over quantity."""
        return None if self.total_usd is None or not self.quantity else self.total_usd / self.quantity

    def cells(self) -> tuple[str | float | int | None, ...]:
        """The line in the order of ``COLUMNS``."""
        return (
            self.deployment, self.workload, self.role, self.site, self.period, self.item, self.description,
            self.quantity, self.unit, self.unit_price_usd, self.total_usd, self.note,
        )  # fmt: skip


@dataclass(frozen=True)
class _Bought:
    """What a deployment, or a lot of a shared fleet, buys."""

    workload: str
    role: str
    site: str
    period: str
    system: str
    chip: str
    cooling: str
    interconnect: str
    acquire: str
    systems: int
    spares: int
    racks: float
    it_mw: float
    capex_usd: float
    capex_lines_usd: Mapping[str, float]
    network: Mapping[str, float]
    share_of: str


def _of_deployment(d: Deployment) -> _Bought:
    return _Bought(
        d.workload, d.role, d.site, d.period, d.system, d.chip, d.cooling, d.interconnect, d.acquire, d.systems,
        d.spares, d.racks, d.power.it_mw, d.cost.capex_usd, d.cost.capex_lines_usd, d.network, SHARE_OF_POD,
    )  # fmt: skip


def _of_lot(x: FleetLot) -> _Bought:
    return _Bought(
        "shared", "", x.site, x.begin, x.system, x.chip, x.cooling, x.interconnect, x.acquire, x.systems, 0, x.racks,
        x.it_mw, x.money.capex_usd, x.money.capex_lines_usd, x.network, SHARE_OF_FABRIC,
    )  # fmt: skip


def buys(plan: Plan) -> bool:
    """Whether the plan says what its capital buys."""
    return any((x.cost if isinstance(x, Deployment) else x.money).capex_lines_usd for x in plan.holdings)


def bill_of_materials(plan: Plan) -> tuple[Line, ...]:
    """Every line of every deployment (of a shared fleet: of every lot), then the total.

    Raises ``InputError`` where the plan has none.
    """
    bought = [_of_deployment(x) if isinstance(x, Deployment) else _of_lot(x) for x in plan.holdings]
    if not bought:
        raise InputError(Problem(f"nothing to buy: the plan's status is {plan.status}"))
    lines = [line for i, d in enumerate(bought) for line in _lines(i, d)]
    total = math.fsum(line.total_usd or 0.0 for line in lines)
    lines.append(
        Line(None, "", "", "", "", "total", "capital to spend up front", None, "", total, "sum of the lines above")
    )
    return tuple(lines)


def _lines(number: int, d: _Bought) -> Iterator[Line]:
    bought = d.capex_lines_usd
    if d.capex_usd and not bought:
        raise InputError(
            Problem(
                "the plan does not say what its capital buys",
                remedy="It was made by an older planner: plan the scenario again.",
            )
        )

    def line(item: str, what: str, quantity: float | None, unit: str, total: float | None, note: str = "") -> Line:
        return Line(number, d.workload, d.role, d.site, d.period, item, what, quantity, unit, total, note)

    note = {"rent": "rented: paid by the hour, see the plan's cost lines", "installed": "stands there already"}
    each = bought.get("systems", 0.0) / d.systems if d.acquire == "buy" else None
    words = f"{d.system} with {d.chip} in {d.cooling}, {d.interconnect}"
    working = d.systems - d.spares
    told = note.get(d.acquire, "")
    yield line("systems", words, working, "systems", None if each is None else each * working, told)
    if d.spares:
        yield line("spares", words, d.spares, "systems", None if each is None else each * d.spares, told)
    if d.acquire == "rent":
        return
    if d.racks:
        yield line("racks", "racks of the systems", d.racks, "racks", None, "price within systems and installation")
    yield from _network(d, line)
    lot = "lot"
    for item, what in (
        ("storage", "storage, CPU and management nodes"),
        ("installation", "installation and commissioning"),
    ):
        if bought.get(item):
            yield line(item, what, 1, lot, bought[item])
    kw = d.it_mw * 1e3
    for item, what in (
        ("building", "building, power train and white space"),
        ("cooling_plant", f"cooling plant for {d.cooling}"),
    ):
        if bought.get(item):
            yield line(item, what, kw, "kW of IT peak", bought[item])
    known = {"systems", "network", "storage", "installation", "building", "cooling_plant"}
    for item in sorted(bought.keys() - known):
        yield line(item, item.replace("_", " "), 1, lot, bought[item])


def _network(d: _Bought, line: Any) -> Iterator[Line]:
    net, money = d.network, d.capex_lines_usd.get("network", 0.0)
    shared = d.share_of if any(not float(net.get(k, 0.0)).is_integer() for k in ("switches", "optics")) else ""
    cables = net.get("links", 0.0) + net.get("endpoint_links", 0.0)
    priced = 0.0
    for item, what, quantity, unit, key in (
        ("switches", "switches of the scale-out network", net.get("switches", 0.0), "switches", "switches_usd"),
        ("optics", "optical modules", net.get("optics", 0.0), "modules", "optics_usd"),
        ("cables", "fibres, between switches and to the systems", cables, "cables", "cables_usd"),
    ):
        if quantity:
            paid = d.acquire == "buy" and key in net
            yield line(item, what, quantity, unit, net[key] if paid else None, shared)
            priced += net[key] if paid else 0.0
    rest = money - priced
    if rest > 1e-6 * max(1.0, money):
        yield line("network_other", _FABRIC, 1, "lot", rest)


def bom_csv(lines: tuple[Line, ...]) -> str:
    """The lines as CSV (RFC 4180), with a header."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for line in lines:
        writer.writerow([safe_cell(c) for c in line.cells()])
    return out.getvalue()


def bom_xlsx(lines: tuple[Line, ...]) -> bytes:
    """The lines as a workbook. Raises ``InputError`` where openpyxl is not installed."""
    try:
        from openpyxl import Workbook
        from openpyxl.styles import Font
    except ImportError:
        raise InputError(NO_OPENPYXL) from None
    book = Workbook()
    sheet = book.active
    sheet.title = "Bill of materials"
    sheet.append(list(COLUMNS))
    for line in lines:
        sheet.append([safe_cell(c) for c in line.cells()])
    for row in sheet.iter_rows():
        for cell in row:
            if isinstance(cell.value, str):
                cell.data_type = "s"  # text, whatever it begins with
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    for cell in sheet[sheet.max_row]:
        cell.font = Font(bold=True)
    widths = (11, 18, 9, 16, 9, 15, 52, 11, 14, 16, 18, 44)
    for index, width in enumerate(widths):
        sheet.column_dimensions[chr(ord("A") + index)].width = width
    for row in sheet.iter_rows(min_row=2):
        row[7].number_format = "#,##0.##"
        row[9].number_format = row[10].number_format = "#,##0.00"
    sheet.freeze_panes = "A2"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
