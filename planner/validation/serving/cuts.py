"""Ways to leave measured serving runs out in turn: by source, engine, chip family, chip, model family, precision, year.

Sources that are one benchmark are one source: the same harness, images and runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from planner.validation.serving.cases import UNDATED, ServingCase
from planner.validation.serving.descent import Figure

SOURCE_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "inferencex": ("IMAX", "IXFX", "IXDB", "IMAXD", "IXFH", "IXBL"),
    "trtllm_docs_2024": ("TRT014", "TRT05", "TRT09"),
    "trtllm_docs_2025": ("TRT020", "TRT10", "TRTDS", "GREC"),
    "nvidia_sweep": ("NVGAP",),
    "ml_energy": ("MLEN",),
    "static_batches": ("SPLIT", "ANL", "ANLP", "ANLW", "ANLT"),
    "amd_pages": ("AMDPR",),
    "dell_405b": ("DST405", "DST405L"),
    "gaudi_pages": ("GAUDI",),
    "ascend": ("ASC", "ASC2"),
    "others": ("DSTPD", "VLLM", "VLLM2", "VREC", "SGL", "MOON"),
}
LEAST = 20
"""Figures of a unit from which it stands in the tables by its name; smaller ones are left out in turn all the same."""


def family_of_source(source: str) -> str:
    """The family a source is left out with; itself when it is in none."""
    for name, members in SOURCE_FAMILIES.items():
        if source in members:
            return name
    return source


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
