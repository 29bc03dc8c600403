"""What an estimate runs on: names made into a system, a chip variant, a cooling and the platform they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pydantic import BaseModel

from planner.catalog import Catalog
from planner.catalog.architecture import ModelArch
from planner.catalog.records import Chip, System
from planner.errors import InputError, Problem, nearest_name
from planner.facility.cooling import cooling_choices
from planner.performance.compile import build_platform
from planner.performance.measured.ordering import OrderShare
from planner.performance.platform import Platform


@dataclass(frozen=True)
class Machine:
    """A system with one chip variant in one cooling."""

    system: System
    chip: Chip
    cooling_id: str
    platform: Platform


def machine_of(catalog: Catalog, system: str, chip: str | None, cooling: str | None) -> Machine:
    """The machine of some names.

    ``chip`` None: the first variant the system is sold with (that can live in ``cooling``, where one is named).
    ``cooling`` None: the first option that fits, air before liquid. Raises ``InputError`` with the nearest name, and
    ``UnknownFigureError`` where the platform needs a figure that nobody has published.
    """
    found = catalog.system(system)
    hosted = tuple(c.id for c in catalog.cooling.values() if c.kind == "option")
    asked = catalog.cooling_option(cooling).id if cooling else None
    variants = [catalog.chip(name) for name in found.chip_ids]
    if chip is not None:
        wanted = catalog.chip(chip)
        if found.chip_ids and wanted.id not in found.chip_ids:
            raise InputError(
                Problem(
                    f"{found.id} is not sold with chip {wanted.id}",
                    path="chip",
                    nearest=nearest_name(wanted.id, found.chip_ids),
                    allowed=", ".join(found.chip_ids),
                )
            )
        variants = [wanted]
    if not variants:
        raise InputError(Problem(f"no chip of {found.id} is known", path="chip", remedy="Name one."))
    options = {v.id: cooling_choices(found, v, hosted) for v in variants}
    if asked is None:
        first = variants[0]
        chosen = next(iter(options[first.id]), "")
    else:
        fitting = [v for v in variants if asked in options[v.id]]
        if not fitting:
            fits = list(dict.fromkeys(o for v in variants for o in options[v.id]))
            raise InputError(
                Problem(
                    f"{found.id} with {', '.join(options)} is not made for cooling {asked}",
                    path="cooling",
                    nearest=nearest_name(asked, fits),
                    allowed=", ".join(fits) or "none is known",
                )
            )
        first, chosen = fitting[0], asked
    return Machine(found, first, chosen, build_platform(catalog, found.id, first.id, chosen))


def language_model(catalog: Catalog, name: str) -> ModelArch:
    """A model with layers to estimate; raises ``InputError`` for an unknown name and for a recommender."""
    model = catalog.model(name)
    if not model.groups:
        raise InputError(
            Problem(
                f"{model.id} is a recommender, without layers to estimate",
                path="model",
                remedy="Plan it: a scenario with a workload of kind recommendation.",
            )
        )
    return model


def whole(name: str, value: int | None, least: int = 1) -> list[Problem]:
    """What is wrong with a number that must be whole and at least ``least``; None is not given, which is right."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= least):
        return []
    return [Problem("must be a whole number", path=name, found=repr(value)[:60], allowed=f"{least} or more")]


def plain(record: Any) -> dict[str, Any]:
    """A frozen dataclass of an estimate as plain data."""

    def one(value: Any) -> Any:
        if isinstance(value, BaseModel):
            return value.model_dump(mode="json")
        if isinstance(value, Mapping):
            return {str(k): one(v) for k, v in value.items()}
        if isinstance(value, OrderShare):
            return value.to_json()
        return [one(v) for v in value] if isinstance(value, tuple) else value

    return {f.name: one(getattr(record, f.name)) for f in fields(record)}
