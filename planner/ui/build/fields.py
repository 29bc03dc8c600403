"""Every field of a record of the scenario as an input of the form, from the record's own types. No Streamlit here."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import BaseModel

from planner.report import format as fmt
from planner.scenario import Limits
from planner.scenario.kinds import OtherWords
from planner.scenario.yaml import parse, to_yaml
from planner.ui.inputs import Input, Path, Shown, bounds_of, number_input, shown_in

MAIN: Mapping[str, tuple[str, ...]] = {
    "Site": ("name", "region", "power_mw", "racks", "cooling", "ownership", "tariff_usd_per_kwh"),
    "Training": ("name", "model", "tokens", "finish_within_days", "sequence_length", "global_batch", "precision",
                 "trainable"),
    "Serving": ("name", "model", "requests_per_s", "input_tokens", "output_tokens", "ttft_ms", "tpot_ms", "precision",
                "growth_per_year"),
    "Recommendation": ("name", "model", "mode", "samples", "finish_within_days", "samples_per_s", "latency_ms",
                       "global_batch", "precision"),
    "Batch": ("name", "model", "requests", "finish_within_days", "input_tokens", "output_tokens", "precision"),
    "Encoding": ("name", "model", "texts_per_s", "tokens", "finish_within_days", "input_tokens", "latency_ms",
                 "precision"),
    "PostTraining": ("name", "model", "steps", "finish_within_days", "prompts", "answers_per_prompt", "prompt_tokens",
                     "answer_tokens", "train_batch"),
    "Diffusion": ("name", "model", "clips_per_hour", "height", "width", "frames", "steps", "latency_ms", "precision"),
    "RecurringTraining": ("name", "model", "tokens_per_run", "runs", "every_days", "run_within_days", "experiments",
                          "sequence_length", "global_batch", "precision", "trainable"),
    "Agents": ("name", "model", "sessions_per_s", "calls", "first_prompt", "last_prompt", "output_tokens", "tool_wait_s",
               "ttft_ms", "tpot_ms", "precision", "kv_precision"),
    "Daily": ("name", "model", "requests_per_day", "users", "input_tokens", "output_tokens", "ttft_ms", "tpot_ms",
              "precision"),
    "RecurringTraining": ("name", "model", "tokens_per_run", "runs", "every_days", "run_within_days", "experiments",
                          "sequence_length", "global_batch", "precision", "trainable"),
    "Hardware": ("systems", "vendors", "acquire", "export", "deliverable_by"),
    "Scenario": ("name", "description", "start", "horizon_years", "periods", "objective", "confidence"),
}  # fmt: skip
"""Fields that show at once, in this order; the others are one click away."""
_NOT_HERE = {"kind", "source", "version", "sites", "workloads", "hardware", "limits", "assume", "assume_file", "solve",
             "overrides", "variants", "capacity"}  # fmt: skip

_UNIONS = (typing.Union, types.UnionType)
_LABELS: Mapping[str, str] = {
    "systems": "Systems that compete", "vendors": "Vendors", "acquire": "Ways to get systems",
    "export": "Export rules", "deliverable_by": "Delivered by (YYYY-MM)", "start": "First month (YYYY-MM)",
    "horizon_years": "Horizon", "periods": "Periods: first months", "objective": "Objective, first comes first",
    "growth_per_year": "Growth a year, 0.2 is 20%", "trainable": "What is trained", "exclude": "Left out",
    "confidence": "How likely each promise is to hold, at least", "opex_usd_per_year": "Running cost of a year, at most",
    "capex_usd_per_year": "Capital of a year, at most", "water_m3_per_year": "Water of a year, at most",
    "kinds": "Kinds of systems, at most", "pools": "Pools, at most", "vendor_share": "Largest share of a vendor",
    "pue_max": "PUE, at most", "wue_max_l_per_kwh": "Water per energy (WUE), at most",
    "swing_max": "Swing of power, at most", "colo_usd_per_kw_month": "Colocation price",
    "demand_charge_usd_per_kw_month": "Demand charge", "design_dry_bulb_c": "Hottest hour, dry bulb",
    "design_wet_bulb_c": "Hottest hour, wet bulb", "answers": "What other confidences cost", "gap": "Gap that is good enough",
    "time_limit_s": "Longest solve", "first_prompt": "Context at the first call", "offload_gb_s": "Offload bandwidth",
}  # fmt: skip
_EMPTY: Mapping[str, str] = {
    "systems": "everything in the catalog", "vendors": "all vendors", "cooling": "every option", "exclude": "nothing",
    "after": "no other run", "offload": "nothing", "deliverable_by": "no limit", "pue_max": "no limit",
    "wue_max_l_per_kwh": "no limit", "kv_precision": "as the weights", "threads": "all cores", "confidence": "as the plan",
    "start": "the first month of the plan", "images": "text only", "speculation": "none",
}  # fmt: skip


@dataclass(frozen=True)
class Choices:
    """What can be chosen for fields that name things of the catalog: {field: {id: what people call it}}."""

    by_field: Mapping[str, Mapping[str, str]]

    def of(self, field: str) -> Mapping[str, str] | None:
        """The choices of a field, None where it names nothing."""
        return self.by_field.get(field)


def fields_of(record: BaseModel, path: Path, choices: Choices) -> tuple[list[Input], list[Input]]:
    """(inputs that show at once, the others) of a record at a path of the scenario."""
    name = type(record).__name__
    aside = _NOT_HERE | (record.HIDDEN if isinstance(record, OtherWords) else frozenset())
    every = {f: _input(record, f, (*path, f), choices) for f in type(record).model_fields if f not in aside}
    main = [every[f] for f in MAIN.get(name, tuple(every)) if f in every]
    return main, [item for f, item in every.items() if item not in main]


def _input(owner: BaseModel, field: str, path: Path, choices: Choices) -> Input:
    info = type(owner).model_fields[field]
    empty = _EMPTY.get(field, "no limit" if isinstance(owner, Limits) else "not set")
    shown = shown_in(type(owner), field) or Shown(field, _LABELS.get(field) or fmt.label(field), empty=empty)
    value = getattr(owner, field)
    options, several, optional = _kinds(info.annotation)
    called = choices.of(field)
    base = Input(path, "", shown.label, "text", value, help=info.description or "", optional=optional,
                 empty=_EMPTY.get(field, shown.empty) if optional or field in _EMPTY else "")  # fmt: skip
    if called is not None or options:
        offered = tuple(called) if called is not None else options
        chosen = tuple(value or ()) if several else ((str(value),) if value is not None else ())
        every = tuple(dict.fromkeys((*offered, *chosen)))
        if several:
            return replace(base, kind="names", value=tuple(str(v) for v in value), options=every, called=called or {})
        whole = isinstance(value, int) or "Literal[" in str(info.annotation) and "'" not in str(info.annotation)
        return replace(base, kind="choice", value=None if value is None else str(value), options=every,
                       called=called or {}, counted=whole)  # fmt: skip
    if info.annotation is bool:
        return replace(base, kind="switch")
    if bounds_of(info.annotation):
        return number_input(owner, field, path, "", shown)
    if _is_text(info.annotation):
        return replace(base, value=value or "")
    return replace(base, kind="yaml", value=_as_yaml(value), optional=True)


def _is_text(annotation: Any) -> bool:
    """Whether a field holds text: a name, a month, an id."""
    parts = typing.get_args(annotation) if typing.get_origin(annotation) in _UNIONS else (annotation,)
    bare = [typing.get_args(a)[0] if hasattr(a, "__metadata__") else a for a in parts if a is not type(None)]
    return bare == [str]


def _kinds(annotation: Any) -> tuple[tuple[str, ...], bool, bool]:
    """(choices of a Literal, whether several may be taken, whether it may be left out)."""
    optional = several = False
    if typing.get_origin(annotation) in _UNIONS:
        rest = [a for a in typing.get_args(annotation) if a is not type(None)]
        optional = len(rest) < len(typing.get_args(annotation))
        annotation = rest[0] if len(rest) == 1 else annotation
    if typing.get_origin(annotation) is tuple:
        several, annotation = True, typing.get_args(annotation)[0]
    found = typing.get_args(annotation) if typing.get_origin(annotation) is Literal else ()
    return tuple(str(v) for v in found), several, optional


def _as_yaml(value: Any) -> str:
    """A nested part as a few lines of YAML; empty where it says nothing."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_defaults=True)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        value = [v.model_dump(mode="json", exclude_defaults=True) if isinstance(v, BaseModel) else v for v in value]
    return "" if value in (None, {}, [], ()) else to_yaml(value).strip()


def from_yaml(text: str) -> Any:
    """A nested part from its lines; None for none. Raises ``ValueError`` with what is wrong."""
    if not text.strip():
        return None
    document = parse(text, "")
    if document.problems:
        raise ValueError(str(document.problems[0]))
    return document.data
