"""Input that is legal and hardly meant is doubted with its line; what makes no sense at all is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.catalog import Catalog
from planner.cli import run
from planner.errors import InputError
from planner.scenario import check_scenario, load_scenario
from planner.scenario.doubts import doubt_notes, doubts

ROOT = Path(__file__).resolve().parents[2]
TEXT = """\
name: small
start: 2026-10
horizon_years: 3
finance: {discount_rate: 0.08}
limits: {capex_usd: 1e8}
sites: [{name: here, region: us_va, power_mw: 10, rack_kw: 40, tariff_usd_per_kwh: 0.08}]
hardware: {systems: [hgx_h100_oem], acquire: [buy]}
solve: {gap: 0.001}
assume: {systems: {hgx_h100_oem: {price_usd: 250e3}}}
workloads:
  - {name: chat, kind: serving, model: llama-3.1-8b, input_tokens: 500, output_tokens: 100, requests_per_s: 5, ttft_ms: 2000, tpot_ms: 50, percentile: 95, utilisation: 0.85}
  - {name: run, kind: training, model: llama-3.1-8b, tokens: 1e11, sequence_length: 8192, global_batch: 512, finish_within_days: 90}
"""  # noqa: E501 - two workloads, a line each


def written(folder: Path, old: str, new: str) -> Path:
    """The scenario with a piece of its text replaced."""
    assert TEXT.count(old) == 1
    file = folder / "scenario.yaml"
    file.write_text(TEXT.replace(old, new), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("power_mw: 10", "power_mw: 4800", 6, "kW for MW"),
        ("percentile: 95", "speculation: {method: mtp, tokens: [0, 1], acceptance: 0.7}", 11, "no prediction module"),
        ("power_mw: 10", "power_mw: 0.001", 6, "less than one server draws"),
        ("rack_kw: 40", "rack_kw: 0.04", 6, "MW for kW"),
        ("tariff_usd_per_kwh: 0.08", "tariff_usd_per_kwh: 2.5", 6, "USD per MWh"),
        ("discount_rate: 0.08", "discount_rate: 0.8", 4, "8% is 0.08"),
        ("gap: 0.001", "gap: 0.5", 8, "1% is 0.01"),
        ("capex_usd: 1e8", "capex_usd: 100", 5, "millions?"),
        ("start: 2026-10", "start: 2014-10", 2, "long past"),
        ("start: 2026-10", "start: 2090-10", 2, "far ahead"),
        ("horizon_years: 3", "horizon_years: 36", 3, "months?"),
        ("price_usd: 250e3", "price_usd: 0", 9, "assumed to be nothing"),
        ("ttft_ms: 2000", "ttft_ms: 2", 11, "seconds for ms"),
        ("percentile: 95", "percentile: 5", 11, "not 0.95"),
        ("utilisation: 0.85", "utilisation: 0.98", 11, "nears 1"),
        ("requests_per_s: 5", "requests_per_s: 5e6", 11, "requests a day"),
        ("tokens: 1e11", "tokens: 1e7", 12, "are 3 steps"),
        ("global_batch: 512", "global_batch: 4194304", 12, "counted in tokens"),
        ("sequence_length: 8192", "sequence_length: 262144", 12, "longer than the context"),
        ("finish_within_days: 90", "finish_within_days: 2000", 12, "horizon"),
    ],
)  # fmt: skip
def test_what_is_hardly_meant_is_doubted_with_its_line(
    tmp_path: Path, shipped: Catalog, old: str, new: str, line: int, says: str
) -> None:
    """One doubt, at its line, with what was probably meant."""
    scenario = load_scenario(written(tmp_path, old, new))
    check_scenario(scenario, shipped)
    found = [d for d in doubts(scenario, shipped) if says in str(d)]
    assert [d.line for d in found] == [line], [str(d) for d in doubts(scenario, shipped)]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("utilisation: 0.85", "utilisation: 1", "at most 0.99"),
        ("tokens: 1e11", "tokens: 1e6", "fewer than one step"),
        ("percentile: 95", "percentile: 0.95", "looks like a fraction"),
        ("discount_rate: 0.08", "discount_rate: 8", "looks like percent"),
        ("power_mw: 10", "power_mw: 10000", "looks like kW"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, shipped: Catalog, old: str, new: str, says: str) -> None:
    """With exit code 2's error, before anything is priced."""
    with pytest.raises(InputError, match=says):
        check_scenario(load_scenario(written(tmp_path, old, new)), shipped)


def test_the_examples_leave_no_doubt(shipped: Catalog) -> None:
    """Nor does the starting text."""
    for file in sorted((ROOT / "scenarios").glob("*.yaml")):
        assert not doubts(load_scenario(file), shipped), file


def test_doubts_reach_the_plan_and_the_command_line(
    tmp_path: Path, shipped: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    """As notes of plan.json (which the app and the page show), the same wherever the file lies; and in `resolve`."""
    file = written(tmp_path, "tariff_usd_per_kwh: 0.08", "tariff_usd_per_kwh: 2.5")
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:11]), encoding="utf-8")
    assert run(["plan", str(file), "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    (note,) = (n for n in notes if n.startswith("To check:"))
    assert "line 6: sites.here.tariff_usd_per_kwh" in note or "line 6: sites[0].tariff_usd_per_kwh" in note
    assert str(tmp_path) not in note
    assert note in doubt_notes(load_scenario(file), shipped)
    assert run(["resolve", str(file)]) == 0
    assert f"warning: {file}:6" in capsys.readouterr().err
