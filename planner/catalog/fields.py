"""The one table of fields: what a record may say, in which unit, between which bounds, and under which other names.

It drives the validation of catalog files and of a scenario's ``assume`` block, and the documentation. A field is
either a figure (a number with a unit) or a text attribute (unit ``text``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

TEXT = "text"

CHIPS, SYSTEMS, INTERCONNECTS, COOLING, REGIONS, COSTS = (
    "chips",
    "systems",
    "interconnects",
    "cooling",
    "regions",
    "costs",
)
RECORD_KINDS: tuple[str, ...] = (CHIPS, SYSTEMS, INTERCONNECTS, COOLING, REGIONS, COSTS)
_EVERY = RECORD_KINDS
_HARDWARE = (CHIPS, SYSTEMS)

STATUSES = ("volume", "limited", "announced", "roadmap", "discontinued")
SYSTEM_KINDS = ("server", "rack", "supernode", "pod", "cluster")
INTERCONNECT_KINDS = ("link", "measured", "switch", "optics", "topology", "mover")
COOLING_KINDS = ("option", "plant", "evidence")
FIGURE_KINDS = ("datasheet", "measured", "list_price", "estimate", "assumption")
FAMILIES = (
    "nvidia_volta",
    "nvidia_ampere",
    "nvidia_ada",
    "nvidia_hopper",
    "nvidia_blackwell",
    "nvidia_rubin",
    "amd_cdna2",
    "amd_cdna3",
    "amd_cdna4",
    "intel_gaudi",
    "google_tpu",
    "aws_trainium",
    "huawei_ascend",
    "mtt",
    "biren",
    "other_cn",
    "other",
)
EXPORT_CLASSES = ("us_case_by_case_cn", "us_denied_cn", "cn_made_entity_list", "cn_made", "cloud_only")

COUNTED = frozenset(
    {"chips", "servers", "racks", "ports", "cpus", "endpoints", "switches", "links", "rack_places", "count"}
)
"""Units of whole numbers."""
LONGEST_TEXT = 2000
"""Characters of a text attribute, a source or a note; the longest shipped has about a fifth."""
COST_BOUNDS: tuple[tuple[str, float, float], ...] = (
    ("fraction", 0.0, 1.0),
    ("ratio", 0.0, 1e3),
    ("usd_per_kwh", -0.5, 5.0),
    ("usd", 0.0, 1e12),
    ("g_co2_per_kwh", 0.0, 3e3),
    ("kg_co2_per_chip", 0.0, 1e6),
    ("cny_per_usd", 0.1, 100.0),
    ("hours", 0.0, 1e6),
    ("weeks", 0.0, 1e4),
    ("months", 0.0, 1e3),
    ("years", 0.0, 100.0),
    ("minutes", 0.0, 1e6),
    ("seconds", 0.0, 1e7),
    ("failures", 0.0, 1e5),
    ("bytes_per_parameter", 0.0, 1e3),
    ("w_per_chip", 0.0, 1e5),
    ("gb_per_s", 1e-3, 1e6),
)
"""Bounds of cost items by their unit, or its first words."""

COOLING_WORDS: dict[str, tuple[str, ...]] = {
    "air": ("air_crah", "air_inrow", "rdhx"),
    "liquid_cold_plate": ("d2c_1p", "d2c_1p_hybrid", "d2c_2p"),
}
"""A vendor's word for how a part is cooled, and the options of a site it can live in."""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field: its kinds of record, unit, meaning, bounds (inclusive), other names, and the words a text may be."""

    field: str
    kinds: tuple[str, ...]
    unit: str
    description: str
    lower: float = -math.inf
    upper: float = math.inf
    aliases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def is_count(self) -> bool:
        """Whether the figure counts things, so that it is a whole number."""
        return self.unit in COUNTED

    def bounds(self, unit: str = "") -> tuple[float, float]:
        """Lowest and highest value; of a figure whose unit is its row's own (costs), those of ``unit``."""
        if not self.unit:
            for begins, low, high in COST_BOUNDS:
                if unit == begins or unit.startswith(f"{begins}_"):
                    return low, high
        return self.lower, self.upper

    @property
    def is_text(self) -> bool:
        """Whether the field is a text attribute and not a figure."""
        return self.unit == TEXT


def _text(
    field: str, kinds: tuple[str, ...], description: str, *aliases: str, words: tuple[str, ...] = ()
) -> FieldSpec:
    return FieldSpec(field, kinds, TEXT, description, aliases=aliases, words=words)


def _rate(precision: str, *aliases: str) -> FieldSpec:
    unit = "tops" if precision == "int8" else "tflops"
    what = f"Dense {precision.upper().replace('_', '/')} matrix rate of one chip"
    return FieldSpec(f"{precision}_{unit}_dense", (CHIPS,), unit, what, 0.01, 2e5, aliases)


def _measured(precision: str) -> FieldSpec:
    what = f"Median rate of large {precision.upper()} GEMMs measured on the chip"
    return FieldSpec(f"measured_gemm_{precision}_tflops_median", (CHIPS,), "tflops", what, 0.01, 2e5)


_TEXTS: tuple[FieldSpec, ...] = (
    _text("name", _EVERY, "Name as the vendor or the source writes it", "item"),
    _text("aliases", _EVERY, "Other names of the record, separated by ';'"),
    _text("notes", _EVERY, "What the sources disagree about, and what was chosen"),
    _text("confidence", _EVERY, "Trust in the technical figures: high, medium or low", words=("high", "medium", "low")),
    _text("vendor", (CHIPS, SYSTEMS, INTERCONNECTS), "Maker"),
    _text("status", _HARDWARE, "How far the product has come", words=STATUSES),
    _text("family", (CHIPS,), "Family that calibration speaks of", words=FAMILIES),
    _text("form_factor", (CHIPS,), "Form of the part"),
    _text("process_node", (CHIPS,), "Semiconductor process"),
    _text("mem_type", (CHIPS,), "Type of device memory"),
    _text("scaleup_link", (CHIPS,), "Name of the scale-up link"),
    _text("scaleup_vendor_claim", (CHIPS,), "Link bandwidth in the vendor's words (often both directions added)"),
    _text("host_link", (CHIPS,), "Link to the host"),
    _text(
        "moves_bytes",
        (CHIPS,),
        "Who moves the bytes of collectives: cores, copy_engines, collective_engines or switch (interconnects mover_*)",
        words=("cores", "copy_engines", "collective_engines", "switch"),
    ),
    _text("in_switch_reduction", (CHIPS,), "yes where the scale-up switch reduces in flight", words=("yes", "no")),
    _text("tdp_w_note", (CHIPS,), "Variants behind the maximum power"),
    _text("tdp_scope", (CHIPS,), "module where tdp_w holds the host processor and its memory too", words=("module",)),
    _text("edge", (CHIPS,), "true for an edge part, which never goes into a cluster", words=("true", "false")),
    _text("announced_ym", (CHIPS,), "When it was announced"),
    _text("export_class", (CHIPS,), "Export class under the base rule of 2026-01-15", words=EXPORT_CLASSES),
    _text("export_note", (CHIPS,), "What the export class rests on"),
    _text("rent_basis", (CHIPS, SYSTEMS), "What the rent rests on"),
    _text("default_system", (CHIPS,), "System a chip is taken in when none is named"),
    _text("cooling", _HARDWARE, "Cooling options it can live in: ids, or air, liquid_cold_plate", "cooling_options"),
    _text("cooling_text", _HARDWARE, "Cooling in the source's words"),
    _text("available_from", _HARDWARE, "First month of delivery, YYYY-MM", "available_ym"),
    _text("available_text", _HARDWARE, "Availability in the source's words"),
    _text("price_basis", (CHIPS, SYSTEMS, INTERCONNECTS), "What the price rests on"),
    _text("kind", (SYSTEMS, INTERCONNECTS, COOLING), "What sort of record it is"),
    _text("chip_ids", (SYSTEMS,), "Chips it is sold with, separated by ';'", "chip_id"),
    _text("chip_text", (SYSTEMS,), "Chips in the source's words where no id fits"),
    _text(
        "role",
        (SYSTEMS,),
        "accounting: a way of counting in published results, nothing that is sold; workstation: made for a desk; "
        "instance: less than a server, sold by the hour",
        words=("accounting", "workstation", "instance"),
    ),
    _text("scaleup_topology", (SYSTEMS,), "Topology of the scale-up domain"),
    _text("unified_protocol", (SYSTEMS,), "How memory is shared"),
    _text(
        "remote_access",
        (SYSTEMS,),
        "How a chip reaches the memory of another of its domain: nic (messages; fast links end at the server), copy (an"
        " engine moves it) or load_store",
        words=("nic", "copy", "load_store"),
    ),
    _text(
        "nic_access",
        (SYSTEMS,),
        "Memories that network cards reach: both (GPUDirect RDMA), device (ports on the chip) or host; else a copy",
        words=("both", "device", "host"),
    ),
    _text(
        "address_scope",
        (SYSTEMS,),
        "What one address space spans: chip, server or domain; host memory and embedding rows are pooled over it",
        words=("chip", "server", "domain"),
    ),
    _text(
        "coherent_scope",
        (SYSTEMS,),
        "What hardware keeps coherent: none, package, server or domain; elsewhere writes cost a message of software",
        words=("none", "package", "server", "domain"),
    ),
    _text("host_cpu", (SYSTEMS,), "Host processors"),
    _text("power_note", (SYSTEMS,), "What the power figures rest on"),
    _text("latency_basis", (INTERCONNECTS,), "What the latency is measured between"),
    _text("memory_semantics", (INTERCONNECTS,), "Load-store, RDMA, ..."),
    _text("power_basis", (INTERCONNECTS,), "What the power rests on"),
    _text("collective", (INTERCONNECTS,), "Collective that was measured"),
    _text("short_name", (COOLING,), "What people call it in running text"),
    _text("capex_basis", (COOLING,), "What the capital cost rests on"),
    _text("throughput_basis", (COOLING,), "What the relative throughput rests on"),
    _text("supply_text", (COOLING,), "Supply temperature and medium in the source's words"),
    _text("climate_dependence", (COOLING,), "How the climate changes PUE"),
    _text("maintenance_notes", (COOLING,), "What it asks of operations"),
    _text("fits_chips", (COOLING,), "What it can cool, in words"),
    _text("parent", (REGIONS,), "Region whose figures stand in for missing ones"),
    _text("climate_city", (REGIONS,), "Place the climate figures stand for"),
    _text("category", (COSTS,), "Group of the cost item"),
    _text("region", (COSTS,), "Where it holds, in the source's words"),
    _text("basis", (COSTS,), "measured, survey, list, market, law, vendor, derived or estimate"),
)

_CHIP_FIGURES: tuple[FieldSpec, ...] = (
    _rate("fp64"),
    _rate("tf32"),
    _rate("bf16_fp16", "bf16_tflops_dense", "fp16_tflops_dense"),
    _rate("fp8"),
    _rate("fp6"),
    _rate("fp4"),
    _rate("int8"),
    _measured("bf16"),
    _measured("fp8"),
    _measured("fp4"),
    FieldSpec(
        "tpp_max_tflops_x_bits", (CHIPS,), "tflops_bit", "Max over precisions of dense TFLOPS x bit length", 0, 4e6
    ),
    FieldSpec("mem_gb", (CHIPS,), "gb", "Device memory as labelled; binary by custom for HBM and GDDR", 0.01, 1e5),
    FieldSpec("usable_mem_gib", (CHIPS,), "gib", "Device memory a program can allocate", 0.01, 1e5),
    FieldSpec("mem_bw_tb_s", (CHIPS,), "tb_s", "Device memory bandwidth", 0.01, 1e5),
    FieldSpec("host_gb_s_unidir", (CHIPS,), "gb_s", "Bandwidth to the host, one direction", 0.1, 1e4),
    FieldSpec("tdp_w", (CHIPS,), "w", "Maximum power of the named variant", 1, 1e5),
    FieldSpec(
        "idle_power_fraction",
        (CHIPS,),
        "fraction",
        "Idle power as a fraction of tdp_w",
        0,
        1,
        ("idle_power_fraction_of_tdp",),
    ),
    FieldSpec(
        "rent_usd_per_h",
        _HARDWARE,
        "usd_per_h",
        "On-demand rent of one chip (systems: of the whole) per hour",
        0,
        1e6,
        ("rent_usd_per_h_typical",),
    ),
)

_SHARED_FIGURES: tuple[FieldSpec, ...] = (
    FieldSpec(
        "comm_core_share",
        (CHIPS, INTERCONNECTS),
        "fraction",
        "Share of compute cores that communication takes while it runs (sigma); a chip's own goes before its mover's",
        0,
        0.9,
    ),
    FieldSpec(
        "overlap_factor",
        (CHIPS, INTERCONNECTS),
        "ratio",
        "Communication that a schedule hides, over what it hides where cores drive the collectives",
        0.1,
        10,
    ),
    FieldSpec(
        "price_usd",
        (CHIPS, SYSTEMS, INTERCONNECTS),
        "usd",
        "Purchase price of one chip, of the whole system, or of one switch, module or cable",
        0,
        1e11,
        ("price_usd_typical",),
    ),
    FieldSpec(
        "scaleup_gb_s_unidir_per_chip", _HARDWARE, "gb_s", "Scale-up bandwidth of one chip, one direction", 0.1, 1e5
    ),
    FieldSpec("scaleup_domain_chips", _HARDWARE, "chips", "Chips in one scale-up domain", 1, 1e5),
    FieldSpec(
        "scaleout_gbit_s_per_chip", _HARDWARE, "gbit_s", "Scale-out network of one chip, one direction", 0.1, 1e5
    ),
)

PART = "Smallest part that work occupies by itself; where nothing is said, a tray or server of a rack or supernode"
_SYSTEM_FIGURES: tuple[FieldSpec, ...] = (
    FieldSpec("chips_per_server", (SYSTEMS,), "chips", "Chips under one host or in one tray", 1, 1024),
    FieldSpec("servers_per_rack", (SYSTEMS,), "servers", "Servers in one rack", 1, 1000),
    FieldSpec("chips_per_rack", (SYSTEMS,), "chips", "Chips in one rack", 1, 1e4),
    FieldSpec("racks", (SYSTEMS,), "racks", "Racks of one unit, switch racks included", 1, 1e4),
    FieldSpec("chips_total", (SYSTEMS,), "chips", "Chips of the whole system", 1, 1e5),
    FieldSpec(
        "slice_chips", (SYSTEMS,), "chips", "Smallest slice that is rented, bought or colocated by itself", 1, 1e4
    ),
    FieldSpec("largest_job_chips", (SYSTEMS,), "chips", "Chips of the largest job", 1, 1e5),
    FieldSpec("part_chips", (SYSTEMS,), "chips", PART, 1, 1e4),
    FieldSpec("bf16_pflops_dense", (SYSTEMS,), "pflops", "Dense BF16 rate of the whole system", 0, 1e8),
    FieldSpec("fp8_pflops_dense", (SYSTEMS,), "pflops", "Dense FP8 rate of the whole system", 0, 1e8),
    FieldSpec("fp4_pflops_dense", (SYSTEMS,), "pflops", "Dense FP4 rate of the whole system", 0, 1e8),
    FieldSpec("mem_total_tb", (SYSTEMS,), "tb", "Device memory of the whole system", 0, 1e7),
    FieldSpec("cpus_per_server", (SYSTEMS,), "cpus", "Host processors of one server", 0, 1024),
    FieldSpec("host_dram_tb", (SYSTEMS,), "tb", "Host memory of the whole system", 0, 1e6),
    FieldSpec(
        "power_kw_server_max", (SYSTEMS,), "kw", "Nameplate power of one server; plan with 0.76-0.82 of it", 0.01, 1e4
    ),
    FieldSpec(
        "power_kw_server_measured", (SYSTEMS,), "kw", "Highest power observed for one server under load", 0.01, 1e4
    ),
    FieldSpec("power_kw_rack", (SYSTEMS,), "kw", "Power of one rack", 0.01, 1e4),
    FieldSpec("power_kw_total", (SYSTEMS,), "kw", "Power of the whole system", 0.01, 1e7),
    FieldSpec("remote_read_us", (SYSTEMS,), "us", "Small read of another chip's memory in the domain", 0.01, 1e4),
    FieldSpec(
        "remote_message_us",
        (SYSTEMS,),
        "us",
        "Software of one message or copy to another chip's memory, and of keeping a write coherent without hardware",
        0,
        1e4,
    ),
    FieldSpec(
        "remote_read_gb_s",
        (SYSTEMS,),
        "gb_s",
        "Large reads of host memory elsewhere in the domain, one chip",
        1e-3,
        1e5,
    ),
    FieldSpec(
        "remote_write_gb_s",
        (SYSTEMS,),
        "gb_s",
        "Large writes to host memory elsewhere in the domain, one chip",
        1e-3,
        1e5,
    ),
    FieldSpec("rack_units_per_server", (SYSTEMS,), "rack_units", "Height of one server", 0.25, 100),
)

_INTERCONNECT_FIGURES: tuple[FieldSpec, ...] = tuple(
    FieldSpec(field, (INTERCONNECTS,), unit, description, lower, upper)
    for field, unit, description, lower, upper in (
        ("gb_s_unidir_per_chip", "gb_s", "Bandwidth of one chip, one direction", 0.1, 1e5),
        ("port_gbit_s", "gbit_s", "Rate of one port, one way", 1, 1e6),
        ("radix_ports", "ports", "Ports of the switch", 1, 1e5),
        ("switch_capacity_tbit_s_one_way", "tbit_s", "Capacity of the switch, one way", 0.1, 1e5),
        ("latency_us_min", "us", "Lowest latency", 0, 1e6),
        ("latency_us_typical", "us", "Typical latency", 0, 1e6),
        ("max_domain_chips", "chips", "Largest domain", 1, 1e5),
        ("reach_m", "m", "Reach", 0.01, 1e6),
        ("power_w", "w", "Power of one module or switch", 0, 1e6),
        ("n_chips", "chips", "Chips in the measurement", 1, 1e6),
        ("busbw_gb_s", "gb_s", "Bus bandwidth as nccl-tests defines it", 1e-3, 1e5),
        (
            "busbw_fraction_of_link",
            "fraction",
            "Bus bandwidth over link rate; above 1 with in-switch reduction",
            1e-3,
            2,
        ),
        ("efficiency_default", "fraction", "Fraction of the link rate that large collectives reach", 0.001, 1),
        ("endpoints", "endpoints", "Endpoints of the topology", 1, 1e7),
        ("switches", "switches", "Switches of the topology", 0, 1e6),
        ("inter_switch_links", "links", "Links between switches", 0, 1e7),
        ("cost_usd_total", "usd", "Cost of the whole network", 0, 1e12),
        ("cost_usd_per_endpoint", "usd", "Cost of the network for each endpoint", 0, 1e7),
    )
)

_COOLING_FIGURES: tuple[FieldSpec, ...] = tuple(
    FieldSpec(field, (COOLING,), unit, description, lower, upper, (f"{field}_typical",))
    for field, unit, description, lower, upper in (
        ("rack_kw_typical_max", "kw", "Highest rack power in common use", 0.1, 1e4),
        ("rack_kw_product_max", "kw", "Highest rack power of any product", 0.1, 1e4),
        ("chip_tdp_w_max", "w", "Highest chip power it can cool", 1, 1e5),
        ("pue", "ratio", "Facility power over IT power, annual", 1, 4),
        ("capex_usd_per_kw", "usd_per_kw", "Capital cost of the cooling part, for each kW of IT", 0, 1e6),
        ("wue_l_per_kwh", "l_per_kwh", "Water for each kWh of IT energy", 0, 50),
        ("heat_to_liquid_fraction", "fraction", "Share of the heat that leaves by liquid", 0, 1),
        ("server_fan_power_fraction", "fraction", "Share of server power that fans take", 0, 0.6),
        ("relative_chip_throughput", "ratio", "Throughput against the air-cooled variant of the same chip", 0.1, 3),
        ("mttr_relative_to_air", "ratio", "Repair time against air", 0.1, 20),
        ("supply_temp_c", "c", "Supply temperature of the coolant", -40, 100),
    )
)

_REGION_FIGURES: tuple[FieldSpec, ...] = tuple(
    FieldSpec(field, (REGIONS,), unit, description, lower, upper)
    for field, unit, description, lower, upper in (
        ("tariff_usd_per_kwh", "usd_per_kwh", "Price of electricity, all-in, for a large consumer", -0.5, 5),
        (
            "demand_charge_usd_per_kw_month",
            "usd_per_kw_month",
            "Charge for peak power, where not in the tariff",
            0,
            500,
        ),
        ("carbon_kg_per_kwh", "kg_per_kwh", "Average carbon intensity of the grid", 0, 3),
        (
            "build_capex_usd_per_mw",
            "usd_per_mw",
            "Shell, electrical and mechanical plant for each MW of critical IT",
            0,
            1e9,
        ),
        ("colo_usd_per_kw_month", "usd_per_kw_month", "Wholesale colocation, energy not included", 0, 1e4),
        ("water_usd_per_m3", "usd_per_m3", "Price of water with sewerage", 0, 200),
        ("design_dry_bulb_c", "c", "Dry bulb exceeded 0.4% of the hours of a year", -40, 60),
        ("design_wet_bulb_c", "c", "Wet bulb exceeded 0.4% of the hours of a year", -40, 45),
        ("free_cooling_hours_per_year", "h", "Hours a year with a dry bulb below 18 C", 0, 8784),
        ("latitude_deg", "deg", "Latitude of the climate city, north positive", -90, 90),
        ("longitude_deg", "deg", "Longitude of the climate city, east positive", -180, 180),
    )
)

_COST_FIGURES: tuple[FieldSpec, ...] = (
    FieldSpec("value", (COSTS,), "", "The scalar; its unit is the row's own", -1e12, 1e12, aliases=("value_typical",)),
)

FIELDS: tuple[FieldSpec, ...] = (
    *_TEXTS,
    *_CHIP_FIGURES,
    *_SHARED_FIGURES,
    *_SYSTEM_FIGURES,
    *_INTERCONNECT_FIGURES,
    *_COOLING_FIGURES,
    *_REGION_FIGURES,
    *_COST_FIGURES,
)


def fields_of(kind: str) -> Iterator[FieldSpec]:
    """The fields a kind of record may have, in the order of the table."""
    return (spec for spec in FIELDS if kind in spec.kinds)


@cache
def specs(kind: str) -> dict[str, FieldSpec]:
    """Field specification by name and by alias, for one kind of record (``chips``, ``systems``, ...)."""
    found = {spec.field: spec for spec in fields_of(kind)}
    for spec in fields_of(kind):
        for alias in spec.aliases:
            found.setdefault(alias, spec)
    return found


def cooling_ids(text: str) -> tuple[str, ...]:
    """Ids of cooling options behind ``air;liquid_cold_plate`` or a list of ids; order kept, none twice."""
    found: dict[str, None] = {}
    for word in text.split(";"):
        name = word.strip()
        for option in COOLING_WORDS.get(name, (name,)):
            if option:
                found[option] = None
    return tuple(found)
