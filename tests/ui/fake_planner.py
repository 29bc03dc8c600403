"""A planner for tests of the app: answers at once from the scenario it is given, in the form of the real one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from sample_plan import infeasible_plan, sample_plan

from planner.answer.plan import Plan
from planner.catalog import Catalog
from planner.errors import InputError, Problem

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
