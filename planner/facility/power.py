"""Two powers of a system: the peak that must be provisioned and the average that is paid for.

    P_chip    = P_idle + (cap TDP - P_idle) activity          activity: share of the dynamic range a phase uses
    P_server  = (chips + host + nics) / (1 - fan share)       fans take a share of server power
    P_IT      = P_server + network outside the system
    P_site    = PUE P_IT

A phase alternates between full power and waiting (for links, memory or the host) at ``LOW_ACTIVITY`` of the dynamic
range, in the shares that give its mean activity. A cap cuts what stands above it, so it takes little from work that
waits for memory; the step between both levels is the swing that a synchronous job shows its supply.

Host power is what a published system power leaves after chips at TDP, NICs and fans, so that a system at full load
draws its published peak; a cooling with fewer fans then lowers it. Which published power was used is in ``basis``:

    measured    power_kw_server_measured of the system
    nameplate   power_kw_server_max x the highest measured share of nameplate (0.82, an 8-GPU H100 node: 8.4 of 10.2 kW)
    rack        power_kw_total or power_kw_rack x racks, as the maker states it
    estimate    chips x TDP x (1 + 575/700) as nameplate: non-GPU power of an H100 server scaled with TDP; where TDP is
                of a module with its host processor (GH200), TDP + 100 W of board and storage

Sources: arXiv:2412.08602 and 2506.14551 (measured share), catalog costs ``node_power_utilisation``, ``power_non_gpu``,
``idle_fraction_gpu``; capping law: docs/facility.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Catalog
from planner.catalog.records import Chip, System
from planner.errors import InputError, Problem, UnknownFigureError
from planner.facility.cooling import CoolingPair

Floats = float | NDArray[np.float64]
"""A number or an array of numbers; arrays of one call broadcast."""

PHASE_ACTIVITY: dict[str, float] = {"train": 0.9, "prefill": 0.925, "decode": 0.575, "serve": 0.75, "idle": 0.0}
"""Share of a chip's dynamic power range by phase: middle of 0.8-1, 0.85-1, 0.45-0.7; ``serve`` mixes the last two."""

LOW_ACTIVITY = 0.5
"""Share of the dynamic range that a chip draws while its matrix units wait: between collectives (0.40-0.45) and
streaming weights at full bandwidth (0.6), as in the serving model's activities (arXiv:2311.18677)."""

NIC_W_PER_400G = 25.0
"""Watts of a NIC per 400 Gb/s of port, without its optic (planner estimate; only splits host from NICs)."""
HOST_W_PER_CHIP_MIN = 100.0
"""Least host power per chip: two 350 W processors and memory over eight chips (planner estimate)."""
H100_TDP_W = 700.0
"""TDP of the chip that ``power_non_gpu`` was stated for."""

CAP_STATIC_SHARE, CAP_EXPONENT = 0.25, 2.3
"""Middle of the published ranges 0.2-0.3 and 2.0-2.6 of the capping law."""
CAP_MEMORY_FLOOR = 0.55
"""Cap down to which memory-bound work keeps its speed: middle of 0.5-0.6."""


@dataclass(frozen=True)
class SystemPower:
    """Watts of one purchase unit (a server, rack, supernode, ...). Arrays where inputs were arrays.

    ``breakdown`` {chips, host, nics, fans, network, cooling_and_losses} sums exactly to ``facility_average_w``;
    ``peak_breakdown`` likewise to ``facility_peak_w``. ``basis`` names the published figure that host power rests on.
    ``swing_w``: IT watts between full power and waiting when all chips of the unit change together.
    """

    it_peak_w: Floats
    it_average_w: Floats
    facility_peak_w: Floats
    facility_average_w: Floats
    chips: int
    basis: str
    swing_w: Floats = 0.0
    breakdown: Mapping[str, Floats] = field(default_factory=dict)
    peak_breakdown: Mapping[str, Floats] = field(default_factory=dict)


def rated_power_w(catalog: Catalog, system: System, chip: Chip, pair: CoolingPair) -> tuple[float, float, str]:
    """(peak, nameplate, basis) in watts of one unit with chips at TDP and the fans of its rating.

    Raises ``UnknownFigureError`` for the chip's TDP, for the number of chips of the unit, or for the racks of a unit
    whose power is stated per rack only.
    """
    chips = system.unit_chips
    tdp = chip.need("tdp_w")
    share = _high(catalog, "node_power_utilisation")
    measured, nameplate = system.get("power_kw_server_measured"), system.get("power_kw_server_max")
    total, rack = system.get("power_kw_total"), system.get("power_kw_rack")
    if total is not None:
        peak = total * 1e3 * system.unit_share
        return peak, peak, "rack"
    if rack is not None and system.kind != "server":
        peak = rack * 1e3 * system.need("racks") * system.unit_share
        return peak, peak, "rack"
    if measured is not None:
        servers = chips / system.server_chips
        return measured * 1e3 * servers, (nameplate or measured) * 1e3 * servers, "measured"
    if nameplate is not None:
        rated = nameplate * 1e3 * chips / system.server_chips
        return rated * share, rated, "nameplate"
    if chip.text("tdp_scope") == "module":  # the host is inside TDP: what is left is board and storage
        rated = (chips * (tdp + HOST_W_PER_CHIP_MIN) + _nics_w(system, chip)) / (1.0 - pair.fan_fraction_rated)
        return rated, rated, "estimate"
    rated = chips * tdp * (1.0 + float(catalog.cost("power_non_gpu")) / H100_TDP_W)
    return rated * share, rated, "estimate"


def system_power(
    catalog: Catalog,
    system: System,
    chip: Chip,
    pair: CoolingPair,
    *,
    activity: Floats,
    network_w_per_chip: Floats = 0.0,
    power_cap: Floats = 1.0,
    swing_max: float = 1.0,
) -> SystemPower:
    """Peak and average power of one unit of ``system`` with ``chip`` in the cooling ``pair``.

    ``activity`` in [0, 1] is the share of the chip's dynamic range that the work uses; ``network_w_per_chip`` is power
    of switches and optics outside the unit; ``power_cap`` is the enforced share of TDP. All broadcast.
    ``swing_max``: the most that chips may step between full power and waiting, as a share of the unit's IT peak; work
    without use fills what they draw while they wait up to that (fans are too slow to step, so they do not count).

    Peak is chips at the cap and everything else at full, at the PUE of the design day. Raises ``UnknownFigureError``
    (TDP, chips of the unit) naming what ``assume`` must supply, ``InputError`` for a cap at or below idle or activity
    outside [0, 1].
    """
    idle_share = chip.get("idle_power_fraction")
    if idle_share is None:
        idle_share = catalog.cost("idle_fraction_gpu")
    act, cap = np.asarray(activity, np.float64), np.asarray(power_cap, np.float64)
    net_per_chip = np.asarray(network_w_per_chip, np.float64)
    if np.any((act < 0.0) | (act > 1.0)):
        raise InputError(Problem("activity is a share of the chip's power range", found=f"{activity}", allowed="0..1"))
    if np.any((cap <= idle_share) | (cap > 1.0)):
        allowed = f"above the idle share {idle_share:g}, at most 1"
        raise InputError(Problem("power_cap is a share of TDP", found=f"{power_cap}", allowed=allowed))

    peak, nameplate, basis = rated_power_w(catalog, system, chip, pair)
    chips = system.unit_chips
    tdp = chip.need("tdp_w")
    nics = _nics_w(system, chip)
    host = _host_w(peak, nameplate, chips * tdp + nics, chips, pair.fan_fraction_rated)

    fan_factor = pair.fan_fraction / (1.0 - pair.fan_fraction)
    chips_peak = chips * tdp * cap
    network = chips * net_per_chip
    it_peak, site_peak, peak_parts = _site(chips_peak, host, nics, fan_factor, network, pair.pue_peak)
    filled = cap - swing_max * np.asarray(it_peak) / (chips * tdp)
    low = np.maximum(np.minimum(_of_range(idle_share, np.minimum(act, LOW_ACTIVITY)), cap), filled)
    chips_average = chips * tdp * _average_share(act, cap, idle_share, low)
    it_average, site_average, parts = _site(chips_average, host, nics, fan_factor, network, pair.pue)
    swing: Any = (chips_peak - chips * tdp * low) + np.zeros(np.shape(net_per_chip))
    return SystemPower(it_peak, it_average, site_peak, site_average, chips, basis, swing[()], parts, peak_parts)


def speed_at_cap(
    cap: Floats,
    static_share: Floats = CAP_STATIC_SHARE,
    exponent: Floats = CAP_EXPONENT,
    memory_bound_share: Floats = 0.0,
) -> Floats:
    """Speed of a power-capped chip relative to uncapped, in [0, 1]; arrays broadcast.

    Compute-bound x(c) = min(1, ((c - s)/(1 - s))^(1/a)); memory-bound work keeps speed 1 down to c = 0.55 and then
    follows the same law from there. A phase whose uncapped time is a share m memory-bound takes (1-m)/x + m/x_mem.
    Zero at or below the static share. Source: docs/facility.md, power caps.
    """
    c, s, a, m = np.broadcast_arrays(
        *(np.asarray(v, np.float64) for v in (cap, static_share, exponent, memory_bound_share))
    )
    compute = np.clip((c - s) / (1.0 - s), 0.0, 1.0) ** (1.0 / a)
    floor = np.maximum(CAP_MEMORY_FLOOR, s + 1e-9)
    memory = np.clip((c - s) / (floor - s), 0.0, 1.0) ** (1.0 / a)
    alive = (compute > 0.0) & (memory > 0.0)
    safe_compute, safe_memory = np.where(alive, compute, 1.0), np.where(alive, memory, 1.0)
    speed: Any = np.where(alive, 1.0 / ((1.0 - m) / safe_compute + m / safe_memory), 0.0)
    return speed[()]  # type: ignore[no-any-return]


def _of_range(idle_share: Floats, activity: Floats) -> Any:
    """Share of TDP at an activity: idle plus its part of the dynamic range."""
    return idle_share + (1.0 - idle_share) * activity


def _average_share(
    activity: NDArray[np.float64], cap: NDArray[np.float64], idle_share: float, waiting: NDArray[np.float64]
) -> Any:
    """Mean draw over TDP under a cap: full power and ``waiting``, in the shares behind ``activity``, both cut at it."""
    low = np.minimum(activity, LOW_ACTIVITY)
    full = (activity - low) / (1.0 - low)
    mean = full * cap + (1.0 - full) * waiting
    untouched = (cap >= 1.0) & (waiting <= _of_range(idle_share, low))
    return np.where(untouched, _of_range(idle_share, activity), mean)


def _nics_w(system: System, chip: Chip) -> float:
    """Watts of the network cards of one unit, without their optics."""
    gbit = system.get("scaleout_gbit_s_per_chip") or chip.get("scaleout_gbit_s_per_chip") or 0.0
    return system.unit_chips * NIC_W_PER_400G * gbit / 400.0


def _host_w(peak: float, nameplate: float, chips_and_nics: float, chips: int, fan_rated: float) -> float:
    """What the published power leaves for the host. Chips at TDP plus a least host must fit: a nameplate's measured
    share was seen on one node, so it gives way to them, up to the nameplate itself; never negative."""
    least = (chips_and_nics + chips * HOST_W_PER_CHIP_MIN) / (1.0 - fan_rated)
    server = min(max(peak, least), max(peak, nameplate))
    return max(0.0, server * (1.0 - fan_rated) - chips_and_nics)


def _site(
    chips: NDArray[np.float64], host: float, nics: float, fan_factor: float, network: NDArray[np.float64], pue: float
) -> tuple[Floats, Floats, dict[str, Floats]]:
    """(IT watts, site watts, parts) where the parts, added in order, give the site watts exactly."""
    shape = np.broadcast_shapes(np.shape(chips), np.shape(network))
    fans = (chips + host + nics) * fan_factor
    it = [np.broadcast_to(np.asarray(v, np.float64), shape) for v in (chips, host, nics, fans, network)]
    it_sum = sum(it[1:], start=it[0])
    losses = it_sum * (pue - 1.0)
    names = ("chips", "host", "nics", "fans", "network", "cooling_and_losses")
    parts: dict[str, Floats] = {name: part[()] for name, part in zip(names, (*it, losses), strict=True)}
    return it_sum[()], (it_sum + losses)[()], parts


def _high(catalog: Catalog, item: str) -> float:
    record = catalog.costs.get(item)
    if record is None:
        raise UnknownFigureError("costs", item, "value")
    figure = record.figure("value")
    high: float = record.need("value") if figure is None or figure.high is None else figure.high
    return high
