"""What several tests share: options and scenarios by hand, and the fleet's question answered by plain counting."""

from __future__ import annotations

import itertools
import math
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from planner.options.option import Option
from planner.scenario import scenario_from_mapping
from planner.scenario.types import Scenario

DERATE = {None: 1.0, "N": 1.0, "N+1": 0.8, "2N": 0.5, "2N+1": 0.5, "3N/2": 2 / 3, "4N/3": 0.75}
"""Usable share of installed supply by redundancy, as docs/facility.md states it: written again, not imported."""


def option(name: str, **figures: Any) -> Option:
    """An option by hand: one 8-chip system that costs $1 M and draws 10 kW, save for what ``figures`` says."""
    values: dict[str, Any] = {
        "id": name,
        "workload": "load",
        "role": "serve",
        "location": "here",
        "period": 0,
        "system": "box",
        "chip": "part",
        "cooling": "air",
        "interconnect": "",
        "acquire": "buy",
        "precision": "bf16",
        "systems": 1,
        "spares": 0,
        "chips": 8,
        "replicas": 1,
        "max_units": 10,
        "racks": 0.0,
        "rates": {"prefill": 1.0, "decode": 1.0},
        "tokens_per_s": 100.0,
        "finish_days": 0.0,
        "it_peak_w": 8e3,
        "it_average_w": 6e3,
        "facility_peak_w": 10e3,
        "facility_average_w": 7e3,
        "capex_usd": 1e6,
        "opex_usd_by_year": (1e5,),
        "cost_usd": 1e6,
        "carbon_t": 100.0,
        "carbon_t_by_year": (25.0,),
        "water_m3": 40.0,
        "water_m3_by_year": (10.0,),
    }
    values |= figures
    values.setdefault("site", "rented" if values["acquire"] == "rent" else str(values["location"]).split("/")[0])
    return Option(**values)


def run_option(name: str, days: float, **figures: Any) -> Option:
    """One way to do a training run: one unit, done after ``days``."""
    base = {"workload": "run", "role": "train", "max_units": 1, "rates": {"run": 1.0}, "finish_days": days}
    return option(name, **(base | figures))


def load(requests_per_s: float = 1.0, name: str = "load", **fields: Any) -> dict[str, Any]:
    """A serving load of a scenario."""
    return {
        "kind": "serving", "name": name, "model": "llama-3.1-8b", "input_tokens": 100, "output_tokens": 100,
        "requests_per_s": requests_per_s, **fields,
    }  # fmt: skip


def run(name: str = "run", **fields: Any) -> dict[str, Any]:
    """A training run of a scenario."""
    return {
        "kind": "training", "name": name, "model": "llama-3.1-8b", "tokens": 1e10, "sequence_length": 4096,
        "global_batch": 512, **fields,
    }  # fmt: skip


def scenario_of(*workloads: Mapping[str, Any], **fields: Any) -> Scenario:
    """A scenario with one site ``here`` of 100 MW, save for what ``fields`` says."""
    data = {
        "name": "by hand",
        "start": "2026-10",
        "sites": [{"name": "here", "region": "us_va", "power_mw": 100}],
        "workloads": list(workloads),
    }
    return scenario_from_mapping(data | fields)


# -- plain counting -------------------------------------------------------------------------------------------------


def _tree(scenario: Scenario) -> Iterator[tuple[str, float | None, int | None]]:
    """(name, usable MW, rack places) of every site and hall, from what the scenario says."""

    def walk(prefix: str, halls: Sequence[Any]) -> Iterator[tuple[str, float | None, int | None]]:
        for hall in halls:
            name = f"{prefix}/{hall.name}"
            usable = None if hall.power_mw is None else hall.power_mw * DERATE[hall.ups]
            yield name, usable, None if hall.rows is None else hall.rows * hall.racks_per_row
            yield from walk(name, hall.halls)

    for site in scenario.sites:
        stated = [x for x in (site.power_mw, site.capacity and site.capacity.grid_mw) if x is not None]
        yield site.name, min(stated) if stated else None, site.racks
        if site.capacity is not None:
            yield from walk(site.name, site.capacity.halls)


def allowed(scenario: Scenario, options: Sequence[Option], counts: Sequence[int]) -> bool:
    """Whether so many units of each option do all the work within all limits, from the meaning of the words."""
    chosen = [(o, n) for o, n in zip(options, counts, strict=True) if n]

    def within(used: float, limit: float | None) -> bool:
        return limit is None or used <= limit * (1 + 1e-9)

    def total(pick: str, some: Sequence[tuple[Option, int]] = chosen) -> float:
        return math.fsum(getattr(o, pick) * n for o, n in some)

    for w in scenario.workloads:
        mine = [(o, n) for o, n in chosen if o.workload == w.name]
        if w.kind == "training":
            if sum(n for _, n in mine) != 1:
                return False
            if not within(total("finish_days", mine), w.finish_within_days):
                return False
        else:
            by_site: dict[str, dict[str, float]] = defaultdict(lambda: {"prefill": 0.0, "decode": 0.0})
            for o, n in mine:
                if o.period == 0:  # a load is there from the start
                    for phase, rate in o.rates.items():
                        by_site[o.site][phase] += rate * n
            if sum(min(rates.values()) for rates in by_site.values()) < w.requests_per_s * (1 - 1e-9):
                return False
            lost = getattr(w, "tolerate_failures", 0)
            if lost and left_when_gone(mine, lost) < w.requests_per_s * (1 - 1e-9):
                return False
        if w.chips is not None:
            used = total("chips", mine)
            if used > (w.chips.max or math.inf) or used < (w.chips.min or 0):
                return False
    limits = scenario.limits
    for pick, limit in (
        ("capex_usd", limits.capex_usd),
        ("cost_usd", limits.cost_usd),
        ("chips", limits.chips),
    ):
        if not within(total(pick), limit):
            return False
    for pick, limit in (
        ("opex_usd_by_year", limits.opex_usd_per_year),
        ("carbon_t_by_year", limits.carbon_t_per_year),
        ("water_m3_by_year", limits.water_m3_per_year),
    ):
        years = zip(*([v * n for v in getattr(o, pick)] for o, n in chosen), strict=True)
        if not all(within(math.fsum(year), limit) for year in years):
            return False
    standing = [(o, n) for o, n in chosen if o.acquire != "rent"]
    if not within(total("facility_peak_w", standing) / 1e6, limits.power_mw):
        return False
    for name, megawatts, places in _tree(scenario):
        here = [(o, n) for o, n in standing if o.location == name or o.location.startswith(name + "/")]
        if not within(total("facility_peak_w", here) / 1e6, megawatts):
            return False
        groups: dict[tuple[str, ...], Fraction] = defaultdict(Fraction)
        for o, n in here:
            # thirds and the like are meant: 3 systems a rack is 1/3 of a rack
            groups[o.location, o.system, o.chip, o.cooling] += Fraction(o.racks).limit_denominator(1000) * n
        if places is not None and sum(math.ceil(g) for g in groups.values()) > places:
            return False
    for site in scenario.sites:
        there: dict[str, int] = defaultdict(int)
        for block in site.installed:
            there[block.system] += block.count
        for system, count in there.items():
            used = sum(
                o.systems * n
                for o, n in chosen
                if o.acquire == "installed" and o.site == site.name and o.system == system
            )
            if used > count:
                return False
    return True


def left_when_gone(chosen: Sequence[tuple[Option, int]], lost: int) -> float:
    """Requests/s of a load when the worst ``lost`` of its units are gone: every choice of them is tried."""
    apart = any(o.role != "serve" for o, _ in chosen)
    units = [(o.site if apart else "", o.rates) for o, n in chosen if o.period == 0 for _ in range(n)]
    worst = math.inf
    for gone in itertools.combinations(range(len(units)), min(lost, len(units))):
        by_site: dict[str, dict[str, float]] = defaultdict(lambda: {"prefill": 0.0, "decode": 0.0})
        for u, (site, rates) in enumerate(units):
            for phase, rate in rates.items() if u not in gone else ():
                by_site[site][phase] += rate
        worst = min(worst, sum(min(rates.values()) for rates in by_site.values()))
    return worst


WORTH = {
    "cost": lambda o: o.cost_usd,
    "time": lambda o: o.finish_days,
    "power": lambda o: 0.0 if o.acquire == "rent" else o.facility_peak_w / 1e6,  # rented systems stand elsewhere
    "carbon": lambda o: o.carbon_t,
}
"""What a unit adds to each objective that units add up to, in the units people see."""


def tokens_served(scenario: Scenario, options: Sequence[Option], counts: Sequence[int]) -> float:
    """Tokens a second: of runs what they train; of a load whose phases are apart what its sites answer."""
    total = 0.0
    for w in scenario.workloads:
        mine = [(o, n) for o, n in zip(options, counts, strict=True) if o.workload == w.name]
        if w.kind == "training" or all(o.role == "serve" for o, _ in mine if o.period == 0):
            total += math.fsum(o.tokens_per_s * n for o, n in mine)
            continue
        by_site: dict[str, dict[str, float]] = defaultdict(lambda: {"prefill": 0.0, "decode": 0.0})
        for o, n in mine:
            if o.period == 0:
                for phase, rate in o.rates.items():
                    by_site[o.site][phase] += rate * n
        total += sum(min(rates.values()) for rates in by_site.values()) * (w.input_tokens + w.output_tokens)
    return total


def counted_best(scenario: Scenario, options: Sequence[Option], goals: Sequence[str]) -> tuple[float, ...] | None:
    """The best of all combinations of whole units, goal by goal; None where none is allowed."""
    best: tuple[float, ...] | None = None
    for counts in itertools.product(*(range(o.max_units + 1) for o in options)):
        values = tuple(
            round(
                -tokens_served(scenario, options, counts)
                if g == "throughput"
                else math.fsum(WORTH[g](o) * n for o, n in zip(options, counts, strict=True)),
                6,
            )
            for g in goals
        )
        if (best is None or values < best) and allowed(scenario, options, counts):
            best = values
    return best


# -- chance ---------------------------------------------------------------------------------------------------------


def random_question(seed: int, *, most_options: int = 6) -> tuple[Scenario, list[Option]]:
    """A small random scenario and options for it: every kind of limit turns up, some questions have no answer."""
    dice = random.Random(seed)
    site, places = _random_site(dice)
    sites = [site]
    if dice.random() < 0.4:
        sites.append({"name": "there", "region": "us_va", "power_mw": dice.choice([0.03, 0.06, 1])})
        places.append("there")
    workloads: list[dict[str, Any]] = []
    options: list[Option] = []
    shape = dice.choice(["load", "load", "run", "both", "split", "split"])
    if shape in {"load", "both", "split"}:
        extra: dict[str, Any] = {}
        if dice.random() < 0.3:
            extra["chips"] = {"min": dice.choice([8, 16]), "max": dice.choice([24, 48, 64])}
        workloads.append(load(dice.choice([1, 2.5, 4, 6]), **extra))
        for i in range(dice.randint(2, most_options - (1 if shape == "both" else 0))):
            role = dice.choice(["serve", "prefill", "decode"]) if shape == "split" else "serve"
            rate = dice.choice([0.5, 1.0, 1.5, 2.0, 3.0])
            phases = {"serve": ("prefill", "decode")}.get(role, (role,))
            options.append(
                _random_option(dice, f"s{i}", places, sites, role=role, rates=dict.fromkeys(phases, rate),
                               max_units=dice.randint(1, 3), tokens_per_s=rate * dice.choice([100, 150]))
            )  # fmt: skip
    if shape in {"run", "both"}:
        fields = {"finish_within_days": dice.choice([20, 40, 80])} if dice.random() < 0.6 else {}
        workloads.append(run(**fields))
        for i in range(dice.randint(1, 4)):
            days = dice.choice([10.0, 25.0, 50.0, 90.0])
            options.append(
                _random_option(dice, f"r{i}", places, sites, workload="run", role="train", rates={"run": 1.0},
                               max_units=1, finish_days=days, tokens_per_s=1e4 / days)
            )  # fmt: skip
    dice.shuffle(options)
    limits: dict[str, float] = {}
    for name, values in (
        ("capex_usd", [3e6, 6e6, 10e6]),
        ("cost_usd", [4e6, 8e6]),
        ("opex_usd_per_year", [5e5, 1e6]),
        ("carbon_t_per_year", [60, 150]),
        ("water_m3_per_year", [40, 100]),
        ("power_mw", [0.04, 0.08]),
        ("chips", [24, 48]),
    ):
        if dice.random() < 0.15:
            limits[name] = dice.choice(values)
    return scenario_of(*workloads, sites=sites, limits=limits), options


def _random_site(dice: random.Random) -> tuple[dict[str, Any], list[str]]:
    site: dict[str, Any] = {"name": "here", "region": "us_va"}
    if dice.random() < 0.4:
        halls = [
            {"name": "a", "power_mw": dice.choice([0.02, 0.04, 0.1]), "ups": dice.choice([None, "2N", "4N/3"])},
            {"name": "b", "power_mw": 0.05, "rows": 1, "racks_per_row": dice.choice([1, 2, 4])},
        ]
        if dice.random() < 0.5:
            halls[1]["halls"] = [{"name": "x", "power_mw": 0.03}, {"name": "y"}]
        places = ["here/a", "here/b/x", "here/b/y"] if "halls" in halls[1] else ["here/a", "here/b"]
        site["capacity"] = {"halls": halls}
        if dice.random() < 0.5:
            site["capacity"]["grid_mw"] = dice.choice([0.04, 0.08])
    else:
        site["power_mw"] = dice.choice([0.03, 0.06, 0.1, 1])
        places = ["here"]
    if dice.random() < 0.5:
        site["racks"] = dice.randint(1, 5)
    if dice.random() < 0.3:
        site["installed"] = [{"system": "old", "count": dice.randint(1, 3)}]
    return site, places


def _random_option(
    dice: random.Random, name: str, places: Sequence[str], sites: Sequence[Mapping[str, Any]], **figures: Any
) -> Option:
    acquire, system, place = "buy", dice.choice(["box", "crate"]), dice.choice(places)
    if dice.random() < 0.15:
        acquire, place = "rent", "rented"
    elif place.startswith("here") and sites[0].get("installed") and dice.random() < 0.5:
        acquire, system = "installed", "old"
    systems = dice.choice([1, 1, 2])
    size = dice.uniform(0.5, 2.0) * systems
    return option(
        name, acquire=acquire, system=system, location=place, systems=systems, chips=8 * systems,
        racks=0.0 if acquire == "rent" else systems * dice.choice([1 / 3, 0.5, 1.0]),
        facility_peak_w=round(10e3 * size), it_peak_w=round(8e3 * size),
        capex_usd=round(1e6 * size * dice.uniform(0.5, 1.5)), cost_usd=round(1.5e6 * size * dice.uniform(0.5, 1.5)),
        opex_usd_by_year=(round(1e5 * size),), carbon_t=round(100 * size * dice.uniform(0.5, 1.5), 1),
        carbon_t_by_year=(round(25 * size, 1),), water_m3=round(40 * size, 1), water_m3_by_year=(round(10 * size, 1),),
        **figures,
    )  # fmt: skip


# -- a catalog of round numbers -------------------------------------------------------------------------------------

ROUND_CATALOG = {
    "chips.csv": """
        plain_chip,name,Plain,text,
        plain_chip,vendor,Round,text,
        plain_chip,family,other,text,
        plain_chip,status,volume,text,
        plain_chip,available_from,2020-01,text,
        plain_chip,cooling,plain,text,
        plain_chip,bf16_fp16_tflops_dense,1000,tflops,datasheet
        plain_chip,mem_gb,100,gb,datasheet
        plain_chip,mem_bw_tb_s,4,tb_s,datasheet
        plain_chip,tdp_w,1000,w,datasheet
        plain_chip,idle_power_fraction,0.2,fraction,datasheet
        plain_chip,scaleup_gb_s_unidir_per_chip,400,gb_s,datasheet
        plain_chip,rent_usd_per_h,1,usd_per_h,list_price
        big_chip,name,Big,text,
        big_chip,vendor,Round,text,
        big_chip,family,other,text,
        big_chip,status,volume,text,
        big_chip,available_from,2020-01,text,
        big_chip,cooling,plain,text,
        big_chip,bf16_fp16_tflops_dense,2000,tflops,datasheet
        big_chip,mem_gb,200,gb,datasheet
        big_chip,mem_bw_tb_s,8,tb_s,datasheet
        big_chip,tdp_w,1100,w,datasheet
        big_chip,idle_power_fraction,0.2,fraction,datasheet
        big_chip,scaleup_gb_s_unidir_per_chip,800,gb_s,datasheet
    """,
    "systems.csv": """
        plain_8,name,Plain box,text,
        plain_8,vendor,Round,text,
        plain_8,kind,server,text,
        plain_8,status,volume,text,
        plain_8,chip_ids,plain_chip,text,
        plain_8,cooling,plain,text,
        plain_8,chips_total,8,chips,datasheet
        plain_8,chips_per_server,8,chips,datasheet
        plain_8,scaleup_domain_chips,8192,chips,datasheet
        plain_8,power_kw_server_measured,10,kw,measured
        plain_8,price_usd,100000,usd,list_price
        big_8,name,Big box,text,
        big_8,vendor,Round,text,
        big_8,kind,server,text,
        big_8,status,volume,text,
        big_8,chip_ids,big_chip,text,
        big_8,cooling,plain,text,
        big_8,chips_total,8,chips,datasheet
        big_8,chips_per_server,8,chips,datasheet
        big_8,scaleup_domain_chips,8192,chips,datasheet
        big_8,power_kw_server_measured,11,kw,measured
        big_8,price_usd,250000,usd,list_price
    """,
    "cooling.csv": """
        plain,name,Plain,text,
        plain,kind,option,text,
        plain,pue,1.25,ratio,datasheet
        plain,capex_usd_per_kw,0,usd_per_kw,datasheet
        plain,wue_l_per_kwh,0,l_per_kwh,datasheet
        plain,server_fan_power_fraction,0,fraction,datasheet
        plain,rack_kw_typical_max,40,kw,datasheet
        plain,chip_tdp_w_max,2000,w,datasheet
    """,
    "regions.csv": """
        flat,name,Flat town,text,
        flat,parent,world,text,
        flat,tariff_usd_per_kwh,0.1,usd_per_kwh,list_price
        flat,carbon_kg_per_kwh,0.5,kg_per_kwh,measured
        flat,build_capex_usd_per_mw,0,usd_per_mw,list_price
        flat,design_dry_bulb_c,20,c,measured
        flat,free_cooling_hours_per_year,4380,h,measured
    """,
    "costs.csv": "".join(
        f"{name},value,{value},,assumption\n"
        for name, value in {
            "wacc": 0, "share_storage": 0, "share_cpu_nodes": 0, "share_install": 0, "opex_maint": 0,
            "opex_facility": 0, "opex_staff": 0, "opex_insurance_tax": 0, "dep_chip_econ": 4, "co2_embodied_h100": 0,
            "rel_mtbf_per_gpu": 1e12,
        }.items()
    ),
}  # fmt: skip
"""One server of 8 chips: 10 kW, $100,000; one of faster chips: 11 kW, $250,000. PUE 1.25, $0.1 and 0.5 kg a kWh.

Everything else is free and nothing fails, so that cost, power, carbon and racks of a plan are sums on paper.
"""


def write_round_catalog(folder: Path) -> Path:
    """The catalog of round numbers as a user's folder."""
    for name, text in ROUND_CATALOG.items():
        lines = ["id,field,value,unit,kind,source"]
        lines += [f"{line.strip()},tests" for line in text.strip().splitlines()]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def round_scenario(*workloads: Mapping[str, Any], **fields: Any) -> Scenario:
    """A scenario in Flat town with the two servers of round numbers; four years."""
    site = {"name": "here", "region": "flat", "power_mw": 1, "cooling": ["plain"]} | fields.pop("site", {})
    data = {"name": "round", "start": "2026-10", "horizon_years": 4, "sites": [site],
            "hardware": {"systems": ["plain_8"]}, "workloads": list(workloads)}  # fmt: skip
    return scenario_from_mapping(data | fields)


def spend(server_kw: float, usd: float, tdp_kw: float = 8.0, activity: float = 0.75, hours: float = 4 * 8760) -> float:
    """Cost on paper of one server of round numbers: its price and its energy at PUE 1.25 and $0.1 a kWh."""
    idle = 0.2 * tdp_kw
    average = idle + (tdp_kw - idle) * activity + (server_kw - tdp_kw)
    return usd + average * 1.25 * hours * 0.1
