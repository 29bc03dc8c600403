"""What a person asks: the scenario file, read, overridden, checked and made comparable."""

from planner.scenario.check import check_scenario
from planner.scenario.identity import problem_digest, resolve, resolve_yaml
from planner.scenario.kinds import Workload
from planner.scenario.names import with_catalog_ids
from planner.scenario.reader import (
    load_scenario,
    load_text,
    overridden,
    parse_assignment,
    parse_assignments,
    scenario_from_mapping,
)
from planner.scenario.shipped import scenario_file, shipped_scenarios
from planner.scenario.site import Capacity, Hall, Installed, Site
from planner.scenario.template import starter
from planner.scenario.types import (
    SCENARIO_VERSION,
    Assumptions,
    Finance,
    Hardware,
    Limits,
    Scenario,
    Solve,
    Source,
)
from planner.scenario.workloads import (
    ChipRange,
    Parallelism,
    Recommendation,
    Serving,
    ServingParallelism,
    Training,
)

__all__ = [
    "SCENARIO_VERSION",
    "Assumptions",
    "Capacity",
    "ChipRange",
    "Finance",
    "Hall",
    "Hardware",
    "Installed",
    "Limits",
    "Parallelism",
    "Recommendation",
    "Scenario",
    "Serving",
    "ServingParallelism",
    "Site",
    "Solve",
    "Source",
    "Training",
    "Workload",
    "check_scenario",
    "load_scenario",
    "load_text",
    "overridden",
    "parse_assignment",
    "parse_assignments",
    "problem_digest",
    "resolve",
    "resolve_yaml",
    "scenario_file",
    "scenario_from_mapping",
    "shipped_scenarios",
    "starter",
    "with_catalog_ids",
]
