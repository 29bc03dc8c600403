"""Exports parse against the option definitions of stated tool versions, agree with the plan and drop nothing of it.

The definitions are the JSON files beside this one: names, types and choices of the tools' options at the versions that
they state.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import load_catalog, plan
from planner.answer.plan import Deployment, Parallelism, Plan
from planner.catalog import Catalog
from planner.cli import run
from planner.errors import InputError
from planner.export import FORMATS, export_plan
from planner.export.bom import Line, bill_of_materials, bom_csv
from planner.export.megatron import megatron, pipeline_layout
from planner.export.serving import sglang, vllm
from planner.export.settings import Job, Launch, jobs_of, settings_of

HERE = Path(__file__).parent
VARIABLES = {"$MASTER_ADDR": "node0", "$NODE_RANK": "1", "$DP_START_RANK": "8", "$MASTER_ADDR:29501": "node0:29501"}


def parser_of(file: str) -> argparse.ArgumentParser:
    """An argument parser with a tool's options: what it refuses, the tool refuses."""
    data = json.loads((HERE / file).read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(prog=data["tool"], allow_abbrev=False, exit_on_error=False)
    kinds = {"int": int, "float": float, "str": str, "json": json.loads}
    for option in data["options"]:
        more: dict[str, Any] = {}
        if option["type"] == "flag":
            more["action"] = "store_true"
        elif option["type"] == "switch":
            more["action"] = argparse.BooleanOptionalAction
        else:
            more["type"] = kinds[option["type"]]
            more |= {k: option[k] for k in ("choices", "nargs") if k in option}
        parser.add_argument(*option["names"], **more)
    for name in data["positional"]:
        parser.add_argument(name)
    return parser


TOOLS = {
    "megatron": parser_of("megatron_lm_000c4ac.json"),
    "vllm": parser_of("vllm_0.33.0.json"),
    "sglang": parser_of("sglang_0.5.23.json"),
}


def parsed(tool: str, launch: Launch) -> argparse.Namespace:
    """The options as the tool would read them, given each once; variables as a launcher would fill them in."""
    words = [VARIABLES.get(w, w) for w in launch.argv()]
    names = [w for w in words if w.startswith("--")]
    assert len(names) == len(set(names))
    return TOOLS[tool].parse_args([*(["model"] if tool == "vllm" else []), *words])


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """The shipped one."""
    return load_catalog()


SITE = [{"name": "here", "region": "us_va", "power_mw": 10, "racks": 100}]


def question(name: str, hardware: str, **workload: Any) -> dict[str, Any]:
    """A small scenario on one kind of hardware."""
    return {
        "name": name, "version": 1, "start": "2026-10", "horizon_years": 3, "sites": SITE,
        "hardware": {"systems": [hardware], "acquire": ["buy"]}, "workloads": [{"name": "job", **workload}],
    }  # fmt: skip


@pytest.fixture(scope="module")
def plans(catalog: Catalog) -> dict[str, Plan]:
    """Two runs and two loads."""
    dense = {"kind": "training", "model": "llama-3.1-70b", "tokens": 1e11, "sequence_length": 8192, "global_batch": 512,
             "chips": 512, "parallelism": {"tp": 8, "pp": 8}}  # fmt: skip
    experts = {"kind": "training", "model": "mixtral-8x7b", "tokens": 1e11, "sequence_length": 4096,
               "global_batch": 512, "chips": 128, "precision": ["fp8"], "parallelism": {"ep": 8, "zero_stage": 1},
    }  # fmt: skip
    load = {"kind": "serving", "input_tokens": 2000, "output_tokens": 300, "requests_per_s": 20, "tpot_ms": 60}
    found = {
        "dense": plan(question("dense", "hgx_h100_oem", **dense), catalog=catalog),
        "experts": plan(question("experts", "hgx_h100_oem", **experts), catalog=catalog),
        "chat": plan(question("chat", "hgx_h100_oem", model="llama-3.1-8b", disaggregated="never", **load),
                     catalog=catalog),
        "wide": plan(question("wide", "hgx_h100_oem", model="deepseek-v3", precision=["fp8"], kv_precision="fp8",
                              cached_prefix=0.5, disaggregated="always", **load), catalog=catalog),
    }  # fmt: skip
    assert all(p.has_plan for p in found.values())
    return found


@pytest.mark.parametrize("name", ["dense", "experts"])
def test_megatron_agrees_with_the_plan(plans: dict[str, Plan], catalog: Catalog, name: str) -> None:
    """Every degree, batch, length and format of the run stands in the options, and the tool accepts them."""
    (job,) = jobs_of(plans[name], catalog)
    args, p = parsed("megatron", megatron(job)), job.deployment.parallelism
    assert (args.tensor_model_parallel_size, args.pipeline_model_parallel_size) == (p.tp, p.pp)
    assert (args.context_parallel_size, args.sequence_parallel) == (p.cp, p.sp)
    assert (args.micro_batch_size, args.global_batch_size) == (p.micro_batch, p.global_batch)
    assert args.seq_length == job.asked.sequence_length
    assert args.train_iters * args.global_batch_size * args.seq_length >= (job.asked.tokens or 0)
    assert args.bf16
    assert (args.fp8_format is not None) == (job.deployment.precision == "fp8")
    assert args.use_distributed_optimizer == ((p.zero_stage or 0) >= 1)
    assert args.num_layers == job.model.layers
    assert args.hidden_size == job.model.hidden
    assert (args.expert_model_parallel_size or 1) == p.ep
    if p.vpp > 1:
        chunks = args.num_virtual_stages_per_pipeline_rank or job.model.layers // (
            p.pp * args.num_layers_per_virtual_pipeline_stage
        )
        assert chunks == p.vpp
    assert p.dp * p.tp * p.pp * p.cp == job.chips == job.nodes * job.chips_per_node
    if name == "experts":
        assert (args.num_experts, args.moe_router_topk, args.moe_ffn_hidden_size) == (8, 2, 14336)
        assert args.expert_tensor_parallel_size == 1


@pytest.mark.parametrize("name", ["chat", "wide"])
def test_vllm_agrees_with_the_plan(plans: dict[str, Plan], catalog: Catalog, name: str) -> None:
    """Degrees, requests in flight, chunks, formats and roles; and SGLang says the same in its own words."""
    roles = set()
    for job in jobs_of(plans[name], catalog):
        d, p = job.deployment, job.deployment.parallelism
        args = parsed("vllm", vllm(job))
        assert (args.tensor_parallel_size, args.pipeline_parallel_size, args.data_parallel_size or 1) == (
            p.tp,
            p.pp,
            p.dp,
        )
        assert p.tp * p.pp * p.dp == job.chips
        assert args.max_num_seqs * p.dp == p.batch
        assert args.max_num_batched_tokens == p.chunk_tokens
        assert bool(args.enable_expert_parallel) == (job.model.is_moe and p.ep > 1)
        assert args.kv_cache_dtype == ("fp8" if job.asked.kv_precision == "fp8" else "auto")
        assert 0.5 < args.gpu_memory_utilization < 1.0
        used = (d.predicted.memory_gb_per_chip or 0.0) / job.memory_gb
        assert used <= args.gpu_memory_utilization + 1e-3
        role = {"serve": None, "prefill": "kv_producer", "decode": "kv_consumer"}[d.role]
        assert (args.kv_transfer_config or {}).get("kv_role") == role
        other = parsed("sglang", sglang(job))
        assert (other.tp_size, other.pp_size, other.attn_dp_size or 1, other.ep_size) == (p.tp * p.dp, p.pp, p.dp, p.ep)
        assert other.max_running_requests == p.batch
        assert (other.chunked_prefill_size or 0) == (p.chunk_tokens or 0) * p.dp
        assert other.disaggregation_mode == (d.role if d.role != "serve" else None)
        roles.add(d.role)
        if job.nodes > 1:
            assert other.nnodes == job.nodes
            local = args.data_parallel_size_local
            assert args.nnodes == job.nodes if local is None else local * p.tp * p.pp == job.chips_per_server
    assert roles == ({"serve"} if name == "chat" else {"prefill", "decode"})


def accounted(launch: Launch) -> None:
    """Every setting is an option, a word, or listed as having no option."""
    text = "\n".join(launch.comments())
    for name in settings_of(launch.job):
        assert name in launch._accounted or re.search(rf"^  {name} = ", text, re.M), name


def altered(job: Job, **values: Any) -> Job:
    """The job with another parallelism."""
    p = Parallelism(**{**job.deployment.parallelism.model_dump(), **values})
    d: Deployment = job.deployment.model_copy(update={"parallelism": p, "power_cap": 0.8})
    chips = p.tp * p.pp * p.dp * p.cp
    return replace(job, deployment=d, chips=chips)


def test_drafts_are_told_to_both_engines(plans: dict[str, Plan], catalog: Catalog) -> None:
    job = next(iter(jobs_of(plans["chat"], catalog)))
    drafting = altered(job, drafts=3)
    assert parsed("vllm", vllm(drafting)).speculative_config == {"method": "mtp", "num_speculative_tokens": 3}
    args = parsed("sglang", sglang(drafting))
    assert (args.speculative_algorithm, args.speculative_num_steps) == ("EAGLE", 3)
    assert args.speculative_num_draft_tokens == 4
    for drafts in (0, 3):
        for launch in (vllm(altered(job, drafts=drafts)), sglang(altered(job, drafts=drafts))):
            accounted(launch)
            assert "drafts" not in launch.unexpressed()
    assert parsed("vllm", vllm(altered(job, drafts=0))).speculative_config is None


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_layout_parses_and_is_accounted_for(plans: dict[str, Plan], catalog: Catalog, data: st.DataObject) -> None:
    """Layouts a plan could hold, within servers and across them; a power cap has no option, so it is a comment."""
    draw = data.draw
    degree = st.sampled_from([1, 2, 4, 8])
    run_job = altered(
        jobs_of(plans[draw(st.sampled_from(["dense", "experts"]))], catalog)[0],
        tp=draw(degree), pp=draw(st.sampled_from([1, 2, 5, 7, 8])), vpp=draw(st.sampled_from([1, 2])), dp=draw(degree),
        cp=draw(degree), ep=draw(degree), zero_stage=draw(st.sampled_from([0, 1, 2, 3])),
        recompute=draw(st.sampled_from(["none", "selective", "full"])), sp=draw(st.booleans()),
    )  # fmt: skip
    load_job = altered(
        jobs_of(plans[draw(st.sampled_from(["chat", "wide"]))], catalog)[0],
        tp=draw(degree), pp=draw(st.sampled_from([1, 2, 4])), dp=draw(st.sampled_from([1, 4, 32])), ep=draw(degree),
        batch=draw(st.sampled_from([1, 32, 100])), chunk_tokens=draw(st.sampled_from([None, 1024, 8192])),
    )  # fmt: skip
    for tool, launch in (("megatron", megatron(run_job)), ("vllm", vllm(load_job)), ("sglang", sglang(load_job))):
        parsed(tool, launch)
        accounted(launch)
        assert "  power_cap = 0.8" in list(launch.comments())


@pytest.mark.parametrize(("layers", "stages", "mtp"), [(61, 7, 1), (126, 16, 0), (80, 8, 0), (5, 4, 0), (61, 16, 1)])
def test_pipeline_layouts_hold_every_layer(layers: int, stages: int, mtp: int) -> None:
    """As many stages as asked, all layers, none empty, at most one apart; embedding first, loss last."""
    parts = pipeline_layout(layers, stages, mtp).split("|")
    counts = [part.count("t") for part in parts]
    assert len(parts) == stages
    assert sum(counts) == layers
    assert max(counts) - min(counts) <= 1
    assert min(counts) >= 1
    assert (parts[0][0], parts[-1][-1], parts[-1].count("m")) == ("E", "L", mtp)


def test_slurm_and_kubernetes_sizes(plans: dict[str, Plan], catalog: Catalog) -> None:
    """Servers, chips of each and replicas are the plan's; shell files are shell, YAML is YAML."""
    for name, found in plans.items():
        jobs = jobs_of(found, catalog)
        for job, file in zip(jobs, export_plan(found, catalog, "slurm"), strict=True):
            text = file.data.decode()
            assert subprocess.run(["bash", "-n"], input=text.encode()).returncode == 0
            assert f"#SBATCH --nodes={job.nodes}\n" in text
            assert f"#SBATCH --gres=gpu:{job.chips_per_node}\n" in text
            tasks = re.search(r"--array=0-(\d+)", text)
            assert (int(tasks[1]) + 1 if tasks else 1) == job.deployment.replicas, name
        for job, file in zip(jobs, export_plan(found, catalog, "kubernetes"), strict=True):
            made = yaml.safe_load(file.data)
            spec = made["spec"]
            if job.deployment.role == "train":
                pods = sum(r["replicas"] for r in spec["pytorchReplicaSpecs"].values())
                template = spec["pytorchReplicaSpecs"]["Master"]["template"]
                assert pods * job.chips_per_node == job.deployment.chips
            elif job.nodes == 1:
                template = spec["template"]
                assert spec["replicas"] * job.chips == job.deployment.chips
            else:
                template = spec["leaderWorkerTemplate"]["leaderTemplate"]
                size = spec["leaderWorkerTemplate"]["size"]
                assert spec["replicas"] * size * job.chips_per_node == job.deployment.chips
            limits = template["spec"]["containers"][0]["resources"]["limits"]
            assert limits == {"nvidia.com/gpu": job.chips_per_node}


def test_ports_of_other_makers_are_named(plans: dict[str, Plan], catalog: Catalog) -> None:
    """MTT, Ascend and AMD chips name their stack; a maker without a documented port is said to have none."""
    from dataclasses import replace

    from planner.export.stacks import stack_of

    (job,) = jobs_of(plans["dense"], catalog)
    said = {}
    for chip in ("mtt_s5000_liquid", "ascend_910c", "mi300x"):
        record = catalog.chip(chip)
        launch = megatron(replace(job, chip=record, stack=stack_of(record)))
        said[chip] = "\n".join(launch.comments())
    assert "MT-MegatronLM" in said["mtt_s5000_liquid"]
    assert "MindSpeed" in said["ascend_910c"]
    assert "ROCm" in said["mi300x"]
    odd = next(c for c in catalog.chips.values() if c.text("family") == "other_cn")
    assert odd.vendor in "\n".join(megatron(replace(job, chip=odd, stack=stack_of(odd))).comments())


def test_the_bill_sums_to_the_capital(plans: dict[str, Plan]) -> None:
    """By deployment and in all; systems and spares are the plan's; CSV says the same as the lines."""
    for found in plans.values():
        lines = bill_of_materials(found)
        for i, d in enumerate(found.deployments):
            mine = [line for line in lines if line.deployment == i]
            assert sum(line.total_usd or 0.0 for line in mine) == pytest.approx(d.cost.capex_usd, rel=1e-9)
            assert sum(line.quantity or 0 for line in mine if line.item in {"systems", "spares"}) == d.systems
            assert sum(line.quantity or 0 for line in mine if line.item == "racks") == d.racks
        assert lines[-1].total_usd == pytest.approx(found.totals.capex_usd if found.totals else None)
        rows = list(csv.DictReader(io.StringIO(bom_csv(lines))))
        for row, line in zip(rows, lines, strict=True):
            assert row["item"] == line.item
            if row["unit_price_usd"]:
                assert float(row["unit_price_usd"]) * float(row["quantity"]) == pytest.approx(float(row["total_usd"]))


def test_the_workbook_holds_the_same_lines(plans: dict[str, Plan], catalog: Catalog) -> None:
    """Read back with openpyxl, cell by cell."""
    openpyxl = pytest.importorskip("openpyxl")
    files = {f.name: f.data for f in export_plan(plans["dense"], catalog, "bom")}
    sheet = openpyxl.load_workbook(io.BytesIO(files["bom.xlsx"])).active
    lines = bill_of_materials(plans["dense"])
    assert sheet.max_row == len(lines) + 1
    for row, line in zip(sheet.iter_rows(min_row=2, values_only=True), lines, strict=True):
        assert row[5] == line.item
        assert row[10] == (pytest.approx(line.total_usd) if line.total_usd is not None else None)


def test_without_openpyxl_there_is_a_csv_and_a_word(
    plans: dict[str, Plan], catalog: Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The extra is optional."""
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert [f.name for f in export_plan(plans["dense"], catalog, "bom")] == ["bom.csv"]
    plans["dense"].write(tmp_path / "plan.json")
    assert run(["export", str(tmp_path / "plan.json"), "--for", "bom", "--out", str(tmp_path / "out")]) == 0
    assert "openpyxl" in capsys.readouterr().err
    assert (tmp_path / "out" / "bom.csv").exists()


def test_text_that_looks_like_a_formula_is_text() -> None:
    """A site may be called anything; no spreadsheet runs it."""
    line = Line(0, "=cmd|' /C calc'!A0", "serve", "@here", "2026-10", "systems", "+1", 1.0, "systems", 1.0)
    text = bom_csv((line,))
    assert "'=cmd" in text
    assert "'@here" in text


def test_the_command_writes_every_format(
    plans: dict[str, Plan], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files named after the deployments; wrong requests end in exit code 2 and a reason."""
    for name, kinds in (("dense", ("megatron", "slurm", "kubernetes", "bom")), ("wide", ("vllm", "sglang"))):
        file = tmp_path / f"{name}.json"
        plans[name].write(file)
        for kind in kinds:
            assert run(["export", str(file), "--for", kind, "--out", str(tmp_path / kind)]) == 0
            assert any((tmp_path / kind).iterdir())
            assert run(["export", str(file), "--for", kind]) == 0
            assert capsys.readouterr().out
        wrong = {"dense": "vllm", "wide": "megatron"}[name]
        assert run(["export", str(file), "--for", wrong]) == 2
        assert "nothing in the plan" in capsys.readouterr().err
    assert run(["export", str(tmp_path / "dense.json"), "--for", "megatronn"]) == 2
    assert "megatron" in capsys.readouterr().err
    assert set(FORMATS) == {"megatron", "vllm", "sglang", "slurm", "kubernetes", "bom", "verl"}


def test_plans_that_cannot_be_exported_say_why(plans: dict[str, Plan], catalog: Catalog) -> None:
    """No plan, or one by an older planner that does not say what was asked."""
    none = plans["dense"].model_copy(update={"status": "infeasible", "deployments": ()})
    old = plans["dense"].model_copy(update={"workloads": ()})
    for broken, words in ((none, "status is infeasible"), (old, "does not say what job asks for")):
        with pytest.raises(InputError, match=words):
            export_plan(broken, catalog, "megatron")


def test_the_report_shows_the_bill(plans: dict[str, Plan]) -> None:
    """The lines of the bill, and their sum."""
    from planner.report import format as fmt
    from planner.report import html_page

    page = html_page(plans["dense"])
    assert "Bill of materials" in page
    assert "spares" in page
    totals = plans["dense"].totals
    assert totals is not None
    assert fmt.usd(totals.capex_usd) in page


def test_blocks_of_a_checkpoint_get_expert_parallelism(plans: dict[str, Plan], catalog: Catalog) -> None:
    """Qwen3 235B's FP8 weights, cut eight ways without expert parallelism, would not load: 1536 / 8 is no block."""
    (first, *_) = jobs_of(plans["chat"], catalog)
    job = altered(first, tp=8, pp=1, dp=1, ep=1)
    job = replace(
        job, model=catalog.model("qwen3-235b-a22b"), deployment=job.deployment.model_copy(update={"precision": "fp8"})
    )
    launch = vllm(job)
    assert parsed("vllm", launch).enable_expert_parallel
    accounted(launch)
    assert not parsed("vllm", vllm(altered(job, tp=4, ep=1))).enable_expert_parallel
    assert "--quantization" not in launch.argv()  # the maker's checkpoint, not one made while loading


def test_memory_and_context_of_the_workload_are_written(plans: dict[str, Plan], catalog: Catalog) -> None:
    (first, *_) = jobs_of(plans["chat"], catalog)
    asked = first.asked.model_copy(update={"engine": "sglang", "memory_fraction": 0.8, "input_tokens": 100_000})
    job = replace(first, asked=asked, model=catalog.model("qwen3-32b"))
    assert parsed("sglang", sglang(job)).mem_fraction_static == 0.8
    assert any("YaRN" in note and "factor 3" in note for note in sglang(job).notes)
    for_vllm = replace(job, asked=asked.model_copy(update={"engine": "vllm 0.10", "memory_fraction": 0.75}))
    assert parsed("vllm", vllm(for_vllm)).gpu_memory_utilization == 0.75
