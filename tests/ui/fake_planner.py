"""A planner for tests of the app: answers at once from the scenario it is given, in the form of the real one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sample_plan import infeasible_plan, sample_plan

from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.errors import InputError, Problem
from planner.ui import service
from planner.ui.work.process import FAULT
from planner.ui.work.request import Request, Result, Tell, answered

LEAST_MW = 0.4


class FakePlanner:
    """Too little power at the first site is infeasible; more tokens take more chips. Remembers what it was asked."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.asked: list[tuple[dict[str, Any], str | None]] = []

    def __call__(
        self,
        scenario: Mapping[str, Any],
        *,
        catalog: Catalog | None = None,
        variant: str | None = None,
        progress: Callable[[str, float], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> Plan:
        self.asked.append((dict(scenario), variant))
        end = time.monotonic() + self.seconds
        while time.monotonic() < end and not (cancel and cancel()):
            if progress is not None:
                progress("Solving", 0.5)
            time.sleep(0.02)
        site = scenario["sites"][0]
        if site.get("name") == "crash":
            raise RuntimeError("a fault of the planner")
        if site.get("region") == "nowhere":
            raise InputError(Problem("unknown region 'nowhere'", path="sites[0].region", nearest="us", file="x.yaml"))
        power = site.get("power_mw") or 20
        if power < LEAST_MW:
            return infeasible_plan(now=power, needed=LEAST_MW, limit=f"sites.{site['name']}.power_mw")
        return sample_plan(str(scenario["name"]), chips=int(512 * power), variant=variant)


class Thread:
    """A worker that works where it is: the pool's own thread."""

    def __init__(self, asked: Mapping[str, Callable[..., Any]]) -> None:
        self.asked, self.alive, self._stop = asked, True, threading.Event()

    def run(self, request: Request, tell: Tell) -> Result:
        result = answered(request, service.catalog(), tell, self._stop.is_set, self.asked)
        self.alive = False  # the next one may be of another planner
        return Result(fault=FAULT) if result.fault else result

    def stop(self) -> None:
        self.alive = False
        self._stop.set()


def use(monkeypatch: pytest.MonkeyPatch, planner: Callable[..., Any]) -> None:
    """Plan with another planner from now on."""
    monkeypatch.setattr(service, "hire", lambda: Thread({"plan": planner}))
