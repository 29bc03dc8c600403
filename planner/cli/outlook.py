"""Commands that ask about an answer: fronts, near-best plans, sensitivity, futures."""

from __future__ import annotations

from functools import partial
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
    look,
    progress_bar,
    read_scenario,
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
    from planner.outlook.pareto import ALL, pareto
    from planner.outlook.rows import front_rows
    from planner.report.outlook import pareto_table

    names = ALL if of.strip() == "all" else tuple(name.strip() for name in of.split(","))
    return look(
        "Pareto front of", "pareto.json", partial(pareto, of=names, points=points),
        scenario=scenario, variant=variant, sets=sets, catalog=catalog, out=out,
        form=form_of(form, as_json), table=pareto_table, rows=front_rows,
    )  # fmt: skip


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
    from planner.outlook.near import alternatives
    from planner.outlook.rows import alternatives_rows
    from planner.report.outlook import alternatives_table

    return look(
        "Plans near the best of", "alternatives.json", partial(alternatives, near=near),
        scenario=scenario, variant=variant, sets=sets, catalog=catalog, out=out,
        form=form_of(form, as_json), table=alternatives_table, rows=alternatives_rows,
    )  # fmt: skip


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
    from planner.outlook.ahead import outlook
    from planner.outlook.rows import outlook_rows
    from planner.report.outlook import outlook_table

    return look(
        "Outlook of", "outlook.json", outlook,
        scenario=scenario, variant=variant, sets=sets, catalog=catalog, out=out,
        form=form_of(form, as_json), table=outlook_table, rows=outlook_rows,
    )  # fmt: skip


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
    from planner.outlook.rows import sensitivity_rows
    from planner.outlook.sensitivity import sensitivity
    from planner.report.outlook import sensitivity_table

    return look(
        "Sensitivity of", "sensitivity.json", sensitivity,
        scenario=scenario, variant=variant, sets=sets, catalog=catalog, out=out,
        form=form_of(form, as_json), table=sensitivity_table, rows=sensitivity_rows,
    )  # fmt: skip


@app.command("measure")
def measure_command(
    scenario: ScenarioName,
    variant: Variant = None,
    sets: Sets = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for measure.json and measurements.csv, rows to fill in.")
    ] = None,
    plan: Annotated[
        Path | None, typer.Option("--plan", help="plan.json of this scenario whose decision the runs are to better.")
    ] = None,
    as_json: AsJson = False,
    form: Form = None,
    catalog: CatalogDir = None,
    verbose: Verbose = 0,
) -> int:
    """Which run to make before deciding: what it costs, what it is expected to be worth, and how to make it."""
    from planner.answer.plan import Plan, write_text
    from planner.outlook.measure import measure
    from planner.outlook.measure.result import rows_of
    from planner.report.measure import measure_table

    return look(
        "Runs worth making before", "measure.json",
        measure if plan is None else partial(measure, plan=Plan.read(plan)),
        scenario=scenario, variant=variant, sets=sets, catalog=catalog, out=out,
        form=form_of(form, as_json), table=measure_table, rows=rows_of,
        also=lambda found, folder: write_text(folder / "measurements.csv", found.table()),
    )  # fmt: skip


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
    from planner.outlook.recourse import recourse
    from planner.outlook.recourse.result import rows_of
    from planner.report.measure import recourse_table

    return look(
        "Two stages of", "recourse.json", partial(recourse, futures=futures),
        scenario=scenario, variant=variant, sets=sets, catalog=catalog, out=out,
        form=form_of(form, as_json), table=recourse_table, rows=rows_of,
    )  # fmt: skip
