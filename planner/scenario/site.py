"""Where the hardware may stand: sites, their power and space, what stands there already."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from planner.scenario.base import MANY, Finding, Id, Month, Name, Part, report, unit
from planner.scenario.fleet import MonthPath

Ups = Literal["N", "N+1", "N+2", "2N", "2N+1", "3N/2", "4N/3"]


class Hall(Part):
    """A part of a site with its own limits: a building, hall, room or row group. Halls nest to any depth."""

    name: Name = Field(description="Name of the hall, unique among its neighbours.")
    kind: str = Field(
        default="", max_length=40, description="What it is, for people: substation, UPS, PDU, busway, hall, row."
    )
    power_mw: float | None = Field(
        default=None,
        gt=0,
        le=5000,
        description="Power the hall can draw; none: only what is above limits it.",
        json_schema_extra=unit("MW", looks_like="kW"),
    )
    ups: Ups | None = Field(default=None, description="Redundancy of the uninterruptible supply.")
    ups_modules: int | None = Field(
        default=None,
        ge=2,
        le=100,
        description="Modules of an N+1 or N+2 supply, the redundant ones among them; none: five.",
        json_schema_extra=unit("modules"),
    )
    continuous_share: float = Field(
        default=1,
        gt=0,
        le=1,
        description="Share of the rating that may be drawn for hours: 0.8 for breakers rated so; 1 where power_mw "
        "says it already.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    cooling: tuple[Id, ...] = Field(
        default=(), description="Ids of the cooling options the hall can host; none: those of what is above."
    )
    rows: int | None = Field(default=None, ge=1, le=MANY, description="Rows of racks.", json_schema_extra=unit("rows"))
    racks_per_row: int | None = Field(
        default=None, ge=1, le=MANY, description="Racks in a row.", json_schema_extra=unit("racks")
    )
    rack_kw: float | None = Field(
        default=None,
        gt=0,
        le=2000,
        description="Largest IT power of one rack.",
        json_schema_extra=unit("kW", looks_like="W"),
    )
    halls: tuple[Hall, ...] = Field(default=(), description="Parts of this hall, each with limits of its own.")

    @model_validator(mode="after")
    def _rows_and_racks(self) -> Self:
        findings = _repeated_names(self.halls)
        if self.ups is not None and self.power_mw is None:
            findings.append(Finding(("ups",), "needs power_mw: the installed supply of which redundancy leaves a part"))
        if (self.rows is None) != (self.racks_per_row is None):
            lacking = "racks_per_row" if self.racks_per_row is None else "rows"
            findings.append(Finding((), f"{lacking} is missing: rows and racks_per_row go together"))
        if self.ups_modules is not None and self.ups not in {"N+1", "N+2"}:
            findings.append(Finding(("ups_modules",), "is of an N+1 or N+2 supply", found=f"ups: {self.ups}"))
        if self.ups == "N+2" and self.ups_modules == 2:
            findings.append(Finding(("ups_modules",), "leaves none to carry the load: N+2 needs at least three"))
        if self.continuous_share < 1 and self.power_mw is None:
            findings.append(Finding(("continuous_share",), "needs power_mw, which it is a share of"))
        report(findings)
        return self

    @property
    def racks(self) -> int | None:
        """Rack places: of the hall itself or the sum of its parts; None where nothing limits them."""
        if self.rows is not None and self.racks_per_row is not None:
            return self.rows * self.racks_per_row
        return _sum_racks(self.halls)


class Capacity(Part):
    """The power of a site as a tree instead of one number."""

    grid_mw: float | None = Field(
        default=None,
        gt=0,
        le=5000,
        description="Grid connection at the meter; none: the sum of the halls.",
        json_schema_extra=unit("MW", looks_like="kW"),
    )
    halls: tuple[Hall, ...] = Field(default=(), description="The halls behind the meter.")

    @model_validator(mode="after")
    def _some_power(self) -> Self:
        findings = _repeated_names(self.halls)
        if self.grid_mw is None and not (self.halls and all(h.power_mw is not None for h in self.halls)):
            findings.append(Finding((), "give grid_mw, or power_mw for every hall"))
        report(findings)
        return self


class Installed(Part):
    """Systems that stand at a site already."""

    system: Id = Field(description="Id of the system.")
    count: int = Field(ge=1, le=MANY, description="How many systems (not chips).", json_schema_extra=unit("systems"))
    since: Month | None = Field(
        default=None, description="Month they were bought in, for the record: what stands there is paid for."
    )
    upkeep: Literal["plan", "others"] = Field(
        default="plan",
        description="Who pays for maintenance, staff, software, insurance and colocation: this plan, or the work that "
        "has them by day; energy is always the plan's own.",
    )
    cooling: Id | None = Field(
        default=None,
        description="Cooling they stand in, and stay in; none: air where the site has a kind that suits them, else "
        "the first that suits.",
    )


class Site(Part):
    """One place: a region of the catalog, power, racks, the cooling it can host. Region figures may be overridden."""

    name: Name = Field(description="Name of the site, unique in the file.")
    region: Id = Field(description="Id of a region of the catalog: tariff, carbon, climate, build cost.")
    power_mw: float | None = Field(
        default=None,
        gt=0,
        le=5000,
        description="Power at the meter. Give this or `capacity`.",
        json_schema_extra=unit("MW", looks_like="kW"),
    )
    capacity: Capacity | None = Field(default=None, description="A tree of limits instead of one number.")
    racks: int | None = Field(
        default=None, ge=1, le=MANY, description="Rack places; none: no limit.", json_schema_extra=unit("racks")
    )
    rack_kw: float | None = Field(
        default=None,
        gt=0,
        le=2000,
        description="Largest IT power of one rack; none: what the cooling allows.",
        json_schema_extra=unit("kW", looks_like="W"),
    )
    cooling: tuple[Id, ...] = Field(
        default=(), description="Ids of the cooling options the site can host; none: every option of the catalog."
    )
    installed: tuple[Installed, ...] = Field(default=(), description="Systems that stand there already.")
    ownership: Literal["own", "colo"] = Field(
        default="own", description="own: build cost is ours; colo: rent per kW and month."
    )
    tariff_usd_per_kwh: float | None = Field(
        default=None,
        ge=0,
        le=3,
        description="Price of electricity; none: the region's.",
        json_schema_extra=unit("USD/kWh", looks_like="USD per MWh"),
    )
    tariff_path: MonthPath = Field(
        default={},
        description="Price of electricity over time, {month: USD/kWh from then on}.",
    )
    power_path: MonthPath = Field(
        default={},
        description="Power at the meter over time, {month: MW from then on}, never above `power_mw`.",
    )
    carbon_kg_per_kwh: float | None = Field(
        default=None,
        ge=0,
        le=2,
        description="Carbon intensity of electricity; none: the region's.",
        json_schema_extra=unit("kg CO2e/kWh", looks_like="g per kWh"),
    )
    pue: float | None = Field(
        default=None,
        ge=1,
        le=3,
        description="Power usage effectiveness of the site; none: from cooling and climate.",
        json_schema_extra=unit("ratio"),
    )
    pue_max: float | None = Field(
        default=None,
        ge=1,
        le=3,
        description="Highest yearly power usage effectiveness that the site may have (its permit); coolings above it "
        "are left out. None: no limit.",
        json_schema_extra=unit("ratio"),
    )
    wue_max_l_per_kwh: float | None = Field(
        default=None,
        gt=0,
        le=50,
        description="Most water that the site may use over a year for each kWh of IT energy (its permit); coolings "
        "above it are left out. None: no limit. `limits.water_m3_per_year` limits the amount.",
        json_schema_extra=unit("L/kWh"),
    )
    swing_max: float = Field(
        default=1,
        ge=0,
        le=1,
        description="Largest step of power that a synchronous run may make between computing and waiting, as a share "
        "of its systems' IT peak. Below what its chips do by themselves, they burn power while they wait, which is "
        "paid; `hardware.power_caps` compete with that. 1: no limit.",
        json_schema_extra=unit("ratio"),
    )
    serving_peak_share: float = Field(
        default=1,
        ge=0.5,
        le=1,
        description="Largest share of the sum of their own peaks that systems of loads reach together, where caps hold "
        "them to it: 0.79 was measured for inference. 1 provisions every peak. Runs, whose chips peak together, count "
        "whole, and so do racks.",
        json_schema_extra=unit("fraction", looks_like="percent"),
    )
    pue_months: tuple[Annotated[float, Field(ge=1, le=3)], ...] = Field(
        default=(),
        description="Power usage effectiveness of the twelve months: their mean prices energy, the worst sizes the "
        "connection. Instead of `pue`.",
        json_schema_extra=unit("ratio"),
    )
    build_capex_usd_per_mw: float | None = Field(
        default=None,
        ge=0,
        le=1e9,
        description="Cost to build a megawatt of IT capacity; none: the region's. 0: the hall stands already.",
        json_schema_extra=unit("USD/MW"),
    )
    colo_usd_per_kw_month: float | None = Field(
        default=None,
        ge=0,
        le=5000,
        description="Colocation price per kW of IT power and month; none: the region's. Only for `ownership: colo`.",
        json_schema_extra=unit("USD/(kW month)"),
    )
    demand_charge_usd_per_kw_month: float | None = Field(
        default=None,
        ge=0,
        le=500,
        description="Charge for the month's peak at the meter; none: the region's, or 0.",
        json_schema_extra=unit("USD/(kW month)"),
    )
    design_dry_bulb_c: float | None = Field(
        default=None,
        ge=-60,
        le=60,
        description="Design dry-bulb temperature; none: the region's.",
        json_schema_extra=unit("degrees Celsius", looks_like="Fahrenheit or kelvin"),
    )
    design_wet_bulb_c: float | None = Field(
        default=None,
        ge=-60,
        le=40,
        description="Design wet-bulb temperature; none: the region's.",
        json_schema_extra=unit("degrees Celsius", looks_like="Fahrenheit or kelvin"),
    )

    @model_validator(mode="after")
    def _power_once(self) -> Self:
        findings = []
        if self.power_mw is None and self.capacity is None:
            findings.append(
                Finding(
                    (), "power_mw is missing: power at the meter in MW", remedy="Give power_mw, or capacity as a tree."
                )
            )
        if self.colo_usd_per_kw_month is not None and self.ownership != "colo":
            findings.append(
                Finding(
                    ("colo_usd_per_kw_month",),
                    "only a colocation site has a price per kW-month",
                    remedy="Add `ownership: colo`, or remove the price.",
                )
            )
        if self.pue_months and (len(self.pue_months) != 12 or self.pue is not None):
            what = "and pue are both given" if self.pue is not None else f"has {len(self.pue_months)} figures, not 12"
            findings.append(Finding(("pue_months",), what))
        report(findings)
        return self

    @property
    def meter_mw(self) -> float:
        """Power that may be drawn at the meter, MW: the least of ``power_mw``, ``grid_mw`` and the sum of the halls."""
        limits = [self.power_mw]
        if self.capacity is not None:
            limits.append(self.capacity.grid_mw)
            halls = [h.power_mw for h in self.capacity.halls]
            if halls and None not in halls:
                limits.append(sum(h for h in halls if h is not None))
        return min(x for x in limits if x is not None)

    @property
    def rack_places(self) -> int | None:
        """Rack places: ``racks`` or what the halls hold, the lesser of both; None where nothing limits them."""
        of_halls = _sum_racks(self.capacity.halls) if self.capacity else None
        given = [x for x in (self.racks, of_halls) if x is not None]
        return min(given) if given else None

    @property
    def cooling_ids(self) -> tuple[str, ...]:
        """Ids of cooling the site or any of its halls can host, in file order; empty where all are."""
        if self.cooling or self.capacity is None:
            return self.cooling
        found: dict[str, None] = {}
        stack = list(self.capacity.halls)
        while stack:
            hall = stack.pop(0)
            found.update(dict.fromkeys(hall.cooling))
            stack.extend(hall.halls)
        return tuple(found)


def _sum_racks(halls: tuple[Hall, ...]) -> int | None:
    racks = [hall.racks for hall in halls]
    return sum(r for r in racks if r is not None) if racks and None not in racks else None


def _repeated_names(halls: tuple[Hall, ...]) -> list[Finding]:
    seen: set[str] = set()
    findings = []
    for i, hall in enumerate(halls):
        if hall.name in seen:
            findings.append(Finding(("halls", i, "name"), f"two halls are called {hall.name!r}", remedy="Rename one."))
        seen.add(hall.name)
    return findings
