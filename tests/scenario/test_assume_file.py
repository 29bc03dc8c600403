"""A file of assumptions beside a scenario: read with it, below what the scenario says itself, checked like it."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner import load_catalog
from planner.errors import InputError
from planner.scenario import check_scenario, load_scenario, load_text, problem_digest, resolve, scenario_from_mapping

SCENARIO = """\
name: x
start: 2026-10
assume_file: figures/known.yaml
sites: [{name: a, region: us_va, power_mw: 5}]
workloads: [{kind: training, name: t, model: deepseek-v3, tokens: 1e12, sequence_length: 4096, global_batch: 1024}]
overrides:
  other: {assume.chips.mtt_s5000_liquid.tdp_w: 650}
"""
FIGURES = "chips:\n  mtt_s5000_liquid: {tdp_w: 700, idle_power_fraction: 0.13}\nsystems: {sgx5000: {price_usd: 1e5}}\n"


def written(folder: Path, scenario: str = SCENARIO, figures: str | None = FIGURES) -> Path:
    """A scenario with its file of assumptions in a folder of its own."""
    (folder / "figures").mkdir(exist_ok=True)
    if figures is not None:
        (folder / "figures" / "known.yaml").write_text(figures)
    (folder / "s.yaml").write_text(scenario)
    return folder / "s.yaml"


def problems(path: Path) -> list[str]:
    """What is wrong, as people see it."""
    with pytest.raises(InputError) as caught:
        load_scenario(path)
    return [str(p) for p in caught.value.problems]


def test_figures_of_the_file_are_the_scenarios_own(tmp_path: Path) -> None:
    """Merged figure by figure, the scenario's first; overrides reach them; written out they ask the same question."""
    path = written(tmp_path, SCENARIO + "assume: {chips: {mtt_s5000_liquid: {tdp_w: 720}}}\n")
    scenario = load_scenario(path)
    assert scenario.assume.chips == {"mtt_s5000_liquid": {"tdp_w": 720.0, "idle_power_fraction": 0.13}}
    assert scenario.assume.systems == {"sgx5000": {"price_usd": 1e5}}
    assert load_scenario(path, variant="other").assume.chips["mtt_s5000_liquid"]["tdp_w"] == 650
    again = scenario_from_mapping(resolve(scenario))
    assert problem_digest(again, "c") == problem_digest(scenario, "c")
    check_scenario(scenario, load_catalog())


def test_what_is_wrong_is_said_of_the_file_it_is_in(tmp_path: Path) -> None:
    """Form, kinds and figures with the file and line of the assumptions; names too, when a catalog is at hand."""
    (found,) = problems(written(tmp_path, figures="chps: {a: {b: 1}}\n"))
    assert "known.yaml:1" in found
    assert "chips" in found
    (found,) = problems(written(tmp_path, figures="chips:\n  a:\n    b: [1]\n"))
    assert "known.yaml:3" in found
    found = "\n".join(problems(written(tmp_path, figures="chips: {a: {b: 1}}\nchips: {a: {b: 2}}\n")))
    assert "known.yaml:2" in found
    scenario = load_scenario(written(tmp_path, figures="systems:\n  sgx500: {price_usd: 1}\n"))
    with pytest.raises(InputError) as caught:
        check_scenario(scenario, load_catalog())
    assert "known.yaml:2" in str(caught.value.problems[0])
    assert "sgx5000" in str(caught.value.problems[0])


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Not there, no YAML, no text, not the name of a file: one problem each."""
    (found,) = problems(written(tmp_path, figures=None))
    assert "assume_file" in found
    assert "known.yaml" in found
    assert len(problems(written(tmp_path, figures="{"))) == 1
    assert len(problems(written(tmp_path, figures=""))) == 1
    (found,) = problems(written(tmp_path, SCENARIO.replace("figures/known.yaml", "[a, b]")))
    assert "s.yaml:3" in found


def test_only_a_file_names_another(tmp_path: Path) -> None:
    """Text without a folder (an upload) reads nothing; an override may not name a file."""
    written(tmp_path)
    with pytest.raises(InputError, match="read from a file"):
        load_text(SCENARIO, "upload.yaml")
    with pytest.raises(InputError, match="cannot be overridden"):
        load_scenario(tmp_path / "s.yaml", overrides={"assume_file": "other.yaml"})
