"""Commands about the facts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli.base import AsJson, CatalogDir, Form, RecordName, answer, catalog_app, form_of, put, say
from planner.errors import EXIT_OK

if TYPE_CHECKING:
    from planner.catalog import Catalog


def _kinds(incomplete: str) -> list[str]:
    """For completion."""
    from planner.report.catalog import KINDS

    return [kind for kind in KINDS if kind.startswith(incomplete)]


@catalog_app.command("list")
def catalog_list_command(
    kind: Annotated[
        str,
        typer.Argument(help="chips, systems, interconnects, cooling, regions, costs or models.", autocompletion=_kinds),
    ] = "systems",
    vendor: Annotated[str | None, typer.Option("--vendor", help="Only this vendor.")] = None,
    catalog: CatalogDir = None,
    as_json: AsJson = False,
    form: Form = None,
) -> int:
    """List what the catalog holds."""
    from planner.catalog import load_catalog
    from planner.report.catalog import list_rows, list_table

    rows = list_rows(load_catalog(catalog), kind, vendor)
    answer(form_of(form, as_json), table=lambda: list_table(kind, rows), data=lambda: rows, rows=lambda: rows)
    return EXIT_OK


@catalog_app.command("show")
def catalog_show_command(
    name: RecordName, catalog: CatalogDir = None, as_json: AsJson = False, form: Form = None
) -> int:
    """Show one record: every figure with its unit, range, kind, date and source."""
    from planner.catalog import load_catalog
    from planner.report.catalog import show_dict, show_rows, show_table

    known = load_catalog(catalog)
    answer(
        form_of(form, as_json), table=lambda: show_table(known, name), data=lambda: show_dict(known, name),
        rows=lambda: show_rows(known, name),
    )  # fmt: skip
    return EXIT_OK


@catalog_app.command("check")
def catalog_check_command(catalog: CatalogDir = None, as_json: AsJson = False) -> int:
    """Check your own folder (--catalog), or the whole catalog: what is missing or doubtful.

    Errors stop with exit code 2, warnings do not.
    """
    if catalog is not None:
        return _check_own(catalog, as_json)
    from planner.catalog import load_catalog
    from planner.catalog.check import check_catalog

    loaded = load_catalog()
    warnings = check_catalog(loaded)
    counts = _counts(loaded)
    if as_json:
        _as_json({"counts": counts, "warnings": [str(w) for w in warnings]})
        return EXIT_OK
    for warning in warnings:
        say(str(warning))
    put(", ".join(f"{n} {kind}" for kind, n in counts.items()) + f": no errors, {_warned(len(warnings))}.\n")
    return EXIT_OK


def _check_own(folder: Path, as_json: bool) -> int:
    """What a folder of one's own brings, and what is thin about that; the rest of the catalog is not its maker's."""
    from planner.catalog.own import check_own, counted

    mine, merged = check_own(folder)
    if as_json:
        own = {name: {k: list(v) for k, v in getattr(mine, name).items() if v} for name in ("new", "changed")}
        _as_json({"counts": _counts(merged), "own": own, "warnings": [str(w) for w in mine.warnings]})
        return EXIT_OK
    for warning in mine.warnings:
        say(str(warning))
    parts = [f"new: {text}" for text in (counted(list(mine.new.items())),) if text]
    parts += [f"changed: {text}" for text in (counted(list(mine.changed.items())),) if text]
    put(f"{folder}: {'; '.join(parts) or 'nothing'}: no errors, {_warned(len(mine.warnings))}.\n")
    return EXIT_OK


def _warned(n: int) -> str:
    return f"{n} warning{'' if n == 1 else 's'}"


def _counts(catalog: Catalog) -> dict[str, int]:
    kinds = ("chips", "systems", "interconnects", "cooling", "regions", "costs", "models")
    return {kind: len(getattr(catalog, kind)) for kind in kinds}


def _as_json(data: object) -> None:
    put(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


@catalog_app.command("import-model")
def catalog_import_model_command(
    config: Annotated[Path, typer.Argument(help="config.json of a Hugging Face model.", readable=False)],
    name: Annotated[
        str | None, typer.Option("--id", help="Id in the catalog; default: from the file's folder.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="YAML file to write; default: standard output.")] = None,
) -> int:
    """Turn a Hugging Face config.json into a model of the catalog."""
    from planner.answer.plan import write_text
    from planner.catalog.hf_file import import_hf_file
    from planner.workload.parameters import parameter_counts

    model, text = import_hf_file(config, model_id=name)
    if out is None:
        put(text)
    else:
        write_text(out, text)
    counts = parameter_counts(model)
    say(f"{model.id}: {counts.total / 1e9:.4g} B parameters, {counts.active / 1e9:.4g} B active.")
    return EXIT_OK
