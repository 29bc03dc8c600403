"""Plans in workers: places, the queue, who waits, who leaves; the real worker process, stopped and ended."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from planner.answer.plan import Plan
from planner.errors import InputError
from planner.ui import service
from planner.ui.service import Question
from planner.ui.work import Job, Pool, Request, Result
from planner.ui.work.process import Worker
from planner.ui.work.request import Tell

SOON_S = 20.0


class Held:
    """A worker that works until it is let go or stopped."""

    def __init__(self) -> None:
        self.alive, self.go, self.asked = True, threading.Event(), 0

    def run(self, request: Request, tell: Tell) -> Result:
        self.asked += 1
        tell("Solving", 0.5)
        self.go.wait(SOON_S)
        self.go.clear()
        return Result(document=f"answer to {request.text}") if self.alive else Result()

    def stop(self) -> None:
        self.alive = False
        self.go.set()


class World:
    """A pool with workers that are held, and pages that close."""

    def __init__(self, places: int) -> None:
        self.workers: list[Held] = []
        self.closed: set[str] = set()
        self.ended: list[Job] = []
        self.pool = Pool(places, self._hire, lambda page: page not in self.closed, self.ended.append)

    def _hire(self) -> Held:
        self.workers.append(Held())
        return self.workers[-1]

    def ask(self, text: str, page: str, quota: int = 9) -> Job:
        return self.pool.submit(Request(text), text, page, page, quota)


def test_workers_are_there_before_they_are_asked_and_again_after_a_stop() -> None:
    world = World(2)
    world.pool.ready()
    world.pool.ready()
    assert len(world.workers) == 2
    job = world.ask("a", "tab")
    assert soon(lambda: sum(w.asked for w in world.workers) == 1)
    assert len(world.workers) == 2
    world.pool.cancel(job, "tab")
    assert soon(lambda: len(world.workers) == 3 and job.done)
    world.pool.close()
    assert soon(lambda: not any(w.alive for w in world.workers))


def soon(what: Callable[[], bool]) -> bool:
    end = time.monotonic() + SOON_S
    while not what() and time.monotonic() < end:
        time.sleep(0.02)
    return what()


@pytest.fixture
def world() -> Iterator[World]:
    made = World(1)
    yield made
    made.pool.close()


def test_jobs_beyond_the_places_wait_in_order_and_know_their_number(world: World) -> None:
    first, second, third = (world.ask(t, t) for t in "abc")
    assert soon(lambda: first.stage == "Solving")
    assert [world.pool.position(j) for j in (first, second, third)] == [0, 1, 2]
    assert second.state == "waiting"
    world.workers[0].go.set()
    assert first.wait(SOON_S)
    assert first.result.document == "answer to a"
    assert soon(lambda: second.state == "working")
    assert world.pool.position(third) == 1
    world.workers[0].go.set()
    assert soon(lambda: third.state == "working")
    world.workers[0].go.set()
    assert third.wait(SOON_S)
    assert len(world.workers) == 1  # kept for the next


def test_the_same_question_is_worked_on_once_and_goes_on_while_one_waits(world: World) -> None:
    one, other = world.ask("a", "tab 1"), world.ask("a", "tab 2")
    assert one is other
    world.pool.cancel(one, "tab 1")
    assert not one.cancelled
    world.pool.cancel(one, "tab 2")
    assert one.wait(SOON_S)
    assert one.state == "stopped"


def test_what_was_cancelled_is_not_called_left_while_its_worker_still_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    monkeypatch.setattr(world.pool, "_alive", lambda page: looks.append(page) is None)
    job = world.ask("a", "tab")
    assert soon(lambda: job.stage == "Solving")
    slow = world.workers[0]
    monkeypatch.setattr(slow, "stop", lambda: None)  # it takes a while to end
    world.pool.cancel(job, "tab")
    world.ask("b", "other")
    assert soon(lambda: looks.count("other") > 2)  # the pool has looked after its jobs since
    assert job.state == "stopped"
    slow.go.set()
    assert job.wait(SOON_S)
    assert job.state == "stopped"


def test_closed_pages_free_their_place_and_their_number(world: World) -> None:
    first, second, third = (world.ask(t, t) for t in "abc")
    world.closed |= {"a", "b"}
    assert first.wait(SOON_S)
    assert second.wait(SOON_S)
    assert (first.state, second.state) == ("left", "left")
    assert soon(lambda: third.state == "working")
    assert {j.key for j in world.ended} == {"a", "b"}


def test_a_visitor_has_no_more_than_a_few(world: World) -> None:
    world.ask("a", "greedy", quota=2)
    world.ask("b", "greedy", quota=2)
    with pytest.raises(InputError, match="as many of your plans"):
        world.ask("c", "greedy", quota=2)
    world.ask("c", "modest", quota=2)


def test_a_job_that_takes_too_long_says_so(world: World) -> None:
    job = world.pool.submit(Request("a", what="outlook"), "a", "p", "p", 9, limit_s=0.2)
    assert job.wait(SOON_S)
    assert "limit of the app" in str(job.result.problems[0])


def test_a_real_worker_plans_and_one_that_is_stopped_takes_its_solver_along() -> None:
    """Proves that a process answers as ``planner.plan`` does, that stopping ends it at once, and that it ends itself
    when the server is killed, with everything below it."""
    request = Request(service.limited(Question.of(service.open_shipped("quickstart.yaml"), None).text))
    worker = Worker()
    told: list[str] = []
    result = worker.run(request, lambda stage, _: told.append(stage))
    assert Plan.from_json(result.document).verified
    assert "Pricing" in " ".join(told) or len(told) > 3

    long = Request(service.limited(Question.of(service.open_shipped("national-fleet.yaml"), None).text))
    children = _children(worker._process.pid)
    assert children  # solvers that it keeps
    begun = threading.Event()
    thread = threading.Thread(target=worker.run, args=(long, lambda *_: begun.set()))
    thread.start()
    assert begun.wait(SOON_S)
    worker.stop()
    thread.join(SOON_S)
    assert not thread.is_alive()
    assert not worker.alive
    assert soon(lambda: not any(_runs(pid) for pid in children))


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:  # noqa: PTH123
        return [int(p) for p in file.read().split()]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIG_DFL)
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
