"""A package of somebody else's, installed beside the planner: its catalog, exporter and log reader are used."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from planner import plugins
from planner.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "docs" / "examples" / "plugin"
SCENARIO = """\
name: small
start: 2026-10
sites: [{name: hall, region: us_va, power_mw: 1, cooling: [air_crah]}]
hardware: {systems: [acme_a1_8, hgx_h100_oem]}
workloads:
  - {name: chat, kind: serving, model: llama-3.1-8b, input_tokens: 1000, output_tokens: 200, requests_per_s: 5,
     disaggregated: never, parallelism: {tp: 1, pp: 1}}
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


def install(site: Path) -> Path:
    """What pip makes of the example in a folder: its package, and its metadata with the entry points of its project."""
    shutil.copytree(EXAMPLE / "acme_planner", site / "acme_planner", ignore=shutil.ignore_patterns("__pycache__"))
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    about = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return site


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The command line where the example is installed."""
    folder = tmp_path_factory.mktemp("plugin")
    site = install(folder / "site")

    def call(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(ROOT), str(site)])
        return subprocess.run(
            [sys.executable, "-m", "planner", *map(str, arguments)],
            capture_output=True, text=True, cwd=folder,
            env={**os.environ, "PYTHONPATH": path, "PLANNER_CACHE": "off", **environment},
        )  # fmt: skip

    return call


def test_the_example_is_listed_and_can_be_left_out(run: Run) -> None:
    """`planner plugins` names all four with their package; PLANNER_PLUGINS=off knows none."""
    found = json.loads(run("plugins", "--json").stdout)
    assert {(r["kind"], r["name"]) for r in found if r["package"] == "acme-planner 1.0"} == {
        ("catalog", "acme"), ("exporter", "acme-ticket"), ("log reader", "acme-trainer"),
        ("workload", "moderation"),
    }  # fmt: skip
    assert run("plugins", "--json", PLANNER_PLUGINS="off").stdout.strip() == "[]"


def test_its_chip_is_planned_with_and_exported(run: Run, tmp_path: Path) -> None:
    """The chip competes, wins on price, and the ticket orders what the plan buys."""
    file = tmp_path / "small.yaml"
    file.write_text(SCENARIO)
    planned = run("plan", file, "--out", tmp_path / "out", "--format", "csv", "--quiet")
    assert planned.returncode == 0, planned.stderr
    (row,) = csv.DictReader(io.StringIO(planned.stdout))
    assert row["system"] == "acme_a1_8"
    exported = run("export", tmp_path / "out" / "plan.json", "--for", "acme-ticket", "--out", tmp_path / "ticket")
    assert exported.returncode == 0, exported.stderr
    assert "1 x 8 x Acme A1 server to hall, 2026-10" in (tmp_path / "ticket" / "ticket.txt").read_text()
    without = run("plan", file, PLANNER_PLUGINS="off")
    assert without.returncode == 2
    assert "acme_a1_8" in without.stderr


def test_its_kind_of_workload_is_planned_verified_and_explained(run: Run, tmp_path: Path) -> None:
    """A class outside is all there is of it: limits, errors, plan, export, reference and check know the kind."""
    file, out = tmp_path / "judge.yaml", tmp_path / "out"
    load = "{name: judge, kind: moderation, model: llama-3.1-8b, input_tokens: 300, messages_per_s: 200,"
    load += " verdict_ms: 500}"
    file.write_text(SCENARIO.split("workloads:", maxsplit=1)[0] + "workloads:\n  - " + load)
    planned = run("plan", file, "--out", out, "--quiet")
    assert planned.returncode == 0, planned.stderr
    said = json.loads((out / "plan.json").read_text())
    assert said["verified"]
    assert said["deployments"][0]["workload"] == "judge"
    assert "messages/s" in said["answer"]
    assert run("verify", out / "plan.json", file).returncode == 0
    exported = run("export", out / "plan.json", "--for", "vllm", "--out", tmp_path / "vllm")
    assert exported.returncode == 0, exported.stderr
    file.write_text(file.read_text().replace("verdict_ms: 500", "verdikt_ms: 500"))
    wrong = run("plan", file)
    assert wrong.returncode == 2
    assert "verdict_ms" in wrong.stderr
    unknown = run("plan", file, PLANNER_PLUGINS="off")
    assert unknown.returncode == 2
    assert "moderation" in unknown.stderr
    assert "Traceback" not in unknown.stderr


def test_its_reader_finds_measurements_in_a_log(run: Run, tmp_path: Path) -> None:
    """The median of a run's steps is set beside the prediction; a log without any is told."""
    log = tmp_path / "run7.log"
    log.write_text("run Llama-3.1-8B on 8 H100 tp=1 batch=128 seq=8192\n" + "step time 12.0s\nstep time 11.9s\n" * 3)
    done = run("validate", "--cases", log, "--reader", "acme-trainer", "--json")
    assert done.returncode == 0, done.stderr
    (case,) = json.loads(done.stdout)["cases"]
    assert case["case_id"] == "run7-1"
    assert case["measured"] == 12.0
    assert 6.0 < case["predicted"] < 24.0
    log.write_text("nothing\n")
    for reader, said in (("acme-trainer", "found no measurement"), ("acme", "acme-trainer")):
        failed = run("validate", "--cases", log, "--reader", reader)
        assert failed.returncode == 2
        assert said in failed.stderr
        assert "Traceback" not in failed.stderr


class Entry:
    """An entry point that cannot be imported."""

    def load(self) -> object:
        raise ImportError("no module named acme")


def test_a_plugin_that_is_broken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its package and what to do, instead of a traceback in the planner."""
    monkeypatch.setattr(plugins, "_installed", lambda group: {"bad": (Entry(), "acme 0.1")})
    with pytest.raises(InputError, match=r"acme 0\.1.*PLANNER_PLUGINS=off") as error:
        plugins.catalog_folders()
    assert "no module named acme" in str(error.value)
