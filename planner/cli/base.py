"""What the commands share: the app, common options, scenarios by file, name or pipe, progress, where text goes."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from planner.errors import EXIT_OK, InputError, Problem
from planner.settings import CATALOG, LOG, MEASUREMENTS, installed_version, value_of

if TYPE_CHECKING:
    from planner.scenario import Scenario
    from planner.tables import Row

app = typer.Typer(
    name="planner",
    help="Capacity and cost planning for AI compute: what to buy, build or rent, and the proof.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
estimate_app = typer.Typer(
    help="One configuration: time, memory, where the time goes, and how sure it is.", no_args_is_help=True
)
catalog_app = typer.Typer(help="The facts, with their sources.", no_args_is_help=True)
app.add_typer(estimate_app, name="estimate")
app.add_typer(catalog_app, name="catalog")


class Format(StrEnum):
    """Forms of an answer on standard output."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MD = "md"


def _scenario_names(incomplete: str) -> list[str]:
    """For completion: shipped scenarios by name, and YAML files."""
    from planner.scenario.shipped import shipped_scenarios

    folder, _, begun = incomplete.rpartition("/")
    files = sorted(Path(folder or ".").glob("*.y*ml"))
    found = [*(() if folder else shipped_scenarios()), *(f"{folder}/{f.name}" if folder else f.name for f in files)]
    return [name for name in found if name.startswith(incomplete or begun)]


def _catalog_ids(incomplete: str) -> list[str]:
    """For completion: ids of everything in the catalog but models."""
    from planner.catalog import load_catalog
    from planner.catalog.fields import RECORD_KINDS

    known = load_catalog()
    return [key for kind in RECORD_KINDS for key in known.records(kind) if key.startswith(incomplete)]


ScenarioName = Annotated[
    str,
    typer.Argument(
        help="A scenario file, the name of one that comes with the planner (quickstart), or - for standard input.",
        autocompletion=_scenario_names,
    ),
]
RecordName = Annotated[str, typer.Argument(help="Id or alias of anything in the catalog.", autocompletion=_catalog_ids)]
CatalogDir = Annotated[
    Path | None,
    typer.Option(
        "--catalog", envvar=CATALOG.name, help="Folder of your own chips, systems and prices, merged over the catalog."
    ),
]
Measured = Annotated[
    Path | None,
    typer.Option(
        "--measurements",
        envvar=MEASUREMENTS.name,
        help="CSV of runs that you measured: predictions near them are corrected and surer (docs/outlook.md).",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else: --format json.")]
Form = Annotated[
    Format | None, typer.Option("--format", help="Form of the answer; default: table.", case_sensitive=False)
]
Variant = Annotated[str | None, typer.Option("--variant", help="A variant or an override the scenario names.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="A value, by dot path: sites.hall.power_mw=12 (repeatable)."),
]
Assume = Annotated[
    list[str] | None,
    typer.Option("--assume", help="A figure the catalog does not know: chips.mtt_s5000_air.tdp_w=600 (repeatable)."),
]


def _log_more(count: int) -> int:
    if count:
        log_to_stderr("info" if count == 1 else "debug")
    return count


Verbose = Annotated[
    int, typer.Option("-v", "--verbose", count=True, callback=_log_more, help="Log what is done; -vv more.")
]


def log_to_stderr(level: str | None = None) -> None:
    """Send the planner's log to standard error from this level on; default what ``PLANNER_LOG`` says, else warnings."""
    word = level or value_of(LOG) or "warning"
    number = logging.getLevelNamesMapping().get(word.upper())
    if number is None:
        raise InputError(Problem("is no level of logging", path=LOG.name, found=word, allowed="debug, info, warning"))
    logger = logging.getLogger("planner")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(relativeCreated)7.0f ms %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
    logger.setLevel(number)


def _version(wanted: bool) -> None:
    if wanted:
        put(f"planner {installed_version()} (ai-compute-planner, Python {sys.version.split()[0]})\n")
        raise typer.Exit(EXIT_OK)


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: Verbose = 0,
) -> None:
    if not verbose:
        log_to_stderr()


def know_measurements(path: Path | None) -> None:
    """Let this command, and the processes that it starts, know the runs of a table."""
    if path is not None:
        os.environ[MEASUREMENTS.name] = str(path.resolve())


def read_scenario(name: str, variant: str | None, sets: Sequence[str] | None) -> Scenario:
    """The scenario of a command: a file, a shipped name or standard input, with a variant and values set."""
    from planner.scenario import load_scenario, load_text, parse_assignments
    from planner.scenario.shipped import STDIN
    from planner.scenario.yaml import decode

    overrides = parse_assignments(sets or ())
    if name != STDIN:
        return load_scenario(name, variant, overrides)
    text = decode(sys.stdin.buffer.read(), "standard input")
    return load_text(text, "standard input", variant, overrides, folder=Path.cwd())


def must_be_writable(folder: Path) -> None:
    """Refuse a folder that cannot be written before the work is done, not after it."""
    if folder.exists() and not folder.is_dir():
        raise InputError(
            Problem("--out is not a folder", file=str(folder), remedy="Name a folder, it is made if missing.")
        )
    there = next((p for p in (folder, *folder.resolve().parents) if p.exists()), None)
    if there is None or not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise InputError(Problem("--out cannot be written", file=str(folder), remedy="Name another folder."))


def form_of(form: Format | None, as_json: bool) -> Format:
    """The form that was asked for. Raises ``InputError`` where ``--json`` and ``--format`` contradict."""
    if as_json and form not in {None, Format.JSON}:
        raise InputError(Problem("--json and --format ask for two forms", found=f"--format {form}"))
    return Format.JSON if as_json else form or Format.TABLE


def answer(
    form: Format,
    *,
    table: Callable[[], Any],
    data: Callable[[], Any],
    rows: Callable[[], Sequence[Row]],
    columns: Sequence[str] | None = None,
) -> None:
    """Print an answer in the form asked for; only that form is made. ``data``: plain data, or JSON text."""
    if form is Format.TABLE:
        show(table())
    elif form is Format.JSON:
        import json

        found = data()
        put(found if isinstance(found, str) else json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    else:
        from planner.tables import csv_text, markdown

        put((csv_text if form is Format.CSV else markdown)(rows(), columns))


def look(
    words: str,
    name: str,
    ask: Callable[..., Any],
    *,
    scenario: str,
    variant: str | None,
    sets: Sequence[str] | None,
    catalog: Path | None,
    out: Path | None,
    form: Format,
    table: Callable[[Any], Any],
    rows: Callable[[Any], Sequence[Row]],
    also: Callable[[Any, Path], None] | None = None,
) -> int:
    """An answer about an answer: asked of a scenario while progress is told, written to a folder, and printed.

    ``ask(scenario, catalog=, variant=, progress=)`` finds it; ``words`` say what is being done, ``name`` is the file's,
    and ``also`` writes what else is put into the folder.
    """
    if out is not None:
        must_be_writable(out)
    with progress_bar(f"{words} {scenario}", enabled=is_watched(form)) as progress:
        from planner.catalog import load_catalog

        asked = read_scenario(scenario, variant, sets)
        found = ask(asked, catalog=load_catalog(catalog), variant=variant, progress=progress)
    if out is not None:
        found.write(out / name)
        if also is not None:
            also(found, out)
    answer(form, table=lambda: table(found), data=found.to_json, rows=lambda: rows(found))
    if out is not None and form is not Format.JSON:
        say(f"Written: {out / name}")
    return EXIT_OK


class _Progress:
    """What is being done, on standard error: a bar where a person watches, else a line now and then.

    The first word is there before anything that takes time is imported.
    """

    EVERY_S = 10.0
    """Between two lines where nobody watches."""

    def __init__(self, enabled: bool, what: str) -> None:
        self.enabled, self.what = enabled, what
        self.watched = enabled and sys.stderr.isatty()
        self._bar: Any = None
        self._began = self._told = time.monotonic()

    def __enter__(self) -> Callable[[str, float], None] | None:
        if not self.enabled:
            return None
        if not self.watched:
            say(f"{self.what} ...")
            return self._tell
        sys.stderr.write(f"{self.what} ...\r")
        sys.stderr.flush()
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self._bar.start()
        task = self._bar.add_task(self.what, total=1.0)

        def update(what: str, share: float) -> None:
            self._bar.update(task, description=what, completed=share)

        return update

    def _tell(self, what: str, share: float) -> None:
        now = time.monotonic()
        if now - self._told >= self.EVERY_S:
            self._told = now
            say(f"{self.what}: {what} ({share:.0%}, {now - self._began:.0f} s)")

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def is_watched(form: Format) -> bool:
    """Whether progress is shown: with a table always, with a form for programs only where a person sees it."""
    return form is Format.TABLE or sys.stderr.isatty()


def progress_bar(what: str, *, enabled: bool) -> _Progress:
    """Progress of ``what`` as a context; its value is told (what, share done), or is None where nothing is shown."""
    return _Progress(enabled, what)


def show(renderable: Any) -> None:
    """Print something for people, as wide as the terminal, or as ``COLUMNS`` says, or 100."""
    from rich.console import Console

    width = os.environ.get("COLUMNS", "")
    fixed = int(width) if width.isdigit() and int(width) else 100
    console = Console(width=None if sys.stdout.isatty() else fixed, highlight=False)
    console.print(renderable)


def put(text: str) -> None:
    """The answer itself."""
    sys.stdout.write(text)


def say(text: str) -> None:
    """Anything beside the answer."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def with_assumptions(catalog: Any, assume: Sequence[str] | None) -> Any:
    """A catalog with figures of ``--assume``. Raises ``InputError``."""
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


def plan_files(paths: Sequence[Path]) -> Iterator[Path]:
    """Files of plans: a folder stands for the plan.json in it."""
    for path in paths:
        yield path / "plan.json" if path.is_dir() else path
