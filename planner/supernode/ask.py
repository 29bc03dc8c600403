"""The same chips as L0 to L4, and with cores or engines that move bytes: each planned again, by one function.

Parallelism, pools and layouts change with every step, since each is a plan of its own, verified like any other. All
steps are on one system, so that a step's worth is its own and not that of another vendor's chip; the scenario as it is
stands beside them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from planner.answer.plan import Plan
from planner.answer.words import money
from planner.catalog import Catalog, load_catalog
from planner.errors import InputError, Problem, SolveError, unknown_name
from planner.fleet.model import OBJECTIVE_UNITS
from planner.network.capability import domain_chips
from planner.options.counted import GOALS
from planner.outlook.question import Asked, no_plan, teller
from planner.planning.draft import planner_version
from planner.planning.plan import answered, plan, solved_question
from planner.planning.question import Cancel, Progress, ask
from planner.scenario import load_scenario, scenario_from_mapping
from planner.scenario.identity import problem_digest
from planner.scenario.reader import overridden
from planner.scenario.types import Scenario
from planner.supernode.records import (
    CORES,
    LEVEL_RECORDS,
    TAKEN_AWAY,
    Figures,
    is_supernode,
    mover_cases,
)
from planner.supernode.result import Step, SupernodeAnswer
from planner.walls import walls_of

NOTHING = 5e-4
"""A step that changes the objective by less is worth nothing: plans are proven to a gap of that order."""
PRICE_STEP = 0.01


def supernode(
    scenario: Asked,
    *,
    system: str | None = None,
    catalog: Catalog | None = None,
    variant: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> SupernodeAnswer:
    """What each level of remote memory, each mechanism and who moves the bytes is worth on a load.

    ``system``: which to look into; by default a supernode that the best plan uses, else one that the scenario names,
    else what most chips of the best plan stand in. Other arguments as in ``planner.plan``. Raises ``InputError``, and
    ``NoPlanError`` where the scenario has no plan at all.
    """
    begun = time.perf_counter()
    tell = teller(progress, cancel)
    if not isinstance(scenario, Scenario):
        read = scenario_from_mapping if isinstance(scenario, Mapping) else load_scenario
        scenario = read(scenario, variant=variant, overrides=overrides)  # type: ignore[arg-type]
    elif overrides:
        scenario = overridden(scenario, overrides)
    # what is compared are best plans: one that is simpler by chance would be a step of its own
    scenario = scenario.model_copy(update={"solve": scenario.solve.model_copy(update={"simplify": 0.0})})
    known = catalog if catalog is not None else load_catalog()
    tell("Planning as it is", 0.0)
    first = plan(scenario, catalog=known, variant=variant, cancel=cancel)
    if not first.has_plan:
        raise no_plan(scenario)
    chosen = _system(scenario, known, first, system)
    work = _Work(scenario, known, chosen, tell)
    record = known.systems[chosen]
    chip = _chip(first, chosen) or record.chip_ids[0]
    spans = is_supernode(record, known.chips[chip])
    levels = work.levels() if spans else ()
    taken = work.taken(levels[-1]) if levels else ()
    movers = work.movers(chip)
    best = _step("best", "the scenario as it is", {}, first, known)
    sold = work.step("systems", chosen, "as sold", "on this system alone, its own record", {}, best, lambda: None)
    price, even = work.even_price(best, sold)
    objective = scenario.objective[0]
    found = SupernodeAnswer(
        planner_version=planner_version(), scenario=scenario.name, variant=variant,
        problem_digest=problem_digest(scenario, known.digest), catalog_digest=known.digest, answer="",
        seconds=round(time.perf_counter() - begun, 3), objective=objective, unit=OBJECTIVE_UNITS[objective][0],
        system=chosen, chip=chip, domain_chips=domain_chips(record, known.chips[chip]), best=best, as_sold=sold,
        even_usd_per_chip=even, price_usd_per_chip=price, levels=levels,
        taken_away=taken, movers=movers,
    )  # fmt: skip
    findings = tuple(_findings(found))
    tell("Done", 1.0)
    return found.model_copy(update={"findings": findings, "answer": findings[0]})


def _system(scenario: Scenario, catalog: Catalog, first: Plan, asked: str | None) -> str:
    if asked is not None:
        try:
            return catalog.system(asked).id
        except InputError:
            raise unknown_name("system", asked, sorted(catalog.systems), path="--system") from None
    used: dict[str, int] = {}
    for d in first.deployments:
        used[d.system] = used.get(d.system, 0) + d.chips
    named = [catalog.system(name).id for name in scenario.hardware.systems]
    ranked = sorted(used, key=lambda name: -used[name]) + named
    wide = [s for s in ranked if is_supernode(catalog.systems[s], catalog.chips[catalog.systems[s].chip_ids[0]])]
    if not ranked:
        raise InputError(Problem("the plan uses no system", path="--system"))
    return wide[0] if wide else ranked[0]


def _chip(first: Plan, system: str) -> str | None:
    return next((d.chip for d in first.deployments if d.system == system), None)


@dataclass
class _Work:
    """Plans of one scenario on one system, each record planned once."""

    scenario: Scenario
    catalog: Catalog
    system: str
    tell: Progress
    _plans: dict[str, Plan | str] = field(default_factory=dict)
    _done: int = 0

    def planned(self, kind: str, name: str, assumed: Figures) -> Plan | str:
        """The plan with figures of a record assumed; the status, or why there is none."""
        key = f"{kind} {name} {sorted(assumed.items())}"
        if key not in self._plans:
            self._done += 1
            self.tell(f"Planning {name} with {', '.join(map(str, assumed.values())) or 'nothing assumed'}",
                      min(0.95, 0.06 * self._done))  # fmt: skip
            self._plans[key] = self._plan(kind, name, assumed)
        return self._plans[key]

    def _plan(self, kind: str, name: str, assumed: Figures) -> Plan | str:
        mapping = {
            k: {n: dict(f) for n, f in records.items()} for k, records in self.scenario.assume.as_mapping().items()
        }
        mapping.setdefault(kind, {}).setdefault(name, {}).update(assumed)
        changes = {"hardware.systems": [self.system], "assume": mapping}
        try:
            other = overridden(self.scenario, changes)
            question = ask(other, catalog=self.catalog)
            if question.model is None:
                return "infeasible"
            if question.stock is not None:
                found = plan(other, catalog=self.catalog)
                return found if found.has_plan else found.status
            question, _, solutions = solved_question(question, question.model)
            if not solutions[0].status.has_plan:
                return solutions[0].status.value
            found = answered(question, solutions)
        except (InputError, SolveError) as error:
            return str(error.problems[0]) if isinstance(error, InputError) else str(error)
        return found.model_copy(update={"walls": walls_of(other, found, self.catalog)})

    def step(
        self, kind: str, name: str, label: str, what: str, assumed: Figures, against: Step | None,
        price: Callable[[], float | None],
    ) -> Step:  # fmt: skip
        """One step, against its reference."""
        found = self.planned(kind, name, assumed)
        mine = _step(label, what, assumed, found, self.catalog)
        if against is None or mine.value is None or against.value is None or not against.value:
            return mine
        change = (mine.value - against.value) / abs(against.value)
        goal = self.scenario.objective[0]
        saved = (against.tco_usd or 0.0) - (mine.tco_usd or 0.0)
        if goal in {"time", "throughput"}:  # the same chips do it sooner, or more of it: worth that share of their cost
            saved = change * GOALS[goal].better * (against.tco_usd or 0.0)
        rate = price() if saved else None
        return mine.model_copy(
            update={
                "worth": change,
                "worth_usd": saved,
                "pays_usd_per_chip": saved / rate if rate and saved > 0 else None,
            }
        )

    def levels(self) -> tuple[Step, ...]:
        """L0 to L4, each against the one before."""
        steps: list[Step] = []
        for label, (what, record) in LEVEL_RECORDS.items():
            price = self._price_of(record)
            steps.append(self.step("systems", self.system, label, what, record, steps[-1] if steps else None, price))
        return tuple(steps)

    def taken(self, highest: Step) -> tuple[Step, ...]:
        """The highest level without each mechanism."""
        return tuple(
            self.step("systems", self.system, f"without {name}", f"{highest.name} without {name}", record, highest,
                      lambda: None)
            for name, record in TAKEN_AWAY.items()
        )  # fmt: skip

    def movers(self, chip: str) -> tuple[Step, ...]:
        """Cores, engines, and engines that hide the most, against cores."""
        steps: list[Step] = []
        for case in mover_cases(self.catalog):
            price = self._price_of(case.assumed, "chips", chip)
            steps.append(
                self.step("chips", chip, case.name, case.words, case.assumed, steps[0] if steps else None, price)
            )
        return tuple(steps)

    def even_price(self, best: Step, sold: Step) -> tuple[float | None, float | None]:
        """(price of a chip, price at which the plan on this system alone costs what the best plan costs), USD."""
        known = self.catalog.with_assumptions(self.scenario.assume.as_mapping()).systems[self.system]
        price = known.get("price_usd")
        if not price or sold.tco_usd is None or best.tco_usd is None or self.scenario.objective[0] != "cost":
            return None, None
        rate = self._price_of({})()
        each = price / known.need("chips_total")
        return each, max(0.0, each - (sold.tco_usd - best.tco_usd) / rate) if rate else None

    def _price_of(self, record: Figures, kind: str = "systems", name: str = "") -> Callable[[], float | None]:
        """USD of the horizon's cost that one more USD of each chip's price adds: planned again at a higher price."""

        def rate() -> float | None:
            known = self.catalog.with_assumptions(self.scenario.assume.as_mapping()).systems[self.system]
            price = known.get("price_usd")
            base = self.planned(kind, name or self.system, record)
            if not price or isinstance(base, str) or base.totals is None:
                return None
            extra = {"price_usd": price * (1.0 + PRICE_STEP)}
            if kind == "systems":
                dearer = self.planned("systems", self.system, {**record, **extra})
            else:
                dearer = self.planned("systems", self.system, extra)
                base = self.planned("systems", self.system, {"price_usd": price})
            if isinstance(dearer, str) or isinstance(base, str) or dearer.totals is None or base.totals is None:
                return None
            return (dearer.totals.tco_usd - base.totals.tco_usd) / (price * PRICE_STEP) * known.need("chips_total")

        return rate


def _step(label: str, what: str, assumed: Figures, found: Plan | str, catalog: Catalog) -> Step:
    if isinstance(found, str):
        return Step(name=label, what=what, assumed=dict(assumed), status=found)
    totals, walls = found.totals, found.walls
    days = [d.predicted.finish_days for d in found.deployments if d.predicted.finish_days]
    return Step(
        name=label, what=what, assumed=dict(assumed), status=found.status, value=found.objective.value,
        days=max(days, default=None), chips=None if totals is None else totals.chips,
        systems=None if totals is None else totals.systems, tco_usd=None if totals is None else totals.tco_usd,
        facility_mw=None if totals is None else totals.facility_mw,
        exposed_share=None if walls is None else walls.communication.share,
        binding_wall="" if walls is None or not walls.binding else walls.binding[0],
        fault_chips=max(
            (min(domain_chips(catalog.systems[d.system], catalog.chips[d.chip]), d.chips) for d in found.deployments),
            default=None,
        ),
        answer=found.answer,
    )  # fmt: skip


def _findings(found: SupernodeAnswer) -> list[str]:
    """What the steps say, in words; the first is the answer."""
    better = -GOALS[found.objective].better
    lines: list[str] = []
    known = [s for s in found.levels if s.value is not None]
    if len(known) > 1:
        low, high = known[0], known[-1]
        gain = better * ((low.value or 0.0) - (high.value or 0.0)) / abs(low.value or 1.0)
        if gain <= NOTHING:
            lines.append(
                f"A stack of servers is enough: the {found.system} as {high.name} is worth nothing over the same chips"
                f" as {low.name} on this load."
            )
        else:
            steps = [f"{s.name} {-better * s.worth:.1%}" for s in known if s.worth and -better * s.worth > NOTHING]
            lines.append(
                f"On this load the {found.system} as {high.name} is worth {gain:.1%} of {found.objective} over the same"
                f" chips as {low.name}, a stack of servers: {', '.join(steps)}."
            )
        lines += [
            f"{s.name}: pays up to {money(s.pays_usd_per_chip)} a chip more than the level before."
            for s in known if s.pays_usd_per_chip and abs(s.worth or 0.0) > NOTHING
        ]  # fmt: skip
    elif found.levels:
        lines.append(f"No two levels of {found.system} have a plan: {found.levels[-1].status}.")
    for s in found.taken_away:
        if s.worth is not None and better * s.worth > NOTHING:
            lines.append(f"{s.name[:1].upper()}{s.name[1:]} the plan loses {better * s.worth:.1%}.")
    if found.as_sold.value is not None and found.best.value is not None:
        if _same(found.as_sold.value, found.best.value):
            lines.append(f"As sold, {found.system} is what the scenario chooses.")
        else:
            more = better * (found.as_sold.value - found.best.value) / abs(found.best.value)
            text = f"As sold, {found.system} alone is {more:.1%} worse in {found.objective} than the scenario's best"
            if found.even_usd_per_chip is not None and found.price_usd_per_chip is not None:
                even, now = money(found.even_usd_per_chip), money(found.price_usd_per_chip)
                text += f"; at {even} a chip (now {now}) both cost the same"
            lines.append(text + ".")
    elif found.as_sold.value is None:
        lines.append(f"As sold, {found.system} alone has no plan: {found.as_sold.status}.")
    cores = next((s for s in found.movers if s.name == CORES), None)
    engines = [s for s in found.movers if s is not cores and s.worth is not None]
    if cores is not None and engines:
        said = "; ".join(_of_mover(s, cores, found.objective, better) for s in engines)
        lines.append(f"Who moves the bytes of {found.chip}, against cores: {said}.")
    return lines or [f"Nothing of {found.system} could be planned."]


def _same(a: float | None, b: float) -> bool:
    return a is not None and abs(a - b) <= NOTHING * abs(b)


def _of_mover(s: Step, cores: Step, objective: str, better: float) -> str:
    worth = s.worth or 0.0
    text = f"{s.name}: " + (f"{-better * worth:+.2%} of {objective}" if abs(worth) > NOTHING else "nothing")
    if cores.days and s.days and cores.days > s.days:
        text += f", {cores.days - s.days:.2f} days sooner"
    return text + (f", worth {money(s.worth_usd)}" if s.worth_usd is not None and s.worth_usd >= 1 else "")
