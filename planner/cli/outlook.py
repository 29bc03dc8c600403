"""Commands that ask about an answer: fronts, near-best plans, sensitivity, futures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from planner.cli.base import AsJson, CatalogDir, Variant, app, must_be_writable, progress_bar, show_answer


@app.command("pareto")
def pareto_command(
    scenario: Annotated[Path, typer.Argument(help="A scenario file.", readable=False)],
    of: Annotated[str, typer.Option("--of", help="Objectives with commas between, or all.")] = "cost,power",
    points: Annotated[int, typer.Option("--points", help="Most plans of a front of two objectives.")] = 9,
    variant: Variant = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for pareto.json.")] = None,
    as_json: AsJson = False,
    catalog: CatalogDir = None,
) -> int:
    """What must be given up of one objective to gain in another: plans that no other plan beats in all of them."""
    from planner.catalog import load_catalog
    from planner.outlook.pareto import ALL, pareto
    from planner.report.outlook import pareto_table

    if out is not None:
        must_be_writable(out)
    names = ALL if of.strip() == "all" else tuple(name.strip() for name in of.split(","))
    with progress_bar(enabled=not as_json) as progress:
        front = pareto(
            scenario, names, points=points, catalog=load_catalog(catalog), variant=variant, progress=progress
        )
    return show_answer(front, pareto_table, as_json, out, "pareto.json")


@app.command("alternatives")
def alternatives_command(
    scenario: Annotated[Path, typer.Argument(help="A scenario file.", readable=False)],
    near: Annotated[float, typer.Option("--near", help="How much worse a plan may be, as a fraction.")] = 0.02,
    variant: Variant = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for alternatives.json.")] = None,
    as_json: AsJson = False,
    catalog: CatalogDir = None,
) -> int:
    """Plans nearly as good as the best one that differ from it most."""
    from planner.catalog import load_catalog
    from planner.outlook.near import alternatives
    from planner.report.outlook import alternatives_table

    if out is not None:
        must_be_writable(out)
    with progress_bar(enabled=not as_json) as progress:
        found = alternatives(scenario, near, catalog=load_catalog(catalog), variant=variant, progress=progress)
    return show_answer(found, alternatives_table, as_json, out, "alternatives.json")


@app.command("outlook")
def outlook_command(
    scenario: Annotated[Path, typer.Argument(help="A scenario file with outcomes.", readable=False)],
    variant: Variant = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for outlook.json.")] = None,
    as_json: AsJson = False,
    catalog: CatalogDir = None,
) -> int:
    """The plan and its rivals in sampled futures: cost at risk, chance of each date, now against waiting."""
    from planner.catalog import load_catalog
    from planner.outlook.ahead import outlook
    from planner.report.outlook import outlook_table

    if out is not None:
        must_be_writable(out)
    with progress_bar(enabled=not as_json) as progress:
        found = outlook(scenario, catalog=load_catalog(catalog), variant=variant, progress=progress)
    return show_answer(found, outlook_table, as_json, out, "outlook.json")


@app.command("sensitivity")
def sensitivity_command(
    scenario: Annotated[Path, typer.Argument(help="A scenario file.", readable=False)],
    variant: Variant = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for sensitivity.json.")] = None,
    as_json: AsJson = False,
    catalog: CatalogDir = None,
) -> int:
    """Which price, tariff or speed, moved within its interval, changes the decision, and where."""
    from planner.catalog import load_catalog
    from planner.outlook.sensitivity import sensitivity
    from planner.report.outlook import sensitivity_table

    if out is not None:
        must_be_writable(out)
    with progress_bar(enabled=not as_json) as progress:
        found = sensitivity(scenario, catalog=load_catalog(catalog), variant=variant, progress=progress)
    return show_answer(found, sensitivity_table, as_json, out, "sensitivity.json")
