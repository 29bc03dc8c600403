"""Measured runs near a job: what they say, that arrays and single calls agree, and that their file is read safely."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_fixtures import dense_model, platform

from planner.errors import InputError
from planner.performance.measured.neighbours import (
    LARGEST_SHIFT,
    Job,
    Neighbours,
    fit_neighbours,
    neighbours_csv,
    read_neighbours,
    shipped_neighbours,
)
from planner.performance.measured.observation import Observation
from planner.performance.measured.process import (
    NEAR_TERMS,
    OWN_VARIANCE,
    PRIOR_MEAN,
    SHAPE,
    WIDTHS,
    covariance,
    fit,
    run_of,
    variance,
)
from planner.performance.training.step import TrainingCandidates, TrainingJob, estimate_training

SIZES = {"tp": 4, "pp": 2, "vpp": 1, "cp": 1, "ep": 1, "micro_batch": 2, "sequence_length": 4096, "chips": 64}


def _row(case: str, ratio: float, *, source: str = "s", chip: str = "x", profile: str = "tuned", **sizes: float):
    values = {**SIZES, "active_parameters": 8e9, "tokens_per_chip": 65536.0, **sizes}
    return Observation(
        f"{source} | m | {chip} | bf16", source, "f", chip, profile, "bf16", False, ratio, case_id=case,
        shape=tuple(math.log2(values[name]) for name in SHAPE), recompute="0", model="m", generation="2024",
        code="shared",
    )  # fmt: skip


def _job(chip: str = "x", profile: str = "tuned", model: str = "m", source: str = "", code: str = "shared") -> Job:
    return Job(profile, chip, model, "bf16", False, 4096, 8e9, 65536.0 * 64, source, "f", "2024", code)


def _shift(found: Neighbours, job: Job, tp: int = 4, chips: int = 64) -> float:
    widths = {name: np.array([SIZES[name] if name != "tp" else tp]) for name in WIDTHS}
    return float(found.log_shift(job, widths, np.array([chips]), np.array([0]))[0])


ROWS = [_row(f"r{i}", 1.1, source=f"s{i}") for i in range(8)]
SLOWER = fit_neighbours(ROWS, [math.log(1.1)] * 8)


def test_runs_that_were_slower_make_their_neighbours_slower_and_strangers_not() -> None:
    here = _shift(SLOWER, _job())
    assert 0.6 * math.log(1.1) < here <= math.log(1.1)
    assert 0.0 < _shift(SLOWER, _job(), tp=64) < here  # another layout
    assert 0.0 < _shift(SLOWER, _job(chip="y")) < here  # another chip of the same stack
    assert 0.0 < _shift(SLOWER, _job(model="n")) < here
    other = _shift(SLOWER, _job(profile="default", code="other"))  # another stack of the same generation
    assert 0.0 < other < 0.5 * here
    assert other < _shift(SLOWER, _job(profile="default")) < here  # of the same code base: an entry and its recipes
    assert _shift(Neighbours(), _job()) == 0.0


def test_the_source_of_a_row_counts_where_it_is_known() -> None:
    rows = [*ROWS, *(_row(f"q{i}", 0.8, source="q") for i in range(4))]
    found = fit_neighbours(rows, [math.log(o.ratio) for o in rows])
    assert _shift(found, _job(source="q")) < _shift(found, _job())


def test_a_shift_is_bounded() -> None:
    found = fit_neighbours([_row(f"r{i}", 5.0) for i in range(40)], [math.log(5.0)] * 40)
    assert _shift(found, _job(source="s")) == LARGEST_SHIFT


def test_rows_that_may_not_be_fitted_are_not_in_it() -> None:
    rows = [*ROWS, replace(_row("doubted", 3.0), fit=False)]
    found = fit_neighbours(rows, [math.log(o.ratio) for o in rows])
    assert found.count == 8
    assert found.holds("r3", "s3")
    assert not found.holds("doubted", "s")
    assert not found.holds("r3", "s4")


@settings(max_examples=25, deadline=None)
@given(
    layouts=st.lists(
        st.tuples(*(st.sampled_from([1, 2, 4, 8, 16]) for _ in WIDTHS), st.sampled_from([8, 64, 512]),
                  st.integers(0, 2)),
        min_size=1, max_size=30,
    )
)  # fmt: skip
def test_a_product_of_tables_is_the_sum_over_runs(layouts: list[tuple[int, ...]]) -> None:
    """Many candidates at once give what the definition gives for each of them alone."""
    rng = np.random.default_rng(3)
    rows = [
        _row(
            f"r{i}",
            1.0,
            chip=str(rng.choice(["x", "y"])),
            tp=float(rng.choice([1, 2, 8])),
            chips=float(2 ** (3 + i % 5)),
        )
        for i in range(12)
    ]
    left = list(rng.normal(0.0, 0.1, len(rows)))
    found = fit_neighbours(rows, left)
    columns = np.array(layouts).T
    widths = dict(zip(WIDTHS, columns[:6], strict=True))
    many = found.log_shift(_job(), widths, columns[6], columns[7])
    for i, layout in enumerate(layouts):
        values = dict(zip((*WIDTHS, "chips"), layout, strict=False))
        asked = _row("asked", 1.0, source="", **values, tokens_per_chip=65536.0 * 64 / values["chips"])
        asked = replace(asked, recompute=str(layout[7]))
        weights = np.array([r.weight for r in found.runs])
        expected = (covariance([run_of(asked)], found.runs, NEAR_TERMS) @ weights)[0]
        assert many[i] == pytest.approx(expected, abs=1e-9)


def test_an_estimate_is_corrected_by_them_in_arrays_and_alone() -> None:
    job = TrainingJob(replace(dense_model(), id="m"), 4096, 64)
    bare = platform()
    rows = [_row(f"r{i}", 1.1, source=f"s{i}", chip=bare.chip_id) for i in range(8)]
    near = replace(bare, neighbours=fit_neighbours(rows, [math.log(1.1)] * 8))
    many = TrainingCandidates.of(tp=[1, 2, 4, 8], dp=[64, 32, 16, 8], pp=1)
    with_runs = estimate_training(job, near, many, "tuned")
    without = estimate_training(job, bare, many, "tuned")
    more = with_runs.step_time_s / without.step_time_s
    assert np.all((more > 1.0) & (more < 1.1))
    assert np.allclose(sum(with_runs.breakdown.values()), with_runs.step_time_s)
    for i in range(4):
        alone = estimate_training(job, near, many.take([i]), "tuned")
        assert alone.step_time_s[0] == pytest.approx(with_runs.step_time_s[i], rel=1e-12)
    adapters = replace(job, trainable="lora")  # runs of full training say nothing of adapters
    assert estimate_training(adapters, near, many, "tuned").step_time_s[0] == pytest.approx(
        estimate_training(adapters, bare, many, "tuned").step_time_s[0]
    )


def test_nearest_runs_come_by_what_they_have_in_common() -> None:
    rows = [_row("far", 1.0, tp=1, chips=4096), _row("near", 1.0), _row("other", 1.0, chip="y")]
    found = fit_neighbours(rows, [0.0, 0.1, 0.2])
    widths = {name: np.array([SIZES[name]]) for name in WIDTHS}
    shown = found.nearest(_job(), widths, np.array([64]), np.array([0]))
    assert [run.case_id for run, _ in shown][:1] == ["near"]
    likeness = [share for _, share in shown]
    assert likeness == sorted(likeness, reverse=True)
    assert all(0.0 < share < 1.0 for share in likeness)


def _deviation(found: Neighbours, job: Job, tp: int = 4) -> float:
    widths = {name: np.array([SIZES[name] if name != "tp" else tp]) for name in WIDTHS}
    return float(found.deviation(job, widths, np.array([64]), np.array([0]))[0])


def test_less_is_unknown_where_runs_are_and_most_where_no_name_is_known() -> None:
    here = _deviation(SLOWER, _job())
    assert math.sqrt(OWN_VARIANCE) < here < 0.09
    assert here < _deviation(SLOWER, _job(), tp=64) < _deviation(SLOWER, _job(chip="y"), tp=64)
    assert here < _deviation(SLOWER, _job(profile="plain")) < math.sqrt(variance() + OWN_VARIANCE)
    stranger = Job("plain", "z", "n", "fp8", True, 4096, 8e9, 65536.0 * 64, "", "g", "2026")
    assert _deviation(SLOWER, _job(profile="plain")) < _deviation(SLOWER, stranger)
    assert _deviation(fit_neighbours(ROWS[:2], [0.0, 0.0]), _job()) > here  # two runs tell less than eight


def test_what_is_said_without_a_unit_is_what_a_fit_without_it_says() -> None:
    """The closed form for blocks against fitting again, where no run is an outlier."""
    rng = np.random.default_rng(5)
    rows = [
        _row(f"r{i}", 1.0, source=f"s{i % 4}", chip=f"c{i % 3}", tp=float(2 ** (i % 4)), profile=f"p{i % 2}")
        for i in range(16)
    ]
    runs = [run_of(o, PRIOR_MEAN + float(x)) for o, x in zip(rows, rng.normal(0.0, 0.01, 16), strict=True)]
    said = fit(runs).left_out([r.source for r in runs])
    rest = fit([r for r in runs if r.source != "s1"])
    asked = [i for i, r in enumerate(runs) if r.source == "s1"]
    there = rest.predict([runs[i] for i in asked])
    assert said.mean[asked] == pytest.approx(there.mean, abs=1e-3)
    assert said.deviation[asked] == pytest.approx(there.deviation, rel=0.02)


def test_runs_of_all_other_sources_say_what_a_calibration_without_the_source_would() -> None:
    left = [0.02 * i for i in range(8)]
    found = fit_neighbours(ROWS, left).without("s3")
    again = fit_neighbours([o for o in ROWS if o.source != "s3"], [x for i, x in enumerate(left) if i != 3])
    assert found.count == 7
    assert _shift(found, _job()) == pytest.approx(_shift(again, _job()), abs=2e-3)
    assert _deviation(found, _job()) == pytest.approx(_deviation(again, _job()), rel=1e-6)


def test_the_file_gives_the_same_runs_again(tmp_path: Path) -> None:
    file = tmp_path / "training_runs.csv"
    file.write_text(neighbours_csv(SLOWER), encoding="utf-8")
    again = read_neighbours(file)
    assert again.count == SLOWER.count
    assert _shift(again, _job()) == pytest.approx(_shift(SLOWER, _job()), rel=1e-4)
    assert read_neighbours(tmp_path / "none.csv").count == 0


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (",64,", ",many,", ("training_runs.csv:2", "chips", "many")),
        (",64,", ",-64,", ("training_runs.csv:2", "chips", "above 0")),
        (",no,", ",perhaps,", ("experts", "perhaps", "yes, no")),
        ("weight", "wait", ("no column weight",)),
    ],
)
def test_a_broken_file_is_named_with_line_and_column(
    tmp_path: Path, old: str, new: str, words: tuple[str, ...]
) -> None:
    file = tmp_path / "training_runs.csv"
    file.write_text(neighbours_csv(SLOWER).replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as raised:
        read_neighbours(file)
    assert all(word in str(raised.value) for word in words)


def test_the_shipped_runs_are_many_and_of_many_stacks() -> None:
    found = shipped_neighbours()
    assert found.count > 1000
    assert len({r.profile for r in found.runs}) > 10
    assert len({r.generation for r in found.runs}) > 3
    assert all(abs(r.residual) < 1.6 for r in found.runs)
