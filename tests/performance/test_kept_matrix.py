"""A matrix that a calibration needs, kept between processes: the same numbers, and nothing broken is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from planner.performance.measured.kept import MOST, kept_square


def test_a_kept_matrix_is_the_one_that_was_made_and_a_damaged_file_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit; a byte that changed, a file too short and another digest are not used; few files stay."""
    monkeypatch.setenv("PLANNER_CACHE", str(tmp_path))
    matrix = np.random.default_rng(0).normal(size=(7, 7))
    asked: list[int] = []

    def made() -> np.ndarray:
        asked.append(1)
        return matrix

    for _ in range(2):
        assert np.array_equal(kept_square("a" * 64, 7, made), matrix)
    assert len(asked) == 1
    (file,) = tmp_path.glob("matrix-*")
    whole = file.read_bytes()
    for broken in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:-8], b""):
        file.write_bytes(broken)
        assert np.array_equal(kept_square("a" * 64, 7, made), matrix)
    assert len(asked) == 4
    for name in "bcd":
        kept_square(name * 64, 7, made)
    assert len(list(tmp_path.glob("matrix-*"))) == MOST
    monkeypatch.setenv("PLANNER_CACHE", "off")
    kept_square("d" * 64, 7, made)
    assert len(asked) == 8
