"""No decorative field: every figure and word of who moves bytes and of remote memory moves some answer when assumed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.catalog import Catalog, load_catalog
from planner.catalog.fields import CHIPS, SYSTEMS, specs
from planner.network.movers import mover_of
from planner.options.work.pools import cached_prefix
from planner.performance.compile import build_platform
from planner.performance.recommendation import (
    POOLED,
    RecommendationCandidates,
    RecommendationJob,
    estimate_recommendation,
)
from planner.performance.training.step import TrainingCandidates, TrainingJob, estimate_training
from planner.scenario.workloads import Serving

CATALOG = load_catalog()
SYSTEM, CHIP = "cloudmatrix384", "ascend_910c"
RECORD = {
    "moves_bytes": (CHIPS, "cores"), "comm_core_share": (CHIPS, 0.2), "overlap_factor": (CHIPS, 0.5),
    "in_switch_reduction": (CHIPS, "yes"),
    "remote_access": (SYSTEMS, "nic"), "address_scope": (SYSTEMS, "server"), "coherent_scope": (SYSTEMS, "domain"),
    "remote_read_us": (SYSTEMS, 40.0), "remote_message_us": (SYSTEMS, 40.0), "remote_read_gb_s": (SYSTEMS, 0.1),
    "remote_write_gb_s": (SYSTEMS, 0.001), "nic_access": (SYSTEMS, "host"),
}  # fmt: skip
"""Another value of each field, for a supernode of chips that load and store each other's memory."""
PREFIXES = ("remote_", "address_", "coherent_", "moves_", "comm_core", "overlap_", "in_switch", "nic_")
BASE = {
    SYSTEMS: {SYSTEM: {"host_dram_tb": 144, "remote_access": "load_store", "remote_message_us": 10}},
    CHIPS: {CHIP: {}},
}


def answers(assumed: dict[str, dict[str, dict[str, object]]], own_sigma: bool) -> list[float]:
    """A dense training step, a recommender trained on pooled rows, and prompts found in a pool."""
    known: Catalog = CATALOG.with_assumptions(assumed)
    if not own_sigma:  # as a chip of which only the mover is known
        chip = known.chips[CHIP]
        figures = {k: v for k, v in chip.figures.items() if k != "comm_core_share"}
        known = replace(known, chips={**known.chips, CHIP: replace(chip, figures=figures)})
    platform = build_platform(known, SYSTEM, CHIP, "d2c_1p")
    job = TrainingJob(known.model("llama-3.1-8b"), 4096, 256)
    step = estimate_training(job, platform, TrainingCandidates.of(tp=8, dp=64, sp=0)).step_time_s
    rows = RecommendationJob(known.model("dlrm-1t"), training=True)
    shape = RecommendationCandidates(*(np.array([v]) for v in (256, POOLED, 2048, 100)))
    pooled = estimate_recommendation(rows, replace(platform, memory_bytes=12e9), shape)
    load = Serving.model_validate(
        {"kind": "serving", "name": "api", "model": "llama-3.1-70b", "precision": ["int8"], "input_tokens": 16384,
         "output_tokens": 256, "requests_per_s": 100, "prefix_hits": "chat"}
    )  # fmt: skip
    found = cached_prefix(known, load, known.model("llama-3.1-70b"), platform, "int8")
    return [float(step[0]), float(pooled.step_time_s[0]), float(pooled.fits[0]), found]


def test_the_walk_knows_every_field() -> None:
    """A new field of these records must be put into the walk."""
    named = {f for kind in (CHIPS, SYSTEMS) for f in specs(kind) if f.startswith(PREFIXES)}
    assert named == set(RECORD)


@pytest.mark.parametrize("field", sorted(RECORD))
def test_every_field_moves_an_answer(field: str) -> None:
    """Assume another value, and a step, a pool or what rows cost is another."""
    kind, value = RECORD[field]
    name = CHIP if kind == CHIPS else SYSTEM
    base = {k: {n: dict(v) for n, v in records.items()} for k, records in BASE.items()}
    changed = {k: {n: dict(v) for n, v in records.items()} for k, records in BASE.items()}
    changed[kind][name][field] = value
    own = field == "comm_core_share"
    assert answers(base, own) != answers(changed, own)


@pytest.mark.parametrize(
    ("chip", "mover", "sigma"),
    [("h100_sxm", "cores", 0.15), ("mtt_s5000_liquid", "collective_engines", 0.0),
     ("ascend_910c", "copy_engines", 0.05),
     ("ascend_950pr", "collective_engines", 0.0), ("gaudi3", "copy_engines", 0.02)],
)  # fmt: skip
def test_movers_of_chips(chip: str, mover: str, sigma: float) -> None:
    """Sigma is the chip's own figure, else that of who moves its bytes; each has a source."""
    found = mover_of(CATALOG, CATALOG.chips[chip])
    assert (found.name, found.core_share) == (mover, sigma)
    record = CATALOG.interconnects[f"mover_{mover}"].figure("comm_core_share")
    assert record is not None
    assert record.source
    assert record.kind in {"measured", "estimate"}


def test_every_chip_says_who_moves_its_bytes() -> None:
    """In the catalog, not in code."""
    assert all(c.text("moves_bytes") for c in CATALOG.chips.values())
