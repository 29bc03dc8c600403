"""What a worker is asked, what it answers, and how both go through a pipe. No Streamlit here: workers start fast."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from planner.catalog import Catalog
from planner.errors import PlannerError, Problem

PLAN = "plan"
Tell = Callable[[str, float], None]
"""Told (what is being done, share of the whole)."""


@dataclass(frozen=True)
class Request:
    """A scenario as canonical JSON and what is asked of it: a plan, or a question of ``planner.outlook`` with its
    arguments as sorted pairs."""

    text: str
    variant: str | None = None
    what: str = PLAN
    arguments: tuple[tuple[str, Any], ...] = ()

    def key(self, catalog_digest: str, planner_version: str) -> str:
        """A name of the answer: the same question of the same catalog and planner has the same."""
        told = [self.what, self.arguments, self.text, self.variant, catalog_digest, planner_version]
        return hashlib.sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest()

    def line(self) -> str:
        """As a line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def of_line(cls, line: str) -> Self:
        """Back from a line."""
        data = json.loads(line)
        arguments = tuple((name, _tuples(value)) for name, value in data.pop("arguments"))
        return cls(**data, arguments=arguments)


@dataclass(frozen=True)
class Result:
    """How work ended: the text of a plan or document, or what was wrong, or a fault of ours."""

    document: str = ""
    problems: tuple[Problem, ...] = ()
    fault: str = ""

    def line(self) -> str:
        """As a line of JSON."""
        return json.dumps({"result": asdict(self)})

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Back from what a line held."""
        return cls(data["document"], tuple(Problem(**p) for p in data["problems"]), data["fault"])


def functions() -> Mapping[str, Callable[..., Any]]:
    """What can be asked: functions of the planner that take a scenario, catalog, variant, progress and cancel."""
    from planner import plan
    from planner.outlook import alternatives, outlook, pareto, sensitivity
    from planner.outlook.measure import measure
    from planner.supernode.ask import supernode

    return {
        PLAN: plan,
        "pareto": pareto,
        "alternatives": alternatives,
        "sensitivity": sensitivity,
        "outlook": outlook,
        "measure": measure,
        "supernode": supernode,
    }


def answered(
    request: Request, catalog: Catalog, tell: Tell, cancel: Callable[[], bool], asked: Mapping[str, Callable[..., Any]]
) -> Result:
    """What becomes of a request; never raises for what the planner does. Raises what ``tell`` raises."""
    stopped: list[BaseException] = []

    def told(what: str, share: float) -> None:
        try:
            tell(what, share)
        except BaseException as error:
            stopped.append(error)
            raise

    try:
        function = asked[request.what]
        found = function(
            json.loads(request.text), **dict(request.arguments), catalog=catalog, variant=request.variant,
            progress=told, cancel=cancel,
        )  # fmt: skip
    except PlannerError as error:
        return Result(problems=error.problems)
    except Exception as error:
        if stopped:
            raise
        import traceback

        return Result(fault=f"{type(error).__name__}\n{traceback.format_exc()}")
    return Result(document=found.to_json())


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
