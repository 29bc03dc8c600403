"""Running sweeps: what is kept, what is run again, and what a spreadsheet gets."""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sweep_support import SCENARIO, sweep_file

import planner.planning.plan
from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.errors import InputError, SolveError
from planner.export.quoting import safe_cell
from planner.sweep import CaseResult, SweepOutcome, run_sweep, summary_csv, sweep_table
from planner.sweep.engine import Done, run_tasks

TWO = "scenario: small.yaml\nvalues: {workloads.chat.requests_per_s: [5, 10]}\n"
RATES = "scenario: small.yaml\nvalues: {workloads.chat.requests_per_s: [5, 10, 1e6]}\n"


@pytest.fixture
def quick(in_process: None, monkeypatch: pytest.MonkeyPatch, shipped: Catalog) -> None:
    """One process, one reading of the catalog."""
    for module in ("run", "engine"):
        monkeypatch.setattr(f"planner.sweep.{module}.load_catalog", lambda _=None: shipped)


@pytest.mark.usefixtures("quick")
def test_every_case_has_an_answer_and_an_infeasible_one_is_one(tmp_path: Path) -> None:
    told: list[str] = []
    seen: list[float] = []
    outcome = run_sweep(
        sweep_file(tmp_path, RATES), tmp_path / "out", engine="serial", tell=told.append,
        progress=lambda _, share: seen.append(share),
    )  # fmt: skip
    assert told == ["3 cases, 3 distinct: 0 done, 3 to run"]
    assert seen == pytest.approx([1 / 3, 2 / 3, 1])
    assert [c.status for c in outcome.cases] == ["proven_optimal", "proven_optimal", "infeasible"]
    assert (outcome.ran, outcome.already, outcome.failed) == (3, 0, 0)
    for case in outcome.cases:
        plan = Plan.read(tmp_path / "out" / case.file)
        assert plan.status == case.status
        assert plan.answer == case.answer
    first, second, never = outcome.cases
    assert first.tco_usd is not None
    assert second.tco_usd is not None
    assert first.tco_usd <= second.tco_usd
    assert never.tco_usd is None
    assert json.loads(json.dumps(outcome.to_dict()))["cases"][0]["overrides"] == {"workloads.chat.requests_per_s": 5}


@pytest.mark.usefixtures("quick")
def test_what_is_known_is_not_planned_again_and_equal_questions_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = SCENARIO.replace("name: small", "name: another name")
    first = run_sweep(sweep_file(tmp_path, RATES), tmp_path / "out", engine="serial")
    counted: list[object] = []
    real = planner.planning.plan.plan
    monkeypatch.setattr(planner.planning.plan, "plan", lambda *a, **k: (counted.append(1), real(*a, **k))[1])
    more = RATES.replace("[5, 10, 1e6]", "[5, 10, 10.0, 20]")
    second = run_sweep(sweep_file(tmp_path, more, same), tmp_path / "out", engine="serial")
    assert len(counted) == 1  # only 20 is new; the name of a scenario is not part of the question, 10.0 is 10
    assert (second.expanded, second.distinct, second.already, second.ran) == (4, 3, 2, 1)
    assert second.cases[0].key == first.cases[0].key
    assert second.cases[1].file == second.cases[2].file


@pytest.mark.usefixtures("quick")
def test_how_it_is_solved_is_part_of_what_is_kept(tmp_path: Path) -> None:
    one = run_sweep(sweep_file(tmp_path, "scenario: small.yaml\n"), tmp_path / "out", engine="serial")
    text = "scenario: small.yaml\nvalues: {solve.gap: [0.01]}\n"
    two = run_sweep(sweep_file(tmp_path, text), tmp_path / "out", engine="serial")
    assert one.cases[0].key != two.cases[0].key
    assert two.ran == 1


@pytest.mark.usefixtures("quick")
def test_a_failure_is_shown_and_tried_again_by_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = planner.planning.plan.plan

    def moody(scenario: Any, **more: Any) -> Plan:
        if scenario["workloads"][0]["requests_per_s"] == 10:
            raise SolveError("=the solver is in a mood")
        return real(scenario, **more)

    file = sweep_file(tmp_path, RATES)
    monkeypatch.setattr(planner.planning.plan, "plan", moody)
    bad = run_sweep(file, tmp_path / "out", engine="serial")
    assert [c.status for c in bad.cases] == ["proven_optimal", "failed", "infeasible"]
    assert bad.cases[1].error == "=the solver is in a mood"
    assert bad.failed == 1
    assert ",'=the solver is in a mood," in (tmp_path / "out" / "summary.csv").read_text(encoding="utf-8")
    monkeypatch.setattr(planner.planning.plan, "plan", real)
    good = run_sweep(file, tmp_path / "out", engine="serial")
    assert (good.already, good.ran, good.failed) == (2, 1, 0)
    with sqlite3.connect(tmp_path / "out" / "ledger.sqlite") as ledger:
        rows = dict(ledger.execute("SELECT key, attempts FROM run"))
    ledger.close()
    assert sorted(rows.values()) == [1, 1, 2]


@pytest.mark.usefixtures("quick")
def test_an_interrupt_keeps_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = planner.planning.plan.plan

    def interrupted(scenario: Any, **more: Any) -> Plan:
        if scenario["workloads"][0]["requests_per_s"] == 10:
            raise KeyboardInterrupt
        return real(scenario, **more)

    told: list[str] = []
    file = sweep_file(tmp_path, RATES)
    with monkeypatch.context() as patch:
        patch.setattr(planner.planning.plan, "plan", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(file, tmp_path / "out", engine="serial", tell=told.append)
    assert told[-1].startswith("stopped: 1 of 3 done")
    assert run_sweep(file, tmp_path / "out", engine="serial").already == 1


@pytest.mark.usefixtures("quick")
def test_a_plan_that_has_gone_is_made_again(tmp_path: Path) -> None:
    file = sweep_file(tmp_path, "scenario: small.yaml\n")
    first = run_sweep(file, tmp_path / "out", engine="serial")
    (tmp_path / "out" / first.cases[0].file).unlink()
    assert run_sweep(file, tmp_path / "out", engine="serial").ran == 1


@pytest.mark.usefixtures("quick")
def test_names_the_catalog_lacks_are_told_before_anything_is_written(tmp_path: Path) -> None:
    text = "scenario: small.yaml\nvalues: {workloads.chat.model: [llama-3.1-8b, llama-3.1-8c]}\n"
    with pytest.raises(InputError, match=r"did you mean 'llama-3.1-8b'"):
        run_sweep(sweep_file(tmp_path, text), tmp_path / "out", engine="serial")
    with pytest.raises(InputError, match="unknown engine 'remote'"):
        run_sweep(sweep_file(tmp_path, RATES), tmp_path / "out", engine="remote")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("quick")
def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    file = sweep_file(tmp_path, RATES)
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "ledger.sqlite").write_text("not a database, but long enough to be read as one" * 40)
    (tmp_path / "busy").mkdir()
    other = sqlite3.connect(tmp_path / "busy" / "ledger.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        for name, message in (
            ("file", "is not a folder"), ("file/below", "cannot write"), ("bad", "is not a ledger"),
            ("busy", "another sweep is writing here"),
        ):  # fmt: skip
            with pytest.raises(InputError, match=message):
                run_sweep(file, tmp_path / name, engine="serial")
    finally:
        other.close()


@pytest.mark.usefixtures("quick")
def test_processes_give_what_one_process_gives(tmp_path: Path) -> None:
    file = sweep_file(tmp_path, TWO)
    serial = run_sweep(file, tmp_path / "serial", engine="serial")
    local = run_sweep(file, tmp_path / "local", engine="local", workers=2)
    for one, two in zip(serial.cases, local.cases, strict=True):
        assert (one.key, one.status, one.tco_usd, one.hardware) == (two.key, two.status, two.tco_usd, two.hardware)
    assert {p.name for p in (tmp_path / "local").rglob("*.json")} == {f"{c.key}.json" for c in local.cases}


def test_a_process_that_dies_takes_one_task_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # the process dies, once, at the moment it would start its solver
    boot = tmp_path / "boot"
    boot.mkdir()
    (boot / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def watch(event, args):\n"
        "    if event == 'subprocess.Popen' and os.path.exists(os.environ['PLANNER_TEST_DEADLY']):\n"
        "        os.unlink(os.environ['PLANNER_TEST_DEADLY'])\n"
        "        os._exit(9)\n"
        "sys.addaudithook(watch)\n",
        encoding="utf-8",
    )
    deadly = tmp_path / "deadly"
    deadly.touch()
    monkeypatch.setenv("PLANNER_TEST_DEADLY", str(deadly))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(boot), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))
    outcome = run_sweep(sweep_file(tmp_path, TWO), tmp_path / "out", engine="local", workers=1)
    assert not deadly.exists()  # one process did die
    assert [c.status for c in outcome.cases] == ["proven_optimal", "proven_optimal"]
    with sqlite3.connect(tmp_path / "out" / "ledger.sqlite") as ledger:
        attempts = [n for (n,) in ledger.execute("SELECT attempts FROM run")]
    ledger.close()
    assert sorted(attempts) == [1, 2]


def test_no_task_needs_no_process() -> None:
    def tasks() -> Iterator[tuple[str, dict[str, Any]]]:
        yield from ()

    found: list[Done] = list(run_tasks(tasks(), "local", 4, None))
    assert found == []


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "a;=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    """Nor is a part of it where the reader's spreadsheet cuts lines at semicolons."""
    sign = text.strip().removeprefix("a;")
    assert str(safe_cell(text)).lstrip().removeprefix("a;") == f"'{sign}"


def test_the_csv_reads_back_with_numbers_as_numbers() -> None:
    case = CaseResult(
        name="=cmd|' /C calc'!A0", variant=None, overrides={"a.b": -1.5}, key="k", status="proven_optimal",
        objective_value=-2.0, answer="one, two\n\"three\"",
    )  # fmt: skip
    (row,) = csv.DictReader(summary_csv([case], ["a.b"]).splitlines(keepends=True))
    assert row["name"] == "'=cmd|' /C calc'!A0"
    assert float(row["a.b"]) == -1.5
    assert float(row["objective_value"]) == -2.0
    assert row["answer"] == 'one, two\n"three"'
    assert row["variant"] == ""


def test_the_table_has_the_first_and_says_how_many_more() -> None:
    cases = tuple(CaseResult(f"case{n}", None, {}, str(n), "failed", error="why") for n in range(70))
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(sweep_table(SweepOutcome("s", "out", cases, 70, 70, 0, 70, 70, 1.0)))
    text = console.export_text()
    assert "case59" in text
    assert "case60" not in text
    assert "10 more cases in summary.csv" in text
