"""Several ways at once: one answer, the better plan under the better bound, whoever fails on the way."""

from __future__ import annotations

import os
import textwrap
import time
from dataclasses import replace

import numpy as np
import pytest
from test_child import boot, busy_program, children_of
from test_project import mix
from test_split import fleet

from planner.solve import Limits, Program, Status, pool, solve
from planner.solve import child as child_room
from planner.solve import race as race_room
from planner.solve.battery import inconsistencies, program_of, wrong_optima
from planner.solve.race import COUNTS, CPSAT, NEAR, SPLIT, WHOLE, ways_of, worth_racing

LIMITS = Limits(time_limit_s=20.0, gap=0.0, threads=2)


def acting(**parts: str) -> str:
    """A boot in which each backend does something else: its body, with `hook`, `mail`, `program` and `np` at hand."""
    body = "name = options['backend']\n"
    for backend, text in parts.items():
        body += f"if name == {backend!r}:\n" + textwrap.indent(textwrap.dedent(text).strip(), "    ") + "\n"
    return boot(body + "return drive._solve_job(program, limits, options, hook, mail)")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No head start: all ways run, however small the program."""
    monkeypatch.setattr(race_room, "HEAD_START_S", 0.0)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("model", range(4))
def test_the_answer_is_that_of_one_alone(model: int) -> None:
    program, optimum = wrong_optima()[model]
    for threads in (2, 8):
        solution = solve(program, replace(LIMITS, threads=threads))
        assert solution.status is Status.PROVEN_OPTIMAL
        assert solution.objective == pytest.approx(optimum)
        assert inconsistencies(program, solution, LIMITS) == []
        assert solution.found_by
        assert solution.bound_by


@pytest.mark.usefixtures("at_once")
def test_infeasible_and_unbounded() -> None:
    assert solve(program_of([(1, 0, 3, True)] * 2, [({0: 2, 1: 2}, 5, 5)]), LIMITS).status is Status.INFEASIBLE
    assert solve(program_of([(-1, 0, np.inf, True)], []), LIMITS).status is Status.UNBOUNDED


def test_what_is_raced_and_what_is_not() -> None:
    whole, mixed, linear = (
        program_of([(1, 0, 3, a), (1, 0, 3, b)], [({0: 1, 1: 1}, 2, 5)])
        for a, b in ((True, True), (True, False), (False, False))
    )
    assert ways_of(whole) == [WHOLE, SPLIT, CPSAT]
    assert ways_of(whole, 4) == [WHOLE, SPLIT, NEAR, CPSAT]
    assert ways_of(mixed) == [WHOLE, SPLIT]
    assert COUNTS not in ways_of(mixed)
    assert worth_racing(whole, LIMITS)
    assert not worth_racing(linear, LIMITS)
    assert not worth_racing(whole, replace(LIMITS, reproducible=True))
    assert not worth_racing(whole, replace(LIMITS, threads=1))


@pytest.mark.usefixtures("at_once")
def test_one_finds_and_another_proves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        child_room,
        "_BOOT",
        acting(
            highs="hook('HiGHS', float('nan'), 28.2, None)\ntime.sleep(60)",
            split="hook('counts', 28.2, 5.0, np.array([12.0, 8.1]))\ntime.sleep(60)",
        ),
    )
    program, _ = wrong_optima()[3]
    began = time.monotonic()
    solution = solve(program, LIMITS)
    assert time.monotonic() - began < 10.0
    assert (solution.status, solution.objective) == (Status.PROVEN_OPTIMAL, pytest.approx(28.2))
    assert (solution.found_by, solution.bound_by) == (SPLIT.name, WHOLE.name)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "fault", ["os._exit(9)", "raise ValueError('no')", "hook('x', 1.0, -1e9, np.array([1.0, 8.0]))\ntime.sleep(60)"]
)
def test_one_that_fails_does_not_fail_the_race(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for backend in ("highs", "split"):
        monkeypatch.setattr(child_room, "_BOOT", acting(**{backend: fault}))
        solution = solve(wrong_optima()[3][0], replace(LIMITS, time_limit_s=5.0 if "sleep" in fault else 20.0))
        assert solution.objective == pytest.approx(28.2)
        # who does not answer at all is waited for, and what it might have proven is missing
        assert solution.status is (Status.PROVEN_OPTIMAL if "sleep" not in fault else solution.status)
    monkeypatch.setattr(child_room, "_BOOT", acting(**dict.fromkeys(("highs", "split", "auto"), "os._exit(9)")))
    assert solve(wrong_optima()[3][0], LIMITS).status is Status.FAILED


def test_a_way_that_gives_up_at_once_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race_room, "HEAD_START_S", 60.0)
    program = mix(3, classes=13, scale=12.0)  # too many units for the counts alone
    assert ways_of(program)[0] == COUNTS
    solution = solve(program, LIMITS)
    assert solution.objective == pytest.approx(solve(program, LIMITS, backend="highs").objective, rel=1e-6)
    gives_up = "return wire.solution_block(drive.Solution(drive.Status.NO_PLAN_FOUND))"
    monkeypatch.setattr(child_room, "_BOOT", acting(highs=gives_up))
    assert solve(wrong_optima()[3][0], LIMITS).objective == pytest.approx(28.2)


@pytest.mark.usefixtures("at_once")
def test_plans_are_offered_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = """
        while mail.offer is None:
            time.sleep(0.01)
        found = mail.offer[1] - np.array([0.0, 0.9])
        hook('better', program.objective_at(found), 28.2, found)
        time.sleep(60)
    """
    monkeypatch.setattr(
        child_room,
        "_BOOT",
        acting(highs="hook('HiGHS', 30.0, 0.0, np.array([12.0, 9.0]))\ntime.sleep(60)", split=waits),
    )
    solution = solve(wrong_optima()[3][0], LIMITS)
    assert (solution.objective, solution.found_by) == (pytest.approx(28.2), SPLIT.name)


def test_the_limit_is_hard_and_the_best_plan_is_kept() -> None:
    program = busy_program()
    limits = Limits(time_limit_s=2.0, gap=0.0, threads=2)
    seen = []
    began = time.monotonic()
    solution = solve(program, limits, progress=seen.append)
    assert time.monotonic() - began < 8.0
    assert solution.status in {Status.FEASIBLE, Status.PROVEN_OPTIMAL}  # as far as the machine gets in the time
    assert inconsistencies(program, solution, limits) == []
    best = [p.incumbent for p in seen if p.incumbent is not None]
    assert best == sorted(best, reverse=True)
    assert solution.objective <= best[-1] + 1e-9
    assert all(p.gap is None or p.gap >= 0.0 for p in seen)
    assert solution.nodes is not None


def test_nobody_is_left_behind() -> None:
    class StoppedError(Exception):
        pass

    def stop(_: object) -> None:
        raise StoppedError

    pool.end_idle()
    before = len(children_of(os.getpid()))
    with pytest.raises(StoppedError):
        solve(busy_program(), Limits(time_limit_s=30.0, gap=0.0, threads=2), progress=stop)
    assert len(pool._idle) == 0
    assert len(children_of(os.getpid())) == before


def test_a_start_is_never_lost() -> None:
    program: Program = busy_program()
    first = solve(program, Limits(time_limit_s=1.0, gap=0.0, threads=2))
    assert first.values is not None
    for threads in (1, 2):
        again = solve(program, Limits(time_limit_s=0.3, gap=0.0, threads=threads), start=first.values)
        assert again.objective <= first.objective


def test_a_fleet_within_its_gap() -> None:
    program = fleet(options=12)
    limits = Limits(time_limit_s=20.0, gap=5e-3, threads=2)
    solution = solve(program, limits)
    assert solution.status in (Status.WITHIN_GAP, Status.PROVEN_OPTIMAL)
    assert inconsistencies(program, solution, limits) == []
