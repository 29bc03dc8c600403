"""What the commands share: the app, common options, progress, and where text goes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from planner.errors import EXIT_OK, InputError, Problem

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


def must_be_writable(folder: Path) -> None:
    """Refuse a folder that cannot be written before the work is done, not after it."""
    if folder.exists() and not folder.is_dir():
        raise InputError(
            Problem("--out is not a folder", file=str(folder), remedy="Name a folder, it is made if missing.")
        )
    there = next((p for p in (folder, *folder.resolve().parents) if p.exists()), None)
    if there is None or not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise InputError(Problem("--out cannot be written", file=str(folder), remedy="Name another folder."))


def show_answer(found: Any, table: Callable[[Any], Any], as_json: bool, out: Path | None, name: str) -> int:
    """An answer about an answer: written, printed as JSON or as a table."""
    if out is not None:
        found.write(out / name)
    if as_json:
        put(found.to_json())
    else:
        show(table(found))
        if out is not None:
            say(f"Written: {out / name}")
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


def progress_bar(*, enabled: bool) -> _Progress:
    return _Progress(enabled)


def show(renderable: Any) -> None:
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "100")), highlight=False)
    console.print(renderable)


def put(text: str) -> None:
    sys.stdout.write(text)


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


def with_assumptions(catalog: Any, assume: Sequence[str] | None) -> Any:
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
