"""Keeping a catalog: what is old, what changed and what that does to a plan, what does not go together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner import load_catalog
from planner.catalog.upkeep import LASTS_MONTHS, changes, figures, inconsistent, stale
from planner.cli import run

CATALOG = load_catalog()
HEAD = "id,field,low,value,high,unit,as_of,source,kind,note\n"
SCENARIO = """
name: small
start: 2026-10
sites: [{name: a, region: us_va, power_mw: 1}]
hardware: {systems: [hgx_h100_oem]}
workloads: [{kind: serving, name: s, model: llama-3.1-8b, input_tokens: 500, output_tokens: 100, requests_per_s: 5,
  parallelism: {tp: 1}}]
"""


def test_what_is_old_is_older_than_its_kind_lasts() -> None:
    found = stale(CATALOG, "2026-11")
    by_path = dict(figures(CATALOG))
    overdue = [s.months - s.lasts for s in found]
    assert overdue == sorted(overdue, reverse=True)
    assert min(overdue) > 0
    for s in found[:200]:
        year, month = (*map(int, s.as_of.split("-")[:2]), 7)[:2]
        assert s.months == (2026 - year) * 12 + 11 - month
        assert by_path[s.path].value == s.value
        assert s.lasts <= LASTS_MONTHS.get(s.kind, 36)
    paths = {s.path for s in found}
    assert "systems.dgx1_v100_16.price_usd" in paths  # of 2018
    assert "chips.h100_sxm.mem_gb" not in paths  # a data sheet lasts
    assert not stale(CATALOG, "2010-01")
    assert {s.kind for s in stale(CATALOG, "2026-11", "list_price")} == {"list_price"}


def test_what_changed_is_found_and_nothing_else() -> None:
    assert changes(CATALOG, CATALOG) == []
    other = CATALOG.with_assumptions({"systems": {"hgx_h100_oem": {"price_usd": 200_000.0}}})
    (found,) = changes(CATALOG, other)
    assert (found.path, found.before, found.after) == ("systems.hgx_h100_oem.price_usd", 310_000.0, 200_000.0)


def test_figures_that_do_not_go_together_are_named() -> None:
    known = {p.path for p in inconsistent(CATALOG)}
    assert known <= {"systems.atlas_960_4096.mem_total_tb"}  # as its maker states it
    odd = CATALOG.with_assumptions(
        {
            "systems": {"hgx_h100_oem": {"power_kw_server_max": 3.0, "mem_total_tb": 6.4, "price_usd": 9e6}},
            "chips": {"h100_sxm": {"fp8_tflops_dense": 500.0}},
        }
    )
    found = {p.path for p in inconsistent(odd)} - known
    assert {
        "systems.hgx_h100_oem.power_kw_server_max",
        "systems.hgx_h100_oem.mem_total_tb",
        "systems.hgx_h100_oem.price_usd",
        "chips.h100_sxm.fp8_tflops_dense",
    } <= found


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["catalog", "stale", "--on", "2026-11", "--kind", "list_price", "--json"]) == 0
    assert all(row["kind"] == "list_price" for row in json.loads(capsys.readouterr().out))
    assert run(["catalog", "stale", "--on", "soon"]) == 2
    assert "YYYY-MM" in capsys.readouterr().err
    folder, file = tmp_path / "mine", tmp_path / "small.yaml"
    (folder / "systems").mkdir(parents=True)
    row = "hgx_h100_oem,price_usd,,200000,,usd,2026-11,quote of a reseller,list_price,\n"
    (folder / "systems" / "mine.csv").write_text(HEAD + row)
    file.write_text(SCENARIO)
    assert run(["catalog", "diff", str(folder), "--scenario", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (change,) = told["changes"]
    assert (change["before"], change["after"]) == (310_000, 200_000)
    assert told["plan"]["after"]["objective"] < told["plan"]["before"]["objective"]
    assert run(["catalog", "diff", str(folder)]) == 0
    assert "systems.hgx_h100_oem.price_usd" in capsys.readouterr().out
