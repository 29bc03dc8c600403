"""What any backend must do: named checks with known answers, to be run on every solver and on every new version.

    failures = check_backend("highs")                       # [] when all is well
    failures = check_backend(lambda program, limits: ...)   # any function from a program to a Solution

Models 1 to 4 are answered wrongly by an ordinary release of a good solver (highspy 1.14.0). Every answer is also held
against what a Solution promises: a plan passes `violations`, its objective is the program's, the bound does not
exceed it, and the status is the one the gap deserves.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from planner.solve.form import Program, ProgramBuilder, violations
from planner.solve.status import Limits, Solution, Status, relative_gap, status_of_plan

SolveFunction = Callable[..., Solution]
"""(program, limits) -> Solution; where it takes starts, (program, limits, start) as well."""
Column = tuple[float, float, float, bool]
Row = tuple[Mapping[int, float], float, float]

_INF = math.inf
_QUICK = Limits(time_limit_s=20.0, gap=0.0, threads=1)


class CheckFailedError(Exception):
    """A backend did not do what a check asks."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    `continuous`: the program has continuous columns; `endless`: it has columns without bounds; `starts`: a plan to
    begin from is given; `many`: it has more points than can be tried one by one.
    """

    name: str
    run: Callable[[SolveFunction], None]
    continuous: bool = False
    endless: bool = False
    starts: bool = False
    many: bool = False


def program_of(columns: Sequence[Column], rows: Sequence[Row], offset: float = 0.0) -> Program:
    """A small program: columns as (cost, lower, upper, integer), rows as (coefficients, lower, upper)."""
    build = ProgramBuilder()
    for j, (_, lower, upper, integer) in enumerate(columns):
        build.add_column(f"x[{j}]", lower=lower, upper=upper, integer=integer)
    for i, (coefficients, lower, upper) in enumerate(rows):
        build.add_row(f"row[{i}]", coefficients, lower=lower, upper=upper, kind="row")
    build.set_objective({j: column[0] for j, column in enumerate(columns)}, offset)
    return build.build()


def wrong_optima() -> list[tuple[Program, float]]:
    """Four programs that highspy 1.14.0 solves wrongly, and their optima."""
    fixed_cost = program_of(
        [(0, 0, _INF, False), (2, 0, _INF, False), (99999, 0, 1, True)],
        [({0: 1, 1: 1}, 10, 10), ({0: 1, 2: -100}, -_INF, 0)],
    )
    packing = program_of(
        [
            (0, 0, 1, True),
            (0, 0, 1, True),
            (0, 0, 1000, False),
            (0, 0, 1000, False),
            (10, 0, 1000, False),
            (8, 0, 1000, False),
        ],
        [
            ({2: 1, 0: -1000}, -_INF, 0),
            ({3: 1, 1: -1000}, -_INF, 0),
            ({2: 1, 4: 1}, 1000, 1000),
            ({3: 1, 5: 1}, 1000, 1000),
            ({0: 1, 1: 1}, -_INF, 1),
        ],
    )
    cover = program_of([(2, 0, 10, False), (3, 0, 10, True)], [({0: 1, 1: 1}, 4.5, _INF)])
    last = program_of([(1, 0, 20, True), (2, 8, 20, False)], [({0: 1, 1: 1}, 20.1, _INF)])
    return [(fixed_cost, 20.0), (packing, 8000.0), (cover, 9.0), (last, 28.2)]


def _after_a_restart() -> Program:
    """What highspy 1.16.0 proves 1.38 to be the optimum of when it restarts; it is 1.08. What is left of a fleet of 375
    columns: two runs beside a load that bears a failure. The last column does nothing but set the objective's scale."""
    costs = {0: 0.36, 6: 0.3, 14: 0.35, 21: 1.0}
    columns: list[Column] = [(costs.get(j, 0), 0, {0: 10, 1: 2, 2: 2}.get(j, 1), j not in {15, 18}) for j in range(22)]
    rows: list[Row] = [
        (dict.fromkeys(range(3, 7), 1.0), 1, 1),
        (dict.fromkeys(range(7, 15), 1.0), 1, 1),
        ({1: 1, 3: 0.23, 7: 1, 0: -1}, -_INF, 0),
        ({1: 1, 7: 0.83, 8: 1, 0: -1}, -_INF, 0),
        ({1: 1, 8: 0.83, 13: 1.83, 0: -1}, -_INF, 0),
        ({1: 1, 9: 1, 12: 1.83, 0: -1}, -_INF, 0),
        ({1: 1, 9: 0.83, 10: 1, 0: -1}, -_INF, 0),
        ({1: 1, 10: 0.83, 11: 1, 0: -1}, -_INF, 0),
        ({1: 1, 5: 0.23, 11: 0.83, 0: -1}, -_INF, 0),
        ({2: 1, 4: 1, 0: -1}, -_INF, 0),
    ]
    for units, left, survives, way in ((1, 15, 16, 17), (2, 18, 19, 20)):
        rows += [
            ({way: 1, survives: -1}, 0, 0),
            ({units: 1.31, way: -2.31, left: -1}, -1, _INF),
            ({survives: 1}, 1, _INF),
            ({left: 1}, 1, _INF),
        ]
    return program_of(columns, rows)


def returned_starts() -> list[tuple[Program, float, list[list[float]]]]:
    """Programs whose start highspy 1.16.0 returns as the optimum, their optima, and the starts (plans all of them).

    Presolve leaves nothing of the program to solve, so the search that would better the start never begins.
    """
    five = program_of(
        [(13, 0, 1, True), (18, 0, 1, True), (4, 0, 1, True), (4, 0, 1, True), (7, 0, 1, True)],
        [
            (dict.fromkeys(range(5), 1.0), 1, 1),
            ({1: 5, 2: 7, 3: 2, 4: 5}, -_INF, 8),
            ({0: 5, 1: 4, 2: 5, 3: 8, 4: 4}, -_INF, 8),
        ],
    )
    starts = [[float(j == k) for j in range(5)] for k in range(5)]
    one = program_of([(3, 0, 9, True), (5, 0, 9, True)], [({0: 1, 1: 1}, 4, _INF)], offset=2.0)
    return [(five, 4.0, starts), (one, 14.0, [[0.0, 9.0], [9.0, 9.0], [4.0, 0.0]])]


def inconsistencies(program: Program, solution: Solution, limits: Limits) -> list[str]:
    """Where a Solution breaks its own promises; empty when it keeps them."""
    found = []
    if solution.status.has_plan != (solution.values is not None):
        found.append(f"status {solution.status} with values {solution.values}")
    if solution.values is None:
        return found
    broken = violations(program, solution.values)
    if broken:
        found.append(f"the plan breaks {broken[:3]}")
    whole = solution.values[program.integer]
    if not np.array_equal(whole, np.round(whole)):
        found.append("whole columns are not exactly whole")
    objective = program.objective_at(solution.values)
    if not math.isclose(objective, solution.objective, rel_tol=1e-9, abs_tol=1e-9):
        found.append(f"objective {solution.objective} for a plan that costs {objective}")
    if solution.bound > solution.objective:
        found.append(f"bound {solution.bound} above objective {solution.objective}")
    if not math.isclose(solution.gap, relative_gap(solution.objective, solution.bound), rel_tol=1e-9, abs_tol=1e-12):
        found.append(f"gap {solution.gap} is not that of its objective and bound")
    if solution.status is not status_of_plan(solution.objective, solution.bound, limits.gap):
        found.append(f"status {solution.status} at a gap of {solution.gap:g} when {limits.gap:g} was asked for")
    return found


def check_backend(
    backend: str | SolveFunction, *, continuous: bool = True, endless: bool = True, starts: bool | None = None
) -> list[str]:
    """Run every check that applies; one line for each that fails, empty when all pass.

    backend      a backend name of `planner.solve.solve` ("scip", say), run in this process, or a function
    continuous   the backend takes continuous columns
    endless      the backend takes columns without bounds, and can tell that an objective falls without end
    starts       the backend takes a plan to begin from, as a third argument (n,); None: if it takes three
    """
    if starts is None:
        starts = isinstance(backend, str) or len(inspect.signature(backend).parameters) >= 3
    failures = []
    for check in checks():
        if (check.continuous and not continuous) or (check.endless and not endless) or (check.starts and not starts):
            continue
        try:
            check.run(solver_of(backend))
        except CheckFailedError as failure:
            failures.append(f"{check.name}: {failure}")
    return failures


def solver_of(backend: str | SolveFunction) -> SolveFunction:
    """The function to call for a backend given by name."""
    if not isinstance(backend, str):
        return backend
    from planner.solve.drive import solve_here

    name = backend
    return lambda program, limits, start=None: solve_here(program, limits, name, None, start)


def checks() -> tuple[Check, ...]:
    """All checks, in order."""
    wrong = tuple(
        Check(f"wrong_optimum_{k + 1}", _optimum_check(program, optimum), continuous=True)
        for k, (program, optimum) in enumerate(wrong_optima())
    )
    return (
        *wrong,
        Check("after_a_restart", _optimum_check(_after_a_restart(), 1.08), continuous=True, many=True),
        Check("no_columns", _no_columns),
        Check("no_rows", _no_rows),
        Check("infeasible", _infeasible),
        Check("infeasible_in_whole_numbers", _infeasible_in_whole_numbers),
        Check("infeasible_though_endless", _infeasible_though_endless, continuous=True, endless=True),
        Check("unbounded", _unbounded, continuous=True, endless=True),
        Check("unbounded_whole", _unbounded_whole, endless=True),
        Check("time_out_without_plan", _time_out_without_plan),
        Check("time_out_with_plan", _time_out_with_plan),
        Check("gap_is_named", _gap_is_named),
        Check("large_counts", _large_counts),
        Check("endless_decimals", _endless_decimals),
        Check("offset", _offset),
        Check("negative_bounds", _negative_bounds),
        Check("fixed_and_free", _fixed_and_free),
        Check("seeds", _seeds),
        Check("reproducible", _reproducible),
        Check("names", _names),
        Check("start_is_no_answer", _start_is_no_answer, starts=True),
        Check("start_is_no_loss", _start_is_no_loss, starts=True),
        Check("start_that_is_no_plan", _start_that_is_no_plan, starts=True),
        Check("small_amounts", _small_amounts, continuous=True),
    )


def _expect(solve: SolveFunction, program: Program, optimum: float, limits: Limits = _QUICK) -> Solution:
    """The optimum must be found and proven."""
    solution = _consistent(solve, program, limits)
    if solution.status is not Status.PROVEN_OPTIMAL:
        raise CheckFailedError(f"{solution.status} instead of the optimum {optimum:g} ({solution.message})")
    if not math.isclose(solution.objective, optimum, rel_tol=2e-6, abs_tol=2e-6):
        raise CheckFailedError(f"{solution.objective:.9g} called the optimum, which is {optimum:g}")
    return solution


def _consistent(solve: SolveFunction, program: Program, limits: Limits = _QUICK) -> Solution:
    solution = solve(program, limits)
    wrong = inconsistencies(program, solution, limits)
    if wrong:
        raise CheckFailedError("; ".join(wrong))
    return solution


def _status(solve: SolveFunction, program: Program, *allowed: Status) -> None:
    solution = _consistent(solve, program)
    if solution.status not in allowed:
        named = " or ".join(status.value for status in allowed)
        raise CheckFailedError(f"{solution.status} instead of {named} ({solution.message})")


def _optimum_check(program: Program, optimum: float) -> Callable[[SolveFunction], None]:
    def run(solve: SolveFunction) -> None:
        _expect(solve, program, optimum)

    return run


def _no_columns(solve: SolveFunction) -> None:
    _expect(solve, program_of([], [], offset=7.0), 7.0)
    _expect(solve, program_of([], [({}, -1.0, 1.0)]), 0.0)
    _status(solve, program_of([], [({}, 1.0, 2.0)]), Status.INFEASIBLE)


def _no_rows(solve: SolveFunction) -> None:
    _expect(solve, program_of([(1, -3, 5, True), (-2, 0, 4, True)], []), -11.0)


def _infeasible(solve: SolveFunction) -> None:
    _status(solve, program_of([(1, 0, 3, True), (1, 0, 3, True)], [({0: 1, 1: 1}, 7, _INF)]), Status.INFEASIBLE)


def _infeasible_in_whole_numbers(solve: SolveFunction) -> None:
    # the relaxation has points
    _status(solve, program_of([(1, 0, 5, True), (1, 0, 5, True)], [({0: 2, 1: 2}, 5, 5)]), Status.INFEASIBLE)


def _infeasible_though_endless(solve: SolveFunction) -> None:
    # "unbounded or infeasible" is no answer
    rows: list[Row] = [({1: 1}, 2, _INF), ({0: 1, 1: -1}, 0, _INF)]
    _status(solve, program_of([(-1, 0, _INF, False), (0, 0, 1, True)], rows), Status.INFEASIBLE)


def _unbounded(solve: SolveFunction) -> None:
    _status(solve, program_of([(-1, 0, _INF, False), (1, 0, 1, True)], [({0: 1, 1: 1}, 1, _INF)]), Status.UNBOUNDED)


def _unbounded_whole(solve: SolveFunction) -> None:
    _status(solve, program_of([(-1, 0, _INF, True)], []), Status.UNBOUNDED)


def _market_split(rows: int, columns: int) -> Program:
    """Equal shares of several goods: a point exists by construction and is very hard to find."""
    random = np.random.default_rng(7)
    goods = random.integers(1, 100, (rows, columns))
    point = random.integers(0, 2, columns)
    return program_of(
        [(float(c), 0, 1, True) for c in random.integers(1, 9, columns)],
        [
            ({j: float(goods[i, j]) for j in range(columns)}, float(goods[i] @ point), float(goods[i] @ point))
            for i in range(rows)
        ],
    )


def _time_out_without_plan(solve: SolveFunction) -> None:
    solution = _consistent(solve, _market_split(5, 40), Limits(time_limit_s=0.3, gap=0.0, threads=1))
    if solution.status in (Status.INFEASIBLE, Status.UNBOUNDED):
        raise CheckFailedError(f"{solution.status} said of a program that has a point")
    if solution.seconds > 20.0:
        raise CheckFailedError(f"{solution.seconds:.0f} s under a limit of 0.3 s")


def _time_out_with_plan(solve: SolveFunction) -> None:
    # any zero point is a plan; the optimum is far away
    random = np.random.default_rng(3)
    columns, rows = 120, 40
    weights = random.integers(1, 1000, (rows, columns))
    program = program_of(
        [(-float(c), 0, 1, True) for c in random.integers(1, 1000, columns)],
        [({j: float(weights[i, j]) for j in range(columns)}, -_INF, float(weights[i].sum() // 3)) for i in range(rows)],
    )
    short = _consistent(solve, program, Limits(time_limit_s=0.3, gap=0.0, threads=1))
    if short.status in (Status.INFEASIBLE, Status.UNBOUNDED):
        raise CheckFailedError(f"{short.status} said of a program that has a plan and an optimum")
    if short.status is Status.FAILED:
        return  # too large for this backend, and it says so
    # a plan by hand: take what fits, dearest first
    left, known = weights.sum(axis=1) // 3, 0.0
    for j in np.argsort(program.objective, kind="stable"):
        if (weights[:, j] <= left).all():
            left = left - weights[:, j]
            known += float(program.objective[j])
    if short.bound > known:
        raise CheckFailedError(f"bound {short.bound} although a plan of {known} exists")


def _gap_is_named(solve: SolveFunction) -> None:
    random = np.random.default_rng(1)
    cost, weight = random.integers(10, 30, 8), random.integers(10, 30, 8)
    columns = [(float(c), 0.0, 3.0, True) for c in cost]
    rows: list[Row] = [({j: float(w) for j, w in enumerate(weight)}, 301.0, _INF)]
    program = program_of(columns, rows)
    loose = _consistent(solve, program, Limits(time_limit_s=20.0, gap=0.2, threads=1))
    tight = _consistent(solve, program, _QUICK)
    if loose.status not in (Status.PROVEN_OPTIMAL, Status.WITHIN_GAP):
        raise CheckFailedError(f"{loose.status} where a gap of 20 % was asked for")
    if tight.status is not Status.PROVEN_OPTIMAL:
        raise CheckFailedError(f"{tight.status} where the optimum was asked for")
    if loose.bound > tight.objective * (1.0 + 1e-6) or tight.objective > loose.objective * (1.0 + 1e-6):
        raise CheckFailedError(f"bounds {loose.bound} .. {loose.objective} do not hold the optimum {tight.objective}")


def _large_counts(solve: SolveFunction) -> None:
    # 0.013 x >= 1299.9987 needs x = 100,000 exactly (99,999 gives 1299.987)
    program = program_of(
        [(3.7, 99_000, 100_500, True), (1000.0, 0, 3, True)], [({0: 0.013, 1: 0.001}, 1299.9987, _INF)]
    )
    solution = _expect(solve, program, 370_000.0)
    if solution.values is None or solution.values[0] != 100_000.0:
        raise CheckFailedError(f"counts {solution.values}")


def _endless_decimals(solve: SolveFunction) -> None:
    # thirds and sevenths: no scale makes them whole; x = 3 meets the first row exactly
    program = program_of(
        [(1.0 / 3.0, 0, 50, True), (2.0 / 7.0, 0, 50, True)],
        [({0: 1.0 / 3.0, 1: 1.0 / 7.0}, 1.0, _INF), ({0: math.pi, 1: math.e}, -_INF, 10.0)],
    )
    _expect(solve, program, 1.0)


def _offset(solve: SolveFunction) -> None:
    _expect(solve, program_of([(1, 0, 9, True)], [({0: 2}, 5, _INF)], offset=-1000.0), -997.0)


def _negative_bounds(solve: SolveFunction) -> None:
    program = program_of(
        [(1, -7, -2, True), (-1, -3, 3, True)], [({0: 1, 1: -1}, -6, _INF), ({0: -2, 1: 3}, -_INF, 13)]
    )
    _expect(solve, program, -6.0)


def _fixed_and_free(solve: SolveFunction) -> None:
    program = program_of([(5, 2, 2, True), (1, 0, 8, True)], [({0: 3, 1: 1}, 9, 12), ({0: 1, 1: 1}, -_INF, _INF)])
    _expect(solve, program, 13.0)


def _knapsack(seed: int = 5) -> Program:
    random = np.random.default_rng(seed)
    return program_of(
        [(-float(c), 0, 2, True) for c in random.integers(5, 40, 9)],
        [({j: float(w) for j, w in enumerate(random.integers(5, 40, 9))}, -_INF, 150) for _ in range(2)],
    )


def _seeds(solve: SolveFunction) -> None:
    found = {
        round(_consistent(solve, _knapsack(), Limits(time_limit_s=20.0, gap=0.0, seed=seed, threads=1)).objective, 6)
        for seed in (0, 1, 2)
    }
    if len(found) != 1:
        raise CheckFailedError(f"the optimum depends on the seed: {sorted(found)}")


def _reproducible(solve: SolveFunction) -> None:
    limits = Limits(time_limit_s=20.0, gap=0.05, seed=11, reproducible=True)
    first, second = (_consistent(solve, _knapsack(6), limits) for _ in range(2))
    if first.status is not second.status or first.bound != second.bound:
        raise CheckFailedError(f"{first.status}, {first.bound} and then {second.status}, {second.bound}")
    if first.values is not None and (second.values is None or not np.array_equal(first.values, second.values)):
        raise CheckFailedError("another plan the second time")


def _names(solve: SolveFunction) -> None:
    # names that a solver would rewrite or confuse; the answer is by position
    build = ProgramBuilder()
    names = ("a b", "a_b", "a-b", "a[b=1,c=2]", "Größe", "end", "1e5", "x" * 300)
    columns = [build.add_column(name, upper=k + 1, integer=True, objective=1.0) for k, name in enumerate(names)]
    for k, column in enumerate(columns):
        build.add_row(names[k], {column: 1.0}, lower=float(k))
    solution = _expect(solve, build.build(), 28.0)
    if solution.values is None or solution.values.tolist() != [float(k) for k in range(len(names))]:
        raise CheckFailedError(f"values {solution.values} are not in the order of the columns")


def _start_is_no_answer(solve: SolveFunction) -> None:
    for program, optimum, starts in returned_starts():
        for start in starts:
            begun = np.array(start)
            _expect(lambda p, limits, begun=begun: solve(p, limits, begun), program, optimum)


def _start_is_no_loss(solve: SolveFunction) -> None:
    """From a plan as from nothing: never worse than the start, never worse than without."""
    for seed in range(4):
        program = _knapsack(seed)
        cold = _expect(solve, program, _consistent(solve, program).objective)
        if cold.values is None:
            raise CheckFailedError("no plan of a program that has one")
        zero = np.zeros(program.column_count)
        for start in (zero, np.minimum(cold.values, 1.0), cold.values):
            begun = np.array(start)
            _expect(lambda p, limits, begun=begun: solve(p, limits, begun), program, cold.objective)


def _start_that_is_no_plan(solve: SolveFunction) -> None:
    program, optimum, _ = returned_starts()[0]
    for start in ([0.0] * 5, [1.0] * 5, [0.5, 0.5, 0.0, 0.0, 0.0]):
        begun = np.array(start)
        _expect(lambda p, limits, begun=begun: solve(p, limits, begun), program, optimum)


def _small_amounts(solve: SolveFunction) -> None:
    """A millionth of the usual demand: units are whole all the same, and what is asked for is no rounding error."""
    for asked in (1e-6, 1e-9, 1e-12):
        columns = [(50.0, 0, 9, True), (0.0, 0, 1, False), (0.0, 0, 1, False)]
        rows: list[Row] = [({1: asked, 2: asked}, asked, _INF), ({1: 0.3, 2: 0.4, 0: -1.0}, -_INF, 0)]
        _expect(solve, program_of(columns, rows), 50.0)
