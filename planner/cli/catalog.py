"""Commands about the facts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from planner.cli.base import AsJson, CatalogDir, catalog_app, put, say, show
from planner.errors import EXIT_OK


@catalog_app.command("list")
def catalog_list_command(
    kind: Annotated[
        str, typer.Argument(help="chips, systems, interconnects, cooling, regions, costs or models.")
    ] = "systems",
    vendor: Annotated[str | None, typer.Option("--vendor", help="Only this vendor.")] = None,
    catalog: CatalogDir = None,
    as_json: AsJson = False,
) -> int:
    """List what the catalog holds."""
    from planner.catalog import load_catalog
    from planner.report.catalog import list_rows, list_table

    rows = list_rows(load_catalog(catalog), kind, vendor)
    if as_json:
        put(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    else:
        show(list_table(kind, rows))
    return EXIT_OK


@catalog_app.command("show")
def catalog_show_command(
    name: Annotated[str, typer.Argument(help="Id or alias of anything in the catalog.")],
    catalog: CatalogDir = None,
    as_json: AsJson = False,
) -> int:
    """Show one record: every figure with its unit, range, kind, date and source."""
    from planner.catalog import load_catalog
    from planner.report.catalog import show_dict, show_table

    loaded = load_catalog(catalog)
    if as_json:
        put(json.dumps(show_dict(loaded, name), indent=2, ensure_ascii=False) + "\n")
    else:
        show(show_table(loaded, name))
    return EXIT_OK


@catalog_app.command("check")
def catalog_check_command(catalog: CatalogDir = None, as_json: AsJson = False) -> int:
    """Check the catalog: what is missing or doubtful. Errors stop with exit code 2, warnings do not."""
    from planner.catalog import load_catalog
    from planner.catalog.check import check_catalog

    loaded = load_catalog(catalog)
    warnings = check_catalog(loaded)
    counts = {
        kind: len(getattr(loaded, kind))
        for kind in ("chips", "systems", "interconnects", "cooling", "regions", "costs", "models")
    }
    if as_json:
        put(json.dumps({"counts": counts, "warnings": [str(w) for w in warnings]}, indent=2, ensure_ascii=False) + "\n")
        return EXIT_OK
    for warning in warnings:
        say(str(warning))
    put(", ".join(f"{n} {kind}" for kind, n in counts.items()) + f": no errors, {len(warnings)} warnings.\n")
    return EXIT_OK


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
