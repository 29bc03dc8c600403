"""The command line as people expect it: forms of answers, scenarios by name and pipe, values set, versions, logs."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_support import SCENARIO, Shell, write

from planner.answer.rows import DEPLOYMENT_COLUMNS

ROOT = Path(__file__).resolve().parents[2]


def table(text: str) -> list[dict[str, str]]:
    """CSV as rows."""
    return list(csv.DictReader(io.StringIO(text)))


class Pipe(io.TextIOWrapper):
    """Standard input with a text in it."""

    def __init__(self, text: str) -> None:
        super().__init__(io.BytesIO(text.encode()), encoding="utf-8")


@pytest.mark.usefixtures("in_process")
def test_a_plan_in_every_form_says_the_same(shell: Shell, tmp_path: Path) -> None:
    """Cells of CSV are the figures of JSON; Markdown has the same rows; two forms at once are refused."""
    file = write(tmp_path)
    assert shell("plan", file, "--format", "json") == 0
    whole = json.loads(shell.out)
    assert shell("plan", file, "--format", "csv") == 0
    (row,) = table(shell.out)
    assert tuple(row) == DEPLOYMENT_COLUMNS
    deployment = whole["deployments"][0]
    assert float(row["total_usd"]) == deployment["cost"]["total_usd"]
    assert float(row["ttft_ms"]) == deployment["predicted"]["ttft_ms"]
    assert row["system"] == "hgx_h100_oem"
    assert shell("plan", file, "--format", "md") == 0
    head, rule, *lines = shell.out.splitlines()
    assert head.count("|") == rule.count("|") == lines[0].count("|") == len(DEPLOYMENT_COLUMNS) + 1
    assert shell("plan", file, "--format", "csv", "--json") == 2
    assert shell("plan", file, "--format", "xml") == 2


@pytest.mark.usefixtures("in_process")
def test_values_are_set_by_path_and_read_from_a_pipe(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--set`` is an override; later ones win; bad ones are told with the nearest name, all at once."""
    file = write(tmp_path)
    assert shell("plan", file, "--set", "workloads.chat.requests_per_s=10", "--json", "--quiet") == 0
    set_ = json.loads(shell.out)
    assert shell("plan", file, "--variant", "double", "--json", "--quiet") == 0
    assert set_["totals"] == json.loads(shell.out)["totals"]
    monkeypatch.setattr(sys, "stdin", Pipe(SCENARIO))
    assert shell("resolve", "-", "--set", "sites.hall.power_mw=2", "--set", "sites.hall.power_mw=3", "--json") == 0
    assert json.loads(shell.out)["sites"][0]["power_mw"] == 3
    assert shell("resolve", file, "--set", "sites.hal.power_mw=3", "--set", "nonsense") == 2
    assert "is not an assignment" in shell.err
    assert shell("resolve", file, "--set", "sites.hal.power_mw=3") == 2
    assert "sites.hall.power_mw" in shell.err
    monkeypatch.setattr(sys, "stdin", Pipe("name: [unfinished"))
    assert shell("resolve", "-") == 2
    assert "standard input" in shell.err


def test_shipped_scenarios_go_by_name(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever one stands; a file of that name comes first; a slip is told the nearest."""
    monkeypatch.chdir(tmp_path)
    assert shell("resolve", "quickstart", "--json") == 0
    assert json.loads(shell.out)["name"] == "A 70B assistant"
    assert shell("resolve", "quikstart") == 2
    assert "did you mean 'quickstart'?" in shell.err
    (tmp_path / "quickstart").write_text(SCENARIO)
    assert shell("resolve", "quickstart", "--json") == 0
    assert json.loads(shell.out)["name"] == "small"


def test_version_and_completion() -> None:
    """The version of the package; a completion script for the shell."""
    for module in ("planner", "ai_compute_planner"):
        done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, cwd=ROOT)
        assert re.fullmatch(r"planner \d+\.\d+\S* \(ai-compute-planner, Python 3\.\d+\.\d+\S*\)\n", done.stdout)
    done = subprocess.run(
        [sys.executable, "-m", "planner"],
        capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "_PLANNER_COMPLETE": "complete_bash", "COMP_WORDS": "planner plan quick", "COMP_CWORD": "2"},
    )  # fmt: skip
    assert "quickstart" in done.stdout.split()


def test_another_module_of_the_name_is_named(tmp_path: Path) -> None:
    """A package that hides ours is told with its place, without a traceback."""
    other = tmp_path / "planner" / "__init__.py"
    other.parent.mkdir()
    other.write_text("__version__ = '0.6.1'\n")
    done = subprocess.run(
        [sys.executable, str(ROOT / "ai_compute_planner.py"), "--version"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)}, cwd=tmp_path,
    )  # fmt: skip
    if done.returncode == 0:  # the folder of the script stands before PYTHONPATH
        done = subprocess.run(
            [sys.executable, "-c", "import sys; sys.path[:0] = [sys.argv[1]]; sys.path.append(sys.argv[2]);"
             "import ai_compute_planner; ai_compute_planner.main()", str(tmp_path), str(ROOT)],
            capture_output=True, text=True, cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 2
    assert str(other) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_word_is_said_before_anything_slow_is_imported(tmp_path: Path) -> None:
    """The first line on standard error is there when no room of the program is loaded yet."""
    probe = (
        "import sys, planner.cli.base as base\n"
        "def told(text):\n"
        "    slow = {'numpy', 'planner.planning.plan', 'planner.scenario', 'rich'} & set(sys.modules)\n"
        "    raise SystemExit(f'{text} {sorted(slow)}')\n"
        "base.say = told\n"
        "from planner.cli import run; run(['plan', sys.argv[1]])"
    )
    done = subprocess.run([sys.executable, "-c", probe, str(write(tmp_path))], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr.strip() == f"Planning {tmp_path / 'small.yaml'} ... []"


@pytest.mark.usefixtures("in_process")
def test_verbose_logs_what_is_done(tmp_path: Path) -> None:
    """-v says each step on standard error, and PLANNER_LOG does the same; without them nothing is logged."""
    file = write(tmp_path)
    run = [sys.executable, "-m", "planner", "resolve", str(file)]
    quiet = subprocess.run(run, capture_output=True, text=True, cwd=ROOT)
    assert quiet.stderr == ""
    name = "planner.planning.question"
    code = f"import logging, planner.cli.base as b; b.log_to_stderr(); logging.getLogger('{name}').info('hello')"
    for level, told in (("info", True), ("warning", False)):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT,
            env={**os.environ, "PLANNER_LOG": level},
        )  # fmt: skip
        assert ("INFO planner.planning.question: hello" in done.stderr) is told
    bad = subprocess.run(run, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PLANNER_LOG": "loud"})
    assert bad.returncode == 2
    assert "PLANNER_LOG" in bad.stderr


HEAD = "id,field,low,value,high,unit,as_of,source,kind,note\n"


def test_checking_a_folder_speaks_of_that_folder(shell: Shell, tmp_path: Path) -> None:
    """What is new, what is changed, what is thin about those: not the warnings about everything else."""
    write(
        tmp_path,
        HEAD + "my_chip,name,,My Chip,,,,,,\nmy_chip,vendor,,Me,,,,,,\nmy_chip,tdp_w,,500,,w,2026-01,mine,measured,\n"
        "h100_sxm,tdp_w,,650,,w,2026-01,mine,measured,\n",
        "chips.csv",
    )
    assert shell("catalog", "check", "--catalog", tmp_path) == 0
    assert "new: 1 chip (my_chip); changed: 1 chip (h100_sxm)" in shell.out
    assert "chips.my_chip" in shell.err
    assert all("my_chip" in line or "h100_sxm" in line for line in shell.err.splitlines())
    assert shell("catalog", "check", "--catalog", tmp_path, "--json") == 0
    found = json.loads(shell.out)
    assert found["own"] == {"new": {"chips": ["my_chip"]}, "changed": {"chips": ["h100_sxm"]}}
    write(tmp_path, HEAD + "my_chip,tdp_watts,,500,,w,2026-01,mine,measured,\n", "chips.csv")
    assert shell("catalog", "check", "--catalog", tmp_path) == 2
    assert "tdp_w" in shell.err


def test_the_variable_names_a_folder_too(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PLANNER_CATALOG is --catalog for every command."""
    write(tmp_path, HEAD + "h100_sxm,tdp_w,,650,,w,2026-01,mine,measured,\n", "chips.csv")
    monkeypatch.setenv("PLANNER_CATALOG", str(tmp_path))
    assert shell("catalog", "show", "h100_sxm", "--json") == 0
    assert json.loads(shell.out)["figures"]["tdp_w"]["value"] == 650


@pytest.mark.usefixtures("in_process")
def test_many_plans_differ_by_amounts(shell: Shell, tmp_path: Path) -> None:
    """Absolute and relative change against the first, in every form; folders stand for their plan.json."""
    scenario = write(tmp_path)
    folders = []
    for rate in (5, 2000, 4000):
        folders.append(tmp_path / f"r{rate}")
        value = f"workloads.chat.requests_per_s={rate}"
        assert shell("plan", scenario, "--set", value, "--out", folders[-1], "--quiet") == 0
    costs = [json.loads((f / "plan.json").read_text())["totals"]["tco_usd"] for f in folders]
    assert shell("diff", *folders, "--json") == 0
    found: Any = next(r for r in json.loads(shell.out)["differences"] if r["name"] == "Total cost")
    assert found["numbers"] == costs
    assert found["change"] == [0.0, costs[1] - costs[0], costs[2] - costs[0]]
    assert found["relative"][2] == pytest.approx(costs[2] / costs[0] - 1)
    assert shell("diff", *folders, "--format", "csv") == 0
    row = next(r for r in table(shell.out) if r["name"] == "Total cost")
    assert float(row["r4000"]) == costs[2]
    assert float(row["r4000: change"]) == costs[2] - costs[0]
    assert shell("diff", *folders) == 0
    assert f"+{costs[2] / costs[0] - 1:.1%}".replace("+", "", 1) in shell.out
    assert shell("diff", folders[0]) == 2


@pytest.mark.parametrize(
    "command",
    [
        ("catalog", "list", "systems"), ("catalog", "show", "h100_sxm"),
        ("estimate", "training", "--model", "llama-3.1-8b", "--system", "hgx_h100_oem", "--chips", "16"),
    ],
)  # fmt: skip
def test_other_answers_have_the_forms_too(shell: Shell, command: tuple[str, ...]) -> None:
    """CSV that reads back, Markdown with a rule."""
    assert shell(*command, "--format", "csv") == 0
    rows = table(shell.out)
    assert rows
    assert None not in rows[0]
    assert shell(*command, "--format", "md") == 0
    assert shell.out.splitlines()[1].startswith("|--")


def test_cells_are_no_formulas_and_markdown_no_markup(tmp_path: Path) -> None:
    """Texts of scenarios end in spreadsheets and issues: neither may run them or break their table."""
    from planner.tables import csv_text, markdown

    rows = [{"name": "=HYPERLINK(1)", "value": 1.5}, {"name": "a|b\nc", "value": None}]
    assert table(csv_text(rows)) == [{"name": "'=HYPERLINK(1)", "value": "1.5"}, {"name": "a|b\nc", "value": ""}]
    assert markdown(rows).splitlines() == [
        "| name | value |", "|---|--:|", "| =HYPERLINK(1) | 1.5 |", "| a\\|b c |  |",
    ]  # fmt: skip
