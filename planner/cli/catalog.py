"""Commands about the facts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from planner.cli.base import AsJson, CatalogDir, Form, Format, RecordName, answer, app, catalog_app, form_of, put, say
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
    from planner.catalog.upkeep import inconsistent

    loaded = load_catalog()
    warnings = [*check_catalog(loaded), *inconsistent(loaded)]
    counts = _counts(loaded)
    if as_json:
        _as_json({"counts": counts, "warnings": [str(w) for w in warnings]})
        return EXIT_OK
    for warning in warnings:
        say(str(warning))
    put(", ".join(f"{n} {kind}" for kind, n in counts.items()) + f": no errors, {_warned(len(warnings))}.\n")
    return EXIT_OK


@catalog_app.command("stale")
def catalog_stale_command(
    kind: Annotated[str, typer.Option("--kind", help="Only figures of this kind: list_price, estimate, ...")] = "",
    on: Annotated[str, typer.Option("--on", help="Month to judge from, YYYY-MM; default: this one.")] = "",
    catalog: CatalogDir = None,
    as_json: AsJson = False,
    form: Form = None,
) -> int:
    """List figures that are older than their kind lasts: prices a year, data sheets five; most overdue first."""
    from dataclasses import asdict
    from datetime import UTC, datetime

    from planner.catalog import load_catalog
    from planner.catalog.upkeep import stale
    from planner.errors import InputError, Problem

    if on and not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", on):
        raise InputError(Problem("is no month", path="--on", found=on, allowed="YYYY-MM"))
    today = on or datetime.now(UTC).strftime("%Y-%m")
    rows = [asdict(s) for s in stale(load_catalog(catalog), today, kind)]
    columns = ("path", "value", "unit", "kind", "as_of", "months", "lasts", "source")

    def table() -> Any:
        from planner.report.fit import Column, Fitted

        found = Fitted([Column(c) for c in ("Figure", "Value", "Kind", "As of", "Months", "Lasts")])
        for row in rows:
            value = f"{row['value']:g} {row['unit']}"
            found.add_row(row["path"], value, row["kind"], row["as_of"], str(row["months"]), str(row["lasts"]))
        return found if rows else "Nothing is older than its kind lasts."

    answer(form_of(form, as_json), table=table, data=lambda: rows, rows=lambda: rows, columns=columns)
    return EXIT_OK


@catalog_app.command("diff")
def catalog_diff_command(
    after: Annotated[Path, typer.Argument(help="Folder laid over the shipped catalog: the new one.")],
    before: Annotated[Path | None, typer.Option("--before", help="Folder of the old one; default: as shipped.")] = None,
    scenario: Annotated[
        str | None, typer.Option("--scenario", help="Plan this scenario with both and say what changes.")
    ] = None,
    as_json: AsJson = False,
    form: Form = None,
) -> int:
    """Show what differs between two catalogs, and, with --scenario, what that does to a plan."""
    from dataclasses import asdict

    from planner.catalog import load_catalog
    from planner.catalog.upkeep import changes

    old, new = load_catalog(before), load_catalog(after)
    rows = [asdict(c) for c in changes(old, new)]
    effect: dict[str, Any] = {}
    if scenario is not None:
        from planner import plan

        for name, which in (("before", old), ("after", new)):
            found = plan(scenario, catalog=which)
            effect[name] = {"answer": found.answer, "objective": found.objective.value, "unit": found.objective.unit}

    def table() -> Any:
        from planner.report.fit import Column, Fitted

        found = Fitted([Column(c) for c in ("What", "Before", "After", "Changed")])
        for row in rows:
            sides = ["" if row[k] is None else f"{row[k]:g} {row['unit']}" for k in ("before", "after")]
            found.add_row(row["path"], *sides, row["why"])
        return found if rows else "The two hold the same."

    columns = ("path", "before", "after", "unit", "why")
    data: Any = {"changes": rows, "plan": effect} if scenario is not None else rows
    answer(form_of(form, as_json), table=table, data=lambda: data, rows=lambda: rows, columns=columns)
    if effect and form_of(form, as_json) is Format.TABLE:
        for name, told in effect.items():
            put(f"\n{name}: {told['answer']}\n")
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


@app.command("plugins")
def plugins_command(as_json: AsJson = False, form: Form = None) -> int:
    """List what installed packages add: catalogs, exporters, log readers."""
    from planner.plugins import GROUPS, names

    rows = [
        {"kind": kind, "name": name, "package": package}
        for kind, group in GROUPS.items()
        for name, package in names(group).items()
    ]

    def table() -> Any:
        from planner.report.fit import Column, Fitted

        found = Fitted([Column("Kind"), Column("Name"), Column("Package")])
        for row in rows:
            found.add_row(*row.values())
        return found if rows else "No plugins are installed."

    answer(
        form_of(form, as_json), table=table, data=lambda: rows, rows=lambda: rows, columns=("kind", "name", "package")
    )
    return EXIT_OK
