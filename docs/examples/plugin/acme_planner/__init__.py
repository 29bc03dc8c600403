"""What Acme adds to the planner. Three functions; none of them imports anything of the planner at import time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner import Catalog, Plan


def catalog_folder() -> Path:
    """The folder of Acme's chip, server and prices; laid over the planner's catalog wherever this is installed."""
    return Path(__file__).parent / "catalog"


def ticket(plan: Plan, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """``planner export --for acme-ticket``: a line to order for every system that is bought."""
    lines = [
        f"{d.systems} x {catalog.system(d.system).name} to {d.site}, {d.period}"
        for d in plan.deployments
        if d.acquire == "buy"
    ]
    yield "ticket.txt", f"{plan.scenario}\n" + "\n".join(lines) + "\n"


_LINE = re.compile(r"step time (?P<seconds>[\d.]+)s")
_HEAD = re.compile(
    r"^run (?P<model>\S+) on (?P<chips>\d+) (?P<chip>\S+) tp=(?P<tp>\d+) batch=(?P<batch>\d+) seq=(?P<seq>\d+)"
)


def read_log(path: Path) -> Iterable[dict[str, Any]]:
    """``planner validate --reader acme-trainer``: the median step time of a run, with what it ran on."""
    text = path.read_text(encoding="utf-8")
    head = _HEAD.search(text)
    times = sorted(float(m["seconds"]) for m in _LINE.finditer(text))
    if head is None or not times:
        return
    yield {
        "model": head["model"], "chip": head["chip"], "n_chips": head["chips"], "tp": head["tp"], "pp": 1,
        "dp": int(head["chips"]) // int(head["tp"]), "micro_batch": 1, "global_batch": head["batch"],
        "seq_len": head["seq"], "precision": "bf16", "framework": "Megatron-LM", "year": 2025,
        "step_time_s": times[len(times) // 2],
    }  # fmt: skip
