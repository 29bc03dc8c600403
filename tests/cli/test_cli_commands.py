"""Every command on small input: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli_support import Shell, files_of, write

from planner.answer.plan import Plan
from planner.performance.measured.calibration import read_training_calibration
from planner.performance.serving.profile import read_serving_calibration, shipped_serving_calibration
from planner.validation.cases import read_cases

TRAINING = ("estimate", "training", "--model", "llama-3.1-8b", "--system", "hgx_h100_oem", "--chips", 16)
SERVING = ("estimate", "serving", "--model", "llama-3.1-8b", "--system", "hgx_h100_oem")


def answer(shell: Shell) -> Any:
    """The JSON that a command printed: all of its standard output."""
    return json.loads(shell.out)


@pytest.mark.usefixtures("in_process")
def test_plan_prints_a_page_and_writes_both_files_whole(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    assert shell("plan", write(tmp_path), "--out", out, "--quiet") == 0
    assert "proven optimal" in shell.out
    assert "hgx_h100_oem" in shell.out
    assert files_of(out) == {"plan.json", "plan.html"}
    plan = Plan.read(out / "plan.json")
    assert plan.verified
    assert (out / "plan.html").read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html>")


@pytest.mark.usefixtures("in_process")
def test_plan_as_json_prints_nothing_but_the_plan(shell: Shell, tmp_path: Path) -> None:
    assert shell("plan", write(tmp_path), "--json", "--variant", "double") == 0
    plan = Plan.from_json(shell.out)
    assert plan.variant == "double"
    assert plan.status == "proven_optimal"
    assert shell.err == ""


@pytest.mark.usefixtures("in_process")
def test_an_infeasible_scenario_exits_3_with_the_reason_and_writes_it(shell: Shell, tmp_path: Path) -> None:
    assert shell("plan", write(tmp_path), "--variant", "too_much", "--out", tmp_path / "out", "--quiet") == 3
    assert "No plan is possible" in shell.out
    plan = Plan.read(tmp_path / "out" / "plan.json")
    assert plan.status == "infeasible"
    assert plan.conflicts


def test_resolve_prints_a_scenario_that_resolves_to_itself(shell: Shell, tmp_path: Path) -> None:
    assert shell("resolve", write(tmp_path), "--variant", "double") == 0
    first = shell.out
    assert yaml.safe_load(first)["workloads"][0]["requests_per_s"] == 10
    assert shell("resolve", write(tmp_path, first, "again.yaml")) == 0
    assert shell.out == first
    assert shell("resolve", tmp_path / "again.yaml", "--json") == 0
    assert answer(shell)["horizon_years"] == 4


def test_init_writes_a_scenario_that_reads_and_never_over_a_file(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    assert shell("init", file) == 0
    assert shell("resolve", file) == 0
    file.write_text("precious", encoding="utf-8")
    assert shell("init", file) == 2
    assert "there is a file already" in shell.err
    assert file.read_text(encoding="utf-8") == "precious"
    assert shell("init", file, "--force") == 0
    assert file.read_text(encoding="utf-8") != "precious"


@pytest.mark.usefixtures("in_process")
def test_diff_tells_what_differs(shell: Shell, tmp_path: Path) -> None:
    scenario = write(tmp_path)
    for variant in ("double", "too_much"):
        shell("plan", scenario, "--variant", variant, "--out", tmp_path / variant, "--quiet")
    plans = [tmp_path / v / "plan.json" for v in ("double", "too_much")]
    assert shell("diff", *plans) == 0
    assert "Status" in shell.out
    assert shell("diff", *plans, "--json") == 0
    rows = answer(shell)["differences"]
    assert {"proven optimal", "no plan can exist"} == set(next(r["values"] for r in rows if r["name"] == "Status"))
    assert shell("diff", plans[0], plans[0], "--json") == 0
    assert answer(shell)["differences"] == []


def test_estimate_training_agrees_with_itself(shell: Shell) -> None:
    assert shell(*TRAINING, "--tp", 2) == 0
    assert "MFU" in shell.out
    assert "989.4 TFLOPS dense" in shell.out
    assert shell(*TRAINING, "--tp", 2, "--json") == 0
    found = answer(shell)
    assert found["parallelism"]["dp"] == 8
    assert sum(found["breakdown_s"].values()) == pytest.approx(found["step_time_s"])
    assert found["interval"]["low"] < found["step_time_s"] < found["interval"]["high"]
    assert shell(*TRAINING, "--best", "--json") == 0
    assert answer(shell)["step_time_s"] <= found["step_time_s"]


def test_estimate_serving_keeps_its_limits(shell: Shell) -> None:
    assert shell(*SERVING, "--tp", 1) == 0
    assert "Time per output token" in shell.out
    assert shell(*SERVING, "--best", "--chips", 8, "--tpot-ms", 15, "--json") == 0
    found = answer(shell)
    assert found["tpot_p95_ms"] <= 15
    assert found["chips"] <= 8
    assert found["candidates"] <= found["enumerated"]


def test_an_assumed_figure_reaches_the_estimate(shell: Shell) -> None:
    wanted = ("estimate", "training", "--model", "llama-3.1-8b", "--system", "sgx5000", "--chips", 16, "--tp", 8)
    assert shell(*wanted) == 2
    assert "--assume systems.sgx5000.scaleout_gbit_s_per_chip=NUMBER" in shell.err
    times = []
    for rate in (100, 400):
        assert shell(*wanted, "--assume", f"systems.sgx5000.scaleout_gbit_s_per_chip={rate}", "--json") == 0
        times.append(answer(shell)["step_time_s"])
    assert times[0] > times[1]


@pytest.mark.parametrize("kind", ["chips", "systems", "interconnects", "cooling", "regions", "costs", "models"])
def test_catalog_list_of_every_kind(shell: Shell, kind: str) -> None:
    assert shell("catalog", "list", kind, "--json") == 0
    rows = answer(shell)
    assert rows
    assert all(row["id"] for row in rows)
    assert shell("catalog", "list", kind) == 0
    assert rows[0]["id"] in shell.out


def test_catalog_list_of_a_vendor(shell: Shell) -> None:
    assert shell("catalog", "list", "chips", "--vendor", "nvidia", "--json") == 0
    assert {row["vendor"] for row in answer(shell)} == {"NVIDIA"}


def test_catalog_show_gives_every_figure_with_its_source(shell: Shell) -> None:
    assert shell("catalog", "show", "H100", "--json") == 0
    found = answer(shell)
    assert found["id"] == "h100_sxm"
    assert found["figures"]["bf16_fp16_tflops_dense"]["value"] == 989.4
    assert all(figure["source"] for figure in found["figures"].values())
    for name in ("h100_sxm", "hgx_h100_oem", "us_va", "air_crah", "deepseek-v3"):
        assert shell("catalog", "show", name) == 0
        assert name in shell.out


def test_catalog_check_counts_and_warns(shell: Shell) -> None:
    assert shell("catalog", "check", "--json") == 0
    found = answer(shell)
    assert found["counts"]["chips"] >= 100
    assert shell("catalog", "check") == 0
    assert f"{len(found['warnings'])} warnings" in shell.out


def test_a_folder_of_ones_own_is_merged_over_the_catalog(shell: Shell, tmp_path: Path) -> None:
    head = "id,field,low,value,high,unit,as_of,source,kind,note"
    row = "h100_sxm,tdp_w,,650,,w,2026-01,own measurement,measured,"
    write(tmp_path, f"{head}\n{row}\n", "chips.csv")
    assert shell("catalog", "show", "h100_sxm", "--catalog", tmp_path, "--json") == 0
    assert answer(shell)["figures"]["tdp_w"]["value"] == 650


def test_an_imported_model_is_in_the_catalog_it_was_written_to(shell: Shell, tmp_path: Path) -> None:
    config = {
        "model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32000, "torch_dtype": "float16",
        "tie_word_embeddings": False, "max_position_embeddings": 4096, "hidden_act": "silu",
    }  # fmt: skip
    file = write(tmp_path, json.dumps(config), "config.json")
    models = tmp_path / "own" / "models"
    assert shell("catalog", "import-model", file, "--id", "my-7b", "--out", models / "my.yaml") == 0
    assert "6.738 B" in shell.err  # Llama 2 7B
    assert shell("catalog", "show", "my-7b", "--catalog", tmp_path / "own", "--json") == 0
    assert answer(shell)["parameters"] == 6738415616
    assert shell("catalog", "import-model", file) == 0
    assert list(yaml.safe_load(shell.out))


def test_validate_tells_predictions_beside_measurements(shell: Shell, tmp_path: Path) -> None:
    assert shell("validate", "--cases", write(tmp_path, _one_case(), "mine.csv"), "--json") == 0
    found = answer(shell)
    case = found["cases"][0]
    assert case["case_id"] == "MINE-1"
    assert case["low80"] < case["predicted"] < case["high80"]
    assert shell("validate", "--cases", tmp_path / "mine.csv") == 0
    assert "Training speed" in shell.out


def _one_case() -> str:
    cells = {
        "case_id": "MINE-1", "source_title": "my cluster", "model": "Llama 3.1 8B", "chip": "H100",
        "n_chips": "8", "precision": "bf16", "seq_len": "8192", "global_batch": "128", "tp": "1", "pp": "1",
        "dp": "8", "micro_batch": "1", "framework": "NeMo", "year": "2025", "step_time_s": "12.0",
    }  # fmt: skip
    return ",".join(cells) + "\n" + ",".join(cells.values()) + "\n"


def test_sweep_runs_and_resumes(shell: Shell, tmp_path: Path) -> None:
    write(tmp_path)
    text = "scenario: small.yaml\nvalues: {workloads.chat.requests_per_s: [5, 10]}\n"
    sweep = write(tmp_path, text, "sweep.yaml")
    command = ("sweep", sweep, "--out", tmp_path / "out", "--engine", "serial", "--json")
    assert shell(*command) == 0
    assert answer(shell)["ran"] == 2
    assert "2 to run" in shell.err
    assert shell(*command) == 0
    assert answer(shell)["already"] == 2
    assert "0 to run" in shell.err


def test_help_names_every_command_and_needs_no_room_of_the_program() -> None:
    probe = (
        "import sys; from planner.cli import run; code = run(['--help']);"
        "late = {'numpy', 'highspy', 'pydantic', 'streamlit', 'ortools'} & set(sys.modules);"
        "print(sorted(late), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"
    for name in ("plan", "estimate", "validate", "resolve", "init", "sweep", "diff", "calibrate", "catalog", "app"):
        assert f"\n  {name} " in done.stdout


def test_the_module_is_the_command(tmp_path: Path) -> None:
    file = write(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "planner", "resolve", str(file), "--json"],
        capture_output=True, text=True, timeout=60, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 0
    assert json.loads(done.stdout)["name"] == "small"
    assert done.stderr == ""


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    write(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-m", "planner", "catalog", "show", "h100_sxm", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        told = process.stderr.read()
        assert process.wait(60) == 0
    assert b"Traceback" not in told


def test_calibrate_tells_what_it_writes_and_where(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training is refitted on every fortieth row; the search of serving constants stays at its start."""
    monkeypatch.setattr("planner.validation.refit.read_cases", lambda file: read_cases(file)[::40])
    monkeypatch.setattr(
        "planner.validation.refit.calibrate_serving", lambda *_, **__: (shipped_serving_calibration(), ())
    )
    assert shell("calibrate", "--out", tmp_path / "new") == 0
    assert files_of(tmp_path / "new") == {
        "training.yaml", "training_runs.csv", "serving.yaml", "serving_levels.csv", "serving_left_out.csv",
    }  # fmt: skip
    assert "training: " in shell.err
    fitted = read_training_calibration(tmp_path / "new" / "training.yaml")
    assert len(fitted.sources) > 5
    assert 0 < fitted.error["median"] < 1
    serving = read_serving_calibration(tmp_path / "new" / "serving.yaml")
    assert serving.families
    assert serving.pace.effects.keys() == shipped_serving_calibration().pace.effects.keys()


def test_the_model_is_written_for_another_solver(shell: Shell, tmp_path: Path) -> None:
    """``--write-model`` solves nothing and leaves a file that HiGHS reads; another format is refused."""
    import highspy

    for name in ("model.mps", "model.lp"):
        assert shell("plan", write(tmp_path), "--write-model", tmp_path / name, "--quiet") == 0
        assert "columns" in shell.out + shell.err
        highs = highspy.Highs()
        highs.setOptionValue("output_flag", False)
        assert highs.readModel(str(tmp_path / name)) == highspy.HighsStatus.kOk
        highs.run()
        assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    assert shell("plan", write(tmp_path), "--write-model", tmp_path / "model.txt", "--quiet") == 2
    assert ".lp" in shell.err


def test_a_solver_that_cannot_take_the_scenario_is_refused(shell: Shell, tmp_path: Path) -> None:
    """The setting is named, and what would do; no internal error."""
    data = yaml.safe_load(write(tmp_path).read_text(encoding="utf-8"))
    data["solve"] = {**data.get("solve", {}), "backend": "mosek"}
    file = tmp_path / "mosek.yaml"
    file.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    assert shell("plan", file, "--quiet") == 2
    assert "solve.backend" in shell.err
    assert "MOSEK" in shell.err
