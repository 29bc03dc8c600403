"""The solving process: killed at its deadline, reported when it dies, gone when its parent is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from planner.errors import SolveError
from planner.solve import Limits, Status, conflicting_rows, pool, relax, solve
from planner.solve import child as child_room
from planner.solve import crew as crew_room
from planner.solve.battery import inconsistencies, program_of, wrong_optima
from planner.solve.child import run_in_child, solve_in_child

ROOT = Path(__file__).resolve().parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="signals and process groups")


def boot(body):
    """A child whose solver does something else: `body` runs in place of the job, with tell, program and np at hand."""
    text = textwrap.indent(textwrap.dedent(body), "    ")
    return (
        pool.BOOT.replace("main(sys.argv[2])\n", "")
        + "import os, time\nimport numpy as np\nfrom planner.solve import drive, wire\n"
        + f"def job(program, limits, options, hook, mail):\n{text}\ndrive.JOBS['solve'] = job\nmain('highs')\n"
    )


@pytest.mark.parametrize("model", range(4))
def test_the_answer_is_the_same_as_at_home(model):
    program, optimum = wrong_optima()[model]
    solution = solve(program, Limits(gap=0.0))
    assert solution.status is Status.PROVEN_OPTIMAL
    assert solution.objective == pytest.approx(optimum)
    assert inconsistencies(program, solution, Limits(gap=0.0)) == []
    assert solution.solver.startswith("HiGHS ")


def test_a_small_program_is_answered_at_once():
    program, _ = wrong_optima()[3]
    started = time.monotonic()
    solve(program)
    assert time.monotonic() - started < 4.0


def test_the_child_imports_no_other_room(monkeypatch):
    body = """
        import sys
        rooms = sorted({name.split('.')[1] for name in sys.modules if name.startswith('planner.')})
        raise RuntimeError('rooms ' + ' '.join(rooms) + (' and pydantic' if 'pydantic' in sys.modules else ''))
    """
    monkeypatch.setattr(child_room, "_BOOT", boot(body))
    solution = solve_in_child(wrong_optima()[3][0], Limits(), "highs")
    assert solution.message == "RuntimeError: rooms errors solve"


def test_infeasible_and_unbounded_travel():
    assert solve(program_of([(1, 0, 1, True)], [({0: 1}, 2, 3)])).status is Status.INFEASIBLE
    assert solve(program_of([(-1, 0, np.inf, False)], [])).status is Status.UNBOUNDED


def test_the_log_travels():
    solution = solve(wrong_optima()[1][0], Limits(log=True), backend="highs")
    assert solution.log is not None
    assert "Solving report" in solution.log
    assert solve(wrong_optima()[1][0], Limits(), backend="highs").log is None


def test_a_solver_that_does_not_stop_is_killed(monkeypatch):
    monkeypatch.setattr(child_room, "_BOOT", boot("time.sleep(600)"))
    monkeypatch.setattr(crew_room, "GRACE_S", 0.5)
    started = time.monotonic()
    solution = solve_in_child(wrong_optima()[3][0], Limits(time_limit_s=0.5), "highs")
    assert time.monotonic() - started < 5.0
    assert solution.status is Status.NO_PLAN_FOUND
    assert "hard deadline" in solution.message


def test_a_plan_found_before_the_kill_is_kept(monkeypatch):
    body = """
        hook('HiGHS', 29.0, 27.0, np.array([13.0, 8.0]))
        hook('HiGHS', 30.0, 28.0, np.array([14.0, 8.0]))
        time.sleep(600)
    """
    monkeypatch.setattr(child_room, "_BOOT", boot(body))
    monkeypatch.setattr(crew_room, "GRACE_S", 0.5)
    solution = solve(wrong_optima()[3][0], Limits(time_limit_s=0.5))
    assert (solution.status, solution.objective, solution.bound) == (Status.FEASIBLE, 29.0, 28.0)
    assert solution.values.tolist() == [13.0, 8.0]


def test_a_wrong_plan_from_the_child_is_refused(monkeypatch):
    monkeypatch.setattr(child_room, "_BOOT", boot("hook('x', 1.0, 0.0, np.array([1.0, 8.0]))\ntime.sleep(600)"))
    monkeypatch.setattr(crew_room, "GRACE_S", 0.2)
    solution = solve(wrong_optima()[3][0], Limits(time_limit_s=0.2), backend="highs")
    assert (solution.status, solution.values) == (Status.FAILED, None)
    raced = solve(wrong_optima()[3][0], Limits(time_limit_s=0.2, threads=2))
    assert (raced.status, raced.values) == (Status.NO_PLAN_FOUND, None)


def test_a_crash_is_reported(monkeypatch):
    monkeypatch.setattr(child_room, "_BOOT", boot("os._exit(9)"))
    solution = solve(wrong_optima()[3][0])
    assert solution.status is Status.FAILED
    assert "exit code 9" in solution.message


@posix
def test_an_abort_in_native_code_is_reported(monkeypatch):
    body = "os.write(2, b'Check failed: x == y\\n')\nos.abort()"
    monkeypatch.setattr(child_room, "_BOOT", boot(body))
    solution = solve(wrong_optima()[3][0])
    assert solution.status is Status.FAILED
    assert "SIGABRT" in solution.message
    assert "Check failed: x == y" in solution.message


def test_noise_on_standard_output_does_no_harm(monkeypatch):
    body = """
        print('loud')
        os.write(1, b'louder')
        return drive._solve_job(program, limits, options, hook)
    """
    monkeypatch.setattr(child_room, "_BOOT", boot(body))
    assert solve(wrong_optima()[3][0], Limits(gap=0.0)).objective == pytest.approx(28.2)


@posix
def test_memory_is_limited():
    random = np.random.default_rng(0)
    program = program_of(
        [(1.0, 0, 9, True)] * 300, [({j: float(v) for j, v in enumerate(random.random(300))}, 50.0, np.inf)] * 1
    )
    assert solve(program, Limits(memory_mb=64)).status is Status.FAILED
    assert solve(program, Limits(memory_mb=4096, threads=1)).status.has_plan


def test_other_jobs_raise_when_the_child_dies():
    program = program_of([(1, 0, 1, True)], [({0: 1}, 0, 1)])
    with pytest.raises(SolveError, match="can hold together"):
        conflicting_rows(program)
    with pytest.raises(SolveError, match="KeyError"):
        run_in_child("no such job", program, Limits(), {})


def test_relax_in_a_child_prices_the_limits():
    program, _ = wrong_optima()[3]
    assert relax(program).row_dual == pytest.approx([1.0])
    assert relax(program, plan=solve(program, Limits(gap=0.0)).values).row_dual == pytest.approx([2.0])


def busy_program():
    """Hard to settle, easy to have a plan for."""
    random = np.random.default_rng(2)
    weights = random.integers(100, 1000, (30, 80))
    return program_of(
        [(-float(c), 0, 1, True) for c in random.integers(100, 1000, 80)],
        [({j: float(w) for j, w in enumerate(row)}, -np.inf, float(row.sum() // 2)) for row in weights],
    )


def test_progress_is_told_and_bounds_the_answer():
    seen = []
    solution = solve(busy_program(), Limits(time_limit_s=2.0, gap=0.0), backend="highs", progress=seen.append)
    assert any(p.incumbent is not None for p in seen)
    assert any(p.bound is not None for p in seen)
    assert [p.seconds for p in seen] == sorted(p.seconds for p in seen)
    bounds = [p.bound for p in seen if p.bound is not None]
    assert bounds == sorted(bounds)  # a bound only gets better
    assert all(b <= solution.objective + 1e-6 for b in bounds)


def living():
    """(parent, process) of everything that runs; a zombie does not."""
    found = subprocess.run(["ps", "-eo", "ppid=,pid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in found.splitlines()]
    return [(int(parent), int(process)) for parent, process, state in rows if not state.startswith("Z")]


def children_of(pid):
    return [process for parent, process in living() if parent == pid]


def test_what_progress_raises_ends_the_solve():
    class StoppedError(Exception):
        pass

    def stop(_):
        raise StoppedError

    pool.end_idle()
    before = len(children_of(os.getpid()))
    started = time.monotonic()
    with pytest.raises(StoppedError):
        solve(busy_program(), Limits(time_limit_s=60.0, gap=0.0), progress=stop)
    assert time.monotonic() - started < 10.0
    assert len(children_of(os.getpid())) == before  # it was killed: nothing is kept that still searches


@posix
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_no_orphan_is_left(sign, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it\n"
        f"import sys\nsys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests' / 'solve')!r}]\n"
        "from planner.solve import Limits, solve\nfrom test_child import busy_program\n"
        "solve(busy_program(), Limits(time_limit_s=300.0, gap=0.0, threads=1), backend='highs',\n"
        "      progress=lambda p: print(p.phase, flush=True))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        while parent.stdout.readline().strip() != "HiGHS":  # until it searches
            assert parent.poll() is None
        mine = children_of(parent.pid)
        assert len(mine) == 1
        parent.send_signal(sign)
        parent.wait(timeout=10)
        deadline = time.monotonic() + 10
        while any(process in mine for _, process in living()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(process in mine for _, process in living())
        if sign is signal.SIGINT:
            assert "KeyboardInterrupt" in parent.stderr.read()
    finally:
        parent.kill()
        parent.communicate()


def test_the_child_is_kept_and_its_answers_are_those_of_a_fresh_one():
    pool.end_idle()
    programs = [program for program, _ in wrong_optima()] * 2
    kept = [solve(program, Limits(gap=0.0, threads=1 + k % 2)) for k, program in enumerate(programs)]
    assert len(pool._idle) == 1
    for program, here in zip(programs, kept, strict=True):
        pool.end_idle()
        fresh = solve(program, Limits(gap=0.0, threads=1))
        assert (here.status, here.objective, here.bound) == (fresh.status, fresh.objective, fresh.bound)
        assert np.array_equal(here.values, fresh.values)


def test_a_child_that_died_is_tried_once_more(monkeypatch, tmp_path):
    mark = tmp_path / "died"
    body = f"""
        if not os.path.exists({str(mark)!r}):
            open({str(mark)!r}, 'w').close()
            os.kill(os.getpid(), 9)
        return drive._solve_job(program, limits, options, hook)
    """
    monkeypatch.setattr(child_room, "_BOOT", boot(body))
    solution = solve(wrong_optima()[3][0], Limits(gap=0.0))
    assert mark.exists()
    assert (solution.status, solution.objective) == (Status.PROVEN_OPTIMAL, pytest.approx(28.2))


def test_an_idle_child_that_was_killed_is_replaced():
    solve(wrong_optima()[3][0])
    for worker in pool._idle:
        worker.process.kill()
        worker.process.wait()
    assert solve(wrong_optima()[3][0], Limits(gap=0.0)).objective == pytest.approx(28.2)


def test_a_plan_outlives_a_child_that_dies_twice(monkeypatch):
    body = "hook('HiGHS', 29.0, 27.0, np.array([13.0, 8.0]))\nos.abort()"
    monkeypatch.setattr(child_room, "_BOOT", boot(body))
    solution = solve(wrong_optima()[3][0], Limits(gap=0.1), backend="highs")
    assert (solution.status, solution.objective, solution.bound) == (Status.WITHIN_GAP, 29.0, 27.0)
    assert "without an answer" in solution.message


@pytest.mark.parametrize(("kind", "other"), [("highs", "ortools"), ("cpsat", "highspy")])
def test_the_two_solvers_share_no_process(kind, other):
    pool.end_idle()
    program = wrong_optima()[2][0]
    assert solve(program, Limits(gap=0.0), backend="cpsat_grid", in_child=False).objective == pytest.approx(9.0)
    assert solve(program, Limits(gap=0.0), backend="split").objective == pytest.approx(9.0)
    workers = {worker.kind: worker for worker in pool._idle}
    mapped = Path(f"/proc/{workers[kind].process.pid}/maps")
    if not mapped.exists():
        pytest.skip("no /proc")
    loaded = mapped.read_text(encoding="utf-8")
    assert f"/{other}/" not in loaded
    assert f"/{ {'highspy': 'ortools', 'ortools': 'highspy'}[other] }/" in loaded


def test_solving_loads_no_solver_here(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        f"import sys\nsys.path[:0] = [{str(ROOT)!r}]\n"
        "from planner.solve import Limits, relax, solve\nfrom planner.solve.battery import wrong_optima\n"
        "from planner.solve.intervals import Level, Task, earliest_starts\n"
        "program = wrong_optima()[2][0]\n"
        "for backend in ('auto', 'cpsat_grid'):\n"
        "    assert solve(program, Limits(gap=0.0), backend=backend).objective == 9.0\n"
        "relax(program)\n"
        "tasks = [Task('a', 0, 5, 2, 'r', 1), Task('b', 0, 9, 2, 'r', 1)]\n"
        "assert earliest_starts(tasks, {'r': [Level(0, 20, 1)]}, Limits()) == ({'a': 0, 'b': 2}, True)\n"
        "print(sorted({'highspy', 'ortools', 'pulp', 'pandas'} & set(sys.modules)))\n"
        "import os, subprocess\n"
        "print(*[line.split()[1] for line in subprocess.run(['ps', '-eo', 'ppid=,pid='], capture_output=True, "
        "text=True).stdout.splitlines() if line.split()[0] == str(os.getpid())])\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    modules, children = done.stdout.splitlines()
    assert modules == "[]"
    deadline = time.monotonic() + 10
    mine = {int(pid) for pid in children.split()}
    while any(process in mine for _, process in living()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(process in mine for _, process in living())  # what was kept ended with its parent
