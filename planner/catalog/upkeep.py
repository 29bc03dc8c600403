"""What a catalog's keepers ask: which figures are old, what changed between two catalogs, which do not go together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from planner.catalog.catalog import Catalog
from planner.catalog.fields import RECORD_KINDS
from planner.catalog.records import Figure
from planner.errors import Problem

LASTS_MONTHS: Mapping[str, int] = {
    "list_price": 12,
    "assumption": 18,
    "estimate": 24,
    "measured": 36,
    "datasheet": 60,
    "regulation": 12,
}
"""Months after which a figure of a kind should be looked at again: prices move, data sheets do not."""
PRICES = ("price", "rent", "usd")
PRICE_MONTHS = 18
"""Whatever kind it is of, a figure of money is old after so many months."""


@dataclass(frozen=True, slots=True)
class Stale:
    """A figure that is older than its kind lasts."""

    path: str
    value: float
    unit: str
    kind: str
    as_of: str
    months: int
    lasts: int
    source: str


def _months(date: str) -> int | None:
    parts = date.split("-")
    if not parts[0].isdigit():
        return None
    month = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 7  # of a year alone its middle
    return int(parts[0]) * 12 + month - 1


def stale(catalog: Catalog, today: str, kind: str = "") -> list[Stale]:
    """Known figures that are older than their kind lasts on ``today`` (YYYY-MM), most overdue first."""
    now = _months(today) or 0
    found = []
    for path, figure in figures(catalog):
        since = _months(figure.as_of)
        if figure.value is None or since is None or (kind and figure.kind != kind):
            continue
        lasts = LASTS_MONTHS.get(figure.kind, 36)
        if any(word in path.rsplit(".", 1)[-1] for word in PRICES):
            lasts = min(lasts, PRICE_MONTHS)
        if now - since > lasts:
            found.append(
                Stale(path, figure.value, figure.unit, figure.kind, figure.as_of, now - since, lasts, figure.source)
            )
    return sorted(found, key=lambda s: (s.lasts - s.months, s.path))


def figures(catalog: Catalog) -> Iterator[tuple[str, Figure]]:
    """(kind.id.field, figure) of everything in a catalog; regions without what they inherit."""
    for kind in RECORD_KINDS:
        records = catalog.own_regions if kind == "regions" else catalog.records(kind)
        for record in records.values():
            for name, figure in record.figures.items():
                yield f"{kind}.{record.id}.{name}", figure


@dataclass(frozen=True, slots=True)
class Change:
    """A record or figure that two catalogs do not have alike; None where one lacks it or does not know it."""

    path: str
    before: float | None
    after: float | None
    unit: str
    why: str


def changes(before: Catalog, after: Catalog) -> list[Change]:
    """What differs from one catalog to another: records first, then figures, by path."""
    found: list[Change] = []
    for kind in (*RECORD_KINDS, "models"):
        old, new = ((c.models if kind == "models" else c.records(kind)) for c in (before, after))
        found += [Change(f"{kind}.{name}", None, None, "", "gone") for name in old if name not in new]
        found += [Change(f"{kind}.{name}", None, None, "", "new") for name in new if name not in old]
        if kind == "models":
            found += [Change(f"models.{n}", None, None, "", "changed") for n in old if n in new and old[n] != new[n]]
    mine, theirs = dict(figures(before)), dict(figures(after))
    for path in sorted(mine.keys() & theirs.keys()):
        a, b = mine[path], theirs[path]
        if (a.value, a.low, a.high) != (b.value, b.low, b.high):
            why = "value" if a.value != b.value else "range"
            found.append(Change(path, a.value, b.value, b.unit, why))
        elif (a.source, a.as_of, a.kind) != (b.source, b.as_of, b.kind):
            found.append(Change(path, a.value, b.value, b.unit, "provenance"))
    return found


def inconsistent(catalog: Catalog) -> list[Problem]:
    """Figures that do not go together, each with the path of the one to look at.

    A server that draws less than its chips, or a rack less than its servers; memory and rates of a system that its
    chips do not add up to; a chip whose 8-bit rate is below its 16-bit one; a price a FLOP far from its family's.
    """
    return [*_power(catalog), *_sums(catalog), *_rates(catalog), *_prices(catalog)]


def _power(catalog: Catalog) -> Iterator[Problem]:
    for s in catalog.systems.values():
        server, rack = s.get("power_kw_server_max"), s.get("power_kw_rack")
        per, racked = s.get("chips_per_server"), s.get("chips_per_rack")
        known = [t for c in s.chip_ids if c in catalog.chips and (t := catalog.chips[c].get("tdp_w")) is not None]
        if not known:
            continue
        chips_kw = min(known) / 1e3
        if server is not None and per and server < per * chips_kw * 0.95:
            yield Problem("a server draws less than its chips", path=f"systems.{s.id}.power_kw_server_max",
                          found=f"{server:g} kW", allowed=f"at least {per * chips_kw:g} kW, its chips")  # fmt: skip
        if rack is not None and racked and rack < racked * chips_kw * 0.95:
            yield Problem("a rack draws less than its chips", path=f"systems.{s.id}.power_kw_rack",
                          found=f"{rack:g} kW", allowed=f"at least {racked * chips_kw:g} kW, its chips")  # fmt: skip


def _sums(catalog: Catalog) -> Iterator[Problem]:
    for s in catalog.systems.values():
        total = s.get("chips_total")
        if not total or len(s.chip_ids) != 1 or s.chip_ids[0] not in catalog.chips:
            continue
        chip = catalog.chips[s.chip_ids[0]]
        for name, of_chip, scale in (
            ("mem_total_tb", "mem_gb", 1e3),
            ("bf16_pflops_dense", "bf16_fp16_tflops_dense", 1e3),
            ("fp8_pflops_dense", "fp8_tflops_dense", 1e3),
        ):
            whole, one = s.get(name), chip.get(of_chip)
            if whole is not None and one and abs(whole - total * one / scale) > 0.1 * whole:
                yield Problem("is not what its chips add up to", path=f"systems.{s.id}.{name}", found=f"{whole:g}",
                              allowed=f"about {total * one / scale:g} of {total:g} x {chip.id}")  # fmt: skip


def _rates(catalog: Catalog) -> Iterator[Problem]:
    for c in catalog.chips.values():
        wide, narrow = c.get("bf16_fp16_tflops_dense"), c.get("fp8_tflops_dense")
        if wide and narrow and narrow < wide * 0.99:
            yield Problem("computes slower in 8 bits than in 16", path=f"chips.{c.id}.fp8_tflops_dense",
                          found=f"{narrow:g}", allowed=f"at least {wide:g}")  # fmt: skip


def _prices(catalog: Catalog) -> Iterator[Problem]:
    """Price a dense 16-bit TFLOP, against the others of the chip's family."""
    of: dict[str, list[tuple[str, float]]] = {}
    for s in catalog.systems.values():
        price, total = s.get("price_usd"), s.get("chips_total")
        if price is None or not total or not s.chip_ids or s.chip_ids[0] not in catalog.chips:
            continue
        chip = catalog.chips[s.chip_ids[0]]
        rate = chip.get("bf16_fp16_tflops_dense")
        if rate:
            of.setdefault(chip.text("family") or chip.vendor, []).append((s.id, price / (total * rate)))
    for family, each in of.items():
        if len(each) < 3:
            continue
        middle = math.exp(sum(math.log(x) for _, x in each) / len(each))
        for name, usd in each:
            if not 1 / 3 < usd / middle < 3:
                yield Problem(f"a TFLOP costs {usd / middle:.1f} times the mean of {family}",
                              path=f"systems.{name}.price_usd", found=f"{usd:.0f} USD/TFLOPS")  # fmt: skip
