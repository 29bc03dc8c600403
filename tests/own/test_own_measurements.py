"""A user's own measurements: what they correct, what they leave alone, and what is wrong with a table of them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tools import load, scenario_of
from typer.testing import CliRunner

from planner.catalog import Catalog
from planner.cli.main import app
from planner.errors import InputError
from planner.performance.measured.levels import Effect, Levels
from planner.performance.measured.neighbours import Neighbours
from planner.performance.measured.own_levels import OwnRun, with_runs
from planner.performance.measured.process import OWN_VARIANCE, TERMS, Run, covariance
from planner.planning.plan import plan
from planner.scenario import load_scenario
from planner.validation.own.read import with_measurements
from planner.validation.own.training import job_of
from planner.verify.plan import verify_plan

HEADER = (
    "model,chip,n_chips,weight_precision,tp,isl,osl,concurrency_or_batch,framework,year,tpot_ms,output_tok_s_per_chip"
)
ROW = "llama-3.1-70b,h200_sxm,4,bf16,4,2000,400,{batch},vLLM,2026,{tpot},"


def table(folder: Path, *rows: str, header: str = HEADER) -> Path:
    """A file of measurements."""
    file = folder / "runs.csv"
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return file


def run(chip: str, residual: float = 0.0, tp: float = 4, model: str = "m") -> Run:
    """A measured run of training by hand."""
    shape = (math.log2(tp), 0.0, 0.0, 0.0, 0.0, 0.0, 12.0, 6.0, 33.0, 16.0)
    return Run(chip, "s", "default", chip, model, "bf16", False, "0", shape, residual, 0.0, chip[:2], "2025")


def told(known: Neighbours, asked: Run) -> float:
    """What is carried to a run, as a logarithm of time."""
    return float(known.log_shift(*job_of(asked))[0])


def test_own_runs_condition_the_process_as_if_all_were_known_at_once() -> None:
    """After other runs, own ones: mean and variance are those of one process over both (kriging in two steps)."""
    shipped = [run("aa1"), run("aa2", tp=8), run("bb1", model="n")]
    own = [run("aa1", 0.2), run("bb1", -0.1, tp=2)]
    known = Neighbours(tuple(replace(r, weight=0.0) for r in shipped)).with_own(own)
    every = [*shipped, *own]
    inverse = np.linalg.inv(covariance(every, every) + OWN_VARIANCE * np.eye(len(every)))
    for asked in (run("aa1", tp=2), run("bb1"), run("cc1", model="k")):
        across = covariance([asked], every)
        spread = sum(t.variance for t in TERMS) - float((across @ inverse @ across.T)[0, 0])
        assert float(known.deviation(*job_of(asked))[0]) == pytest.approx(math.sqrt(spread + OWN_VARIANCE))
    assert told(known, run("aa1")) > told(known, run("cc1", model="k")) > told(known, run("bb1", tp=2))
    plain = Neighbours(tuple(replace(r, weight=0.0) for r in shipped))
    assert float(known.deviation(*job_of(run("aa1")))[0]) < float(plain.deviation(*job_of(run("aa1")))[0])


def test_one_process_gives_the_same_mean() -> None:
    """Where the first runs said nothing (their residuals are as predicted), all of it comes from the own ones."""
    own = [run("aa1", 0.05), run("aa1", 0.05, tp=8)]
    known = Neighbours((run("aa2"), run("bb1"))).with_own(own)
    every = [run("aa2"), run("bb1"), *own]
    weights = np.linalg.solve(covariance(every, every) + np.diag([OWN_VARIANCE] * 4), [0.0, 0.0, 0.05, 0.05])
    expected = float((covariance([run("aa1", tp=2)], every) @ weights)[0])
    assert told(known, run("aa1", tp=2)) == pytest.approx(expected, abs=0.01)  # own parts are Student's t here


def levels() -> Levels:
    """Effects of an engine and two chips."""
    effects = {
        "engine=e": Effect((0.1,), (0.05,)),
        "chips=a": Effect((0.0,), (0.1,)),
        "chips=b": Effect((0.0,), (0.1,)),
    }
    return Levels(("one",), effects, {"engine": (0.2,), "chips": (0.2,)}, own=0.2)


def own_runs(values: Sequence[float], chip: str = "a") -> list[OwnRun]:
    names = {"engine": "e", "chips": chip, "place": "e", "group": f"e {chip}"}
    return [OwnRun(names, np.ones(1), v) for v in values]


def test_three_runs_settle_a_group_and_leave_others_nearly_alone() -> None:
    """More runs are believed more; the deviation of the group falls; another chip moves less, another engine not."""
    names = {"engine": "e", "chips": "a", "place": "e", "group": "e a"}
    before = levels().at(names).value[0]
    moved = []
    for count in (1, 3, 10):
        known = with_runs(levels(), own_runs([0.3] * count))
        level = known.at(names)
        moved.append(level.value[0] - before)
        assert known.deviation(level, np.ones(1)) < levels().deviation(levels().at(names), np.ones(1))
        other = known.at({**names, "chips": "b", "group": "e b"})
        assert 0 < other.value[0] - before < 0.7 * moved[-1]
        elsewhere = {"engine": "f", "chips": "c", "place": "f", "group": "f c"}
        assert known.at(elsewhere).value[0] == 0.0
    assert moved == sorted(moved)
    assert 0.25 < moved[-1] < 0.3
    closed = with_runs(levels(), own_runs([0.3] * 10))
    assert closed.deviation(closed.at(names), np.ones(1)) < 0.6 * levels().deviation(levels().at(names), np.ones(1))


def test_a_plan_knows_what_was_measured(tmp_path: Path, shipped: Catalog) -> None:
    """Half as slow again as predicted: the plan says what that moves, costs no less, and verifies; other chips keep
    their interval's width nearly."""
    asked = scenario_of(load(20, model="llama-3.1-70b", input_tokens=2000, output_tokens=400, disaggregated="never"),
                        hardware={"systems": ["dgx_h200"]})  # fmt: skip
    plain = plan(asked, catalog=shipped)
    file = table(tmp_path, *(ROW.format(batch=b, tpot=t) for b, t in ((16, 23), (32, 31), (64, 45))))
    known = with_measurements(shipped, file)
    assert known is with_measurements(shipped, file)
    assert known.digest != shipped.digest
    found = plan(asked, catalog=known)
    assert found.totals is not None
    assert plain.totals is not None
    assert found.totals.tco_usd >= plain.totals.tco_usd
    (effect,) = found.measured
    assert 1.2 < effect.predicted / effect.without < 1.6, "three runs nearly halve what the model is off"
    assert effect.width < 0.85 * effect.width_without
    assert any("measured figures move" in note for note in found.notes)
    assert not verify_plan(found, asked, known)
    forged = found.model_copy(update={"measured": (effect.model_copy(update={"without": effect.predicted}),)})
    assert any("measured" in text for text in verify_plan(forged, asked, known))
    for row in known.measured.rows:
        assert abs(math.log(row.after / row.measured)) < abs(math.log(row.before / row.measured))


def test_a_scenario_names_its_measurements(tmp_path: Path, shipped: Catalog) -> None:
    """A path from its folder; planned and verified with it, and the digest tells the two questions apart."""
    table(tmp_path, ROW.format(batch=16, tpot=23))
    text = Path("scenarios/quickstart.yaml").read_text(encoding="utf-8") + "\nmeasurements: runs.csv\n"
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    scenario = load_scenario(tmp_path / "mine.yaml")
    found = plan(scenario, catalog=shipped)
    assert found.catalog_digest != shipped.digest
    assert not verify_plan(found, scenario, shipped)
    with pytest.raises(InputError, match="stands in no file"):
        plan(scenario.model_copy(update={"name": "x"}).model_validate(scenario.model_dump()), catalog=shipped)


def test_the_command_line_takes_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANNER_MEASUREMENTS", "")
    file = table(tmp_path, ROW.format(batch=16, tpot=23))
    words = ["estimate", "serving", "--model", "llama-3.1-70b", "--system", "dgx_h200", "--input-tokens", "2000",
             "--output-tokens", "400", "--tp", "4", "--batch", "16", "--json"]  # fmt: skip
    runner = CliRunner()
    plain, known = runner.invoke(app, words), runner.invoke(app, [*words, "--measurements", str(file)])
    assert plain.exit_code == known.exit_code == 0
    assert plain.stdout != known.stdout


def test_a_row_may_name_the_log_of_a_benchmark(tmp_path: Path, shipped: Catalog) -> None:
    """What vLLM's and SGLang's benchmarks write is a row written by hand; what they lack is asked for."""
    result = {
        "date": "20260901-101112", "backend": "vllm", "model_id": "meta-llama/Llama-3.1-70B", "num_prompts": 100,
        "request_rate": "inf", "max_concurrency": 16, "duration": 60.0, "completed": 100, "total_input_tokens": 200000,
        "total_output_tokens": 40000, "request_throughput": 1.6667, "output_throughput": 666.7, "mean_ttft_ms": 300.0,
        "mean_tpot_ms": 23.0,
    }  # fmt: skip
    (tmp_path / "vllm.json").write_text(json.dumps(result), encoding="utf-8")
    lines = [json.dumps({"backend": "sglang", "completed": 1}), json.dumps(result | {"backend": "sglang"})]
    (tmp_path / "sglang.jsonl").write_text("\n".join(lines), encoding="utf-8")
    header = "log,model,chip,n_chips,tp,weight_precision"
    for log in ("vllm.json", "sglang.jsonl"):
        file = table(tmp_path, f"{log},llama-3.1-70b,h200_sxm,4,4,bf16", header=header)
        rows = {r.quantity: r for r in with_measurements(shipped, file).measured.rows}
        assert rows["tpot_ms"].measured == 23.0
        assert rows["output_tok_s_per_chip"].measured == pytest.approx(666.7 / 4)
    for line, words in (("vllm.json,,h200_sxm,,4,bf16", "n_chips"), ("none.json,,h200_sxm,4,4,bf16", "no such log")):
        with pytest.raises(InputError, match=words):
            with_measurements(shipped, table(tmp_path, line, header=header))
    (tmp_path / "other.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="lacks completed"):
        with_measurements(shipped, table(tmp_path, "other.json,,h200_sxm,4,4,bf16", header=header))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["llama-3.1-70b,h9000,4,bf16,4,2000,400,16,vLLM,2026,23,"], "h9000"),
        ([ROW.format(batch=16, tpot=0.023)], "another unit"),
        ([ROW.format(batch=16, tpot=23), ROW.format(batch=16, tpot=240)], "line 2, which says that the same was run"),
        ([ROW.format(batch=16, tpot="")], "measures nothing"),
        ([ROW.format(batch=16, tpot="fast")], "is no number"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, shipped: Catalog, rows: Sequence[str], words: str
) -> None:
    with pytest.raises(InputError) as error:
        with_measurements(shipped, table(tmp_path, *rows))
    problem = error.value.problems[0]
    assert words in str(problem)
    assert problem.line == len(rows) + 1
