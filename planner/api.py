"""Planning, end to end: the road from a scenario to a verified plan, as one function."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.answer.asked import asked_of
from planner.answer.plan import (
    Alternative,
    Assumption,
    Binding,
    LeftOut,
    Objective,
    Plan,
    Proof,
)
from planner.answer.plan import Status as PlanStatus
from planner.catalog import Catalog, load_catalog
from planner.cost.finance import HOURS_PER_YEAR
from planner.errors import InputError, PlannerError, Problem, SolveError, VerificationError
from planner.explain import Diagnosis, arithmetic_findings, binding_limits, model_findings, unable
from planner.fleet.answer import chosen_options, deployments_of, objective_values, totals_of
from planner.fleet.build import build_fleet
from planner.fleet.leaves import by_leaf
from planner.fleet.model import OBJECTIVE_UNITS, FleetModel
from planner.fleet.sequence import solved_and_placed
from planner.fleet.stock_limits import build_stock
from planner.fleet.stock_model import StockModel
from planner.options.enumerate import enumerate_options
from planner.options.form import over_lots
from planner.options.option import OptionSet
from planner.options.shared import enumerate_stock
from planner.options.stock import StockSet
from planner.options.work.describe import Describer
from planner.remedies import with_latencies, with_places, with_shares
from planner.rivals import alternatives
from planner.scenario import (
    check_scenario,
    load_scenario,
    overridden,
    problem_digest,
    scenario_from_mapping,
    with_catalog_ids,
)
from planner.scenario.doubts import doubt_notes
from planner.scenario.types import Scenario
from planner.sentence import answer_sentence, money, plan_notes
from planner.sentence_shared import shared_notes, shared_sentence
from planner.settings import installed_version
from planner.shared import explained_shared, shared_findings, shared_parts, steadied_solutions, with_lead_time
from planner.solve import Limits, Program, Solution, Status, lexicographic, refusal, solve, with_objective
from planner.uncertainty.chance import chance_of
from planner.verify import verify_plan

_LOG = logging.getLogger(__name__)

Progress = Callable[[str, float], None]
Cancel = Callable[[], bool]


class CancelledError(PlannerError):
    """The caller's ``cancel`` said so; nothing was half-done."""

    exit_code = 130


def plan(
    scenario: Scenario | Mapping[str, Any] | str | Path,
    *,
    catalog: Catalog | None = None,
    variant: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Plan:
    """The best plan of a scenario, verified; or, where there is none, why and what would make one possible.

    ``scenario``: a file, the name of a shipped one (``"quickstart"``), a mapping of the same form, or a loaded Scenario
    (``variant`` then is only noted). ``overrides``: values by dot path, applied last
    (``{"sites.ashburn.power_mw": 12}``). ``catalog``: default the shipped one. ``progress`` is told (what, share done);
    ``cancel`` is asked between steps.

    The plan's ``status`` is ``proven_optimal``, ``within_gap``, ``feasible`` (a limit was reached), ``infeasible``
    (with ``conflicts`` and ``nearest``) or ``no_plan_found``. Raises ``InputError`` for input that is wrong,
    ``VerificationError`` when a plan did not survive the independent check, ``SolveError`` when a solver failed.
    """
    tell = _teller(progress, cancel)
    question = ask(scenario, catalog=catalog, variant=variant, overrides=overrides, progress=tell)
    scenario, model, clock = question.scenario, question.model, question.clock
    draft = _Draft(question)
    if model is None:
        tell("Explaining", 0.75)
        return draft.without_plan("infeasible", diagnose(question))

    _check_backend(scenario, model)
    tell("Solving", 0.72)
    goals = _goals(scenario)

    vectors = [model.objectives[g] for g in goals]

    def solved(program: Program, seconds: float) -> list[Solution]:
        return lexicographic(
            program,
            vectors,
            replace(question.limits, time_limit_s=seconds),
            backend=scenario.solve.backend,
            progress=(lambda p: tell(f"Solving ({p.text})", 0.75)) if progress or cancel else None,
        )

    if question.stock is None:
        solutions = solved(model.program, question.limits.time_limit_s)
    else:
        stock, solutions = solved_and_placed(question.stock, solved, question.limits)
        model = stock.as_fleet()
        question = replace(question, stock=stock, model=model)
        draft = _Draft(question)
    clock.lap("solving")
    first = solutions[0]
    if first.status is Status.FAILED:
        raise SolveError(f"the solver failed: {first.message}")
    if first.status is Status.UNBOUNDED:
        raise SolveError("the model is unbounded: a limit is missing that this objective needs")
    if not solutions[0].status.has_plan:
        if solutions[0].status is Status.INFEASIBLE:
            tell("Explaining", 0.85)
            return draft.without_plan("infeasible", diagnose(question), model, solutions)
        return draft.without_plan("no_plan_found", Diagnosis((), ()), model, solutions)
    if question.stock is not None:
        tell("Steadying", 0.88)
        solutions = steadied_solutions(model, question.stock, goals, solutions, question.limits)
        clock.lap("steadying")
    tell("Verifying", 0.9)
    answer = _verified(draft, model, solutions)
    tell("Explaining", 0.93)
    answer = draft.explained(answer, model, solutions)
    tell("Done", 1.0)
    return answer


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
    clock: _Clock
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
    clock = _Clock()
    tell = progress or (lambda what, share: None)
    tell("Reading", 0.0)
    if not isinstance(scenario, Scenario):
        scenario = (
            scenario_from_mapping(scenario, variant=variant, overrides=overrides)
            if isinstance(scenario, Mapping)
            else load_scenario(scenario, variant, overrides)
        )
    elif overrides:
        scenario = overridden(scenario, overrides)
    plain = catalog if catalog is not None else load_catalog()
    check_scenario(scenario, plain)
    scenario = with_catalog_ids(scenario, plain)
    _check_bounded(scenario)
    known = plain.with_assumptions(scenario.assume.as_mapping())
    clock.lap("reading")
    found = _searched(scenario, known, whole=whole, progress=lambda what, share: tell(what, 0.05 + 0.65 * share))
    clock.lap("pricing")
    model, stock = None, None
    if not unable(scenario, found.options):
        model, stock = _built(scenario, known, found)
        clock.lap("modelling")
    return Question(scenario, variant, plain, known, found, model, _limits_of(scenario), clock, stock)


def _searched(
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


def _built(scenario: Scenario, catalog: Catalog, found: OptionSet | StockSet) -> tuple[FleetModel, StockModel | None]:
    """The program over what was found; of a shared fleet also how to read it."""
    if isinstance(found, StockSet):
        stock = build_stock(scenario, catalog, found.stock)
        return stock.as_fleet(), stock
    return build_fleet(scenario, found.options), None


def answered(question: Question, solutions: Sequence[Solution], model: FleetModel | None = None) -> Plan:
    """The verified plan of some solutions of a question's program (or of another ``model`` over the same options).

    What binds and alternatives are left out. Raises ``VerificationError`` when the plan does not hold.
    """
    program = model or question.model
    if program is None:
        raise ValueError("a question without a program has no solutions")
    return _verified(_Draft(question), program, solutions)


def _verified(draft: _Draft, model: FleetModel, solutions: Sequence[Solution]) -> Plan:
    question = draft.question
    answer = draft.with_plan(model, solutions, question.catalog)
    failures = verify_plan(answer, question.scenario, question.plain)
    question.clock.lap("verifying")
    if failures:
        raise VerificationError("the plan did not survive verification: " + "; ".join(failures[:5]))
    return answer.model_copy(update={"verified": True})


def _check_bounded(scenario: Scenario) -> None:
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


def _goals(scenario: Scenario) -> list[str]:
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
    return with_objective(model.program, model.objectives[_goals(question.scenario)[0]])


def _check_backend(scenario: Scenario, model: FleetModel) -> None:
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


def _limits_of(scenario: Scenario) -> Limits:
    s = scenario.solve
    return Limits(time_limit_s=s.time_limit_s, gap=s.gap, seed=s.seed, threads=s.threads, reproducible=s.reproducible)


def diagnose(question: Question) -> Diagnosis:
    """Why there is no plan. Counting first; then, over options that reach beyond every limit, the model's conflict."""
    scenario, catalog, found, limits = question.scenario, question.catalog, question.found, question.limits
    relaxed = _searched(scenario, catalog, relaxed=True)
    short = replace(limits, time_limit_s=min(limits.time_limit_s, 60.0))

    def possible(other: Scenario) -> bool:
        return _possible(other, catalog, short)

    if unable(scenario, relaxed.options):
        diagnosis = with_latencies(arithmetic_findings(scenario, relaxed), scenario, possible)
    else:
        model, stock = _built(scenario, catalog, relaxed)
        leaves = by_leaf(model)[0]
        if stock is not None:
            assert isinstance(relaxed, StockSet)  # noqa: S101 - narrowed for the type checker
            if stock.stock.slot_days and not model_findings(leaves, short).conflicts:
                # what follows one another within a slot hides no conflict of whole slots
                model, _ = _built(scenario, catalog, replace(relaxed, stock=replace(relaxed.stock, slot_days=())))
            diagnosis = shared_findings(model, short, arithmetic_findings(scenario, found))
        else:
            diagnosis = model_findings(leaves, short)
            diagnosis = diagnosis if diagnosis.conflicts else arithmetic_findings(scenario, found)
    diagnosis = with_places(diagnosis, scenario, catalog, relaxed.dropped, possible)
    diagnosis = with_shares(diagnosis, scenario, possible)
    return with_lead_time(diagnosis, scenario, possible)


def _possible(scenario: Scenario, catalog: Catalog, limits: Limits) -> bool:
    """Whether a scenario has any plan at all, found in time."""
    found = _searched(scenario, catalog)
    if unable(scenario, found.options):
        return False
    if isinstance(found, StockSet):  # in whole slots: what is possible there surely is
        found = replace(found, stock=replace(found.stock, slot_days=()))
    program = _built(scenario, catalog, found)[0].program
    return solve(with_objective(program, np.zeros(program.column_count)), limits).status.has_plan


class _Clock:
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


def _teller(progress: Progress | None, cancel: Cancel | None) -> Progress:
    def tell(what: str, share: float) -> None:
        if cancel is not None and cancel():
            raise CancelledError("cancelled")
        _LOG.info("%s (%.0f%%)", what, 100 * share)
        if progress is not None:
            progress(what, share)

    return tell


class _Draft:
    """What every answer to one scenario has in common."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.scenario, self.variant, self.catalog = question.scenario, question.variant, question.plain
        self.found, self.clock, self.limits = question.found, question.clock, question.limits

    def _common(self) -> dict[str, Any]:
        scenario = self.scenario
        return {
            "planner_version": planner_version(),
            "scenario": scenario.name,
            "variant": self.variant,
            "start": scenario.start,
            "periods": scenario.period_starts,
            "horizon_years": float(scenario.horizon_years),
            "workloads": asked_of(scenario),
            "assumptions": _assumptions(scenario, self.catalog),
            "left_out": tuple(LeftOut(option=d.option, reason=d.reason) for d in self.found.dropped),
            "problem_digest": problem_digest(scenario, self.catalog.digest),
            "catalog_digest": self.catalog.digest,
            "versions": _versions(),
            "notes": doubt_notes(scenario, self.catalog),
        }

    def _proof(self, model: FleetModel | None, solutions: Sequence[Solution]) -> Proof:
        first = solutions[0] if solutions else None
        return Proof(
            candidates=self.found.candidates,
            enumerated=self.found.enumerated,
            options=self.found.size if isinstance(self.found, StockSet) else len(self.found.options),
            pruned=self.found.pruned,
            solver=first.told_by if first else "none: no option to choose from",
            checked_by="planner.verify",
            seconds=self.clock.total,
            seconds_by_room=dict(self.clock.laps),
            columns=model.program.column_count if model else 0,
            rows=model.program.row_count if model else 0,
            seed=self.limits.seed,
            threads=self.limits.worker_count,
            time_limit_s=self.limits.time_limit_s,
            gap_limit=self.limits.gap,
        )

    def _objective(self, name: str) -> Objective:
        return Objective(name=name, unit=OBJECTIVE_UNITS[name][0], priorities=tuple(self.scenario.objective))

    def without_plan(
        self,
        status: PlanStatus,
        diagnosis: Diagnosis,
        model: FleetModel | None = None,
        solutions: Sequence[Solution] = (),
    ) -> Plan:
        """The answer when there is no plan."""
        self.clock.lap("explaining")
        if status == "infeasible":
            answer = "No plan is possible."
            if diagnosis.conflicts:
                first = diagnosis.conflicts[0]
                why = f"These cannot hold together: {first.message}" if len(first.limits) > 1 else first.message
                answer = f"No plan is possible. {why}"
            helpful = [n for n in diagnosis.nearest if n.helps]
            if helpful:
                answer += f" The nearest change: {helpful[0].message}"
        else:
            answer = f"No plan was found within {self.limits.time_limit_s:g} s; there may be one."
        return Plan(
            status=status,
            answer=answer,
            objective=self._objective(self.scenario.objective[0]),
            proof=self._proof(model, solutions),
            conflicts=diagnosis.conflicts,
            nearest=diagnosis.nearest,
            **self._common(),
        )

    def with_plan(self, model: FleetModel, solutions: Sequence[Solution], catalog: Catalog) -> Plan:
        """The plan, not verified yet. Its status is that of the first objective; the values are those of the last."""
        name = self.scenario.objective[0]
        best = next(s for s in reversed(solutions) if s.values is not None)
        assert best.values is not None  # noqa: S101 - narrowed for the type checker
        parts: dict[str, Any]
        if self.question.stock is not None:
            parts, values = shared_parts(self.scenario, catalog, self.question.stock, best.values, self.limits)
        else:
            chosen = chosen_options(model, best.values)
            deployments = deployments_of(self.scenario, Describer(self.scenario, catalog), chosen)
            values = objective_values(self.scenario, deployments)
            parts = {"deployments": deployments, "totals": totals_of(self.scenario, deployments)}
        scale = OBJECTIVE_UNITS[name][1]
        first = solutions[0]
        value = values[name]
        bound = first.bound * scale if math.isfinite(first.bound) else None
        if bound is not None and abs(bound - value) <= 1e-6 * max(1.0, abs(value)):
            bound = value
        gap = None if bound is None else abs(value - bound) / max(1e-9, abs(value))
        draft = Plan(
            status=first.status.value,
            answer="",
            objective=self._objective(name).model_copy(
                update={"value": value, "bound": bound, "gap": gap, "values": values}
            ),
            proof=self._proof(model, solutions).model_copy(update={"bound": bound}),
            **parts,
            **self._common(),
        )
        shared = self.question.stock is not None
        said = (shared_notes if shared else plan_notes)(self.scenario, draft)
        notes = (
            *draft.notes,
            *said,
            *_export_notes(self.scenario, catalog, draft),
            *_rent_notes(self.scenario, catalog, draft),
        )
        draft = draft.model_copy(update={"chance": chance_of(self.scenario, draft, catalog)})
        answer = (shared_sentence if shared else answer_sentence)(self.scenario, draft)
        return draft.model_copy(update={"answer": answer, "notes": notes})

    def explained(self, answer: Plan, model: FleetModel, solutions: Sequence[Solution]) -> Plan:
        """A verified plan with what binds and what else was possible."""
        name = self.scenario.objective[0]
        best = next(s for s in reversed(solutions) if s.values is not None)
        assert best.values is not None  # noqa: S101 - narrowed for the type checker
        value = float(model.objectives[name] @ best.values)
        left = replace(self.limits, time_limit_s=max(5.0, min(30.0, self.limits.time_limit_s)))
        stock = self.question.stock
        if stock is not None:
            # each question may cost as much as the plan: explaining takes no longer than a few times that
            spent = self.clock.laps.get("solving", 0.0)
            short = replace(left, time_limit_s=min(left.time_limit_s, max(4.0, 2.0 * spent)))
            return self._explained_shared(answer, model, stock, best.values, short)
        assert isinstance(self.found, OptionSet)  # noqa: S101 - narrowed for the type checker
        options = [c.option for c in chosen_options(model, best.values)]
        binding: tuple[Binding, ...] = ()
        others: tuple[Alternative, ...] = ()
        try:
            leaves, point = by_leaf(model, best.values)
            binding = binding_limits(leaves, name, value, best.values if point is None else point, left)
            others = alternatives(self.scenario, self.question.catalog, self.found, options, answer, name, left)
        except SolveError as error:
            answer = answer.model_copy(update={"notes": (*answer.notes, f"What binds is not known: {error}")})
        return self._done(answer, binding, others)

    def _explained_shared(
        self, answer: Plan, model: FleetModel, stock: StockModel, values: NDArray[np.float64], limits: Limits
    ) -> Plan:
        """The same for a shared fleet, in time that the size of the program decides (``explained_shared``)."""
        name = self.scenario.objective[0]
        try:
            binding, others = explained_shared(model, stock, name, values, limits, self.found.dropped)
        except SolveError as error:
            answer = answer.model_copy(update={"notes": (*answer.notes, f"What binds is not known: {error}")})
            binding, others = (), ()
        return self._done(answer, binding, others)

    def _done(self, answer: Plan, binding: tuple[Binding, ...], others: tuple[Alternative, ...]) -> Plan:
        self.clock.lap("explaining")
        proof = answer.proof.model_copy(update={"seconds": self.clock.total, "seconds_by_room": dict(self.clock.laps)})
        return answer.model_copy(update={"binding": binding, "alternatives": others, "proof": proof, "verified": True})


def _rent_notes(scenario: Scenario, catalog: Catalog, answer: Plan) -> list[str]:
    """What renting the same would cost where the scenario does not allow it and the catalog knows every rate."""
    bought = [d for d in answer.deployments if d.acquire == "buy"]
    if "rent" in scenario.hardware.acquire or not bought or answer.totals is None:
        return []
    usd = 0.0
    for d in bought:
        rate = catalog.chip(d.chip).get("rent_usd_per_h")
        if rate is None:
            return []
        chips = d.chips if d.part_chips else d.systems * catalog.system(d.system).unit_chips
        days = d.predicted.days
        usd += chips * rate * (days * 24.0 if days else scenario.horizon_years * HOURS_PER_YEAR)
    own = math.fsum(d.cost.total_usd for d in bought)
    less = f"{money(own - usd)} less" if usd < own else f"{money(usd - own)} more"
    return [
        f"Rented on demand for as long as they work, the same chips would cost {money(usd)}, {less} than bought"
        " (the catalog's rates, not discounted); hardware.acquire: [buy, rent] lets the plan choose."
    ]


def _export_notes(scenario: Scenario, catalog: Catalog, answer: Plan) -> list[str]:
    """Export rules that bear on what a plan buys for China, whatever the scenario's own filter lets through."""
    in_china = {s.name for s in scenario.sites if s.region == "cn" or s.region.startswith("cn_")}
    classes = {"us_case_by_case_cn": "needs a US licence, case by case", "us_denied_cn": "is denied by the US"}
    found = {}
    for d in answer.holdings:
        rule = classes.get(catalog.chip(d.chip).export_class)
        if rule and d.acquire == "buy" and d.site.split("/")[0] in in_china:
            found[d.chip] = (
                f"Export of {d.chip} to {d.site} {rule} (catalog; hardware.export: cn leaves out what is denied)."
            )
    return list(found.values())


def _assumptions(scenario: Scenario, catalog: Catalog) -> tuple[Assumption, ...]:
    """Every figure of the ``assume`` block, with what rests on it."""
    found = []
    for kind, records in scenario.assume.as_mapping().items():
        for record, fields in records.items():
            for name, value in fields.items():
                figure = catalog.records(kind)[record].figure(name) if record in catalog.records(kind) else None
                found.append(
                    Assumption(
                        path=f"{kind}.{record}.{name}",
                        value=value,
                        unit=figure.unit if figure else "",
                        source=f"scenario {scenario.name}",
                        rests_on_it=(record,),
                    )
                )
    return tuple(found)


def planner_version() -> str:
    """Version of the installed planner."""
    return installed_version()


def _versions() -> dict[str, str]:
    found = {}
    for name in ("highspy", "ortools", "pulp", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
