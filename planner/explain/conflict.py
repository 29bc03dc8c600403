"""Why the plan is what it is, and why there is none: answers about the answer, each found or confirmed by re-solving.

binding       which limits the best plan presses against, and what one more unit of each is worth
conflicts     limits that cannot hold together (irreducible), in the user's words
nearest       for each of them the smallest change of it alone that makes a plan possible, confirmed by solving again
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from planner.answer.plan import Conflict, Nearest
from planner.answer.words import by_reason
from planner.errors import NOT_PUBLISHED, SolveError
from planner.explain.limits import firm_rows
from planner.fleet.model import FleetModel, Limit
from planner.options.option import Dropped
from planner.scenario.kinds import Workload
from planner.scenario.types import Scenario
from planner.scenario.workloads import Serving
from planner.solve import Limits, Status, conflicting_rows, elastic, nearest_changes, with_objective
from planner.solve.form import Program
from planner.solve.what_if import Change, what_if


@dataclass(frozen=True)
class Diagnosis:
    """Why there is no plan."""

    conflicts: tuple[Conflict, ...]
    nearest: tuple[Nearest, ...]


class Doing(Protocol):
    """What can be done for a workload, as far as counting needs it."""

    @property
    def workload(self) -> str: ...
    @property
    def rates(self) -> Mapping[str, float]: ...


class Searched(Protocol):
    """What a search found, of options or of a shared fleet's columns."""

    @property
    def options(self) -> Sequence[Doing]: ...
    @property
    def dropped(self) -> Sequence[Dropped]: ...
    @property
    def best_effort(self) -> Mapping[tuple[str, str], float]: ...


def unable(scenario: Scenario, options: Sequence[Doing]) -> set[str]:
    """Names of workloads that no options together could do, whatever the limits: a load needs both its phases."""
    phases: dict[str, set[str]] = {w.name: set() for w in scenario.workloads}
    for o in options:
        phases[o.workload].update(o.rates)
    return {
        w.name
        for w in scenario.workloads
        if not phases[w.name]
        or (isinstance(w, Serving) and not w.runs_once and not _answerable(w, options, phases[w.name]))
    }


def _answerable(workload: Serving, options: Sequence[Doing], phases: set[str]) -> bool:
    """Whether some options do both phases of a load; of one with request classes, whether each class finds one."""
    if not workload.request_classes:
        return phases >= {"prefill", "decode"}
    mine = [o for o in options if o.workload == workload.name]
    return all(any(o.rates.get(c.label, 0.0) > 0 for o in mine) for c in workload.request_classes)


def _filters(scenario: Scenario, reasons: Sequence[Dropped]) -> list[str]:
    """Filters of the scenario that stand among the reasons, in the words of the file."""
    hardware = scenario.hardware
    text = " ".join(d.reason for d in reasons)
    found = []
    if hardware.export != "none" and ("its export to" in text or "entity list" in text):
        found.append(f"hardware.export: {hardware.export}")
    if "hardware.exclude" in text:
        found.append(f"hardware.exclude: {', '.join(hardware.exclude)}")
    if "hardware.vendors" in text:
        found.append(f"hardware.vendors: {', '.join(hardware.vendors)}")
    if "it is delivered from" in text:
        found.append(f"delivery by {hardware.deliverable_by or scenario.start}")
    return found


def arithmetic_findings(scenario: Scenario, found: Searched) -> Diagnosis:
    """What counting alone shows: workloads that no option can do, with the best that was reached.

    The best message where it applies: no solver is needed to say that 14 ms is the fastest any chip gets.
    """
    stuck = unable(scenario, found.options)
    conflicts: list[Conflict] = []
    nearest: list[Nearest] = []
    for workload in scenario.workloads:
        if workload.name not in stuck:
            continue
        classes = _unanswered(workload, found.options)
        if classes:
            conflicts.append(Conflict(limits=(workload.name, *_latencies(workload)), message=classes))
            continue
        reasons = [d for d in found.dropped if d.option.startswith(f"{workload.name} on ")] or list(found.dropped)
        shown = reasons_in_words(workload.name, reasons)
        limits = [workload.name, *_filters(scenario, reasons)]
        for quantity, unit in (("ttft_ms", "ms"), ("tpot_ms", "ms"), ("latency_ms", "ms")):
            asked = getattr(workload, quantity, None)
            best = found.best_effort.get((workload.name, quantity))
            if asked is None or best is None or best <= asked:
                continue
            limits.append(f"{quantity.split('_', maxsplit=1)[0].upper()} within {asked:g} ms")
            text = f"{workload.name}: raise {quantity} from {asked:g} to {_up(best):g} ms"
            nearest.append(
                Nearest(
                    limit=f"workloads.{workload.name}.{quantity}",
                    now=float(asked),
                    needed=_up(best),
                    unit=unit,
                    message=f"{text}, the best any hardware allowed here reaches",
                    confirmed=False,
                )
            )
        conflicts.append(
            Conflict(
                limits=tuple(limits),
                message=f"{NO_HARDWARE} that the scenario allows can do {workload.name}. {shown}"
                if reasons
                else f"{NO_HARDWARE} competes for {workload.name}: every system is filtered out.",
            )
        )
    return Diagnosis(tuple(conflicts), tuple(nearest))


NO_HARDWARE = "No hardware"
"""How a finding begins that is about what is for sale rather than about limits that contradict each other."""
_MOST_REASONS = 4
_MOST_NAMES = 4
_FIGURE = re.compile(rf"(?:\w+ )?(\S+): (\w+) {NOT_PUBLISHED}.*")


def reasons_in_words(workload: str, reasons: Sequence[Dropped]) -> str:
    """Why hardware is left out, in a few sentences: what was tried and falls short first, then figures that nobody
    published, then what the scenario itself closes; each reason once, with the hardware it is true of."""
    tried: list[Dropped] = []
    closed: list[Dropped] = []
    unknown: dict[str, None] = {}
    for d in reasons:
        figure = _FIGURE.fullmatch(d.reason)
        if figure:
            unknown[f"{figure[2]} of {figure[1]}"] = None
            continue
        (tried if d.option.startswith(f"{workload} on ") else closed).append(d)

    def said(those: Sequence[Dropped]) -> list[str]:
        ranked = sorted(by_reason(those), key=lambda some: -len(some))
        return [f"{_names(workload, some)}: {some[0].reason}{_first_of(workload, some)}." for some in ranked]

    parts = said(tried)
    if unknown:
        missing = _few(list(unknown))
        parts.append(
            f"Not published, so not priced: {missing}; `planner unknowns` lists all of them, `assume` supplies them."
        )
    parts += said(closed)
    left = len(parts) - _MOST_REASONS
    if left > 0:
        parts = [*parts[:_MOST_REASONS], f"{left} more reason{'s' if left > 1 else ''} under `left_out`."]
    return " ".join(parts)


def _first_of(workload: str, some: Sequence[Dropped]) -> str:
    """What says whose figures stand there, where several kinds of hardware have their own."""
    if len({d.reason for d in some}) == 1 or _names(workload, some) == _names(workload, some[:1]):
        return ""
    return f" ({_names(workload, some[:1])}; the others have figures of their own)"


def _names(workload: str, some: Sequence[Dropped]) -> str:
    """Hardware of options, each once, without the cooling and the place."""
    bare = (re.sub(r"(: \S+)?( (in|at|with) .*|, (rented|bought|one chip).*)?$", "", d.option) for d in some)
    return _few(list(dict.fromkeys(name.removeprefix(f"{workload} on ") for name in bare)))


def _few(names: Sequence[str], most: int = _MOST_NAMES) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _unanswered(workload: Workload, options: Sequence[Doing]) -> str:
    """Which classes of requests no option answers within their limits, where others are answered."""
    mine = [o for o in options if o.workload == workload.name]
    if not isinstance(workload, Serving) or not workload.request_classes or not mine:
        return ""
    missing = [c.label for c in workload.request_classes if not any(o.rates.get(c.label, 0.0) > 0 for o in mine)]
    if not missing:
        return ""
    names = _few(missing, 5)
    of = f"{len(missing)} of its {len(workload.request_classes)} classes of requests"
    return f"{NO_HARDWARE} that the scenario allows answers {of} of {workload.name} within their latencies: {names}."


def _latencies(workload: Workload) -> tuple[str, ...]:
    """Limits on latencies, in words."""
    limits = (("TTFT", getattr(workload, "ttft_ms", None)), ("TPOT", getattr(workload, "tpot_ms", None)))
    return tuple(f"{name} within {value:g} ms" for name, value in limits if value is not None)


def _up(value: float) -> float:
    """Rounded up to three digits, so that the figure shown is enough."""
    return _rounded(value, math.ceil, -1e-9)


def _down(value: float) -> float:
    return _rounded(value, math.floor, 1e-9)


def _rounded(value: float, way: Callable[[float], int], slack: float) -> float:
    if value <= 0:
        return 0.0
    digits = 2 - math.floor(math.log10(value))
    if digits < 0:
        return float(way(value / 10**-digits + slack) * 10**-digits)
    return float(way(value * 10**digits + slack) / 10**digits)


def _leaf_needed(limit: Limit, amount: float) -> float:
    """What the leaf of a limit must say when the limit moves by an amount (in the row's unit), in figures to read."""
    needed = (limit.limit + amount * limit.scale) / limit.share
    if limit.whole:
        return float(math.ceil(needed - 1e-6) if limit.sense < 0 else math.floor(needed + 1e-6))
    return _up(needed) if limit.sense < 0 else _down(needed)


def model_findings(model: FleetModel, limits: Limits) -> Diagnosis:
    """What the model shows: an irreducible set of limits in conflict and the smallest change of each alone.

    ``model`` is built over relaxed options, so that what lies beyond the limits is in it.
    """
    program = with_objective(model.program, np.zeros(model.program.column_count))
    try:
        # what ties columns together is no limit: it holds whatever a person changes
        structure = [name for name in program.row_names if name not in model.limits or name in firm_rows(model)]
        rows = conflicting_rows(program, limits, structure) or conflicting_rows(program, limits)
    except SolveError:
        rows = []
    named = [model.limits[r] for r in rows if r in model.limits]
    movable = [limit for limit in model.limits.values() if limit.row not in firm_rows(model)]
    conflicts: tuple[Conflict, ...] = ()
    named = [limit for limit in named if limit.row not in firm_rows(model)] or named
    if named:
        conflicts = (
            Conflict(
                limits=tuple(limit.label for limit in named),
                message="; ".join(limit.label for limit in named) + ".",
            ),
        )
    moved = nearest_changes(program, [limit.row for limit in movable], limits)
    wanted = []
    for limit, (_, amount) in zip(movable, moved, strict=True):
        if amount is None or not amount:
            continue
        needed = _leaf_needed(limit, amount)
        if limit.sense > 0 and needed <= 0 and limit.kind != "redundancy":
            continue
        wanted.append((limit, needed))
    changes = []
    for limit, needed in wanted:
        row = program.row(limit.row)
        scaled = needed * limit.share / limit.scale
        changes.append(Change(row_upper={row: scaled}) if limit.sense < 0 else Change(row_lower={row: scaled}))
    outcomes = what_if(program, changes, limits) if changes else []
    nearest = []
    for (limit, needed), outcome in zip(wanted, outcomes, strict=True):
        verb, way = ("Raise", "more") if limit.sense < 0 else ("Lower", "less")
        unit = limit.leaf_unit or limit.unit
        by = f" ({abs(needed / limit.leaf - 1):.0%} {way})" if limit.leaf else ""
        change = f"{verb} {limit.path} from {written(limit.leaf)} to {written(needed)} {unit}"
        if needed == 0 and limit.kind == "redundancy":
            change, by = f"Take {limit.path} out", ""
        if outcome.status is Status.INFEASIBLE:
            continue  # what does not help is not offered
        nearest.append(
            Nearest(
                limit=limit.path,
                now=limit.leaf,
                needed=needed,
                unit=unit,
                message=f"{change}{by}: then a plan exists.",
                confirmed=outcome.status.has_plan,
            )
        )
    joint = _together(model, program, {n.limit for n in nearest if n.confirmed}, named, limits)
    nearest += joint
    nearest.sort(key=lambda n: (not n.confirmed, abs(math.log(max(n.needed, 1e-12) / max(n.now, 1e-12)))))
    return Diagnosis(conflicts, tuple(nearest))


def written(value: float) -> str:
    """A figure in six digits as a scenario file may have it: 60,000,000 is '60000000', never '6e+07'."""
    text = f"{value:.6g}"
    return f"{float(text):.0f}" if "e+" in text and abs(value) < 1e15 else text


def _least(model: FleetModel, program: Program, firm: set[str], limits: Limits) -> list[tuple[Limit, float]]:
    """Limits to move, and by how much, with some kinds held; none where those cannot hold, or time ran out."""
    try:
        found = elastic(program, firm=firm, limits=limits)
    except SolveError:
        return []
    return [(model.limits[row], amount) for row, amount in found if row in model.limits]


def _together(
    model: FleetModel, program: Program, alone: set[str], conflict: Sequence[Limit], limits: Limits
) -> list[Nearest]:
    """For limits of a conflict that no change of their own satisfies: the least changes of several at once.

    Deadlines are kept, then everything else but deadlines; relative changes weigh alike. Confirmed by solving again.
    """
    if all(limit.path in alone for limit in conflict):
        return []
    # what ties columns together, whatever it is called
    firm = {"demand", "balance", "fit"} | (set(program.row_kind) - {limit.kind for limit in model.limits.values()})
    if any(limit.kind == "deadline" for limit in conflict):
        firm.add("deadline")
    moved = _least(model, program, firm, limits)
    if not moved and "deadline" in firm:
        moved = _least(model, program, firm - {"deadline"}, limits)
    if len(moved) < 2:
        return []
    needed = {}
    for limit, amount in moved:
        needed[limit.row] = _leaf_needed(limit, amount)
    uppers = {program.row(m.row): needed[m.row] * m.share / m.scale for m, _ in moved if m.sense < 0}
    lowers = {program.row(m.row): needed[m.row] * m.share / m.scale for m, _ in moved if m.sense > 0}
    outcome = what_if(program, [Change(row_upper=uppers, row_lower=lowers)], limits)[0]
    text = " and ".join(
        f"{m.path} from {written(m.leaf)} to {written(needed[m.row])} {m.leaf_unit or m.unit}" for m, _ in moved
    )
    return [
        Nearest(
            limit=m.path,
            now=m.leaf,
            needed=needed[m.row],
            unit=m.leaf_unit or m.unit,
            message=f"Move {text} together: then a plan exists.",
            confirmed=False,
            together=tuple(other.path for other, _ in moved if other is not m),
            confirmed_together=outcome.status.has_plan,
        )
        for m, _ in moved
        if m.path not in alone
    ]
