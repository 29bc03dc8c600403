"""Rows of a file of one's own that no run can have: each says why it is not answered, the others are answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.catalog import load_catalog
from planner.errors import InputError
from planner.validation.cases import FIGURES, SIZES, WHOLE, read_cases
from planner.validation.report import validate

TRAINING = {
    "case_id": "A-1", "source_title": "mine", "year": "2025", "model": "Llama-3.1-70B", "chip": "H100",
    "n_chips": "512", "precision": "bf16", "tp": "4", "pp": "4", "vpp": "5", "dp": "32", "cp": "1", "ep": "1",
    "seq_len": "8192", "micro_batch": "1", "global_batch": "512", "framework": "NeMo", "tokens_per_s_per_chip": "1000",
}  # fmt: skip
SERVING = {
    "case_id": "A-1", "source_title": "mine", "year": "2025", "model": "Llama-3.1-70B", "chip": "H100-SXM",
    "n_chips": "8", "framework": "vLLM", "weight_precision": "fp8", "tp": "8", "pp": "1", "dp": "1", "ep": "1",
    "isl": "1024", "osl": "512", "concurrency_or_batch": "32", "scenario": "server", "disaggregated": "0",
    "tpot_ms": "20",
}  # fmt: skip
ODD = ("0", "-1", "x", "1.5.2", "nan", "1e99", "99999999")


def _file(tmp_path: Path, rows: list[dict[str, str]]) -> Path:
    file = tmp_path / "rows.csv"
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


@pytest.mark.parametrize("base", [TRAINING, SERVING], ids=["training", "serving"])
def test_an_odd_cell_costs_its_row_and_no_other(tmp_path: Path, base: dict[str, str]) -> None:
    described = [c for c in (*WHOLE, *SIZES) if c in base]
    rows = [{**base, "case_id": "good"}]
    rows += [{**base, "case_id": f"{c}={odd}", c: odd} for c in described for odd in ODD]
    found = {r.case_id: r for r in validate(_file(tmp_path, rows), load_catalog()).results}
    assert len(found) == len(rows)  # none is lost
    assert found["good"].predicted
    for r in found.values():
        assert (r.predicted is None) == bool(r.reason), r
        column, _, odd = r.case_id.partition("=")
        if odd in {"0", "-1", "x", "1.5.2", "nan", "1e99"}:
            assert column in r.reason, r
            assert odd in r.reason


def test_a_measurement_that_is_no_number_is_named_with_its_line(tmp_path: Path) -> None:
    rows = [TRAINING, {**TRAINING, "case_id": "A-2", "tokens_per_s_per_chip": "fast"}]
    with pytest.raises(InputError) as raised:
        read_cases(_file(tmp_path, rows))
    text = str(raised.value)
    assert "rows.csv:3" in text
    assert "tokens_per_s_per_chip" in text
    assert "fast" in text
    assert "tokens_per_s_per_chip" in FIGURES
