"""The answer about a supernode on a terminal, and as rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from planner.report import format as fmt
from planner.report.fit import Column, Fitted

if TYPE_CHECKING:
    from planner.supernode.result import Step, SupernodeAnswer
    from planner.tables import Row

COLUMNS = (
    "part", "name", "what", "status", "value", "worth", "days", "chips", "systems", "tco_usd", "worth_usd",
    "facility_mw", "exposed_share", "binding_wall", "fault_chips", "pays_usd_per_chip",
)  # fmt: skip


def supernode_rows(found: SupernodeAnswer) -> list[Row]:
    """One row a step: levels, mechanisms taken away, movers, and the scenario as it is."""
    parts = (
        ("level", found.levels),
        ("without", found.taken_away),
        ("mover", found.movers),
        ("as it is", (found.best, found.as_sold)),
    )
    return [
        {"part": part, **{name: getattr(s, name) for name in COLUMNS if name != "part"}}
        for part, steps in parts
        for s in steps
    ]


def supernode_table(found: SupernodeAnswer) -> RenderableType:
    """Tables of levels, of mechanisms taken away and of movers, and what they say."""
    parts: list[RenderableType] = [Text(fmt.clean(found.answer), style="bold")]
    for title, steps in (
        (f"{found.system} as L0 to L4, each against the one before", found.levels),
        ("The highest level with one mechanism taken away", found.taken_away),
        (f"Who moves the bytes of {found.chip}, against cores", found.movers),
        ("The scenario as it is, and this system alone", (found.best, found.as_sold)),
    ):
        if steps:
            parts += [Text(f"\n{title}", style="bold cyan"), _table(found, steps)]
    parts += [Text(f" · {fmt.clean(line)}") for line in found.findings[1:]]
    return Group(*parts)


def _table(found: SupernodeAnswer, steps: Sequence[Step]) -> RenderableType:
    heads = (("Step", False), (f"{found.objective} ({found.unit})", True), ("change", True), ("days", True),
             ("chips", True), ("cost", True), ("exposed", True), ("what", False))  # fmt: skip
    table = Fitted([Column(name, right=right) for name, right in heads])
    for s in steps:
        if s.value is None:
            table.add_row(s.name, "no plan", "", "", "", "", "", Text(fmt.clean(s.status)))
            continue
        pays = f"; pays up to {fmt.usd(s.pays_usd_per_chip, short=True)} a chip" if s.pays_usd_per_chip else ""
        table.add_row(
            s.name, fmt.quantity(s.value, found.unit), fmt.DASH if s.worth is None else f"{s.worth:+.2%}",
            fmt.DASH if s.days is None else fmt.number(s.days), fmt.count(s.chips or 0),
            fmt.usd(s.tco_usd or 0.0, short=True), fmt.DASH if s.exposed_share is None else fmt.share(s.exposed_share),
            Text(fmt.clean(f"{s.what}{pays}")),
        )  # fmt: skip
    return table
