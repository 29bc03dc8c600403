"""The JSON schema of scenario files, generated from the types, so that editors complete and underline.

``python -m planner.scenario.schema scenarios/schema.json`` writes it; a test holds that the shipped file is current.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from planner.scenario.base import Part, field_shapes
from planner.scenario.fleet import Fleet
from planner.scenario.kinds import (
    WORKLOAD_KINDS,
    Agents,
    Batch,
    Daily,
    Diffusion,
    Encoding,
    OtherWords,
    PostTraining,
    RecurringTraining,
    Users,
)
from planner.scenario.outcomes import Outcomes, Spread
from planner.scenario.requests import RequestClass
from planner.scenario.site import Capacity, Hall, Installed, Site
from planner.scenario.types import Assumptions, Finance, Hardware, Limits, Scenario, Solve, Spot
from planner.scenario.workloads import (
    ChipRange,
    Parallelism,
    Recommendation,
    Serving,
    ServingParallelism,
    Training,
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"
RECORDS: tuple[type[Part], ...] = (
    Scenario,
    Finance,
    Fleet,
    Site,
    Capacity,
    Hall,
    Installed,
    Hardware,
    Spot,
    Limits,
    Assumptions,
    Training,
    Serving,
    RequestClass,
    Recommendation,
    Batch,
    Encoding,
    PostTraining,
    Diffusion,
    Agents,
    Daily,
    Users,
    RecurringTraining,
    ChipRange,
    Parallelism,
    ServingParallelism,
    Outcomes,
    Spread,
    Solve,
)
"""Every record of a scenario file, in the order of its parts."""


_WITHOUT_CLASSES = " Not with request_classes."


def said_of(record: type[BaseModel], text: str) -> str:
    """A field's description as it is true of one kind: what is said of classes of requests only where it has them."""
    hidden = record.HIDDEN if issubclass(record, OtherWords) else frozenset()
    return text.replace(_WITHOUT_CLASSES, "") if "request_classes" in hidden else text


def scenario_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a scenario file: what the reader accepts, with units in the descriptions."""
    schema = Scenario.model_json_schema(mode="validation")
    definitions: dict[str, Any] = schema.pop("$defs")
    bodies = {**definitions, Scenario.__name__: schema}
    for record in RECORDS:
        body = bodies[record.__name__]
        shapes = field_shapes(record)
        if issubclass(record, OtherWords):
            _without(body, record.HIDDEN)
        for name, field in body["properties"].items():
            field.pop("title", None)
            if "description" in field:
                field["description"] = said_of(record, field["description"])
            looks_like, in_unit = field.pop("looks_like", ""), field.pop("unit", "")
            if in_unit:
                field["description"] = f"{field.get('description', '')} Unit: {in_unit}.".strip()
            if looks_like:
                field["description"] += f" Not {looks_like}."
            if shapes[name] == "names":
                _one_or_many(field)
            elif (name == "requests_per_s" and record is Serving) or (
                name == "samples_per_s" and record is Recommendation
            ):
                _or_path(field, body["properties"][name.split("_")[0] + "_path"])
            elif name == "chips" and record in WORKLOAD_KINDS.values():
                field["anyOf"] = [{"type": "integer", "minimum": 1}, *field["anyOf"]]
    _classes(bodies[Serving.__name__], definitions)
    del schema["required"]
    schema["required"] = ["name", "sites", "workloads"]
    schema["anyOf"] = [{"required": ["start"]}, {"required": ["periods"]}]
    schema["properties"]["variants"]["additionalProperties"] = {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
    }
    return {"$schema": DIALECT, "title": "A scenario of the planner", **_without_title(schema), "$defs": definitions}


def _without(body: dict[str, Any], hidden: frozenset[str]) -> None:
    """A kind in other words has no fields that these decide."""
    body["properties"] = {name: field for name, field in body["properties"].items() if name not in hidden}
    body["required"] = [name for name in body["required"] if name not in hidden]


def _without_title(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "title"}


def _or_path(field: dict[str, Any], path: dict[str, Any]) -> None:
    """A demand may be written as a path over time."""
    number = field.pop("anyOf", None) or [{k: field.pop(k) for k in list(field) if k not in {"description", "default"}}]
    field["anyOf"] = [*number, {k: v for k, v in path.items() if k not in {"description", "default", "title"}}]


def _classes(load: dict[str, Any], definitions: dict[str, Any]) -> None:
    """Lengths and rates that classes of requests say; the table that stands for them."""
    said = {"input_tokens", "output_tokens", "requests_per_s"}
    load["required"] = [name for name in load["required"] if name not in said]
    plain: dict[str, Any] = {"required": sorted(said)}
    load["anyOf"] = [plain, {"required": ["request_classes"]}, {"required": ["request_table"]}]
    count: dict[str, Any] = {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1}}
    load["properties"]["request_table"] = {
        "type": "object",
        "description": "Classes as a table: weights of any sum, a row for each prompt length.",
        "properties": {
            "input_tokens": count,
            "output_tokens": count,
            "weights": {"type": "array", "items": {"type": "array", "items": {"type": "number", "minimum": 0}}},
        },
        "required": ["input_tokens", "output_tokens", "weights"],
        "additionalProperties": False,
    }
    one = definitions[RequestClass.__name__]
    one["properties"]["requests_per_s"] = {
        "type": "number",
        "exclusiveMinimum": 0,
        "description": "In the place of share, for all classes. Unit: requests/s.",
    }
    one["required"] = ["input_tokens", "output_tokens"]


def _one_or_many(field: dict[str, Any]) -> None:
    """A list of texts may be written as one text."""
    array = {key: field.pop(key) for key in ("type", "items", "minItems") if key in field}
    field["anyOf"] = [array["items"], array]


def schema_text() -> str:
    """The schema as it is shipped."""
    return json.dumps(scenario_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else "scenarios/schema.json").write_text(schema_text(), encoding="utf-8")
