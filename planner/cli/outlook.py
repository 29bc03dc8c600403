"""Commands that ask about an answer: fronts, near-best plans, sensitivity, futures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from planner.cli.base import (
    AsJson,
    CatalogDir,
    Form,
    ScenarioName,
    Sets,
    Variant,
    Verbose,
    answer,
    app,
    form_of,
    is_watched,
    must_be_writable,
    progress_bar,
    read_scenario,
    show_answer,
)  # fmt: skip
from planner.errors import EXIT_OK


@app.command("pareto")
def pareto_command(
    scenario: ScenarioName,
    of: Annotated[str, typer.Option("--of", help="Objectives with commas between, or all.")] = "cost,power",
    points: Annotated[int, typer.Option("--points", help="Most plans of a front of two objectives.")] = 9,
    variant: Variant = None,
    sets: Sets = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for pareto.json.")] = None,
    as_json: AsJson = False,
    form: Form = None,
    catalog: CatalogDir = None,
    verbose: Verbose = 0,
) -> int:
    """What must be given up of one objective to gain in another: plans that no other plan beats in all of them."""
    from planner.catalog import load_catalog
    from planner.outlook.pareto import ALL, pareto
    from planner.outlook.rows import front_rows
    from planner.report.outlook import pareto_table

    wanted = form_of(form, as_json)
    if out is not None:
        must_be_writable(out)
    names = ALL if of.strip() == "all" else tuple(name.strip() for name in of.split(","))
    with progress_bar(f"Pareto front of {scenario}", enabled=is_watched(wanted)) as progress:
        asked = read_scenario(scenario, variant, sets)
        front = pareto(asked, names, points=points, catalog=load_catalog(catalog), variant=variant, progress=progress)
    return show_answer(front, pareto_table, front_rows, wanted, out, "pareto.json")


@app.command("unknowns")
def unknowns_command(
    scenario: ScenarioName,
    variant: Variant = None,
    sets: Sets = None,
    as_json: AsJson = False,
    form: Form = None,
    catalog: CatalogDir = None,
    verbose: Verbose = 0,
) -> int:
    """Every figure that is missing for the systems of a scenario, with the range of its family, as a block to paste."""
    import json

    from planner.catalog import load_catalog
    from planner.outlook.unknowns import block, unknowns

    wanted = form_of(form, as_json)
    with progress_bar(f"Unknown figures of {scenario}", enabled=is_watched(wanted)):
        found = unknowns(read_scenario(scenario, variant, sets), catalog=load_catalog(catalog))
    rows = [u.to_dict() | {"systems": ", ".join(u.systems)} for u in found]

    def text() -> str:
        if not found:
            return "Nothing is missing for the systems that compete."
        waiting = sorted({name for u in found for name in u.systems})
        return f"# Missing for {', '.join(waiting)}; ranges are of kin, the figures yours to decide.\n{block(found)}"

    answer(
        wanted, table=text, data=lambda: json.dumps([u.to_dict() for u in found], ensure_ascii=False, indent=1) + "\n",
        rows=lambda: rows,
    )  # fmt: skip
    return EXIT_OK


@app.command("alternatives")
def alternatives_command(
    scenario: ScenarioName,
    near: Annotated[float, typer.Option("--near", help="How much worse a plan may be, as a fraction.")] = 0.02,
    variant: Variant = None,
    sets: Sets = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for alternatives.json.")] = None,
    as_json: AsJson = False,
    form: Form = None,
    catalog: CatalogDir = None,
    verbose: Verbose = 0,
) -> int:
    """Plans nearly as good as the best one that differ from it most."""
    from planner.catalog import load_catalog
    from planner.outlook.near import alternatives
    from planner.outlook.rows import alternatives_rows
    from planner.report.outlook import alternatives_table

    wanted = form_of(form, as_json)
    if out is not None:
        must_be_writable(out)
    with progress_bar(f"Plans near the best of {scenario}", enabled=is_watched(wanted)) as progress:
        asked = read_scenario(scenario, variant, sets)
        found = alternatives(asked, near, catalog=load_catalog(catalog), variant=variant, progress=progress)
    return show_answer(found, alternatives_table, alternatives_rows, wanted, out, "alternatives.json")


@app.command("outlook")
def outlook_command(
    scenario: ScenarioName,
    variant: Variant = None,
    sets: Sets = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for outlook.json.")] = None,
    as_json: AsJson = False,
    form: Form = None,
    catalog: CatalogDir = None,
    verbose: Verbose = 0,
) -> int:
    """The plan and its rivals in sampled futures: cost at risk, chance of each date, now against waiting."""
    from planner.catalog import load_catalog
    from planner.outlook.ahead import outlook
    from planner.outlook.rows import outlook_rows
    from planner.report.outlook import outlook_table

    wanted = form_of(form, as_json)
    if out is not None:
        must_be_writable(out)
    with progress_bar(f"Outlook of {scenario}", enabled=is_watched(wanted)) as progress:
        asked = read_scenario(scenario, variant, sets)
        found = outlook(asked, catalog=load_catalog(catalog), variant=variant, progress=progress)
    return show_answer(found, outlook_table, outlook_rows, wanted, out, "outlook.json")


@app.command("sensitivity")
def sensitivity_command(
    scenario: ScenarioName,
    variant: Variant = None,
    sets: Sets = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for sensitivity.json.")] = None,
    as_json: AsJson = False,
    form: Form = None,
    catalog: CatalogDir = None,
    verbose: Verbose = 0,
) -> int:
    """Which price, tariff or speed, moved within its interval, changes the decision, and where."""
    from planner.catalog import load_catalog
    from planner.outlook.rows import sensitivity_rows
    from planner.outlook.sensitivity import sensitivity
    from planner.report.outlook import sensitivity_table

    wanted = form_of(form, as_json)
    if out is not None:
        must_be_writable(out)
    with progress_bar(f"Sensitivity of {scenario}", enabled=is_watched(wanted)) as progress:
        asked = read_scenario(scenario, variant, sets)
        found = sensitivity(asked, catalog=load_catalog(catalog), variant=variant, progress=progress)
    return show_answer(found, sensitivity_table, sensitivity_rows, wanted, out, "sensitivity.json")


@app.command("measure")
def measure_command(
    scenario: ScenarioName,
    variant: Variant = None,
    sets: Sets = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for measure.json and measurements.csv, rows to fill in.")
    ] = None,
    as_json: AsJson = False,
    form: Form = None,
    catalog: CatalogDir = None,
    verbose: Verbose = 0,
) -> int:
    """Which run to make before deciding: what it costs, what it is expected to be worth, and how to make it."""
    from planner.answer.plan import write_text
    from planner.catalog import load_catalog
    from planner.outlook.measure import measure
    from planner.outlook.measure.result import rows_of
    from planner.report.measure import measure_table

    wanted = form_of(form, as_json)
    if out is not None:
        must_be_writable(out)
    with progress_bar(f"Runs worth making before {scenario}", enabled=is_watched(wanted)) as progress:
        asked = read_scenario(scenario, variant, sets)
        found = measure(asked, catalog=load_catalog(catalog), variant=variant, progress=progress)
    if out is not None:
        write_text(out / "measurements.csv", found.table())
    return show_answer(found, measure_table, rows_of, wanted, out, "measure.json")


@app.command("recourse")
def recourse_command(
    scenario: ScenarioName,
    futures: Annotated[int, typer.Option("--futures", help="How many futures are sampled.")] = 20,
    variant: Variant = None,
    sets: Sets = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for recourse.json.")] = None,
    as_json: AsJson = False,
    form: Form = None,
    catalog: CatalogDir = None,
    verbose: Verbose = 0,
) -> int:
    """What to buy first when the rest may wait and follow what was learned: two stages, to a proven gap."""
    from planner.catalog import load_catalog
    from planner.outlook.recourse import recourse
    from planner.outlook.recourse.result import rows_of
    from planner.report.measure import recourse_table

    wanted = form_of(form, as_json)
    if out is not None:
        must_be_writable(out)
    with progress_bar(f"Two stages of {scenario}", enabled=is_watched(wanted)) as progress:
        asked = read_scenario(scenario, variant, sets)
        found = recourse(asked, futures, catalog=load_catalog(catalog), variant=variant, progress=progress)
    return show_answer(found, recourse_table, rows_of, wanted, out, "recourse.json")
