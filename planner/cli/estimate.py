"""Commands about one configuration and about the performance model."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from planner.cli.base import (
    AsJson,
    Assume,
    CatalogDir,
    Form,
    Format,
    Measured,
    answer,
    app,
    estimate_app,
    form_of,
    is_watched,
    progress_bar,
    say,
    with_assumptions,
)  # fmt: skip
from planner.errors import EXIT_OK, InputError, UnknownFigureError

if TYPE_CHECKING:
    from planner.catalog import Catalog


def _measured(catalog: Catalog, measurements: Path | None) -> Catalog:
    """The catalog with what a user measured."""
    if measurements is None:
        return catalog
    from planner.validation.own.read import with_measurements

    return with_measurements(catalog, measurements)


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
    measurements: Measured = None,
    as_json: AsJson = False,
    form: Form = None,
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
            catalog=with_assumptions(_measured(load_catalog(catalog), measurements), assume),
        )
    return _show_estimate(found, form_of(form, as_json))


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
    engine: Annotated[
        str, typer.Option("--engine", help='vllm, sglang, trtllm, ...; a release may follow: "vllm 0.10".')
    ] = "vllm",
    memory_fraction: Annotated[
        float | None, typer.Option("--memory-fraction", help="Share of a chip's memory that the engine may use.")
    ] = None,
    software_date: Annotated[
        str | None, typer.Option("--software-date", help="Month whose software serves, as 2025-09.")
    ] = None,
    images: Annotated[
        float, typer.Option("--images", min=0, help="Images of a request; their tokens are among its input tokens.")
    ] = 0.0,
    image_tokens: Annotated[
        float | None, typer.Option("--image-tokens", min=1, help="Tokens of an image; default: the model's.")
    ] = None,
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
    measurements: Measured = None,
    as_json: AsJson = False,
    form: Form = None,
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
            engine=engine,
            memory_fraction=memory_fraction,
            software_date=software_date,
            images=images,
            image_tokens=image_tokens,
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
            catalog=with_assumptions(_measured(load_catalog(catalog), measurements), assume),
        )
    return _show_estimate(found, form_of(form, as_json))


@contextlib.contextmanager
def _with_hint() -> Iterator[None]:
    """Say how a figure that nobody has published is supplied on the command line."""
    try:
        yield
    except UnknownFigureError as error:
        hint = f"Supply it: --assume {error.kind}.{error.record_id}.{error.field}=NUMBER."
        raise InputError([dataclasses.replace(p, remedy=hint) for p in error.problems]) from None


def _show_estimate(found: Any, form: Format) -> int:
    from planner.estimate.rows import estimate_row

    def table() -> Any:
        from planner.report.estimate import estimate_table

        return estimate_table(found)

    def data() -> Any:
        return found.to_dict()

    answer(form, table=table, data=data, rows=lambda: [estimate_row(found)])
    return EXIT_OK


@app.command("validate")
def validate_command(
    cases: Annotated[
        Path | None, typer.Option("--cases", help="A CSV of measurements; default: those carried.")
    ] = None,
    reader: Annotated[
        str, typer.Option("--reader", help="Installed reader that finds measurements in a log (docs/plugins.md).")
    ] = "",
    as_json: AsJson = False,
    form: Form = None,
    catalog: CatalogDir = None,
    measurements: Measured = None,
) -> int:
    """Predicted against measured, per case and in sum, beside the one-constant baseline."""
    wanted = form_of(form, as_json)
    with progress_bar("Validating", enabled=is_watched(wanted)):
        from planner.catalog import load_catalog
        from planner.validation import validate

        report = validate(cases, _measured(load_catalog(catalog), measurements), reader=reader)

    def table() -> Any:
        from planner.report.accuracy import accuracy_table

        return accuracy_table(report)

    answer(
        wanted, table=table, data=lambda: json.dumps(report.to_json(), ensure_ascii=False) + "\n", rows=report.rows,
    )  # fmt: skip
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
        say(line)
    return EXIT_OK
