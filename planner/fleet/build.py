"""From options to a program: every kind of limit adds its rows in one fixed order."""

from __future__ import annotations

from collections.abc import Sequence

from planner.facility.capacity import Level, Location, capacity_tree
from planner.fleet import budget, chips, deadline, demand, power, racks, supply
from planner.fleet.kinds import with_limits_on_kinds
from planner.fleet.model import Draft, FleetModel, objective_vectors
from planner.options.option import Option
from planner.scenario.types import Scenario


def build_fleet(scenario: Scenario, options: Sequence[Option]) -> FleetModel:
    """The optimization model of a scenario over its options (pure; same input, same program)."""
    levels: dict[str, Level] = {}
    locations: dict[str, Location] = {}
    for site in scenario.sites:
        some_levels, some_locations = capacity_tree(site)
        levels.update({level.name: level for level in some_levels})
        locations.update({location.name: location for location in some_locations})
    draft = Draft(scenario=scenario, options=options, levels=levels, locations=locations)
    for option in options:
        draft.units.append(draft.builder.add_column(f"units[{option.id}]", upper=float(option.max_units), integer=True))
    for part in (demand, power, racks, budget, chips, supply, deadline):
        part.add(draft)
    program = draft.builder.build()
    model = FleetModel(
        program=program,
        options=tuple(options),
        units=tuple(draft.units),
        limits=dict(draft.limits),
        objectives=objective_vectors(program.column_count, options, draft.units, draft.served, draft.split),
        answers=draft.answers,
    )
    return with_limits_on_kinds(model, scenario)
