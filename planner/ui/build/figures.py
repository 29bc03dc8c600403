"""Figures that a question assumes, and those that its hardware lacks, as rows of one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planner.catalog import Catalog
from planner.catalog.fields import FIELDS
from planner.catalog.records import Record
from planner.report import format as fmt

KINDS = ("chips", "systems", "interconnects", "cooling", "regions", "costs")
Row = dict[str, Any]


_WORDS = {(kind, spec.field): spec.description for spec in FIELDS for kind in spec.kinds}


def figure_rows(catalog: Catalog, assume: Mapping[str, Any], systems: Sequence[str], names: Mapping[str, str]) -> list[Row]:
    """A row a figure: those that are assumed first, then what nobody has published of the systems and their chips.

    Range, source and note are the catalog's; ``Value`` is what the question assumes, empty where it assumes nothing.
    """
    rows: list[Row] = []
    seen: set[tuple[str, str, str]] = set()

    def add(kind: str, id_: str, field: str, value: Any) -> None:
        if (kind, id_, field) in seen:
            return
        seen.add((kind, id_, field))
        record: Record | None = getattr(catalog, kind).get(id_)
        figure = None if record is None else record.figure(field)
        low, high = (None, None) if figure is None else (figure.low, figure.high)
        known = None if figure is None else figure.value
        rows.append({
            "Of": names.get(id_, id_), "Figure": _WORDS.get((kind, field), fmt.label(field)), "Unit": "" if figure is None else figure.unit,
            "Value": value if value is None or isinstance(value, str) else float(value),
            "Catalog": fmt.DASH if known is None else fmt.number(known),
            "Range": f"{fmt.number(low)} to {fmt.number(high)}" if low is not None and high is not None else "",
            "Source": "" if figure is None else figure.source, "Note": "" if figure is None else figure.note,
            "_path": (kind, id_, field),
        })  # fmt: skip

    for kind in KINDS:
        for id_, fields in (assume.get(kind) or {}).items():
            for field, value in fields.items():
                add(kind, id_, field, value)
    for system in systems:
        record = catalog.systems.get(system)
        if record is None:
            continue
        for kind, id_ in (("systems", system), *(("chips", chip) for chip in record.chip_ids)):
            one = getattr(catalog, kind).get(id_)
            for field, figure in ({} if one is None else one.figures).items():
                if figure.value is None and not figure.absent and (kind, field) in _WORDS:
                    add(kind, id_, field, None)
    return rows


def assumed(assume: Mapping[str, Any], changes: Mapping[tuple[str, str, str], Any]) -> dict[str, Any]:
    """The `assume` block with figures set; None takes one out."""
    found = {kind: {id_: dict(fields) for id_, fields in records.items()} for kind, records in assume.items()}
    for (kind, id_, field), value in changes.items():
        fields = found.setdefault(kind, {}).setdefault(id_, {})
        if value is None or value != value:
            fields.pop(field, None)
        else:
            fields[field] = value
    return {
        kind: kept
        for kind, records in found.items()
        if (kept := {id_: fields for id_, fields in records.items() if fields})
    }


def hardware_rows(catalog: Catalog, names: Mapping[str, str], chosen: Sequence[str]) -> list[Row]:
    """A row a system that can be bought: name, vendor, delivery, what is known and how much is not."""
    rows = []
    for id_, system in catalog.systems.items():
        chips = [catalog.chips[c] for c in system.chip_ids if c in catalog.chips]
        if any(chip.edge for chip in chips):
            continue
        unknown = sum(f.value is None and not f.absent for r in (system, *chips) for f in r.figures.values())
        rows.append({
            "✓": id_ in chosen, "Name": names.get(id_, id_), "Vendor": chips[0].vendor if chips else system.vendor,
            "Kind": system.kind, "Delivered from": system.available_from or "", "Status": system.status,
            "Chips": system.get("chips_total"), "Price (USD)": system.get("price_usd"),
            "Power (kW)": system.get("power_kw_total") or system.get("power_kw_server_max"),
            "Memory (GB a chip)": chips[0].get("mem_gb") if chips else None, "Unknown figures": unknown, "_id": id_,
        })  # fmt: skip
    return rows
