"""Questions about an answer from the command line: tables, JSON, files, and what is said of wrong input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_support import SCENARIO, Shell, files_of, write

from planner.outlook.result import Alternatives, Outlook, ParetoFront, Sensitivity

pytestmark = pytest.mark.usefixtures("in_process")
CHOICE = SCENARIO.replace("systems: [hgx_h100_oem]", "systems: [hgx_h100_oem, dgx_h200]")
UNCERTAIN = SCENARIO + "outcomes: {samples: 200, seed: 3, demand_factor: {chat: {values: [0.5, 1, 1e4]}}}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two systems to choose from."""
    return write(tmp_path, CHOICE)


def document(shell: Shell) -> dict[str, Any]:
    """All of standard output as JSON; nothing else was said."""
    assert shell.err == ""
    found = json.loads(shell.out)
    assert found["schema"] == 1
    return dict(found)


def test_pareto_gives_plans_that_do_not_beat_each_other(shell: Shell, file: Path, tmp_path: Path) -> None:
    assert shell("pareto", file, "--of", "cost,power", "--json", "--out", tmp_path / "out") == 0
    front = ParetoFront.model_validate(document(shell))
    assert [a.name for a in front.axes] == ["cost", "power"]
    rows = [(p.values["cost"], p.values["power"]) for p in front.points]
    assert all(p.verified for p in front.points)
    assert rows == sorted(rows)
    assert [r[1] for r in rows] == sorted((r[1] for r in rows), reverse=True)
    assert files_of(tmp_path / "out") == {"pareto.json"}
    assert ParetoFront.model_validate_json((tmp_path / "out" / "pareto.json").read_text("utf-8")) == front


def test_pareto_prints_a_row_a_plan(shell: Shell, file: Path) -> None:
    assert shell("pareto", file, "--of", "all") == 0
    for part in ("cost (", "time (", "power (", "carbon (", "hgx_h", "chat"):
        assert part in shell.out


@pytest.mark.parametrize(
    ("of", "said"),
    [
        ("cost,powr", ("'powr'", "power", "carbon", "throughput")),
        ("cost", ("two or more different objectives",)),
        ("cost,cost", ("two or more different objectives",)),
        ("", ("unknown objective",)),
    ],
)
def test_a_wrong_objective_is_named_beside_those_there_are(
    of: str, said: tuple[str, ...], shell: Shell, file: Path
) -> None:
    assert shell("pareto", file, "--of", of, "--json") == 2
    assert shell.out == ""
    for part in said:
        assert part in shell.err


def test_the_nearest_objective_is_proposed(shell: Shell, file: Path) -> None:
    assert shell("pareto", file, "--of", "cost,carbn") == 2
    nearest = next(line for line in shell.err.splitlines() if "id you mean" in line)
    assert "carbon" in nearest


@pytest.mark.parametrize("points", [1, 201])
def test_too_few_and_too_many_points(points: int, shell: Shell, file: Path) -> None:
    assert shell("pareto", file, "--points", points) == 2
    assert "2 .. 200" in shell.err


def test_alternatives_lie_within_the_slack(shell: Shell, file: Path, tmp_path: Path) -> None:
    assert shell("alternatives", file, "--near", 0.5, "--json", "--out", tmp_path / "out") == 0
    found = Alternatives.model_validate(document(shell))
    assert found.plans
    best = found.best.values["cost"]
    for p in found.plans:
        assert p.verified
        assert p.changed > 0
        assert best * (1 - 1e-6) <= p.values["cost"] <= best * 1.5 * (1 + 1e-6)
        assert p.difference == pytest.approx(p.values["cost"] / best - 1, abs=1e-9)
    assert files_of(tmp_path / "out") == {"alternatives.json"}
    assert shell("alternatives", file, "--near", 0.5) == 0
    assert "best" in shell.out
    assert found.plans[0].name in shell.out


@pytest.mark.parametrize("near", [0, -0.1, 1.5, "nan"])
def test_a_slack_is_a_fraction(near: object, shell: Shell, file: Path) -> None:
    assert shell("alternatives", file, f"--near={near}") == 2
    assert "0 .. 1" in shell.err


def test_sensitivity_moves_prices_tariffs_and_times(shell: Shell, file: Path, tmp_path: Path) -> None:
    assert shell("sensitivity", file, "--json", "--out", tmp_path / "out") == 0
    found = Sensitivity.model_validate(document(shell))
    assert found.decision in found.answer
    assert any(m.path.endswith("price_usd") for m in found.inputs)
    assert any(m.path.startswith("time on") for m in found.inputs)
    for m in found.inputs:
        assert m.low < m.high
        if m.value_low is not None and m.value_high is not None:
            assert m.value_low <= found.value * (1 + 1e-9)
            assert m.value_high >= found.value * (1 - 1e-9)
    assert files_of(tmp_path / "out") == {"sensitivity.json"}


def test_outlook_counts_what_the_scenario_says_may_come(shell: Shell, tmp_path: Path) -> None:
    """Demand is ten thousand times the plan's in one future of three: the load is kept in the other two."""
    file = write(tmp_path, UNCERTAIN)
    assert shell("outlook", file, "--json", "--out", tmp_path / "out") == 0
    found = Outlook.model_validate(document(shell))
    assert (found.samples, found.seed) == (200, 3)
    promise = found.plans[0].promises[0]
    assert (promise.workload, promise.what) == ("chat", "load")
    assert promise.probability == pytest.approx(2 / 3, abs=0.02)
    assert not found.plans[0].holds
    assert files_of(tmp_path / "out") == {"outlook.json"}
    assert shell("outlook", file) == 0
    assert f"chat {promise.probability:.1%}" in shell.out


def test_a_plan_with_outcomes_says_where_its_probabilities_are(shell: Shell, tmp_path: Path) -> None:
    assert shell("plan", write(tmp_path, UNCERTAIN), "--quiet") == 0
    assert "planner outlook" in shell.out
    assert "probabilit" in shell.out
    assert shell("plan", write(tmp_path), "--quiet") == 0
    assert "planner outlook" not in shell.out


@pytest.mark.parametrize("command", ["pareto", "alternatives", "sensitivity", "outlook"])
def test_where_nothing_is_possible_that_is_the_answer(command: str, shell: Shell, tmp_path: Path) -> None:
    assert shell(command, write(tmp_path), "--variant", "too_much", "--json") == 3
    assert shell.out == ""
    assert "planner plan" in shell.err


@pytest.mark.parametrize("command", ["pareto", "alternatives", "sensitivity", "outlook"])
def test_a_file_that_is_not_there_and_a_variant_that_is_not(command: str, shell: Shell, tmp_path: Path) -> None:
    assert shell(command, tmp_path / "none.yaml") == 2
    assert shell(command, write(tmp_path), "--variant", "duoble") == 2
    assert "double" in shell.err


@pytest.mark.parametrize("command", ["pareto", "alternatives", "sensitivity", "outlook"])
def test_an_out_that_is_a_file_is_refused_before_the_work(command: str, shell: Shell, tmp_path: Path) -> None:
    """Before even the scenario is read, which is not there."""
    assert shell(command, tmp_path / "none.yaml", "--out", write(tmp_path)) == 2
    assert "--out is not a folder" in shell.err
    assert shell.out == ""
