"""Nothing in a plan becomes a command, a directive, a field of YAML or a formula, whatever its texts say.

Proves: plans are refused where a text could not have come from a scenario; and what is written past that (every text
hostile, put in by hand) is run under a shell with stubs, opened and parsed, and does nothing.
Sensitivity: each payload runs when it is written unquoted (``test_the_payloads_are_live``).
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner import load_catalog, plan
from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.cli import run
from planner.errors import InputError
from planner.export import export_plan
from planner.export.bom import bill_of_materials, bom_csv, bom_xlsx
from planner.export.cluster import kubernetes, script, slurm
from planner.export.megatron import megatron
from planner.export.serving import sglang, vllm
from planner.export.settings import Job, jobs_of

RUN = "touch canary"
PAYLOADS = (
    f"x\n{RUN}\n",
    f"$({RUN})",
    f"`{RUN}`",
    f"'; {RUN}; '",
    f'"; {RUN}; "',
    f"x; {RUN} #",
    f"x && {RUN}",
    f"x\r\n{RUN}\r\n#SBATCH --wrap={RUN}",
    f"x\u2028{RUN}\u0085{RUN}",
    f"$(SECRET) {RUN}",
    "x: {y: !!python/object/apply:os.system ['touch canary']}",
    "=cmd|' /C touch'!A0",
    "\n=1+1",
    "a;=1+1",
    "--wrap=x",
    "../../canary",
)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """The shipped one."""
    return load_catalog()


@pytest.fixture(scope="module")
def honest(catalog: Catalog) -> Plan:
    """A run over several servers, and a load in two phases of which one spans servers."""
    return plan(
        {
            "name": "honest", "version": 1, "start": "2026-10", "horizon_years": 3,
            "sites": [{"name": "here", "region": "us_va", "power_mw": 10, "racks": 100}],
            "hardware": {"systems": ["hgx_h100_oem"], "acquire": ["buy"]},
            "workloads": [
                {"name": "run", "kind": "training", "model": "llama-3.1-70b", "tokens": 1e11, "sequence_length": 8192,
                 "global_batch": 512, "chips": 512, "parallelism": {"tp": 8, "pp": 8}},
                {"name": "chat", "kind": "serving", "model": "deepseek-v3", "precision": ["fp8"], "input_tokens": 2000,
                 "output_tokens": 300, "requests_per_s": 20, "tpot_ms": 60, "disaggregated": "always"},
            ],
        },
        catalog=catalog,
    )  # fmt: skip


def hostile(job: Job, text: str) -> Job:
    """The job with every text of it hostile: its own, the scenario's, the catalog's."""
    d = job.deployment
    chip = dataclasses.replace(job.chip, id=text, vendor=text)
    told = dict.fromkeys(("workload", "site", "period", "system", "chip", "cooling", "interconnect"), text)
    layout = d.parallelism.model_copy(update={"schedule": text})
    return dataclasses.replace(
        job,
        deployment=d.model_copy(update=told | {"parallelism": layout, "mix": text, "rent_term": text, "option": text}),
        asked=job.asked.model_copy(update={"name": text, "model": text, "framework": text, "kv_precision": text}),
        model=job.model.model_copy(update={"id": text, "weights": text})
        if hasattr(job.model, "model_copy")
        else dataclasses.replace(job.model, id=text, weights=text),
        chip=chip,
    )


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PATH on which launchers write down their words; ``srun`` starts what it is given, as a node would."""
    folder = tmp_path_factory.mktemp("stubs")
    for name in ("bash", "touch", "head", "env", "sh"):
        (folder / name).symlink_to(str(shutil.which(name)))
    for name in ("torchrun", "vllm", "python", "pretrain_gpt.py", "id"):
        (folder / name).write_text('#!/bin/sh\nfor w in "$@"; do printf \'%s\\0\' "$w" >>words; done\n')
    (folder / "srun").write_text('#!/bin/sh\nexec "$@"\n')
    (folder / "scontrol").write_text("#!/bin/sh\necho node0\n")
    for file in folder.iterdir():
        if not file.is_symlink():
            file.chmod(0o755)
    return folder


def started(words: list[str], folder: Path, stubs: Path) -> list[str]:
    """Run words in an empty folder on the stubs' PATH; what the launcher was given. Fails where the canary appears."""
    folder.mkdir(parents=True, exist_ok=True)
    env = {"PATH": str(stubs), "SLURM_JOB_NODELIST": "node0", "SLURM_NODEID": "1", "NODE_RANK": "1", "RANK": "1"}
    env |= {"MASTER_ADDR": "node0", "MASTER_PORT": "1", "SECRET": "leaked", "DP_START_RANK": "8"}
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr.decode()
    left = {p.name for p in folder.iterdir()} - {"words", "file"}
    assert not left, left
    assert not (folder.parent / "canary").exists()
    file = folder / "words"
    return file.read_bytes().decode().split("\0")[:-1] if file.exists() else []


def kubelet(words: list[str]) -> list[str]:
    """A container's command as the kubelet starts it: ``$(NAME)`` filled in where the pod has NAME, ``$$`` a dollar."""
    pod = {"SECRET": "leaked"}
    return [re.sub(r"\$\$|\$\((\w+)\)", lambda m: "$" if m[0] == "$$" else pod.get(m[1], m[0]), word) for word in words]


def containers(made: Any) -> Iterator[dict[str, Any]]:
    """Every container of a manifest."""
    if isinstance(made, dict):
        yield from made.get("containers", [])
        for part in made.values():
            yield from containers(part)


@pytest.mark.parametrize("text", PAYLOADS)
def test_no_text_of_a_plan_is_run(honest: Plan, catalog: Catalog, stubs: Path, tmp_path: Path, text: str) -> None:
    """Slurm files, commands of pods and option arrays of every job, started; the model's name arrives as one word."""
    said = "".join(c if c.isprintable() else " " for c in text)
    for n, job in enumerate(hostile(j, text) for j in jobs_of(honest, catalog)):
        trains = job.deployment.role == "train"
        makers: dict[str, Callable[[], str]] = {"slurm": lambda job=job: slurm(job)}  # type: ignore[misc]
        tools = (megatron,) if trains else (vllm, sglang)
        for tool in tools:
            makers[tool.__name__] = lambda job=job, tool=tool: script(job, tool(job))  # type: ignore[misc]
        for kind, make in makers.items():
            folder = tmp_path / f"{kind}{n}"
            folder.mkdir()
            (folder / "file").write_text(make(), encoding="utf-8")
            assert subprocess.run(["bash", "-n", "file"], cwd=folder, capture_output=True).returncode == 0
            words = started(["bash", "file"], folder, stubs)
            if kind == "slurm":
                assert trains or words[:2] == ["serve", said]
                asked = [line for line in (folder / "file").read_text().splitlines() if line.startswith("#SBATCH")]
                assert all(re.fullmatch(r"#SBATCH --[a-z-]+(=[A-Za-z0-9:.,_-]+)?", line) for line in asked), asked
        manifest = yaml.safe_load(kubernetes(job))
        assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", manifest["metadata"]["name"])
        assert len(manifest["metadata"]["name"]) < 64
        assert set(manifest) == {"apiVersion", "kind", "metadata", "spec"}
        for i, container in enumerate(containers(manifest)):
            words = started(kubelet(container["command"]), tmp_path / f"pod{n}-{i}", stubs)
            assert trains or words[:2] == ["serve", said]


def test_the_payloads_are_live(stubs: Path, tmp_path: Path) -> None:
    """Written into a script as they are, they do run: the test above would see it."""
    for i, text in enumerate(PAYLOADS[:8]):
        folder = tmp_path / str(i)
        folder.mkdir()
        line = f"id {text}" if text[0] not in "'\"" else f"id {text[0]}{text}{text[0]}"
        subprocess.run(["bash", "-c", line], cwd=folder, env={"PATH": str(stubs)}, capture_output=True)
        assert any(p.name.startswith("canary") for p in folder.iterdir()), text


@pytest.mark.parametrize("text", PAYLOADS)
def test_no_cell_is_a_formula(honest: Plan, text: str) -> None:
    """CSV and XLSX of a plan whose texts are hostile: every cell is a number or inert text, in every locale's cut."""
    openpyxl = pytest.importorskip("openpyxl")
    names = ("workload", "site", "period", "system", "chip", "cooling", "interconnect")
    odd = honest.model_copy(
        update={"deployments": tuple(d.model_copy(update=dict.fromkeys(names, text)) for d in honest.deployments)}
    )
    lines = bill_of_materials(odd)
    for delimiter in ",;\t":
        for row in csv.reader(io.StringIO(bom_csv(lines)), delimiter=delimiter):
            assert not any(cell.lstrip()[:1] in {"=", "+", "@", "＝"} for cell in row), row
    sheet = openpyxl.load_workbook(io.BytesIO(bom_xlsx(lines))).active
    for row in sheet.iter_rows():
        assert not [cell.value for cell in row if cell.data_type == "f"]


def leaves(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of every text of a plan."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from leaves(value, (*path, key))
    elif isinstance(data, list):
        for i, value in enumerate(data):
            yield from leaves(value, (*path, i))
    elif isinstance(data, str):
        yield path


def with_leaf(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with one leaf replaced."""
    copy = json.loads(json.dumps(data))
    at = copy
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    return copy


def test_a_plan_with_a_line_break_anywhere_is_not_read(honest: Plan) -> None:
    """Nor with shell text where an id, a month or a word belongs; the place is said."""
    data = honest.to_dict()
    words = {"system", "chip", "cooling", "model", "precision", "kv_precision", "framework", "period", "start", "mix"}
    texts = list(leaves(data))
    assert len(texts) > 50
    for path in texts:
        wrong = [f"x\n{RUN}"] + ([f"$({RUN})"] if path[-1] in words else [])
        for text in wrong:
            with pytest.raises(InputError) as caught:
                Plan.from_json(json.dumps(with_leaf(data, path, text)), file="plan.json")
            assert "plan.json" in str(caught.value)
            assert str(path[0]) in str(caught.value)


def test_a_plan_that_fails_verification_is_not_exported(
    honest: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One never verified, or with the scenario at hand one with a changed figure; ``--unverified`` insists."""
    file, question = tmp_path / "plan.json", tmp_path / "scenario.yaml"
    question.write_text(
        yaml.safe_dump(
            {
                "name": "small", "start": "2026-10", "horizon_years": 3,
                "sites": [{"name": "here", "region": "us_va", "power_mw": 10}],
                "hardware": {"systems": ["hgx_h100_oem"], "acquire": ["buy"]},
                "workloads": [{"name": "chat", "kind": "serving", "model": "llama-3.1-8b", "input_tokens": 500,
                               "output_tokens": 100, "requests_per_s": 5, "disaggregated": "never"}],
            }
        )
    )  # fmt: skip
    good = plan(question)
    good.write(file)
    export = ["export", str(file), "--for", "bom", "--out", str(tmp_path / "out")]
    check = ["verify", str(file), str(question)]
    assert run([*export, "--scenario", str(question)]) == run(check) == 0
    assert "Verified." in capsys.readouterr().out
    assert run(export) == 0
    assert "--scenario" in capsys.readouterr().err
    totals = good.totals
    assert totals is not None
    good.model_copy(update={"totals": totals.model_copy(update={"capex_usd": totals.capex_usd * 1.01})}).write(file)
    assert run([*export, "--scenario", str(question)]) == run(check) == 2
    assert "totals.capex_usd" in capsys.readouterr().err
    assert run([*export, "--scenario", str(question), "--unverified"]) == 0
    good.model_copy(update={"verified": False}).write(file)
    shutil.rmtree(tmp_path / "out")
    assert run(export) == 2
    assert "never verified" in capsys.readouterr().err
    assert not os.path.lexists(tmp_path / "out")
    with pytest.raises(InputError, match="never verified"):
        export_plan(Plan.read(file), load_catalog(), "bom")
