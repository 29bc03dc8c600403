"""Ways to leave measured serving runs out in turn: by source, engine, chips, family of models, precision, year."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from planner.validation.serving.cases import UNDATED, ServingCase, family_of_source
from planner.validation.serving.descent import Figure

LEAST = 20
"""Figures of a unit from which it stands in the tables by its name; smaller ones are left out in turn all the same."""


CUTS: Mapping[str, Callable[[Figure, ServingCase, str], str]] = {
    "source": lambda f, c, m: family_of_source(f.source),
    "engine": lambda f, c, m: f.engine,
    "chip family": lambda f, c, m: f.family,
    "model family": lambda f, c, m: m,
    "year": lambda f, c, m: str(c.year or UNDATED),
    "chip": lambda f, c, m: f.chip,
    "precision": lambda f, c, m: c.precision,
}
"""Unit of a figure by cut; the third argument is its family of models. Rows without a year are of ``UNDATED``."""
