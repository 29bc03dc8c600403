"""How far off training times are where a source, stack, chip, family, model or year is new.

``python -m planner.validation.training.cuts [--units CUT] [--json]``: one line a cut: what is left out in turn, and
the errors of step time by group (one source, model, chip and precision), their bias and how often the 80% interval
held. Rows of a year are predicted from those of earlier years alone. Intervals are those of ``calibrate_training`` on
rows other than those of the group asked.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray

from planner.catalog import load_catalog
from planner.catalog.load import catalog_folder
from planner.performance.measured.calibration import LeftOut, interval_rows, left_out, predicted_from, process_of
from planner.performance.measured.observation import Observation
from planner.performance.measured.spread import fit_spread
from planner.validation.cases import read_cases
from planner.validation.training.calibrate import answers_of, observations_of

Floats = NDArray[np.float64]
Unit = Callable[[Observation], str]
Intervals = tuple[Floats, Floats, list[str], list[str]]


UNITS: Mapping[str, Unit] = {
    "source": lambda o: o.source,
    "stack": lambda o: o.profile,
    "family of chips": lambda o: o.family,
    "chip": lambda o: o.chip,
    "model": lambda o: o.model_name,
    "family of models": lambda o: o.model_family,
}
YEARS = (2024, 2025, 2026)
"""Years predicted from those before."""
BARS: Mapping[str, tuple[float, float]] = {
    "source": (0.10, 0.06),
    "stack": (0.15, math.inf),
    "family of chips": (0.15, math.inf),
    "year 2026": (0.16, 0.12),
}
"""Mean and median error that a cut should not exceed."""


@dataclass(frozen=True)
class Cut:
    """Errors of step time of rows whose ``name`` was left out; each group of rows counts once."""

    name: str
    rows: int
    groups: int
    mean: float
    median: float
    bias: float
    inside: float
    """Share of groups' rows inside the 80% interval, every group counting once."""

    @property
    def bar(self) -> str:
        """What it is held to."""
        mean, middle = BARS.get(self.name, (math.inf, math.inf))
        parts = [f"mean at most {mean:.0%}"] if math.isfinite(mean) else []
        parts += [f"median {middle:.0%}"] if math.isfinite(middle) else []
        return ", ".join([*parts, "bias within 4%", "74% to 86% inside"])

    @property
    def holds(self) -> bool:
        """Whether it is inside its bars."""
        mean, middle = BARS.get(self.name, (math.inf, math.inf))
        return self.mean <= mean and self.median <= middle and abs(self.bias) <= 0.04 and 0.74 <= self.inside <= 0.86


def cut_of(name: str, rows: Sequence[Observation], found: LeftOut, among: Intervals) -> Cut:
    """The figures of a cut; ``among``: left-out residuals that make the intervals, none of a row's own source."""
    errors: dict[str, list[float]] = {}
    held: dict[str, list[bool]] = {}
    residuals, deviations, groups, sources = among
    for source in sorted({o.source for o in rows}):
        keep = [i for i, s in enumerate(sources) if s != source]
        spread = fit_spread(residuals[keep], deviations[keep], [groups[i] for i in keep])
        for o, level, deviation in zip(rows, found.levels, found.deviations, strict=True):
            if o.source != source:
                continue
            errors.setdefault(o.group, []).append(level / o.ratio - 1.0)
            low, high = spread.ends(np.array([deviation]))
            held.setdefault(o.group, []).append(bool(low[0] <= o.ratio / level <= high[0]))
    sizes = [fmean(abs(e) for e in v) for v in errors.values()]
    bias = math.exp(fmean(fmean(math.log1p(e) for e in v) for v in errors.values())) - 1.0
    return Cut(name, len(rows), len(errors), fmean(sizes), median(sizes), bias, fmean(fmean(v) for v in held.values()))


def training_cuts(rows: Sequence[Observation]) -> list[Cut]:
    """One line a cut."""
    whole, among = process_of(rows), interval_rows(rows)
    found = [cut_of(name, rows, left_out(rows, unit, fitted=whole), among) for name, unit in UNITS.items()]
    for year in YEARS:
        known, asked = [o for o in rows if 0 < o.year < year], [o for o in rows if o.year == year]
        if known and asked:
            found.append(cut_of(f"year {year}", asked, predicted_from(known, asked), interval_rows(known)))
    return found


def units_table(rows: Sequence[Observation], name: str) -> list[Cut]:
    """One line for every unit of a cut, that unit left out."""
    unit = UNITS[name]
    whole, among = left_out(rows, unit), interval_rows(rows)
    found = []
    for value in sorted({unit(o) for o in rows}):
        at = [i for i, o in enumerate(rows) if unit(o) == value]
        part = LeftOut(tuple(whole.levels[i] for i in at), tuple(whole.deviations[i] for i in at))
        found.append(cut_of(value, [rows[i] for i in at], part, among))
    return sorted(found, key=lambda c: -c.groups)


def cuts_table(cuts: Sequence[Cut], *, bars: bool = True) -> list[str]:
    """Cuts as Markdown lines."""
    head = "| left out | rows | groups | mean | median | bias | inside the 80% interval |"
    rule = "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    lines = [f"{head} bar | holds |", f"{rule} --- | --- |"] if bars else [head, rule]
    for c in cuts:
        line = (
            f"| {c.name} | {c.rows:,} | {c.groups} | {c.mean:.1%} | {c.median:.1%} | {c.bias:+.1%} | {c.inside:.1%} |"
        )
        lines.append(f"{line} {c.bar} | {'yes' if c.holds else 'no'} |" if bars else line)
    return [*lines, ""]


def carried_rows() -> list[Observation]:
    """Observations of the measurements that come with the planner, at level one."""
    cases = read_cases(catalog_folder() / "measurements" / "training.csv")
    return observations_of(answers_of(cases, load_catalog()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit status 0 whether bars hold or not."""
    parser = argparse.ArgumentParser(description="Errors of training times by what is left out.")
    parser.add_argument("--units", choices=sorted(UNITS), help="every unit of one cut instead")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    chosen = parser.parse_args(arguments)
    rows = carried_rows()
    cuts = training_cuts(rows) if chosen.units is None else units_table(rows, chosen.units)
    text = json.dumps([asdict(c) for c in cuts], indent=1)
    if not chosen.json:
        text = "\n".join(cuts_table(cuts, bars=chosen.units is None))
    sys.stdout.write(text + "\n")
    return 0


__all__ = ["Cut", "cuts_table", "main", "training_cuts", "units_table"]

if __name__ == "__main__":
    raise SystemExit(main())
