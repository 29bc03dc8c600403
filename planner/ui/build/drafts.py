"""A new question, and lists of sites and workloads that grow and shrink. Plain data in, plain data out."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from planner.scenario.base import month_index, month_name

Data = dict[str, Any]
_SITE: Data = {"name": "hall", "region": "us_va", "power_mw": 10}
WORKLOADS: Mapping[str, Data] = {
    "Serving": {
        "name": "serving", "kind": "serving", "model": "llama-3.1-70b", "precision": ["fp8", "bf16"],
        "input_tokens": 2000, "output_tokens": 400, "requests_per_s": 20, "ttft_ms": 1500, "tpot_ms": 50,
    },
    "Serving by the hour": {
        "name": "assistant", "kind": "daily", "model": "llama-3.1-70b", "precision": ["fp8", "bf16"],
        "requests_per_day": 1000000, "input_tokens": 1500, "output_tokens": 300, "ttft_ms": 1500, "tpot_ms": 50,
        "users": [
            {"name": "America", "share": 0.6, "utc_offset": -5},
            {"name": "Europe", "share": 0.4, "utc_offset": 1},
        ],
    },
    "Agents": {
        "name": "agents", "kind": "agents", "model": "qwen3-coder-30b-a3b", "precision": ["fp8", "bf16"],
        "sessions_per_s": 0.1, "calls": 30, "first_prompt": 8000, "last_prompt": 100000, "output_tokens": 400,
        "tool_wait_s": 30, "ttft_ms": 10000, "tpot_ms": 50,
    },
    "Pre-training": {
        "name": "training", "kind": "training", "model": "llama-3.1-70b", "precision": ["bf16"],
        "tokens": 1000000000000, "sequence_length": 8192, "global_batch": 1024, "finish_within_days": 90,
    },
    "Fine-tuning": {
        "name": "tuning", "kind": "training", "model": "llama-3.1-70b", "precision": ["bf16"], "trainable": "lora",
        "tokens": 1000000000, "sequence_length": 4096, "global_batch": 128, "finish_within_days": 7,
    },
    "Fine-tuning every week": {
        "name": "weekly", "kind": "recurring_training", "model": "llama-3.1-8b", "precision": ["bf16"],
        "tokens_per_run": 3000000000, "runs": 52, "every_days": 7, "sequence_length": 8192, "global_batch": 128,
    },
    "Recommender, training": {
        "name": "ranking-training", "kind": "recommendation", "mode": "training", "model": "dlrm-dcnv2",
        "precision": ["bf16"], "samples": 50000000000, "global_batch": 65536, "finish_within_days": 1,
    },
    "Recommender, serving": {
        "name": "ranking", "kind": "recommendation", "mode": "serving", "model": "dlrm-dcnv2", "precision": ["bf16"],
        "samples_per_s": 1000000, "global_batch": 2048, "latency_ms": 30,
    },
    "Post-training (RL)": {
        "name": "reasoning", "kind": "post_training", "model": "qwen3-30b-a3b", "steps": 500, "prompts": 128,
        "answers_per_prompt": 16, "prompt_tokens": 300, "answer_tokens": 8000, "longest_answer": 16000,
        "train_batch": 512, "finish_within_days": 5,
    },
    "Batch by a date": {
        "name": "summaries", "kind": "batch", "model": "llama-3.1-8b", "precision": ["fp8", "bf16"],
        "input_tokens": 4000, "output_tokens": 300, "requests": 1000000, "finish_within_days": 5,
    },
    "Embedding and reranking": {
        "name": "embedding", "kind": "encoding", "model": "qwen3-embedding-0.6b", "input_tokens": 500,
        "texts_per_s": 300, "latency_ms": 200,
    },
    "Images and video": {
        "name": "clips", "kind": "diffusion", "model": "wan2.1-t2v-14b", "precision": ["bf16"],
        "clips_per_hour": 1000, "height": 720, "width": 1280, "frames": 81, "steps": 50, "guidance": True,
        "latency_ms": 600000,
    },
}  # fmt: skip
"""What a new workload of each kind begins as: figures that plan as they stand, to be changed."""


def new_question(start: str) -> Data:
    """A question that plans as it stands: one site, one load, everything competes."""
    return {
        "name": "My question", "version": 1, "start": start, "horizon_years": 4, "objective": ["cost"],
        "sites": [dict(_SITE)], "workloads": [copy.deepcopy(WORKLOADS["Serving"])],
    }  # fmt: skip


def next_month(year: int, month: int) -> str:
    """The month after one, as a scenario writes it."""
    return month_name(month_index(f"{year:04d}-{month:02d}") + 1)


def _free(name: str, taken: Iterable[str]) -> str:
    used = set(taken)
    return next(n for n in (name, *(f"{name}-{i}" for i in range(2, len(used) + 3))) if n not in used)


def _names(data: Mapping[str, Any], section: str) -> list[str]:
    return [str(x.get("name", "")) for x in data.get(section, ())]


def added(data: Mapping[str, Any], section: str, element: Mapping[str, Any]) -> Data:
    """With one element more at the end, under a free name."""
    new = {**copy.deepcopy(dict(element)), "name": _free(str(element["name"]), _names(data, section))}
    return {**data, section: [*data.get(section, ()), new]}


def added_site(data: Mapping[str, Any]) -> Data:
    """With one site more."""
    return added(data, "sites", _SITE)


def duplicated(data: Mapping[str, Any], section: str, index: int) -> Data:
    """With one element twice, the second under a free name."""
    return added(data, section, data[section][index])


def removed(data: Mapping[str, Any], section: str, index: int) -> Data:
    """Without one element; overrides that reach into it go with it."""
    name = _names(data, section)[index]
    left = {**data, section: [x for i, x in enumerate(data[section]) if i != index]}
    return _without_overrides(left, f"{section}.{name}.")


def renamed(data: Mapping[str, Any], section: str, index: int, name: str) -> Data:
    """With another name of an element, in overrides and in `after` too."""
    old = _names(data, section)[index]
    elements = [dict(x) for x in data[section]]
    elements[index]["name"] = name
    for element in elements:
        if old in (element.get("after") or ()):
            element["after"] = [name if a == old else a for a in element["after"]]
    before, now = f"{section}.{old}.", f"{section}.{name}."
    found: Data = {**data, section: elements}
    if found.get("overrides"):
        found["overrides"] = {
            key: {(now + p[len(before):] if p.startswith(before) else p): v for p, v in leaves.items()}
            for key, leaves in found["overrides"].items()
        }  # fmt: skip
    return found


def _without_overrides(data: Data, prefix: str) -> Data:
    if not data.get("overrides"):
        return data
    kept = {
        key: {path: value for path, value in leaves.items() if not path.startswith(prefix)}
        for key, leaves in data["overrides"].items()
    }
    return {**data, "overrides": kept}


# halls: a tree in the file, a table on the page

HALL_COLUMNS = ("power_mw", "ups", "cooling", "rows", "racks_per_row", "rack_kw")


def halls_table(capacity: Mapping[str, Any] | None) -> list[Data]:
    """The halls of a site as rows; ``place`` is the path of names from the meter: 'east/e1'."""
    rows: list[Data] = []

    def walk(halls: Sequence[Mapping[str, Any]], above: str) -> None:
        for hall in halls:
            place = f"{above}/{hall['name']}" if above else str(hall["name"])
            row: Data = {"place": place, **{c: hall.get(c) for c in HALL_COLUMNS}}
            row["cooling"] = ", ".join(hall.get("cooling") or ())
            rows.append(row)
            walk(hall.get("halls") or (), place)

    walk((capacity or {}).get("halls") or (), "")
    return rows


def halls_tree(rows: Sequence[Mapping[str, Any]], capacity: Mapping[str, Any] | None) -> Data | None:
    """The tree of a table of halls; what the table does not show of a hall stays. None where nothing is left."""
    before: dict[str, Data] = {}

    def walk(halls: Sequence[Mapping[str, Any]], above: str) -> None:
        for hall in halls:
            place = f"{above}/{hall['name']}" if above else str(hall["name"])
            before[place] = {k: v for k, v in hall.items() if k != "halls"}
            walk(hall.get("halls") or (), place)

    walk((capacity or {}).get("halls") or (), "")
    made: dict[str, Data] = {}
    top: list[Data] = []
    for row in rows:
        place = str(row.get("place") or "").strip().strip("/")
        if not place:
            continue
        above, _, name = place.rpartition("/")
        hall = {**before.get(place, {}), "name": name}
        for column in HALL_COLUMNS:
            value: Any = row.get(column)
            if column == "cooling":
                value = [c.strip() for c in str(value or "").split(",") if c.strip()]
            if value in (None, "", []) or value != value:  # empty cells of a table are NaN
                hall.pop(column, None)
            else:
                hall[column] = int(value) if column in {"rows", "racks_per_row"} else value
        made[place] = hall
        (made[above].setdefault("halls", []) if above in made else top).append(hall)
    grid = (capacity or {}).get("grid_mw")
    found: Data = {} if grid is None else {"grid_mw": grid}
    if top:
        found["halls"] = top
    return found or None
