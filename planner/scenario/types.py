"""The scenario: what a person asks. One record, whole and checked; every field says its unit.

Nothing here reads files (``reader``), knows the catalog (``check``) or a solver.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from planner.scenario.base import MANY, Finding, Id, Month, Part, month_index, month_name, parse_number, report, unit
from planner.scenario.fleet import MAX_SLOTS, Fleet, MonthPath
from planner.scenario.kinds import ByADate, RecurringTraining, Workload
from planner.scenario.outcomes import Outcomes
from planner.scenario.site import Site
from planner.scenario.topology import FAT_TREE, Topology

SCENARIO_VERSION = 1
"""The version of the file format this program reads."""

Objective = Literal["cost", "time", "power", "carbon", "water", "throughput"]
Figures = dict[str, dict[str, float | str]]
"""{record id: {field: figure, or a text such as a month of delivery}}"""


class Finance(Part):
    """Money over time."""

    discount_rate: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Real discount rate a year; none: the catalog's cost of capital.",
        json_schema_extra=unit("fraction/year", looks_like="percent"),
    )


class Spot(Part):
    """Rent that its owner may end at any moment, for a share of the price."""

    price_share: float = Field(
        gt=0,
        le=1,
        description="Price as a share of the on-demand rate.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    interruptions_per_day: float = Field(
        ge=0,
        le=288,
        description="How often a day the systems of a run are taken away.",
        json_schema_extra=unit("1/day"),
    )
    back_after_s: float = Field(
        default=600,
        ge=0,
        le=86_400,
        description="Seconds until capacity is there again.",
        json_schema_extra=unit("s", looks_like="minutes"),
    )
    notice_s: float = Field(
        default=120,
        ge=0,
        le=86_400,
        description="Seconds of notice before systems are taken: enough to write a checkpoint, or not.",
        json_schema_extra=unit("s", looks_like="minutes"),
    )


class Hardware(Part):
    """Which systems compete. Without any of these, everything in the catalog that can be bought does."""

    systems: tuple[Id, ...] = Field(
        default=(), description="Ids of systems; a system sold with several chip variants competes in all of them."
    )
    vendors: tuple[Id, ...] = Field(default=(), description="Only chips of these vendors.")
    exclude: tuple[Id, ...] = Field(default=(), description="Ids of systems or chips to leave out.")
    deliverable_by: Month | None = Field(default=None, description="Only what is delivered by this month.")
    export: Literal["none", "cn", "us"] = Field(
        default="none",
        description="Where it will stand, for export rules: cn leaves out what may not be sold to China, "
        "us what may not be used in the US; none applies no rule.",
    )
    supply: dict[Id, MonthPath] = Field(
        default={},
        description="Most systems that arrive in a period, by system: {system: {month: systems a period from "
        "then on}}.",
    )
    price_usd: dict[Id, MonthPath] = Field(
        default={},
        description="Price of a system over time, instead of the catalog's: {system: {month: USD from then on}}.",
    )
    price_change_per_year: float = Field(
        default=0,
        ge=-0.9,
        le=1,
        description="Change of every other system's price a year, compound.",
        json_schema_extra=unit("fraction/year", looks_like="percent"),
    )
    lead_months: int = Field(
        default=0,
        ge=0,
        le=120,
        description="Months from order to arrival: nothing bought is there before.",
        json_schema_extra=unit("months"),
    )
    rent_terms: tuple[Literal["on_demand", "1y", "3y", "spot"], ...] = Field(
        default=("on_demand",),
        min_length=1,
        description="Terms that rented systems may be taken for; the cheapest at present value is used. A commitment "
        "is paid for its whole length even where less is used; `spot` is for runs alone and needs `spot`.",
    )
    spot: Spot | None = Field(
        default=None, description="What `rent_terms: [spot]` costs, and how often it is taken away."
    )
    rent_region: Id = Field(
        default="world", description="Region where rented systems stand: the grid whose carbon they cause."
    )
    power_caps: tuple[Annotated[float, Field(ge=0.5, le=1)], ...] = Field(
        default=(1.0,),
        min_length=1,
        max_length=6,
        description="Power caps that compete, as shares of a chip's TDP: a capped chip draws less at its peak, "
        "computes slower and reads memory as fast. Owned systems only.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    topologies: tuple[Topology, ...] = Field(
        default=(FAT_TREE,),
        min_length=1,
        max_length=9,
        description="Designs of the scale-out network that compete for what is bought (docs/supernodes.md): fat_tree "
        "has full bisection; leaf_2to1 and leaf_3to1 oversubscribe its leaves, pods_3to1 and pods_7to1 what joins pods "
        "of two tiers; rails is a tree for each chip of a server; dragonfly; optical joins pods by circuit switches; "
        "torus is for chips with ports of their own. What stands is in the first.",
    )
    acquire: tuple[Literal["buy", "rent"], ...] = Field(
        default=("buy",),
        min_length=1,
        description="Ways to get systems. Rented ones stand elsewhere: no site power or racks.",
    )

    @model_validator(mode="after")
    def _spot_is_told(self) -> Self:
        if "spot" in self.rent_terms and self.spot is None:
            report([Finding(("rent_terms",), "names spot, of which nothing is said", "spot",
                            remedy="Give hardware.spot: {price_share: 0.4, interruptions_per_day: 3}.")])  # fmt: skip
        return self


class Limits(Part):
    """Limits over the whole plan. What is left out does not limit."""

    capex_usd: float | None = Field(
        default=None, gt=0, le=1e15, description="Money spent on buying and building.", json_schema_extra=unit("USD")
    )
    cost_usd: float | None = Field(
        default=None,
        gt=0,
        le=1e15,
        description="Total cost of ownership over the horizon.",
        json_schema_extra=unit("USD"),
    )
    opex_usd_per_year: float | None = Field(
        default=None, gt=0, le=1e15, description="Running cost of a year.", json_schema_extra=unit("USD/year")
    )
    capex_usd_per_year: float | None = Field(
        default=None,
        gt=0,
        le=1e15,
        description="Money spent on buying and building in any one year of the plan.",
        json_schema_extra=unit("USD/year"),
    )
    vendor_share: dict[Id, Annotated[float, Field(ge=0, le=1)]] = Field(
        default={},
        description="Largest share of a vendor in all chips bought and rented: {vendor: fraction}.",
    )
    chips: int | None = Field(default=None, ge=1, le=MANY, description="Chips in all.", json_schema_extra=unit("chips"))
    kinds: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Kinds of systems (system, chip and cooling) in all.",
        json_schema_extra=unit("kinds"),
    )
    pools: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Pools in all: what does one job of one workload on one kind of system at one site.",
        json_schema_extra=unit("pools"),
    )
    power_mw: float | None = Field(
        default=None,
        gt=0,
        le=50_000,
        description="Power at the meters of all sites together.",
        json_schema_extra=unit("MW", looks_like="kW"),
    )
    carbon_t_per_year: float | None = Field(
        default=None,
        gt=0,
        le=1e15,
        description="Carbon of a year, embodied share included.",
        json_schema_extra=unit("t CO2e/year"),
    )
    water_m3_per_year: float | None = Field(
        default=None, gt=0, le=1e15, description="Water of a year.", json_schema_extra=unit("m3/year")
    )


class Assumptions(Part):
    """Figures the catalog calls unknown, or that the asker knows better: {kind: {id: {field: figure}}}."""

    chips: Figures = Field(default={}, description="{chip id: {field: figure}}")
    systems: Figures = Field(default={}, description="{system id: {field: figure}}")
    interconnects: Figures = Field(default={}, description="{link id: {field: figure}}")
    cooling: Figures = Field(default={}, description="{cooling id: {field: figure}}")
    regions: Figures = Field(default={}, description="{region id: {field: figure}}")
    costs: Figures = Field(default={}, description="{cost id: {value: figure}}")

    @model_validator(mode="before")
    @classmethod
    def _numbers(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {kind: _read_figures(records) for kind, records in data.items()}

    def as_mapping(self) -> dict[str, Figures]:
        """What ``Catalog.with_assumptions`` takes: only the kinds that have any."""
        return {kind: getattr(self, kind) for kind in type(self).model_fields if getattr(self, kind)}


def _read_figures(records: Any) -> Any:
    def read(value: Any) -> Any:
        if isinstance(value, str):
            number = parse_number(value)
            return value if number is None else number
        return value

    if not isinstance(records, Mapping):
        return records
    return {
        key: {name: read(value) for name, value in fields.items()} if isinstance(fields, Mapping) else fields
        for key, fields in records.items()
    }


class Solve(Part):
    """How to solve, not what: no part of a problem's identity."""

    gap: float = Field(
        default=0.001,
        ge=0,
        lt=1,
        description="Relative gap at which a plan is good enough.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    time_limit_s: float = Field(
        default=120, gt=0, le=1e6, description="Longest a solve may take.", json_schema_extra=unit("s")
    )
    simplify: float = Field(
        default=0.01,
        ge=0,
        le=0.5,
        description="Of plans whose objective is within this share of the best, the one with the fewest kinds of "
        "systems, then pools, is taken; 0: the best. The default is far less than the model can tell apart.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    answers: Literal["none", "fast", "full"] | None = Field(
        default=None,
        description="What is answered beside the plan. fast: what higher confidences cost, as far as that takes no "
        "longer than the plan itself (or 5 s); full: what lower ones save too, however long it takes. None given: as "
        "PLANNER_ANSWERS says, else fast.",
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Solver threads; none: as many as there are cores.",
        json_schema_extra=unit("threads"),
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="Seed of the solver.")
    reproducible: bool = Field(
        default=False, description="One thread, fixed order, work limits instead of a clock: the same plan every time."
    )
    backend: Literal[
        "auto", "highs", "cpsat", "split", "brute", "cbc", "scip", "gurobi", "cplex", "xpress", "copt", "mosek"
    ] = Field(
        default="auto",
        description="Solver; auto: several at once. From cbc on: through PuLP, where you have it installed.",
    )


@dataclass(frozen=True)
class Source:
    """Where each part of a scenario stands in its file, for messages. Never a part of the question: all are equal."""

    file: str = ""
    lines: Mapping[tuple[str | int, ...], int] = field(default_factory=dict)
    assumed: Mapping[tuple[str | int, ...], tuple[str, int]] = field(default_factory=dict)
    """{path: (file, line)} of what stands in a file of assumptions."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Source)

    def __hash__(self) -> int:
        return 0

    def line(self, path: tuple[str | int, ...]) -> int | None:
        """The line of a path, or of the nearest part above it that has one."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return None

    def place(self, path: tuple[str | int, ...]) -> tuple[str, int | None]:
        """The file and line of a path, also where it stands in a file of assumptions."""
        if path not in self.lines and path in self.assumed:
            return self.assumed[path]
        return self.file, self.line(path)


class Scenario(Part):
    """What a person asks the planner: workloads to run, where they may stand, what limits them, what is best."""

    name: str = Field(min_length=1, max_length=200, description="What the scenario is called.")
    description: str = Field(default="", max_length=10_000, description="The question in a sentence or two.")
    version: int = Field(default=SCENARIO_VERSION, ge=1, description="Version of the file format.")
    start: Month = Field(description="Month the plan begins; the first of `periods` where those are given.")
    objective: tuple[Objective, ...] = Field(
        default=("cost",),
        min_length=1,
        description="What is best: cost, time, power, carbon, water or throughput. A list is lexicographic.",
    )
    confidence: float = Field(
        default=0.5,
        ge=0.5,
        le=0.99,
        description="Probability with which the date of each run, and the rate and latencies of each load, must hold "
        "over performance, deliveries, failures and demand; a workload may state its own. 0.5: central figures, "
        "what keeps the promise with even odds where a delivery is uncertain.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    horizon_years: float = Field(
        default=4, gt=0, le=40, description="Years the plan covers from `start`.", json_schema_extra=unit("years")
    )
    periods: tuple[Month, ...] = Field(
        default=(), description="First month of each period of a staged plan; none: one period, the horizon."
    )
    finance: Finance = Field(default=Finance(), description="Money over time.")
    fleet: Fleet = Field(default=Fleet(), description="How hardware is owned and shared over time.")
    sites: tuple[Site, ...] = Field(min_length=1, description="Where hardware may stand.")
    hardware: Hardware = Field(default=Hardware(), description="Which systems compete.")
    limits: Limits = Field(default=Limits(), description="Limits over the whole plan.")
    assume: Assumptions = Field(
        default=Assumptions(), description="Figures supplied by hand; the plan lists them beside its result."
    )
    assume_file: str = Field(
        default="",
        max_length=1000,
        description="A file of figures as `assume` has them, beside this one (a path from its folder); what `assume` "
        "says itself comes first. It is read with the scenario, and its figures are then the scenario's own.",
    )
    measurements: str = Field(
        default="",
        max_length=1000,
        description="A table of runs that you measured, beside this file (CSV, the columns of `planner validate "
        "--cases`, most optional): predictions of what is near them are corrected and surer.",
    )
    workloads: tuple[Workload, ...] = Field(min_length=1, description="What must be computed.")
    overrides: dict[str, dict[str, Any]] = Field(
        default={}, description="Named deltas: {name: {dot.path: value}}; `include: [other]` takes another one in."
    )
    variants: dict[str, tuple[str, ...]] = Field(
        default={}, description="{name: [override, ...]}: applied in order, later wins."
    )
    outcomes: Outcomes | None = Field(
        default=None, description="Uncertainty: what may come otherwise; `planner outlook` draws futures from it."
    )
    solve: Solve = Field(default=Solve(), description="How to solve.")

    _source: Source = PrivateAttr(default_factory=Source)

    def confidence_of(self, workload: str) -> float:
        """The probability with which the promise to a workload must hold."""
        own = next((w.confidence for w in self.workloads if w.name == workload), None)
        return self.confidence if own is None else own

    def at_confidence(self, level: float) -> Scenario:
        """The scenario with every promise at one confidence."""
        workloads = tuple(w.model_copy(update={"confidence": None}) for w in self.workloads)
        return self.model_copy(update={"confidence": level, "workloads": workloads})

    @model_validator(mode="before")
    @classmethod
    def _shorter_forms(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        data = dict(data)
        periods = data.get("periods")
        if data.get("start") is None and isinstance(periods, list | tuple) and periods:
            data["start"] = periods[0]
        variants = data.get("variants")
        if isinstance(variants, Mapping):
            data["variants"] = {
                name: (refs,) if isinstance(refs, str) else tuple(refs) if isinstance(refs, list) else refs
                for name, refs in variants.items()
            }
        return data

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        findings: list[Finding] = []
        if self.version > SCENARIO_VERSION:
            findings.append(
                Finding(
                    ("version",),
                    f"is newer than this planner, which reads version {SCENARIO_VERSION}",
                    found=str(self.version),
                    remedy="Update the planner.",
                )
            )
        findings += repeated_names("sites", [s.name for s in self.sites])
        findings += [
            Finding(("sites", i, "name"), "'rented' is where rented systems stand", remedy="Rename the site.")
            for i, site in enumerate(self.sites)
            if site.name == "rented"
        ]
        findings += repeated_names("workloads", [w.name for w in self.workloads])
        for i, goal in enumerate(self.objective):
            if goal in self.objective[:i]:
                findings.append(Finding(("objective", i), f"{goal} is listed twice"))
        findings += self._time_findings()
        findings += self._fleet_findings()
        report(findings)
        if self.over_time:
            work = tuple(w.in_time() if isinstance(w, ByADate) else w for w in self.workloads)
            object.__setattr__(self, "workloads", work)
        return self

    def _time_findings(self) -> list[Finding]:
        findings: list[Finding] = []
        first, end = month_index(self.start), self._end
        if self.periods and self.periods[0] != self.start:
            findings.append(
                Finding(("periods", 0), f"the first period is not the start ({self.start})", found=self.periods[0])
            )
        for i in range(1, len(self.periods)):
            if month_index(self.periods[i]) <= month_index(self.periods[i - 1]):
                findings.append(
                    Finding(
                        ("periods", i), f"is not after the period before it ({self.periods[i - 1]})", self.periods[i]
                    )
                )
        if self.periods and month_index(self.periods[-1]) >= end:
            findings.append(
                Finding(
                    ("periods", len(self.periods) - 1),
                    f"begins after the horizon ends ({month_name(round(end))})",
                    found=self.periods[-1],
                    remedy="Raise horizon_years.",
                )
            )
        for i, workload in enumerate(self.workloads):
            begins = getattr(workload, "start", None)
            if begins is not None and not first <= month_index(begins) < end:
                findings.append(
                    Finding(
                        ("workloads", i, "start"),
                        "is outside the plan",
                        found=begins,
                        allowed=f"{self.start} up to {month_name(round(end))}",
                    )
                )
            if isinstance(workload, RecurringTraining) and workload.span_days > self.horizon_years * 365.25 * (
                1 + 1e-9
            ):
                allowed = f"up to {self.horizon_years * 365.25 / workload.every_days:.0f}, as the horizon holds"
                findings.append(
                    Finding(("workloads", i, "runs"), "end after the plan", str(workload.runs), allowed,
                            "Raise horizon_years or every_days.")
                )  # fmt: skip
            window = getattr(workload, "window_hours", None)
            days = getattr(workload, "finish_within_days", None)
            if window is not None and days is not None and days > self.horizon_years * 365.25 * (1 + 1e-9):
                allowed = f"up to {self.horizon_years * 365.25:g} days, the horizon"
                findings.append(
                    Finding(("workloads", i, "finish_within_days"), "ends after the plan", f"{days:g}", allowed,
                            "Raise horizon_years.")
                )  # fmt: skip
        for i, site in enumerate(self.sites):
            for j, block in enumerate(site.installed):
                if block.since is not None and month_index(block.since) > first:
                    findings.append(
                        Finding(
                            ("sites", i, "installed", j, "since"),
                            f"is after the plan begins ({self.start}): what stands there must stand there already",
                            found=block.since,
                        )
                    )
        return findings

    def _fleet_findings(self) -> list[Finding]:
        """What is not planned over time yet, and runs that wait for what is no run before them."""
        findings: list[Finding] = []
        if not self.over_time:
            return findings
        findings += [
            Finding(
                ("workloads", i, "chips"), f"is more than one fabric joins ({self.fleet.fabric_chips} chips)",
                found=str(workload.chips.min), remedy="Raise fleet.fabric_chips.",
            )
            for i, workload in enumerate(self.workloads)
            if workload.chips is not None and (workload.chips.min or 0) > self.fleet.fabric_chips
            and workload.runs_once
        ]  # fmt: skip
        findings += [
            Finding(
                ("workloads", i, "kind"), "is not planned over time, where a run has one beginning and one end",
                found=workload.kind, remedy="Plan it without periods and shared fleets.",
            )
            for i, workload in enumerate(self.workloads)
            if isinstance(workload, RecurringTraining)
        ]  # fmt: skip
        if 12 * self.horizon_years / self.fleet.slot_months > MAX_SLOTS:
            findings.append(
                Finding(("fleet", "slot_months"), f"cuts the plan into more than {MAX_SLOTS} slots", remedy="Raise it.")
            )
        runs = {w.name: set(getattr(w, "after", ())) for w in self.workloads if hasattr(w, "after")}
        for i, workload in enumerate(self.workloads):
            for j, name in enumerate(getattr(workload, "after", ())):
                if name not in runs or name == workload.name:
                    findings.append(Finding(("workloads", i, "after", j), f"{name!r} is no other run of this file"))
        done: set[str] = set()
        while ready := [n for n, before in runs.items() if n not in done and before & runs.keys() <= done]:
            done.update(ready)
        if len(done) < len(runs):
            rest = ", ".join(n for n in runs if n not in done)
            findings.append(Finding(("workloads",), f"runs wait for each other in a circle: {rest}"))
        return findings

    @property
    def over_time(self) -> bool:
        """Whether it is planned as a fleet over time: lots that stand and work that occupies them, shared or not.

        Without any of this a plan is one decision at the start, and every option brings systems of its own.
        """
        asked: list[object] = [
            self.fleet.shared, self.fleet.keep != "horizon", self.hardware.supply, self.hardware.price_usd,
            self.hardware.price_change_per_year, self.hardware.lead_months, self.limits.capex_usd_per_year,
            self.limits.vendor_share,
        ]  # fmt: skip
        asked += [x for site in self.sites for x in (site.tariff_path, site.power_path)]
        names = ("requests_path", "samples_path", "growth_per_year", "after")
        asked += [getattr(workload, name, None) for workload in self.workloads for name in names]
        return any(asked)

    @property
    def _end(self) -> float:
        return month_index(self.start) + 12 * self.horizon_years

    @property
    def period_starts(self) -> tuple[str, ...]:
        """First month of each period; one period where none are given."""
        return self.periods or (self.start,)

    @property
    def period_years(self) -> tuple[float, ...]:
        """Length of each period in years; they sum to ``horizon_years``."""
        edges = [*(float(month_index(p)) for p in self.period_starts), self._end]
        return tuple((b - a) / 12 for a, b in pairwise(edges))

    @property
    def source(self) -> Source:
        """Where the parts of the scenario stand in its file; empty where it came from no file."""
        return self._source

    def __repr__(self) -> str:
        work = ", ".join(f"{w.name}: {w.kind}" for w in self.workloads)
        places = ", ".join(site.name for site in self.sites) or "none"
        return f"<Scenario {self.name!r}: {work}; sites: {places}; best {', then '.join(self.objective)}>"

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(w.name)}</td><td>{escape(w.kind)}</td><td>{escape(w.model)}</td></tr>"
            for w in self.workloads
        )
        places = ", ".join(escape(site.name) for site in self.sites)
        return (
            f"<p><b>{escape(self.name)}</b><br>{escape(self.description)}</p><table>{rows}</table>"
            f"<p>{escape(', then '.join(self.objective))}; sites: {places or 'none'}; from {escape(self.start)}</p>"
        )

    def with_source(self, source: Source) -> Self:
        """The same scenario that knows its file."""
        copy = self.model_copy()
        copy._source = source
        return copy


def repeated_names(section: str, names: Sequence[object]) -> list[Finding]:
    """The second and further uses of a name in a section; what is no text has no name."""
    findings = []
    for i, name in enumerate(names):
        if isinstance(name, str) and name in names[:i]:
            findings.append(
                Finding(
                    (section, i, "name"),
                    f"{name!r} is the name of another of the {section}",
                    remedy="Every name must be its own: rename one.",
                )
            )
    return findings
