"""Every figure that is missing for the systems that a scenario names, at once, with what is known of its family.

Options are priced with what is missing filled in, in turn, so that what a figure hides behind another is found too;
the fillings are thrown away. What comes back is a block to paste under ``assume:``, with the range that the figure has
among the record's nearest kin, for its owner to decide: nothing is filled in silence, and no plan is made with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from planner.catalog import Catalog
from planner.catalog.fields import RECORD_KINDS, specs
from planner.catalog.records import Record
from planner.errors import InputError, PlannerError
from planner.outlook.question import Asked
from planner.planning.question import scenario_of, searched
from planner.scenario.types import Assumptions, Scenario

MOST_ROUNDS = 24
"""Of pricing with one more layer of figures filled in."""
_ASKED = re.compile(r"assume: \{(\w+): \{([^:{}]+): \{(\w+):")
_MISSING = re.compile(r"(\w+) ([\w.-]+): (\w+) is not published")
_UNDATED = re.compile(r"([\w.-]+) is (?:on a roadmap|announced) without a date")
_MONTH = "2027-01"
_DATE = "available_from"


@dataclass(frozen=True)
class Unknown:
    """A figure that nobody has published. ``low``, ``middle``, ``high``: of ``kin`` records that know it."""

    kind: str
    record: str
    field: str
    unit: str
    low: float | None
    middle: float | None
    high: float | None
    kin: int
    of: str
    """Whose figures these are: ``its family``, ``its vendor``, ``all``."""
    systems: tuple[str, ...]
    """Systems of the scenario that wait for it."""

    def to_dict(self) -> dict[str, object]:
        """Plain data."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {"systems": list(self.systems)}


def unknowns(scenario: Asked, *, catalog: Catalog | None = None, variant: str | None = None) -> tuple[Unknown, ...]:
    """What is missing for the systems that compete, in the order of the catalog. Arguments as in ``planner.plan``."""
    asked, plain = scenario_of(scenario, catalog, variant)
    found: dict[tuple[str, str, str], set[str]] = {}
    filled = asked
    for _ in range(MOST_ROUNDS):
        known = plain.with_assumptions(filled.assume.as_mapping())
        fresh = _missing(filled, known)
        new = {key: systems for key, systems in fresh.items() if key not in found}
        for key, systems in fresh.items():
            found.setdefault(key, set()).update(systems)
        if not new:
            break
        filled = _with_figures(filled, {key: _filling(known, *key) for key in new})
    order = {kind: i for i, kind in enumerate(RECORD_KINDS)}
    return tuple(
        _told(plain, key, systems)
        for key, systems in sorted(found.items(), key=lambda item: (order.get(item[0][0], 99), item[0]))
    )


def block(found: Sequence[Unknown]) -> str:
    """What is missing as YAML to paste into a scenario; middles of kin stand in, with their range beside them."""
    if not found:
        return ""
    lines = ["assume:"]
    for kind in dict.fromkeys(u.kind for u in found):
        lines.append(f"  {kind}:")
        for record in dict.fromkeys(u.record for u in found if u.kind == kind):
            lines.append(f"    {record}:")
            for u in (u for u in found if (u.kind, u.record) == (kind, record)):
                if u.middle is None:
                    value, why = (
                        (_MONTH, "a month; yours") if u.field == _DATE else ("", f"{u.unit}; nobody's is known")
                    )
                else:
                    value = f"{u.middle:.4g}"
                    why = f"{u.unit}; {u.low:.4g} to {u.high:.4g} in {u.kin} of {u.of}: decide"
                lines.append(f"      {u.field}: {value}  # {why}")
    return "\n".join(lines) + "\n"


def _missing(scenario: Scenario, catalog: Catalog) -> dict[tuple[str, str, str], set[str]]:
    """Figures that reasons name, with the hardware that was left out for them."""
    found: dict[tuple[str, str, str], set[str]] = {}
    try:
        dropped = searched(scenario, catalog).dropped
    except PlannerError as error:
        problems = error.problems if isinstance(error, InputError) else ()
        dropped = ()
        for p in problems:
            for match in _ASKED.finditer(f"{p.message} {p.remedy}"):
                found.setdefault(match.groups(), set())  # type: ignore[arg-type]
    for d in dropped:
        hardware = d.option.rsplit(" on ", 1)[-1].split(" ", 1)[0].rstrip(",")
        keys = [m.groups() for m in _ASKED.finditer(d.reason)]
        keys += [(_plural(m[1]), m[2], m[3]) for m in _MISSING.finditer(d.reason)]
        keys += [("chips", m[1], _DATE) for m in _UNDATED.finditer(d.reason)]
        for key in keys:
            if key[0] in RECORD_KINDS and key[1] in catalog.records(key[0]):
                found.setdefault(key, set()).add(hardware)  # type: ignore[arg-type]
    return found


def _plural(kind: str) -> str:
    return kind if kind in RECORD_KINDS else f"{kind}s"


def _filling(catalog: Catalog, kind: str, record: str, field: str) -> float | str:
    if field == _DATE:
        return _MONTH
    _, middle, _, _, _ = _kin(catalog, kind, record, field)
    return 1.0 if middle is None else middle


def _with_figures(scenario: Scenario, figures: dict[tuple[str, str, str], float | str]) -> Scenario:
    """The scenario with figures assumed for a moment."""
    mapping = {kind: {r: dict(f) for r, f in records.items()} for kind, records in scenario.assume.as_mapping().items()}
    for (kind, record, field), value in figures.items():
        mapping.setdefault(kind, {}).setdefault(record, {})[field] = value
    return scenario.model_copy(update={"assume": Assumptions.model_validate(mapping)})


def _kin(
    catalog: Catalog, kind: str, record: str, field: str
) -> tuple[float | None, float | None, float | None, int, str]:
    """(lowest, middle, highest) of a figure among the nearest kin that know it, how many, and whose they are."""
    records = catalog.records(kind)
    own = records[record]
    for of, alike in (("its family", "family"), ("its kind", "kind"), ("its vendor", "vendor"), ("all", "")):
        mine = _word(own, alike) if alike else ""
        if alike and not mine:
            continue
        values = [
            value
            for r in records.values()
            if r.id != record and (not alike or _word(r, alike) == mine) and (value := r.get(field)) is not None
        ]
        if values:
            return min(values), median(values), max(values), len(values), of
    return None, None, None, 0, "nobody"


def _word(record: Record, name: str) -> str:
    return record.text(name) or str(getattr(record, name, "") or "")


def _told(catalog: Catalog, key: tuple[str, str, str], systems: set[str]) -> Unknown:
    kind, record, field = key
    low, middle, high, kin, of = (None, None, None, 0, "") if field == _DATE else _kin(catalog, *key)
    spec = specs(kind).get(field)
    unit = "" if spec is None else spec.unit
    return Unknown(kind, record, field, unit, low, middle, high, kin, of, tuple(sorted(systems)))


__all__ = ["Unknown", "block", "unknowns"]
