"""The command line. Thin: it reads arguments, calls the same functions as everyone else, and prints what they return.

Exit codes: 0 plan, 2 input, 3 infeasible (with diagnosis), 4 limit reached with a plan, 5 limit reached without,
70 internal, 130 interrupted. Everything a person reads beside the answer goes to standard error, so that ``--json``
leaves nothing but JSON on standard output.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from planner.errors import (
    EXIT_INFEASIBLE,
    EXIT_INPUT,
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    EXIT_LIMIT_WITH_PLAN,
    EXIT_LIMIT_WITHOUT_PLAN,
    EXIT_OK,
    InputError,
    PlannerError,
    Problem,
    UnknownFigureError,
)

app = typer.Typer(
    name="planner",
    help="Capacity and cost planning for AI compute: what to buy, build or rent, and the proof.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
estimate_app = typer.Typer(
    help="One configuration: time, memory, where the time goes, and how sure it is.", no_args_is_help=True
)
catalog_app = typer.Typer(help="The facts, with their sources.", no_args_is_help=True)
app.add_typer(estimate_app, name="estimate")
app.add_typer(catalog_app, name="catalog")

CatalogDir = Annotated[
    Path | None,
    typer.Option("--catalog", help="Folder of your own chips, systems and prices, merged over the catalog."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Variant = Annotated[str | None, typer.Option("--variant", help="A variant or an override the scenario names.")]
Assume = Annotated[
    list[str] | None,
    typer.Option("--assume", help="A figure the catalog does not know: chips.mtt_s5000_air.tdp_w=600 (repeatable)."),
]


@app.command("plan")
def plan_command(
    scenario: Annotated[Path, typer.Argument(help="A scenario file.", readable=False)],
    variant: Variant = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for plan.json and plan.html.")] = None,
    as_json: AsJson = False,
    catalog: CatalogDir = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    simulate: Annotated[bool, typer.Option("--simulate", help="Follow requests through the replicas chosen.")] = False,
) -> int:
    """Plan a scenario: the best plan, its proof and its price; or why there is none."""
    from planner.api import plan
    from planner.catalog import load_catalog
    from planner.scenario import load_scenario

    if out is not None:
        _must_be_writable(out)
    with _progress(enabled=not quiet and not as_json) as progress:
        known = load_catalog(catalog)
        answer = plan(scenario, catalog=known, variant=variant, progress=progress)
    if simulate:
        from planner.outlook.simulated import with_simulations

        answer = with_simulations(answer, load_scenario(scenario, variant=variant), known)
    if out is not None:
        from planner.answer.plan import write_text
        from planner.report import html_page

        answer.write(out / "plan.json")
        write_text(out / "plan.html", html_page(answer))
    if as_json:
        _stdout(answer.to_json())
    else:
        from planner.report import console

        _print(console(answer))
        if out is not None:
            _say(f"Written: {out / 'plan.json'}, {out / 'plan.html'}")
    return _plan_exit_code(answer.status, answer.has_plan)


def _must_be_writable(folder: Path) -> None:
    """Refuse a folder that cannot be written before the work is done, not after it."""
    if folder.exists() and not folder.is_dir():
        raise InputError(
            Problem("--out is not a folder", file=str(folder), remedy="Name a folder, it is made if missing.")
        )
    there = next((p for p in (folder, *folder.resolve().parents) if p.exists()), None)
    if there is None or not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise InputError(Problem("--out cannot be written", file=str(folder), remedy="Name another folder."))


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
    scenario: Annotated[Path, typer.Argument(help="A scenario file.", readable=False)],
    variant: Variant = None,
    as_json: AsJson = False,
) -> int:
    """Print a scenario after overrides and defaults, as it is solved."""
    from planner.scenario import load_scenario, resolve, resolve_yaml

    loaded = load_scenario(scenario, variant=variant)
    with contextlib.suppress(InputError):  # names that are in a catalog of one's own; `plan` says what is wrong
        from planner.catalog import load_catalog
        from planner.scenario import check_scenario
        from planner.scenario.doubts import doubts

        known = load_catalog()
        check_scenario(loaded, known)
        for doubt in doubts(loaded, known):
            _say(f"warning: {doubt}")
    _stdout(json.dumps(resolve(loaded), indent=2, ensure_ascii=False) + "\n" if as_json else resolve_yaml(loaded))
    return EXIT_OK


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
        _stdout(text)
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
    _say(f"Written: {path}\nPlan it:  planner plan {path}")
    return EXIT_OK


@app.command("export")
def export_command(
    plan: Annotated[Path, typer.Argument(help="A plan.json.", readable=False)],
    what: Annotated[str, typer.Option("--for", help="megatron, vllm, sglang, slurm, kubernetes or bom.")],
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
        _say(f"Not verified here{'' if unverified else ': --scenario FILE checks the plan again'}.")
    if out is not None:
        _must_be_writable(out)
        for file in files:
            write_bytes(out / file.name, file.data)
        _say("Written: " + ", ".join(str(out / file.name) for file in files))
    else:
        texts = [f for f in files if f.text is not None]
        for i, file in enumerate(texts):
            _stdout(
                (f"# {file.name}\n" if len(texts) > 1 else "") + (file.text or "") + ("\n" if texts[i + 1 :] else "")
            )
    if what == "bom" and len(files) == 1:
        _say('No XLSX: openpyxl is not installed (pip install "ai-compute-planner[xlsx]").')
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
    from planner.verify import verify_plan

    found = Plan.read(plan)
    failures = verify_plan(found, load_scenario(scenario, variant=found.variant), load_catalog(catalog))
    if as_json:
        _stdout(json.dumps({"verified": not failures, "failures": failures}, indent=2, ensure_ascii=False) + "\n")
    else:
        for failure in failures:
            _say(f"error: {plan}: {failure}")
        _stdout(f"{len(failures)} things are wrong with this plan.\n" if failures else "Verified.\n")
    return EXIT_INPUT if failures else EXIT_OK


@app.command("diff")
def diff_command(
    first: Annotated[Path, typer.Argument(help="A plan.json.", readable=False)],
    second: Annotated[Path, typer.Argument(help="Another plan.json.", readable=False)],
    as_json: AsJson = False,
) -> int:
    """Two plans side by side: what differs."""
    from planner.answer.plan import Plan
    from planner.report.diff import diff_rows, diff_table

    plans = (Plan.read(first), Plan.read(second))
    names = (str(first), str(second))
    if as_json:
        rows = [{"section": r.section, "name": r.name, "values": list(r.values)} for r in diff_rows(plans) if r.differs]
        _stdout(json.dumps({"plans": list(names), "differences": rows}, indent=2, ensure_ascii=False) + "\n")
    else:
        _print(diff_table(plans, names))
    return EXIT_OK


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
        _must_be_writable(out)
    names = ALL if of.strip() == "all" else tuple(name.strip() for name in of.split(","))
    with _progress(enabled=not as_json) as progress:
        front = pareto(
            scenario, names, points=points, catalog=load_catalog(catalog), variant=variant, progress=progress
        )
    return _show_answer(front, pareto_table, as_json, out, "pareto.json")


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
        _must_be_writable(out)
    with _progress(enabled=not as_json) as progress:
        found = alternatives(scenario, near, catalog=load_catalog(catalog), variant=variant, progress=progress)
    return _show_answer(found, alternatives_table, as_json, out, "alternatives.json")


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
        _must_be_writable(out)
    with _progress(enabled=not as_json) as progress:
        found = outlook(scenario, catalog=load_catalog(catalog), variant=variant, progress=progress)
    return _show_answer(found, outlook_table, as_json, out, "outlook.json")


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
        _must_be_writable(out)
    with _progress(enabled=not as_json) as progress:
        found = sensitivity(scenario, catalog=load_catalog(catalog), variant=variant, progress=progress)
    return _show_answer(found, sensitivity_table, as_json, out, "sensitivity.json")


def _show_answer(found: Any, table: Callable[[Any], Any], as_json: bool, out: Path | None, name: str) -> int:
    """An answer about an answer: written, printed as JSON or as a table."""
    if out is not None:
        found.write(out / name)
    if as_json:
        _stdout(found.to_json())
    else:
        _print(table(found))
        if out is not None:
            _say(f"Written: {out / name}")
    return EXIT_OK


@app.command("sweep")
def sweep_command(
    sweep: Annotated[Path, typer.Argument(help="A sweep file: a scenario and the values to try.", readable=False)],
    out: Annotated[Path, typer.Option("--out", help="Folder for the results; run again to resume.")] = Path(
        "out/sweep"
    ),
    engine: Annotated[str, typer.Option("--engine", help="local (processes on this machine) or serial.")] = "local",
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Processes; default: cores.")] = None,
    catalog: CatalogDir = None,
    as_json: AsJson = False,
) -> int:
    """Plan many scenarios; resumable."""
    from planner.sweep import run_sweep, sweep_table

    with _progress(enabled=not as_json) as progress:
        outcome = run_sweep(
            sweep, out, engine=engine, workers=workers, catalog_dir=catalog, progress=progress, tell=_say
        )
    if as_json:
        _stdout(json.dumps(outcome.to_dict(), indent=2, ensure_ascii=False) + "\n")
    else:
        _print(sweep_table(outcome))
        _say(f"Results: {out}")
    return EXIT_INTERNAL if outcome.failed else EXIT_OK


@app.command("validate")
def validate_command(
    cases: Annotated[
        Path | None, typer.Option("--cases", help="A CSV of measurements; default: those carried.")
    ] = None,
    as_json: AsJson = False,
    catalog: CatalogDir = None,
) -> int:
    """Predicted against measured, per case and in sum, beside the one-constant baseline."""
    from planner.catalog import load_catalog
    from planner.validation import validate

    report = validate(cases, load_catalog(catalog))
    if as_json:
        _stdout(json.dumps(report.to_json(), ensure_ascii=False) + "\n")
    else:
        from planner.report.accuracy import accuracy_table

        _print(accuracy_table(report))
    return EXIT_OK


@app.command("calibrate")
def calibrate_command(
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the calibration files; default: the catalog's own.")
    ] = None,
    catalog: CatalogDir = None,
) -> int:
    """Refit the performance model from the carried measurements, leaving whole sources out in turn."""
    from planner.catalog import load_catalog
    from planner.validation.refit import refit

    for line in refit(load_catalog(catalog), out):
        _say(line)
    return EXIT_OK


@app.command("app")
def app_command(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on this machine.")] = 8501,
    catalog: CatalogDir = None,
) -> int:
    """Open the app in a browser."""
    from planner.ui.launch import launch

    return launch(port=port, catalog_dir=catalog)


@estimate_app.command("training")
def estimate_training_command(
    model: Annotated[str, typer.Option("--model", help="Id of a model.")],
    system: Annotated[str, typer.Option("--system", help="Id of a system.")],
    chips: Annotated[int, typer.Option("--chips", min=1, help="Chips of the job.")],
    chip: Annotated[str | None, typer.Option("--chip", help="Variant of a system sold with several.")] = None,
    cooling: Annotated[
        str | None, typer.Option("--cooling", help="Cooling option; default: the first that fits.")
    ] = None,
    sequence_length: Annotated[int, typer.Option("--sequence-length", min=1)] = 4096,
    global_batch: Annotated[int, typer.Option("--global-batch", min=1, help="Sequences in a step.")] = 1024,
    precision: Annotated[str, typer.Option("--precision")] = "bf16",
    tp: Annotated[int | None, typer.Option("--tp", min=1)] = None,
    pp: Annotated[int | None, typer.Option("--pp", min=1)] = None,
    vpp: Annotated[int | None, typer.Option("--vpp", min=1)] = None,
    cp: Annotated[int | None, typer.Option("--cp", min=1)] = None,
    ep: Annotated[int | None, typer.Option("--ep", min=1)] = None,
    micro_batch: Annotated[int | None, typer.Option("--micro-batch", min=1)] = None,
    zero_stage: Annotated[int | None, typer.Option("--zero-stage", min=0, max=3)] = None,
    recompute: Annotated[str | None, typer.Option("--recompute", help="none, selective or full.")] = None,
    framework: Annotated[
        str, typer.Option("--framework", help="Training stack: default, tuned, bridge, fsdp ...")
    ] = "default",
    best: Annotated[bool, typer.Option("--best", help="Search everything not given.")] = False,
    assume: Assume = None,
    catalog: CatalogDir = None,
    as_json: AsJson = False,
) -> int:
    """Step time, memory and MFU of a training configuration."""
    from planner.catalog import load_catalog
    from planner.estimate import estimate_training

    with _with_hint():
        found = estimate_training(
            model=model,
            system=system,
            chips=chips,
            chip=chip,
            cooling=cooling,
            sequence_length=sequence_length,
            global_batch=global_batch,
            precision=precision,
            tp=tp,
            pp=pp,
            vpp=vpp,
            cp=cp,
            ep=ep,
            micro_batch=micro_batch,
            zero_stage=zero_stage,
            recompute=recompute,
            framework=framework,
            best=best,
            catalog=_with_assumptions(load_catalog(catalog), assume),
        )
    return _show_estimate(found, as_json)


@estimate_app.command("serving")
def estimate_serving_command(
    model: Annotated[str, typer.Option("--model", help="Id of a model.")],
    system: Annotated[str, typer.Option("--system", help="Id of a system.")],
    chips: Annotated[
        int | None, typer.Option("--chips", min=1, help="Chips of a replica (with --best: at most).")
    ] = None,
    chip: Annotated[str | None, typer.Option("--chip", help="Variant of a system sold with several.")] = None,
    cooling: Annotated[
        str | None, typer.Option("--cooling", help="Cooling option; default: the first that fits.")
    ] = None,
    input_tokens: Annotated[int, typer.Option("--input-tokens", min=1)] = 2048,
    output_tokens: Annotated[int, typer.Option("--output-tokens", min=1)] = 512,
    input_cv: Annotated[float, typer.Option("--input-cv", help="Spread of prompts: deviation over mean.")] = 0.0,
    output_cv: Annotated[float, typer.Option("--output-cv", help="Spread of answers: deviation over mean.")] = 0.0,
    arrival_cv: Annotated[float, typer.Option("--arrival-cv", help="Bursts; 1 is Poisson.")] = 1.0,
    cached_prefix: Annotated[float, typer.Option("--cached-prefix", min=0, max=0.999)] = 0.0,
    precision: Annotated[str, typer.Option("--precision")] = "bf16",
    kv_precision: Annotated[str | None, typer.Option("--kv-precision")] = None,
    tp: Annotated[int | None, typer.Option("--tp", min=1)] = None,
    pp: Annotated[int | None, typer.Option("--pp", min=1)] = None,
    ep: Annotated[int | None, typer.Option("--ep", min=1)] = None,
    attention_dp: Annotated[int | None, typer.Option("--attention-dp", min=1)] = None,
    batch: Annotated[int | None, typer.Option("--batch", min=1, help="Requests in flight on a replica.")] = None,
    role: Annotated[str, typer.Option("--role", help="aggregated, prefill or decode.")] = "aggregated",
    ttft_ms: Annotated[float | None, typer.Option("--ttft-ms", min=0, help="Limit for --best.")] = None,
    tpot_ms: Annotated[float | None, typer.Option("--tpot-ms", min=0, help="Limit for --best.")] = None,
    best: Annotated[bool, typer.Option("--best", help="Search everything not given.")] = False,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Check the percentiles by simulating single requests.")
    ] = False,
    assume: Assume = None,
    catalog: CatalogDir = None,
    as_json: AsJson = False,
) -> int:
    """Throughput, time to first token and time per output token of a serving replica."""
    from planner.catalog import load_catalog
    from planner.estimate import estimate_serving

    with _with_hint():
        found = estimate_serving(
            model=model,
            system=system,
            chips=chips,
            chip=chip,
            cooling=cooling,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            input_cv=input_cv,
            output_cv=output_cv,
            arrival_cv=arrival_cv,
            cached_prefix=cached_prefix,
            precision=precision,
            kv_precision=kv_precision,
            tp=tp,
            pp=pp,
            ep=ep,
            attention_dp=attention_dp,
            batch=batch,
            role=role,
            ttft_ms=ttft_ms,
            tpot_ms=tpot_ms,
            best=best,
            simulate=simulate,
            catalog=_with_assumptions(load_catalog(catalog), assume),
        )
    return _show_estimate(found, as_json)


@contextlib.contextmanager
def _with_hint() -> Iterator[None]:
    """Say how a figure that nobody has published is supplied on the command line."""
    try:
        yield
    except UnknownFigureError as error:
        hint = f"Supply it: --assume {error.kind}.{error.record_id}.{error.field}=NUMBER."
        raise InputError([dataclasses.replace(p, remedy=hint) for p in error.problems]) from None


def _show_estimate(found: Any, as_json: bool) -> int:
    if as_json:
        _stdout(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) + "\n")
    else:
        from planner.report.estimate import estimate_table

        _print(estimate_table(found))
    return EXIT_OK


def _with_assumptions(catalog: Any, assume: Sequence[str] | None) -> Any:
    from planner.scenario.base import parse_number

    wanted: dict[str, dict[str, dict[str, float]]] = {}
    problems = []
    for text in assume or ():
        path, _, number = text.partition("=")
        parts = path.strip().split(".")
        value = parse_number(number)
        if len(parts) != 3 or value is None:
            problems.append(
                Problem(
                    "--assume is not understood", found=text, allowed="KIND.ID.FIELD=NUMBER, as chips.h20_96.tdp_w=400"
                )
            )
            continue
        wanted.setdefault(parts[0], {}).setdefault(parts[1], {})[parts[2]] = float(value)
    if problems:
        raise InputError(problems)
    return catalog.with_assumptions(wanted) if wanted else catalog


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
        _stdout(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    else:
        _print(list_table(kind, rows))
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
        _stdout(json.dumps(show_dict(loaded, name), indent=2, ensure_ascii=False) + "\n")
    else:
        _print(show_table(loaded, name))
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
        _stdout(
            json.dumps({"counts": counts, "warnings": [str(w) for w in warnings]}, indent=2, ensure_ascii=False) + "\n"
        )
        return EXIT_OK
    for warning in warnings:
        _say(str(warning))
    _stdout(", ".join(f"{n} {kind}" for kind, n in counts.items()) + f": no errors, {len(warnings)} warnings.\n")
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
        _stdout(text)
    else:
        write_text(out, text)
    counts = parameter_counts(model)
    _say(f"{model.id}: {counts.total / 1e9:.4g} B parameters, {counts.active / 1e9:.4g} B active.")
    return EXIT_OK


class _Progress:
    """A bar on standard error while work is long and a person watches; silent otherwise."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled and sys.stderr.isatty()
        self._bar: Any = None

    def __enter__(self) -> Callable[[str, float], None] | None:
        if not self.enabled:
            return None
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self._bar.start()
        task = self._bar.add_task("Starting", total=1.0)

        def update(what: str, share: float) -> None:
            self._bar.update(task, description=what, completed=share)

        return update

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def _progress(*, enabled: bool) -> _Progress:
    return _Progress(enabled)


def _print(renderable: Any) -> None:
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "100")), highlight=False)
    console.print(renderable)


def _stdout(text: str) -> None:
    sys.stdout.write(text)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def run(arguments: Sequence[str] | None = None) -> int:
    """The command line as a function: arguments in, exit code out; errors are told on standard error."""
    command = typer.main.get_command(app)
    try:
        code = command.main(
            args=None if arguments is None else list(arguments), prog_name="planner", standalone_mode=False
        )
        sys.stdout.flush()
    except PlannerError as error:
        for problem in error.problems:
            _say(f"error: {problem}")
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        code = EXIT_INTERRUPTED
    except typer.Exit as error:
        code = error.exit_code
    except (BrokenPipeError, SystemExit) as error:
        # the reader went away (a pager, head): nothing is wrong, and nothing more may be written
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except Exception as error:
        if callable(show := getattr(error, "show", None)):  # wrong usage; typer keeps the class of these to itself
            show()
            return EXIT_INPUT
        if os.environ.get("PLANNER_DEBUG"):
            raise
        _say(f"internal error: {type(error).__name__}: {error}\nThis is our fault: PLANNER_DEBUG=1 shows more.")
        return EXIT_INTERNAL
    if code == EXIT_INTERRUPTED:  # typer makes an exit of an interrupt
        _say("interrupted")
    return int(code or 0)


def main() -> None:
    """Entry point of the ``planner`` command."""
    sys.exit(run())


if __name__ == "__main__":
    main()
