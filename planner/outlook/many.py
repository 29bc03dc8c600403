"""Many plans at once: planned from one scenario and what differs, or read; compared as one frame, one row a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from planner.answer.notebook import table
from planner.answer.plan import Plan
from planner.answer.rows import SUMMARY_COLUMNS, summary_row
from planner.errors import InputError, Problem
from planner.tables import frame_of

if TYPE_CHECKING:
    import pandas as pd

    from planner.catalog import Catalog
    from planner.scenario import Scenario
    from planner.tables import Row

MOST_PROBLEMS = 20
_SHOWN = ("status", "objective_value", "hardware", "chips", "facility_mw", "tco_usd", "days", "ttft_ms", "tpot_ms")


class Plans(Sequence[Plan]):
    """Plans by place or by name, with what was varied. ``frame()`` has one row a plan."""

    def __init__(self, plans: Sequence[Plan], names: Sequence[str], varied: Sequence[Mapping[str, Any]] = ()) -> None:
        if len(names) != len(plans) or (varied and len(varied) != len(plans)):
            raise ValueError("one name, and one mapping of what was varied, for each plan")
        self._plans, self.names = tuple(plans), tuple(names)
        self.varied: tuple[Mapping[str, Any], ...] = tuple(varied) or tuple({} for _ in plans)

    def __len__(self) -> int:
        return len(self._plans)

    @overload
    def __getitem__(self, key: int | str) -> Plan: ...
    @overload
    def __getitem__(self, key: slice) -> Plans: ...
    def __getitem__(self, key: int | str | slice) -> Plan | Plans:
        if isinstance(key, slice):
            return Plans(self._plans[key], self.names[key], self.varied[key])
        if isinstance(key, str):
            if key not in self.names:
                raise KeyError(key)
            return self._plans[self.names.index(key)]
        return self._plans[key]

    def __iter__(self) -> Iterator[Plan]:
        return iter(self._plans)

    def rows(self) -> list[Row]:
        """One row a plan: its name, what was varied (a column a dot path), then ``rows.SUMMARY_COLUMNS``."""
        paths = dict.fromkeys(path for overrides in self.varied for path in overrides)
        return [
            {"name": name, **{path: varied.get(path) for path in paths}, **summary_row(plan)}
            for name, varied, plan in zip(self.names, self.varied, self._plans, strict=True)
        ]

    def frame(self) -> pd.DataFrame:
        """``rows()`` as a pandas frame indexed by name; units in ``attrs["units"]``."""
        paths = dict.fromkeys(path for overrides in self.varied for path in overrides)
        return frame_of(self.rows(), ("name", *paths, *SUMMARY_COLUMNS)).set_index("name")

    def diff(self) -> pd.DataFrame:
        """What differs, one row a fact, one column a plan, then change and relative change against the first."""
        from planner.report.diff import diff_flat

        return frame_of(diff_flat(self._plans, self.names))

    def __repr__(self) -> str:
        planned = sum(plan.has_plan for plan in self._plans)
        return f"<Plans: {len(self)}, {planned} of them with a plan; frame() has one row each>"

    def _repr_html_(self) -> str:
        rows = [
            {"name": name, **varied, **{n: summary_row(p)[n] for n in _SHOWN}}
            for name, varied, p in zip(self.names[:30], self.varied, self._plans, strict=False)
        ]
        paths = dict.fromkeys(path for overrides in self.varied for path in overrides)
        more = f"<p>and {len(self) - 30} more: <code>.frame()</code></p>" if len(self) > 30 else ""
        return table(rows, ("name", *paths, *_SHOWN)) + more


def plan_many(
    scenario: Scenario | Mapping[str, Any] | str | Path | Sequence[Scenario | Mapping[str, Any] | str | Path],
    *,
    overrides: Sequence[Mapping[str, Any]] | Mapping[str, Mapping[str, Any]] | None = None,
    variants: Sequence[str | None] | None = None,
    catalog: Catalog | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Plans:
    """Plan one scenario many ways, or several scenarios; all in this process (``run_sweep`` uses every core).

    ``scenario``: as in ``plan``, or a list of such. ``overrides``: for each scenario one plan with each of these
    values by dot path, a list or a mapping from name to values. ``variants``: names of the file's variants (None: as it
    stands). Every case is read and checked before the first is planned: raises ``InputError`` with all that is wrong.
    No plan being possible is an answer; its row says so.
    """
    from planner.catalog import load_catalog
    from planner.planning.plan import plan
    from planner.scenario import check_scenario

    known = catalog if catalog is not None else load_catalog()
    cases = list(_cases(scenario, overrides, variants))
    problems: dict[tuple[str, str, str], Problem] = {}
    loaded: list[Scenario] = []
    for _, question, variant, values in cases:
        try:
            loaded.append(_loaded(question, variant, values))
            check_scenario(loaded[-1], known)
        except InputError as error:
            for p in error.problems:
                problems.setdefault((p.path, p.message, p.found), p)
    if problems:
        raise InputError(list(problems.values())[:MOST_PROBLEMS])
    plans = []
    for i, (case, asked) in enumerate(zip(cases, loaded, strict=True)):
        if progress is not None:
            progress(f"{i} of {len(cases)}", i / len(cases))
        plans.append(plan(asked, catalog=known, variant=case[2]))
    return Plans(plans, _distinct([name for name, *_ in cases]), [values for *_, values in cases])


def compare(plans: Iterable[Plan | str | Path] | Mapping[str, Plan | str | Path]) -> Plans:
    """Plans, files of plans (or the folders of their plan.json), as ``Plans``; a mapping gives them names."""
    from planner.report.diff import short_names

    named = dict(plans) if isinstance(plans, Mapping) else None
    listed = list(named.values()) if named is not None else list(plans)
    read = [p if isinstance(p, Plan) else Plan.read(_file(p)) for p in listed]
    if named is not None:
        return Plans(read, list(named))
    files = [None if isinstance(p, Plan) else str(_file(p)) for p in listed]
    short = iter(short_names([f for f in files if f is not None]))
    names = [next(short) if f is not None else _named(p) for f, p in zip(files, read, strict=True)]
    return Plans(read, _distinct(names))


def _file(path: str | Path | Plan) -> Path:
    file = Path(str(path))
    return file / "plan.json" if file.is_dir() else file


def _named(plan: Plan) -> str:
    return f"{plan.scenario}, {plan.variant}" if plan.variant else plan.scenario


def _distinct(names: Sequence[str]) -> list[str]:
    """Names, those that stand there already with a number behind them."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _cases(
    scenario: Any,
    overrides: Sequence[Mapping[str, Any]] | Mapping[str, Mapping[str, Any]] | None,
    variants: Sequence[str | None] | None,
) -> Iterator[tuple[str, Any, str | None, Mapping[str, Any]]]:
    """(name, scenario, variant, values) of every case, scenarios outermost."""
    several = isinstance(scenario, list | tuple)
    values: list[tuple[str, Mapping[str, Any]]] = [("", {})]
    if isinstance(overrides, Mapping):
        values = list(overrides.items())
    elif overrides is not None:
        values = [(", ".join(f"{path}={value}" for path, value in v.items()), v) for v in overrides]
    for question in scenario if several else [scenario]:
        for variant in variants or [None]:
            for name, wanted in values:
                parts = (_question_name(question) if several else "", variant or "", name)
                yield " ".join(p for p in parts if p) or "as it stands", question, variant, wanted


def _question_name(question: Any) -> str:
    if isinstance(question, str | Path):
        return Path(question).stem
    return str(question.get("name", "")) if isinstance(question, Mapping) else str(question.name)


def _loaded(question: Any, variant: str | None, values: Mapping[str, Any]) -> Scenario:
    from planner.scenario import Scenario, load_scenario, overridden, scenario_from_mapping

    if isinstance(question, Mapping):
        return scenario_from_mapping(question, variant=variant, overrides=values)
    if not isinstance(question, Scenario):
        return load_scenario(question, variant, values)
    if variant is not None:
        raise InputError(Problem("a loaded scenario has no variants left", found=variant, remedy="Give its file."))
    return overridden(question, values) if values else question
