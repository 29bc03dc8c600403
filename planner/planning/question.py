"""From a scenario to a program: read, assumed, searched, built, and the limits of solving it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.catalog import Catalog, load_catalog
from planner.errors import InputError, PlannerError, Problem
from planner.explain.conflict import unable
from planner.fleet.build import build_fleet
from planner.fleet.model import FleetModel
from planner.fleet.stock_limits import build_stock
from planner.fleet.stock_model import StockModel
from planner.options.enumerate import enumerate_options
from planner.options.enumerate_lots import enumerate_stock
from planner.options.form import over_lots
from planner.options.option import OptionSet
from planner.options.stock import StockSet
from planner.scenario import (
    check_scenario,
    load_scenario,
    overridden,
    scenario_from_mapping,
    with_catalog_ids,
)
from planner.scenario.types import Scenario
from planner.solve import Limits, Program, refusal, with_objective
from planner.verify.measured import measured_catalog

_LOG = logging.getLogger(__name__)


Progress = Callable[[str, float], None]


Cancel = Callable[[], bool]


class CancelledError(PlannerError):
    """The caller's ``cancel`` said so; nothing was half-done."""

    exit_code = 130


@dataclass(frozen=True)
class Question:
    """A scenario that has been read and checked, with everything that can be chosen, priced, and the program over it.

    ``plain`` is the catalog without the scenario's assumptions, ``catalog`` with them. ``model`` is None where some
    workload has no option at all, so that there is nothing to solve.
    """

    scenario: Scenario
    variant: str | None
    plain: Catalog
    catalog: Catalog
    found: OptionSet | StockSet
    model: FleetModel | None
    limits: Limits
    clock: Clock
    stock: StockModel | None = None
    """Of a shared fleet: what ``model`` was written from."""


def ask(
    scenario: Scenario | Mapping[str, Any] | str | Path,
    *,
    catalog: Catalog | None = None,
    variant: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    whole: bool = False,
) -> Question:
    """Read, check and price a scenario (arguments as in ``plan``); what comes back can be solved in many ways.

    ``whole``: work takes whole systems wherever nothing happens over time, for answers that know no parts of systems.

    Raises ``InputError`` for input that is wrong, and whatever ``progress`` raises.
    """
    clock = Clock()
    tell = progress or (lambda what, share: None)
    tell("Reading", 0.0)
    scenario, plain = scenario_of(scenario, catalog, variant, overrides)
    check_bounded(scenario)
    known = plain.with_assumptions(scenario.assume.as_mapping())
    clock.lap("reading")
    found = searched(scenario, known, whole=whole, progress=lambda what, share: tell(what, 0.05 + 0.65 * share))
    clock.lap("pricing")
    model, stock = None, None
    if not unable(scenario, found.options):
        model, stock = built(scenario, known, found)
        clock.lap("modelling")
    return Question(scenario, variant, plain, known, found, model, limits_of(scenario), clock, stock)


def scenario_of(
    scenario: Scenario | Mapping[str, Any] | str | Path,
    catalog: Catalog | None = None,
    variant: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> tuple[Scenario, Catalog]:
    """A scenario read and checked, and the catalog with what it measured; arguments as in ``plan``."""
    if not isinstance(scenario, Scenario):
        scenario = (
            scenario_from_mapping(scenario, variant=variant, overrides=overrides)
            if isinstance(scenario, Mapping)
            else load_scenario(scenario, variant, overrides)
        )
    elif overrides:
        scenario = overridden(scenario, overrides)
    plain = measured_catalog(scenario, catalog if catalog is not None else load_catalog())
    check_scenario(scenario, plain)
    return with_catalog_ids(scenario, plain), plain


def searched(
    scenario: Scenario,
    catalog: Catalog,
    *,
    relaxed: bool = False,
    whole: bool = False,
    progress: Progress | None = None,
) -> OptionSet | StockSet:
    """Everything that can be chosen: options of workloads, or lots and work; ``whole`` as in ``ask``."""
    lots = scenario.over_time if whole else over_lots(scenario, catalog)
    search = enumerate_stock if lots else enumerate_options
    return search(scenario, catalog, relaxed=relaxed, progress=progress)


def built(scenario: Scenario, catalog: Catalog, found: OptionSet | StockSet) -> tuple[FleetModel, StockModel | None]:
    """The program over what was found; of a shared fleet also how to read it."""
    if isinstance(found, StockSet):
        stock = build_stock(scenario, catalog, found.stock)
        return stock.as_fleet(), stock
    return build_fleet(scenario, found.options), None


def check_bounded(scenario: Scenario) -> None:
    """Raise ``InputError`` where the most throughput has no end: rented systems need no site."""
    limits = scenario.limits
    ended = any(x is not None for x in (limits.chips, limits.cost_usd, limits.opex_usd_per_year))
    loads = [w for w in scenario.workloads if w.kind == "serving" or getattr(w, "mode", "") == "serving"]
    endless = [w for w in loads if w.chips is None or w.chips.max is None]
    if "throughput" in scenario.objective and "rent" in scenario.hardware.acquire and endless and not ended:
        raise InputError(
            Problem(
                "the most throughput has no end where systems may be rented and neither chips nor money are limited",
                file=scenario.source.file,
                line=scenario.source.line(("objective",)),
                path="objective",
                remedy="Give limits.chips, limits.cost_usd or limits.opex_usd_per_year, or leave rent out of acquire.",
            )
        )


def goals_of(scenario: Scenario) -> list[str]:
    """The scenario's objectives; cost has the last word where it is none of them."""
    goals: list[str] = list(scenario.objective)
    return goals if "cost" in goals else [*goals, "cost"]


def model_of(question: Question) -> Program:
    """The program of a question under its first objective; ``InputError`` where nothing can be chosen.

    What is solved for a plan: further objectives are solved after it, with one row more each.
    """
    if question.model is None:
        raise InputError(Problem("some workload has nothing that can run it, so there is no model; plan it to see why"))
    model = question.model
    return with_objective(model.program, model.objectives[goals_of(question.scenario)[0]])


def check_backend(scenario: Scenario, model: FleetModel) -> None:
    """Raise ``InputError`` where the solver that the scenario names cannot take its program."""
    backend = scenario.solve.backend
    why = refusal(model.program, backend)
    if why:
        raise InputError(
            Problem(
                f"this solver cannot take this scenario: {why}", path="solve.backend", found=backend,
                allowed="auto, highs, split",
            )
        )  # fmt: skip


def limits_of(scenario: Scenario) -> Limits:
    s = scenario.solve
    return Limits(time_limit_s=s.time_limit_s, gap=s.gap, seed=s.seed, threads=s.threads, reproducible=s.reproducible)


class Clock:
    """Seconds by room."""

    def __init__(self) -> None:
        self.started = self._last = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = round(self.laps.get(name, 0.0) + now - self._last, 4)
        self._last = now

    @property
    def total(self) -> float:
        return round(time.perf_counter() - self.started, 4)


def teller(progress: Progress | None, cancel: Cancel | None) -> Progress:
    def tell(what: str, share: float) -> None:
        if cancel is not None and cancel():
            raise CancelledError("cancelled")
        _LOG.info("%s (%.0f%%)", what, 100 * share)
        if progress is not None:
            progress(what, share)

    return tell
