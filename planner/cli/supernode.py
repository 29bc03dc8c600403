"""The command that asks what a supernode is worth on a load."""

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
    app,
    form_of,
    is_watched,
    must_be_writable,
    progress_bar,
    read_scenario,
    show_answer,
)  # fmt: skip


@app.command("supernode")
def supernode_command(
    scenario: ScenarioName,
    system: Annotated[str | None, typer.Option("--system", help="System to look into; default: a supernode.")] = None,
    variant: Variant = None,
    sets: Sets = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for supernode.json.")] = None,
    as_json: AsJson = False,
    form: Form = None,
    catalog: CatalogDir = None,
    verbose: Verbose = 0,
) -> int:
    """What a supernode is worth: the same chips as a stack of servers, as one memory, with engines that move bytes."""
    from planner.catalog import load_catalog
    from planner.report.supernode import supernode_rows, supernode_table
    from planner.supernode.ask import supernode

    wanted = form_of(form, as_json)
    if out is not None:
        must_be_writable(out)
    with progress_bar(f"Supernode on {scenario}", enabled=is_watched(wanted)) as progress:
        asked = read_scenario(scenario, variant, sets)
        found = supernode(asked, system=system, catalog=load_catalog(catalog), variant=variant, progress=progress)
    return show_answer(found, supernode_table, supernode_rows, wanted, out, "supernode.json")
