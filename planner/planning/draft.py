"""The parts of a plan put together from a solved program, and the notes it carries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.answer.asked import asked_of
from planner.answer.lots_words import shared_notes, shared_sentence
from planner.answer.plan import (
    Alternative,
    Assumption,
    Binding,
    LeftOut,
    Objective,
    Plan,
    Proof,
    Simplified,
)
from planner.answer.plan import Status as PlanStatus
from planner.answer.words import KNOWN_FIGURES, answer_sentence, measured_words, money, number, plan_notes
from planner.catalog import Catalog
from planner.cost.finance import HOURS_PER_YEAR
from planner.errors import SolveError
from planner.explain.binding import binding_limits
from planner.explain.conflict import NO_HARDWARE, Diagnosis
from planner.explain.lots import explained_shared
from planner.explain.rewritten import Again, worth_of_leaves
from planner.explain.rivals import alternatives
from planner.fleet.answer import chosen_options, deployments_of, plan_values, totals_of
from planner.fleet.leaves import by_leaf
from planner.fleet.model import OBJECTIVE_UNITS, FleetModel
from planner.fleet.stock_model import StockModel
from planner.options.option import OptionSet
from planner.options.stock import StockSet
from planner.options.work.describe import Describer
from planner.planning.lots import shared_parts
from planner.planning.question import Question
from planner.scenario import (
    problem_digest,
)
from planner.scenario.by_hand import by_hand
from planner.scenario.doubts import doubt_notes
from planner.scenario.types import Scenario
from planner.settings import installed_version
from planner.solve import Limits, Solution
from planner.solve import Status as SolveStatus
from planner.uncertainty.apart import LARGEST, SURE, tie_share
from planner.verify.assumed import weighed
from planner.verify.chance import chance_of
from planner.verify.measured import measured_effects
from planner.walls import walls_of


class Draft:
    """What every answer to one scenario has in common."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.scenario, self.variant, self.catalog = question.scenario, question.variant, question.plain
        self.simpler: Simplified | None = None
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
            "versions": versions(),
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
            checked_by="planner.verify.plan",
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
            known = f" {KNOWN_FIGURES}" if any(d.lacks_figure for d in self.found.dropped) else ""
            answer = f"No plan is possible{known}."
            if diagnosis.conflicts:
                first = diagnosis.conflicts[0]
                if first.message.startswith(NO_HARDWARE):
                    why = first.message
                elif len(first.limits) == 1:  # a bare limit: "2 MW at the meter of hall"
                    why = f"This alone makes it impossible: {first.message}"
                else:
                    why = f"These cannot hold together: {first.message}"
                answer += f" {why}"
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
            totals = totals_of(self.scenario, deployments)
            values = plan_values(self.scenario, deployments, totals)
            parts = {"deployments": deployments, "totals": totals}
        scale = OBJECTIVE_UNITS[name][1]
        first = solutions[0]
        value = values[name]
        bound = first.bound * scale if math.isfinite(first.bound) else None
        if bound is not None and abs(bound - value) <= 1e-6 * max(1.0, abs(value)):
            bound = value
        gap = None if bound is None else abs(value - bound) / max(1e-9, abs(value))
        draft = Plan(
            status="within_gap" if self.simpler and first.status is SolveStatus.PROVEN_OPTIMAL else first.status.value,
            simplified=self.simpler,
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
            *_simplified_notes(self.simpler, values[name], name),
            *_export_notes(self.scenario, catalog, draft),
            *_rent_notes(self.scenario, catalog, draft),
        )
        effects = measured_effects(self.scenario, draft, catalog)
        notes = (*notes, *measured_words(effects))
        draft = draft.model_copy(
            update={
                "chance": chance_of(self.scenario, draft, catalog), "measured": effects,
                "assumptions": weighed(self.scenario, draft, catalog),
            }
        )  # fmt: skip
        answer = (shared_sentence if shared else answer_sentence)(self.scenario, draft)
        return draft.model_copy(update={"answer": answer, "notes": notes})

    def explained(self, answer: Plan, model: FleetModel, solutions: Sequence[Solution], again: Again) -> Plan:
        """A verified plan with what binds and what else was possible. ``again`` plans a scenario a little different."""
        name = self.scenario.objective[0]
        best = next(s for s in reversed(solutions) if s.values is not None)
        assert best.values is not None  # noqa: S101 - narrowed for the type checker
        # a limit is worth what it would make the best plan better by, not what a simpler one gave up
        value = float(model.objectives[name] @ best.values)
        if self.simpler is not None:
            value = self.simpler.best / OBJECTIVE_UNITS[name][1]
        left = replace(self.limits, time_limit_s=max(5.0, min(30.0, self.limits.time_limit_s)))
        stock = self.question.stock
        if stock is not None:
            # each question may cost as much as the plan: explaining takes no longer than a few times that
            spent = self.clock.laps.get("solving", 0.0)
            short = replace(left, time_limit_s=min(left.time_limit_s, max(4.0, 2.0 * spent)))
            return self._explained_shared(answer, model, stock, value, best.values, short, again)
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
        self, answer: Plan, model: FleetModel, stock: StockModel, value: float, values: NDArray[np.float64],
        limits: Limits, again: Again,
    ) -> Plan:  # fmt: skip
        """The same for a shared fleet, in time that the size of the program decides (``explained_shared``)."""
        name = self.scenario.objective[0]

        def worth(value: float, limits: Limits, relaxed: bool) -> tuple[Binding, ...]:
            known = self.question.catalog
            return worth_of_leaves(self.scenario, known, answer, value, again, limits, relaxed=relaxed)

        try:
            binding, others = explained_shared(model, stock, name, value, values, limits, self.found.dropped, worth)
        except SolveError as error:
            answer = answer.model_copy(update={"notes": (*answer.notes, f"What binds is not known: {error}")})
            binding, others = (), ()
        return self._done(answer, binding, others)

    def _done(self, answer: Plan, binding: tuple[Binding, ...], others: tuple[Alternative, ...]) -> Plan:
        self.clock.lap("explaining")
        proof = answer.proof.model_copy(update={"seconds": self.clock.total, "seconds_by_room": dict(self.clock.laps)})
        others, ties = tied(self.scenario, others)
        told = answer.model_copy(
            update={
                "binding": binding, "alternatives": others, "proof": proof, "verified": True,
                "notes": (*answer.notes, *ties),
            }
        )  # fmt: skip
        walls = walls_of(self.scenario, told, self.catalog)
        said = f"{told.answer} {walls.sentence}" if walls is not None else told.answer
        return told.model_copy(update={"walls": walls, "answer": said})


def _simplified_notes(made: Simplified | None, value: float, objective: str) -> list[str]:
    if made is None:
        return []
    now = f"{made.kinds} kind{'s' * (made.kinds > 1)} of system in {made.pools} pool{'s' * (made.pools > 1)}"
    was = f"{made.kinds_before} in {made.pools_before}"
    unit = OBJECTIVE_UNITS[objective][0]
    told = [money(x) if unit == "USD" else f"{number(x)} {unit}" for x in (value, made.best)]
    return [
        f"The simplest plan within {100 * made.share:g}% of the best: {now} instead of {was}, for {told[0]} instead of"
        f" {told[1]}{'' if made.proven else ' (a simpler one is not ruled out)'}; solve.simplify: 0 takes the best."
    ]


def tied(scenario: Scenario, others: Sequence[Alternative]) -> tuple[tuple[Alternative, ...], list[str]]:
    """Alternatives with those marked that the model cannot tell from the plan, and a note that names them."""
    share = tie_share(scenario)
    marked = tuple(
        a.model_copy(update={"tied": a.difference is not None and abs(a.difference) <= share < LARGEST}) for a in others
    )
    names = [f"{a.name} ({a.difference:+.1%})" for a in marked if a.tied and a.difference is not None]
    if not names:
        return marked, []
    return marked, [
        f"A tie, as far as the model can tell: {', '.join(names)}. Of measured pairs on different chips that are"
        f" predicted less than {share:.0%} apart, fewer than {SURE:.0%} come out in the predicted order. The plan has"
        " the better figure, or, of those within solve.simplify of it, the fewest kinds of systems."
    ]


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
    source = f"scenario {scenario.name}"
    found += [
        Assumption(path=path, value=value, unit="fraction", source=source, rests_on_it=(what,))
        for path, (value, what) in by_hand(scenario).items()
    ]
    return tuple(found)


def planner_version() -> str:
    """Version of the installed planner."""
    return installed_version()


def versions() -> dict[str, str]:
    found = {}
    for name in ("highspy", "ortools", "pulp", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
