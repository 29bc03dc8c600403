"""Measured runs as the fit of levels sees them: names, covariates, and log measured over modelled time."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from planner.performance.serving.levels import LAYOUTS, TUNED, age_of, load_of, names_of, prompt_of
from planner.validation.serving.cases import ServingCase, family_of_source
from planner.validation.serving.descent import Figure, Residuals
from planner.validation.serving.effects import Observed
from planner.validation.serving.modes import layout_of

Floats = NDArray[np.float64]


class Runs:
    """Names and covariates of the cases of some residuals, built once."""

    def __init__(self, residuals: Residuals, per_chip: Floats) -> None:
        """``per_chip``: decoding requests a chip of each case, as the model found it."""
        self.residuals = residuals
        first: dict[int, Figure] = {}
        by_case: dict[int, list[int]] = defaultdict(list)
        for j, f in enumerate(residuals.figures):
            first.setdefault(f.case, f)
            by_case[f.case].append(j)
        self.model_family = [residuals.catalog.model(c.model).family for c in residuals.cases]
        self.by_case = by_case
        self.names: list[dict[str, str]] = []
        self.covariates = np.zeros((len(residuals.cases), 4))
        for i, case in enumerate(residuals.cases):
            figure = first.get(i)
            known = case.front != TUNED  # no level describes such a pool
            self.names.append(self._names(case, figure, self.model_family[i]) if figure and known else {})
            load = float(load_of(np.array(per_chip[i]))) if math.isfinite(per_chip[i]) else 0.0
            self.covariates[i] = (
                1.0,
                load,
                prompt_of(case.input_tokens),
                age_of(case.run, figure.family if figure else ""),
            )

    def _names(self, case: ServingCase, f: Figure, family: str) -> dict[str, str]:
        layout = LAYOUTS[int(layout_of(case)[0])]
        names = names_of(
            f.engine, f.family, case.front, family, case.moe, case.precision, layout, case.draft_tokens > 0, case.loop
        )
        return {
            **names,
            "source": f"{family_of_source(case.source)} {f.engine}",
            "bench": f"{family_of_source(case.source)} {f.family}",
            "group": " | ".join((case.source, f.engine, case.model, case.chip, case.precision)),
        }

    def pace(self, residuals: Floats) -> list[Observed]:
        """One per case: the mean of what its TPOT and its rates say; nothing (NaN) where neither is told."""
        return [self._observed(i, self._time(self.by_case.get(i, []), residuals)) for i in range(len(self.names))]

    def ttft(self, residuals: Floats) -> list[Observed]:
        """One per case: what its first token says."""
        figures = self.residuals.figures
        return [
            self._observed(
                i, _mean([-residuals[j] for j in self.by_case.get(i, ()) if figures[j].quantity == "ttft_ms"])
            )
            for i in range(len(self.names))
        ]

    def _observed(self, case: int, value: float) -> Observed:
        return Observed(self.names[case], self.covariates[case], value)

    def _time(self, figures: Sequence[int], residuals: Floats) -> float:
        of = self.residuals.figures
        tokens = [-residuals[j] for j in figures if of[j].quantity == "tpot_ms"]
        rates = [residuals[j] for j in figures if of[j].quantity.endswith("_per_chip")]
        return _mean([_mean(tokens), _mean(rates)])


def _mean(values: Sequence[float]) -> float:
    known = [v for v in values if math.isfinite(v)]
    return sum(known) / len(known) if known else math.nan
