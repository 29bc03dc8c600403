"""What a scenario says that is legal and hardly meant: other units, percent for fractions, zeros for unknown figures.

Bounds (``types``, ``workloads``, ``site``) refuse what cannot be; ``check`` refuses what makes no sense together. Here
stands what a planner of real fleets would ask about: each doubt with its line, what it was probably meant to be, and
no influence on the plan, which carries them as notes. Nothing depends on today's date: a scenario has the same doubts
every day; "long past" is told by the newest figure of the catalog.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from planner.catalog import Catalog
from planner.errors import Problem
from planner.scenario.base import month_index, month_name
from planner.scenario.kinds import OtherWords
from planner.scenario.paths import Path
from planner.scenario.types import Scenario
from planner.scenario.workloads import Recommendation, Serving, Training
from planner.scenario.yaml import path_text


@dataclass(frozen=True)
class _Usual:
    """Between which values a field usually lies, and what one outside was probably meant as."""

    field: str
    low: float
    high: float
    below: str = ""
    above: str = ""


_OF_SCENARIO = (_Usual("horizon_years", 0.25, 15, "months?", "months?"),)
_OF_FINANCE = (_Usual("discount_rate", 0.0, 0.3, above="a real rate a year, as a fraction: 8% is 0.08"),)
_OF_SOLVE = (_Usual("gap", 0.0, 0.1, above="a fraction: 1% is 0.01"),)
_OF_LIMITS = (
    _Usual("capex_usd", 5e4, 1e13, "less than one server costs; millions?"),
    _Usual("cost_usd", 1e4, 1e13, "less than one server costs; millions?"),
    _Usual("opex_usd_per_year", 1e3, 1e13, "millions?"),
    _Usual("capex_usd_per_year", 5e4, 1e13, "less than one server costs; millions?"),
    _Usual("power_mw", 5e-3, 2e4, "less than one server draws; GW for MW?", "kW for MW?"),
    _Usual("carbon_t_per_year", 1.0, 1e9, "kt?", "kg?"),
    _Usual("water_m3_per_year", 1.0, 1e9, above="litres?"),
)
_OF_HARDWARE = (_Usual("price_change_per_year", -0.6, 0.5, "a fraction a year", "a fraction a year: 5% is 0.05"),)
_OF_SITE = (
    _Usual("power_mw", 5e-3, 2000, "less than one server draws; GW for MW?", "more than any campus has; kW for MW?"),
    _Usual("rack_kw", 1, 1200, "MW for kW?", "W for kW?"),
    _Usual("tariff_usd_per_kwh", 0.005, 0.8, "USD per kWh; free, or USD per Wh?", "cents, or USD per MWh?"),
    _Usual("carbon_kg_per_kwh", 0.0, 1.4, above="more than coal emits; g for kg?"),
    _Usual("build_capex_usd_per_mw", 5e5, 1e8, "USD per kW, or millions?", "USD per site?"),
    _Usual("colo_usd_per_kw_month", 20, 1500, "USD per W, or a day?", "USD per MW, or a year?"),
    _Usual("demand_charge_usd_per_kw_month", 0.0, 100, above="USD per MW, or a year?"),
    _Usual("design_dry_bulb_c", -30, 55, above="Fahrenheit?"),
    _Usual("design_wet_bulb_c", -30, 36, above="Fahrenheit?"),
)
_OF_TRAINING = (
    _Usual("mfu", 0.02, 0.8, "percent of a fraction?", "more than any published run reaches"),
    _Usual("finish_within_days", 0.05, 3650, "years or months for days?", "hours for days?"),
    _Usual("checkpoint_interval_s", 10, 86_400, "minutes or hours for seconds?", "ms for s?"),
    _Usual("tokens", 1e7, 1e15, "billions?", "more text than there is"),
)
_OF_SERVING = (
    _Usual("requests_per_s", 1e-3, 1e6, "requests a day?", "requests a day or an hour?"),
    _Usual("ttft_ms", 20, 6e5, "seconds for ms?"),
    _Usual("tpot_ms", 1, 6e4, "seconds for ms?"),
    _Usual("percentile", 50, 99.999, "a percentile: 95, not 0.95 or 5"),
    _Usual("utilisation", 0.1, 0.97, "percent of a fraction?", "queues grow without end as it nears 1"),
    _Usual("growth_per_year", -0.9, 5, above="a fraction a year: 50% is 0.5"),
    _Usual("cached_prefix", 0.0, 0.98, above="nearly every prompt token cached"),
    _Usual("peak_to_mean", 1.0, 50, above="percent for a ratio?"),
)
_OF_RECOMMENDER = (
    _Usual("samples_per_s", 1e-3, 1e10, "samples a day?", "samples a day?"),
    _Usual("latency_ms", 0.1, 6e4, "seconds for ms?"),
    *(u for u in _OF_SERVING if u.field in {"percentile", "utilisation", "growth_per_year", "peak_to_mean"}),
)
_OF_COUNTED = tuple(u for u in _OF_TRAINING if u.field == "finish_within_days")
_OF_KIND = {Training: _OF_TRAINING, Serving: _OF_SERVING, Recommendation: _OF_RECOMMENDER}
_STEP_TOKENS = 3e8
"""Tokens of one optimiser step above which sequences were probably counted in tokens; published runs stay below 1e8."""
_FEW_STEPS = 100
_STALE_MONTHS = 24
_FAR_MONTHS = 120
_FREE = ("price", "rent", "tdp", "power", "usd", "cost")
"""Words in the names of figures that make hardware free when they are zero."""


def doubts(scenario: Scenario, catalog: Catalog) -> list[Problem]:
    """What is legal and hardly meant, in the order of the file; the scenario has passed ``check_scenario``."""
    found = [
        *_unusual(scenario, (), scenario, _OF_SCENARIO if _lasts(scenario) else ()),
        *_dates(scenario, catalog),
        *_unusual(scenario, ("finance",), scenario.finance, _OF_FINANCE),
        *_unusual(scenario, ("hardware",), scenario.hardware, _OF_HARDWARE),
        *_unusual(scenario, ("limits",), scenario.limits, _OF_LIMITS),
        *_unusual(scenario, ("solve",), scenario.solve, _OF_SOLVE),
        *_prices(scenario),
        *_assumed(scenario, catalog),
    ]
    for i, site in enumerate(scenario.sites):
        found += _unusual(scenario, ("sites", i), site, _OF_SITE)
    for i, w in enumerate(scenario.workloads):
        usual = next((u for kind, u in _OF_KIND.items() if isinstance(w, kind)), _OF_COUNTED)
        found += _unusual(scenario, ("workloads", i), w, usual)
        if isinstance(w, Training):
            found += _run(scenario, catalog, i, w)
        found += _drafts(scenario, catalog, i, w)
    return sorted(dict.fromkeys(found), key=lambda p: p.line or 0)


def _lasts(scenario: Scenario) -> bool:
    """Whether something is there for the whole plan; where all is done by a date a plan of days is meant so."""
    return any(getattr(w, "finish_within_days", None) is None for w in scenario.workloads)


def doubt_notes(scenario: Scenario, catalog: Catalog) -> tuple[str, ...]:
    """The doubts as notes of a plan: with lines, without the file's name, which is no part of the question."""
    found = doubts(scenario, catalog)
    return tuple(f"To check: {Problem(d.message, '', d.line, d.path, d.found, remedy=d.remedy)}" for d in found)


def _doubt(scenario: Scenario, path: Path, message: str, found: object, remedy: str = "") -> Problem:
    file, line = scenario.source.place(path)
    shown = f"{found:g}" if isinstance(found, float) else str(found)
    return Problem(message, file=file, line=line, path=path_text(path), found=shown, remedy=remedy)


def _unusual(scenario: Scenario, at: Path, record: Any, usual: tuple[_Usual, ...]) -> Iterator[Problem]:
    for u in usual:
        if isinstance(record, OtherWords) and (u.field in record.HIDDEN or u.field in record.restated):
            continue
        value = getattr(record, u.field, None)
        if value is None or u.low <= value <= u.high or u.field not in record.model_fields_set:
            continue
        low = value < u.low
        message = "is unusually small" if low else "is unusually large"
        remedy = f"Is it meant so ({u.below if low else u.above})?" if (u.below if low else u.above) else ""
        yield _doubt(scenario, (*at, u.field), message, float(value), remedy)


def _dates(scenario: Scenario, catalog: Catalog) -> Iterator[Problem]:
    newest = max(
        (f.as_of[:7] for c in catalog.chips.values() for f in c.figures.values() if len(f.as_of) >= 7), default=""
    )
    if not newest:
        return
    ahead = month_index(scenario.start) - month_index(newest)
    if ahead < -_STALE_MONTHS:
        message = f"is long past: the catalog's prices and power are of up to {newest}"
        yield _doubt(scenario, ("start",), message, scenario.start, "Is the year meant so?")
    elif ahead > _FAR_MONTHS:
        year = month_name(month_index(newest) + _FAR_MONTHS)[:4]
        message = f"is far ahead: nothing in the catalog is priced for after {year}"
        yield _doubt(scenario, ("start",), message, scenario.start, "Is the year meant so?")


def _prices(scenario: Scenario) -> Iterator[Problem]:
    for system, path in scenario.hardware.price_usd.items():
        for month, usd in path.items():
            if usd < 1000.0:
                message = "is less than any system costs"
                yield _doubt(
                    scenario, ("hardware", "price_usd", system, month), message, float(usd), "Thousands or millions?"
                )


def _assumed(scenario: Scenario, catalog: Catalog) -> Iterator[Problem]:
    """Zeros that stand for figures nobody knows: unknown is not nothing, and nothing costs nothing."""
    for kind, records in scenario.assume.as_mapping().items():
        for name, fields in records.items():
            for field, value in fields.items():
                if isinstance(value, bool) or value != 0 or not any(word in field for word in _FREE):
                    continue
                before = catalog.records(kind).get(name) if kind in {"chips", "systems", "interconnects"} else None
                figure = before.figures.get(field) if before is not None else None
                unknown = "nobody published it, which is not zero" if figure is None or figure.value is None else ""
                yield _doubt(
                    scenario, ("assume", kind, name, field), f"is assumed to be nothing{unknown and ': '}{unknown}",
                    0.0, "Leave it out where it is not known: options that need it are then listed, not made free.",
                )  # fmt: skip


def _run(scenario: Scenario, catalog: Catalog, i: int, w: Training) -> Iterator[Problem]:
    at: Path = ("workloads", i)
    step = w.global_batch * w.sequence_length
    if step > _STEP_TOKENS:
        message = f"makes steps of {step:.3g} tokens with sequences of {w.sequence_length}"
        yield _doubt(scenario, (*at, "global_batch"), message, w.global_batch, "Is it counted in tokens?")
    elif w.tokens < _FEW_STEPS * step:
        steps = math.ceil(w.tokens / step)
        message = f"are {steps} steps of {step:.3g} tokens"
        yield _doubt(scenario, (*at, "tokens"), message, float(w.tokens), "Is it meant so (billions for units?)?")
    model = catalog.model(w.model)
    if model.max_context and w.sequence_length > model.max_context:
        message = f"is longer than the context of {model.id}, {model.max_context} tokens"
        yield _doubt(scenario, (*at, "sequence_length"), message, w.sequence_length)
    horizon = scenario.horizon_years * 365.25
    if w.finish_within_days is not None and w.finish_within_days > horizon * (1 + 1e-9):
        message = f"is longer than the plan's horizon of {horizon:.0f} days, which then limits the run"
        yield _doubt(scenario, (*at, "finish_within_days"), message, float(w.finish_within_days))


def _drafts(scenario: Scenario, catalog: Catalog, i: int, w: object) -> Iterator[Problem]:
    """Drafts by a prediction module that the model lacks: such a load is planned without any."""
    asked = getattr(w, "speculation", None)
    if asked is None or asked.method != "mtp":
        return
    model = catalog.model(scenario.workloads[i].model)
    if not model.mtp_layers:
        message = f"drafts nothing: {model.id} has no prediction module of its own"
        yield _doubt(scenario, ("workloads", i, "speculation"), message, asked.method, "Is `method: eagle` meant?")
