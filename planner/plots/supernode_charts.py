"""What more and less of a supernode is worth: the objective of every step, beside what it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planner.plots.charts import COLOURS, Chart, told_bars
from planner.report import format as fmt
from planner.supernode.result import Step

_ROW = 30


def steps_chart(steps: Sequence[Step], objective: str, unit: str) -> Chart | None:
    """A bar a step with its value and change; a step without a plan says so. None where no step has a plan."""
    known = [s.value for s in steps if s.value is not None]
    if not known:
        return None
    rows: list[dict[str, Any]] = [
        {
            "step": fmt.clean(s.name), "value": s.value or 0.0, "what": fmt.clean(s.what),
            "shown": "no plan" if s.value is None else _shown(s.value, unit, s.worth), "kind": _kind(s),
        }
        for s in steps
    ]  # fmt: skip
    return told_bars(rows, "step", f"{objective} ({unit})", _COLOURS, room=1.5, label_limit=240,
                     tooltip=["step:N", "shown:N", "what:N"], height=_ROW * len(rows) + 90)  # fmt: skip


_COLOURS: Mapping[str, str] = {"better": COLOURS[2], "the same": COLOURS[6], "worse": COLOURS[1]}
_SAME = 5e-4


def _kind(step: Step) -> str:
    saved = step.worth_usd or 0.0
    if step.worth is None or abs(step.worth) < _SAME:
        return "the same"
    return "better" if saved > 0 else "worse"


def _shown(value: float, unit: str, worth: float | None) -> str:
    change = "" if worth is None or abs(worth) < _SAME else f"  {worth:+.1%}"
    return f"{fmt.usd(value, short=True) if unit == 'USD' else fmt.quantity(value, unit)}{change}"
