"""The reference of all fields in ``docs/scenarios.md``, generated from the types.

``python -m planner.scenario.reference docs/scenarios.md`` rewrites what stands between its two markers; a test holds
that the shipped file is current.
"""

from __future__ import annotations

import re
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from planner.scenario.kinds import OtherWords
from planner.scenario.paths import bare
from planner.scenario.schema import RECORDS, said_of

BEGIN, END = "<!-- fields: generated -->", "<!-- end of fields -->"
_TITLES = {
    "Scenario": "The file",
    "Finance": "`finance`",
    "Fleet": "`fleet`",
    "Site": "`sites[]`",
    "Capacity": "`sites[].capacity`",
    "Hall": "`halls[]`",
    "Installed": "`sites[].installed[]`",
    "Hardware": "`hardware`",
    "Spot": "`hardware.spot`",
    "Limits": "`limits`",
    "Assumptions": "`assume`",
    "Training": "`workloads[]`, kind: training",
    "Serving": "`workloads[]`, kind: serving",
    "RequestClass": "`request_classes[]` of a serving load",
    "Recommendation": "`workloads[]`, kind: recommendation",
    "Batch": "`workloads[]`, kind: batch",
    "Encoding": "`workloads[]`, kind: encoding",
    "PostTraining": "`workloads[]`, kind: post_training",
    "Diffusion": "`workloads[]`, kind: diffusion",
    "Agents": "`workloads[]`, kind: agents",
    "Daily": "`workloads[]`, kind: daily",
    "RecurringTraining": "`workloads[]`, kind: recurring_training",
    "Users": "`users[]` of a daily load",
    "ChipRange": "`chips` of a workload",
    "Parallelism": "`parallelism` of a training run",
    "ServingParallelism": "`parallelism` of a serving load",
    "Outcomes": "`outcomes`",
    "Spread": "A distribution of `outcomes`",
    "Solve": "`solve`",
}


def reference() -> str:
    """Markdown tables of every field: type, unit, bounds, default, meaning."""
    return "\n".join(line for record in RECORDS for line in _table(record))


def _table(record: type[BaseModel]) -> Iterator[str]:
    yield f"### {_TITLES[record.__name__]}"
    yield ""
    yield (record.__doc__ or "").strip().split("\n\n", maxsplit=1)[0]
    yield ""
    yield "| field | value | unit | default | meaning |"
    yield "|---|---|---|---|---|"
    hidden = record.HIDDEN if issubclass(record, OtherWords) else frozenset()
    # kind comes first wherever it was declared
    for name, info in sorted(record.model_fields.items(), key=lambda field: field[0] != "kind"):
        if name in hidden:
            continue
        extra = info.json_schema_extra
        in_unit = str(extra.get("unit", "")) if isinstance(extra, dict) else ""
        cells = (
            f"`{name}`",
            _type_text(info),
            in_unit,
            _default(record, name, info),
            said_of(record, info.description or ""),
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _type_text(info: FieldInfo) -> str:
    core = bare(info.annotation)
    text = _name_of(core)
    bounds = [
        f"{sign} {_number(bound)}"
        for constraint in info.metadata
        for attribute, sign in (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="))
        if (bound := getattr(constraint, attribute, None)) is not None
    ]
    return f"{text} {', '.join(bounds)}" if bounds else text


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e6 else f"{value:.3g}"


def _name_of(core: Any) -> str:
    origin, arguments = typing.get_origin(core), typing.get_args(core)
    if origin is Annotated:
        return _name_of(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{a}`" for a in arguments)
    if origin is tuple:
        item = _name_of(arguments[0])
        return f"one or a list of {item}" if bare(arguments[0]) is str or "`" in item else f"list of {item}s"
    if origin is dict:
        return "mapping"
    if origin in (typing.Union, types.UnionType):
        return "mapping"
    if isinstance(core, type) and issubclass(core, BaseModel):
        return {"ChipRange": "whole number or mapping"}.get(core.__name__, "mapping")
    return {float: "number", int: "whole number", str: "text", bool: "`true`, `false`"}.get(core, "anything")


_IN_THE_PLACE_OF = {"input_tokens": "request_classes", "output_tokens": "request_classes",
                    "requests_per_s": "request_classes", "samples_per_s": "samples_path"}  # fmt: skip
"""What may be given instead of a field that the type requires, in kinds that have it."""


def _default(record: type[BaseModel], name: str, info: FieldInfo) -> str:
    if info.is_required():
        other = _IN_THE_PLACE_OF.get(name, "")
        hidden = record.HIDDEN if issubclass(record, OtherWords) else frozenset()
        instead = other in record.model_fields and other not in hidden
        return f"**required**, or `{other}`" if instead else "**required**"
    value = info.default
    if value in (None, (), {}, "") or isinstance(value, BaseModel):
        return ""
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, tuple):
        return "`" + ", ".join(map(str, value)) + "`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def updated(text: str) -> str:
    """A page with its generated part brought up to date."""
    pattern = re.compile(re.escape(BEGIN) + ".*" + re.escape(END), re.DOTALL)
    return pattern.sub(lambda _: f"{BEGIN}\n\n{reference()}\n{END}", text)


if __name__ == "__main__":
    page = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/scenarios.md")
    page.write_text(updated(page.read_text(encoding="utf-8")), encoding="utf-8")
