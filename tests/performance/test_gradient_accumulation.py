"""Adding up gradients of micro-batches, and summing them in full on every rank."""

from __future__ import annotations

import pytest

from planner.catalog import load_catalog
from planner.catalog.load import catalog_folder
from planner.performance.training.profile import with_changes
from planner.performance.training.stacks import get_profile
from planner.performance.training.step import TrainingCandidates, estimate_training
from planner.validation.cases import Case, read_cases
from planner.validation.training.rows import setup_of, stated_slowdown


@pytest.fixture(scope="module")
def row():
    cases = read_cases(catalog_folder() / "measurements" / "training.csv")
    case = next(c for c in cases if c.case_id == "BLOOM-106")
    return case, setup_of(case, load_catalog())


def _seconds(setup, profile) -> float:
    return float(estimate_training(setup.job, setup.platform, setup.candidate, profile).step_time_s[0])


def test_a_row_of_fp32_gradients_accumulates_and_sums_in_full(row):
    _, setup = row
    assert setup.profile.grad_all_reduce
    fused = _seconds(setup, with_changes(setup.profile, accumulate_bytes=0.0))
    half = _seconds(setup, with_changes(setup.profile, accumulate_bytes=9.0))
    full = _seconds(setup, setup.profile)
    assert full - half == pytest.approx(half - fused, rel=1e-6)  # in proportion to what is moved
    assert full > fused
    scattered = _seconds(setup, with_changes(setup.profile, grad_all_reduce=False))
    assert scattered < full


def test_one_micro_batch_adds_nothing(row):
    _, setup = row
    c = setup.candidate
    one = TrainingCandidates.of(tp=c.tp, pp=1, dp=96, micro_batch=1, zero_stage=1, recompute=2)
    job = setup.job.__class__(setup.job.model, setup.job.sequence_length, 96, setup.job.precision)
    times = [
        float(
            estimate_training(
                job, setup.platform, one, with_changes(get_profile("deepspeed"), accumulate_bytes=b)
            ).step_time_s[0]
        )
        for b in (0.0, 18.0)
    ]
    assert times[0] == times[1]


def test_a_fault_in_the_rows_own_words():
    assert stated_slowdown(Case("x", {"notes": "before the PCIe/NUMA fix that sped all runs up 1-5%"})) == 0.03
    assert stated_slowdown(Case("x", {"notes": "after the fix"})) == 0.0
