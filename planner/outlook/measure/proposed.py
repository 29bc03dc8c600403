"""Runs that could be made: one configuration for each workload and kind of hardware, as a row of a table to fill in.

A run of training is the option's layout with as few data-parallel ranks as hold the model, its batch cut in proportion,
so that a chip does the same work as in the whole run; a run of serving is one replica under as many clients as it has
requests in flight. The row has the columns of ``--measurements``; what it would change is asked of the same functions
that read such a table.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from planner.answer.asked import asked_of
from planner.catalog import Catalog
from planner.errors import PlannerError
from planner.export.megatron import megatron
from planner.export.quoting import shell_words
from planner.export.serving import sglang, vllm
from planner.export.settings import Job, job_of
from planner.fleet.answer import Chosen, deployments_of
from planner.options.hardware.choices import platform_of
from planner.options.option import Option
from planner.options.work.describe import spec_of_option
from planner.options.work.serving import SHAPE, ServingSearch
from planner.options.work.training import RECOMPUTE, TrainingSearch, detail_of, one_layout
from planner.outlook.ahead import View
from planner.outlook.moves import Kind
from planner.performance.measured.neighbours import Neighbours
from planner.performance.platform import Platform
from planner.performance.serving.job import ServingCandidates
from planner.performance.serving.profile import ServingCalibration
from planner.performance.serving.replica import estimate_serving
from planner.scenario.workloads import Serving, Training

STEPS, WARM_UP = 60, 10
"""Steps of a training run that is measured, and how many of them are left out of the mean."""
ROUNDS = 8
"""Requests of a measured load over those in flight: the first and the last round are not full."""
START_HOURS = 0.5
"""To start a program: nodes that find each other, weights that are read, graphs that are captured (assumed)."""
TODAY = "2026"
_ENGINES: Mapping[str, str] = {"vllm": "vLLM", "sglang": "SGLang", "trtllm": "TensorRT-LLM", "atom": "ATOM",
                               "vllm_ascend": "vLLM-Ascend", "current": "current"}  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One workload on one kind of hardware: the option that stands for it, whose times are asked again and again."""

    kind: Kind
    option: Option
    workload: Training | Serving
    platform: Platform

    @property
    def training(self) -> bool:
        """Whether it is a run and not a load."""
        return isinstance(self.workload, Training)

    def times(
        self, catalog: Catalog, neighbours: Neighbours | None = None, calibration: ServingCalibration | None = None
    ) -> tuple[float, float, float]:
        """(seconds of a step, both ends of its 80% interval over it), with what measured runs say."""
        o = self.option
        if isinstance(self.workload, Training):
            search = TrainingSearch(self.workload, catalog)
            platform = replace(self.platform, neighbours=neighbours or self.platform.neighbours)
            told = detail_of(search, platform, o.precision, o.parallelism)
            return float(told.step_time_s[0]), float(told.low80[0]), float(told.high80[0])
        platform = replace(self.platform, serving=calibration or self.platform.serving)
        serving = ServingSearch(self.workload, catalog)
        shape = ServingCandidates(**{name: np.array([o.parallelism[name]]) for name in SHAPE})
        found = estimate_serving(serving.job(o.precision, platform, o.parallelism.get("drafts", 0)), platform, shape)
        return float(found.step_s[0]), float(found.low80[0]), float(found.high80[0])


@dataclass(frozen=True)
class Proposed:
    """A run to make. ``row``: cells of a table of measurements; ``figure``: the column to fill in."""

    item: Item
    row: Mapping[str, str]
    figure: str
    chips: int
    hours: float
    usd: float | None
    """At the catalog's rent of the chip; None where it has none."""
    command: str
    notes: tuple[str, ...]


def items_of(view: View) -> tuple[list[Item], list[str]]:
    """(what could be measured, what could not and why): for each workload, system and chip the option in the plan, or
    the cheapest for what it gives."""
    best: dict[Kind, Option] = {}
    for o in sorted(view.options, key=lambda o: (o.role != "serve", _price(o), o.id)):
        if not o.mix:
            best.setdefault((o.workload, o.system, o.chip), o)
    loads = {w.name: w for w in view.scenario.workloads}
    found: list[Item] = []
    without: dict[str, str] = {}
    for kind, o in best.items():
        w = loads[o.workload]
        platform = platform_of(view.question.catalog, o.system, o.chip, o.cooling, o.power_cap, o.topology)
        if isinstance(w, Training) and w.mfu_on(o.system, o.chip) is not None:
            without[w.name] = f"{w.name} on {o.system}: its MFU is given by the scenario, so no measured run moves it."
        elif isinstance(w, Training) and w.trainable != "full":
            without[w.name] = f"{w.name}: measured runs speak of full training only."
        elif isinstance(w, Training) or (
            isinstance(w, Serving) and not w.request_classes and w.output_tokens > 1 and o.role in _ROLES
        ):
            found.append(Item(kind, o, w, platform))
        else:
            without[w.name] = f"{w.name}: no table of measured runs is carried for work of its kind."
    return sorted(found, key=lambda i: i.kind), list(without.values())


_ROLES = ("serve", "prefill", "decode")


def _price(o: Option) -> float:
    return o.cost_usd / max(*o.rates.values(), 1e-12)


def proposals(view: View, items: list[Item]) -> Iterator[Proposed]:
    """A run for each item that can be made on fewer chips than are planned, or on as many."""
    for item in items:
        found = _training(view, item) if item.training else _serving(view, item)
        if found is not None:
            yield found


def _usd(view: View, item: Item, chips: int, hours: float) -> float | None:
    rate = view.question.catalog.chip(item.option.chip).get("rent_usd_per_h")
    return None if rate is None else rate * chips * hours


def _job(view: View, option: Option) -> Job:
    """What an export of one unit of an option begins with."""
    (d,) = deployments_of(view.scenario, view.describer, [Chosen(option, 1)])
    asked = next(a for a in asked_of(view.scenario) if a.name == option.workload)
    return job_of(0, d, asked, view.question.catalog)


def _whole(chips: int, per_system: int) -> int:
    """Chips of whole systems, or as many as are used within one."""
    return chips if chips <= per_system else -(-chips // per_system) * per_system


# -- training ----------------------------------------------------------------------------------------------------------


def _training(view: View, item: Item) -> Proposed | None:
    o, w, catalog = item.option, item.workload, view.question.catalog
    assert isinstance(w, Training)  # noqa: S101 - narrowed for the type checker
    layout = dict(o.parallelism)
    for dp in _halves(layout["dp"]):
        batch = w.global_batch * dp // layout["dp"]
        small = w.model_copy(update={"global_batch": batch})
        search = TrainingSearch(small, catalog)
        tried = layout | {"dp": dp}
        if batch * layout["dp"] != w.global_batch * dp or not search.is_legal(item.platform, o.precision, tried):
            continue
        told = detail_of(search, item.platform, o.precision, tried)
        if told.fits[0]:
            break
    else:
        return None
    chips = int(one_layout(tried).chips[0])
    hours = START_HOURS + STEPS * float(told.step_time_s[0]) / 3600.0
    row = {
        "model": w.model, "chip": o.chip, "n_chips": str(chips), "precision": o.precision,
        "seq_len": str(w.sequence_length), "global_batch": str(batch), "framework": search.stack.name, "year": TODAY,
        **{name: str(tried[name]) for name in ("tp", "pp", "vpp", "dp", "ep", "cp", "sp", "micro_batch")},
        "zero_stage_or_fsdp": f"zero-{tried['zero_stage']}", "recompute": RECOMPUTE[tried["recompute"]],
    }  # fmt: skip
    command, notes = "", []
    try:
        job = _job(view, o)
        launch = megatron(job)
        changed = {"--global-batch-size": str(batch), "--train-iters": str(STEPS), "--log-interval": "1"}
        given = {name: changed.pop(name, value) for name, value in launch.options}
        words = [
            part for name, value in (given | changed).items() for part in ((name,) if value is None else (name, value))
        ]
        nodes = -(-chips // item.platform.server_chips)
        start = ["torchrun", f"--nnodes={nodes}", f"--nproc-per-node={min(chips, item.platform.server_chips)}"]
        command = shell_words([*start, "pretrain_gpt.py", *words])
        notes = [f"Mean of the steps after the first {WARM_UP}; --data-path and a tokenizer are yours."]
    except PlannerError as error:
        notes = [f"No launch settings: {error}"]
    usd = _usd(view, item, _whole(chips, item.platform.system_chips), hours)
    return Proposed(item, row, "step_time_s", chips, hours, usd, command, tuple(notes))


def _halves(dp: int) -> list[int]:
    """Divisors of the data-parallel width, ascending."""
    return [d for d in range(1, dp + 1) if dp % d == 0]


# -- serving -----------------------------------------------------------------------------------------------------------


def _serving(view: View, item: Item) -> Proposed | None:
    o, w = item.option, item.workload
    assert isinstance(w, Serving)  # noqa: S101 - narrowed for the type checker
    p = o.parallelism
    predicted = view.describer.describe(spec_of_option(o)).predicted
    rate = (predicted.requests_per_s or 0.0) / max(o.replicas, 1)
    lasts = (predicted.ttft_ms or 0.0) / 1e3 + (predicted.tpot_ms or 0.0) / 1e3 * max(w.output_tokens - 1, 0)
    clients = max(1, min(round(rate * lasts) or p["batch"], p["batch"]))
    chips = p["tp"] * p["pp"] * p["attention_dp"]
    requests = ROUNDS * clients
    hours = START_HOURS + requests / max(rate, 1e-9) / 3600.0
    engine = w.engine.partition(" ")[0]
    row = {
        "model": w.model, "chip": o.chip, "n_chips": str(chips), "framework": _ENGINES[engine], "year": TODAY,
        "weight_precision": o.precision, "kv_precision": w.kv_precision or "",
        "tp": str(p["tp"]), "pp": str(p["pp"]), "ep": str(p["ep"]), "dp": str(p["attention_dp"]),
        "isl": f"{w.input_tokens:g}", "osl": f"{w.output_tokens:g}", "concurrency_or_batch": str(clients),
        "scenario": "online",
    }  # fmt: skip
    isl, osl = math.ceil(w.input_tokens), math.ceil(w.output_tokens)
    notes = []
    if o.role != "serve":
        notes.append(f"One whole replica in the layout of the {o.role} workers: what both phases have in common.")
    try:
        job = _job(view, o)
        serve, bench = (sglang, _sglang_bench) if engine == "sglang" else (vllm, _vllm_bench)
        start = ["python", "-m", "sglang.launch_server"] if engine == "sglang" else ["vllm", "serve", job.model.id]
        words = serve(job).argv()
        command = shell_words([*start, *words]) + "\n" + shell_words(bench(job.model.id, isl, osl, clients, requests))
        notes.append("The row may name the result's file in a column `log` instead of a figure.")
    except PlannerError as error:
        command = ""
        notes.append(f"No launch settings: {error}")
    return Proposed(item, {k: v for k, v in row.items() if v}, "tpot_ms", chips,
                    hours, _usd(view, item, chips, hours), command, tuple(notes))  # fmt: skip


def _vllm_bench(model: str, isl: int, osl: int, clients: int, requests: int) -> list[str]:
    """Options of vLLM 0.33."""
    return [
        "vllm", "bench", "serve", "--model", model, "--dataset-name", "random", "--random-input-len", str(isl),
        "--random-output-len", str(osl), "--ignore-eos", "--max-concurrency", str(clients), "--num-prompts",
        str(requests), "--save-result", "--result-filename", "result.json",
    ]  # fmt: skip


def _sglang_bench(model: str, isl: int, osl: int, clients: int, requests: int) -> list[str]:
    """Options of SGLang 0.5.23."""
    return [
        "python", "-m", "sglang.bench_serving", "--backend", "sglang", "--model", model, "--dataset-name", "random",
        "--random-input-len", str(isl), "--random-output-len", str(osl), "--random-range-ratio", "1",
        "--max-concurrency", str(clients), "--num-prompts", str(requests), "--output-file", "result.jsonl",
    ]  # fmt: skip
