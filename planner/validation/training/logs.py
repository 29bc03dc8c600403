"""Single runs of public logs beside what the model says: ``python -m planner.validation.training.logs [--json]``.

Peak memory, whether the run fits, and whether the reported speed lies inside the 80% interval of step time. The runs
(``catalog/measurements/training_logs.yaml``) are in no calibration.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import yaml

from planner.catalog import Catalog, load_catalog
from planner.catalog.load import catalog_folder
from planner.performance.compile import build_platform
from planner.performance.training.stacks import get_profile
from planner.performance.training.step import TrainingCandidates, TrainingJob, estimate_training

MEMORY_BAR = 0.08


@dataclass(frozen=True)
class LogAnswer:
    """One run: reported and predicted peak memory (1e9 bytes) and seconds of a step; None where nothing is reported."""

    case: str
    source: str
    memory_gb: float | None
    predicted_gb: float
    fits: bool
    predicted_fits: bool
    step_s: float | None
    predicted_s: float
    low_s: float
    high_s: float

    @property
    def memory_error(self) -> float | None:
        """predicted / reported - 1."""
        return None if self.memory_gb is None else self.predicted_gb / self.memory_gb - 1.0

    @property
    def inside(self) -> bool | None:
        """Whether the reported step lies inside the interval; None where none is reported."""
        return None if self.step_s is None else self.low_s <= self.step_s <= self.high_s


def answer_log(catalog: Catalog, run: Mapping[str, Any]) -> LogAnswer:
    """A run of the file, priced. Raises what names and layouts raise."""
    model = catalog.model(run["model"])
    model = replace(model, vocab=run["vocab"]) if "vocab" in run else model
    layout = dict(run["layout"])
    shared = layout.get("tp", 1) * layout.get("pp", 1) * layout.get("cp", 1)
    one = TrainingCandidates.of(dp=run["chips"] // shared, sp=int(layout.get("tp", 1) > 1), **layout)
    job = TrainingJob(model, run["sequence_length"], run["global_batch"], run.get("precision", "bf16"))
    platform = build_platform(catalog, run["system"], catalog.system(run["system"]).chip_ids[0], "")
    found = estimate_training(job, platform, one, get_profile(run["stack"]))
    step = float(found.step_time_s[0])
    reported = run.get("step_time_s")
    for name in ("tokens_per_s_per_chip", "model_tflops_per_chip"):
        if name in run:  # a rate: the step it makes
            reported = step * float(getattr(found, name)[0]) / run[name]
    return LogAnswer(
        case=run["case"],
        source=run["source"],
        memory_gb=run.get("peak_memory_gb"),
        predicted_gb=float(found.memory_bytes[0]) / 1e9,
        fits=run.get("fits", True),
        predicted_fits=bool(found.fits[0]),
        step_s=reported,
        predicted_s=step,
        low_s=step * float(found.low80[0]),
        high_s=step * float(found.high80[0]),
    )


def log_answers(catalog: Catalog | None = None) -> tuple[LogAnswer, ...]:
    """Every run of the carried file."""
    catalog = load_catalog() if catalog is None else catalog
    text = (catalog_folder() / "measurements" / "training_logs.yaml").read_text(encoding="utf-8")
    return tuple(answer_log(catalog, run) for run in yaml.safe_load(text))


def share_words(answers: Sequence[LogAnswer]) -> str:
    """How many hold, in one sentence."""
    errors = [e for a in answers if (e := a.memory_error) is not None]
    inside = [i for a in answers if (i := a.inside) is not None]
    return (
        f"Peak memory within {MEMORY_BAR:.0%} in {sum(abs(e) <= MEMORY_BAR for e in errors)} of {len(errors)}, whether "
        f"it fits right in {sum(a.fits == a.predicted_fits for a in answers)} of {len(answers)}, the step inside its "
        f"80% interval in {sum(inside)} of {len(inside)}."
    )


def logs_table(answers: Sequence[LogAnswer]) -> list[str]:
    """The runs as Markdown lines."""
    lines = [
        "| run | peak memory, GB | said | error | fits | said | step, s | said | 80% interval | inside |",
        "| --- | ---: | ---: | ---: | --- | --- | ---: | ---: | ---: | --- |",
    ]
    words = {True: "yes", False: "no", None: ""}
    for a in answers:
        memory = "" if a.memory_gb is None else f"{a.memory_gb:.1f}"
        error = "" if a.memory_error is None else f"{a.memory_error:+.1%}"
        step = "" if a.step_s is None else f"{a.step_s:.3g}"
        lines.append(
            f"| {a.case}: {a.source} | {memory} | {a.predicted_gb:.1f} | {error} | {words[a.fits]} | "
            f"{words[a.predicted_fits]} | {step} | {a.predicted_s:.3g} | {a.low_s:.3g} to {a.high_s:.3g} | "
            f"{words[a.inside]} |"
        )
    return [*lines, "", share_words(answers), ""]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit status 0 whether runs hold or not."""
    parser = argparse.ArgumentParser(description="Single training runs of public logs beside what the model says.")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    chosen = parser.parse_args(arguments)
    found = log_answers()
    sys.stdout.write(json.dumps([asdict(a) for a in found], indent=1) if chosen.json else "\n".join(logs_table(found)))
    sys.stdout.write("\n")
    return 0


__all__ = ["LogAnswer", "answer_log", "log_answers", "logs_table", "main"]

if __name__ == "__main__":
    raise SystemExit(main())
