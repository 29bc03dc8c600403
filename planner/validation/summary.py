"""Errors in groups: rows of one source, model, chip and precision are strongly correlated and count once together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from planner.validation.cases import CaseResult

GROUP_TAGS = ("source", "model", "chip", "precision")


@dataclass(frozen=True)
class GroupError:
    """Errors of the rows of one group: relative, of step time or of the quantity itself."""

    name: str
    rows: int
    mean_absolute: float
    bias: float
    baseline: float | None

    def to_json(self) -> dict[str, object]:
        """Plain data."""
        return {
            "rows": self.rows,
            "mean_absolute_error": round(self.mean_absolute, 5),
            "bias": round(self.bias, 5),
            "baseline_mean_absolute_error": None if self.baseline is None else round(self.baseline, 5),
        }


def time_error(result: CaseResult) -> float | None:
    """Signed relative error as one of time: of a rate, measured/predicted - 1; None where nothing was predicted."""
    if result.predicted is None or result.predicted <= 0 or result.measured <= 0:
        return None
    if is_rate(result.quantity):
        return result.measured / result.predicted - 1.0
    return result.predicted / result.measured - 1.0


def baseline_error(result: CaseResult) -> float | None:
    """The same of the one-constant baseline."""
    if result.baseline is None or result.baseline <= 0:
        return None
    if is_rate(result.quantity):
        return result.measured / result.baseline - 1.0
    return result.baseline / result.measured - 1.0


def is_rate(quantity: str) -> bool:
    """Whether more is faster (tokens per second, TFLOP/s) rather than slower (seconds, hours)."""
    return quantity.endswith(("_per_chip", "tok_s", "_per_s", "mfu"))


def answered(results: Iterable[CaseResult]) -> tuple[CaseResult, ...]:
    """Results with a prediction."""
    return tuple(r for r in results if time_error(r) is not None)


def _group(results: Sequence[CaseResult], key: Callable[[CaseResult], str]) -> dict[str, list[CaseResult]]:
    groups: dict[str, list[CaseResult]] = {}
    for r in results:
        groups.setdefault(key(r), []).append(r)
    return groups


def _errors(name: str, rows: Sequence[CaseResult]) -> GroupError:
    errors = [e for r in rows if (e := time_error(r)) is not None]
    base = [abs(e) for r in rows if (e := baseline_error(r)) is not None]
    bias = math.exp(fmean(math.log1p(e) for e in errors)) - 1.0
    return GroupError(name, len(errors), fmean(abs(e) for e in errors), bias, fmean(base) if base else None)


def by_tag(results: Sequence[CaseResult], tag: str) -> tuple[GroupError, ...]:
    """Mean absolute error by one tag, most rows first."""
    groups = _group(answered(results), lambda r: r.tags.get(tag, "") or "unstated")
    found = [_errors(name, rows) for name, rows in groups.items()]
    return tuple(sorted(found, key=lambda g: (-g.rows, g.name)))


def by_group(results: Sequence[CaseResult]) -> tuple[GroupError, ...]:
    """Mean absolute error by source, model, chip and precision together."""
    groups = _group(answered(results), lambda r: " | ".join(r.tags.get(t, "") for t in GROUP_TAGS))
    return tuple(_errors(name, rows) for name, rows in groups.items())


@dataclass(frozen=True)
class Overall:
    """Errors over groups (each counts once) and how often the 80% interval held."""

    rows: int
    answered: int
    groups: int
    mean: float
    median: float
    bias: float
    baseline_mean: float | None
    baseline_median: float | None
    coverage80: float | None

    def to_json(self) -> dict[str, object]:
        """Plain data."""
        names = ("mean", "median", "bias", "baseline_mean", "baseline_median", "coverage80")
        rounded = {n: None if (v := getattr(self, n)) is None else round(v, 5) for n in names}
        return {"rows": self.rows, "answered": self.answered, "groups": self.groups, **rounded}


def overall(results: Sequence[CaseResult]) -> Overall | None:
    """The summary of some results, or None where nothing was answered."""
    done = answered(results)
    if not done:
        return None
    groups = by_group(results)
    errors = [g.mean_absolute for g in groups]
    base = [g.baseline for g in groups if g.baseline is not None]
    inside = [r.low80 <= r.measured <= r.high80 for r in done if r.low80 is not None and r.high80 is not None]
    bias = math.exp(fmean(math.log1p(g.bias) for g in groups)) - 1.0
    return Overall(
        rows=len(results),
        answered=len(done),
        groups=len(groups),
        mean=fmean(errors),
        median=median(errors),
        bias=bias,
        baseline_mean=fmean(base) if base else None,
        baseline_median=median(base) if base else None,
        coverage80=fmean(inside) if inside else None,
    )


def summary_json(results: Sequence[CaseResult], tags: Sequence[str]) -> dict[str, object]:
    """Overall and by tag, as plain data."""
    whole = overall(results)
    by: Mapping[str, object] = {tag: {g.name: g.to_json() for g in by_tag(results, tag)} for tag in tags}
    return {"overall": None if whole is None else whole.to_json(), "by": by}
