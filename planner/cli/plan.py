"""Commands that make, check, compare and hand on plans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from planner.cli.base import (
    AsJson,
    CatalogDir,
    Form,
    Format,
    Measured,
    ScenarioName,
    Sets,
    Variant,
    Verbose,
    answer,
    app,
    form_of,
    is_watched,
    know_measurements,
    must_be_writable,
    plan_files,
    progress_bar,
    put,
    read_scenario,
    say,
)  # fmt: skip
from planner.errors import (
    EXIT_INFEASIBLE,
    EXIT_INPUT,
    EXIT_INTERNAL,
    EXIT_LIMIT_WITH_PLAN,
    EXIT_LIMIT_WITHOUT_PLAN,
    EXIT_OK,
    InputError,
    Problem,
)

if TYPE_CHECKING:
    from planner.answer.plan import Plan
    from planner.catalog import Catalog
    from planner.scenario.types import Scenario


@app.command("plan")
def plan_command(
    scenario: ScenarioName,
    variant: Variant = None,
    sets: Sets = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for plan.json and plan.html.")] = None,
    as_json: AsJson = False,
    form: Form = None,
    catalog: CatalogDir = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    measurements: Measured = None,
    answers: Annotated[
        str | None,
        typer.Option("--answers", help="What is answered beside the plan: none, fast or full (solve.answers)."),
    ] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Follow requests through the replicas chosen.")] = False,
    model: Annotated[
        Path | None, typer.Option("--write-model", help="Write the optimization model as .mps or .lp; do not solve it.")
    ] = None,
    verbose: Verbose = 0,
) -> int:
    """Plan a scenario: the best plan, its proof and its price; or why there is none."""
    know_measurements(measurements)
    sets = [*(sets or ()), *(() if answers is None else (f"solve.answers={answers}",))]
    if model is not None:
        return _write_model(read_scenario(scenario, variant, sets), catalog, model, quiet=quiet)
    wanted = form_of(form, as_json)
    if out is not None:
        must_be_writable(out)
    with progress_bar(f"Planning {scenario}", enabled=not quiet and is_watched(wanted)) as progress:
        from planner.catalog import load_catalog
        from planner.planning.plan import plan

        asked = read_scenario(scenario, variant, sets)
        known = load_catalog(catalog)
        found = plan(asked, catalog=known, variant=variant, progress=progress)
        from planner.answer.rows import DEPLOYMENT_COLUMNS, deployment_rows

        if simulate:
            from planner.outlook.simulated import with_simulations

            found = with_simulations(found, asked, known)
    if out is not None:
        from planner.answer.plan import write_text
        from planner.report import html_page

        found.write(out / "plan.json")
        write_text(out / "plan.html", html_page(found))
    answer(
        wanted, table=lambda: _page(found, known), data=found.to_json, rows=lambda: deployment_rows(found),
        columns=DEPLOYMENT_COLUMNS,
    )  # fmt: skip
    if out is not None and wanted is not Format.JSON:
        say(f"Written: {out / 'plan.json'}, {out / 'plan.html'}")
    return _plan_exit_code(found.status, found.has_plan)


def _write_model(asked: Scenario, catalog: Path | None, to: Path, *, quiet: bool) -> int:
    """The program that a plan would solve first, as a file for another solver."""
    if to.suffix.lower() not in (".mps", ".lp") or not to.resolve().parent.is_dir():
        raise InputError(
            Problem("--write-model is no file for a model", found=str(to), allowed="a .mps or .lp file in a folder")
        )
    with progress_bar(f"Writing {to}", enabled=not quiet) as progress:
        from planner.catalog import load_catalog
        from planner.planning.question import ask, model_of
        from planner.solve import write_model

        program = model_of(ask(asked, catalog=load_catalog(catalog), progress=progress))
        write_model(program, to)
    say(f"Written: {to} ({program.column_count:,} columns, {program.row_count:,} rows)")
    return EXIT_OK


def _page(found: Plan, known: Catalog) -> Any:
    from planner.report import console

    names = {**{key: s.name for key, s in known.systems.items()}, **{key: c.name for key, c in known.chips.items()}}
    return console(found, names)


def _plan_exit_code(status: str, has_plan: bool) -> int:
    if status in {"proven_optimal", "within_gap"}:
        return EXIT_OK
    if status == "infeasible":
        return EXIT_INFEASIBLE
    if status in {"failed", "unbounded"}:
        return EXIT_INTERNAL
    return EXIT_LIMIT_WITH_PLAN if has_plan else EXIT_LIMIT_WITHOUT_PLAN


@app.command("resolve")
def resolve_command(
    scenario: ScenarioName, variant: Variant = None, sets: Sets = None, as_json: AsJson = False, verbose: Verbose = 0
) -> int:
    """Print a scenario after overrides and defaults, as it is solved."""
    from planner.scenario import resolve, resolve_yaml

    loaded = read_scenario(scenario, variant, sets)
    _warn(loaded)
    put(json.dumps(resolve(loaded), indent=2, ensure_ascii=False) + "\n" if as_json else resolve_yaml(loaded))
    return EXIT_OK


def _warn(scenario: Scenario) -> None:
    """Say what a scenario hardly means; names of a catalog of one's own are not known here, ``plan`` tells of them."""
    from planner.catalog import load_catalog
    from planner.scenario import check_scenario
    from planner.scenario.doubts import doubts

    catalog = load_catalog()
    try:
        check_scenario(scenario, catalog)
    except InputError:
        return
    for doubt in doubts(scenario, catalog):
        say(f"warning: {doubt}")


@app.command("schema")
def schema_command(
    kind: Annotated[str, typer.Argument(help="scenario or plan.")] = "scenario",
    out: Annotated[Path | None, typer.Option("--out", help="File to write; default: standard output.")] = None,
) -> int:
    """Print the JSON schema of scenario files or of plan.json, for editors and programs."""
    from planner.answer.plan import plan_schema, write_text
    from planner.scenario.schema import scenario_schema

    makers = {"scenario": scenario_schema, "plan": plan_schema}
    if kind not in makers:
        from planner.errors import unknown_name

        raise unknown_name("kind of schema", kind, list(makers))
    text = json.dumps(makers[kind](), indent=2, ensure_ascii=False) + "\n"
    if out is None:
        put(text)
    else:
        write_text(out, text)
    return EXIT_OK


@app.command("init")
def init_command(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("scenario.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
) -> int:
    """Write a commented scenario to start from."""
    from planner.answer.plan import write_text
    from planner.scenario import starter

    if path.exists() and not force:
        raise InputError(Problem("there is a file already", file=str(path), remedy="Give another name, or --force."))
    write_text(path, starter())
    say(f"Written: {path}\nPlan it:  planner plan {path}")
    return EXIT_OK


@app.command("export")
def export_command(
    plan: Annotated[Path, typer.Argument(help="A plan.json.", readable=False)],
    what: Annotated[str, typer.Option("--for", help="megatron, vllm, sglang, slurm, kubernetes, bom or a plugin's.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write to; default: standard output.")] = None,
    scenario: Annotated[
        Path | None, typer.Option("--scenario", help="Its scenario: the plan is verified again before it is exported.")
    ] = None,
    unverified: Annotated[
        bool, typer.Option("--unverified", help="Export a plan that fails verification or never had it.")
    ] = False,
    catalog: CatalogDir = None,
) -> int:
    """Launch settings, job sizes or a bill of materials of a plan, for those who act on it."""
    from planner.answer.plan import Plan, write_bytes
    from planner.catalog import load_catalog
    from planner.export import export_plan
    from planner.scenario import load_scenario

    found = Plan.read(plan)
    asked = None if scenario is None else load_scenario(scenario, variant=found.variant)
    files = export_plan(found, load_catalog(catalog), what, scenario=asked, unverified=unverified)
    if unverified or asked is None:
        say(f"Not verified here{'' if unverified else ': --scenario FILE checks the plan again'}.")
    if out is not None:
        must_be_writable(out)
        for file in files:
            write_bytes(out / file.name, file.data)
        say("Written: " + ", ".join(str(out / file.name) for file in files))
    else:
        texts = [f for f in files if f.text is not None]
        for i, file in enumerate(texts):
            put((f"# {file.name}\n" if len(texts) > 1 else "") + (file.text or "") + ("\n" if texts[i + 1 :] else ""))
    if what == "bom" and len(files) == 1:
        say('No XLSX: openpyxl is not installed (pip install "ai-compute-planner[xlsx]").')
    return EXIT_OK


@app.command("verify")
def verify_command(
    plan: Annotated[Path, typer.Argument(help="A plan.json.", readable=False)],
    scenario: Annotated[Path, typer.Argument(help="The scenario it answers.", readable=False)],
    catalog: CatalogDir = None,
    as_json: AsJson = False,
) -> int:
    """Check a plan against its scenario: everything computed again, by code that shares nothing with the optimizer."""
    from planner.answer.plan import Plan
    from planner.catalog import load_catalog
    from planner.scenario import load_scenario
    from planner.verify.plan import verify_plan

    found = Plan.read(plan)
    failures = verify_plan(found, load_scenario(scenario, variant=found.variant), load_catalog(catalog))
    if as_json:
        put(json.dumps({"verified": not failures, "failures": failures}, indent=2, ensure_ascii=False) + "\n")
    else:
        for failure in failures:
            say(f"error: {plan}: {failure}")
        put(f"{len(failures)} things are wrong with this plan.\n" if failures else "Verified.\n")
    return EXIT_INPUT if failures else EXIT_OK


@app.command("diff")
def diff_command(
    plans: Annotated[
        list[Path], typer.Argument(help="Two or more plan.json, or the folders they are in.", readable=False)
    ],
    every: Annotated[bool, typer.Option("--all", help="Also what does not differ.")] = False,
    as_json: AsJson = False,
    form: Form = None,
) -> int:
    """Plans side by side: what differs, and how much each has more than the first."""
    from planner.answer.plan import Plan
    from planner.report.diff import diff_data, diff_flat, diff_table, short_names

    wanted = form_of(form, as_json)
    files = list(plan_files(plans))
    if len(files) < 2:
        raise InputError(Problem("diff compares plans", found=f"{len(files)} plan", allowed="two or more"))
    read = [Plan.read(file) for file in files]
    names = short_names([str(file) for file in files])
    answer(
        wanted, table=lambda: diff_table(read, names, everything=every),
        data=lambda: diff_data(read, [str(file) for file in files]), rows=lambda: diff_flat(read, names),
    )  # fmt: skip
    return EXIT_OK


@app.command("sweep")
def sweep_command(
    sweep: Annotated[Path, typer.Argument(help="A sweep file: a scenario and the values to try.", readable=False)],
    out: Annotated[Path, typer.Option("--out", help="Folder for the results; run again to resume.")] = Path(
        "out/sweep"
    ),
    engine: Annotated[str, typer.Option("--engine", help="local, serial, dask or dask:tcp://host:8786.")] = "local",
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Processes; default: cores.")] = None,
    shard: Annotated[
        str | None, typer.Option("--shard", metavar="N/M", help="Plan part N of M, into a folder of its own.")
    ] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Plan nothing: put the shards of --out together.")] = False,
    catalog: CatalogDir = None,
    measurements: Measured = None,
    as_json: AsJson = False,
    form: Form = None,
    verbose: Verbose = 0,
) -> int:
    """Plan many scenarios; resumable."""
    know_measurements(measurements)
    wanted = form_of(form, as_json)
    with progress_bar(f"Sweep {sweep}", enabled=is_watched(wanted)) as progress:
        from planner.sweep import run_sweep, summary_rows, sweep_table

        outcome = run_sweep(
            sweep,
            out,
            engine=engine,
            workers=workers,
            shard=shard,
            merge=merge,
            catalog_dir=catalog,
            progress=progress,
            tell=say,
        )
    answer(
        wanted, table=lambda: sweep_table(outcome), data=outcome.to_dict, rows=lambda: summary_rows(outcome.cases),
    )  # fmt: skip
    if wanted is not Format.JSON:
        say(f"Results: {outcome.out}")
    return EXIT_INTERNAL if outcome.failed else EXIT_OK
