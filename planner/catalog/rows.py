"""The catalog as rows of plain data, one a record or one a figure, and as pandas frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from planner.catalog.architecture import ModelArch
from planner.catalog.fields import RECORD_KINDS, specs
from planner.catalog.records import Record
from planner.errors import unknown_name
from planner.tables import frame_of

if TYPE_CHECKING:
    import pandas as pd

    from planner.catalog.catalog import Catalog
    from planner.tables import Row

FIGURE_COLUMNS = ("id", "field", "value", "unit", "low", "high", "kind", "as_of", "source", "note")


def record_rows(catalog: Catalog, kind: str, *, sources: bool = True) -> list[Row]:
    """One row a record of a kind: id, name, text attributes, then every figure that some record has.

    Unknown figures are None. With ``sources`` every figure ``f`` is followed by ``f.source``. Raises ``InputError``.
    """
    if kind == "models":
        return [_model(m) for m in catalog.models.values()]
    if kind not in RECORD_KINDS:
        raise unknown_name("kind of record", kind, (*RECORD_KINDS, "models"))
    records = list(catalog.records(kind).values())
    texts = [n for n, s in specs(kind).items() if s.is_text and n != "name" and any(n in r.attributes for r in records)]
    figures = [n for n, s in specs(kind).items() if not s.is_text and any(n in r.figures for r in records)]
    return [_record(r, texts, figures, sources) for r in records]


def _record(record: Record, texts: list[str], figures: list[str], sources: bool) -> Row:
    row: dict[str, Any] = {"id": record.id, "name": record.name}
    row |= {name: record.attributes.get(name) for name in texts}
    for name in figures:
        figure = record.figures.get(name)
        row[name] = None if figure is None else figure.value
        if sources:
            row[f"{name}.source"] = None if figure is None else figure.source
    return row


def _model(model: ModelArch) -> Row:
    names = (
        "id",
        "name",
        "family",
        "kind",
        "layers",
        "hidden",
        "vocab",
        "max_context",
        "published_total",
        "published_active",
    )
    return {name: getattr(model, name) for name in names}


def figure_rows(record: Record) -> list[Row]:
    """One row a figure of a record, with everything that is known about it."""
    return [
        {"id": record.id, "field": name, **{n: getattr(f, n) for n in FIGURE_COLUMNS if n not in {"id", "field"}}}
        for name, f in sorted(record.figures.items())
    ]


def frame(catalog: Catalog, kind: str, *, sources: bool = True) -> pd.DataFrame:
    """``record_rows`` as a pandas frame indexed by id; ``attrs['units']`` has the unit of every figure."""
    rows = record_rows(catalog, kind, sources=sources)
    found = frame_of(rows, digest=catalog.digest, kind=kind).set_index("id")
    if kind in RECORD_KINDS:
        units: Mapping[str, str] = {n: s.unit for n, s in specs(kind).items() if not s.is_text and n in found.columns}
        found.attrs["units"] = dict(units)
    return found
