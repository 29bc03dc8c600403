"""The command that asks what a supernode is worth on a load."""

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
    app,
    form_of,
    look,
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
    from planner.report.supernode import supernode_rows, supernode_table
    from planner.supernode.ask import supernode

    return look(
        "Supernode on", "supernode.json", partial(supernode, system=system),
        scenario=scenario, variant=variant, sets=sets, catalog=catalog, out=out,
        form=form_of(form, as_json), table=supernode_table, rows=supernode_rows,
    )  # fmt: skip
