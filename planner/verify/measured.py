"""What a user's own measurements change of a plan: every prediction of it again, without them.

The catalog of a scenario that names measurements knows them; ``measured_catalog`` is where that is decided, for
planning and for the verifier alike.
"""

from __future__ import annotations

from pathlib import Path

from planner.answer.plan import MeasuredEffect, Plan, Predicted
from planner.catalog import Catalog
from planner.errors import InputError, PlannerError, Problem
from planner.options.work.describe import Describer, Spec, layout_of_plan
from planner.scenario.types import Scenario
from planner.settings import MEASUREMENTS, value_of
from planner.validation.own.read import OwnMeasured, with_measurements


def measured_catalog(scenario: Scenario, catalog: Catalog) -> Catalog:
    """The catalog with the measurements that a scenario names, else with those that ``PLANNER_MEASUREMENTS`` does; the
    catalog itself where none are named, or where it knows some already.

    Raises ``InputError`` for a file that is not there or cannot be used, and where the scenario came from no file.
    """
    if not scenario.measurements:
        said = value_of(MEASUREMENTS)
        return catalog if said is None or catalog.measured is not None else with_measurements(catalog, Path(said))
    named = Path(scenario.measurements)
    source = Path(scenario.source.file) if scenario.source.file else None
    if source is None or not source.is_file():
        raise InputError(
            Problem(
                "measurements are named by a scenario that stands in no file", path="measurements",
                found=scenario.measurements, remedy="Save the scenario beside them, or hand the table over itself.",
            )
        )  # fmt: skip
    return with_measurements(catalog, source.parent / named)


def measured_effects(scenario: Scenario, plan: Plan, catalog: Catalog) -> tuple[MeasuredEffect, ...]:
    """How much the measurements move what is predicted of each deployment; ``catalog`` knows them and the scenario's
    assumptions. Empty where it knows none."""
    own = catalog.measured
    if not isinstance(own, OwnMeasured):
        return ()
    plain = Describer(scenario, own.catalog.with_assumptions(scenario.assume.as_mapping()))
    found = []
    for d in plan.deployments if plan.schedule is None else ():
        if d.mix or d.answers:
            continue
        spec = Spec(
            d.workload, d.role, d.site, scenario.period_starts.index(d.period), d.system, d.chip, d.cooling, d.acquire,
            d.precision, layout_of_plan(d.parallelism, d.role), d.power_cap, d.topology, rent_term=d.rent_term,
        )  # fmt: skip
        found.append(_effect(d.workload, d.role, d.system, d.predicted, _without(plain, spec), own))
    if plan.schedule is not None:
        for r in (x for x in plan.schedule.runs if not x.mix):
            spec = Spec(
                r.workload, r.role, r.site, 0, r.system, r.chip, r.cooling, "", r.precision,
                layout_of_plan(r.parallelism, r.role), r.power_cap, r.topology,
            )  # fmt: skip
            found.append(_effect(r.workload, r.role, r.system, r.predicted, _without(plain, spec, lots=True), own))
        for x in plan.schedule.loads:
            layout = layout_of_plan(x.parallelism, x.role) | ({"part": x.part_chips} if x.part_chips else {})
            spec = Spec(
                x.workload, x.role, x.site, 0, x.system, x.chip, x.cooling, "", x.precision, layout, x.power_cap,
                x.topology,
            )  # fmt: skip
            if not any(x.answers):
                found.append(_effect(x.workload, x.role, x.system, x.predicted, _without(plain, spec, lots=True), own))
    return tuple(x for x in found if x is not None)


def _without(describer: Describer, spec: Spec, *, lots: bool = False) -> Predicted | None:
    try:
        return (describer.describe_work(spec) if lots else describer.describe(spec)).predicted
    except PlannerError:
        return None


def _effect(
    workload: str, role: str, system: str, now: Predicted, before: Predicted | None, own: OwnMeasured
) -> MeasuredEffect | None:
    """What is told of one deployment; None where nothing is predicted without the measurements."""
    if before is None or now.interval is None or before.interval is None:
        return None
    name = now.interval.quantity
    value, was = getattr(now, name), getattr(before, name)
    if not value or not was:
        return None
    return MeasuredEffect(
        workload=workload, role=role, system=system, quantity=name, without=was, predicted=value,
        width_without=before.interval.high / before.interval.low, width=now.interval.high / now.interval.low,
        runs=own.count,
    )  # fmt: skip
