"""Figures that sensitivity moves: a price, a tariff, or how fast a system really is, with both ends of its interval."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from planner.catalog import Catalog
from planner.options.hardware.choices import site_region
from planner.outlook.moves import Moves, ends_of
from planner.outlook.result import Moved
from planner.scenario.site import Site
from planner.scenario.types import Scenario


@dataclass(frozen=True)
class Given:
    """A figure that scales options: of a system or site, from ``low`` to ``high`` as factors of its value."""

    path: str
    kind: Literal["price", "tariff", "time"]
    name: str
    low: float
    high: float
    tag: str
    basis: str

    def moves(self, factor: float) -> Moves:
        """The figure at a factor of its value."""
        at = {self.name: factor}
        return {"price": Moves(prices=at), "tariff": Moves(tariffs=at), "time": Moves(times=at)}[self.kind]

    @property
    def keeps(self) -> bool:
        """Whether the plan is a plan at other values too: money changes, what things do does not."""
        return self.kind != "time"


def price_of(scenario: Scenario, catalog: Catalog, system: str) -> Given | None:
    """The price of a system; None where it has none, or no interval."""
    figure = catalog.system(system).figure("price_usd")
    if figure is None or not figure.value:
        return None
    low, high, basis = ends_of(figure)
    tag = "assumption" if "price_usd" in scenario.assume.systems.get(system, {}) else figure.kind
    return Given(f"systems.{system}.price_usd", "price", system, low, high, tag, basis) if low < high else None


def tariff_of(catalog: Catalog, site: Site) -> Given | None:
    """The tariff of a site; None where it has none, or no interval."""
    figure = site_region(catalog, site).figure("tariff_usd_per_kwh")
    if figure is None or not figure.value:
        return None
    low, high, basis = ends_of(figure)
    path = f"sites.{site.name}.tariff_usd_per_kwh"
    return Given(path, "tariff", site.name, low, high, figure.kind, basis) if low < high else None


def time_on(system: str, low: float, high: float) -> Given:
    """How long work takes on a system."""
    basis = "80% interval of the performance model"
    return Given(f"time on {system}", "time", system, low, high, "estimate", basis)


def ranked(moved: Iterable[Moved]) -> list[Moved]:
    """What is assumed or estimated first, then the widest bars."""
    return sorted(moved, key=lambda m: (m.tag not in {"assumption", "estimate"}, -_width(m), m.path))


def _width(m: Moved) -> float:
    if m.value_low is None or m.value_high is None:
        return math.inf
    return abs(m.value_high - m.value_low)
