"""Published GRPO steps (NeMo RL, H100 and GB200) beside what the model says of them.

Given by the source: model, chips, the layout of the update, tensor width of a rollout replica, sequences, their mean
length. Not given, and assumed alike for all: prompts of 150 tokens in groups of 16, answer lengths that spread by half
their mean and are cut at four times it, and, of steps off the policy, the split of the chips: the best is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from planner.catalog import Catalog
from planner.catalog.load import catalog_folder
from planner.options.hardware.choices import platform_of
from planner.options.work.post_training import SHAPE, PostTrainingSearch
from planner.options.work.training import LAYOUT
from planner.scenario.kinds.post_training import PostTraining
from planner.validation.cases import read_cases

MODELS = {
    "DeepSeek-V3": "deepseek-v3",
    "Qwen3-235B-A22B": "qwen3-235b-a22b",
    "Qwen3-30B-A3B": "qwen3-30b-a3b",
}
HARDWARE = {"H100-80GB": ("hgx_h100_oem", "h100_sxm", "air_crah"), "GB200": ("gb200_nvl72", "gb200", "d2c_1p")}
PROMPT_TOKENS, GROUP, TRAIN_BATCH = 150, 16, 512
SPLIT = 8
"""Chips by which splits of a step off the policy are tried."""


@dataclass(frozen=True)
class Compared:
    """One measured step and its prediction, seconds."""

    case: str
    model: str
    chip: str
    chips: int
    off_policy: int
    measured_s: float
    predicted_s: float
    low_s: float
    high_s: float

    @property
    def inside(self) -> bool:
        """Whether the measured step lies inside the 80% interval."""
        return self.low_s <= self.measured_s <= self.high_s


def compared(catalog: Catalog) -> Iterator[Compared]:
    """Every published step of a model of the catalog."""
    for case in read_cases(catalog_folder() / "measurements" / "training.csv"):
        row = case.cells
        name = row["model"].split(" ")[0]
        if row["case_id"].startswith("NRL") and name in MODELS:
            found = _compared(catalog, row, MODELS[name])
            if found is not None:
                yield found


def _compared(catalog: Catalog, row: Mapping[str, str], model: str) -> Compared | None:
    notes = row["notes"]
    off = 0 if "policy on" in notes else int(_number(r"policy (\d+)-step", notes))
    sequences, width = _number(r"(\d+) generations", notes), _number(r"TP,PP = (\d+)", notes)
    chips = int(row["n_chips"])
    workload = PostTraining.model_validate({
        "kind": "post_training", "name": "measured", "model": model, "steps": 1, "prompts": sequences // GROUP,
        "answers_per_prompt": GROUP, "prompt_tokens": PROMPT_TOKENS, "answer_tokens": int(row["seq_len"]),
        "train_batch": TRAIN_BATCH, "precision": [row["precision"]], "framework": "bridge", "steps_off_policy": off,
        "placement": "apart" if off else "together",
    })  # fmt: skip
    search = PostTrainingSearch(workload, catalog)
    platform = platform_of(catalog, *HARDWARE[row["chip"]])
    degrees = {k: int(row[k] or 1) for k in ("tp", "pp", "ep", "cp")}
    best: tuple[float, float, float] | None = None
    for rollout in range(max(width, SPLIT), chips, SPLIT) if off else (chips,):
        update = chips - rollout if off else chips
        stage = degrees["tp"] * degrees["pp"] * degrees["cp"]
        if update < stage:
            continue
        update -= update % stage
        layouts: list[dict[str, int]] = []
        for micro in (1, 2, 4):
            for recompute in range(3):
                values: dict[str, Any] = dict.fromkeys(LAYOUT, 1) | degrees | {
                    "dp": update // stage, "micro_batch": micro, "zero_stage": 1, "recompute": recompute,
                    "sp": int(degrees["tp"] > 1), "rollout_tp": width, "rollout_replicas": rollout // width,
                    "apart": int(off > 0),
                }  # fmt: skip
                if TRAIN_BATCH % (values["dp"] * micro) == 0:
                    layouts.append({name: int(values.get(name, 1)) for name in (*LAYOUT, *SHAPE)})
        if not layouts:
            continue
        units = search.of_layouts(platform, row["precision"], layouts)
        for i in range(len(layouts)):
            seconds = float(units.step_time_s[i])
            if units.fits[i] and (best is None or seconds < best[0]):
                best = (seconds, float(units.low80[i]), float(units.high80[i]))
    if best is None:
        return None
    seconds, low, high = best
    return Compared(
        row["case_id"], row["model"].split(" ")[0], row["chip"], chips, off, float(row["step_time_s"]), seconds,
        seconds * low, seconds * high,
    )  # fmt: skip


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(found[1]) if found else 0
