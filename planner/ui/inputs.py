"""Which numbers of a scenario the form shows, with labels, units and bounds, and how an edit changes the scenario.

No Streamlit here. Labels are ours; units, bounds and help come from the scenario's own types, so a form cannot ask for
something else than the file does.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel

from planner.scenario.kinds import Agents, Batch, Daily, Diffusion, Encoding, PostTraining, RecurringTraining, Restated
from planner.scenario.site import Site
from planner.scenario.types import Hardware, Limits, Objective, Scenario
from planner.scenario.workloads import Recommendation, Serving, Training

Path = tuple[str | int, ...]
Kind = Literal["number", "whole", "choice", "names", "text", "switch", "yaml"]

VISIBLE = 8
"""Inputs that show at once; the rest are in expanders. With scenario and variant it makes ten."""


@dataclass(frozen=True)
class Input:
    """One input of the form. ``value`` and bounds are in the shown unit: what the file has, divided by ``scale``."""

    path: Path
    group: str
    label: str
    kind: Kind
    value: Any
    help: str = ""
    scale: float = 1.0
    least: float | None = None
    most: float | None = None
    optional: bool = False
    empty: str = ""
    options: tuple[str, ...] = ()
    rank: int = 99
    called: Mapping[str, str] = field(default_factory=dict)
    """What options are called, where that is not what they are written as."""
    counted: bool = False
    """Of a choice: whether what is chosen is a whole number."""

    @property
    def key(self) -> str:
        """The path as one word, for widget keys."""
        return ".".join(str(part) for part in self.path)


@dataclass(frozen=True)
class Shown:
    """How a field is shown: its label, its place in the order, and a scale with the unit it makes."""

    field: str
    label: str
    rank: int = 99
    scale: float = 1.0
    unit: str = ""
    empty: str = "no limit"


_SITE = (
    Shown("power_mw", "Power at the meter", 1),
    Shown("racks", "Rack places", 9),
    Shown("tariff_usd_per_kwh", "Electricity tariff", 10, empty="as in the region"),
    Shown("carbon_kg_per_kwh", "Carbon intensity", empty="as in the region"),
    Shown("pue", "PUE", empty="from cooling and climate"),
    Shown("rack_kw", "Largest rack", empty="what the cooling allows"),
    Shown("build_capex_usd_per_mw", "Building cost", scale=1e6, unit="million USD/MW", empty="as in the region"),
)
_WORKLOAD: Mapping[type[BaseModel], tuple[Shown, ...]] = {
    PostTraining: (
        Shown("steps", "Steps", 2),
        Shown("finish_within_days", "Finish within", 3, empty="the horizon"),
        Shown("prompts", "Prompts a step", 4),
        Shown("answers_per_prompt", "Answers to each prompt", 11),
        Shown("answer_tokens", "Answer tokens, mean", 12),
    ),
    Diffusion: (
        Shown("clips_per_hour", "Images or clips an hour", 2),
        Shown("latency_ms", "Time of one, at most", 3, empty="no limit"),
        Shown("steps", "Denoising steps", 11),
        Shown("frames", "Frames", 12),
    ),
    RecurringTraining: (
        Shown("tokens_per_run", "Tokens of each run", 2, 1e9, "billions"),
        Shown("runs", "Runs", 3),
        Shown("every_days", "Days from one to the next", 4),
        Shown("experiments", "Share of chip time for experiments", 5),
    ),
    Daily: (Shown("requests_per_day", "Requests of a day", 2),),
    Agents: (
        Shown("sessions_per_s", "Sessions that begin, at the peak", 2),
        Shown("calls", "Calls of a session", 3),
        Shown("last_prompt", "Context at the last call", 4),
        Shown("tool_wait_s", "Pause between calls", 5),
    ),
    Batch: (
        Shown("requests", "Requests to answer", 2, empty="tokens say how much"),
        Shown("tokens", "Tokens to read and write", 2, 1e9, "billions", empty="requests say how many"),
        Shown("finish_within_days", "Finish within", 3),
        Shown("hours_per_day", "Hours of a day", 4),
    ),
    Encoding: (
        Shown("texts_per_s", "Texts at the peak", 2, empty="tokens by a date"),
        Shown("latency_ms", "Latency, at most", 3, empty="no limit"),
        Shown("tokens", "Tokens to encode", 2, 1e9, "billions", empty="texts a second"),
        Shown("finish_within_days", "Finish within", 3, empty="texts a second"),
    ),
    Training: (
        Shown("tokens", "Tokens to train on", 2, 1e9, "billions"),
        Shown("finish_within_days", "Finish within", 3, empty="the horizon"),
        Shown("global_batch", "Global batch", 11),
        Shown("sequence_length", "Sequence length", 12),
    ),
    Serving: (
        Shown("requests_per_s", "Requests at the peak", 2),
        Shown("ttft_ms", "Time to first token, at most", 3),
        Shown("tpot_ms", "Time per output token, at most", 4),
        Shown("input_tokens", "Input tokens a request", 11),
        Shown("output_tokens", "Output tokens a request", 12),
        Shown("cached_prefix", "Cached share of the prompt"),
        Shown("percentile", "Percentile that meets the latency"),
        Shown("utilisation", "Largest utilisation"),
    ),
    Recommendation: (
        Shown("samples", "Samples to train on", 2, 1e9, "billions"),
        Shown("finish_within_days", "Finish within", 3, empty="the horizon"),
        Shown("samples_per_s", "Samples at the peak", 2, 1e6, "millions/s"),
        Shown("latency_ms", "Latency, at most", 3),
        Shown("global_batch", "Batch", 11),
    ),
}


def _shown_of(kind: type[BaseModel]) -> tuple[Shown, ...]:
    """What is shown of a kind: its own, and of a kind in other words what it shares with a serving load."""
    if not issubclass(kind, Restated):
        return _WORKLOAD[kind]
    return _WORKLOAD[kind] + tuple(s for s in _WORKLOAD[Serving] if s.field not in kind.HIDDEN)


_ONLY_IN_MODE = {
    "samples": "training",
    "finish_within_days": "training",
    "samples_per_s": "serving",
    "latency_ms": "serving",
}
_LIMITS = (
    Shown("capex_usd", "Capital budget", 6, 1e6, "million USD"),
    Shown("cost_usd", "Total cost, at most", scale=1e6, unit="million USD"),
    Shown("chips", "Chips, at most"),
    Shown("power_mw", "Power of all sites, at most"),
    Shown("carbon_t_per_year", "Carbon a year, at most"),
)
_SOLVE = (Shown("gap", "Gap that is good enough"), Shown("time_limit_s", "Longest solve"))
_PLAN, _HARDWARE, _LIMIT_GROUP, _SOLVER = "Plan", "Hardware", "Limits", "Solver"


def inputs(
    scenario: Scenario,
    systems: Sequence[str] = (),
    cooling: Sequence[str] = (),
    called: Mapping[str, str] | None = None,
) -> tuple[Input, ...]:
    """Every input the form offers for a scenario, grouped, in the order of the page. ``called``: names by id."""
    found: list[Input] = []
    names = dict(called or {})
    for i, site in enumerate(scenario.sites):
        group = f"Site {site.name}"
        first = i == 0
        for shown in _SITE:
            if shown.field == "power_mw" and site.power_mw is None:
                if site.capacity is not None and site.capacity.grid_mw is not None:
                    path: Path = ("sites", i, "capacity", "grid_mw")
                    found.append(number_input(site.capacity, "grid_mw", path, group, shown, first=first))
                continue
            found.append(number_input(site, shown.field, ("sites", i, shown.field), group, shown, first=first))
        if cooling:
            found.append(
                Input(
                    ("sites", i, "cooling"), group, "Cooling the site can host", "names", site.cooling,
                    help="None: every option of the catalog.", optional=True, empty="every option",
                    options=_options(cooling, site.cooling), called=names,
                )
            )  # fmt: skip
    for i, workload in enumerate(scenario.workloads):
        for shown in _shown_of(type(workload)):
            if isinstance(workload, Recommendation) and _ONLY_IN_MODE.get(shown.field, workload.mode) != workload.mode:
                continue
            path = ("workloads", i, shown.field)
            found.append(number_input(workload, shown.field, path, f"Workload {workload.name}", shown, first=i == 0))
    found.append(
        Input(
            ("objective",), _PLAN, "Objective, most important first", "names", scenario.objective,
            help=_help(Scenario, "objective"), options=_options(typing.get_args(Objective), scenario.objective), rank=5,
        )
    )  # fmt: skip
    found += [
        number_input(scenario.limits, s.field, ("limits", s.field), _PLAN if s.rank < 99 else _LIMIT_GROUP, s)
        for s in _LIMITS
    ]
    if systems:
        found.append(
            Input(
                ("hardware", "systems"), _PLAN, "Systems that compete", "names", scenario.hardware.systems,
                help=_help(Hardware, "systems") + " None: all that can be bought.", optional=True,
                empty="everything in the catalog", options=_options(systems, scenario.hardware.systems), rank=7,
                called=names,
            )
        )  # fmt: skip
    found.append(
        number_input(scenario, "horizon_years", ("horizon_years",), _LIMIT_GROUP, Shown("horizon_years", "Horizon"))
    )
    found.append(
        Input(
            ("hardware", "acquire"), _HARDWARE, "Ways to get systems", "names", scenario.hardware.acquire,
            help=_help(Hardware, "acquire"), options=("buy", "rent"),
        )
    )  # fmt: skip
    found.append(
        Input(
            ("hardware", "export"), _HARDWARE, "Export rules", "choice", scenario.hardware.export,
            help=_help(Hardware, "export"), options=("none", "cn", "us"),
        )
    )  # fmt: skip
    found += [number_input(scenario.solve, s.field, ("solve", s.field), _SOLVER, s) for s in _SOLVE]
    return tuple(found)


def visible(found: Iterable[Input]) -> frozenset[str]:
    """Keys of the inputs that show at once: the highest ranked."""
    ranked = sorted((i for i in found if i.rank < 99), key=lambda i: i.rank)
    return frozenset(i.key for i in ranked[:VISIBLE])


def changes(found: Iterable[Input], values: Mapping[str, Any]) -> dict[Path, Any]:
    """What the form says differently from the scenario, in the scenario's own units; None: left out."""
    out: dict[Path, Any] = {}
    for item in found:
        if item.key not in values:
            continue
        value = values[item.key]
        if item.kind == "names":
            value = tuple(value or ())
        if value == item.value or (value is None and not item.optional):
            continue
        if item.kind == "names":
            out[item.path] = list(value)
        elif value is None or item.kind in {"choice", "switch"}:
            out[item.path] = int(value) if item.counted and value is not None else value
        elif item.kind == "text":
            out[item.path] = value or None
        elif item.kind == "whole":
            out[item.path] = int(value)
        else:
            out[item.path] = _plain(float(value) * item.scale)
    return out


def apply(data: Mapping[str, Any], edits: Mapping[Path, Any]) -> dict[str, Any]:
    """A copy of a scenario's plain data with leaves set; None, and an empty list that means 'all', remove the leaf."""
    result: Any = dict(data)
    for path, value in edits.items():
        result = _set(result, path, value)
    return typing.cast("dict[str, Any]", result)


def _set(data: Any, path: Path, value: Any) -> Any:
    part, rest = path[0], path[1:]
    if isinstance(part, int):
        elements = list(data)
        elements[part] = _set(elements[part], rest, value)
        return elements
    copy = dict(data) if isinstance(data, Mapping) else {}
    if rest:
        copy[part] = _set(copy.get(part), rest, value)
    elif value is None or (value == [] and part not in {"acquire", "objective", "precision"}):
        copy.pop(part, None)
    else:
        copy[part] = value
    return copy


def _plain(value: float) -> float | int:
    """A float that is whole and large as an int, so that 14800000000000.0 is written 14800000000000."""
    rounded = float(f"{value:.12g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def _options(offered: Sequence[str], chosen: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*offered, *chosen)))


def _help(model: type[BaseModel], field: str) -> str:
    return model.model_fields[field].description or ""


def number_input(owner: BaseModel, field: str, path: Path, group: str, shown: Shown, *, first: bool = True) -> Input:
    info = type(owner).model_fields[field]
    whole = "int" in str(info.annotation)
    optional = "None" in str(info.annotation)
    least = most = None
    for rule in info.metadata:
        if isinstance(rule, Ge):
            least = float(typing.cast("float", rule.ge))
        elif isinstance(rule, Gt):
            least = float(typing.cast("float", rule.gt))
        elif isinstance(rule, Le):
            most = float(typing.cast("float", rule.le))
        elif isinstance(rule, Lt):
            most = float(typing.cast("float", rule.lt))
    extra = info.json_schema_extra
    unit = shown.unit or (str(extra.get("unit", "")) if isinstance(extra, dict) else "")
    value = getattr(owner, field)
    if value is not None:
        value = int(value) if whole and shown.scale == 1 else float(f"{float(value) / shown.scale:.12g}")
    return Input(
        path,
        group,
        f"{shown.label} ({unit})" if unit else shown.label,
        "whole" if whole and shown.scale == 1 else "number",
        value,
        help=info.description or "",
        scale=shown.scale,
        least=None if least is None else least / shown.scale,
        most=None if most is None else most / shown.scale,
        optional=optional,
        empty=shown.empty if optional else "",
        rank=shown.rank if first else 99,
    )


def shown_in(model: type[BaseModel], field: str) -> Shown | None:
    """How the form shows a field of a record, where it says so."""
    own = _shown_of(model) if model in _WORKLOAD else ()
    known = _SITE if model is Site else _LIMITS if model is Limits else own
    return next((s for s in known if s.field == field), None)


def bounds_of(annotation: Any) -> bool:
    """Whether a field holds one number."""
    kinds = {a for a in (typing.get_args(annotation) or (annotation,)) if a is not type(None)}
    return bool(kinds) and kinds <= {int, float}


__all__ = [
    "VISIBLE",
    "Input",
    "Path",
    "Shown",
    "apply",
    "bounds_of",
    "changes",
    "inputs",
    "number_input",
    "shown_in",
    "visible",
]
