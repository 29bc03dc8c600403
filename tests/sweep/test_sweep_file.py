"""The sweep file: expansion, and everything that can be wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sweep_support import sweep_file

from planner.errors import InputError
from planner.sweep import load_sweep


def refusal(folder: Path, text: str) -> str:
    """What a sweep file is refused with."""
    with pytest.raises(InputError) as error:
        load_sweep(sweep_file(folder, text))
    return str(error.value)


def test_values_are_a_product_under_every_variant(tmp_path: Path) -> None:
    text = """\
name: rates
scenario: small.yaml
variants: [null, cheap]
values:
  workloads.chat.requests_per_s: [5, 1e1]
  sites.hall.power_mw: [1, 2, 3]
"""
    sweep = load_sweep(sweep_file(tmp_path, text))
    assert sweep.name == "rates"
    assert sweep.paths == ("workloads.chat.requests_per_s", "sites.hall.power_mw")
    assert len(sweep.cases) == 2 * 2 * 3
    assert len({c.name for c in sweep.cases}) == 12
    last = sweep.cases[-1]
    assert last.name == "cheap requests_per_s=10, power_mw=3"
    assert last.scenario.workloads[0].requests_per_s == 10
    assert last.scenario.sites[0].power_mw == 3
    assert last.scenario.sites[0].tariff_usd_per_kwh == 0.03
    assert sweep.cases[0].scenario.sites[0].tariff_usd_per_kwh is None


def test_cases_are_named_overrides(tmp_path: Path) -> None:
    text = """\
scenario: small.yaml
cases:
  - {name: base}
  - {name: large, overrides: {sites.hall.power_mw: 5, workloads.chat.requests_per_s: 50}}
"""
    base, large = load_sweep(sweep_file(tmp_path, text)).cases
    assert (base.name, base.overrides) == ("base", {})
    assert large.scenario.sites[0].power_mw == 5


def test_a_scenario_alone_is_one_case(tmp_path: Path) -> None:
    (only,) = load_sweep(sweep_file(tmp_path, "scenario: small.yaml\n")).cases
    assert only.variant is None
    assert only.name == "as it stands"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scenario: small.yaml\nvalue: {}\n", "did you mean 'values'?"),
        ("values: {sites.hall.power_mw: [1]}\n", "needs the name of a scenario file"),
        ("scenario: small.yaml\nvalues: {sites.hall.power_mw: 1}\n", "must be a list of values"),
        ("scenario: small.yaml\nvalues: {sites.hall.power_mw: []}\n", "must be a list of values"),
        ("scenario: small.yaml\nvalues: [1]\n", "must be dot paths"),
        ("scenario: small.yaml\nvalues: {sites.hal.power_mw: [1]}\n", "did you mean 'sites.hall.power_mw'?"),
        ("scenario: small.yaml\nvalues: {sites.hall.power_mw: [1, -1]}\n", "may not be negative"),
        ("scenario: small.yaml\nvalues: {sites.hall.power_mw: [.nan]}\n", "must be a finite number"),
        ("scenario: small.yaml\nvariants: [cheep]\n", "did you mean 'cheap'?"),
        ("scenario: small.yaml\nvariants: [cheap, cheap]\n", "named twice"),
        ("scenario: small.yaml\nvariants: [1]\n", "must be the name of a variant"),
        ("scenario: small.yaml\ncases: [{name: a}, {name: a}]\n", "name of two cases"),
        ("scenario: small.yaml\ncases: [{nam: a}]\n", "did you mean 'name'?"),
        ("scenario: small.yaml\ncases: [a]\n", "must be {name, overrides}"),
        ("scenario: small.yaml\ncases: [{name: a}]\nvalues: {a: [1]}\n", "both values and cases"),
        ("scenario: smal.yaml\n", "no such scenario file"),
        ("scenario: &a small.yaml\n", "anchors"),
        ("- small.yaml\n", "must be a mapping"),
        ("", "is empty"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(tmp_path, text)


@pytest.mark.parametrize("name", ["../outside.yaml", "/etc/passwd", "link.yaml"])
def test_a_sweep_reads_nothing_outside_its_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "outside.yaml").write_text("name: secret", encoding="utf-8")
    (folder / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    told = refusal(folder, f"scenario: {name}\n")
    assert "must be a file in the sweep's folder" in told
    assert "secret" not in told


def test_a_product_beyond_counting_is_refused_unexpanded(tmp_path: Path) -> None:
    numbers = ", ".join(str(n) for n in range(1, 101))
    paths = ("sites.hall.power_mw", "workloads.chat.requests_per_s", "horizon_years", "limits.chips")
    text = "scenario: small.yaml\nvalues:\n" + "".join(f"  {p}: [{numbers}]\n" for p in paths)
    assert "100,000,000" in refusal(tmp_path, text)


def test_one_mistake_in_every_case_is_not_told_a_thousand_times(tmp_path: Path) -> None:
    numbers = ", ".join(f"-{n}" for n in range(1, 1001))
    with pytest.raises(InputError) as error:
        load_sweep(sweep_file(tmp_path, f"scenario: small.yaml\nvalues: {{sites.hall.power_mw: [{numbers}]}}\n"))
    assert len(error.value.problems) <= 21
