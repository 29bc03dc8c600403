"""What a plan.json may hold beside its types: bounds on every text, figure and list, and parts that fit together.

A plan file may come from anyone, and what is made of it (scripts, tables, a check against its scenario) trusts that
names are names, counts can be counted and lists are as long as each other. Rules go by the name of a field, wherever it
stands; a field without a rule of its own has that of its type, so a field that plans come to hold is bounded from its
first day. Fields that are read from a plan for a new purpose get a rule here.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from planner.errors import Problem, at_most
from planner.scenario.base import FIRST_YEAR, LAST_YEAR

if TYPE_CHECKING:
    from planner.answer.plan import Plan, Priced

LARGEST_FILE = 64 * 2**20
"""Bytes of a plan.json that are read at all: a hundred times the largest plan of the examples."""
LONGEST_LIST = 100_000
LONGEST_TEXT = 20_000
LONGEST_NAME = 200
LARGEST_COUNT = 10**12
LARGEST_FIGURE = 1e30
MOST_PROBLEMS = 8
"""Said at once; a file that is wrong throughout is wrong for one reason."""

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_DAY = re.compile(r"(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
_WORD = re.compile(r"[A-Za-z0-9_.\-]{0,80}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,79}")
_NAME = re.compile(r"[^\[\]=,]+")
_PATH = re.compile(r"[a-z]+\.[A-Za-z0-9][A-Za-z0-9_.\-]*\.[a-z0-9_]+")


def _month(text: str) -> bool:
    found = _MONTH.fullmatch(text)
    return found is not None and FIRST_YEAR <= int(found[1]) <= LAST_YEAR + 100


_TEXTS: Mapping[str, tuple[Callable[[str], object], str]] = {
    "site": (_NAME.fullmatch, "a name without brackets, commas or `=`"),
    # empty of a lot that whatever needs it may use
    "workload": (lambda text: not text or _NAME.fullmatch(text), "a name without brackets, commas or `=`"),
    **dict.fromkeys(("system", "chip", "cooling", "model"), (_ID.fullmatch, "an id of the catalog")),
    **dict.fromkeys(
        ("precision", "kv_precision", "framework", "engine", "rent_term", "mix",
         "problem_digest", "catalog_digest", "seal"),
        (_WORD.fullmatch, "one word"),
    ),
    **dict.fromkeys(("period", "start"), (_month, "a month written YYYY-MM")),
    **dict.fromkeys(("begin", "end", "since"), (lambda t: not t or _month(t), "a month written YYYY-MM")),
    **dict.fromkeys(("start_date", "end_date"), (_DAY.fullmatch, "a day written YYYY-MM-DD")),
}  # fmt: skip
_NAMES = ("site", "workload", "interconnect", "name", "scenario", "variant", "unit", "limit", "planner_version")
_COUNTS: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("tp", "dp", "ep", "cp"), (1, 10**6)),
    **dict.fromkeys(("pp", "vpp"), (1, 10**4)),
    **dict.fromkeys(
        ("micro_batch", "micro_batches", "global_batch", "batch", "sequence_length", "systems", "replicas"),
        (1, 10**9),
    ),
    **dict.fromkeys(
        ("chips", "part_chips", "drafts", "spares", "racks", "input_tokens", "output_tokens", "chunk_tokens"),
        (0, 10**9),
    ),
    "hbm_percent": (0, 100),
    "zero_stage": (0, 3),
    "generation": (0, 10**4),
    "year": (0, 10**4),
}  # fmt: skip
_FIGURES: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(
        ("power_cap", "load", "utilisation", "share_of_time", "ettr", "cached_prefix", "prefill_share", "likeness",
         "waited", "memory_fraction", "acceptance"),
        (0.0, 1.0 + 1e-6),
    ),
    "pue": (1.0, 100.0),
    **dict.fromkeys(("mfu", "modelled_mfu", "linearity"), (0.0, 10.0)),
    "relative_speed": (0.0, 1e6),
    "percentile": (0.0, 100.0),
    "horizon_years": (1e-3, 1000.0),
    **dict.fromkeys(
        ("racks", "it_mw", "facility_mw", "it_average_mw", "facility_average_mw", "power_mw", "added_mw", "tokens",
         "samples", "samples_per_s", "requests_per_s", "tokens_per_s", "input_tokens_per_s", "step_time_s", "days",
         "low_s", "high_s", "time_ratio", "chip_hours",
         "finish_days", "rented_days", "ttft_ms", "tpot_ms", "latency_ms", "checkpoint_interval_s", "seconds",
         "network", "memory_limit_gb_per_chip", "memory_gb_per_chip"),
        (0.0, LARGEST_FIGURE),
    ),
}  # fmt: skip
_FEW: Mapping[str, int] = {"periods": 1000, "workloads": 1000, "deployments": 20_000, "lots": 20_000}


def plan_problems(plan: Plan, file: str) -> list[Problem]:
    """What is wrong with a plan as read, most ``MOST_PROBLEMS`` and how many more; empty where nothing is."""
    found = list(_bounded(plan, "", "", file)) or list(_together(plan, file))
    return at_most(found, MOST_PROBLEMS)


def _bounded(value: Any, field: str, path: str, file: str) -> Iterator[Problem]:
    """Every leaf against the rule of the field it stands in (for elements of lists and mappings, that of the whole)."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _bounded(getattr(value, name), name, f"{path}.{name}" if path else name, file)
    elif isinstance(value, Mapping):
        yield from _long(value, field, path, file)
        for key, item in value.items():
            yield from _text(str(key), "name", f"{path} (a key)", file)
            yield from _bounded(item, field, f"{path}.{key}", file)
    elif isinstance(value, tuple | list):
        yield from _long(value, field, path, file)
        for i, item in enumerate(value):
            yield from _bounded(item, {"periods": "period"}.get(field, field), f"{path}[{i}]", file)
    elif isinstance(value, str):
        yield from _text(value, field, path, file)
    elif isinstance(value, bool) or value is None:
        return
    else:
        yield from _number(value, field, path, file)


def _long(
    value: Mapping[str, Any] | tuple[Any, ...] | list[Any], field: str, path: str, file: str
) -> Iterator[Problem]:
    most = _FEW.get(field, LONGEST_LIST)
    if len(value) > most:
        yield Problem("is too long", file=file, path=path, found=f"{len(value)} entries", allowed=f"at most {most}")


def _text(text: str, field: str, path: str, file: str) -> Iterator[Problem]:
    most = LONGEST_NAME if field in _NAMES else LONGEST_TEXT
    if len(text) > most:
        yield Problem("is too long", file=file, path=path, allowed=f"at most {most} characters")
    elif any(unicodedata.category(c) in _INVISIBLE for c in text):
        yield Problem("holds a line break or an invisible character", file=file, path=path, found=_shown(text))
    elif field in _TEXTS and not _TEXTS[field][0](text):
        yield Problem("cannot be used", file=file, path=path, found=_shown(text), allowed=_TEXTS[field][1])


def _number(value: int | float, field: str, path: str, file: str) -> Iterator[Problem]:
    low: float
    high: float
    if isinstance(value, int):
        low, high = _COUNTS.get(field, (0, LARGEST_COUNT))
    else:
        low, high = _FIGURES.get(field, (-LARGEST_FIGURE, LARGEST_FIGURE))
    if not low <= value <= high:
        found = str(value) if -1e30 < value < 1e30 else "an absurd number"
        yield Problem("is out of bounds", file=file, path=path, found=found, allowed=f"{low:g} to {high:g}")


def _shown(text: str) -> str:
    return repr(text[:60])


def _together(plan: Plan, file: str, within: str = "") -> Iterator[Problem]:
    """Parts that must fit each other before anything is made of them; ``within``: the path of a plan in a plan."""

    def wrong(path: str, message: str, found: object = "") -> Problem:
        return Problem(message, file=file, path=within + path, found=str(found)[:80])

    if (plan.fleet is None) != (plan.schedule is None):
        yield wrong("fleet", "fleet and schedule come together or not at all")
    acting = bool(plan.deployments) or plan.fleet is not None
    if plan.has_plan and (plan.totals is None or plan.objective.value is None):
        yield wrong("totals", "a plan has totals and a value of its objective", f"status {plan.status}")
    if plan.has_plan != acting:
        told = "has nothing to deploy" if plan.has_plan else "has something to deploy"
        yield wrong("status", f"the plan {told}, which its status cannot mean", plan.status)
    for name, n in Counter(w.name for w in plan.workloads).items():
        if n > 1:
            yield wrong("workloads", "two workloads have one name", name)
    for i, d in enumerate(plan.deployments):
        at = f"deployments[{i}]"
        if not d.workload:
            yield wrong(f"{at}.workload", "is empty")
        if plan.fleet is None and d.period not in plan.periods:  # work of a fleet begins in any month
            yield wrong(f"{at}.period", "is none of the plan's periods", d.period)
        if d.spares > d.systems:
            yield wrong(f"{at}.spares", f"are more than its {d.systems} systems", d.spares)
        if d.chips < d.replicas:
            yield wrong(f"{at}.chips", f"are fewer than its {d.replicas} replicas", d.chips)
        if d.mix and sum(x.mix == d.mix for x in plan.deployments) != 2:
            yield wrong(f"{at}.mix", "must be shared by two deployments", d.mix)
    for workload, units in (plan.totals.unit_cost_usd if plan.totals is not None else {}).items():
        for unit, lines in units.items():
            if "total" not in lines:
                yield wrong(f"totals.unit_cost_usd.{workload}.{unit}", "has no total")
    yield from _scheduled(plan, wrong)
    for i, x in enumerate(plan.at_confidences):
        if x.plan is not None:
            parts = {name: getattr(x.plan, name) for name in type(x.plan).model_fields}
            other = plan.model_copy(update={**parts, "at_confidences": ()})
            yield from _together(other, file, f"at_confidences[{i}].plan.")


def _scheduled(plan: Plan, wrong: Callable[..., Problem]) -> Iterator[Problem]:
    if plan.fleet is None or plan.schedule is None:
        return
    periods = len(plan.periods)
    lists: list[tuple[str, Sequence[float]]] = [
        (f"schedule.loads[{i}].units", x.units) for i, x in enumerate(plan.schedule.loads)
    ]
    for i, x in enumerate(plan.schedule.demand):
        lists += [(f"schedule.demand[{i}].asked", x.asked), (f"schedule.demand[{i}].answered", x.answered)]
    for path, by_period in lists:
        if len(by_period) != periods:
            yield wrong(path, f"must have one value for each of the {periods} periods", len(by_period))
    for i, run in enumerate(plan.schedule.runs):
        if run.spares >= run.systems:
            yield wrong(f"schedule.runs[{i}].spares", f"leave none of its {run.systems} systems to work", run.spares)
    places = {(x.site, x.system, x.chip, x.cooling) for x in plan.fleet.lots}
    for kind, works in (("runs", plan.schedule.runs), ("loads", plan.schedule.loads)):
        for i, w in enumerate(works):
            if (w.site, w.system, w.chip, w.cooling) not in places:
                yield wrong(f"schedule.{kind}[{i}]", f"works on {w.system} at {w.site}, of which no lot stands there")
    priced: list[tuple[str, Priced]] = [(f"fleet.lots[{i}]", x) for i, x in enumerate(plan.fleet.lots)]
    priced += [(f"schedule.runs[{i}]", x) for i, x in enumerate(plan.schedule.runs)]
    priced += [(f"schedule.loads[{i}]", x) for i, x in enumerate(plan.schedule.loads)]
    years = len(plan.fleet.years)
    for path, part in priced:
        for name, values in (
            ("money.opex_usd_by_year", part.money.opex_usd_by_year),
            ("carbon_t_by_year", part.carbon_t_by_year),
            ("water_m3_by_year", part.water_m3_by_year),
        ):
            if len(values) != years:
                yield wrong(f"{path}.{name}", f"must have one value for each of the {years} years", len(values))
