"""The catalog as rows: what there is, and every figure of one record with its source. For terminal, JSON and app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from planner.catalog import Catalog
from planner.catalog.architecture import ModelArch
from planner.catalog.fields import RECORD_KINDS
from planner.catalog.records import Record, System
from planner.catalog.rows import figure_rows
from planner.errors import InputError, PlannerError, nearest_name, unknown_name
from planner.network.capability import RECORD, capability, level_of
from planner.report import format as fmt
from planner.report.fit import Column, Fitted
from planner.workload.parameters import parameter_counts

KINDS = (*RECORD_KINDS, "models")

TELLING: Mapping[str, Mapping[str, str]] = {
    "chips": {
        "bf16_fp16_tflops_dense": "BF16 TFLOPS",
        "fp8_tflops_dense": "FP8 TFLOPS",
        "mem_gb": "Memory GB",
        "mem_bw_tb_s": "Memory TB/s",
        "tdp_w": "TDP W",
        "price_usd": "Price USD",
    },
    "systems": {
        "chips_total": "Chips",
        "scaleup_domain_chips": "Domain chips",
        "scaleup_gb_s_unidir_per_chip": "Scale-up GB/s",
        "scaleout_gbit_s_per_chip": "Scale-out Gbit/s",
        "price_usd": "Price USD",
    },
    "interconnects": {
        "gb_s_unidir_per_chip": "GB/s a chip",
        "port_gbit_s": "Port Gbit/s",
        "max_domain_chips": "Chips",
        "price_usd": "Price USD",
    },
    "cooling": {
        "pue": "PUE",
        "rack_kw_product_max": "Rack kW",
        "capex_usd_per_kw": "USD/kW",
        "wue_l_per_kwh": "WUE l/kWh",
    },
    "regions": {
        "tariff_usd_per_kwh": "USD/kWh",
        "carbon_kg_per_kwh": "kg CO2e/kWh",
        "build_capex_usd_per_mw": "Build USD/MW",
        "design_wet_bulb_c": "Wet bulb C",
    },
    "costs": {"value": "Value"},
}
"""The figures of a list, with their titles; everything else is one look further."""

_LATE = ("available_from", "kind", "region", "parent")
_ATTRIBUTES = ("vendor", "kind", "status", "available_from", "category", "region", "parent")


def list_rows(catalog: Catalog, kind: str, vendor: str | None = None) -> list[dict[str, Any]]:
    """One row a record: id, name, attributes and the most telling figures (None where unknown).

    Raises ``InputError`` for a kind, or a vendor, that there is none of.
    """
    if kind not in KINDS:
        raise unknown_name("kind of record", kind, KINDS)
    if kind == "models":
        if vendor is not None:
            raise InputError("models have no vendor")
        return [_model_row(model) for model in catalog.models.values()]
    records = list(catalog.records(kind).values())
    if vendor is not None:
        vendors = sorted({str(getattr(r, "vendor", "")) for r in records} - {""})
        wanted = {v for v in vendors if v.lower() == vendor.lower()}
        if not wanted:
            raise unknown_name("vendor", vendor, vendors)
        records = [r for r in records if getattr(r, "vendor", "") in wanted]
    return [_row(r, kind) for r in records]


def _row(record: Record, kind: str) -> dict[str, Any]:
    row: dict[str, Any] = {"id": record.id, "name": record.name}
    row |= {name: getattr(record, name) for name in _ATTRIBUTES if hasattr(record, name)}
    row |= {name: record.get(name) for name in TELLING[kind]}
    if isinstance(record, System):
        row["remote_memory"] = level_word(record)
    if kind == "costs" and (figure := record.figure("value")) is not None:
        row["unit"] = figure.unit
    return row


def _model_row(model: ModelArch) -> dict[str, Any]:
    row: dict[str, Any] = {"id": model.id, "name": model.name, "family": model.family, "kind": model.kind}
    try:
        counts = parameter_counts(model)
    except PlannerError:
        return row | {"parameters": None, "active_parameters": None}
    return row | {"parameters": float(counts.total), "active_parameters": float(counts.active)}


def list_table(kind: str, rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """The rows as a table for the terminal."""
    titles = dict(TELLING.get(kind, {})) | {
        "remote_memory": "Remote memory",
        "parameters": "Parameters",
        "active_parameters": "Active",
    }
    names = [n for n in (rows[0] if rows else {}) if n == "id" or any(row.get(n) not in {None, ""} for row in rows)]
    late = [n for n in names if n in _LATE]  # the first to go where the terminal is narrow
    names = [*(n for n in names if n not in late), *late]
    table = Fitted(
        [
            Column(titles.get(n, fmt.label(n)), right=n in titles, optional=n not in {"id", "name"}, wraps=n != "id")
            for n in names
        ],
        more="--format csv has everything.",
    )
    for row in rows:
        table.add_row(*(Text(_cell(row.get(name), name)) for name in names))
    return Group(table, Text(f"\n{fmt.plural(len(rows), 'record')}. `planner catalog show ID` tells all of one."))


def _cell(value: object, name: str) -> str:
    if value is None:
        return fmt.DASH
    if isinstance(value, int | float):
        return _billions(value) if name.endswith("parameters") else fmt.number(value, 4)
    return fmt.clean(value)


def _billions(value: float | None) -> str:
    return fmt.DASH if value is None else f"{fmt.number(value / 1e9)} B"


def find(catalog: Catalog, name: str) -> tuple[str, Record | ModelArch]:
    """The kind and the record of an id or alias, whatever kind it is. Raises ``InputError`` with the nearest id."""
    for kind in RECORD_KINDS:
        if name in catalog.records(kind):
            return kind, catalog.records(kind)[name]
    for kind, look in (("chips", catalog.chip), ("systems", catalog.system), ("models", catalog.model)):
        try:
            return kind, look(name)
        except InputError:
            continue
    every = [key for kind in RECORD_KINDS for key in catalog.records(kind)] + list(catalog.models)
    error = unknown_name("record", name, every)
    if not error.problems[0].nearest:
        part = nearest_name(name.lower(), every)
        raise InputError(f"there is nothing called {name!r} in the catalog" + (f"; {part!r}?" if part else ""))
    raise error


def level_word(system: System) -> str | None:
    """``L2``: the level of a system's remote memory, None where it is not documented."""
    level = level_of(*(system.text(name) for name in RECORD))
    return None if level is None else f"L{level}"


def remote_memory(catalog: Catalog, record: Record) -> list[tuple[str, str]]:
    """What chips of a system can do with each other's memory, one row a chip that it is sold with."""
    if not isinstance(record, System):
        return []
    chips = [catalog.chips[name] for name in record.chip_ids if name in catalog.chips]
    said = {chip.id: capability(catalog, record, chip).words for chip in chips}
    if len(set(said.values())) <= 1:
        return [("Remote memory", text) for text in list(said.values())[:1]]
    return [(f"Remote memory with {chip}", text) for chip, text in said.items()]


def show_dict(catalog: Catalog, name: str) -> dict[str, Any]:
    """Everything about one record as plain data. Raises ``InputError``."""
    kind, record = find(catalog, name)
    if isinstance(record, ModelArch):
        return {"record": kind} | _model_row(record) | {"architecture": asdict(record)}
    return {
        "record": kind,
        "id": record.id,
        "name": record.name,
        "attributes": dict(record.attributes),
        **({"remote_memory": dict(said)} if (said := remote_memory(catalog, record)) else {}),
        "figures": {key: asdict(figure) for key, figure in sorted(record.figures.items())},
    }


def show_rows(catalog: Catalog, name: str) -> list[dict[str, Any]]:
    """One row a figure of a record, or one of a model. Raises ``InputError``."""
    _, record = find(catalog, name)
    return [_model_row(record)] if isinstance(record, ModelArch) else [dict(row) for row in figure_rows(record)]


def show_table(catalog: Catalog, name: str) -> RenderableType:
    """Everything about one record for the terminal. Raises ``InputError``."""
    kind, record = find(catalog, name)
    head = Text(fmt.clean(record.name), style="bold")
    head.append(f"  {record.id}, of {kind}", style="dim not bold")
    if isinstance(record, ModelArch):
        return Group(head, _facts(_model_facts(record)))
    words = [(fmt.label(k), fmt.clean(v)) for k, v in record.attributes.items() if v and k != "name"]
    words += remote_memory(catalog, record)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("Figure", overflow="fold", ratio=6)
    table.add_column("Value", justify="right", overflow="fold", ratio=3)
    table.add_column("Range", justify="right", overflow="fold", ratio=2)
    table.add_column("Kind", no_wrap=True)
    table.add_column("As of", no_wrap=True)
    table.add_column("Source", justify="right")
    sources: dict[str, int] = {}
    for key, f in sorted(record.figures.items()):
        span = f"{fmt.number(f.low)} – {fmt.number(f.high)}" if f.low is not None and f.high is not None else ""
        told = Text(key)
        if f.note:
            told.append(f"\n{fmt.clean(f.note)}", style="dim")
        value = "unknown" if f.value is None else f"{fmt.number(f.value, 4)} {f.unit}".rstrip()
        mark = str(sources.setdefault(fmt.clean(f.source), len(sources) + 1)) if f.source else ""
        table.add_row(told, Text(value), Text(span), Text(f.kind.replace("_", " ")), Text(f.as_of), Text(mark))
    notes = Table.grid(padding=(0, 1))
    notes.add_column(justify="right", style="dim")
    notes.add_column(overflow="fold")
    for source, mark_number in sources.items():
        notes.add_row(str(mark_number), Text(source))
    return Group(head, _facts(words), Text(""), table, Text("\nSources", style="bold cyan"), notes)


def _model_facts(model: ModelArch) -> list[tuple[str, str]]:
    row = _model_row(model)
    facts = [
        ("Family, kind", f"{model.family}, {model.kind}"),
        ("Parameters", f"{_billions(row['parameters'])}, active {_billions(row['active_parameters'])}"),
        ("Hidden size, vocabulary", f"{fmt.count(model.hidden)}, {fmt.count(model.vocab)}"),
        ("Longest context", fmt.count(model.max_context) if model.max_context else fmt.DASH),
    ]
    for i, group in enumerate(model.groups):
        m, f = group.mixer, group.feed_forward
        heads = f", {m.heads} heads" + (f", {m.kv_heads} for keys and values" if m.kv_heads else "") if m.heads else ""
        width = f"{fmt.count(f.expert_hidden)} wide, {f.experts_per_token} of {f.experts} experts" if f.experts else ""
        dense = f"{fmt.count(f.hidden)} wide" if f.hidden else ""
        facts.append((f"Layers {i + 1}", f"{group.count} × {m.kind}{heads}; {f.kind} {width or dense}".rstrip()))
    return facts


def _facts(facts: Sequence[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(Text(name), Text(value))
    return table
