"""A program in which each figure of the scenario is one row, however many periods and years it limits.

A shared fleet has a row for every period that a limit holds in. To a person they are one limit: to loosen it is to
loosen all of them. Here the figure becomes a column, every row compares with it, and one row says what it may be; so
whatever asks about rows asks about figures.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from planner.fleet.model import FleetModel, Limit

Floats = NDArray[np.float64]
SAME = 1e-9
"""Relative difference of two figures that are one."""
_WHEN = (
    (re.compile(r" from \d{4}-\d\d$"), ""),
    (re.compile(r" in year \d+$"), " in any year"),
    (re.compile(r" in period \d+$"), ""),
)


def by_leaf(model: FleetModel, values: Floats | None = None) -> tuple[FleetModel, Floats | None]:
    """The same program, limits of one figure as one; and a point of it, from one of the program as it was."""
    groups: dict[tuple[str, int, str], list[Limit]] = defaultdict(list)
    for limit in model.limits.values():
        groups[limit.path, limit.sense, limit.kind].append(limit)
    shared = [g for g in groups.values() if len(g) > 1 and _one_figure(g)]
    if not shared:
        return model, values
    program = model.program
    index = {name: i for i, name in enumerate(program.row_names)}
    columns, rows = program.column_count, program.row_count
    row_lower, row_upper = np.array(program.row_lower), np.array(program.row_upper)
    kinds = list(program.row_kind)
    limits = {name: limit for name, limit in model.limits.items() if not any(limit in g for g in shared)}
    entries: list[tuple[int, int, float]] = []
    names, lower, upper, row_kinds, figures = [], [], [], [], []
    activities = None if values is None else program.activities(values)
    for i, group in enumerate(shared):
        first = max(group, key=lambda x: x.limit)
        scale, leaf = first.scale, first.leaf
        ratios = []
        for limit in group:
            r = index[limit.row]
            factor = limit.share * scale / limit.scale
            entries.append((r, columns + i, -factor))
            row_lower[r], row_upper[r] = (-np.inf, 0.0) if limit.sense < 0 else (0.0, np.inf)
            kinds[r] = "linked"
            if activities is not None:
                ratios.append(float(activities[r]) / factor)
        entries.append((rows + i, columns + i, 1.0))
        bound = leaf / scale
        lower.append(-np.inf if first.sense < 0 else bound)
        upper.append(bound if first.sense < 0 else np.inf)
        row_kinds.append(first.kind)
        name = f"leaf[{first.path},{first.kind}]"
        names.append(name)
        if ratios:
            figures.append(max(ratios) if first.sense < 0 else min(ratios))
        limits[name] = replace(
            first, row=name, label=_label(first, leaf), limit=leaf, unit=first.leaf_unit or first.unit, scale=scale,
            share=1.0,
        )  # fmt: skip
    more = len(shared)
    grown = replace(
        program,
        column_names=(*program.column_names, *names),
        lower=np.append(program.lower, np.zeros(more)),
        upper=np.append(program.upper, np.full(more, np.inf)),
        objective=np.append(program.objective, np.zeros(more)),
        integer=np.append(program.integer, np.zeros(more, dtype=np.bool_)),
        structure=np.append(program.structure, np.zeros(more, dtype=np.bool_)),
        row_names=(*program.row_names, *names),
        row_kind=(*kinds, *row_kinds),
        row_lower=np.append(row_lower, lower),
        row_upper=np.append(row_upper, upper),
        rows=np.append(program.rows, [r for r, _, _ in entries]),
        cols=np.append(program.cols, [c for _, c, _ in entries]),
        vals=np.append(program.vals, [v for _, _, v in entries]),
    )
    objectives = {name: np.append(vector, np.zeros(more)) for name, vector in model.objectives.items()}
    point = None if values is None else np.append(values, figures)
    return replace(model, program=grown, limits=limits, objectives=objectives), point


def _one_figure(group: Sequence[Limit]) -> bool:
    leaf = group[0].leaf
    return bool(group[0].path) and all(abs(x.leaf - leaf) <= SAME * abs(leaf) for x in group)


def _label(limit: Limit, leaf: float) -> str:
    """What the limit of one period says, said of all of them."""
    text = limit.label
    for pattern, instead in _WHEN:
        text = pattern.sub(instead, text)
    if limit.kind == "demand" and abs(limit.limit - leaf) > SAME * leaf:
        text = text.replace(f" at {limit.limit:g} ", f" at {leaf:g} ") + ", other periods in proportion"
    return text
