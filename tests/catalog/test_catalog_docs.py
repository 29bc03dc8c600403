"""The worked example of docs/catalog.md loads and does what the page says."""

import re
from pathlib import Path

import pytest

from planner.catalog import load_catalog

PAGE = Path(__file__).parents[2] / "docs" / "catalog.md"


def test_the_worked_example(tmp_path):
    files = re.findall(r"`mine/(\w+\.csv)`\n\n```csv\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert [name for name, _ in files] == ["chips.csv", "systems.csv", "regions.csv", "costs.csv", "sources.csv"]
    for name, content in files:
        (tmp_path / name).write_text(content, encoding="utf-8")
    catalog = load_catalog(tmp_path)
    assert catalog.chip("H100").need("price_usd") == 21500
    acme = catalog.chip("acme1")
    assert acme.need("bf16_fp16_tflops_dense") == 1200
    assert acme.need("usable_mem_gib") == pytest.approx(190.08)
    assert acme.figure("mem_gb").source == "Acme One data sheet, revision 2 (2026-09)"
    assert acme.cooling == ("d2c_1p", "d2c_1p_hybrid", "d2c_2p")
    assert acme.get("tdp_w") is None
    assert catalog.with_assumptions({"chips": {"acme1": {"tdp_w": 1000}}}).chip("acme1").need("tdp_w") == 1000
    assert catalog.default_system("acme1").id == "acme_8"
    site = catalog.region("abilene")
    assert site.need("tariff_usd_per_kwh") == 0.043
    assert site.figure("carbon_kg_per_kwh").note.startswith("figure of region us_tx")
    assert site.figure("build_capex_usd_per_mw").note.startswith("figure of region us:")
    assert catalog.cost("wacc") == 0.085
