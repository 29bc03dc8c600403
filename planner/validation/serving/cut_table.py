"""How far off the serving model is on what it has not seen, and how often it orders chips: the table of the cuts.

Written by calibration (``catalog/calibration/serving_left_out.csv``), read by the accuracy page and the bars.
"""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median

import numpy as np

from planner.catalog.load import catalog_folder
from planner.errors import InputError, Problem
from planner.performance.serving.profile import ServingCalibration
from planner.validation.serving.cuts import LEAST
from planner.validation.serving.left_out import Seen, holds

LONG_TTFT_MS = 5000.0
ALL = "all"
RATES = ("output_tok_s_per_chip", "total_tok_s_per_chip")
QUANTITIES: Mapping[str, tuple[str, ...]] = {"tpot": ("tpot_ms",), "tokens/s": RATES, "ttft": ("ttft_ms",)}
"""TPOT; output or, where a row has no such figure, all tokens/s; TTFT under 5 s."""
APART, EQUAL = 0.20, 0.10
"""Pairs of chips are apart by this in tokens/s (or TTFT), at TPOT equal within that."""


@dataclass(frozen=True)
class CutRow:
    """Errors of one quantity of one unit left out (``all``: of every unit of the cut). ``median``, ``bias``: over rows;
    ``group_median``: of groups' medians (one source, engine, model, chip, precision); ``inside``: share in the 80%
    interval."""

    cut: str
    unit: str
    quantity: str
    rows: int
    groups: int
    median: float
    group_median: float
    bias: float
    inside: float


@dataclass(frozen=True)
class ChipOrder:
    """Pairs of different chips, one model, lengths, precision and load: share predicted in the measured order."""

    cut: str
    quantity: str
    pairs: int
    right: float


def _group(s: Seen) -> tuple[str, ...]:
    f = s.figure
    return (f.source, f.engine, f.model, f.chip, s.precision)


def _chosen(seen: Sequence[Seen]) -> dict[str, list[Seen]]:
    """Figures by quantity; of a row that states both rates, its output rate alone."""
    has_output = {(s.cut, s.figure.case) for s in seen if s.figure.quantity == RATES[0]}
    found: dict[str, list[Seen]] = {}
    for name, members in QUANTITIES.items():
        some = [s for s in seen if s.figure.quantity in members]
        if name == "tokens/s":
            some = [s for s in some if s.figure.quantity == RATES[0] or (s.cut, s.figure.case) not in has_output]
        elif name == "ttft":
            some = [s for s in some if s.figure.measured < LONG_TTFT_MS]
        found[name] = some
    return found


def _row(cut: str, unit: str, quantity: str, seen: Sequence[Seen], calibration: ServingCalibration) -> CutRow:
    groups: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for s in seen:
        groups[_group(s)].append(s.relative)
    return CutRow(
        cut, unit, quantity, len(seen), len(groups), median(s.relative for s in seen),
        median(median(g) for g in groups.values()), math.expm1(median(s.error for s in seen)),
        float(np.mean([holds(s, calibration) for s in seen])),
    )  # fmt: skip


def cut_rows(seen: Sequence[Seen], calibration: ServingCalibration) -> tuple[CutRow, ...]:
    """A row for each cut and quantity, then for each unit that has enough figures; and for classes of deviation."""
    found: list[CutRow] = []
    by_cut: dict[str, list[Seen]] = defaultdict(list)
    for s in seen:
        by_cut[s.cut].append(s)
    for cut, rows in by_cut.items():
        for quantity, some in _chosen(rows).items():
            if some:
                found.append(_row(cut, ALL, quantity, some, calibration))
            units: dict[str, list[Seen]] = defaultdict(list)
            for s in some:
                units[s.unit].append(s)
            found += [
                _row(cut, unit, quantity, own, calibration) for unit, own in sorted(units.items()) if len(own) >= LEAST
            ]
    for quantity, some in _chosen(seen).items():
        edges = np.quantile([s.deviation for s in some], [0.25, 0.5, 0.75]) if some else np.zeros(3)
        for k, name in enumerate(("nearest quarter", "second quarter", "third quarter", "farthest quarter")):
            own = [s for s in some if int(np.searchsorted(edges, s.deviation, side="right")) == k]
            if own:
                found.append(_row("distance", name, quantity, own, calibration))
    return tuple(found)


def chip_orders(seen: Sequence[Seen]) -> tuple[ChipOrder, ...]:
    """Pairs of different chips by cut: tokens/s per chip at equal TPOT, and TTFT at equal load.

    Runs of one model, precision, lengths and use of drafts, whichever engine and source they have (a choice of chips is
    one of stacks as well).
    """
    found: list[ChipOrder] = []
    by_cut: dict[str, list[Seen]] = defaultdict(list)
    for s in seen:
        by_cut[s.cut].append(s)
    for cut, rows in by_cut.items():
        if cut not in ("source", "chip family", "chip"):
            continue
        cases: dict[int, dict[str, Seen]] = defaultdict(dict)
        for s in rows:
            cases[s.figure.case][s.figure.quantity] = s
        alike: dict[tuple[object, ...], list[dict[str, Seen]]] = defaultdict(list)
        for told in cases.values():
            s = next(iter(told.values()))
            alike[(s.figure.model, s.precision, tuple(round(x) for x in s.lengths), s.drafts)].append(told)
        for name, quantity, equal in (
            ("tokens/s at equal TPOT", "output_tok_s_per_chip", "tpot_ms"),
            ("TTFT at equal load", "ttft_ms", ""),
        ):
            right = pairs = 0
            for members in alike.values():
                some = [m for m in members if quantity in m and (not equal or equal in m)]
                for i, a in enumerate(some):
                    for b in some[i + 1 :]:
                        one, two = a[quantity], b[quantity]
                        if one.figure.chip == two.figure.chip:
                            continue
                        if equal:
                            near = abs(math.log(a[equal].figure.measured / b[equal].figure.measured)) <= EQUAL
                        else:
                            near = one.load == two.load and one.mode == two.mode
                        seen_apart = math.log(one.figure.measured / two.figure.measured)
                        if not near or abs(seen_apart) <= math.log1p(APART):
                            continue
                        pairs += 1
                        right += (seen_apart + one.error - two.error > 0.0) == (seen_apart > 0.0)
            if pairs:
                found.append(ChipOrder(cut, name, pairs, right / pairs))
    return tuple(found)


_COLUMNS = tuple(f.name for f in fields(CutRow))


def cuts_csv(rows: Sequence[CutRow], orders: Sequence[ChipOrder]) -> str:
    """The text of ``catalog/calibration/serving_left_out.csv``; orders are lines whose cut starts with ``order``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for r in rows:
        numbers = (f"{x:.4g}" for x in (r.median, r.group_median, r.bias, r.inside))
        writer.writerow([r.cut, r.unit, r.quantity, r.rows, r.groups, *numbers])
    for o in orders:
        writer.writerow([f"order, {o.cut}", ALL, o.quantity, o.pairs, 0, "", "", "", f"{o.right:.4g}"])
    return out.getvalue()


def cuts_file() -> Path:
    """Where the table is carried."""
    return catalog_folder() / "calibration" / "serving_left_out.csv"


def read_cuts(file: Path) -> tuple[tuple[CutRow, ...], tuple[ChipOrder, ...]]:
    """The table in a file; an absent file has none. Raises ``InputError`` naming the line of what is no such table."""
    if not file.is_file():
        return (), ()
    rows: list[CutRow] = []
    orders: list[ChipOrder] = []
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        if tuple(reader.fieldnames or ()) != _COLUMNS:
            raise InputError(Problem("has other columns", file=str(file), line=1, allowed=", ".join(_COLUMNS)))
        for row in reader:
            try:
                if row["cut"].startswith("order, "):
                    cut = row["cut"].removeprefix("order, ")
                    orders.append(ChipOrder(cut, row["quantity"], int(row["rows"]), float(row["inside"])))
                else:
                    numbers = (float(row[n]) for n in ("median", "group_median", "bias", "inside"))
                    rows.append(
                        CutRow(row["cut"], row["unit"], row["quantity"], int(row["rows"]), int(row["groups"]), *numbers)
                    )
            except (TypeError, ValueError) as error:
                problem = Problem(f"is no line of left-out errors: {error}", file=str(file), line=reader.line_num)
                raise InputError(problem) from error
    return tuple(rows), tuple(orders)
